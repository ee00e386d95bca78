//! Merging two trees: `extends` lays a recipe over its base, `--set` lays an argument over a recipe.

use super::problem::{Problem, Problems};
use super::tree::{Entry, Node, Table, Value};

/// Keys of which a table holds exactly one: writing another replaces its sibling.
pub(crate) struct KindGroup {
    /// Address of the table; `*` stands for any one part.
    pub(crate) table: &'static str,
    /// The keys.
    pub(crate) kinds: &'static [&'static str],
}

/// What of the merge depends on what the trees mean.
pub(crate) struct MergeRules {
    /// Tables that name their kind.
    pub(crate) groups: &'static [KindGroup],
    /// Arrays of tables that merge by a key of their elements: address of the array, and the key.
    pub(crate) by_key: &'static [(&'static str, &'static str)],
}

/// Where the upper tree comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file.
    File,
    /// An argument: a key that is a number picks an element of an array.
    Argument,
}

/// One merge.
pub(crate) struct Merger<'a> {
    /// The rules.
    pub(crate) rules: &'static MergeRules,
    /// Where the upper tree comes from.
    pub(crate) origin: Origin,
    /// Where problems go.
    pub(crate) problems: &'a mut Problems,
}

impl Merger<'_> {
    /// Lays `upper` over `lower`.
    pub(crate) fn merge(&mut self, lower: Node, upper: Node) -> Node {
        self.node(lower, upper, &mut Vec::new())
    }

    fn node(&mut self, lower: Node, upper: Node, path: &mut Vec<String>) -> Node {
        let is_argument = self.origin == Origin::Argument;
        // What an argument only reaches into stays where it was written.
        let (place, value) = match (lower.value, upper.value) {
            (Value::Table(below), Value::Table(above)) => {
                let place = if is_argument {
                    lower.place
                } else {
                    upper.place
                };
                (place, Value::Table(self.tables(below, above, path)))
            }
            (Value::Array(below), Value::Table(above)) if is_argument => {
                let elements = self.elements(below, above, path);
                (lower.place, Value::Array(elements))
            }
            (Value::Array(below), Value::Array(above)) => match self.key_of(path) {
                Some(key) => {
                    let elements = self.keyed(below, above, key, path);
                    (upper.place, Value::Array(elements))
                }
                None => (upper.place, Value::Array(above)),
            },
            (_, above) => (upper.place, above),
        };
        Node { place, value }
    }

    fn tables(&mut self, mut below: Table, above: Table, path: &mut Vec<String>) -> Table {
        for group in self.rules.groups {
            let written = |kind: &&&str| above.contains_key(**kind);
            if matches(group.table, path) && group.kinds.iter().any(|kind| written(&kind)) {
                below.retain(|key, _| {
                    !group.kinds.contains(&key.as_str()) || above.contains_key(key)
                });
            }
        }
        for (key, entry) in above {
            let node = match below.remove(&key) {
                Some(old) => self.inside(&key, old.node, entry.node, path),
                None => entry.node,
            };
            let entry = Entry {
                key: entry.key,
                node,
            };
            below.insert(key, entry);
        }
        below
    }

    /// `phase.0.epochs=2`: the keys of `above` are positions in `below`.
    fn elements(&mut self, below: Vec<Node>, above: Table, path: &mut Vec<String>) -> Vec<Node> {
        let count = below.len();
        let mut below: Vec<Option<Node>> = below.into_iter().map(Some).collect();
        for (key, entry) in above {
            let slot = key
                .parse::<usize>()
                .ok()
                .and_then(|index| below.get_mut(index));
            let Some(slot) = slot else {
                let title = format!("`{}` has no element `{key}`", path.join("."));
                let label = match count {
                    0 => "the array is empty".to_owned(),
                    1 => "the only element is 0".to_owned(),
                    _ => format!("the elements are 0 to {}", count - 1),
                };
                self.problems.add(Problem::new(entry.key, title, label));
                continue;
            };
            if let Some(old) = slot.take() {
                *slot = Some(self.inside(&key, old, entry.node, path));
            }
        }
        below.into_iter().flatten().collect()
    }

    /// Elements of `above` that name one of `below` merge with it, in `below`'s order; others follow.
    fn keyed(
        &mut self,
        mut below: Vec<Node>,
        above: Vec<Node>,
        key: &str,
        path: &mut Vec<String>,
    ) -> Vec<Node> {
        // Each element of the base is met once, so that a name written twice stays a visible mistake.
        let mut free = vec![true; below.len()];
        let names: Vec<String> = below
            .iter()
            .filter_map(|node| Some(format!("{:?}", name_of(node, key)?)))
            .collect();
        for upper in above {
            let name = name_of(&upper, key).map(str::to_owned);
            let found = name.and_then(|name| {
                (0..free.len()).find(|&i| free[i] && name_of(&below[i], key) == Some(&name))
            });
            let Some(index) = found else {
                // Else a slip in a name shows up as keys that a part of a table lacks.
                if !names.is_empty() {
                    let array = path.join(".");
                    let names = names.join(", ");
                    let note =
                        format!("this is a new `{array}`: those before it are called {names}");
                    self.problems.note(upper.place, note);
                }
                below.push(upper);
                continue;
            };
            free[index] = false;
            let lower = below[index].clone();
            below[index] = self.inside(&index.to_string(), lower, upper, path);
        }
        below
    }

    fn inside(&mut self, key: &str, lower: Node, upper: Node, path: &mut Vec<String>) -> Node {
        path.push(key.to_owned());
        let node = self.node(lower, upper, path);
        path.pop();
        node
    }

    fn key_of(&self, path: &[String]) -> Option<&'static str> {
        let (_, key) = self
            .rules
            .by_key
            .iter()
            .find(|(array, _)| matches(array, path))?;
        Some(key)
    }
}

fn name_of<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    match &node.value {
        Value::Table(table) => match &table.get(key)?.node.value {
            Value::String(name) => Some(name),
            _ => None,
        },
        _ => None,
    }
}

fn matches(pattern: &str, path: &[String]) -> bool {
    let wanted: Vec<&str> = pattern.split('.').collect();
    wanted.len() == path.len()
        && wanted
            .iter()
            .zip(path)
            .all(|(want, part)| *want == "*" || want == part)
}
