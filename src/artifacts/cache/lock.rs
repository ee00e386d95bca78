//! Locks between processes: one file per entry, held through `std::fs::File::lock`.
//!
//! The operating system lets go of a lock when its holder dies, so a crash leaves no stale lock. Lock
//! files themselves are left where they are: removing one while another process waits on it would let
//! two of them in.

use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fs_err::File;

use crate::artifacts::Error;
use crate::record::{Event, Observer};

/// How often a waiting process looks again, and at whether it was interrupted.
const POLL: Duration = Duration::from_millis(50);

/// An exclusive lock, released on drop.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock at `path`, waiting for whoever holds it.
    ///
    /// A wait is told once, with `purpose` completing "waiting for another goldrun that …".
    pub fn acquire(path: &Path, purpose: &str, observer: &Observer<'_>) -> Result<Self, Error> {
        Self::acquire_one_of(path, purpose, &AtomicBool::new(false), observer)
    }

    /// [`Lock::acquire`] for one of several locks of which only the first wait is told: `told` is true once
    /// it was.
    pub fn acquire_one_of(
        path: &Path,
        purpose: &str,
        told: &AtomicBool,
        observer: &Observer<'_>,
    ) -> Result<Self, Error> {
        let file = open(path)?;
        loop {
            if try_exclusive(&file)? {
                return Ok(Self { _file: file });
            }
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            if !told.swap(true, Ordering::Relaxed) {
                observer.tell(Event::Note(format!(
                    "waiting for another goldrun that {purpose}"
                )));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Takes the lock at `path`, which nobody holds for longer than a few file operations.
    pub fn acquire_brief(path: &Path) -> Result<Self, Error> {
        let file = open(path)?;
        file.file().lock()?;
        Ok(Self { _file: file })
    }
}

/// Opens a lock file, making it where it is missing.
pub(super) fn open(path: &Path) -> io::Result<File> {
    fs_err::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// Takes an exclusive lock on `file` if nobody holds one.
pub(super) fn try_exclusive(file: &File) -> io::Result<bool> {
    match file.file().try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(io::Error::new(
            error.kind(),
            format!("failed to lock `{}`: {error}", file.path().display()),
        )),
    }
}
