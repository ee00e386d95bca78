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
use crate::golden::compare::{Comparison, PublishedOutcome, compare, exactly, without_golden};
use crate::golden::{self, Golden};
use crate::record::exhibits::{EXHIBITS_FILE, Exhibits};
use crate::record::{Address, MadeValue, Record, made};
use crate::report::html;
use crate::report::html::several::{self, Among};
use crate::whole;

/// File in a run's folder.
const REPORT_FILE: &str = "report.html";

/// Writes the report of a run, or of several, that are there.
pub fn report(session: &Session, arguments: &Report) -> Result<Exit, Failure> {
    session.refuse_changes("report", "it shows what is there")?;
    let folders = arguments.runs.iter();
    let folders = folders.map(|run| runs::named(&session.runs(), run));
    let folders = folders.collect::<Result<Vec<_>, _>>()?;
    let records = folders.iter().map(|folder| runs::record(folder));
    let records = records.collect::<Result<Vec<_>, _>>()?;
    let shown = folders.iter().zip(&records);
    let shown = shown.map(|(folder, record)| Shown::of(folder, record));
    let shown = shown.collect::<Result<Vec<_>, _>>()?;
    let path = match (&arguments.out, shown.as_slice()) {
        (Some(path), _) => path.clone(),
        (None, [one]) => one.folder.join(REPORT_FILE),
        (None, _) => session.runs().join(REPORT_FILE),
    };
    match shown.as_slice() {
        [one] => one.hold_and_write(session, &path)?,
        several => write_several(session, several, &path)?,
    }
    if session.options.json {
        output::json(&serde_json::json!({ "report": path.display().to_string() }))?;
    } else {
        output::data(&format!("{}\n", session.shown(&path)))?;
    }
    Ok(Exit::Good)
}

/// Writes the report of a run that was not checked, beside its record.
pub fn of_run(session: &Session, folder: &Path, record: &Record) -> Result<PathBuf, Failure> {
    let path = folder.join(REPORT_FILE);
    Shown::of(folder, record)?.hold_and_write(session, &path)?;
    Ok(path)
}

/// Writes the report of a run and its verdict, beside its record.
pub fn of_comparison(
    folder: &Path,
    record: &Record,
    comparison: &Comparison,
    marks: &[String],
    golden: Option<&Golden>,
) -> Result<PathBuf, Failure> {
    let path = folder.join(REPORT_FILE);
    Shown::of(folder, record)?.write(&path, comparison, marks, golden)?;
    Ok(path)
}

/// Writes runs onto one page, each beside the first.
fn write_several(session: &Session, shown: &[Shown<'_>], path: &Path) -> Result<(), Failure> {
    let Some(first) = shown.first() else {
        return Ok(());
    };
    let beside_first = shown.iter().map(|run| {
        let mut comparison = exactly(first.record, run.record);
        comparison::explain(session, &mut comparison, first.side(), run.side())?;
        Ok(comparison)
    });
    let beside_first = beside_first.collect::<Result<Vec<_>, Failure>>()?;
    let ids: Vec<String> = shown.iter().map(|run| runs::id(run.folder)).collect();
    let among = shown.iter().zip(&ids).zip(&beside_first);
    let among: Vec<Among<'_>> = among
        .map(|((run, id), beside_first)| Among {
            recipe: &run.recipe,
            id,
            record: run.record,
            exhibits: run.exhibits.as_ref(),
            beside_first,
        })
        .collect();
    whole::write(path, several::page(&among).as_bytes()).map_err(Failure::failed)
}

/// A run and what there is to show of it.
struct Shown<'a> {
    folder: &'a Path,
    record: &'a Record,
    /// None where it kept nothing.
    exhibits: Option<Exhibits>,
    /// Name of its recipe: as the run says, else as its folder lies.
    recipe: String,
}

impl<'a> Shown<'a> {
    fn of(folder: &'a Path, record: &'a Record) -> Result<Self, Failure> {
        let exhibits = exhibits(folder)?;
        let recipe = match &exhibits {
            Some(exhibits) => exhibits.recipe.clone(),
            None => folder.parent().map(runs::id).unwrap_or_default(),
        };
        Ok(Self {
            folder,
            record,
            exhibits,
            recipe,
        })
    }

    const fn side(&self) -> Side<'_> {
        Side {
            record: self.record,
            folder: Some(self.folder),
        }
    }

    /// Holds the run to the present golden, and writes the page.
    fn hold_and_write(&self, session: &Session, path: &Path) -> Result<(), Failure> {
        let golden = match session.goldens.load(&self.recipe) {
            Ok(golden) => golden,
            // A folder that lies anywhere says no recipe.
            Err(golden::Error::Name { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let comparison = self.held(session, golden.as_ref())?;
        let is_unpinned = self.record.made.get(made::UNPINNED) == Some(&MadeValue::Flag(true));
        let marks = is_unpinned.then(|| "unpinned artifacts".to_owned());
        self.write(path, &comparison, marks.as_slice(), golden.as_ref())
    }

    /// The run beside the golden, as `check` would hold it if the recipe is still that of the run; else to the bit.
    fn held(&self, session: &Session, golden: Option<&Golden>) -> Result<Comparison, Failure> {
        let record = self.record;
        let golden = golden.map(|golden| &golden.record);
        let fingerprint = record.text(&Address::new("recipe.fingerprint"));
        let recipe = session.load_as_written(&self.recipe).ok();
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
            comparison::explain(session, &mut comparison, before, self.side())?;
        }
        Ok(comparison)
    }

    fn write(
        &self,
        path: &Path,
        comparison: &Comparison,
        marks: &[String],
        golden: Option<&Golden>,
    ) -> Result<(), Failure> {
        let page = html::page(&html::Report {
            recipe: &self.recipe,
            id: &runs::id(self.folder),
            record: self.record,
            exhibits: self.exhibits.as_ref(),
            comparison,
            marks,
            golden: golden.map(|golden| &golden.record),
        });
        whole::write(path, page.as_bytes()).map_err(Failure::failed)
    }
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
