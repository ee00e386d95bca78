//! `goldrun check`: run recipes and hold them to their goldens and published figures.

use anyhow::anyhow;
use serde::Serialize;

use super::arguments::{Check, EngineName};
use super::comparison::{self, Figure, Side, Why};
use super::exit::{Exit, Failure};
use super::gate::{self, Judged, Sight};
use super::run::pin_advice;
use super::session::{Session, unpinned};
use super::{interrupt, output, report, runs};
use crate::golden::Golden;
use crate::golden::accept::refusals;
use crate::golden::compare::{Comparison, PublishedOutcome, Verdict, compare, published_outcome};
use crate::recipe::Recipe;
use crate::record::Record;
use crate::report::terminal::verdict;
use crate::run::{self, Outcome, Request};

/// A verdict as data.
#[derive(Debug, Serialize)]
struct Checked {
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

/// What there is instead of a verdict where another recipe is wrong.
const NOT_RUN: &str = "not run";

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
    /// Another one could not be checked, so it was not run.
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

/// Checks recipes one after another; the worst exit code wins. None is run if one of them is wrong.
pub fn check(session: &Session, arguments: &Check) -> Result<Exit, Failure> {
    let recipes = &arguments.recipes;
    session.check_resume(arguments.resume)?;
    if session.options.engine == EngineName::Candle {
        return Err(Failure::wrong(anyhow!(
            "`check` takes no `--engine candle`: its arithmetic is not defined, so no golden can hold it\n\
             hint: `goldrun run RECIPE --engine candle`, then `goldrun diff`"
        )));
    }
    let prepared: Vec<_> = recipes
        .iter()
        .map(|written| (written, prepare(session, arguments, written)))
        .collect();
    let is_anything_wrong = prepared.iter().any(|(_, prepared)| prepared.is_err());
    let mut told = Told::default();
    for (written, prepared) in prepared {
        match prepared {
            Err(failure) => told.failure(written, &failure),
            // What is wrong should not be told after hours of training, nor cost them again.
            Ok(_) if is_anything_wrong => told.not_run(written),
            Ok(prepared) => match one(session, prepared) {
                Ok(ended) => told.verdict(ended),
                Err(failure) => {
                    session.clear();
                    told.failure(written, &failure);
                }
            },
        }
        if interrupt::happened() {
            told.worst = Exit::Interrupted;
            break;
        }
    }
    if session.options.json {
        output::json(&told.data)?;
    } else if recipes.len() > 1 {
        output::data(&format!("\n{}\n", told.summary.join("\n")))?;
    }
    Ok(told.worst)
}

/// How the recipes of the command line ended.
struct Told {
    worst: Exit,
    /// A line for each.
    summary: Vec<String>,
    data: Vec<Entry>,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            worst: Exit::Good,
            summary: Vec::new(),
            data: Vec::new(),
        }
    }
}

impl Told {
    fn verdict(&mut self, ended: Ended) {
        self.worst = self.worst.worse(ended.exit);
        self.summary
            .push(format!("{}: {}", ended.recipe, ended.verdict));
        self.data.push(Entry::Checked(Box::new(ended.data)));
    }

    fn failure(&mut self, written: &str, failure: &Failure) {
        let exit = report(failure);
        self.worst = self.worst.worse(exit);
        self.summary.push(format!("{written}: error"));
        self.data.push(Entry::Failed {
            recipe: written.to_owned(),
            exit_code: exit.code(),
            error: failure.to_string(),
        });
    }

    fn not_run(&mut self, written: &str) {
        self.summary.push(format!("{written}: {NOT_RUN}"));
        self.data.push(Entry::NotRun {
            recipe: written.to_owned(),
            verdict: NOT_RUN,
            exit_code: None,
        });
    }
}

/// One recipe's verdict.
struct Ended {
    recipe: String,
    verdict: &'static str,
    exit: Exit,
    data: Checked,
}

/// A recipe that can be run, and what it is held to.
struct Prepared {
    request: Request,
    golden: Option<Golden>,
    /// How many new seeds the command line asks for.
    seeds: Option<u32>,
}

