//! What can go wrong with a recipe.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::syntax::{Problems, Sources};

/// Why there is no recipe.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No file and no shipped recipe has this name.
    #[error("there is no recipe `{name}`\nhint: {hint}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is, or what was probably meant.
        hint: String,
    },
    /// The file cannot be read.
    #[error("cannot read the recipe {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder of recipes cannot be read.
    #[error("cannot look for recipes: {source}")]
    Folder {
        /// Why; names the folder.
        source: io::Error,
    },
    /// The file is no text.
    #[error(
        "the recipe {} is not UTF-8 text: line {line} holds other bytes\nhint: a recipe is a TOML file",
        path.display()
    )]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first line that is no text, from 1.
        line: usize,
    },
    /// The file is far too large for a recipe.
    #[error(
        "{} is too large for a recipe: {size} bytes, expected at most {limit}\nhint: a recipe is a TOML file",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
        /// The largest that is read.
        limit: u64,
    },
    /// The recipe was read, and this is wrong with it.
    #[error("{0}")]
    Invalid(Box<Report>),
    /// Two files of a recipe cannot stand in one folder.
    #[error(
        "two of the files that recipe `{recipe}` is written in are called {file}\n\
         hint: rename one of them, and the `extends` that names it"
    )]
    SameName {
        /// The recipe.
        recipe: String,
        /// The name that both have.
        file: String,
    },
    /// Pins cannot be written.
    #[error("pins are not written: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Pins, or what it extends, cannot be written into this text.
    #[error("cannot write into {}: {reason}", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// All problems of a recipe with the texts they are in.
#[derive(Debug)]
pub struct Report {
    name: String,
    sources: Sources,
    problems: Problems,
}

impl Report {
    pub(super) fn new(name: String, sources: Sources, problems: Problems) -> Self {
        Self {
            name,
            sources,
            problems,
        }
    }

    fn render(&self, color: bool) -> String {
        let pictures = self.problems.render(&self.sources, color);
        let count = match self.problems.len() {
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        };
        format!("{pictures}{}: {count}", self.name)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Error {
    /// The whole message; `color` marks up the pictures for a terminal.
    pub fn render(&self, color: bool) -> String {
        match self {
            Self::Invalid(report) => report.render(color),
            other => other.to_string(),
        }
    }
}
