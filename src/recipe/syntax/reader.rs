//! A small decoder: a table is read key by key, one line a key, and every problem is noted on the way.
//!
//! Nothing stops at the first problem: what cannot be read is `None`, with a problem noted. So a `None`
//! means "not written" or "written wrong", and in the second case the recipe is refused anyway.

use super::nearest::nearest;
use super::problem::{Problem, Problems};
use super::rule::{Rule, Scalar, read_word};
use super::source::Place;
use super::tree::{Located, Node, Table, Value};

/// Something that can be read from a value of the tree.
pub(crate) trait Decode: Sized {
    /// Reads it; `None` where that is impossible, with a problem noted.
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self>;
}

/// How a table says what it is: the key, and how its value is read.
pub(crate) type Kind<T> = (&'static str, fn(&Node, &mut Problems) -> Option<T>);

/// A table that is being read. [`Reader::finish`] reports the keys that nobody asked for.
pub(crate) struct Reader<'tree, 'problems> {
    place: Place,
    table: &'tree Table,
    known: Vec<&'static str>,
    missing: Vec<Missing>,
    problems: &'problems mut Problems,
}

/// A key that must be there and is not, or kinds of which one must be. Whether a misspelt key stands in
/// its place is known at the end.
struct Missing {
    keys: Vec<&'static str>,
    is_kind: bool,
    problem: Problem,
}

impl<'tree, 'problems> Reader<'tree, 'problems> {
    /// Begins with a table; anything else is a problem.
    pub(crate) fn new(node: &'tree Node, problems: &'problems mut Problems) -> Option<Self> {
        let Value::Table(table) = &node.value else {
            let label = format!("found {}", node.value.words());
            problems.add(Problem::new(node.place, "expected a table here", label));
            return None;
        };
        Some(Self {
            place: node.place,
            table,
            known: Vec::new(),
            missing: Vec::new(),
            problems,
        })
    }

    /// Where a key's value is, if it is written, right or wrong.
    pub(crate) fn place(&self, key: &str) -> Option<Place> {
        self.table.get(key).map(|entry| entry.node.place)
    }

    /// A key that was read before, and is known for all that.
    pub(crate) fn was_read(&mut self, key: &'static str) {
        self.known.push(key);
    }

    /// Where problems go, for checks on what was read.
    pub(crate) fn problems(&mut self) -> &mut Problems {
        self.problems
    }

    /// True if the table has keys, and tables behind all of them.
    pub(crate) fn holds_only_tables(&self) -> bool {
        let is_table = |node: &Node| matches!(node.value, Value::Table(_));
        !self.table.is_empty() && self.table.values().all(|entry| is_table(&entry.node))
    }

    /// A value that may be left out.
    pub(crate) fn value<T: Scalar>(
        &mut self,
        key: &'static str,
        rule: &Rule<T>,
    ) -> Option<Located<T>> {
        let node = self.node(key)?;
        rule.read(&format!("`{key}`"), node, self.problems)
    }

    /// A value that must be there.
    pub(crate) fn required<T: Scalar>(
        &mut self,
        key: &'static str,
        rule: &Rule<T>,
    ) -> Option<Located<T>> {
        self.require(key, &rule.must_be());
        self.value(key, rule)
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
    ) -> Option<Located<T>> {
        let node = self.node(key)?;
        let must_be = one_of(words.iter().map(|(word, _)| *word), '"');
        let value = read_word(&format!("`{key}`"), &must_be, words, node, self.problems)?;
        let place = node.place;
        Some(Located { value, place })
    }

    /// One of some words that must be there.
    pub(crate) fn required_word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
    ) -> Option<Located<T>> {
        let must_be = one_of(words.iter().map(|(word, _)| *word), '"');
        self.require(key, &must_be);
        self.word(key, words)
    }

    /// Something with a shape of its own that may be left out.
    pub(crate) fn nested<T: Decode>(&mut self, key: &'static str) -> Option<Located<T>> {
        let node = self.node(key)?;
        let value = T::decode(node, self.problems)?;
        let place = node.place;
        Some(Located { value, place })
    }

    /// Something with a shape of its own that must be there; `must_be` says what, for who left it out.
    pub(crate) fn required_nested<T: Decode>(
        &mut self,
        key: &'static str,
        must_be: &str,
    ) -> Option<Located<T>> {
        self.require(key, must_be);
        self.nested(key)
    }

    /// An array that may be left out; `None` as well where an element cannot be read.
    pub(crate) fn list<T: Decode>(
        &mut self,
        key: &'static str,
    ) -> Option<Located<Vec<Located<T>>>> {
        self.elements(key, |node, problems| {
            let value = T::decode(node, problems)?;
            let place = node.place;
            Some(Located { value, place })
        })
    }

    /// An array that must be there.
    pub(crate) fn required_list<T: Decode>(
        &mut self,
        key: &'static str,
        must_be: &str,
    ) -> Option<Located<Vec<Located<T>>>> {
        self.require(key, must_be);
        self.list(key)
    }

    /// An array of plain values that may be left out; `None` as well where one breaks the rule.
    pub(crate) fn values<T: Scalar>(
        &mut self,
        key: &'static str,
        rule: &Rule<T>,
    ) -> Option<Located<Vec<Located<T>>>> {
        let name = format!("an entry of `{key}`");
        self.elements(key, |node, problems| rule.read(&name, node, problems))
    }

    /// A table with keys of the recipe's own choice, in the order in which they are written.
    pub(crate) fn map<T: Decode>(&mut self, key: &'static str) -> Vec<(Located<String>, T)> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let Value::Table(table) = &node.value else {
            let title = format!("`{key}` must be a table");
            let label = format!("found {}", node.value.words());
            self.problems.add(Problem::new(node.place, title, label));
            return Vec::new();
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(_, entry)| entry.key);
        entries
            .into_iter()
            .filter_map(|(key, entry)| {
                let value = T::decode(&entry.node, self.problems)?;
                let place = entry.key;
                let value_of_key = key.clone();
                Some((
                    Located {
                        value: value_of_key,
                        place,
                    },
                    value,
                ))
            })
            .collect()
    }

    /// The one key that says what the table is; none or several are a problem.
    pub(crate) fn kind<T>(&mut self, kinds: &[Kind<T>]) -> Option<Located<T>> {
        let written: Vec<&Kind<T>> = kinds
            .iter()
            .filter(|(kind, _)| self.table.contains_key(*kind))
            .collect();
        let known = kinds.iter().map(|(kind, _)| *kind);
        self.known.extend(known.clone());
        match written.as_slice() {
            [(kind, read)] => {
                let entry = self.table.get(*kind)?;
                let value = read(&entry.node, self.problems)?;
                let place = entry.key;
                Some(Located { value, place })
            }
            [] => {
                let title = format!("expected {} here", one_of(known.clone(), '`'));
                let problem = Problem::new(self.place, title, "none of them is written");
                self.missing.push(Missing {
                    keys: known.collect(),
                    is_kind: true,
                    problem,
                });
                None
            }
            [(first, _), .., (last, _)] => {
                let first_place = self.table.get(*first)?.key;
                let last_place = self.table.get(*last)?.key;
                let title = format!("only one of {} can be written", list(known, '`', "and"));
                let problem = Problem::new(last_place, title, "this is one too many")
                    .other(first_place, "beside this one");
                self.problems.add(problem);
                None
            }
        }
    }

    /// Asks for exactly one of some keys, which were read each for itself.
    pub(crate) fn require_one_of(&mut self, keys: &[&'static str]) {
        let ignore: Vec<Kind<()>> = keys.iter().map(|key| (*key, ignore as _)).collect();
        self.kind(&ignore);
    }

    /// Reports the keys that nobody asked for, and those that are missing.
    pub(crate) fn finish(self) {
        let mut meant = Vec::new();
        for (key, entry) in self.table {
            if self.known.contains(&key.as_str()) {
                continue;
            }
            let near = nearest(key, self.known.iter().copied());
            meant.push(near);
            let title = format!("unknown key `{key}`");
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known keys: {}", self.known.join(", ")),
            };
            let problem = Problem::new(entry.key, title, "not a key of this table").help(help);
            self.problems.add(problem);
        }
        for missing in self.missing {
            // What stands in its place has been reported: a misspelt key, or a kind that there is not.
            let stands_in = |near: Option<&'static str>| match near {
                Some(near) => missing.keys.contains(&near),
                None => missing.is_kind,
            };
            if !meant.iter().copied().any(stands_in) {
                self.problems.add(missing.problem);
            }
        }
    }

    fn node(&mut self, key: &'static str) -> Option<&'tree Node> {
        self.known.push(key);
        self.table.get(key).map(|entry| &entry.node)
    }

    fn elements<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&Node, &mut Problems) -> Option<T>,
    ) -> Option<Located<Vec<T>>> {
        let node = self.node(key)?;
        let Value::Array(elements) = &node.value else {
            let title = format!("`{key}` must be an array");
            let label = format!("found {}", node.value.words());
            self.problems.add(Problem::new(node.place, title, label));
            return None;
        };
        // All are read before the first that cannot be makes an end of it.
        let read: Vec<Option<T>> = elements
            .iter()
            .map(|element| read(element, self.problems))
            .collect();
        let value = read.into_iter().collect::<Option<_>>()?;
        let place = node.place;
        Some(Located { value, place })
    }

    fn require(&mut self, key: &'static str, must_be: &str) {
        if !self.table.contains_key(key) {
            let title = format!("missing key `{key}`");
            // The place of a whole document has no length: it has no heading.
            let label = if self.place.start == self.place.end {
                "the recipe needs it"
            } else {
                "this table needs it"
            };
            let problem =
                Problem::new(self.place, title, label).help(format!("`{key}` must be {must_be}"));
            self.missing.push(Missing {
                keys: vec![key],
                is_kind: false,
                problem,
            });
        }
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "has the signature of a kind's reader"
)]
fn ignore(_: &Node, _: &mut Problems) -> Option<()> {
    Some(())
}

/// "`a`, `b` or `c`".
fn one_of(words: impl Iterator<Item = &'static str>, quote: char) -> String {
    list(words, quote, "or")
}

fn list(words: impl Iterator<Item = &'static str>, quote: char, last: &str) -> String {
    let words: Vec<String> = words.map(|word| format!("{quote}{word}{quote}")).collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [start @ .., end] => format!("{} {last} {end}", start.join(", ")),
    }
}
