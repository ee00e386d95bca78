//! A TOML document as a tree of values that know where they are written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Problems};
use super::source::Place;

/// Something decoded, and where it is written.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    /// What.
    pub(crate) value: T,
    /// Where.
    pub(crate) place: Place,
}

impl<T> Located<T> {
    /// What is made of it, at the same place.
    pub(crate) fn map<U>(self, made: impl FnOnce(T) -> U) -> Located<U> {
        Located {
            value: made(self.value),
            place: self.place,
        }
    }
}

/// Where something is written is no part of its schema.
impl<T: JsonSchema> JsonSchema for Located<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A value of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it is written; for a table made by dotted keys, where it is named.
    pub(crate) place: Place,
    /// What is written.
    pub(crate) value: Value,
}

/// What a [`Node`] holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// `"text"`.
    String(String),
    /// A whole number; one beyond 128 bits is held at the end of the range.
    Integer(i128),
    /// A number with a point or an exponent.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or a time, which no recipe has a use for.
    Datetime,
    /// `[…]` or the tables of `[[…]]`.
    Array(Vec<Node>),
    /// A table: per key, where the key is written, and its value.
    Table(Table),
}

/// The keys of a table.
pub(crate) type Table = BTreeMap<String, Entry>;

/// A key's value and where the key is written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Where the key is.
    pub(crate) key: Place,
    /// Its value.
    pub(crate) node: Node,
}

impl Value {
    /// What it is, in words that follow "found": short values are quoted.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::String(text) => format!("the string {text:?}"),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Boolean(value) => value.to_string(),
            Self::Datetime => "a date".to_owned(),
            Self::Array(_) => "an array".to_owned(),
            Self::Table(_) => "a table".to_owned(),
        }
    }
}

/// Parses a whole document; the first syntax error of every line becomes a problem.
///
/// `None` if there is any: what a parser makes of such a text is not what was meant.
pub(crate) fn parse(source: usize, text: &str, problems: &mut Problems) -> Option<Node> {
    let (document, mut errors) = DeTable::parse_recoverable(text);
    let span_of = |error: &toml::de::Error| error.span().unwrap_or(text.len()..text.len());
    let line_of = |at: usize| text.bytes().take(at).filter(|&byte| byte == b'\n').count();
    errors.sort_by_key(|error| span_of(error).start);
    let is_toml = errors.is_empty();
    let mut last_line = None;
    for error in errors {
        let span = span_of(&error);
        let line = Some(line_of(span.start));
        if line != last_line {
            let place = Place {
                source,
                start: span.start,
                end: span.end,
            };
            problems.add(Problem::new(place, "this is not TOML", error.message()));
        }
        last_line = line;
    }
    if !is_toml {
        return None;
    }
    let table = table_of(source, document.get_ref());
    // A missing key of the whole document is shown at its first key, the nearest thing to a heading.
    let first = table.values().map(|entry| entry.key.start).min();
    let start = first.unwrap_or(0);
    Some(Node {
        place: Place {
            source,
            start,
            end: start,
        },
        value: Value::Table(table),
    })
}

fn table_of(source: usize, table: &DeTable<'_>) -> Table {
    table
        .iter()
        .map(|(key, value)| {
            let span = key.span();
            let entry = Entry {
                key: Place {
                    source,
                    start: span.start,
                    end: span.end,
                },
                node: node_of(source, value),
            };
            (key.get_ref().to_string(), entry)
        })
        .collect()
}

fn node_of(source: usize, value: &Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let place = Place {
        source,
        start: span.start,
        end: span.end,
    };
    let value = match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => Value::Integer(integer_of(number.as_str(), number.radix())),
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(values) => {
            Value::Array(values.iter().map(|value| node_of(source, value)).collect())
        }
        DeValue::Table(table) => Value::Table(table_of(source, table)),
    };
    Node { place, value }
}

fn integer_of(digits: &str, radix: u32) -> i128 {
    let beyond = if digits.starts_with('-') {
        i128::MIN
    } else {
        i128::MAX
    };
    i128::from_str_radix(digits, radix).unwrap_or(beyond)
}
