//! The files of a recipe as they can stand in one folder, wherever they stood before.

use std::collections::BTreeSet;
use std::path::PathBuf;

use toml_edit::{DocumentMut, Item, Value};

use super::Error;
use super::load::{Loaded, Written};

/// The files that a recipe is written in: its own as `<name>.toml`, and each that the one before extends.
///
/// `extends` then names a file beside it; nothing else of a text changes, and so no fingerprint does.
pub fn gathered(loaded: &Loaded) -> Result<Vec<Written>, Error> {
    let own = format!("{}.toml", loaded.recipe.name);
    let mut names: Vec<String> = loaded.files.iter().map(|file| file.name.clone()).collect();
    if let Some(first) = names.first_mut() {
        *first = own;
    }
    let mut taken = BTreeSet::new();
    if let Some(twice) = names.iter().find(|name| !taken.insert(name.as_str())) {
        return Err(Error::SameName {
            recipe: loaded.recipe.name.clone(),
            file: twice.clone(),
        });
    }
    let extended = names.iter().skip(1).map(Some).chain([None]);
    let files = loaded.files.iter().zip(&names).zip(extended);
    files
        .map(|((file, name), base)| {
            let text = match base {
                None => file.text.clone(),
                Some(base) => extending(&file.text, base).map_err(|reason| Error::Edit {
                    path: PathBuf::from(&file.name),
                    reason,
                })?,
            };
            Ok(Written {
                name: name.clone(),
                text,
            })
        })
        .collect()
}

/// The text of a recipe that extends `base`, with its comments and its order.
fn extending(text: &str, base: &str) -> Result<String, String> {
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| format!("not TOML: {}", error.message()))?;
    let extends = document
        .get_mut("extends")
        .and_then(Item::as_value_mut)
        .ok_or("it extends nothing")?;
    if extends.as_str() == Some(base) {
        return Ok(text.to_owned());
    }
    let decor = extends.decor().clone();
    *extends = Value::from(base);
    *extends.decor_mut() = decor;
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_extended_gets_another_name() {
        let text = "# Mine.\nextends = \"../base/common.toml\"   # theirs\nname = \"mine\"\n";
        let expected = "# Mine.\nextends = \"common.toml\"   # theirs\nname = \"mine\"\n";
        assert_eq!(extending(text, "common.toml").unwrap(), expected);
        assert_eq!(extending(expected, "common.toml").unwrap(), expected);
        assert!(extending("name = 1", "common.toml").is_err());
    }
}
