//! Why two records differ: the recipe's lines, the files or tensors and the environment in which they do.
//!
//! [`parting`](super::parting) says where they part first, and what that means; here is what a person looks at
//! next.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::{MadeValue, Record};

/// Entries of provenance that say where and with what a record was made; times and memory are left out.
const ENVIRONMENT: [&str; 10] = [
    "goldrun", "revision", "dirty", "engine", "device", "driver", "cpu", "simd", "threads",
    "system",
];

/// More of them, for each artifact: digests of its bytes.
const BYTES_OF: &str = "sha256_";

/// Something that has a name in one record, another value in the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Key of the recipe or of the environment.
    pub key: String,
    /// What it was; none if it was not there.
    pub was: Option<String>,
    /// What it is; none if it is not there.
    pub is: Option<String>,
}

/// What differs in the content of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContentChange {
    /// Role of the artifact.
    pub role: String,
    /// What it is made of: `file` or `tensor`.
    pub noun: &'static str,
    /// Names that only the later has.
    pub added: Vec<String>,
    /// Names that only the earlier has.
    pub removed: Vec<String>,
    /// Names of which the content is another.
    pub changed: Vec<String>,
}

impl ContentChange {
    /// How many of which kind: `1 file added, 2 changed`.
    pub fn counts(&self) -> String {
        let kinds = [
            (self.added.len(), "added"),
            (self.removed.len(), "removed"),
            (self.changed.len(), "changed"),
        ];
        let mut parts: Vec<String> = Vec::new();
        for (count, what) in kinds.into_iter().filter(|(count, _)| *count > 0) {
            parts.push(match (parts.is_empty(), count) {
                (true, 1) => format!("1 {} {what}", self.noun),
                (true, _) => format!("{count} {}s {what}", self.noun),
                (false, _) => format!("{count} {what}"),
            });
        }
        parts.join(", ")
    }

    /// Names of all that differ.
    fn names(&self) -> impl Iterator<Item = &String> {
        self.added.iter().chain(&self.removed).chain(&self.changed)
    }

    /// What changed, as the recipe uses it: `the training photos`, `the weights`.
    pub(super) fn subject(&self, now: &Record) -> String {
        let lines = canonical(now);
        let string = |key: &str| {
            let value = lines.get(key)?;
            Some(value.trim_matches('"').to_owned())
        };
        let is = |key: &str| string(key).as_ref() == Some(&self.role);
        if lines
            .keys()
            .any(|key| key.starts_with("model.") && key.ends_with(".weights") && is(key))
        {
            return "the weights".to_owned();
        }
        if !is("dataset.folders.artifact") {
            return format!("artifact `{}`", self.role);
        }
        let within = |key: &str| {
            let folder = string(key)?;
            let inside = format!("{folder}/");
            Some(self.names().all(|name| name.starts_with(&inside)))
        };
        for (key, photos) in [
            ("dataset.folders.train", "the training photos"),
            ("dataset.folders.validation", "the validation photos"),
            ("dataset.folders.test", "the test photos"),
        ] {
            if within(key) == Some(true) {
                return photos.to_owned();
            }
        }
        "the photos".to_owned()
    }
}

/// Keys and values of a record's canonical recipe.
fn canonical(record: &Record) -> BTreeMap<&str, &str> {
    let lines = record.canonical().iter();
    lines
        .map(|line| line.split_once(" = ").unwrap_or((line, "")))
        .collect()
}

/// What differs in the recipe, by key. A key that is left out has its default.
pub fn recipe(before: &Record, now: &Record) -> Vec<Change> {
    let own = |value: &&str| (*value).to_owned();
    let (before, now) = (canonical(before), canonical(now));
    changes(&before, &now, own)
}

/// What differs in the environment.
pub fn environment(before: &Record, now: &Record) -> Vec<Change> {
    let of = |record: &Record| -> BTreeMap<String, MadeValue> {
        let is_environment = |key: &str| ENVIRONMENT.contains(&key) || key.starts_with(BYTES_OF);
        let entries = record.made.iter().filter(|(key, _)| is_environment(key));
        entries
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    changes(&of(before), &of(now), |value| match value {
        MadeValue::Flag(flag) => flag.to_string(),
        MadeValue::Integer(integer) => integer.to_string(),
        MadeValue::Number(number) => number.to_string(),
        MadeValue::Text(text) => text.clone(),
    })
}

fn changes<K: AsRef<str> + Ord, V: PartialEq>(
    before: &BTreeMap<K, V>,
    now: &BTreeMap<K, V>,
    words: impl Fn(&V) -> String,
) -> Vec<Change> {
    let keys: std::collections::BTreeSet<&K> = before.keys().chain(now.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(key) != now.get(key))
        .map(|key| Change {
            key: key.as_ref().to_owned(),
            was: before.get(key).map(&words),
            is: now.get(key).map(&words),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::compare::tests::with;
    use crate::record::Fact;

    fn lines(lines: &[&str]) -> Record {
        let lines = lines.iter().map(ToString::to_string).collect();
        with(&[("recipe.canonical", Fact::Lines(lines))])
    }

    #[test]
    fn the_recipe_differs_by_key() {
        let before = lines(&["phase.0.epochs = 2", "seed.x = 1"]);
        let now = lines(&["phase.0.epochs = 3", "split.test.batches = 6"]);
        let said: Vec<(String, Option<String>, Option<String>)> = recipe(&before, &now)
            .into_iter()
            .map(|change| (change.key, change.was, change.is))
            .collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            said,
            [
                ("phase.0.epochs".to_owned(), some("2"), some("3")),
                ("seed.x".to_owned(), some("1"), None),
                ("split.test.batches".to_owned(), None, some("6")),
            ]
        );
    }

    #[test]
    fn the_environment_is_what_a_record_was_made_with() {
        let made = |simd: &str, threads: u64, seconds: f64| Record {
            made: [
                ("simd".to_owned(), MadeValue::Text(simd.to_owned())),
                ("threads".to_owned(), MadeValue::Integer(threads)),
                ("seconds_training".to_owned(), MadeValue::Number(seconds)),
            ]
            .into(),
            ..Record::default()
        };
        let changes = environment(&made("avx2", 2, 1.0), &made("avx512", 2, 7.0));
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].key, "simd");
        assert_eq!(changes[0].is.as_deref(), Some("avx512"));
    }

    #[test]
    fn photos_are_called_by_what_they_are_for() {
        let now = lines(&[
            "dataset.folders.artifact = \"photos\"",
            "dataset.folders.train = \"pets/train\"",
            "dataset.folders.validation = \"pets/validation\"",
            "model.mobilenet_v2.weights = \"file\"",
        ]);
        let change = |role: &str, added: &[&str], changed: &[&str]| ContentChange {
            role: role.to_owned(),
            noun: "file",
            added: added.iter().map(ToString::to_string).collect(),
            removed: vec![],
            changed: changed.iter().map(ToString::to_string).collect(),
        };
        let train = change(
            "photos",
            &["pets/train/a.jpg"],
            &["pets/train/b.jpg", "pets/train/c.jpg"],
        );
        assert_eq!(train.subject(&now), "the training photos");
        assert_eq!(train.counts(), "1 file added, 2 changed");
        let both = change("photos", &["pets/train/a.jpg"], &["pets/validation/b.jpg"]);
        assert_eq!(both.subject(&now), "the photos");
        assert_eq!(change("file", &[], &["1"]).subject(&now), "the weights");
        assert_eq!(change("x", &[], &[]).subject(&now), "artifact `x`");
    }
}
