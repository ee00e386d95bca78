//! The run that is to become a golden.

use std::path::PathBuf;

use anyhow::anyhow;

use super::super::exit::Failure;
use super::super::runs;
use super::super::seeds::{Ran, Series};
use super::super::session::Session;
use crate::golden::Seeds;
use crate::golden::accept::refusals;
use crate::recipe::Recipe;
use crate::record::Record;
use crate::run;

/// The run that is to become a golden; it is fit for that.
pub struct Candidate {
    pub recipe: Recipe,
    /// What it is called: `run 1764268311-0`, `the pending record`.
    pub name: String,
    pub record: Record,
    /// The run's folder, where it is known.
    pub folder: Option<PathBuf>,
    /// Figures of other seeds, where they were asked for.
    pub seeds: Option<Seeds>,
}

impl Candidate {
    /// The run that is meant: of an id, else the latest, else the one that `check` kept as pending.
    pub fn choose(session: &Session, recipe: Recipe, id: Option<&str>) -> Result<Self, Failure> {
        let runs = session.runs();
        let name = &recipe.name;
        if let Some(id) = id {
            let Some(folder) = runs::of_recipe(&runs, name, id) else {
                let hint = match runs::newest(&runs, name)?.as_str() {
                    "" => format!("`goldrun check {name}` makes one"),
                    ids => format!("its runs are the folders in runs/{name}, the newest {ids}"),
                };
                return Err(Failure::wrong(anyhow!(
                    "recipe `{name}` has no run `{id}`\nhint: {hint}"
                )));
            };
            return Self::of_run(recipe, folder);
        }
        if let Some(folder) = runs::latest(&runs, name)? {
            return Self::of_run(recipe, folder);
        }
        Self::pending(session, recipe)
    }

    fn of_run(recipe: Recipe, folder: PathBuf) -> Result<Self, Failure> {
        let candidate = Self {
            name: format!("run {}", runs::id(&folder)),
            record: runs::record(&folder)?,
            folder: Some(folder),
            seeds: None,
            recipe,
        };
        candidate.fit()
    }

    /// The record that `check` kept as pending.
    pub fn pending(session: &Session, recipe: Recipe) -> Result<Self, Failure> {
        let Some(pending) = session.goldens.load_pending(&recipe.name)? else {
            return Err(Failure::wrong(anyhow!(
                "recipe `{0}` has no run\nhint: `goldrun check {0}` makes one",
                recipe.name
            )));
        };
        let candidate = Self {
            name: "the pending record".to_owned(),
            record: pending.record,
            folder: None,
            seeds: None,
            recipe,
        };
        candidate.fit()
    }

    /// A run of the recipe as it is written, and runs with other seeds; those that are there already are not run
    /// again.
    pub fn with_seeds(session: &Session, recipe: Recipe, seeds: &[u64]) -> Result<Self, Failure> {
        let fingerprint = recipe.fingerprint();
        let is_fit = |record: &Record| refusals(record, &fingerprint, recipe.seed).is_empty();
        let earlier = if session.options.fresh {
            None
        } else {
            let mut runs = runs::of_this_executable(&session.runs(), &recipe.name)?;
            runs.find(|(_, record)| is_fit(record))
        };
        let request = session.request(recipe.clone())?;
        let (folder, record) = if let Some(earlier) = earlier {
            earlier
        } else {
            let outcome = run::run(&request, &session.observer())?;
            (outcome.folder, outcome.record)
        };
        let candidate = Self {
            name: format!("run {} and {} seeds", runs::id(&folder), seeds.len()),
            record,
            folder: Some(folder),
            seeds: None,
            recipe,
        };
        let mut candidate = candidate.fit()?;
        let mut ran = Ran::none_of(&request.recipe);
        Series::new(session, &request, &candidate.record)?.run(seeds, &mut ran)?;
        if let Some(failed) = ran.failed.first() {
            return Err(Failure::failed(anyhow!(
                "the run of seed {} failed: {}\nhint: a golden holds whole runs only; mend the recipe",
                failed.seed,
                failed.why
            )));
        }
        candidate.seeds = Some(ran.seeds);
        Ok(candidate)
    }

    /// Refuses a run that is unfit to become a golden.
    fn fit(self) -> Result<Self, Failure> {
        let refused = refusals(&self.record, &self.recipe.fingerprint(), self.recipe.seed);
        if refused.is_empty() {
            return Ok(self);
        }
        let why: Vec<String> = refused.iter().map(ToString::to_string).collect();
        Err(Failure::wrong(anyhow!(
            "{} is not accepted: {}",
            self.name,
            why.join("\n  and ")
        )))
    }
}
