//! The golden file: a record as TOML that reads well in a diff, and back.
//!
//! One fact a line under its dotted address, in the order of addresses; floats in shortest round-trip
//! form; lists of lines one element a line; figures of seeds one seed a line; provenance last, under `[made]`.
//! `write` and `read` are each other's inverse, bit for bit, whatever a class is called. What is read is a whole
//! golden: an unknown key, a missing fact or a value of another kind is an error with its line and column.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::schema::{self, Kind, Unfit};
use super::{Error, Seeds};
use crate::record::{Address, Fact, Made, MadeValue, RECORD_FORMAT, Record};

/// Key of the format's number.
const FORMAT_KEY: &str = "format";

/// Table of the provenance.
const MADE_TABLE: &str = "made";

/// Table of the figures of other seeds.
const SEEDS_TABLE: &str = "seeds";

/// Key of what those figures are.
const SEEDS_FIGURES: &str = "figures";

/// The text of a golden.
pub fn write(record: &Record, seeds: &Seeds) -> String {
    let mut text = format!("{FORMAT_KEY} = {RECORD_FORMAT}\n");
    for (address, fact) in &record.facts {
        write_key(&mut text, address.parts());
        text.push_str(" = ");
        write_fact(&mut text, fact);
        text.push('\n');
    }
    if !seeds.runs.is_empty() {
        let _ = write!(text, "\n[{SEEDS_TABLE}]\n{SEEDS_FIGURES} = ");
        let names = seeds.figures.iter().map(ToString::to_string).collect();
        write_fact(&mut text, &Fact::Lines(names));
        text.push('\n');
    }
    for (seed, figures) in &seeds.runs {
        let _ = write!(text, "{seed} = ");
        write_fact(&mut text, &Fact::Figures(figures.clone()));
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

/// The record in a golden's text, and the figures of other seeds; `place` names the file in errors.
pub fn read(text: &str, place: &str) -> Result<(Record, Seeds), Error> {
    let damaged = |problem: Problem| Error::Damaged {
        place: place.to_owned(),
        message: problem.sentence(text),
    };
    let root = DeTable::parse(text).map_err(|error| Error::Damaged {
        place: place.to_owned(),
        message: syntax(text, &error),
    })?;
    let root = root.get_ref();
    let found = match root.get_key_value(FORMAT_KEY) {
        None => {
            return Err(damaged(Problem::at_end(
                text,
                format!("it has no `{FORMAT_KEY}`"),
            )));
        }
        Some((_, value)) => match integer(value.get_ref()) {
            Some(found) => found,
            None => return Err(damaged(Problem::of(value, "`format` is no whole number"))),
        },
    };
    if found != u64::from(RECORD_FORMAT) {
        return Err(Error::OtherFormat {
            place: place.to_owned(),
            found,
        });
    }
    let mut record = Record::default();
    let mut seeds = Seeds::default();
    for (key, value) in root {
        match key.get_ref().as_ref() {
            FORMAT_KEY => {}
            MADE_TABLE => record.made = read_made(value).map_err(damaged)?,
            SEEDS_TABLE => seeds = read_seeds(value).map_err(damaged)?,
            first => {
                let address = Address::new(first);
                read_facts(&address, key, value, &mut record.facts).map_err(damaged)?;
            }
        }
    }
    match schema::unfit(&record) {
        None => Ok((record, seeds)),
        Some(Unfit::Missing(address)) => {
            let message = format!("`{address}` is missing");
            Err(damaged(Problem::at_end(text, message)))
        }
        Some(Unfit::Stray(address)) => {
            let message = format!("the golden's recipe has no phase or epoch of `{address}`");
            let at = text.find(&format!("\n{address} ")).map_or(0, |at| at + 1);
            Err(damaged(Problem::new(at..at, message)))
        }
    }
}

/// Something wrong at a place of the text.
struct Problem {
    at: Range<usize>,
    message: String,
}

impl Problem {
    fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }

    /// Something wrong with a key or a value.
    fn of<T>(what: &Spanned<T>, message: impl Into<String>) -> Self {
        Self::new(what.span(), message)
    }

    /// Something that is not there.
    fn at_end(text: &str, message: impl Into<String>) -> Self {
        let end = text.trim_end().len();
        Self::new(end..end, message)
    }

    fn sentence(&self, text: &str) -> String {
        let before = text.get(..self.at.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let of_line = before.rsplit('\n').next().unwrap_or_default();
        let column = of_line.chars().count() + 1;
        format!("line {line}, column {column}: {}", self.message)
    }
}

/// A syntax error, with its line and column.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().unwrap_or(text.len()..text.len());
    let start = text.get(..at.start).map_or(0, |before| {
        before.rfind('\n').map_or(0, |newline| newline + 1)
    });
    let line = text.get(start..).unwrap_or_default();
    let is_conflict = CONFLICT.iter().any(|marker| line.starts_with(marker));
    let message = if is_conflict {
        "a merge conflict was not resolved".to_owned()
    } else {
        format!("it is not TOML: {}", error.message())
    };
    Problem::new(at, message).sentence(text)
}

/// What lines of an unresolved merge begin with.
const CONFLICT: [&str; 4] = ["<<<<<<<", "|||||||", "=======", ">>>>>>>"];

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

/// Flattens a value below `address` into facts; `key` is its own key.
fn read_facts(
    address: &Address,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
    facts: &mut BTreeMap<Address, Fact>,
) -> Result<(), Problem> {
    if key.get_ref().contains('.') {
        let message = format!("the key \"{}\" holds a dot", key.get_ref());
        return Err(Problem::of(key, message));
    }
    if let DeValue::Table(table) = value.get_ref() {
        for (key, value) in table {
            let below = Address::new(format!("{address}.{}", key.get_ref()));
            read_facts(&below, key, value, facts)?;
        }
        return Ok(());
    }
    let Some(kind) = schema::kind(address) else {
        return Err(Problem::of(
            key,
            format!("no golden has a fact `{address}`"),
        ));
    };
    let fact = fact(value.get_ref(), kind).filter(|fact| schema::is_of(fact, kind));
    let Some(fact) = fact else {
        let message = format!("`{address}` is not {}", kind.words());
        return Err(Problem::of(value, message));
    };
    facts.insert(address.clone(), fact);
    Ok(())
}

/// A value as a fact of a kind.
fn fact(value: &DeValue<'_>, kind: Kind) -> Option<Fact> {
    let list = || match value {
        DeValue::Array(values) => Some(values.iter().map(Spanned::get_ref)),
        _ => None,
    };
    Some(match kind {
        Kind::Integer => Fact::Integer(integer(value)?),
        Kind::Figure => Fact::Figure(figure(value)?),
        Kind::Text => Fact::Text(string(value)?),
        Kind::Figures => Fact::Figures(list()?.map(figure).collect::<Option<_>>()?),
        Kind::Lines => Fact::Lines(list()?.map(string).collect::<Option<_>>()?),
    })
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    match value {
        DeValue::Integer(digits) => u64::from_str_radix(digits.as_str(), digits.radix()).ok(),
        _ => None,
    }
}

fn figure(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(digits) => digits.as_str().parse().ok(),
        _ => None,
    }
}

