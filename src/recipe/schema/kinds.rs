//! Tables that say what they are by a key: `[dataset.folders]` or `[dataset.drawn]`.

use schemars::Schema;
use serde_json::{Map, Value, json};

/// Makes one table with all keys out of a table for each kind, so that an editor can offer them, and asks for
/// exactly one.
pub(super) fn join(schema: &mut Schema) {
    let Some(Value::Array(forms)) = schema.get_mut("oneOf") else {
        return;
    };
    for form in forms.iter_mut() {
        describe(form);
    }
    let Some(kinds) = forms.iter().map(kind).collect::<Option<Vec<_>>>() else {
        return;
    };
    let requirements: Vec<Value> = kinds
        .iter()
        .map(|(key, _)| json!({ "required": [key] }))
        .collect();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("oneOf".to_owned(), requirements.into());
    schema.insert("additionalProperties".to_owned(), false.into());
    let properties = schema
        .ensure_object()
        .entry("properties")
        .or_insert_with(|| Map::new().into());
    if let Value::Object(properties) = properties {
        properties.extend(kinds);
    }
}

/// Says of the one key of a table what is said of the table: that is where people look.
fn describe(form: &mut Value) {
    let Some(description) = form.get("description").cloned() else {
        return;
    };
    let properties = form.get_mut("properties").and_then(Value::as_object_mut);
    if let Some(properties) = properties.filter(|properties| properties.len() == 1) {
        for value in properties.values_mut() {
            if let Value::Object(keywords) = value {
                keywords.insert("description".to_owned(), description.clone());
            }
        }
    }
}

/// The one key of a table, and its schema.
fn kind(form: &Value) -> Option<(String, Value)> {
    let mut properties = form.get("properties")?.as_object()?.iter();
    match (properties.next(), properties.next()) {
        (Some((key, value)), None) => Some((key.clone(), value.clone())),
        _ => None,
    }
}
