//! The texts that a recipe was read from, and places in them.

use std::path::PathBuf;

/// What the relative paths of a text belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// A folder: the one of the file, or the current one for an argument.
    Folder(PathBuf),
    /// The recipes inside the binary; a folder relative to `recipes/`, empty for that folder itself.
    Shipped(PathBuf),
}

/// A file or an argument.
#[derive(Clone, Debug)]
pub(crate) struct SourceText {
    /// As it is shown: `recipes/tutorial.toml`, `--set`.
    pub(crate) name: String,
    /// All of it.
    pub(crate) text: String,
    /// What its relative paths belong to.
    pub(crate) base: Base,
}

/// All texts of one recipe; a [`Place`] names one by its position.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Vec<SourceText>);

impl Sources {
    /// Keeps a text and says by which number places name it.
    pub(crate) fn add(&mut self, name: String, text: String, base: Base) -> usize {
        self.0.push(SourceText { name, text, base });
        self.0.len() - 1
    }

    /// True if what stands at `one` was laid over what stands at `other`: an argument over those before it
    /// and over files, a file over the one that it extends; in one text, what comes later.
    pub(crate) fn is_laid_over(&self, one: Place, other: Place) -> bool {
        let rank = |place: Place| {
            let is_argument = self.get(place.source).name.starts_with("--");
            // Files are read from the one asked for down to the last that is extended.
            let files_below = if is_argument {
                0
            } else {
                self.0.len() - place.source
            };
            (is_argument, files_below, place)
        };
        rank(one) > rank(other)
    }

    /// The text of a place. Places are made with a number that [`Sources::add`] gave.
    pub(crate) fn get(&self, source: usize) -> &SourceText {
        &self.0[source]
    }
}

/// A stretch of one of the [`Sources`], in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Which source.
    pub(crate) source: usize,
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
}
