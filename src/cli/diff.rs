//! `goldrun diff`: two runs, or a run and a golden, to the bit.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde::Serialize;

use super::check::Figure;
use super::exit::{Exit, Failure};
use super::output;
use super::runs;
use super::session::Session;
use crate::golden::compare::exactly;
use crate::golden::parting::{self, Parting, Place};
use crate::golden::text;
use crate::record::Record;
use crate::report::terminal::verdict;

/// Folder in a run's folder with a file for each epoch, `phase.0.epoch.3.txt`: a line a tensor.
const PARAMETERS_FOLDER: &str = "parameters";

/// A comparison as data.
#[derive(Debug, Serialize)]
struct Different {
    a: String,
    b: String,
    identical: bool,
    first_parting: Option<String>,
    sentence: Option<String>,
    first_tensor: Option<String>,
    facts_same: usize,
    facts: usize,
    figures: Vec<Figure>,
}

/// One side of a comparison.
struct Side {
    name: String,
    record: Record,
    /// The run's folder, where it is a run.
    folder: Option<PathBuf>,
}

/// Compares two sides; exit code 1 if they are not the same bits.
pub fn diff(session: &Session, a: &str, b: &str) -> Result<Exit, Failure> {
    session.refuse_changes("diff", "it compares what is there")?;
    let (a, b) = (side(session, a)?, side(session, b)?);
    let comparison = exactly(&a.record, &b.record);
    let tensor = comparison
        .parting
        .as_ref()
        .and_then(|parting| first_tensor(parting, &a, &b));
    let exit = match comparison.parting {
        None => Exit::Good,
        Some(_) => Exit::Differs,
    };
    if !session.options.json {
        output::data(&verdict::diff(&a.name, &b.name, &comparison, session.style))?;
        if let Some(tensor) = tensor {
            output::data(&format!("the first tensor that differs there: {tensor}\n"))?;
        }
        return Ok(exit);
    }
    let parting = comparison.parting.as_ref();
    output::json(&Different {
        a: a.name,
        b: b.name,
        identical: parting.is_none(),
        first_parting: parting.map(|parting| parting.address.to_string()),
        sentence: parting.map(|parting| parting.sentence.clone()),
        first_tensor: tensor,
        facts_same: comparison.facts_same,
        facts: comparison.facts,
        figures: comparison.rows.iter().map(Figure::from).collect(),
    })?;
    Ok(exit)
}

/// What is meant: a path to a run's folder, a record or a golden; else a run's id; else a recipe's name,
/// for its golden.
fn side(session: &Session, written: &str) -> Result<Side, Failure> {
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
            text::read(&text, written)?
        } else {
            runs::record_file(path)?
        };
        return Ok(Side {
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
    Ok(Side {
        name: format!("golden of {written}"),
        record: golden.record,
        folder: None,
    })
}

fn run(folder: &Path) -> Result<Side, Failure> {
    Ok(Side {
        name: folder.display().to_string(),
        record: runs::record(folder)?,
        folder: Some(folder.to_owned()),
    })
}

/// The first tensor that differs where two runs part in their parameters.
fn first_tensor(parting: &Parting, a: &Side, b: &Side) -> Option<String> {
    let Place::Parameters { phase, epoch } = parting.place else {
        return None;
    };
    let file = format!("phase.{phase}.epoch.{epoch}.txt");
    let list = |side: &Side| {
        let folder = side.folder.as_ref()?.join(PARAMETERS_FOLDER);
        fs_err::read_to_string(folder.join(&file)).ok()
    };
    parting::first_tensor(&list(a)?, &list(b)?)
}
