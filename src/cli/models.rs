//! Models of runs: which file is meant.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::arguments::ModelOf;
use super::exit::Failure;
use super::runs;
use super::session::Session;
use crate::model::{SavedModel, saved};

/// A model, and where it is from.
pub struct Found {
    /// The model.
    pub model: SavedModel,
    /// Its file.
    pub file: PathBuf,
}

/// The model that is meant.
pub fn find(session: &Session, meant: &ModelOf) -> Result<Found, Failure> {
    let file = file(session, meant)?;
    let model = SavedModel::read(&file).map_err(Failure::wrong)?;
    Ok(Found { model, file })
}

fn file(session: &Session, meant: &ModelOf) -> Result<PathBuf, Failure> {
    let written = Path::new(&meant.run);
    if written.is_file() {
        return match meant.phase {
            None => Ok(written.to_owned()),
            Some(_) => Err(Failure::wrong(anyhow!(
                "{} is one model, and `--phase` chooses among those of a run\nhint: leave `--phase` out",
                written.display()
            ))),
        };
    }
    let folder = runs::named(&session.runs(), &meant.run)?;
    let run = session.shown(&folder);
    let phases = saved::phases(&folder);
    let Some(last) = phases.last() else {
        return Err(Failure::wrong(anyhow!(
            "run {run} has no model\nhint: run the recipe again"
        )));
    };
    let phase = meant.phase.unwrap_or(*last);
    if phases.contains(&phase) {
        return Ok(saved::path(&folder, phase));
    }
    let phases: Vec<String> = phases.iter().map(usize::to_string).collect();
    Err(Failure::wrong(anyhow!(
        "run {run} has no model after phase {phase}\nhint: `--phase` can be {}",
        phases.join(" or ")
    )))
}
