//! How the recipes of a command line ended: a line, data and a case for reports of each.

use serde::Serialize;

use super::super::comparison::{Figure, Why};
use super::super::exit::{Exit, Failure};
use super::super::gate::{Judged, Sight};
use super::super::{runs, told};
use crate::golden::compare::{Comparison, PublishedOutcome, published_outcome};
use crate::report::ci::{self, Case};
use crate::run::Outcome;

/// What there is instead of a verdict where a check was interrupted.
const NOT_RUN: &str = "not run";

/// A verdict as data.
#[derive(Debug, Serialize)]
pub struct Checked {
    recipe: String,
    verdict: &'static str,
    /// What became of the published figures: `held`, `failed` or none.
    published_figures: Option<&'static str>,
    exit_code: u8,
    marks: Vec<String>,
    reasons: Vec<String>,
    #[serde(flatten)]
    why: Why,
    /// What the gate can see.
    power: Vec<Sight>,
    /// What it made of new seeds.
    gate: Option<Judged>,
    published: Vec<Figure>,
    unpinned: Vec<Unpinned>,
    run: String,
    folder: String,
}

/// A recipe of the command line as data.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Entry {
    /// It has a verdict.
    Checked(Box<Checked>),
    /// It could not be checked.
    Failed {
        recipe: String,
        exit_code: u8,
        error: String,
    },
    /// It was not come to.
    NotRun {
        recipe: String,
        verdict: &'static str,
        exit_code: Option<u8>,
    },
}

/// What was seen of an unpinned artifact.
#[derive(Debug, Serialize)]
struct Unpinned {
    role: String,
    sha256: Option<String>,
    content: String,
}

impl Checked {
    /// The data of a verdict.
    pub fn of(
        recipe: &str,
        comparison: Comparison,
        marks: Vec<String>,
        outcome: &Outcome,
        exit: Exit,
    ) -> Self {
        Self {
            recipe: recipe.to_owned(),
            verdict: comparison.verdict.words(),
            published_figures: outcome_word(published_outcome(&comparison.published)),
            exit_code: exit.code(),
            marks,
            why: Why::from(&comparison),
            power: comparison.power.iter().map(Sight::from).collect(),
            gate: comparison.gate.as_ref().map(Judged::from),
            published: comparison.published.iter().map(Figure::from).collect(),
            reasons: comparison.reasons,
            unpinned: outcome
                .unpinned
                .iter()
                .map(|artifact| Unpinned {
                    role: artifact.role.clone(),
                    sha256: artifact.sha256.clone(),
                    content: artifact.content.clone(),
                })
                .collect(),
            run: runs::id(&outcome.folder),
            folder: outcome.folder.display().to_string(),
        }
    }
}

const fn outcome_word(outcome: PublishedOutcome) -> Option<&'static str> {
    match outcome {
        PublishedOutcome::None => None,
        PublishedOutcome::Held => Some("held"),
        PublishedOutcome::Failed => Some("failed"),
    }
}

/// One recipe's verdict.
pub struct Ended {
    pub exit: Exit,
    pub data: Checked,
    pub case: Case,
}

/// All of them.
pub struct Results {
    pub worst: Exit,
    /// A line for each.
    pub summary: Vec<String>,
    pub cases: Vec<Case>,
    data: Vec<Entry>,
}

impl Results {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            worst: Exit::Good,
            summary: Vec::new(),
            cases: Vec::new(),
            data: Vec::new(),
        }
    }

    /// All as data.
    pub fn data(&self) -> &impl Serialize {
        &self.data
    }

    pub fn verdict(&mut self, ended: Ended) {
        self.worst = self.worst.worse(ended.exit);
        self.summary
            .push(format!("{}: {}", ended.data.recipe, ended.data.verdict));
        self.cases.push(ended.case);
        self.data.push(Entry::Checked(Box::new(ended.data)));
    }

    /// Tells a failure, too. `place` is the recipe's file and line, where they are known.
    pub fn failure(&mut self, written: &str, place: Option<(String, usize)>, failure: &Failure) {
        let exit = told(failure);
        self.worst = self.worst.worse(exit);
        self.summary.push(format!("{written}: error"));
        self.cases.push(Case {
            recipe: written.to_owned(),
            place,
            outcome: ci::Outcome::Error,
            verdict: "error".to_owned(),
            why: failure.in_a_line(),
            warnings: vec![],
            report: failure.to_string(),
            seconds: 0.0,
        });
        self.data.push(Entry::Failed {
            recipe: written.to_owned(),
            exit_code: exit.code(),
            error: failure.to_string(),
        });
    }

    /// A recipe that was not come to.
    pub fn not_run(&mut self, written: &str) {
        self.summary.push(format!("{written}: {NOT_RUN}"));
        self.cases.push(Case {
            recipe: written.to_owned(),
            place: None,
            outcome: ci::Outcome::Skipped,
            verdict: NOT_RUN.to_owned(),
            why: String::new(),
            warnings: vec![],
            report: String::new(),
            seconds: 0.0,
        });
        self.data.push(Entry::NotRun {
            recipe: written.to_owned(),
            verdict: NOT_RUN,
            exit_code: None,
        });
    }
}
