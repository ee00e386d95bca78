//! Who says yes to a new golden: a person at a terminal, or `--yes`.

use std::io::{self, IsTerminal, Write};

use anyhow::anyhow;

use super::super::arguments::Accept;
use super::super::exit::Failure;

/// Environment variable that CI services set.
pub const CI: &str = "CI";

/// How a yes is come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// It was given on the command line.
    Given,
    /// A person is asked.
    Asked,
}

impl Consent {
    /// By the command line and by where this process runs.
    pub fn of(arguments: &Accept, is_data: bool) -> Result<Self, Failure> {
        if is_ci() && !arguments.force {
            return Err(Failure::wrong(anyhow!(
                "`accept` does nothing in CI (`{CI}` is set): a golden is what a person has looked at\n\
                 hint: accept it on your machine and commit the golden; `--force` accepts it here"
            )));
        }
        if arguments.yes {
            return Ok(Self::Given);
        }
        if is_data || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Failure::wrong(anyhow!(
                "`accept` asks a person at a terminal, and there is none\nhint: `--yes` accepts without a question"
            )));
        }
        Ok(Self::Asked)
    }

    /// True for yes.
    pub fn ask(self, question: &str) -> Result<bool, Failure> {
        if self == Self::Given {
            return Ok(true);
        }
        let answer = answer(&format!("{question} [y/N] "))?;
        Ok(answer.is_some_and(|answer| answer == "y" || answer == "yes"))
    }
}

/// What a person answers, in lower case; none at the end of input.
pub fn answer(question: &str) -> Result<Option<String>, Failure> {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{question}");
    let _ = stderr.flush();
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line).map_err(Failure::failed)?;
    if read == 0 {
        let _ = writeln!(stderr);
        return Ok(None);
    }
    Ok(Some(line.trim().to_lowercase()))
}

/// True in a job of CI.
pub fn is_ci() -> bool {
    let value = std::env::var(CI).unwrap_or_default();
    !matches!(value.as_str(), "" | "0" | "false")
}
