//! The JSON Schema of recipes, from the types that they are read into.
//!
//! Each key's description is the comment on its field, its limits are the [`Rule`](super::syntax::Rule) that
//! the reader holds it to, and its default is the constant that stands in for it. What JSON Schema has no
//! keyword for is under `x-type`, `x-unit`, `x-range` and `x-default`, in words.
//!
//! A recipe that extends another one needs few keys, and one that does not needs many. So the keys are
//! described once, and what is required of a recipe without `extends` stands beside them.

mod kinds;
mod loosen;
mod reference;
mod words;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::{Value, json};

pub use reference::reference;

use super::file::RecipeFile;

/// The schema of recipes: draft 7, which editors know best.
pub fn schema() -> Value {
    let mut schema = whole();
    RecursiveTransform(words::say).transform(&mut schema);
    let mut schema = Value::from(schema);
    let required = loosen::recipe(&mut schema);
    if let Value::Object(keywords) = &mut schema {
        keywords.insert("if".to_owned(), json!({ "required": ["extends"] }));
        keywords.insert("else".to_owned(), required);
    }
    in_order(&mut schema);
    schema
}

/// Keywords that are read first; the others follow as they come.
const FIRST: [&str; 14] = [
    "$schema",
    "title",
    "description",
    "type",
    "x-type",
    "x-unit",
    "const",
    "default",
    "x-default",
    "x-range",
    "minimum",
    "maximum",
    "properties",
    "items",
];

/// Puts the keywords into an order that people read easily.
fn in_order(schema: &mut Value) {
    let Value::Object(keywords) = schema else {
        return;
    };
    let place = |keyword: &str| {
        FIRST
            .iter()
            .position(|first| *first == keyword)
            .unwrap_or(FIRST.len())
    };
    let mut sorted: Vec<_> = std::mem::take(keywords).into_iter().collect();
    sorted.sort_by(|(one, _), (other, _)| (place(one), one).cmp(&(place(other), other)));
    keywords.extend(sorted);
    for (keyword, value) in keywords {
        match value {
            // Keys of recipes, which stay in the order in which they are read.
            Value::Object(keys) if keyword == "properties" => keys.values_mut().for_each(in_order),
            Value::Array(forms) => forms.iter_mut().for_each(in_order),
            inner => in_order(inner),
        }
    }
}

/// The schema of a recipe that extends no other one, without references.
fn whole() -> Schema {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<RecipeFile>();
    schema.insert("title".to_owned(), "A recipe of goldrun".into());
    schema.remove("description");
    RecursiveTransform(as_toml).transform(&mut schema);
    RecursiveTransform(kinds::join).transform(&mut schema);
    schema
}

/// TOML has no null, and no formats of numbers beside their limits.
fn as_toml(schema: &mut Schema) {
    schema.remove("format");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|of| of != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let is_null = |form: &Value| form.get("type").is_some_and(|of| of == "null");
    if let Some(Value::Array(forms)) = schema.get_mut("anyOf")
        && forms.iter().any(is_null)
    {
        forms.retain(|form| !is_null(form));
        if let [Value::Object(only)] = forms.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (keyword, value) in only {
                // What is said of the key comes before what is said of its type.
                if schema.get(&keyword).is_none() {
                    schema.insert(keyword, value);
                }
            }
        }
    }
    // A comment is broken into lines, which a sentence is not.
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}
