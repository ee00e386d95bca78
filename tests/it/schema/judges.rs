//! The reader and the schema, as judges of the same recipe.

use std::cell::Cell;

use boon::{Compiler, SchemaIndex, Schemas};
use goldrun::recipe::Recipe;
use goldrun::recipe::schema;
use serde_json::Value as Json;
use toml::Value;

use super::bases::{self, Found};
use crate::recipes::Project;

/// What the reader says of a problem that one key can show, or that a key is not there.
const SEEN_IN_ONE_PLACE: [&str; 7] = [
    "unknown key",
    "missing key",
    "expected ",
    " must be ",
    "only one of",
    "needs at least one phase",
    "must name at least one place",
];
/// The same words where they are said of two places.
const SEEN_IN_TWO: [&str; 1] = [".toml must be called"];

/// Both judges.
pub struct Judges {
    project: Project,
    /// What one of them goes by.
    pub schema: Json,
    schemas: Schemas,
    index: SchemaIndex,
    /// How many recipes both took.
    pub taken: Cell<usize>,
    /// How many recipes both refused.
    pub refused: Cell<usize>,
}

impl Judges {
    pub fn new() -> Self {
        let schema = schema::schema();
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler
            .add_resource("recipe.json", schema.clone())
            .unwrap();
        let index = compiler.compile("recipe.json", &mut schemas).unwrap();
        Self {
            project: Project::new(),
            schema,
            schemas,
            index,
            taken: Cell::new(0),
            refused: Cell::new(0),
        }
    }

    /// What the reader says.
    pub fn read(&self, name: &str, recipe: &Value) -> Result<Recipe, String> {
        self.project.write(name, toml::to_string(recipe).unwrap());
        let loaded = self.project.load(name, &[]);
        loaded
            .map(|loaded| loaded.recipe)
            .map_err(|error| error.to_string())
    }

    /// Asserts that they agree as far as they can; `change` says what is new about the recipe.
    pub fn agree(&self, name: &str, recipe: &Value, change: &str) {
        let read = self.read(name, recipe);
        let json = serde_json::to_value(recipe).unwrap();
        let held = self
            .schemas
            .validate(&json, self.index)
            .map_err(|error| format!("{error:#}"));
        match (&read, &held) {
            (Ok(_), Ok(())) => self.taken.set(self.taken.get() + 1),
            (Ok(_), Err(why)) => {
                panic!("{change}: the reader takes it, the schema does not: {why}")
            }
            (Err(_), Err(_)) => self.refused.set(self.refused.get() + 1),
            (Err(why), Ok(())) => {
                let titles = why.lines().filter_map(|line| line.strip_prefix("error: "));
                let of_one_place: Vec<&str> = titles
                    .filter(|title| SEEN_IN_ONE_PLACE.iter().any(|words| title.contains(words)))
                    .filter(|title| !SEEN_IN_TWO.iter().any(|words| title.contains(words)))
                    .collect();
                assert!(
                    of_one_place.is_empty(),
                    "{change}: the schema takes it, the reader does not: {of_one_place:?}"
                );
            }
        }
    }

    /// Tries a value in the place of another one.
    pub fn try_in_place(&self, name: &str, base: &Value, found: &Found, value: Value) {
        let change = format!("{} = {value}", found.address);
        let mut recipe = base.clone();
        *bases::at(&mut recipe, &found.way) = value;
        self.agree(name, &recipe, &change);
    }
}
