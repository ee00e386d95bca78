//! `docs/recipe.md`: a page of prose with a table of keys wherever it asks for one.

use serde_json::{Map, Value};

use super::words::{choices, default, forms, holds, range, text};

/// The prose. A line `{{ADDRESS}}` is the table of keys at that address; a part `*` is a name of the recipe's choice.
const PAGE: &str = include_str!("reference.md");

/// The reference of recipes, in Markdown.
pub fn reference() -> String {
    let whole = Value::from(super::whole());
    let table = |line: &str| {
        let address = line.strip_prefix("{{")?.strip_suffix("}}")?;
        let parts = address.split('.').filter(|part| !part.is_empty());
        let found = parts.fold(whole.as_object(), |at, part| part_of(at?, part))?;
        Some(table(with_keys(found)?))
    };
    let line = |line: &str| table(line).unwrap_or_else(|| format!("{line}\n"));
    PAGE.lines().map(line).collect()
}

/// What stands under a key, or under any name.
fn part_of<'a>(keywords: &'a Map<String, Value>, part: &str) -> Option<&'a Map<String, Value>> {
    let at = with_keys(keywords).unwrap_or(keywords);
    match part {
        "*" => at.get("additionalProperties")?.as_object(),
        key => at.get("properties")?.get(key)?.as_object(),
    }
}

/// The table that a value is, has as elements, or may be.
fn with_keys(keywords: &Map<String, Value>) -> Option<&Map<String, Value>> {
    if keywords.contains_key("properties") {
        return Some(keywords);
    }
    let elements = keywords.get("items").and_then(Value::as_object);
    elements
        .into_iter()
        .chain(forms(keywords))
        .find_map(with_keys)
}

/// A row a key; columns that say nothing are left out.
fn table(keywords: &Map<String, Value>) -> String {
    let mut rows = vec![["key", "type", "range", "default", "meaning"].map(str::to_owned)];
    let properties = keywords.get("properties").and_then(Value::as_object);
    for (key, value) in properties.into_iter().flatten() {
        let Some(value) = value.as_object() else {
            continue;
        };
        let meaning = text(value, "description").unwrap_or_default();
        rows.push([
            format!("`{key}`"),
            holds(value),
            range(value),
            instead(keywords, key, value),
            format!("{meaning}{}", choices(value)),
        ]);
    }
    let says = |column: usize| {
        let mut cells = rows.iter().skip(1).map(|row| row[column].as_str());
        !cells.all(|cell| cell.is_empty() || cell == "table")
    };
    let columns: Vec<usize> = (0..5).filter(|&column| says(column)).collect();
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells: Vec<&str> = columns.iter().map(|&column| row[column].as_str()).collect();
            format!("| {} |\n", cells.join(" | "))
        })
        .collect();
    lines.insert(1, format!("|{}\n", "---|".repeat(columns.len())));
    lines.concat()
}

/// What holds where a key is not written.
fn instead(table: &Map<String, Value>, key: &str, value: &Map<String, Value>) -> String {
    let is_required = |keywords: &Map<String, Value>| {
        let required = keywords.get("required").and_then(Value::as_array);
        required.is_some_and(|required| required.iter().any(|required| required == key))
    };
    let keys = table
        .get("properties")
        .and_then(Value::as_object)
        .map_or(0, Map::len);
    let kinds = table.get("oneOf").and_then(Value::as_array);
    let kinds: Vec<_> = kinds
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .collect();
    let is_kind = kinds.iter().copied().any(is_required);
    match (is_required(table), is_kind) {
        // A table that is nothing but a choice needs no word for it.
        (true, _) if keys == 1 => String::new(),
        (_, true) if keys == kinds.len() => String::new(),
        (true, _) => "required".to_owned(),
        (_, true) => "one of these".to_owned(),
        (false, false) => default(value).unwrap_or_else(|| "none".to_owned()),
    }
}
