//! Streams of work on a device, events between them, and graphs of work that is done again.

use std::sync::Arc;

use cudarc::driver::result;
use cudarc::driver::sys::{
    CUevent, CUevent_flags, CUevent_wait_flags, CUgraphExec, CUgraphInstantiate_flags, CUstream,
    CUstreamCaptureMode,
};

use super::Error;
use super::device::{Context, Device};
use super::memory::{Value, View};

/// Work that is done in order, beside that of other streams.
pub struct Stream {
    raw: CUstream,
    /// Kept until this is gone.
    _context: Arc<Context>,
}

/// Which stream's work goes first where both are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// As the driver has it.
    Usual,
    /// After what others have to do.
    Low,
}

impl Stream {
    /// A new stream.
    pub fn new(device: &Device, priority: Priority) -> Result<Self, Error> {
        let kind = result::stream::StreamKind::NonBlocking;
        let raw = match priority {
            Priority::Usual => {
                let (_, greatest) = result::stream::get_priority_range()
                    .map_err(|error| Error::of("cuCtxGetStreamPriorityRange", error))?;
                result::stream::create_with_priority(kind, greatest)
            }
            Priority::Low => result::stream::create(kind),
        }
        .map_err(|error| Error::of("cuStreamCreate", error))?;
        Ok(Self {
            raw,
            _context: Arc::clone(&device.context),
        })
    }

    /// What comes after waits for `event` as it was last recorded.
    pub fn wait(&self, event: &Event) -> Result<(), Error> {
        let flags = CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
        // SAFETY: both live.
        unsafe { result::stream::wait_event(self.raw, event.raw, flags) }
            .map_err(|error| Error::of("cuStreamWaitEvent", error))
    }

    /// What comes after waits for what is in `other` now.
    pub fn wait_for(&self, other: &Self, event: &Event) -> Result<(), Error> {
        event.record(other)?;
        self.wait(event)
    }

    /// Waits until all of its work is done.
    pub fn synchronize(&self) -> Result<(), Error> {
        // SAFETY: it lives.
        unsafe { result::stream::synchronize(self.raw) }
            .map_err(|error| Error::of("cuStreamSynchronize", error))
    }

    /// Copies values on the device.
    ///
    /// # Panics
    /// If lengths differ.
    pub fn copy<T: Value>(&self, from: View<T>, to: View<T>) -> Result<(), Error> {
        assert_eq!(from.len(), to.len());
        let bytes = from.len() * size_of::<T>();
        // SAFETY: a device copy touches nothing of the host.
        unsafe { result::memcpy_dtod_async(to.address(), from.address(), bytes, self.raw) }
            .map_err(|error| Error::of("cuMemcpyDtoDAsync", error))
    }

    /// Sets values to zero.
    pub fn clear<T: Value>(&self, values: View<T>) -> Result<(), Error> {
        let bytes = values.len() * size_of::<T>();
        // SAFETY: as in `copy`.
        unsafe { result::memset_d8_async(values.address(), 0, bytes, self.raw) }
            .map_err(|error| Error::of("cuMemsetD8Async", error))
    }

    pub(super) fn raw(&self) -> CUstream {
        self.raw
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: it lives. The driver lets go of it when its work is done.
        let _ = unsafe { result::stream::destroy(self.raw) };
    }
}

/// A place in a stream.
pub struct Event {
    raw: CUevent,
    /// Kept until this is gone.
    _context: Arc<Context>,
}

impl Event {
    /// An event that no stream has recorded; waiting for it takes no time.
    pub fn new(device: &Device) -> Result<Self, Error> {
        Self::with(device, CUevent_flags::CU_EVENT_DISABLE_TIMING)
    }

    /// An event that notes the time.
    pub fn timed(device: &Device) -> Result<Self, Error> {
        Self::with(device, CUevent_flags::CU_EVENT_DEFAULT)
    }

    fn with(device: &Device, flags: CUevent_flags) -> Result<Self, Error> {
        let raw = result::event::create(flags).map_err(|e| Error::of("cuEventCreate", e))?;
        Ok(Self {
            raw,
            _context: Arc::clone(&device.context),
        })
    }

    /// Marks what is in the stream now.
    pub fn record(&self, stream: &Stream) -> Result<(), Error> {
        // SAFETY: both live.
        unsafe { result::event::record(self.raw, stream.raw) }
            .map_err(|error| Error::of("cuEventRecord", error))
    }

    /// Waits until what it marks is done.
    pub fn wait(&self) -> Result<(), Error> {
        // SAFETY: it lives.
        unsafe { result::event::synchronize(self.raw) }
            .map_err(|error| Error::of("cuEventSynchronize", error))
    }

    /// Seconds from another one; both note the time and are done.
    pub fn seconds_since(&self, earlier: &Self) -> Result<f64, Error> {
        /// The driver counts milliseconds.
        const SECOND: f64 = 1e3;
        // SAFETY: both live.
        let milliseconds = unsafe { result::event::elapsed(earlier.raw, self.raw) }
            .map_err(|error| Error::of("cuEventElapsedTime", error))?;
        Ok(f64::from(milliseconds) / SECOND)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: it lives. The driver lets go of it when it has happened.
        let _ = unsafe { result::event::destroy(self.raw) };
    }
}

/// Work that was recorded and can be done again, at the cost of one call.
pub struct Graph {
    raw: CUgraphExec,
    /// Kept until this is gone.
    _context: Arc<Context>,
}

impl Graph {
    /// Records what `work` puts into the stream, and into others that wait for it; does nothing of it.
    ///
    /// An error of `work` is returned, and the stream is as before.
    pub fn record<E: From<Error>>(
        device: &Device,
        stream: &Stream,
        work: impl FnOnce() -> Result<(), E>,
    ) -> Result<Self, E> {
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream lives.
        unsafe { result::stream::begin_capture(stream.raw, mode) }
            .map_err(|error| Error::of("cuStreamBeginCapture", error))?;
        let worked = work();
        // SAFETY: as above; also after an error, so that the stream does not go on recording.
        let graph = unsafe { result::stream::end_capture(stream.raw) };
        if let Err(error) = worked {
            if let Ok(graph) = graph {
                // SAFETY: it is not used again.
                let _ = unsafe { result::graph::destroy(graph) };
            }
            return Err(error);
        }
        let graph = graph.map_err(|error| Error::of("cuStreamEndCapture", error))?;
        // SAFETY: the graph lives until it is destroyed below; what is made of it stays.
        let raw = unsafe {
            let raw = result::graph::instantiate(graph, CUgraphInstantiate_flags(0));
            let _ = result::graph::destroy(graph);
            raw
        }
        .map_err(|error| Error::of("cuGraphInstantiate", error))?;
        Ok(Self {
            raw,
            _context: Arc::clone(&device.context),
        })
    }

    /// Does all of it, after what is in the stream.
    pub fn launch(&self, stream: &Stream) -> Result<(), Error> {
        // SAFETY: both live.
        unsafe { result::graph::launch(self.raw, stream.raw) }
            .map_err(|error| Error::of("cuGraphLaunch", error))
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: it lives. The driver lets go of it when its last launch is done.
        let _ = unsafe { result::graph::exec_destroy(self.raw) };
    }
}
