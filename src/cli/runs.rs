//! Folders of runs: `runs/<recipe>/<run-id>/record.json`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::anyhow;
use fs_err as fs;

pub use crate::run::id;

use super::exit::Failure;
use crate::artifacts::cache::executable_digest;
use crate::record::{Address, Fact, MadeValue, Record, made};

/// File of a run's record.
const RECORD_FILE: &str = "record.json";

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

/// How many runs there are, of all recipes.
pub fn count(runs: &Path) -> Result<usize, Failure> {
    let mut count = 0;
    for recipe in folders(runs)? {
        count += folders(&recipe)?.len();
    }
    Ok(count)
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

/// The run that is meant: a folder, an id, or the latest of a recipe.
pub fn named(runs: &Path, written: &str) -> Result<PathBuf, Failure> {
    let folder = Path::new(written);
    if folder.join(RECORD_FILE).is_file() {
        return Ok(folder.to_owned());
    }
    let found = match find(runs, written)? {
        Some(found) => Some(found),
        None => latest(runs, written)?,
    };
    match found {
        Some(found) => Ok(found),
        None => Err(Failure::wrong(anyhow!(
            "there is no run `{written}` in {}\n\
             hint: give a run's folder or id, or the name of a recipe that was run{}",
            runs.display(),
            recipes_that_ran(runs)?
        ))),
    }
}

/// What there is instead: `: mine, quickstart`; nothing where no recipe was run.
fn recipes_that_ran(runs: &Path) -> Result<String, Failure> {
    let recipes = folders(runs)?;
    let names: Vec<String> = recipes.iter().map(|recipe| id(recipe)).collect();
    Ok(match names.as_slice() {
        [] => String::new(),
        names => format!(": {}", names.join(", ")),
    })
}

/// Ids of a recipe's newest runs, for a hint: `1795530265-0, 1795530112-0`.
pub fn newest(runs: &Path, recipe: &str) -> Result<String, Failure> {
    /// More would be no hint.
    const SHOWN: usize = 3;
    let folders = folders(&runs.join(recipe))?;
    let ids = folders.iter().rev().take(SHOWN).map(|folder| id(folder));
    Ok(ids.collect::<Vec<_>>().join(", "))
}

/// Runs of a recipe with their records; those whose records cannot be read are passed by.
pub fn with_records(
    runs: &Path,
    recipe: &str,
) -> Result<impl Iterator<Item = (PathBuf, Record)> + use<>, Failure> {
    let folders = folders(&runs.join(recipe))?.into_iter();
    Ok(folders.filter_map(|folder| {
        let record = record(&folder).ok()?;
        Some((folder, record))
    }))
}

/// A run of any recipe whose record has a fact; none if there is none.
pub fn with_fact(runs: &Path, address: &Address, fact: &Fact) -> Result<Option<PathBuf>, Failure> {
    for recipe in folders(runs)? {
        let mut of_recipe = with_records(runs, &id(&recipe))?;
        let found = of_recipe.find(|(_, record)| record.facts.get(address) == Some(fact));
        if let Some((folder, _)) = found {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

/// Runs of a recipe that this executable computed, with their records.
pub fn of_this_executable(
    runs: &Path,
    recipe: &str,
) -> Result<impl Iterator<Item = (PathBuf, Record)> + use<>, Failure> {
    let executable = MadeValue::Text(executable_digest().to_owned());
    let is_ours = move |record: &Record| record.made.get(made::EXECUTABLE) == Some(&executable);
    Ok(with_records(runs, recipe)?.filter(move |(_, record)| is_ours(record)))
}

/// The record in a run's folder.
pub fn record(folder: &Path) -> Result<Record, Failure> {
    record_file(&folder.join(RECORD_FILE))
}

/// The record in a file.
pub fn record_file(path: &Path) -> Result<Record, Failure> {
    let text = fs::read_to_string(path).map_err(Failure::wrong)?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::wrong(anyhow!(
            "{} is no record: {error}\n\
                 hint: give the record.json that a run has written, or run the recipe again",
            path.display()
        ))
    })
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
