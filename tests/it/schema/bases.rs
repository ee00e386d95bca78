//! Recipes that have every key between them, as trees that can be changed anywhere.

use serde_json::Value as Json;
use toml::{Table, Value};

use crate::recipes::Project;

/// A recipe of `tests/fixtures/recipes`, and what is laid over it.
const BASES: [(&str, &str); 6] = [
    ("good", ""),
    (
        "minimal",
        r#"
        title = "With a seed of its own"
        dataset.drawn = { seed = 4, train = 10, validation = 5, test = 5 }
        "#,
    ),
    (
        "minimal",
        r#"
        artifact.weights.max_size = 9
        dataset.drawn = { train = 10 }
        split.validation = { from = "train", count = 3 }
        split.test = { from = "train", count = 2 }
        "#,
    ),
    (
        "minimal",
        r#"
        artifact.weights.content = "t1:ooaR8tCL4AtyLxwmweEi3DW+I3UV+lg4DS0YenzFJ8I="
        dataset.drawn = { train = 10 }
        split.validation = { from = "train", batches = 1 }
        split.test = { from = "train", batches = 1 }
        "#,
    ),
    (
        "minimal",
        r#"
        artifact.photos.path = "photos"
        dataset = { folders = { artifact = "photos", train = "a", validation = "b", test = "c" } }
        evaluate.metrics = ["accuracy", "loss"]
        [[phase]]
        name = "a"
        epochs = 1
        train = { from = -3 }
        optimizer.sgd = { learning_rate = 0.1 }
        "#,
    ),
    (
        "minimal",
        r#"
        dataset.drawn = { train = 10, test = 5 }
        split.validation = { from = "train", fraction = 0.2 }
        evaluate.metrics = [{ accuracy = { probability = 0.7 } }]
        [check]
        least = "statistical"
        gate.alpha = 0.05
        gate.seeds = 4
        gate.figure."test.loss" = { better = "lower", min_effect = 0.1 }
        gate.figure."test.accuracy" = {}
        "#,
    ),
];

/// The recipes, and the names of the fixtures that they are made of.
pub fn all() -> Vec<(&'static str, Value)> {
    let project = Project::new();
    let base = |(name, over): (&'static str, &str)| {
        let text = fs_err::read_to_string(project.path(name)).unwrap();
        let mut recipe: Table = text.parse().unwrap();
        for (key, value) in over.parse::<Table>().unwrap() {
            lay(&mut recipe, &key, value);
        }
        (name, Value::Table(recipe))
    };
    BASES.into_iter().map(base).collect()
}

/// A table over a table key by key, but for one that is of another kind.
fn lay(recipe: &mut Table, key: &str, value: Value) {
    match (recipe.get_mut(key), value) {
        (Some(Value::Table(below)), Value::Table(above))
            if key != "drawn" && !above.contains_key("folders") =>
        {
            for (key, value) in above {
                lay(below, &key, value);
            }
        }
        (_, value) => {
            recipe.insert(key.to_owned(), value);
        }
    }
}

/// A step into a tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A key of a table.
    Key(String),
    /// A place in an array.
    Place(usize),
}

/// A value of a recipe, and what the schema says of it.
#[derive(Clone)]
pub struct Found {
    /// The way to it.
    pub way: Vec<Step>,
    /// Its address: keys, with `*` for names of the recipe's choice and without places.
    pub address: String,
    /// Its part of the schema.
    pub schema: Json,
}

/// Everything in a tree, tables and arrays too, but for the root.
pub fn walk(value: &Value, schema: &Json) -> Vec<Found> {
    let mut found = Vec::new();
    descend(value, schema, &mut Vec::new(), "", &mut found);
    found
}

fn descend(
    value: &Value,
    schema: &Json,
    way: &mut Vec<Step>,
    address: &str,
    found: &mut Vec<Found>,
) {
    let mut visit = |step: Step, address: String, value: &Value, schema: &Json| {
        way.push(step);
        found.push(Found {
            way: way.clone(),
            address: address.clone(),
            schema: schema.clone(),
        });
        descend(value, schema, way, &address, found);
        way.pop();
    };
    let forms = schema.get("oneOf").and_then(Json::as_array);
    let has = |keyword: &str| {
        let mut forms = std::iter::once(schema).chain(forms.into_iter().flatten());
        forms.find_map(|form| form.get(keyword).filter(|inside| inside.is_object()))
    };
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let known = has("properties").and_then(|properties| properties.get(key));
                let (part, inside) = match known {
                    Some(inside) => (key.as_str(), inside),
                    None => (
                        "*",
                        has("additionalProperties").unwrap_or_else(|| panic!("{address}.{key}")),
                    ),
                };
                let address = if address.is_empty() {
                    part.to_owned()
                } else {
                    format!("{address}.{part}")
                };
                visit(Step::Key(key.clone()), address, value, inside);
            }
        }
        Value::Array(elements) => {
            for (place, element) in elements.iter().enumerate() {
                let items = has("items").unwrap_or_else(|| panic!("{address}"));
                visit(Step::Place(place), address.to_owned(), element, items);
            }
        }
        _ => {}
    }
}

/// The value at the end of a way.
pub fn at<'a>(tree: &'a mut Value, way: &[Step]) -> &'a mut Value {
    way.iter().fold(tree, |value, step| match step {
        Step::Key(key) => value.get_mut(key.as_str()).unwrap(),
        Step::Place(place) => value.get_mut(*place).unwrap(),
    })
}

/// Takes the value at the end of a way out of the tree.
pub fn take(tree: &mut Value, way: &[Step]) -> Value {
    let (last, before) = way.split_last().unwrap();
    match (at(tree, before), last) {
        (Value::Table(table), Step::Key(key)) => table.remove(key).unwrap(),
        (Value::Array(elements), Step::Place(place)) => elements.remove(*place),
        (other, _) => panic!("{other}"),
    }
}
