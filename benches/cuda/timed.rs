//! Times by the device's clock.

use goldrun::kernels::cuda::{Device, Error, Event, Stream};

/// Launches that are timed together.
const LAUNCHES: usize = 10;
/// Times of which the median is taken.
const TRIALS: usize = 15;

/// A stopwatch on a device.
pub(crate) struct Stopwatch {
    start: Event,
    end: Event,
}

impl Stopwatch {
    pub(crate) fn new(device: &Device) -> Result<Self, Error> {
        Ok(Self {
            start: Event::timed(device)?,
            end: Event::timed(device)?,
        })
    }

    /// Median seconds of one launch.
    pub(crate) fn time(
        &self,
        stream: &Stream,
        mut launch: impl FnMut() -> Result<(), Error>,
    ) -> Result<f64, Error> {
        launch()?;
        let mut seconds = Vec::with_capacity(TRIALS);
        for _ in 0..TRIALS {
            self.start.record(stream)?;
            for _ in 0..LAUNCHES {
                launch()?;
            }
            self.end.record(stream)?;
            self.end.wait()?;
            seconds.push(self.end.seconds_since(&self.start)? / LAUNCHES as f64);
        }
        seconds.sort_by(f64::total_cmp);
        Ok(seconds[TRIALS / 2])
    }
}
