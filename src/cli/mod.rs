//! Command line: arguments, output and exit codes; one file per command.
//!
//! What is written ([`arguments`]) is decided against the machine and the project ([`session`]), then a
//! command runs and ends with an [`Exit`]. Data goes to standard output, everything else to standard
//! error, and both are written in [`output`] only.

mod accept;
mod arguments;
mod check;
mod diff;
mod doctor;
mod exit;
mod fetch;
mod interrupt;
mod list;
mod output;
mod pin;
mod progress;
mod run;
mod runs;
mod session;
mod sheet;
mod show;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

use self::arguments::{Arguments, Command};
use self::exit::{Exit, Failure};
use self::session::Session;

/// Runs the command line of this process; gives its exit code.
pub fn main() -> ExitCode {
    let exit = match Arguments::try_parse() {
        Ok(arguments) => command(arguments),
        Err(error) => usage(&error),
    };
    ExitCode::from(exit.code())
}

fn command(arguments: Arguments) -> Exit {
    log_to_stderr();
    let ended = interrupt::listen()
        .map_err(Failure::failed)
        .and_then(|()| Session::new(arguments.global))
        .and_then(|session| {
            let ended = dispatch(&session, arguments.command);
            session.clear();
            ended
        });
    ended.unwrap_or_else(|failure| report(&failure))
}

fn dispatch(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List => list::list(session),
        Command::Show(show) => show::show(session, &show.recipe, show.sheet.as_deref()),
        Command::Fetch(fetch) => fetch::fetch(session, &fetch.recipe),
        Command::Run(run) => run::run(session, &run.recipe),
        Command::Check(check) => check::check(session, &check.recipes),
        Command::Accept(accept) => accept::accept(session, &accept.recipe, accept.run.as_deref()),
        Command::Diff(diff) => diff::diff(session, &diff.a, &diff.b),
        Command::Pin(pin) => pin::pin(session, &pin.recipe),
        Command::Doctor => doctor::doctor(session),
    }
}

/// Tells a failure; one that Ctrl-C caused is told as that.
fn report(failure: &Failure) -> Exit {
    if interrupt::happened() || failure.exit == Exit::Interrupted {
        output::line("interrupted");
        return Exit::Interrupted;
    }
    output::line(&failure.to_string());
    failure.exit
}

/// Tells what is wrong with the command line, or gives the help or version that was asked for.
fn usage(error: &clap::Error) -> Exit {
    let told = output::usage(error);
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            told.map_or_else(|failure| report(&failure), |()| Exit::Good)
        }
        _ => Exit::Wrong,
    }
}

/// Sends logs to standard error; `RUST_LOG` says which.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .try_init();
}
