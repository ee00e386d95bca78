//! What `check` leaves for a job of CI: files that were asked for, and what GitHub reads by itself.

use std::io::Write as _;
use std::path::Path;

use anyhow::anyhow;
use fs_err as fs;

use super::super::arguments::ReportFiles;
use super::super::exit::Failure;
use super::super::output;
use super::results::Results;
use crate::report::ci::{annotations, junit, markdown};
use crate::whole;

/// GitHub sets it to `true`.
const GITHUB: &str = "GITHUB_ACTIONS";

/// File that GitHub shows on the page of a job.
const GITHUB_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// Folder that names of files are relative to in annotations.
pub const GITHUB_WORKSPACE: &str = "GITHUB_WORKSPACE";

/// Makes the folders of the files that are asked for: what is wrong with them should not be told after hours.
pub fn prepare(files: &ReportFiles) -> Result<(), Failure> {
    for file in [&files.junit, &files.markdown].into_iter().flatten() {
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            fs::create_dir_all(folder).map_err(Failure::wrong)?;
        }
        if file.is_dir() {
            return Err(Failure::wrong(anyhow!(
                "{} is a folder, expected a file\nhint: name a file in it",
                file.display()
            )));
        }
    }
    Ok(())
}

/// Writes all that is asked for.
pub fn write(files: &ReportFiles, results: &Results) -> Result<(), Failure> {
    let cases = &results.cases;
    if let Some(path) = &files.junit {
        let text = junit(cases).map_err(Failure::failed)?;
        whole::write(path, text.as_bytes()).map_err(Failure::failed)?;
    }
    if let Some(path) = &files.markdown {
        whole::write(path, markdown(cases).as_bytes()).map_err(Failure::failed)?;
    }
    if std::env::var_os(GITHUB).is_none_or(|value| value != "true") {
        return Ok(());
    }
    // Standard output may be data; GitHub reads commands from either.
    for line in annotations(cases).lines() {
        output::line(line);
    }
    match std::env::var_os(GITHUB_SUMMARY) {
        Some(path) if !path.is_empty() => append(Path::new(&path), &markdown(cases)),
        _ => Ok(()),
    }
}

/// Adds to a file that other steps write to, too.
fn append(path: &Path, text: &str) -> Result<(), Failure> {
    let opened = fs::OpenOptions::new().create(true).append(true).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(Failure::failed)
}
