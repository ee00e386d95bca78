//! `goldrun accept`: make a run the golden of its recipe, after showing what changes.

mod candidate;
pub mod consent;
mod pending;

use std::fmt::Write as _;

use serde::Serialize;

use self::candidate::Candidate;
use self::consent::Consent;
use super::arguments::Accept;
use super::comparison::{self, Side, Why};
use super::exit::{Exit, Failure};
use super::output;
use super::session::Session;
use crate::golden::compare::{Comparison, PublishedOutcome, exactly, without_golden};
use crate::golden::gate::{gated, power};
use crate::golden::{Golden, Seeds};
use crate::report::terminal::{gate, verdict};

/// What was accepted, as data.
#[derive(Debug, Serialize)]
struct Accepted {
    recipe: String,
    run: String,
    golden: String,
    /// Seeds whose figures the golden holds.
    seeds: Vec<u64>,
    /// How it differs from the golden before; none for a first golden.
    changes: Option<Why>,
}

/// Makes a run the golden.
pub fn accept(session: &Session, arguments: &Accept) -> Result<Exit, Failure> {
    session.refuse_changes("accept", "a golden is of the recipe as it is written")?;
    let consent = Consent::of(arguments, session.options.json)?;
    let Some(written) = &arguments.recipe else {
        return pending::walk(session, consent);
    };
    let recipe = session.load_as_written(written)?.recipe;
    let candidate = match &arguments.seeds {
        Some(seeds) => Candidate::with_seeds(session, recipe, &seeds.0)?,
        None => Candidate::choose(session, recipe, arguments.run.as_deref())?,
    };
    let review = Review::of(session, candidate)?;
    if !session.options.json {
        output::data(&review.shown(session))?;
    }
    let question = format!("make {} the golden of {}?", review.candidate.name, written);
    if !consent.ask(&question)? {
        output::line("not accepted: the golden stays as it is");
        return Ok(Exit::Good);
    }
    let path = review.save(session)?;
    if session.options.json {
        output::json(&review.accepted(path))?;
    } else {
        output::data(&format!("accepted {} as {path}\n", review.candidate.name))?;
    }
    Ok(Exit::Good)
}

/// A run beside the golden that it is to replace.
struct Review {
    candidate: Candidate,
    /// Figures of seeds that the new golden will hold.
    seeds: Seeds,
    /// Seeds of the golden that the new one cannot keep.
    dropped_seeds: usize,
    /// How the two differ; none for a first golden.
    changes: Option<Comparison>,
}

impl Review {
    fn of(session: &Session, candidate: Candidate) -> Result<Self, Failure> {
        // A damaged golden does not stand in the way of a new one: this is how it is mended.
        let golden = match session.goldens.load(&candidate.recipe.name) {
            Ok(golden) => golden,
            Err(error) => {
                output::line(&format!("warning: {error}"));
                None
            }
        };
        let changes = match &golden {
            Some(golden) => Some(changes(session, golden, &candidate)?),
            None => None,
        };
        let old = golden.map(|golden| golden.seeds).unwrap_or_default();
        // The figures of other seeds are of the bits that they were measured with.
        let is_same = changes
            .as_ref()
            .is_some_and(|changes| changes.parting.is_none());
        let (seeds, dropped_seeds) = match &candidate.seeds {
            Some(seeds) => (seeds.clone(), 0),
            None if is_same => (old, 0),
            None => (Seeds::default(), old.runs.len()),
        };
        Ok(Self {
            candidate,
            seeds,
            dropped_seeds,
            changes,
        })
    }

    /// Old and new side by side, what changed and why.
    fn shown(&self, session: &Session) -> String {
        let record = &self.candidate.record;
        let recipe = &self.candidate.recipe;
        let mut text = if let Some(changes) = &self.changes {
            verdict::changes(changes, session.style)
        } else {
            let rows = without_golden(record, PublishedOutcome::None).rows;
            let figures = verdict::figures(&rows, ["golden", "accepted"], session.style);
            format!("{figures}\nthe first golden of this recipe\n")
        };
        if !self.seeds.runs.is_empty() {
            let gated = gated(recipe, record);
            let power = power(&gated, &self.seeds, recipe.check.gate.seeds as usize);
            text.push('\n');
            text.push_str(&gate::spread(&power, &self.seeds, session.style));
        }
        if self.dropped_seeds > 0 {
            let _ = writeln!(
                text,
                "note: the golden's {0} seeds were measured with other bits and are left out; \
                 `--seeds 1..{0}` runs them anew",
                self.dropped_seeds
            );
        }
        text
    }

    /// Writes the golden; gives its path as people read it.
    fn save(&self, session: &Session) -> Result<String, Failure> {
        let Candidate { recipe, record, .. } = &self.candidate;
        let path = session.goldens.save(&recipe.name, record, &self.seeds)?;
        Ok(session.shown(&path).to_string())
    }

    fn accepted(&self, golden: String) -> Accepted {
        Accepted {
            recipe: self.candidate.recipe.name.clone(),
            run: self.candidate.name.clone(),
            golden,
            seeds: self.seeds.runs.keys().copied().collect(),
            changes: self.changes.as_ref().map(Why::from),
        }
    }
}

fn changes(
    session: &Session,
    golden: &Golden,
    candidate: &Candidate,
) -> Result<Comparison, Failure> {
    let mut changes = exactly(&golden.record, &candidate.record);
    let before = Side {
        record: &golden.record,
        folder: None,
    };
    let now = Side {
        record: &candidate.record,
        folder: candidate.folder.as_deref(),
    };
    comparison::explain(session, &mut changes, before, now)?;
    Ok(changes)
}
