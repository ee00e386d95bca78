//! The folder of a run.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Error;
use crate::record::Record;
use crate::whole;

/// A folder of its own for a run: seconds since 1970 and a number that no other run has.
pub(super) fn create(runs: &Path) -> Result<PathBuf, Error> {
    fs_err::create_dir_all(runs)?;
    let seconds = SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |elapsed| elapsed.as_secs());
    for number in 0_u32.. {
        let folder = runs.join(format!("{seconds}-{number}"));
        match fs_err::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("one of four thousand million numbers is free")
}

/// Writes `record.json`, which says that the run is over.
pub(super) fn write_record(folder: &Path, record: &Record) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(record).map_err(std::io::Error::from)?;
    Ok(whole::write(&folder.join("record.json"), &text)?)
}
