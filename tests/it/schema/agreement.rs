//! The reader and the schema about the same recipes. The schema never refuses what the reader takes, and it
//! sees all that a single key can show.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::bases::{self, Found, Step};
use super::judges::Judges;

/// Values at and beyond every edge that the schema has, texts of all forms, and values of other types.
fn edges(schema: &Json) -> Vec<Value> {
    let mut values = vec![
        Value::from(true),
        Value::from(0),
        Value::from(-1),
        Value::from(1),
        Value::from(i64::MAX),
        Value::from(i64::MIN),
        Value::from(0.5),
        Value::from(f64::NAN),
        Value::from(f64::INFINITY),
        Value::from(1e300),
        Value::Array(Vec::new()),
        Value::Table(Table::new()),
    ];
    let texts = [
        "",
        " ",
        ".",
        "..",
        "...",
        "a",
        "a b",
        "a/b",
        "a/../b",
        "a/",
        "/a",
        "..a/b",
        "a\\b",
        "a:b",
        "a\nb",
        "\u{85}",
        "\u{a0}",
        "\u{2003}é",
        "http://a/b",
        "https://a",
        "file:///a",
        "ftp://a",
        "a://b",
        "//a",
        "http:/a",
        "h1:",
        "zzz",
    ];
    values.extend(texts.map(Value::from));
    let long = [64, 65].map(|length| Value::from("0".repeat(length)));
    values.extend(long);
    let pin = "1:dfLqZwUzpnnc+Bjo33xM43a7c8w5V+dZUzV7qeZiDZI=";
    for (kind, from, to) in [
        ("h", "=", "="),
        ("t", "=", "="),
        ("x", "=", "="),
        ("h", "=", ""),
        ("h", "ZI=", "ZJ="),
        ("t", "+", "-"),
    ] {
        values.push(Value::from(format!("{kind}{}", pin.replace(from, to))));
    }
    let mut forms = vec![schema];
    for keyword in ["oneOf", "anyOf"] {
        forms.extend(
            schema
                .get(keyword)
                .and_then(Json::as_array)
                .into_iter()
                .flatten(),
        );
    }
    for form in forms {
        values.extend(form.get("const").and_then(Json::as_str).map(Value::from));
        for keyword in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
            let Some(edge) = form.get(keyword) else {
                continue;
            };
            if let Some(edge) = edge.as_i64() {
                let step = form.get("multipleOf").and_then(Json::as_i64).unwrap_or(1);
                let near = [-step, -1, 0, 1, step]
                    .into_iter()
                    .filter_map(|by| edge.checked_add(by));
                values.extend(near.map(Value::from));
            } else {
                let edge = edge.as_f64().unwrap();
                values.extend([edge.next_down(), edge, edge.next_up()].map(Value::from));
            }
        }
    }
    values
}

#[test]
fn they_agree_at_every_edge() {
    let judges = Judges::new();
    let mut seen = BTreeSet::new();
    for (name, base) in bases::all() {
        judges
            .read(name, &base)
            .unwrap_or_else(|error| panic!("{error}"));
        judges.agree(name, &base, "a recipe that is right");
        for found in bases::walk(&base, &judges.schema) {
            for value in edges(&found.schema) {
                judges.try_in_place(name, &base, &found, value);
            }
            seen.insert(found.address);
        }
    }
    let mut tables = std::collections::BTreeMap::new();
    super::tables(&judges.schema, "", &mut tables);
    let keys = tables.iter().flat_map(|(table, keys)| {
        let inside = move |key: &String| {
            if table.is_empty() {
                key.clone()
            } else {
                format!("{table}.{key}")
            }
        };
        keys.iter().map(inside)
    });
    let missing: Vec<String> = keys
        .filter(|key| !seen.contains(key) && key != "extends")
        .collect();
    assert!(missing.is_empty(), "no recipe of the test has {missing:?}");
    let (taken, refused) = (judges.taken.get(), judges.refused.get());
    assert!(
        taken > 300 && refused > 3000,
        "{taken} taken, {refused} refused"
    );
}

