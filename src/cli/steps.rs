//! Digests of the steps of an epoch: which epoch is meant, and two files compared.

use std::path::Path;

use anyhow::anyhow;
use serde::Serialize;

use super::comparison::{self, Side, Why};
use super::exit::{Exit, Failure};
use super::output;
use super::session::Session;
use crate::golden::compare::exactly;
use crate::golden::steps::{self, StepParting};
use crate::recipe::Recipe;
use crate::record::EpochNumber;
use crate::record::steps::StepDigests;
use crate::report::terminal;

/// A comparison as data.
#[derive(Serialize)]
struct Different<'a> {
    a: &'a str,
    b: &'a str,
    identical: bool,
    epoch: EpochNumber,
    steps: usize,
    first_step: Option<StepParting>,
    #[serde(flatten)]
    why: Why,
}

/// Refuses an epoch that a recipe has not.
pub fn check_epoch(recipe: &Recipe, epoch: EpochNumber) -> Result<(), Failure> {
    let phase = recipe.phases.get(epoch.phase);
    if phase.is_some_and(|phase| epoch.epoch < phase.epochs) {
        return Ok(());
    }
    let phases = recipe.phases.iter().enumerate();
    let epochs: Vec<String> = phases
        .map(|(number, phase)| match phase.epochs {
            1 => format!("phase.{number}.epoch.0"),
            epochs => format!("phase.{number}.epoch.0 to {}", epochs - 1),
        })
        .collect();
    Err(Failure::wrong(anyhow!(
        "recipe `{}` has no {}\nhint: it has {}",
        recipe.name,
        epoch.address(),
        epochs.join(", ")
    )))
}

/// The digests in a file; none where it is no such file.
pub fn of_file(path: &str) -> Result<Option<StepDigests>, Failure> {
    if !Path::new(path).is_file() {
        return Ok(None);
    }
    let bytes = fs_err::read(path).map_err(Failure::wrong)?;
    let text = String::from_utf8_lossy(&bytes);
    if !StepDigests::is_in(&text) {
        return Ok(None);
    }
    let read = StepDigests::read(&text);
    read.map(Some).map_err(|damage| {
        Failure::wrong(anyhow!(
            "{path}: {damage}\nhint: `goldrun run RECIPE --trace-digests EPOCH` writes it anew"
        ))
    })
}

/// Compares two files with digests; exit code 1 if they are not the same.
pub fn diff(
    session: &Session,
    names: [&str; 2],
    [a, b]: [&StepDigests; 2],
) -> Result<Exit, Failure> {
    if a.epoch != b.epoch {
        return Err(Failure::wrong(anyhow!(
            "`{}` is of {} and `{}` of {}: digests can be compared of the same epoch only\n\
             hint: goldrun run RECIPE --trace-digests {1}",
            names[0],
            a.epoch.address(),
            names[1],
            b.epoch.address()
        )));
    }
    let mut comparison = exactly(&a.record, &b.record);
    let side = |digests| Side {
        record: digests,
        folder: None,
    };
    comparison::explain(session, &mut comparison, side(&a.record), side(&b.record))?;
    let parting = steps::first(a, b);
    let identical = comparison.parting.is_none() && parting.is_none();
    if session.options.json {
        output::json(&Different {
            a: names[0],
            b: names[1],
            identical,
            epoch: a.epoch,
            steps: a.steps(),
            first_step: parting,
            why: Why::from(&comparison),
        })?;
    } else {
        let parting = parting.as_ref();
        let style = session.style;
        output::data(&terminal::steps::diff(
            names,
            &comparison,
            a,
            parting,
            style,
        ))?;
    }
    Ok(if identical { Exit::Good } else { Exit::Differs })
}
