//! `goldrun accept`: make a run the golden of its recipe, after showing what changes.

use anyhow::anyhow;
use serde::Serialize;

use super::comparison::Figure;
use super::exit::{Exit, Failure};
use super::output;
use super::runs;
use super::session::Session;
use crate::golden::Seeds;
use crate::golden::accept::refusals;
use crate::golden::compare::{Comparison, PublishedOutcome, Standing, exactly, without_golden};
use crate::recipe::Recipe;
use crate::record::Record;
use crate::report::terminal::verdict;

/// What was accepted, as data.
#[derive(Debug, Serialize)]
struct Accepted {
    recipe: String,
    run: String,
    golden: String,
    /// Number of facts that changed; none for a first golden.
    facts_changed: Option<usize>,
    first_parting: Option<String>,
    figures_changed: Vec<Figure>,
}

/// Makes a run the golden.
pub fn accept(session: &Session, written: &str, id: Option<&str>) -> Result<Exit, Failure> {
    session.refuse_changes("accept", "a golden is of the recipe as it is written")?;
    let recipe = session.load_as_written(written)?.recipe;
    let (run, record) = choose(session, &recipe, id)?;
    let refused = refusals(&record, &recipe.fingerprint(), recipe.seed);
    if !refused.is_empty() {
        let why: Vec<String> = refused.iter().map(ToString::to_string).collect();
        return Err(Failure::wrong(anyhow!(
            "{run} is not accepted: {}",
            why.join("\n  and ")
        )));
    }
    // A damaged golden does not stand in the way of a new one: this is how it is mended.
    let golden = session.goldens.load(&recipe.name);
    let changes = match &golden {
        Ok(Some(golden)) => Some(exactly(&golden.record, &record)),
        Ok(None) => None,
        Err(error) => {
            output::line(&format!("warning: {error}"));
            None
        }
    };
    if !session.options.json {
        output::data(&shown(session, &record, changes.as_ref()))?;
    }
    let path = session
        .goldens
        .save(&recipe.name, &record, &Seeds::default())?;
    let path = path.strip_prefix(&session.root).unwrap_or(&path);
    if session.options.json {
        let accepted = accepted(&recipe.name, run, path.display().to_string(), changes);
        output::json(&accepted)?;
    } else {
        output::data(&format!("accepted {run} as {}\n", path.display()))?;
    }
    Ok(Exit::Good)
}

/// The run that is meant: of an id, else the latest, else the one that `check` kept as pending.
fn choose(
    session: &Session,
    recipe: &Recipe,
    id: Option<&str>,
) -> Result<(String, Record), Failure> {
    let runs = session.runs();
    if let Some(id) = id {
        let folder = runs::of_recipe(&runs, &recipe.name, id).ok_or_else(|| {
            Failure::wrong(anyhow!(
                "recipe `{0}` has no run `{id}`\nhint: its runs are the folders in runs/{0}",
                recipe.name
            ))
        })?;
        return Ok((format!("run {id}"), runs::record(&folder)?));
    }
    if let Some(folder) = runs::latest(&runs, &recipe.name)? {
        return Ok((format!("run {}", runs::id(&folder)), runs::record(&folder)?));
    }
    if let Some(pending) = session.goldens.load_pending(&recipe.name)? {
        return Ok(("the pending record".to_owned(), pending.record));
    }
    Err(Failure::wrong(anyhow!(
        "recipe `{0}` has no run\nhint: `goldrun check {0}` makes one",
        recipe.name
    )))
}

fn shown(session: &Session, record: &Record, changes: Option<&Comparison>) -> String {
    if let Some(changes) = changes {
        return verdict::changes(changes, session.style);
    }
    let rows = without_golden(record, PublishedOutcome::None).rows;
    let figures = verdict::figures(&rows, ["golden", "accepted"], session.style);
    format!("{figures}\nthe first golden of this recipe\n")
}

fn accepted(recipe: &str, run: String, golden: String, changes: Option<Comparison>) -> Accepted {
    let changed = |comparison: &Comparison| comparison.facts - comparison.facts_same;
    Accepted {
        recipe: recipe.to_owned(),
        run,
        golden,
        facts_changed: changes.as_ref().map(changed),
        figures_changed: changes
            .iter()
            .flat_map(|comparison| &comparison.rows)
            .filter(|row| row.standing != Standing::Same)
            .map(Figure::from)
            .collect(),
        first_parting: changes
            .and_then(|comparison| comparison.parting)
            .map(|parting| parting.address.to_string()),
    }
}
