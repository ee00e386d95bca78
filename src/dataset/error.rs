//! What can go wrong between a recipe and its pictures.

use crate::artifacts;
use crate::recipe::SplitName;

/// Why the pictures of a recipe cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The run was asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A file or folder cannot be read or written; the message names it.
    #[error("{error}{hint}", error = .0, hint = artifacts::full_disk_hint(.0))]
    Io(#[from] std::io::Error),
    /// The derived cache failed.
    #[error(transparent)]
    Cache(artifacts::Error),
    /// The artifact is one file.
    #[error(
        "artifact `{role}` holds no folders: expected an archive or a folder with a folder per class\n\
         hint: `[dataset.folders] artifact` must name the artifact with the pictures"
    )]
    NotAFolder {
        /// Its role.
        role: String,
    },
    /// A split's folder is not there.
    #[error("{split} folder `{folder}` is not in artifact `{role}`\nhint: {hint}")]
    MissingFolder {
        /// Whose folder.
        split: &'static str,
        /// As the recipe has it.
        folder: String,
        /// The artifact.
        role: String,
        /// What is there instead.
        hint: String,
    },
    /// A split's folder has fewer than two classes.
    #[error(
        "{split} folder `{folder}` has {found}: expected at least two, a folder per class\n\
         hint: {hint}"
    )]
    FewClasses {
        /// Whose folder.
        split: &'static str,
        /// As the recipe has it.
        folder: String,
        /// "no class", or "one class" with its name.
        found: String,
        /// What to look for.
        hint: String,
    },
    /// A class of the training source has no pictures.
    #[error(
        "class `{class}` has no pictures in train folder `{folder}`: expected files named {extensions}\n\
         hint: remove the folder if it is no class",
        extensions = super::scan::EXTENSIONS.join(", ")
    )]
    EmptyClass {
        /// The class.
        class: String,
        /// The folder of the split.
        folder: String,
    },
    /// Two sources have different classes.
    #[error(
        "{split} folder `{folder}` has other classes than train folder `{train}`: \
         missing [{missing}], not in train [{extra}]\n\
         hint: every source needs the same class folders, empty ones included"
    )]
    ClassesDiffer {
        /// The source that is not train.
        split: &'static str,
        /// Its folder.
        folder: String,
        /// Train's folder.
        train: String,
        /// Classes that only train has.
        missing: String,
        /// Classes that train does not have.
        extra: String,
    },
    /// A file's path is not UTF-8.
    #[error("file name is not UTF-8: `{path}`\nhint: rename it; records list files by their names")]
    NotUtf8 {
        /// The path, with the bad bytes replaced.
        path: String,
    },
    /// More files than an index holds.
    #[error("{split} source has {found} pictures: expected fewer than 2^32")]
    TooManyFiles {
        /// The source.
        split: &'static str,
        /// How many.
        found: usize,
    },
    /// A split comes from nowhere.
    #[error(
        "the {split} split has no pictures: no source of its own and not cut from another\n\
         hint: name a {split} source in `[dataset]`, or cut it: `[split.{split}] from = \"…\", fraction = 0.2`"
    )]
    NoSource {
        /// The split.
        split: &'static str,
    },
    /// A split has a source and is cut from another, too.
    #[error(
        "the {split} split has a source of its own and is also cut from {from}\n\
         hint: remove one of the two"
    )]
    TwoSources {
        /// The split.
        split: &'static str,
        /// The other source.
        from: &'static str,
    },
    /// A split is cut from a split that has no source.
    #[error(
        "the {split} split is cut from {from}, which has no pictures of its own\n\
         hint: cut it from a split that is named in `[dataset]`"
    )]
    CutFromNothing {
        /// The split.
        split: &'static str,
        /// The missing source.
        from: &'static str,
    },
    /// The cuts take more than there is.
    #[error(
        "the {split} split asks for {asked} pictures of the {from} source, which has {left} of {total} left\n\
         hint: {hint}"
    )]
    CutTooLarge {
        /// The split.
        split: &'static str,
        /// The source.
        from: &'static str,
        /// Pictures asked for.
        asked: u64,
        /// Pictures that no earlier cut took.
        left: u64,
        /// All pictures of the source.
        total: u64,
        /// How the number came about.
        hint: String,
    },
    /// A split has no pictures.
    #[error("the {split} split is empty: {why}\nhint: {hint}")]
    EmptySplit {
        /// The split.
        split: &'static str,
        /// How that came about.
        why: String,
        /// What to do.
        hint: &'static str,
    },
    /// A file is damaged or no picture, and no more of those are tolerated.
    #[error(
        "{split} picture `{path}` cannot be decoded: {reason}\n\
         hint: replace the file, or tolerate it with `[dataset.folders] rejects = {suggested}` (now {tolerated})"
    )]
    Undecodable {
        /// The split it is in.
        split: &'static str,
        /// Its path.
        path: String,
        /// What is wrong.
        reason: String,
        /// How many the recipe tolerates.
        tolerated: u32,
        /// One more than that.
        suggested: u32,
    },
    /// No file of a split could be decoded.
    #[error(
        "the {split} split is empty: none of its pictures can be decoded\n\
         hint: replace the files that were left out"
    )]
    NothingDecodable {
        /// The split.
        split: &'static str,
    },
}

impl Error {
    /// Nothing is left of a source for the split of the same name.
    pub(super) fn nothing_left(name: SplitName, total: usize) -> Self {
        Self::EmptySplit {
            split: name.word(),
            why: format!("other splits take all {total} pictures of its source"),
            hint: "cut fewer pictures",
        }
    }
}

impl From<artifacts::Error> for Error {
    fn from(error: artifacts::Error) -> Self {
        if error.is_interrupted() {
            Self::Interrupted
        } else {
            Self::Cache(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_full_disk_is_told_with_what_to_do() {
        let told = |kind: io::ErrorKind| Error::from(io::Error::from(kind)).to_string();
        let full = told(io::ErrorKind::StorageFull);
        assert!(
            full.contains("\nhint: free some space, or set GOLDRUN_CACHE"),
            "{full}"
        );
        assert!(!told(io::ErrorKind::NotFound).contains("hint"));
    }
}
