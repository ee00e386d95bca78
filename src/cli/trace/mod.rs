//! `--trace FILE`: what each thread does, for <https://ui.perfetto.dev> and `chrome://tracing`.
//!
//! The spans of a command ([`layer`]) become a JSON array of trace events ([`mod@file`]). The file appears under
//! its name when the command is over, whatever became of it: it is whole then, or not there.
//! ARCHITECTURE.md says how spans are named.

mod file;
mod layer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::anyhow;

use self::file::TraceFile;
pub use self::layer::TraceLayer;
use super::exit::Failure;

/// The trace of this process, for who ends it from another thread.
static TRACE: OnceLock<Arc<Shared>> = OnceLock::new();

/// A trace that goes on; dropped, as by a panic, it is closed.
pub struct Trace {
    path: PathBuf,
    shared: Arc<Shared>,
}

impl Trace {
    /// Begins a trace, with the layer that writes into it.
    pub fn begin(path: &Path) -> Result<(Self, TraceLayer), Failure> {
        let shared = Shared::create(path).map_err(|error| {
            Failure::wrong(anyhow!(
                "{error}\n\
                 hint: `--trace` takes a file in a folder that is there and can be written"
            ))
        })?;
        let shared = Arc::clone(TRACE.get_or_init(|| Arc::new(shared)));
        let layer = TraceLayer::new(Arc::clone(&shared));
        let path = path.to_path_buf();
        Ok((Self { path, shared }, layer))
    }

    /// Ends the trace; gives what to tell of it.
    pub fn finish(self) -> Result<String, Failure> {
        let path = self.path.display();
        match self.shared.close() {
            Ok(()) => Ok(format!(
                "note: {path} shows what each thread did; https://ui.perfetto.dev opens it"
            )),
            Err(error) => Err(Failure::failed(error)),
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = self.shared.close();
    }
}

/// Ends the trace of this process, if it has one, before the process ends without a word.
pub fn close() {
    if let Some(shared) = TRACE.get() {
        let _ = shared.close();
    }
}

/// A trace that all threads write to.
pub struct Shared(Mutex<State>);

enum State {
    Open(TraceFile),
    /// What could not be written; whoever closes the trace tells it.
    Failed(io::Error),
    Closed,
}

impl Shared {
    fn create(path: &Path) -> io::Result<Self> {
        // A file is put into the place of whatever has its name: a device must not be lost to that.
        if path.exists() && !path.is_file() {
            let is = if path.is_dir() {
                "a folder"
            } else {
                "no regular file"
            };
            let text = format!("cannot write {}: it is {is}", path.display());
            return Err(io::Error::other(text));
        }
        let file = TraceFile::create(path)?;
        Ok(Self(Mutex::new(State::Open(file))))
    }

    /// Writes into the trace unless it is over.
    fn write(&self, write: impl FnOnce(&mut TraceFile) -> io::Result<()>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Open(file) = &mut *state
            && let Err(error) = write(file)
        {
            *state = State::Failed(error);
        }
    }

    /// Puts the file into its place. A second time there is nothing left to do.
    fn close(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Closed) {
            State::Open(file) => file.keep(),
            State::Failed(error) => Err(error),
            State::Closed => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_told_by_who_closes_the_trace_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone/trace.json");
        fs_err::create_dir(folder.path().join("gone")).unwrap();
        let shared = Shared::create(&path).unwrap();
        fs_err::remove_dir_all(folder.path().join("gone")).unwrap();
        let error = shared.close().unwrap_err().to_string();
        let named = format!("cannot write {}: ", path.display());
        assert!(error.starts_with(&named), "{error}");
        shared.close().unwrap();

        let path = folder.path().join("trace.json");
        let shared = Shared::create(&path).unwrap();
        shared.write(|_| Err(io::Error::other("disk on fire")));
        shared.write(|_| unreachable!("nothing is written any more"));
        assert_eq!(shared.close().unwrap_err().to_string(), "disk on fire");
        assert!(!path.exists());
    }
}
