//! The folder of a run, which belongs to one process while the run goes on.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err::{self as fs, File};

use super::Error;
use crate::record::Record;
use crate::record::exhibits::{EXHIBITS_FILE, Exhibits};
use crate::record::history::History;
use crate::record::steps::StepDigests;
use crate::whole;

/// File that says that a run is over.
const RECORD_FILE: &str = "record.json";
/// File with the figures of every epoch.
const HISTORY_FILE: &str = "history.csv";
/// File that is locked while a process works in the folder.
const LOCK_FILE: &str = "running.lock";

/// The folder of a run that goes on.
pub(super) struct Folder {
    pub path: PathBuf,
    /// The system lets go of it when the process dies.
    _lock: File,
}

impl Folder {
    /// A folder of its own for a new run: seconds since 1970 and a number that no other run has.
    pub fn create(runs: &Path) -> Result<Self, Error> {
        fs::create_dir_all(runs)?;
        let seconds = SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |elapsed| elapsed.as_secs());
        for number in 0_u32.. {
            let path = runs.join(format!("{seconds}-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => {
                    let lock = File::create(path.join(LOCK_FILE))?;
                    lock.file().lock()?;
                    return Ok(Self { path, _lock: lock });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        unreachable!("one of four thousand million numbers is free")
    }

    /// The folder of a run that did not end, for this process; none if another works in it.
    pub fn take(path: PathBuf) -> Result<Option<Self>, Error> {
        let lock = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path.join(LOCK_FILE))?;
        match lock.file().try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            Err(std::fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        // It may have ended between a look at it and now.
        let is_over = path.join(RECORD_FILE).exists();
        Ok((!is_over).then_some(Self { path, _lock: lock }))
    }

    /// Writes the digests of the steps of an epoch; gives the file.
    pub fn write_steps(&self, steps: &StepDigests) -> Result<PathBuf, Error> {
        let path = self
            .path
            .join(format!("digests.{}.txt", steps.epoch.address()));
        let text = steps.text().map_err(std::io::Error::from)?;
        whole::write(&path, text.as_bytes())?;
        Ok(path)
    }

    /// Writes what reports show beside figures.
    pub fn write_exhibits(&self, exhibits: &Exhibits) -> Result<(), Error> {
        let text = serde_json::to_vec(exhibits).map_err(std::io::Error::from)?;
        Ok(whole::write(&self.path.join(EXHIBITS_FILE), &text)?)
    }

    /// Writes the figures of every epoch.
    pub fn write_history(&self, history: &History) -> Result<(), Error> {
        let text = history.csv();
        Ok(whole::write(
            &self.path.join(HISTORY_FILE),
            text.as_bytes(),
        )?)
    }

    /// Writes `record.json`, which says that the run is over.
    pub fn write_record(&self, record: &Record) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(record).map_err(std::io::Error::from)?;
        whole::write(&self.path.join(RECORD_FILE), &text)?;
        Ok(fs::remove_file(self.path.join(LOCK_FILE))?)
    }
}

/// The id of a run: its folder's name.
pub fn id(run: &Path) -> String {
    let name = run.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Folders of runs of a recipe that did not end, the newest first.
pub(super) fn unfinished(runs: &Path) -> impl Iterator<Item = PathBuf> {
    let all = all(runs).into_iter();
    all.filter(|run| !run.join(RECORD_FILE).exists())
}

/// Folders of runs of a recipe, the newest first.
pub(super) fn all(runs: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(runs) else {
        return vec![];
    };
    let when = |name: &str| {
        let (seconds, number) = name.split_once('-')?;
        Some((seconds.parse::<u64>().ok()?, number.parse::<u32>().ok()?))
    };
    let mut folders: Vec<((u64, u32), PathBuf)> = entries
        .flatten()
        .filter_map(|entry| Some((when(entry.file_name().to_str()?)?, entry.path())))
        .collect();
    folders.sort_unstable();
    folders.into_iter().rev().map(|(_, path)| path).collect()
}
