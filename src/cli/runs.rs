//! Folders of runs: `runs/<recipe>/<run-id>/record.json`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::anyhow;
use fs_err as fs;

use super::exit::Failure;
use crate::record::{Address, Fact, MadeValue, Record, made};

/// File of a run's record.
const RECORD_FILE: &str = "record.json";

/// The id of a run: its folder's name.
pub fn id(folder: &Path) -> String {
    folder
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The latest run of a recipe that has a record; none if there is none.
pub fn latest(runs: &Path, recipe: &str) -> Result<Option<PathBuf>, Failure> {
    let mut latest: Option<(SystemTime, PathBuf)> = None;
    for folder in folders(&runs.join(recipe))? {
        let Ok(metadata) = fs::metadata(folder.join(RECORD_FILE)) else {
            continue;
        };
        let when = metadata.modified().map_err(Failure::failed)?;
        if latest.as_ref().is_none_or(|(before, _)| when > *before) {
            latest = Some((when, folder));
        }
    }
    Ok(latest.map(|(_, folder)| folder))
}

/// The run of an id; none if the recipe has none of that id.
pub fn of_recipe(runs: &Path, recipe: &str, id: &str) -> Option<PathBuf> {
    let is_name = !id.is_empty() && !id.starts_with('.') && !id.contains(['/', '\\']);
    let folder = runs.join(recipe).join(id);
    (is_name && folder.join(RECORD_FILE).is_file()).then_some(folder)
}

/// The run of an id, of any recipe; none if there is none.
pub fn find(runs: &Path, id: &str) -> Result<Option<PathBuf>, Failure> {
    let recipes = folders(runs)?;
    let names = recipes.iter().map(|recipe| self::id(recipe));
    Ok(names
        .into_iter()
        .find_map(|recipe| of_recipe(runs, &recipe, id)))
}

/// A run of any recipe whose record has a fact; none if there is none. Records that cannot be read are passed by.
pub fn with_fact(runs: &Path, address: &Address, fact: &Fact) -> Result<Option<PathBuf>, Failure> {
    for recipe in folders(runs)? {
        for folder in folders(&recipe)? {
            let record = record(&folder).ok();
            if record.is_some_and(|record| record.facts.get(address) == Some(fact)) {
                return Ok(Some(folder));
            }
        }
    }
    Ok(None)
}

/// A run of a recipe by an executable, with a record that `is_wanted`; none if there is none. Records that cannot
/// be read are passed by.
pub fn of_executable(
    runs: &Path,
    recipe: &str,
    executable: &str,
    is_wanted: impl Fn(&Record) -> bool,
) -> Result<Option<(PathBuf, Record)>, Failure> {
    let executable = MadeValue::Text(executable.to_owned());
    for folder in folders(&runs.join(recipe))? {
        let Ok(record) = record(&folder) else {
            continue;
        };
        if record.made.get(made::EXECUTABLE) == Some(&executable) && is_wanted(&record) {
            return Ok(Some((folder, record)));
        }
    }
    Ok(None)
}

/// The record in a run's folder.
pub fn record(folder: &Path) -> Result<Record, Failure> {
    record_file(&folder.join(RECORD_FILE))
}

/// The record in a file.
pub fn record_file(path: &Path) -> Result<Record, Failure> {
    let text = fs::read_to_string(path).map_err(Failure::wrong)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::wrong(anyhow!("{} is no record: {error}", path.display())))
}

/// Folders in a folder, by name; none where there is no such folder.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::failed(error)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.map_err(Failure::failed)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}
