//! Command line: arguments, output and exit codes; one file per command.
//!
//! What is written ([`arguments`]) is decided against the machine and the project ([`session`]), then a
//! command runs and ends with an [`Exit`]. Data goes to standard output, everything else to standard
//! error, and both are written in [`output`] only.

mod accept;
mod arguments;
mod cache;
mod check;
mod comparison;
mod completions;
mod diff;
mod doctor;
mod exit;
mod export;
mod fetch;
mod gate;
mod interrupt;
mod list;
mod models;
mod new;
mod output;
mod pin;
mod predict;
mod progress;
mod report;
mod run;
mod runs;
mod schema;
mod seeds;
mod selftest;
mod session;
mod sheet;
mod show;
mod steps;
mod trace;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

use self::arguments::{Arguments, Command};
use self::exit::{Exit, Failure};
use self::session::Session;
use self::trace::{Trace, TraceLayer};

/// Runs the command line of this process; gives its exit code.
pub fn main() -> ExitCode {
    let exit = match Arguments::try_parse() {
        Ok(arguments) => command(arguments),
        Err(error) => usage(&error),
    };
    ExitCode::from(exit.code())
}

fn command(arguments: Arguments) -> Exit {
    let begun = arguments.command.trace().map(Trace::begin).transpose();
    let (trace, layer) = match begun {
        Ok(begun) => begun.unzip(),
        Err(failure) => return told(&failure),
    };
    // Nobody else sets one up, so it cannot be there already.
    let _ = subscriber(EnvFilter::try_from_default_env(), layer).try_init();
    let is_quiet = arguments.global.quiet;
    let ended = interrupt::listen()
        .map_err(Failure::failed)
        .and_then(|()| Session::new(arguments.global))
        .and_then(|session| {
            let ended = dispatch(&session, arguments.command);
            session.clear();
            ended
        });
    let exit = ended.unwrap_or_else(|failure| told(&failure));
    match trace.map(Trace::finish) {
        Some(Err(failure)) => {
            output::line(&failure.to_string());
            exit.worse(failure.exit)
        }
        Some(Ok(told)) if !is_quiet => {
            output::line(&told);
            exit
        }
        _ => exit,
    }
}

fn dispatch(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List => list::list(session),
        Command::Show(show) => show::show(session, &show),
        Command::Fetch(fetch) => fetch::fetch(session, &fetch),
        Command::Run(run) => run::run(session, &run),
        Command::Check(check) => check::check(session, &check),
        Command::Accept(accept) => accept::accept(session, &accept),
        Command::Diff(diff) => diff::diff(session, &diff.a, &diff.b),
        Command::Report(report) => report::report(session, &report),
        Command::Predict(arguments) => predict::predict(session, &arguments),
        Command::Export(arguments) => export::export(session, &arguments),
        Command::Selftest(test) => selftest::selftest(session, &test.recipe),
        Command::New(new) => new::new(session, &new),
        Command::Pin(pin) => pin::pin(session, &pin.recipe),
        Command::Schema(schema) => schema::schema(session, &schema),
        Command::Cache(cache) => cache::cache(session, &cache.command),
        Command::Doctor => doctor::doctor(session),
        Command::Completions(completions) => completions::completions(completions.shell),
    }
}

/// Tells a failure; one that Ctrl-C caused is told as that.
fn told(failure: &Failure) -> Exit {
    if interrupt::happened() || failure.exit == Exit::Interrupted {
        output::line("interrupted");
        return Exit::Interrupted;
    }
    output::line(&failure.to_string());
    failure.exit
}

/// Tells what is wrong with the command line, or gives the help or version that was asked for.
fn usage(error: &clap::Error) -> Exit {
    let printed = output::usage(error);
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            printed.map_or_else(|failure| told(&failure), |()| Exit::Good)
        }
        _ => Exit::Wrong,
    }
}

/// Logs go to standard error, and `RUST_LOG` says which; spans go to the trace, if there is one. Without one
/// they are off, unless `RUST_LOG` asks for that level.
fn subscriber<E>(
    asked: Result<EnvFilter, E>,
    trace: Option<TraceLayer>,
) -> impl Subscriber + Send + Sync {
    let logs = fmt::layer()
        .with_writer(std::io::stderr)
        .without_time()
        .with_filter(asked.unwrap_or_else(|_| EnvFilter::new("warn")));
    // What libraries have to say is theirs.
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), LevelFilter::TRACE);
    registry()
        .with(logs)
        .with(trace.map(|trace| trace.with_filter(ours)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_off_where_nobody_asks_for_them() {
        let subscriber = subscriber(Err(()), None);
        assert_eq!(subscriber.max_level_hint(), Some(LevelFilter::WARN));
        tracing::subscriber::with_default(subscriber, || {
            assert!(tracing::trace_span!("a span").is_disabled());
        });
    }
}
