//! A comparison for people and as data: what only this machine can add to it, and what goes into `--json`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::exit::Failure;
use super::runs;
use super::session::Session;
use crate::artifacts;
use crate::golden::cause::{Change, ContentChange};
use crate::golden::compare::{Comparison, Row};
use crate::golden::parting::{self, Place};
use crate::record::Record;

/// Folder in a run's folder with a file for each epoch, `phase.0.epoch.3.txt`: a line a tensor.
const PARAMETERS_FOLDER: &str = "parameters";

/// A record and the folder of its run, where it is known.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The record.
    pub record: &'a Record,
    /// The run's folder.
    pub folder: Option<&'a Path>,
}

/// A figure beside what it is held to.
#[derive(Debug, Serialize)]
pub struct Figure {
    #[serde(rename = "figure")]
    address: String,
    expected: Option<f64>,
    now: Option<f64>,
    difference: Option<f64>,
    tolerance: Option<String>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

impl From<&Row> for Figure {
    fn from(row: &Row) -> Self {
        Self {
            address: row.address.to_string(),
            expected: row.expected,
            now: row.now,
            difference: row.difference(),
            tolerance: row.hold.words(),
            verdict: row.standing.word(),
            source: row.source.clone(),
        }
    }
}

/// Why two records differ, as data: the fields of every command that compares.
#[derive(Debug, Serialize)]
pub struct Why {
    sentence: Option<String>,
    first_parting: Option<String>,
    first_tensor: Option<String>,
    recipe_changes: Vec<Change>,
    content_changes: Vec<ContentChange>,
    environment_changes: Vec<Change>,
    notes: Vec<String>,
    facts_same: usize,
    facts: usize,
    figures: Vec<Figure>,
}

impl From<&Comparison> for Why {
    fn from(comparison: &Comparison) -> Self {
        let parting = comparison.parting.as_ref();
        Self {
            sentence: comparison.why().map(str::to_owned),
            first_parting: parting.map(|parting| parting.address.to_string()),
            first_tensor: comparison.first_tensor.clone(),
            recipe_changes: comparison.recipe.clone(),
            content_changes: comparison.contents.clone(),
            environment_changes: comparison.environment.clone(),
            notes: comparison.notes.clone(),
            facts_same: comparison.facts_same,
            facts: comparison.facts,
            figures: comparison.rows.iter().map(Figure::from).collect(),
        }
    }
}

/// Adds to a comparison what no record holds: the files and tensors of artifacts that differ, and the first
/// tensor where parameters part.
pub fn explain(
    session: &Session,
    comparison: &mut Comparison,
    before: Side<'_>,
    now: Side<'_>,
) -> Result<(), Failure> {
    let mut known = Vec::new();
    for (role, was, is) in contents(before.record, now.record) {
        match artifacts::differences(&session.artifacts.cache, was, is) {
            Some(differences) => known.push(ContentChange {
                role: role.to_owned(),
                noun: differences.noun,
                added: differences.added,
                removed: differences.removed,
                changed: differences.changed,
            }),
            None => comparison.notes.push(format!(
                "what changed in artifact `{role}` is not known here: \
                 this machine has not seen both contents"
            )),
        }
    }
    comparison.explain_content(known, now.record);
    comparison.first_tensor = first_tensor(session, comparison, before, now)?;
    Ok(())
}

/// Artifacts whose contents differ: role, earlier digest, later digest.
fn contents<'a>(before: &'a Record, now: &'a Record) -> Vec<(&'a str, &'a str, &'a str)> {
    let of_artifacts = now.facts.keys().filter_map(|address| {
        let parts: Vec<&str> = address.parts().collect();
        let ["artifact", role, "content"] = parts.as_slice() else {
            return None;
        };
        Some((*role, before.text(address)?, now.text(address)?))
    });
    of_artifacts.filter(|(_, was, is)| was != is).collect()
}

/// The first tensor that differs where parameters part. The earlier side may be the golden: then a run on this
/// machine that had the same parameters there says what they were.
fn first_tensor(
    session: &Session,
    comparison: &Comparison,
    before: Side<'_>,
    now: Side<'_>,
) -> Result<Option<String>, Failure> {
    let Some(parting) = &comparison.parting else {
        return Ok(None);
    };
    let Place::Parameters(epoch) = parting.place else {
        return Ok(None);
    };
    let list = |folder: Option<PathBuf>| {
        let folder = folder?.join(PARAMETERS_FOLDER);
        fs_err::read_to_string(folder.join(format!("{}.txt", epoch.address()))).ok()
    };
    let folder = |side: Side<'_>| -> Result<Option<PathBuf>, Failure> {
        if let Some(folder) = side.folder {
            return Ok(Some(folder.to_owned()));
        }
        match side.record.facts.get(&parting.address) {
            Some(fact) => runs::with_fact(&session.runs(), &parting.address, fact),
            None => Ok(None),
        }
    };
    let (Some(was), Some(is)) = (list(folder(before)?), list(folder(now)?)) else {
        return Ok(None);
    };
    Ok(parting::first_tensor(&was, &is))
}
