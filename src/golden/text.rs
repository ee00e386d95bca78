//! The golden file: a record as TOML that reads well in a diff, and back.
//!
//! One fact a line under its dotted address, in the order of addresses; floats in shortest round-trip
//! form; lists of lines one element a line; provenance last, under `[made]`. `write` and `read` are
//! each other's inverse, bit for bit, whatever a class is called.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Error;
use crate::record::{Address, Fact, Made, MadeValue, RECORD_FORMAT, Record};

/// Key of the format's number.
const FORMAT_KEY: &str = "format";

/// The `toml` crate gives a date as a table with this key.
const DATE_KEY: &str = "$__toml_private_datetime";

/// Table of the provenance.
const MADE_TABLE: &str = "made";

/// The text of a golden.
pub fn write(record: &Record) -> String {
    let mut text = format!("{FORMAT_KEY} = {RECORD_FORMAT}\n");
    for (address, fact) in &record.facts {
        write_key(&mut text, address.parts());
        text.push_str(" = ");
        write_fact(&mut text, fact);
        text.push('\n');
    }
    if !record.made.is_empty() {
        let _ = writeln!(text, "\n[{MADE_TABLE}]");
    }
    for (key, value) in &record.made {
        write_key(&mut text, [key.as_str()]);
        text.push_str(" = ");
        match value {
            MadeValue::Flag(flag) => text.push_str(if *flag { "true" } else { "false" }),
            MadeValue::Integer(integer) => text.push_str(&integer.to_string()),
            MadeValue::Number(number) => text.push_str(&float(*number)),
            MadeValue::Text(words) => write_string(&mut text, words),
        }
        text.push('\n');
    }
    text
}

/// The record in a golden's text; `place` names the file in errors.
pub fn read(text: &str, place: &str) -> Result<Record, Error> {
    let damaged = |message: String| Error::Damaged {
        place: place.to_owned(),
        message,
    };
    let Node::Table(mut root) = toml::from_str::<Node>(text)
        .map_err(|error| damaged(error.to_string().trim_end().to_owned()))?
    else {
        return Err(damaged("it is no table".to_owned()));
    };
    match root.remove(FORMAT_KEY) {
        Some(Node::Integer(found)) if found == u64::from(RECORD_FORMAT) => {}
        Some(Node::Integer(found)) => {
            return Err(Error::OtherFormat {
                place: place.to_owned(),
                found,
            });
        }
        Some(_) => return Err(damaged(format!("`{FORMAT_KEY}` is no whole number"))),
        None => return Err(damaged(format!("it has no `{FORMAT_KEY}`"))),
    }
    let made = match root.remove(MADE_TABLE) {
        None => Made::new(),
        Some(Node::Table(table)) => read_made(table).map_err(damaged)?,
        Some(_) => return Err(damaged(format!("`{MADE_TABLE}` is no table"))),
    };
    let mut facts = BTreeMap::new();
    for (key, node) in root {
        read_facts(key.clone(), &key, node, &mut facts).map_err(damaged)?;
    }
    Ok(Record { facts, made })
}

/// A float in shortest round-trip form that TOML reads as a float.
pub fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    // `Debug` keeps the `.0` of a whole float and is shortest round-trip; `inf` and exponents are TOML's.
    format!("{value:?}")
}

/// Writes dotted keys, quoted where they are not bare.
fn write_key<'a>(text: &mut String, parts: impl IntoIterator<Item = &'a str>) {
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            text.push('.');
        }
        let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !part.is_empty() && part.chars().all(is_bare) {
            text.push_str(part);
        } else {
            write_string(text, part);
        }
    }
}

