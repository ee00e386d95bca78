//! Forms of texts, as regular expressions: the reader and the schema go by the same ones.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use regex::Regex;
use schemars::Schema;
use serde_json::{Value, json};

use super::limits::Limits;

/// Texts of some forms.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    /// What the reference calls such a text: `line`, `path`.
    pub(crate) name: &'static str,
    /// Its forms; a text has one of them.
    pub(crate) forms: &'static [Form],
}

/// A form of texts, as regular expressions that Rust and JavaScript read alike.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    /// What is found in it.
    pub(crate) has: &'static str,
    /// What is not.
    pub(crate) lacks: Option<&'static str>,
}

impl Form {
    /// A text that is this from end to end, where the expression says so.
    pub(crate) const fn of(has: &'static str) -> Self {
        Self { has, lacks: None }
    }

    fn fits(&self, text: &str) -> bool {
        let is_found = |pattern| compiled(pattern).is_some_and(|pattern| pattern.is_match(text));
        is_found(self.has) && !self.lacks.is_some_and(is_found)
    }

    fn keywords(&self) -> Value {
        match self.lacks {
            Some(lacks) => json!({ "pattern": self.has, "not": { "pattern": lacks } }),
            None => json!({ "pattern": self.has }),
        }
    }
}

/// Expressions that were used before: to compile them takes longer than to read all else of a recipe.
static COMPILED: Mutex<BTreeMap<&'static str, Regex>> = Mutex::new(BTreeMap::new());

/// The expression, ready to use; none if it is no expression, which a test would see.
fn compiled(pattern: &'static str) -> Option<Regex> {
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = compiled.get(pattern) {
        return Some(found.clone());
    }
    let made = Regex::new(pattern).ok()?;
    compiled.insert(pattern, made.clone());
    Some(made)
}

impl Text {
    /// True for a text that has one of the forms.
    pub(crate) fn fits(&self, text: &str) -> bool {
        self.forms.iter().any(|form| form.fits(text))
    }
}

impl Limits<String> for Text {
    fn hold(&self, value: &String) -> bool {
        self.fits(value)
    }

    fn words(&self) -> String {
        String::new()
    }

    fn describe(&self, schema: &mut Schema) {
        schema.insert("x-type".to_owned(), self.name.into());
        let mut forms: Vec<Value> = self.forms.iter().map(Form::keywords).collect();
        match forms.pop() {
            Some(Value::Object(only)) if forms.is_empty() => {
                for (keyword, value) in only {
                    schema.insert(keyword, value);
                }
            }
            Some(last) => {
                forms.push(last);
                schema.insert("anyOf".to_owned(), forms.into());
            }
            None => {}
        }
    }
}
