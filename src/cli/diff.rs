//! `goldrun diff`: two runs, or a run and a golden, to the bit; or the steps of an epoch.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde::Serialize;

use super::comparison::{self, Side, Why};
use super::exit::{Exit, Failure};
use super::output;
use super::runs;
use super::session::Session;
use super::steps;
use crate::golden::compare::exactly;
use crate::golden::text;
use crate::record::Record;
use crate::report::terminal::verdict;

/// A comparison as data.
#[derive(Debug, Serialize)]
struct Different {
    a: String,
    b: String,
    identical: bool,
    #[serde(flatten)]
    why: Why,
}

/// One side of a comparison.
struct Named {
    name: String,
    record: Record,
    /// The run's folder, where it is a run.
    folder: Option<PathBuf>,
}

impl Named {
    fn side(&self) -> Side<'_> {
        Side {
            record: &self.record,
            folder: self.folder.as_deref(),
        }
    }
}

/// Compares two sides; exit code 1 if they are not the same bits.
pub fn diff(session: &Session, a: &str, b: &str) -> Result<Exit, Failure> {
    session.refuse_changes("diff", "it compares what is there")?;
    match (steps::of_file(a)?, steps::of_file(b)?) {
        (None, None) => {}
        (Some(of_a), Some(of_b)) => return steps::diff(session, [a, b], [&of_a, &of_b]),
        (of_a, _) => {
            let (steps, other) = if of_a.is_some() { (a, b) } else { (b, a) };
            return Err(Failure::wrong(anyhow!(
                "`{steps}` holds digests of steps, and `{other}` does not\n\
                 hint: compare two such files, or two runs"
            )));
        }
    }
    let (a, b) = (named(session, a)?, named(session, b)?);
    let mut comparison = exactly(&a.record, &b.record);
    comparison::explain(session, &mut comparison, a.side(), b.side())?;
    let identical = comparison.parting.is_none();
    if session.options.json {
        output::json(&Different {
            why: Why::from(&comparison),
            a: a.name,
            b: b.name,
            identical,
        })?;
    } else {
        output::data(&verdict::diff(&a.name, &b.name, &comparison, session.style))?;
    }
    Ok(if identical { Exit::Good } else { Exit::Differs })
}

/// What is meant: a path to a run's folder, a record or a golden; else a run's id; else a recipe's name,
/// for its golden.
fn named(session: &Session, written: &str) -> Result<Named, Failure> {
    let path = Path::new(written);
    if path.is_dir() {
        return run(path);
    }
    if path.is_file() {
        let is_golden = path
            .extension()
            .is_some_and(|extension| extension == "toml");
        let record = if is_golden {
            let text = fs_err::read_to_string(path).map_err(Failure::wrong)?;
            text::read(&text, written)?.0
        } else {
            runs::record_file(path)?
        };
        return Ok(Named {
            name: written.to_owned(),
            record,
            folder: None,
        });
    }
    if let Some(folder) = runs::find(&session.runs(), written)? {
        return run(&folder);
    }
    let golden = match session.goldens.load(written) {
        Ok(golden) => golden,
        // It is no name, so no golden was meant.
        Err(crate::golden::Error::Name { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let Some(golden) = golden else {
        return Err(Failure::wrong(anyhow!(
            "there is no run, record or golden `{written}`\n\
             hint: give a run's folder or id, a record file, a golden file, or a recipe that has a golden"
        )));
    };
    Ok(Named {
        name: format!("golden of {written}"),
        record: golden.record,
        folder: None,
    })
}

fn run(folder: &Path) -> Result<Named, Failure> {
    Ok(Named {
        name: folder.display().to_string(),
        record: runs::record(folder)?,
        folder: Some(folder.to_owned()),
    })
}
