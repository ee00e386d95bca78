//! `goldrun check`: run recipes and hold them to their goldens and published figures.

#[cfg(test)]
mod properties;
mod reports;
mod results;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::anyhow;

use self::results::{Checked, Ended, Results};
use super::arguments::{Check, EngineName};
use super::comparison::{self, Side};
use super::exit::{Exit, Failure};
use super::run::pin_advice;
use super::session::{Session, unpinned};
use super::{gate, interrupt, output, report};
use crate::golden::Golden;
use crate::golden::accept::refusals;
use crate::golden::compare::{Comparison, Verdict, compare};
use crate::recipe::{Loaded, Recipe};
use crate::record::Record;
use crate::report::ci::{self, Case};
use crate::report::terminal::{Style, verdict};
use crate::run::{self, Outcome, Request};

/// Checks recipes one after another; the worst exit code wins. What is wrong with any is told before the first
/// runs, and stops no other.
pub fn check(session: &Session, arguments: &Check) -> Result<Exit, Failure> {
    session.check_resume(arguments.resume)?;
    if session.options.engine == EngineName::Candle {
        return Err(Failure::wrong(anyhow!(
            "`check` takes no `--engine candle`: its arithmetic is not defined, so no golden can hold it\n\
             hint: `goldrun run RECIPE --engine candle`, then `goldrun diff`"
        )));
    }
    reports::prepare(&arguments.reports)?;
    let mut results = Results::new();
    let mut prepared = Vec::new();
    for written in &arguments.recipes {
        match prepare(session, arguments, written) {
            Ok(ready) => prepared.push((written, ready)),
            Err(failure) => results.failure(written, None, &failure),
        }
    }
    for (written, ready) in prepared {
        if interrupt::happened() {
            results.not_run(written);
            continue;
        }
        let place = ready.place.clone();
        match one(session, ready) {
            Ok(ended) => results.verdict(ended),
            Err(failure) => {
                session.clear();
                results.failure(written, place, &failure);
            }
        }
    }
    if interrupt::happened() {
        results.worst = Exit::Interrupted;
    }
    if session.options.json {
        output::json(results.data())?;
    } else if arguments.recipes.len() > 1 {
        output::data(&format!("\n{}\n", results.summary.join("\n")))?;
    }
    reports::write(&arguments.reports, &results)?;
    Ok(results.worst)
}

/// A recipe that can be run, and what it is held to.
struct Prepared {
    request: Request,
    golden: Option<Golden>,
    /// The recipe's file as reports name it, and the line with its name.
    place: Option<(String, usize)>,
    /// How many new seeds the command line asks for.
    seeds: Option<u32>,
}

/// All that can be found wrong without running anything.
fn prepare(session: &Session, arguments: &Check, written: &str) -> Result<Prepared, Failure> {
    let loaded = session.load(written)?;
    let place = place(session, &loaded);
    let recipe = loaded.recipe;
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
        place,
        seeds: arguments.seeds,
    })
}

/// The recipe's file as annotations name it, and the line with its name.
fn place(session: &Session, loaded: &Loaded) -> Option<(String, usize)> {
    let path = loaded.path.as_ref()?;
    let is_name = |line: &str| {
        let key = line.split_once('=').map(|(key, _)| key.trim());
        key == Some("name")
    };
    let line = loaded
        .text
        .lines()
        .position(is_name)
        .map_or(1, |line| line + 1);
    let workspace = std::env::var_os(reports::GITHUB_WORKSPACE).map(PathBuf::from);
    let root = workspace.as_deref().unwrap_or(&session.root);
    let file = path.strip_prefix(root).unwrap_or(path);
    Some((file.display().to_string(), line))
}

fn one(session: &Session, prepared: Prepared) -> Result<Ended, Failure> {
    let Prepared {
        request,
        golden,
        place,
        seeds,
    } = prepared;
    let started = Instant::now();
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
    let page = report::of_comparison(
        &outcome.folder,
        &outcome.record,
        &comparison,
        golden.as_ref(),
    )?;
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
        if !session.options.quiet {
            output::line(&format!("report: {}", session.shown(&page)));
        }
        output::data(&pin_advice(&recipe.name, &outcome))?;
    }
    let case = Case {
        recipe: recipe.name.clone(),
        place,
        outcome: match exit {
            Exit::Good => ci::Outcome::Passed,
            _ => ci::Outcome::Failed,
        },
        verdict: comparison.verdict.words().to_owned(),
        why: comparison.reasons.first().cloned().unwrap_or_default(),
        warnings: comparison.notes.clone(),
        report: verdict::report(&recipe.name, &comparison, &marks, Style::PLAIN),
        seconds: started.elapsed().as_secs_f64(),
    };
    Ok(Ended {
        data: Checked::of(&recipe.name, comparison, marks, &outcome, exit),
        exit,
        case,
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
        let is_fit = refusals(record, &recipe.fingerprint(), recipe.seed).is_empty();
        let advice = if is_fit {
            format!("; `goldrun accept {}` makes it the golden", recipe.name)
        } else {
            String::new()
        };
        output::line(&format!(
            "note: the record is kept as {}{advice}",
            session.shown(&path)
        ));
    }
    output::data(&verdict::report(&recipe.name, comparison, marks, style))
}