fn write_fact(text: &mut String, fact: &Fact) {
    match fact {
        Fact::Integer(integer) => text.push_str(&integer.to_string()),
        Fact::Figure(figure) => text.push_str(&float(*figure)),
        Fact::Text(words) => write_string(text, words),
        Fact::Figures(figures) => {
            let figures: Vec<String> = figures.iter().map(|&figure| float(figure)).collect();
            let _ = write!(text, "[{}]", figures.join(", "));
        }
        Fact::Lines(lines) => {
            text.push_str("[\n");
            for line in lines {
                text.push_str("    ");
                write_string(text, line);
                text.push_str(",\n");
            }
            text.push(']');
        }
    }
}

/// Writes a basic string on one line.
fn write_string(text: &mut String, words: &str) {
    text.push('"');
    for c in words.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

/// Flattens a node below `address` into facts; `key` is the node's own key.
fn read_facts(
    address: String,
    key: &str,
    node: Node,
    facts: &mut BTreeMap<Address, Fact>,
) -> Result<(), String> {
    if key.contains('.') {
        return Err(format!("the key \"{key}\" holds a dot"));
    }
    let fact = match node {
        Node::Table(table) => {
            for (key, node) in table {
                read_facts(format!("{address}.{key}"), &key, node, facts)?;
            }
            return Ok(());
        }
        Node::Integer(integer) => Fact::Integer(integer),
        Node::Float(figure) => Fact::Figure(figure),
        Node::Text(words) => Fact::Text(words),
        Node::List(nodes) => read_list(&address, nodes)?,
        Node::Flag(_) => return Err(format!("`{address}` is true or false, which no fact is")),
    };
    facts.insert(Address::new(address), fact);
    Ok(())
}

/// A list of figures or of lines; an empty one is of lines.
fn read_list(address: &str, nodes: Vec<Node>) -> Result<Fact, String> {
    let mut figures = Vec::new();
    let mut lines = Vec::new();
    for node in nodes {
        match node {
            Node::Float(figure) => figures.push(figure),
            Node::Text(line) => lines.push(line),
            _ => {
                return Err(format!(
                    "`{address}` holds something that is neither a float nor a string"
                ));
            }
        }
    }
    match (figures.is_empty(), lines.is_empty()) {
        (false, false) => Err(format!("`{address}` mixes floats and strings")),
        (false, true) => Ok(Fact::Figures(figures)),
        (true, _) => Ok(Fact::Lines(lines)),
    }
}

fn read_made(table: BTreeMap<String, Node>) -> Result<Made, String> {
    let mut made = Made::new();
    for (key, node) in table {
        let value = match node {
            Node::Flag(flag) => MadeValue::Flag(flag),
            Node::Integer(integer) => MadeValue::Integer(integer),
            Node::Float(number) => MadeValue::Number(number),
            Node::Text(words) => MadeValue::Text(words),
            Node::Table(_) | Node::List(_) => {
                return Err(format!("`{MADE_TABLE}.{key}` is no single value"));
            }
        };
        made.insert(key, value);
    }
    Ok(made)
}

/// Any TOML value that a golden may hold. Integers are read as u64, which `toml::Value` cannot hold.
enum Node {
    Flag(bool),
    Integer(u64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a fact: a whole number from 0, a float, a string or a list of either")
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Flag(flag))
    }

    fn visit_i64<E: de::Error>(self, integer: i64) -> Result<Node, E> {
        u64::try_from(integer)
            .map(Node::Integer)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(integer), &self))
    }

    fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Node, E> {
        Ok(Node::Integer(integer))
    }

    fn visit_f64<E: de::Error>(self, figure: f64) -> Result<Node, E> {
        Ok(Node::Float(figure))
    }

    fn visit_str<E: de::Error>(self, words: &str) -> Result<Node, E> {
        Ok(Node::Text(words.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = seq.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut table = BTreeMap::new();
        while let Some((key, node)) = map.next_entry::<String, Node>()? {
            if key == DATE_KEY {
                return Err(de::Error::custom("a date is no fact"));
            }
            table.insert(key, node);
        }
        Ok(Node::Table(table))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A record with a fact of each kind.
    fn record() -> Record {
        let class = Address::new("split.train.class");
        let facts = [
            (Address::new("seed"), Fact::Integer(u64::MAX)),
            (
                Address::new("recipe.canonical"),
                Fact::Lines(vec![
                    "input.batch_size = 16".to_owned(),
                    "a = \"b\\n\"".to_owned(),
                ]),
            ),
            (class.join("cats"), Fact::Integer(1000)),
            (class.join("chien méchant"), Fact::Integer(1)),
            (class.join("001.Albatross"), Fact::Integer(2)),
            (
                Address::new("phase.0.epoch.9.val_accuracy"),
                Fact::Figure(0.949_319),
            ),
            (
                Address::new("phase.0.epoch.10.val_accuracy"),
                Fact::Figure(1.0),
            ),
            (Address::new("final.val_loss"), Fact::Figure(-0.0)),
            (
                Address::new("test.logits"),
                Fact::Figures(vec![0.1, -3.0, 1e-300, 1e22]),
            ),
            (
                Address::new("initial.parameters"),
                Fact::Text("e777".to_owned()),
            ),
        ];
        let made = [
            ("dirty".to_owned(), MadeValue::Flag(false)),
            ("threads".to_owned(), MadeValue::Integer(2)),
            ("seconds.decode".to_owned(), MadeValue::Number(1.0)),
            ("cpu".to_owned(), MadeValue::Text("AMD \"EPYC\"".to_owned())),
        ];
        Record {
            facts: facts.into(),
            made: made.into(),
        }
    }

    #[test]
    fn reads_well() {
        insta::assert_snapshot!(write(&record()));
    }

    #[test]
    fn comes_back() {
        let record = record();
        assert_eq!(read(&write(&record), "here").unwrap(), record);
        let zero = &record.facts[&Address::new("final.val_loss")];
        assert!(matches!(zero, Fact::Figure(zero) if zero.is_sign_negative()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            "",
            "format = \"1\"",
            "format = 2\nseed = 1",
            "format = 0",
            "format = 1\nseed = 1\nseed = 2",
            "format = 1\nseed = -1",
            "format = 1\nseed = true",
            "format = 1\nlist = [1.0, \"a\"]",
            "format = 1\nlist = [1]",
            "format = 1\nwhen = 2026-01-01",
            "format = 1\n\"a.b\" = 1",
            "format = 1\nmade = 1",
            "format = 1\n<<<<<<< HEAD",
        ];
        let said: Vec<String> = cases
            .iter()
            .map(|text| format!("{text}\n→ {}\n", read(text, "golden/x.toml").unwrap_err()))
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    fn part() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z_0-9]{1,6}",
            any::<String>(),
            Just(String::new()),
            Just("\u{7f}\"\\ \u{85}'#=[\n\r\t]\0".to_owned()),
        ]
    }

    fn fact() -> impl Strategy<Value = Fact> {
        let figure = any::<u64>()
            .prop_map(f64::from_bits)
            .prop_filter("NaN", |f| !f.is_nan());
        prop_oneof![
            any::<u64>().prop_map(Fact::Integer),
            figure.clone().prop_map(Fact::Figure),
            any::<String>().prop_map(Fact::Text),
            prop::collection::vec(figure, 1..4).prop_map(Fact::Figures),
            prop::collection::vec(any::<String>(), 0..4).prop_map(Fact::Lines),
        ]
    }

    proptest! {
        #[test]
        fn any_record_comes_back(parts in prop::collection::vec((part(), part(), fact()), 0..12)) {
            let facts: BTreeMap<Address, Fact> = parts
                .into_iter()
                .map(|(middle, last, fact)| (Address::new("split").join(&middle).join(&last), fact))
                .collect();
            let record = Record { facts, made: Made::new() };
            let text = write(&record);
            prop_assert_eq!(&read(&text, "here").unwrap(), &record);
            prop_assert_eq!(write(&read(&text, "here").unwrap()), text);
        }
    }
}
