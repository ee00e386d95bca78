//! Exit codes: what they mean, which is the worst, and which error gives which.

use std::fmt;

use super::output;
use crate::golden::compare::{PublishedOutcome, Verdict};
use crate::{artifacts, golden, recipe, run, vendor};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// As recorded, or done.
    Good,
    /// A run differs from its golden or from a published figure.
    Differs,
    /// The recipe, its golden or the command line is wrong.
    Wrong,
    /// An artifact cannot be had, fails its pin or has none; a picture of `predict` cannot be read.
    Artifact,
    /// The run failed, or the asked device or SIMD level is not there.
    Failed,
    /// There is no golden to compare with, and no published figure with a tolerance.
    NoGolden,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// All, the worst first: over several recipes the worst wins.
    const WORST_FIRST: [Self; 7] = [
        Self::Interrupted,
        Self::Failed,
        Self::Artifact,
        Self::Wrong,
        Self::Differs,
        Self::NoGolden,
        Self::Good,
    ];

    /// The process' exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Differs => 1,
            Self::Wrong => 2,
            Self::Artifact => 3,
            Self::Failed => 4,
            Self::NoGolden => 5,
            Self::Interrupted => 130,
        }
    }

    /// The worse of two.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        Self::WORST_FIRST
            .into_iter()
            .find(|exit| *exit == self || *exit == other)
            .unwrap_or(self)
    }

    /// What `check` makes of a verdict.
    pub const fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Identical
            | Verdict::WithinTolerance
            | Verdict::NoWorse
            | Verdict::NoGolden {
                published: PublishedOutcome::Held,
            } => Self::Good,
            Verdict::Differs
            | Verdict::NoGolden {
                published: PublishedOutcome::Failed,
            } => Self::Differs,
            Verdict::NoGolden {
                published: PublishedOutcome::None,
            } => Self::NoGolden,
        }
    }
}

/// The part of `--help` that documents the codes.
pub const HELP: &str = "\
Exit codes:
  0    as recorded (identical, within tolerance, or no worse), or done
  1    differs from the golden, or from a published figure
  2    the recipe, its golden or the command line is wrong
  3    an artifact cannot be had, fails its pin, or has no pin (`check` without
       --allow-unpinned); a picture of `predict` cannot be read
  4    the run failed, or the asked device or SIMD level is not there
  5    no golden to compare with, and no published figure with a tolerance (the
       record is kept as pending)
  130  interrupted
Over several recipes the worst wins: 130, 4, 3, 2, 1, 5, 0.";

/// Why a command could not do what was asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code that it leads to.
    pub exit: Exit,
    /// What to tell; lines that start with `hint: ` say what to do.
    pub error: anyhow::Error,
    /// True if the message is a picture that brings its own headings.
    is_drawn: bool,
}

impl Failure {
    /// The command line, a recipe or a golden is wrong.
    pub fn wrong(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Wrong, error)
    }

    /// Something that was asked of this machine failed.
    pub fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Failed, error)
    }

    /// Any failure.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
            is_drawn: false,
        }
    }
}

impl Failure {
    /// The error without its hints; the count of problems where they are drawn.
    pub fn in_a_line(&self) -> String {
        let message = self.error.to_string();
        let mut lines = message.trim_end().lines();
        let line = if self.is_drawn {
            lines.next_back()
        } else {
            lines.next()
        };
        line.unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Failure {
    /// The error, each hint on a line of its own. Its causes are in its message already.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.error.to_string();
        if self.is_drawn {
            return f.write_str(message.trim_end());
        }
        write!(f, "error: {}", message.trim_end())
    }
}

impl From<recipe::Error> for Failure {
    fn from(error: recipe::Error) -> Self {
        Self {
            is_drawn: matches!(error, recipe::Error::Invalid(_)),
            ..Self::wrong(anyhow::Error::msg(error.render(output::colours_errors())))
        }
    }
}

impl From<golden::Error> for Failure {
    fn from(error: golden::Error) -> Self {
        match error {
            golden::Error::Io(_) | golden::Error::Unfaithful { .. } => Self::failed(error),
            golden::Error::Damaged { .. }
            | golden::Error::OtherFormat { .. }
            | golden::Error::Name { .. } => Self::wrong(error),
        }
    }
}

impl From<artifacts::Error> for Failure {
    fn from(error: artifacts::Error) -> Self {
        Self::new(Exit::Artifact, error)
    }
}

impl From<vendor::Error> for Failure {
    fn from(error: vendor::Error) -> Self {
        match error {
            vendor::Error::Recipe(error) => error.into(),
            vendor::Error::Golden(error) => error.into(),
            vendor::Error::Artifact(error) => error.into(),
            vendor::Error::Occupied { .. }
            | vendor::Error::SameRecipe { .. }
            | vendor::Error::SameArtifact { .. } => Self::wrong(error),
            vendor::Error::Other { .. }
            | vendor::Error::Executable { .. }
            | vendor::Error::Io(_) => Self::failed(error),
        }
    }
}

impl From<run::Error> for Failure {
    fn from(error: run::Error) -> Self {
        let code = error.exit_code();
        let exit = Exit::WORST_FIRST
            .into_iter()
            .find(|exit| exit.code() == code);
        Self::new(exit.unwrap_or(Exit::Failed), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_wins() {
        let codes: Vec<u8> = Exit::WORST_FIRST.into_iter().map(Exit::code).collect();
        assert_eq!(codes, [130, 4, 3, 2, 1, 5, 0]);
        assert_eq!(Exit::Good.worse(Exit::NoGolden), Exit::NoGolden);
        assert_eq!(Exit::NoGolden.worse(Exit::Differs), Exit::Differs);
        assert_eq!(Exit::Failed.worse(Exit::Differs), Exit::Failed);
        assert_eq!(Exit::Good.worse(Exit::Good), Exit::Good);
    }

    #[test]
    fn the_help_documents_every_code() {
        for exit in Exit::WORST_FIRST {
            let documented = HELP
                .lines()
                .any(|line| line.trim_start().starts_with(&format!("{} ", exit.code())));
            assert!(documented, "{exit:?}");
        }
    }

    #[test]
    fn a_cause_is_said_once() {
        let error = golden::Error::Io(std::io::Error::other("disk on fire"));
        let failure = Failure::from(error);
        assert_eq!(failure.exit, Exit::Failed);
        assert_eq!(failure.to_string(), "error: disk on fire");
    }

    #[test]
    fn hints_stand_on_their_own_lines() {
        let failure = Failure::wrong(anyhow::anyhow!("no such thing\nhint: look elsewhere"));
        assert_eq!(
            failure.to_string(),
            "error: no such thing\nhint: look elsewhere"
        );
        let picture = "error: unknown key\n --> recipe.toml:1:1\n";
        let drawn = Failure {
            is_drawn: true,
            ..Failure::wrong(anyhow::anyhow!(picture))
        };
        assert_eq!(
            drawn.to_string(),
            "error: unknown key\n --> recipe.toml:1:1"
        );
    }
}