/// All that can be found wrong without running anything.
fn prepare(session: &Session, arguments: &Check, written: &str) -> Result<Prepared, Failure> {
    let recipe = session.load(written)?.recipe;
    let golden = session.goldens.load(&recipe.name)?;
    let open = unpinned(&recipe);
    if !open.is_empty() && !session.options.allow_unpinned {
        return Err(Failure::new(
            Exit::Artifact,
            anyhow!(
                "recipe `{}` has no pin for {}: what is checked must be known to be the same\n\
                 hint: `goldrun pin {written}` writes the pins; `--allow-unpinned` checks without them",
                recipe.name,
                open.join(", ")
            ),
        ));
    }
    let request = Request {
        resume: arguments.resume,
        ..session.request(recipe)?
    };
    Ok(Prepared {
        request,
        golden,
        seeds: arguments.seeds,
    })
}

fn one(session: &Session, prepared: Prepared) -> Result<Ended, Failure> {
    let Prepared {
        request,
        golden,
        seeds,
    } = prepared;
    let outcome = run::run(&request, &session.observer())?;
    let recipe = &request.recipe;
    let golden_record = golden.as_ref().map(|golden| &golden.record);
    let mut comparison = compare(&outcome.record, golden_record, recipe);
    if let Some(golden) = &golden {
        let before = Side {
            record: &golden.record,
            folder: None,
        };
        let now = Side {
            record: &outcome.record,
            folder: Some(&outcome.folder),
        };
        comparison::explain(session, &mut comparison, before, now)?;
        gate::decide(
            session,
            &request,
            seeds,
            golden,
            now.record,
            &mut comparison,
        )?;
    }
    let pending = keep_pending(session, &recipe.name, &comparison, &outcome)?;
    let marks: Vec<String> = outcome
        .unpinned
        .iter()
        .map(|artifact| format!("unpinned {}", artifact.role))
        .collect();
    let exit = Exit::of_verdict(comparison.verdict);
    if !session.options.json {
        tell(
            session,
            recipe,
            &outcome.record,
            &comparison,
            &marks,
            pending,
        )?;
        output::data(&pin_advice(&recipe.name, &outcome))?;
    }
    Ok(Ended {
        recipe: recipe.name.clone(),
        verdict: comparison.verdict.words(),
        exit,
        data: data(&recipe.name, comparison, marks, &outcome, exit),
    })
}

/// Keeps a record that is not as recorded beside the golden, and removes an old one when all is well.
fn keep_pending(
    session: &Session,
    recipe: &str,
    comparison: &Comparison,
    outcome: &Outcome,
) -> Result<bool, Failure> {
    match comparison.verdict {
        Verdict::Identical | Verdict::WithinTolerance | Verdict::NoWorse => {
            session.goldens.remove_pending(recipe)?;
            Ok(false)
        }
        Verdict::Differs | Verdict::NoGolden { .. } => {
            session.goldens.save_pending(recipe, &outcome.record)?;
            Ok(true)
        }
    }
}

fn tell(
    session: &Session,
    recipe: &Recipe,
    record: &Record,
    comparison: &Comparison,
    marks: &[String],
    pending: bool,
) -> Result<(), Failure> {
    let style = session.style;
    if session.options.quiet {
        output::data(&verdict::verdict_line(
            &recipe.name,
            comparison,
            marks,
            style,
        ))?;
        return Ok(());
    }
    if pending {
        let path = session.goldens.pending_path(&recipe.name);
        let path = path.strip_prefix(&session.root).unwrap_or(&path);
        let is_fit = refusals(record, &recipe.fingerprint(), recipe.seed).is_empty();
        let advice = if is_fit {
            format!("; `goldrun accept {}` makes it the golden", recipe.name)
        } else {
            String::new()
        };
        output::line(&format!(
            "note: the record is kept as {}{advice}",
            path.display()
        ));
    }
    output::data(&verdict::report(&recipe.name, comparison, marks, style))
}

fn data(
    recipe: &str,
    comparison: Comparison,
    marks: Vec<String>,
    outcome: &Outcome,
    exit: Exit,
) -> Checked {
    Checked {
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

const fn outcome_word(outcome: PublishedOutcome) -> Option<&'static str> {
    match outcome {
        PublishedOutcome::None => None,
        PublishedOutcome::Held => Some("held"),
        PublishedOutcome::Failed => Some("failed"),
    }
}