#[test]
fn they_agree_about_arbitrary_values() {
    let judges = Judges::new();
    let bases: Vec<(&str, Value, Vec<Found>)> = bases::all()
        .into_iter()
        .map(|(name, base)| {
            let found = bases::walk(&base, &judges.schema);
            (name, base, found)
        })
        .collect();
    let value = prop_oneof![
        any::<i64>().prop_map(Value::from),
        (-70_i64..70).prop_map(|small| Value::from(small * 16)),
        // One without a fraction is a whole number to a schema, and none in TOML.
        any::<f64>()
            .prop_filter("whole", |number| number.fract() != 0.0)
            .prop_map(Value::from),
        (0.0..1.0_f64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z0-9:/. \\\\-]{0,12}".prop_map(Value::from),
        "[ht]1:[A-Za-z0-9+/]{42}[A-P]=".prop_map(Value::from),
    ];
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1500)
    };
    TestRunner::new(config)
        .run(
            &(
                any::<prop::sample::Index>(),
                any::<prop::sample::Index>(),
                value,
            ),
            |(base, place, value)| {
                let (name, base, found) = base.get(&bases);
                judges.try_in_place(name, base, place.get(found), value);
                Ok(())
            },
        )
        .unwrap();
}

#[test]
fn they_agree_about_what_must_be_there() {
    let judges = Judges::new();
    for (name, base) in bases::all() {
        for found in bases::walk(&base, &judges.schema) {
            let mut without = base.clone();
            bases::take(&mut without, &found.way);
            judges.agree(name, &without, &format!("without {}", found.address));
            let mut with = base.clone();
            if let Value::Table(table) = bases::at(&mut with, &found.way) {
                table.insert("zzz".to_owned(), Value::from(1));
                judges.agree(
                    name,
                    &with,
                    &format!("with another key in {}", found.address),
                );
            }
            for other in kinds(&found.schema) {
                let mut both = base.clone();
                if let Value::Table(table) = bases::at(&mut both, &found.way)
                    && !table.contains_key(&other)
                {
                    table.insert(other.clone(), Value::Table(Table::new()));
                    judges.agree(
                        name,
                        &both,
                        &format!("with `{other}` too in {}", found.address),
                    );
                }
            }
        }
    }
    assert!(judges.refused.get() > 200, "{}", judges.refused.get());
    assert!(judges.taken.get() > 20, "{}", judges.taken.get());
}

/// Keys of which not two may be there.
fn kinds(schema: &Json) -> BTreeSet<String> {
    let pairs = schema
        .get("not")
        .and_then(|not| not.get("anyOf"))
        .and_then(Json::as_array);
    let kinds = schema.get("oneOf").and_then(Json::as_array);
    let forms = pairs.into_iter().chain(kinds).flatten();
    let required = forms.filter_map(|form| form.get("required")?.as_array());
    required
        .flatten()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect()
}

/// One that extends another recipe says as little as it likes of what it inherits.
#[test]
fn they_agree_about_recipes_that_extend_others() {
    let judges = Judges::new();
    for (name, base) in bases::all() {
        judges.read(name, &base).unwrap();
        for found in bases::walk(&base, &judges.schema) {
            // A list but that of phases is replaced whole.
            let is_in_list = found.way.iter().any(|step| matches!(step, Step::Place(_)));
            if is_in_list && found.way.first() != Some(&Step::Key("phase".to_owned())) {
                continue;
            }
            let mut table = Table::new();
            table.insert("extends".to_owned(), Value::from(format!("{name}.toml")));
            table.insert("name".to_owned(), Value::from("over"));
            let mut over = Value::Table(table);
            only(&mut over, &base, &found.way);
            judges.agree("over", &over, &format!("{} over {name}", found.address));
        }
    }
    let taken = judges.taken.get();
    assert!(taken > 150, "{taken}");
    // What is never inherited must be whole.
    let mut over: Value = Value::Table("extends = \"good.toml\"\nname = \"over\"".parse().unwrap());
    for (key, value) in [
        ("published", "[{ figure = \"test.loss\", value = 1 }]"),
        ("check", "{ tolerance = { \"test.loss\" = {} } }"),
        ("phase", "[{ epochs = 3 }]"),
        ("input", "{ augment = [{ rotation = {} }] }"),
        ("dataset", "{ folders = {}, drawn = {} }"),
    ] {
        let whole: Table = format!("{key} = {value}").parse().unwrap();
        let refused = judges.refused.get();
        over.as_table_mut().unwrap().extend(whole);
        judges.agree("over", &over, key);
        assert_eq!(judges.refused.get(), refused + 1, "{key}");
        over.as_table_mut().unwrap().remove(key);
    }
}

