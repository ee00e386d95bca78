//! Artifacts: what a recipe needs from outside, fetched, verified, kept and unpacked.
//!
//! `docs/cache.md` shows where everything lies on disk.

mod attempts;
pub mod cache;
mod content;
mod copy;
mod download;
mod error;
mod extract;
mod listing;
mod manifests;
mod obtain;
mod pin;
mod progress;
mod source;
pub mod weights;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use content::{Differences, Scheme};
pub use copy::{Copied, copied_name, copy};
pub use download::Network;
pub(crate) use error::full_disk_hint;
pub use error::{ContentMismatch, Error, Refusal};
pub use manifests::differences;
pub use obtain::{Request, obtain};

use self::cache::Lease;

/// Where artifacts are kept and looked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Root of the cache.
    pub cache: PathBuf,
    /// Folders that are searched by file name before the cache and the network (`--artifacts`).
    pub folders: Vec<PathBuf>,
    /// Never use the network.
    pub offline: bool,
    /// Use nothing derived that an earlier run left: archives are extracted anew.
    pub fresh: bool,
}

/// What an artifact is used for, which decides what its content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An archive or a folder of pictures; content `h1:`.
    Pictures,
    /// A file of weights; content `t1:`.
    Weights,
}

/// Where a verified artifact can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder: the user's own, or an archive's files.
    Folder(PathBuf),
    /// A file.
    File(PathBuf),
    /// A file that is inside the binary.
    Shipped(&'static [u8]),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) | Self::File(path) => path.display().fmt(f),
            Self::Shipped(_) => f.write_str("a file inside goldrun"),
        }
    }
}

/// A verified artifact.
#[derive(Clone, Debug)]
pub struct Obtained {
    /// Where it can be read, as long as this value or a clone of it lives.
    pub location: Location,
    /// The file that was verified: of an archive the archive itself; none for a folder, and inside the binary.
    pub file: Option<PathBuf>,
    /// Hex sha256 of its bytes; none for a folder.
    pub sha256: Option<String>,
    /// Content digest, `h1:…` or `t1:…`.
    pub content: String,
    /// The lines that the content digest is made of, without line ends.
    pub manifest: Vec<String>,
    /// True if the recipe pins the bytes or the content.
    pub pinned: bool,
    /// What is worth knowing, such as "re-packed, same content"; already told to the observer.
    pub notes: Vec<String>,
    /// Keeps [`Obtained::location`] from being removed.
    pub guard: Guard,
}

/// Keeps a folder in the cache from being removed; the default keeps nothing, for files of one's own.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    _lease: Option<Arc<Lease>>,
    _folder: Option<Arc<tempfile::TempDir>>,
}

impl Guard {
    /// Keeps what `lease` covers, and `folder` if there is one.
    fn new(lease: &Arc<Lease>, folder: Option<tempfile::TempDir>) -> Self {
        Self {
            _lease: Some(Arc::clone(lease)),
            _folder: folder.map(Arc::new),
        }
    }
}
