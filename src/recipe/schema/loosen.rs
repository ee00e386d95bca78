//! What a recipe must have that one which extends another need not: its tables are laid over the other's.

use serde_json::{Map, Value, json};

use crate::recipe::file::{MERGE, NEVER_INHERITED};

/// Takes what can be inherited out of what a recipe must have, and gives it back as a schema of its own.
pub(super) fn recipe(schema: &mut Value) -> Value {
    let mut needs = Map::new();
    let Value::Object(keywords) = schema else {
        return needs.into();
    };
    let is_own = |key: &str| NEVER_INHERITED.contains(&key);
    if let Some(Value::Array(required)) = keywords.get_mut("required") {
        needs.insert("required".to_owned(), required.clone().into());
        required.retain(|key| key.as_str().is_some_and(is_own));
    }
    if let Some(Value::Object(properties)) = keywords.get_mut("properties") {
        let inherited = properties.iter_mut().filter(|(key, _)| !is_own(key));
        let needed = inherited
            .filter_map(|(key, value)| Some((key.clone(), loosen(value, key)?)))
            .collect::<Map<_, _>>();
        needs.insert("properties".to_owned(), needed.into());
    }
    needs.into()
}

/// The same for a value at an address, in which `*` is any part; none where it must have nothing.
fn loosen(schema: &mut Value, address: &str) -> Option<Value> {
    let keywords = schema.as_object_mut()?;
    let mut needs = Map::new();
    if keywords.contains_key("items") {
        // Other arrays are replaced whole.
        let (_, key) = MERGE.by_key.iter().find(|(array, _)| *array == address)?;
        if let Some(least) = keywords.shift_remove("minItems") {
            needs.insert("minItems".to_owned(), least);
        }
        let items = keywords.get_mut("items")?;
        if let Some(needed) = loosen(items, &format!("{address}.*")) {
            needs.insert("items".to_owned(), needed);
            let items = items.as_object_mut()?;
            items.insert("required".to_owned(), json!([key]));
        }
    }
    if let Some(required) = keywords.shift_remove("required") {
        needs.insert("required".to_owned(), required);
    }
    if let Some(kinds) = keywords.get("oneOf").and_then(kinds) {
        if let Some(one_of) = keywords.shift_remove("oneOf") {
            needs.insert("oneOf".to_owned(), one_of);
        }
        let pairs = pairs(&kinds);
        if !pairs.is_empty() {
            keywords.insert("not".to_owned(), json!({ "anyOf": pairs }));
        }
    }
    if let Some(Value::Object(properties)) = keywords.get_mut("properties") {
        let needed: Map<String, Value> = properties
            .iter_mut()
            .filter_map(|(key, value)| {
                let needed = loosen(value, &format!("{address}.{key}"))?;
                Some((key.clone(), needed))
            })
            .collect();
        if !needed.is_empty() {
            needs.insert("properties".to_owned(), needed.into());
        }
    }
    if let Some(values) = keywords.get_mut("additionalProperties")
        && let Some(needed) = loosen(values, &format!("{address}.*"))
    {
        needs.insert("additionalProperties".to_owned(), needed);
    }
    (!needs.is_empty()).then_some(needs.into())
}

/// The keys of which one must be there, if that is what `oneOf` says.
fn kinds(one_of: &Value) -> Option<Vec<String>> {
    let forms = one_of.as_array()?.iter();
    forms
        .map(|form| Some(form.get("required")?.get(0)?.as_str()?.to_owned()))
        .collect()
}

/// A schema for every two of the keys, which must not be there both.
fn pairs(kinds: &[String]) -> Vec<Value> {
    let mut pairs = Vec::new();
    for (number, first) in kinds.iter().enumerate() {
        for second in &kinds[number + 1..] {
            pairs.push(json!({ "required": [first, second] }));
        }
    }
    pairs
}
