//! `goldrun check`: run recipes and hold them to their goldens and published figures.

#[cfg(test)]
mod properties;
mod reports;
mod results;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::anyhow;

use self::results::{Checked, Ended, Results};
use super::accept::consent;
use super::arguments::{Check, EngineName};
use super::comparison::{self, Side};
use super::exit::{Exit, Failure};
use super::run::pin_advice;
use super::session::{Session, unpinned};
use super::{gate, interrupt, output, report};
use crate::golden::accept::refusals;
use crate::golden::compare::{Comparison, PublishedOutcome, Verdict, compare};
use crate::golden::{Golden, Seeds};
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
    if arguments.accept_first {
        may_accept(session)?;
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

/// Refuses `--accept-first` where no run could become a golden.
fn may_accept(session: &Session) -> Result<(), Failure> {
    if consent::is_ci() {
        return Err(Failure::wrong(anyhow!(
            "`--accept-first` does nothing in CI (`{}` is set): a golden is what a person has looked at\n\
             hint: accept it on your machine and commit the golden",
            consent::CI
        )));
    }
    session.refuse_changes(
        "check --accept-first",
        "a golden is of the recipe as it is written",
    )?;
    if session.options.allow_unpinned {
        return Err(Failure::wrong(anyhow!(
            "`--accept-first` does not go with `--allow-unpinned`: a golden is of files that are known\n\
             hint: `goldrun pin RECIPE` writes the pins"
        )));
    }
    Ok(())
}

/// A recipe that can be run, and what it is held to.
struct Prepared {
    request: Request,
    golden: Option<Golden>,
    /// The recipe's file as reports name it, and the line with its name.
    place: Option<(String, usize)>,
    /// How many new seeds the command line asks for.
    seeds: Option<u32>,
    /// The run becomes the golden where there is none.
    accept_first: bool,
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
        accept_first: arguments.accept_first,
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
        accept_first,
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
    let kept = keep(session, recipe, &comparison, &outcome, accept_first)?;
    let unpinned = outcome.unpinned.iter();
    let mut marks: Vec<String> = unpinned
        .map(|artifact| format!("unpinned {}", artifact.role))
        .collect();
    let mut exit = Exit::of_verdict(comparison.verdict);
    if let Kept::Golden(path) = &kept {
        marks.push(format!("accepted as {}", session.shown(path)));
        exit = Exit::Good;
    }
    let page = report::of_comparison(
        &outcome.folder,
        &outcome.record,
        &comparison,
        &marks,
        golden.as_ref(),
    )?;
    if !session.options.json {
        tell(session, recipe, &outcome.record, &comparison, &marks, &kept)?;
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

/// What became of a record outside of its run's folder.
enum Kept {
    /// It says what the golden says.
    Nowhere,
    /// It lies beside the golden, or where that would be.
    Pending,
    /// It is the first golden, in this file.
    Golden(PathBuf),
}

/// Keeps a record that is not as recorded beside the golden, or as the first golden where that is asked for, and
/// removes an old one when all is well.
fn keep(
    session: &Session,
    recipe: &Recipe,
    comparison: &Comparison,
    outcome: &Outcome,
    accept_first: bool,
) -> Result<Kept, Failure> {
    let name = &recipe.name;
    let record = &outcome.record;
    match comparison.verdict {
        Verdict::Identical | Verdict::WithinTolerance | Verdict::NoWorse => {
            session.goldens.remove_pending(name)?;
            Ok(Kept::Nowhere)
        }
        Verdict::NoGolden {
            published: PublishedOutcome::None | PublishedOutcome::Held,
        } if accept_first && is_fit(record, recipe) => {
            let path = session.goldens.save(name, record, &Seeds::default())?;
            Ok(Kept::Golden(path))
        }
        Verdict::Differs | Verdict::NoGolden { .. } => {
            session.goldens.save_pending(name, record)?;
            Ok(Kept::Pending)
        }
    }
}

/// True if a run can become the golden of a recipe.
fn is_fit(record: &Record, recipe: &Recipe) -> bool {
    refusals(record, &recipe.fingerprint(), recipe.seed).is_empty()
}

fn tell(
    session: &Session,
    recipe: &Recipe,
    record: &Record,
    comparison: &Comparison,
    marks: &[String],
    kept: &Kept,
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
    if matches!(kept, Kept::Pending) {
        let path = session.goldens.pending_path(&recipe.name);
        let advice = if is_fit(record, recipe) {
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