/// Writes of `base` no more than what lies at the end of the way, and names on the way to it.
fn only(over: &mut Value, base: &Value, way: &[Step]) {
    let (mut over, mut base) = (over, base);
    for (number, step) in way.iter().enumerate() {
        let last = number + 1 == way.len();
        match step {
            Step::Key(key) => {
                base = &base[key.as_str()];
                let empty = match base {
                    _ if last => base.clone(),
                    Value::Array(_) => Value::Array(Vec::new()),
                    _ => Value::Table(Table::new()),
                };
                let table = over.as_table_mut().unwrap();
                over = table.entry(key.clone()).or_insert(empty);
            }
            Step::Place(place) => {
                base = &base[*place];
                let element = if last {
                    base.clone()
                } else {
                    let name = ("name".to_owned(), base["name"].clone());
                    Value::Table([name].into_iter().collect())
                };
                let array = over.as_array_mut().unwrap();
                array.push(element);
                over = array.last_mut().unwrap();
            }
        }
    }
}

#[test]
fn a_default_is_what_is_read_where_nothing_is_written() {
    let judges = Judges::new();
    let mut tried = BTreeSet::new();
    let mut try_in = |name: &str, base: &Value, way: &[Step], address: &str, schema: &Json| {
        let mut bare = base.clone();
        let Value::Table(table) = bases::at(&mut bare, way) else {
            return;
        };
        let forms = schema.get("oneOf").and_then(Json::as_array);
        let forms = std::iter::once(schema).chain(forms.into_iter().flatten());
        let properties = forms
            .filter_map(|form| form.get("properties")?.as_object())
            .flatten();
        let defaults: Vec<(&String, &Json)> = properties
            .filter_map(|(key, value)| Some((key, value.get("default")?)))
            .collect();
        for (key, _) in &defaults {
            table.remove(*key);
        }
        for (key, default) in defaults {
            let mut written = bare.clone();
            let value = Value::try_from(default).unwrap();
            bases::at(&mut written, way)
                .as_table_mut()
                .unwrap()
                .insert(key.clone(), value);
            let change = format!("{address}.{key} = {default}");
            // Another recipe than the base, perhaps; the same with and without.
            match (judges.read(name, &bare), judges.read(name, &written)) {
                (Ok(without), Ok(with)) => assert_eq!(without, with, "{change}"),
                // `least` beside tolerances says too much.
                (Ok(_), Err(error)) => assert!(
                    error.contains("within tolerances or by `least`"),
                    "{change}: {error}"
                ),
                (Err(error), _) => panic!("{change}: {error}"),
            }
            tried.insert(change);
        }
    };
    for (name, base) in bases::all() {
        try_in(name, &base, &[], "", &judges.schema);
        for found in bases::walk(&base, &judges.schema) {
            try_in(name, &base, &found.way, &found.address, &found.schema);
        }
    }
    let mut defaults = 0;
    super::keys(&judges.schema, &mut |_, keywords| {
        defaults += usize::from(keywords.contains_key("default"));
    });
    assert_eq!(tried.len(), defaults, "{tried:#?}");
    assert!(defaults > 15, "{defaults}");
}
