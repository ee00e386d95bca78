//! What can go wrong between a recipe's artifact and its verified files.

use std::io;

/// An artifact cannot be had, or is not what the recipe pins.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user asked to stop; whatever was half done can be resumed or is gone.
    #[error("interrupted")]
    Interrupted,

    /// The file system said no; the message names the path.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Error {
    /// True if the user asked to stop (exit code 130); every other error here is exit code 3.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}
