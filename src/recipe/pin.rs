//! Writing pins into a recipe's file, leaving everything else of it as it is.

use std::path::Path;

use toml_edit::{Decor, DocumentMut, Item, Table, TableLike, value};

use super::Error;
use crate::whole;

/// What was seen of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its role.
    pub role: String,
    /// Digest of its bytes, 64 hex digits; a folder has none.
    pub sha256: Option<String>,
    /// Digest of what is in it: `h1:…` or `t1:…`.
    pub content: Option<String>,
}

/// Writes `pins` into the recipe at `path`, keeping its comments and its order.
///
/// A role that the file inherits gets an `[artifact.<role>]` of its own. The file is replaced whole: it
/// is never seen half written.
pub fn write(path: &Path, pins: &[Pin]) -> Result<(), Error> {
    let text = fs_err::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_path_buf(),
        source,
    })?;
    let pinned = edit(&text, pins).map_err(|reason| Error::Edit {
        path: path.to_path_buf(),
        reason,
    })?;
    whole::write(path, pinned.as_bytes()).map_err(|source| Error::Write {
        path: path.to_path_buf(),
        source,
    })
}

/// The text of a recipe with `pins` in it; an error says what stands in the way.
fn edit(text: &str, pins: &[Pin]) -> Result<String, String> {
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| format!("not TOML: {}", error.message()))?;
    for pin in pins {
        let artifacts = document.entry("artifact").or_insert_with(implicit_table);
        let artifacts = table_of(artifacts, "artifact")?;
        let artifact = artifacts
            .entry(&pin.role)
            .or_insert_with(|| Item::Table(Table::new()));
        let artifact = table_of(artifact, &pin.role)?;
        for (key, digest) in [("sha256", &pin.sha256), ("content", &pin.content)] {
            if let Some(digest) = digest {
                put(artifact, key, digest);
            }
        }
    }
    Ok(document.to_string())
}

/// Sets a key, keeping the white space and the comment around a value that is there.
fn put(table: &mut dyn TableLike, key: &str, digest: &str) {
    let mut item = value(digest);
    if let (Some(old), Some(new)) = (table.get(key).and_then(Item::as_value), item.as_value_mut()) {
        *new.decor_mut() = old.decor().clone();
    }
    if let Some(old) = table.get_mut(key) {
        *old = item;
        return;
    }
    if let Some(new) = item.as_value_mut() {
        *new.decor_mut() = trailing_space(table);
    }
    table.insert(key, item);
}

/// Takes the white space after the last value of `table`, which in `{ … }` stands before the bracket.
fn trailing_space(table: &mut dyn TableLike) -> Decor {
    let mut decor = Decor::new(" ", "");
    if let Some(last) = table
        .iter_mut()
        .last()
        .and_then(|(_, item)| item.as_value_mut())
    {
        let suffix = last.decor().suffix().and_then(|suffix| suffix.as_str());
        if let Some(space) = suffix
            .filter(|suffix| suffix.trim().is_empty())
            .map(str::to_owned)
        {
            last.decor_mut().set_suffix("");
            decor.set_suffix(space);
        }
    }
    decor
}

fn implicit_table() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}

fn table_of<'a>(item: &'a mut Item, name: &str) -> Result<&'a mut dyn TableLike, String> {
    item.as_table_like_mut()
        .ok_or_else(|| format!("`{name}` is not a table"))
}
