//! Tells how far a stage is, often enough to look alive and no more.

use std::time::{Duration, Instant};

use tracing::span::EnteredSpan;
use tracing::{Span, trace_span};

use super::Error;
use crate::record::{Event, Observer, Stage};

/// Time between two events.
const PAUSE: Duration = Duration::from_millis(50);

/// A stage that goes on. Dropped before it finishes, it tells nothing more.
pub(super) struct Progress<'a> {
    observer: &'a Observer<'a>,
    stage: Stage,
    done: u64,
    started: Instant,
    told: Instant,
    /// In a trace the stage ends with this value, whatever becomes of it.
    _span: EnteredSpan,
}

impl<'a> Progress<'a> {
    /// Begins a stage of `total` units.
    pub fn begin(observer: &'a Observer<'a>, stage: Stage, total: Option<u64>) -> Self {
        observer.tell(Event::StageStarted {
            stage: stage.clone(),
            total,
        });
        let now = Instant::now();
        let span = span(&stage).entered();
        Self {
            observer,
            stage,
            done: 0,
            started: now,
            told: now,
            _span: span,
        }
    }

    /// `count` more units are done.
    pub fn advance(&mut self, count: u64) -> Result<(), Error> {
        if self.observer.interrupted() {
            return Err(Error::Interrupted);
        }
        self.done += count;
        if self.told.elapsed() >= PAUSE {
            self.tell();
        }
        Ok(())
    }

    /// The stage is over.
    pub fn finish(mut self) {
        self.tell();
        let seconds = self.started.elapsed().as_secs_f64();
        self.observer.tell(Event::StageFinished {
            stage: self.stage,
            seconds,
        });
    }

    fn tell(&mut self) {
        self.told = Instant::now();
        self.observer.tell(Event::StageProgress {
            stage: self.stage.clone(),
            done: self.done,
        });
    }
}

/// What a trace shows of a stage.
fn span(stage: &Stage) -> Span {
    match stage {
        Stage::Download(role) => trace_span!("download", artifact = role),
        Stage::Verify(role) => trace_span!("verify", artifact = role),
        Stage::Extract(role) => trace_span!("extract", artifact = role),
        Stage::Copy(role) => trace_span!("copy", artifact = role),
        Stage::Decode(_) | Stage::Features(_) | Stage::Evaluate(_) | Stage::Predict => Span::none(),
    }
}
