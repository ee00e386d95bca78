//! `goldrun report`: a run as one page of HTML; `run` and `check` write it by themselves.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use fs_err as fs;

use super::arguments::Report;
use super::comparison::{self, Side};
use super::exit::{Exit, Failure};
use super::output;
use super::runs;
use super::session::Session;
use crate::golden::Golden;
use crate::golden::compare::{Comparison, PublishedOutcome, compare, exactly, without_golden};
use crate::record::exhibits::{EXHIBITS_FILE, Exhibits};
use crate::record::{Address, MadeValue, Record, made};
use crate::report::html;
use crate::whole;

/// File in a run's folder.
const REPORT_FILE: &str = "report.html";

/// Writes the report of a run that is there.
pub fn report(session: &Session, arguments: &Report) -> Result<Exit, Failure> {
    session.refuse_changes("report", "it shows what is there")?;
    let folder = runs::named(&session.runs(), &arguments.run)?;
    let record = runs::record(&folder)?;
    let golden = golden(session, &folder)?;
    let comparison = held(session, &folder, &record, golden.as_ref())?;
    let path = match &arguments.out {
        Some(path) => path.clone(),
        None => folder.join(REPORT_FILE),
    };
    write_to(&path, &folder, &record, &comparison, golden.as_ref())?;
    if session.options.json {
        output::json(&serde_json::json!({ "report": path.display().to_string() }))?;
    } else {
        output::data(&format!("{}\n", session.shown(&path)))?;
    }
    Ok(Exit::Good)
}

/// Writes the report of a run that was not checked, beside its record.
pub fn of_run(session: &Session, folder: &Path, record: &Record) -> Result<PathBuf, Failure> {
    let golden = golden(session, folder)?;
    let comparison = held(session, folder, record, golden.as_ref())?;
    of_comparison(folder, record, &comparison, golden.as_ref())
}

/// Writes the report of a run and its verdict, beside its record.
pub fn of_comparison(
    folder: &Path,
    record: &Record,
    comparison: &Comparison,
    golden: Option<&Golden>,
) -> Result<PathBuf, Failure> {
    let path = folder.join(REPORT_FILE);
    write_to(&path, folder, record, comparison, golden)?;
    Ok(path)
}

fn write_to(
    path: &Path,
    folder: &Path,
    record: &Record,
    comparison: &Comparison,
    golden: Option<&Golden>,
) -> Result<(), Failure> {
    let exhibits = exhibits(folder)?;
    let recipe = recipe(folder, exhibits.as_ref());
    let is_unpinned = record.made.get(made::UNPINNED) == Some(&MadeValue::Flag(true));
    let marks = is_unpinned.then(|| "unpinned artifacts".to_owned());
    let marks: Vec<String> = marks.into_iter().collect();
    let page = html::page(&html::Report {
        recipe: &recipe,
        id: &runs::id(folder),
        record,
        exhibits: exhibits.as_ref(),
        comparison,
        marks: &marks,
        golden: golden.map(|golden| &golden.record),
    });
    whole::write(path, page.as_bytes()).map_err(Failure::failed)
}

/// What the run shows beside its record; none where it kept nothing.
fn exhibits(folder: &Path) -> Result<Option<Exhibits>, Failure> {
    let path = folder.join(EXHIBITS_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::failed(error)),
    };
    let read = serde_json::from_str(&text);
    read.map(Some).map_err(|error| {
        Failure::wrong(anyhow!(
            "{} is not what a run writes: {error}\n\
             hint: remove it for a report without pictures, or run the recipe again",
            path.display()
        ))
    })
}

/// The recipe of a run: as the run says, else as its folder lies.
fn recipe(folder: &Path, exhibits: Option<&Exhibits>) -> String {
    match exhibits {
        Some(exhibits) => exhibits.recipe.clone(),
        None => folder.parent().map(runs::id).unwrap_or_default(),
    }
}

/// The present golden of a run's recipe.
fn golden(session: &Session, folder: &Path) -> Result<Option<Golden>, Failure> {
    let recipe = recipe(folder, exhibits(folder)?.as_ref());
    match session.goldens.load(&recipe) {
        Ok(golden) => Ok(golden),
        // A folder that lies anywhere says no recipe.
        Err(crate::golden::Error::Name { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A run beside the golden, as `check` would hold it if the recipe is still that of the run; else to the bit.
fn held(
    session: &Session,
    folder: &Path,
    record: &Record,
    golden: Option<&Golden>,
) -> Result<Comparison, Failure> {
    let golden = golden.map(|golden| &golden.record);
    let name = recipe(folder, exhibits(folder)?.as_ref());
    let fingerprint = record.text(&Address::new("recipe.fingerprint"));
    let recipe = session.load_as_written(&name).ok();
    let recipe = recipe.map(|loaded| loaded.recipe);
    let recipe = recipe.filter(|recipe| Some(recipe.fingerprint().as_str()) == fingerprint);
    let mut comparison = match (recipe, golden) {
        (Some(recipe), golden) => compare(record, golden, &recipe),
        (None, Some(golden)) => exactly(golden, record),
        (None, None) => without_golden(record, PublishedOutcome::None),
    };
    if let Some(golden) = golden {
        let before = Side {
            record: golden,
            folder: None,
        };
        let now = Side {
            record,
            folder: Some(folder),
        };
        comparison::explain(session, &mut comparison, before, now)?;
    }
    Ok(comparison)
}