fn string(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(words) => Some(words.to_string()),
        _ => None,
    }
}

fn read_seeds(value: &Spanned<DeValue<'_>>) -> Result<Seeds, Problem> {
    let DeValue::Table(table) = value.get_ref() else {
        return Err(Problem::of(value, format!("`{SEEDS_TABLE}` is no table")));
    };
    let names = table.get(SEEDS_FIGURES);
    let names = names.and_then(|names| fact(names.get_ref(), Kind::Lines));
    let Some(Fact::Lines(names)) = names else {
        let message = format!("`{SEEDS_TABLE}` has no list `{SEEDS_FIGURES}`");
        return Err(Problem::of(value, message));
    };
    let figures: Vec<Address> = names.into_iter().map(Address::new).collect();
    let mut runs = BTreeMap::new();
    for (key, value) in table
        .iter()
        .filter(|(key, _)| key.get_ref() != SEEDS_FIGURES)
    {
        let Ok(seed) = key.get_ref().parse::<u64>() else {
            return Err(Problem::of(key, format!("`{}` is no seed", key.get_ref())));
        };
        let values = fact(value.get_ref(), Kind::Figures);
        let values = values.filter(|values| schema::is_of(values, Kind::Figures));
        match values {
            Some(Fact::Figures(values)) if values.len() == figures.len() => {
                runs.insert(seed, values);
            }
            _ => {
                let message = format!("seed {seed} has not {} finite floats", figures.len());
                return Err(Problem::of(value, message));
            }
        }
    }
    Ok(Seeds { figures, runs })
}

fn read_made(value: &Spanned<DeValue<'_>>) -> Result<Made, Problem> {
    let DeValue::Table(table) = value.get_ref() else {
        return Err(Problem::of(value, format!("`{MADE_TABLE}` is no table")));
    };
    let mut made = Made::new();
    for (key, value) in table {
        let single = match value.get_ref() {
            DeValue::Boolean(flag) => Some(MadeValue::Flag(*flag)),
            DeValue::Integer(_) => integer(value.get_ref()).map(MadeValue::Integer),
            DeValue::Float(_) => figure(value.get_ref()).map(MadeValue::Number),
            DeValue::String(words) => Some(MadeValue::Text(words.to_string())),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
        };
        let Some(single) = single else {
            let message = format!("`{MADE_TABLE}.{}` is no single value", key.get_ref());
            return Err(Problem::of(value, message));
        };
        made.insert(key.get_ref().to_string(), single);
    }
    Ok(made)
}
