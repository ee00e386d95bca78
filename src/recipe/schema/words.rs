//! What a key may hold, in words: for the reference, and behind the descriptions that editors show.

use std::sync::LazyLock;

use regex::Regex;
use schemars::Schema;
use serde_json::{Map, Value};

/// A link within the page of the reference.
static LINK: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\[([^\]]*)\]\(#[^)]*\)").ok());

/// Adds to a description what a person should know: what is written, in which range, and what stands in for it.
pub(super) fn say(schema: &mut Schema) {
    let Some(keywords) = schema.as_object() else {
        return;
    };
    let Some(description) = text(keywords, "description") else {
        return;
    };
    // The words of which one is meant say it all.
    if keywords.contains_key("const") && !keywords.contains_key("x-type") {
        return;
    }
    let mut said = match LINK.as_ref() {
        Some(link) => link.replace_all(description, "$1").into_owned(),
        None => description.to_owned(),
    };
    let holds = match text(keywords, "type") {
        Some("object") => Vec::new(),
        _ => [holds(keywords), range(keywords)]
            .into_iter()
            .filter(|words| !words.is_empty())
            .collect(),
    };
    if !holds.is_empty() {
        said.push_str("\n\nType: ");
        said.push_str(&holds.join(", "));
        said.push('.');
    }
    if let Some(default) = default(keywords) {
        said.push_str("\n\nDefault: ");
        said.push_str(&default);
        said.push('.');
    }
    schema.insert("description".to_owned(), said.into());
}

/// What is written: a number, a text of some form, one of some words, a table.
pub(super) fn holds(keywords: &Map<String, Value>) -> String {
    if let Some(unit) = text(keywords, "x-unit") {
        return format!("number of {unit}");
    }
    if let Some(name) = text(keywords, "x-type") {
        return name.to_owned();
    }
    if let Some(value) = keywords.get("const") {
        return format!("`{value}`");
    }
    let forms = forms(keywords);
    if !forms.is_empty() {
        let words: Vec<String> = forms.into_iter().map(holds).collect();
        return list(&words);
    }
    match text(keywords, "type") {
        Some("array") => match keywords.get("items").and_then(Value::as_object) {
            Some(items) if self::forms(items).is_empty() => format!("list of {}s", holds(items)),
            _ => "list".to_owned(),
        },
        Some("object") if keywords.contains_key("properties") => "table".to_owned(),
        Some("object") => "tables".to_owned(),
        Some("boolean") => "true, false".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some(other) => other.to_owned(),
        None => String::new(),
    }
}

/// In which range; of an array, its elements or, where they have none, its length.
pub(super) fn range(keywords: &Map<String, Value>) -> String {
    if let Some(range) = text(keywords, "x-range") {
        return range.replace(&i64::MAX.to_string(), "2^63 − 1");
    }
    let items = keywords.get("items").and_then(Value::as_object);
    if let Some(range) = items.map(range).filter(|range| !range.is_empty()) {
        return range;
    }
    match (keywords.get("minItems"), keywords.get("maxItems")) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => String::new(),
    }
}

/// What stands in for a key that is not written, if anything does.
pub(super) fn default(keywords: &Map<String, Value>) -> Option<String> {
    if let Some(words) = text(keywords, "x-default") {
        return Some(words.to_owned());
    }
    match keywords.get("default")? {
        Value::Array(list) if list.is_empty() => Some("none".to_owned()),
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(Value::to_string).collect();
            Some(format!("`[{}]`", list.join(", ")))
        }
        Value::String(word) => Some(format!("`\"{word}\"`")),
        other => {
            let number = other.to_string();
            Some(
                number
                    .strip_suffix(".0")
                    .map_or(number.clone(), str::to_owned),
            )
        }
    }
}

/// The words of which one is written, each with what it means.
pub(super) fn choices(keywords: &Map<String, Value>) -> String {
    let choice = |form: &Map<String, Value>| {
        let word = form.get("const")?;
        let meaning = text(form, "description")?;
        Some(format!(" `{word}`: {meaning}"))
    };
    let forms = forms(keywords);
    // Of one word there is nothing to choose.
    if forms.len() == 1 {
        return String::new();
    }
    forms.into_iter().filter_map(choice).collect()
}

/// The forms of which a value has one.
pub(super) fn forms(keywords: &Map<String, Value>) -> Vec<&Map<String, Value>> {
    let forms = ["oneOf", "anyOf"]
        .into_iter()
        .find_map(|of| keywords.get(of)?.as_array());
    let forms = forms.into_iter().flatten().filter_map(Value::as_object);
    // Those that only ask for a key are about a table that is described beside them.
    forms.filter(|form| form.contains_key("type")).collect()
}

fn list(words: &[String]) -> String {
    match words {
        [start @ .., before, last] => {
            let start: String = start.iter().map(|word| format!("{word}, ")).collect();
            format!("{start}{before} or {last}")
        }
        _ => words.concat(),
    }
}

/// A keyword that is a text.
pub(super) fn text<'a>(keywords: &'a Map<String, Value>, keyword: &str) -> Option<&'a str> {
    keywords.get(keyword)?.as_str()
}
