//! `goldrun run`: run a recipe and write its run folder.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::arguments::Run;
use super::exit::{Exit, Failure};
use super::output;
use super::report;
use super::runs;
use super::session::Session;
use super::steps;
use crate::golden::compare::figures_in_order;
use crate::record::Record;
use crate::report::terminal::numbers;
use crate::report::terminal::table::{Side, Table};
use crate::run::{self, Outcome, Request};

/// Decimals of the figures that are shown.
const DECIMALS: usize = 6;

/// A run as data.
#[derive(Serialize)]
struct Ran<'a> {
    recipe: &'a str,
    run: String,
    folder: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digests: Option<String>,
    #[serde(flatten)]
    record: &'a Record,
}

/// Runs a recipe.
pub fn run(session: &Session, arguments: &Run) -> Result<Exit, Failure> {
    session.check_resume(arguments.resume)?;
    let loaded = session.load(&arguments.recipe)?;
    let name = loaded.recipe.name.clone();
    if let Some(epoch) = arguments.trace_digests {
        steps::check_epoch(&loaded.recipe, epoch)?;
    }
    let request = Request {
        resume: arguments.resume,
        traced: arguments.trace_digests,
        ..session.request(loaded.recipe)?
    };
    let outcome = run::run(&request, &session.observer())?;
    let report = match outcome.steps {
        Some(_) => None,
        None => Some(report::of_run(session, &outcome.folder, &outcome.record)?),
    };
    if session.options.json {
        output::json(&Ran {
            recipe: &name,
            run: runs::id(&outcome.folder),
            folder: outcome.folder.display().to_string(),
            digests: outcome
                .steps
                .as_ref()
                .map(|file| file.display().to_string()),
            record: &outcome.record,
        })?;
        return Ok(Exit::Good);
    }
    if let Some(file) = &outcome.steps {
        output::data(&format!(
            "digests written to {}\nto find where another machine's part: goldrun diff FILE OTHER\n",
            session.shown(file)
        ))?;
    }
    if let Some(report) = &report {
        output::data(&summary(session, &outcome, report))?;
    }
    output::data(&pin_advice(&name, &outcome))?;
    Ok(Exit::Good)
}

/// The figures before and after training, and where the rest is.
fn summary(session: &Session, outcome: &Outcome, report: &Path) -> String {
    let mut table = Table::new(&[("figure", Side::Left), ("value", Side::Right)]);
    for (address, figure) in figures_in_order(&outcome.record) {
        if address.parts().next() != Some("phase") {
            table.row(vec![
                address.as_str().into(),
                numbers::figure(figure, DECIMALS).into(),
            ]);
        }
    }
    format!(
        "\n{}\nwritten to {}\nreport: {}\n",
        table.render(session.style),
        session.shown(&outcome.folder),
        session.shown(report)
    )
}

/// How to pin what a run saw of its unpinned artifacts; empty if it had none.
pub fn pin_advice(recipe: &str, outcome: &Outcome) -> String {
    if outcome.unpinned.is_empty() {
        return String::new();
    }
    let mut advice = String::from("\n");
    for artifact in &outcome.unpinned {
        let _ = writeln!(
            advice,
            "artifact `{}` has no pin; this run saw",
            artifact.role
        );
        if let Some(sha256) = &artifact.sha256 {
            let _ = writeln!(advice, "  sha256  = \"{sha256}\"");
        }
        let _ = writeln!(advice, "  content = \"{}\"", artifact.content);
    }
    let _ = writeln!(advice, "to pin it: goldrun pin {recipe}");
    advice
}
