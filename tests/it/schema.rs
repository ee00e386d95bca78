//! `goldrun schema` and the reference: what they say is what the reader does, and what is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use goldrun::recipe::schema;
use serde_json::{Map, Value};

use crate::docs;
use crate::support::Project;

mod agreement;
mod bases;
mod judges;
mod taplo;

/// The committed text of a file that `just reference` makes.
fn committed(path: &str) -> String {
    fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_command_prints_what_is_committed() {
    let project = Project::empty();
    let schema = project.goldrun(&["schema"]).exits(0);
    let reference = project.goldrun(&["schema", "--markdown"]).exits(0);
    for (printed, path) in [
        (&schema.stdout, "docs/recipe.schema.json"),
        (&reference.stdout, "docs/recipe.md"),
    ] {
        assert!(
            *printed == committed(path),
            "{path} is not what it would be: `just reference`"
        );
    }
    assert!(
        !reference.stdout.contains("{{"),
        "a table of the template is not there"
    );
    let json = project
        .goldrun(&["schema", "--markdown", "--json"])
        .exits(0)
        .json();
    assert_eq!(json["reference"], reference.stdout);
    project
        .goldrun(&["schema", "--set", "seed=1"])
        .exits(2)
        .warns("it is about all recipes");
}

/// The tables of the schema with their keys, by address: `*` for a name of the recipe's choice.
fn tables(keywords: &Value, address: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let inside = |part: &str| match address {
        "" => part.to_owned(),
        _ => format!("{address}.{part}"),
    };
    if let Some(Value::Object(properties)) = keywords.get("properties") {
        found
            .entry(address.to_owned())
            .or_default()
            .extend(properties.keys().cloned());
        for (key, value) in properties {
            tables(value, &inside(key), found);
        }
    }
    if let Some(values @ Value::Object(_)) = keywords.get("additionalProperties") {
        tables(values, &inside("*"), found);
    }
    let forms = keywords.get("oneOf").and_then(Value::as_array);
    for deeper in keywords
        .get("items")
        .into_iter()
        .chain(forms.into_iter().flatten())
    {
        tables(deeper, address, found);
    }
}

#[test]
fn it_has_the_keys_that_the_reader_knows() {
    let mut described = BTreeMap::new();
    tables(&schema::schema(), "", &mut described);
    assert_eq!(described, docs::tables());
}

/// Every schema below this one that is about a key.
fn keys<'a>(keywords: &'a Value, seen: &mut impl FnMut(&'a str, &'a Map<String, Value>)) {
    match keywords {
        Value::Object(map) => {
            for (keyword, value) in map {
                match value {
                    Value::Object(properties) if keyword == "properties" => {
                        for (key, value) in properties {
                            seen(key, value.as_object().unwrap());
                            keys(value, seen);
                        }
                    }
                    // What is required besides describes nothing.
                    _ if keyword == "else" => {}
                    _ => keys(value, seen),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, seen)),
        _ => {}
    }
}

#[test]
fn every_key_says_what_it_is() {
    let schema = schema::schema();
    let mut number = 0;
    keys(&schema, &mut |key, keywords| {
        number += 1;
        let description = keywords
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let sentence = description.lines().next().unwrap_or_default();
        assert!(
            sentence.ends_with('.') && sentence.len() > 8,
            "{key}: {description}"
        );
        assert!(
            !sentence.contains("as written."),
            "{key} is described to us: {description}"
        );
        assert!(
            !description.contains("]("),
            "{key}: a link that leads nowhere: {description}"
        );
        for (keyword, words) in [
            ("x-unit", "Type: number of "),
            ("default", "\n\nDefault: "),
            ("x-range", "Type: "),
        ] {
            if keywords.contains_key(keyword) {
                assert!(
                    description.contains(words),
                    "{key} has `{keyword}`: {description}"
                );
            }
        }
        let is_number = keywords
            .get("type")
            .is_some_and(|of| of == "integer" || of == "number");
        let has_limits = ["minimum", "exclusiveMinimum", "const"]
            .iter()
            .any(|limit| keywords.contains_key(*limit));
        // A figure may be anything.
        assert!(
            !is_number || has_limits || key == "value",
            "{key} has no range"
        );
    });
    assert!(number > 70, "{number}");
}
