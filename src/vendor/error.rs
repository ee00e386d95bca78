//! What can stand in the way of a vendored folder.

use std::io;
use std::path::PathBuf;

use crate::{artifacts, golden, recipe};

/// Why there is no vendored folder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds something that nobody may remove.
    #[error(
        "{} is not replaced: {found}\n\
         hint: give a folder that is empty or not there yet, or move away what is yours",
        folder.display()
    )]
    Occupied {
        /// The folder.
        folder: PathBuf,
        /// What it holds.
        found: String,
    },
    /// Two recipes, or what they extend, are different files of one name.
    #[error(
        "the recipes are written in two different files called {file}\n\
         hint: vendor them into a folder each, or rename one"
    )]
    SameRecipe {
        /// The name.
        file: String,
    },
    /// Two artifacts are different files of one name.
    #[error(
        "{} and {} differ and are both called {name}, the name that a copy is found by\n\
         hint: vendor their recipes into a folder each, or rename one",
        artifacts[0], artifacts[1]
    )]
    SameArtifact {
        /// What they are in which recipe.
        artifacts: [String; 2],
        /// The name.
        name: String,
    },
    /// The recipe that was written is not the one that was meant.
    #[error("recipe `{recipe}` does not survive being written into another folder")]
    Other {
        /// The recipe.
        recipe: String,
    },
    /// The executable cannot be copied.
    #[error("cannot copy goldrun itself: {error}")]
    Executable {
        /// Why not.
        error: io::Error,
    },
    /// The file system said no; the message names the path.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A recipe cannot be written or read back.
    #[error(transparent)]
    Recipe(#[from] recipe::Error),
    /// A golden cannot be written.
    #[error(transparent)]
    Golden(#[from] golden::Error),
    /// An artifact cannot be copied.
    #[error(transparent)]
    Artifact(#[from] artifacts::Error),
}
