//! Content digests: the lines they are made of, and how the lines of two artifacts differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::Digest;

/// How many names a mismatch lists of each kind.
const LISTED: usize = 8;

/// How a content digest is made from its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `h1:`, Go's dirhash: files by path.
    Files,
    /// `t1:`: tensors.
    Tensors,
}

impl Scheme {
    /// The scheme of a digest, by its prefix.
    pub(super) fn of(digest: &str) -> Self {
        if digest.starts_with("t1:") {
            Self::Tensors
        } else {
            Self::Files
        }
    }

    /// The digest of a manifest's lines, which come without line ends and in the scheme's order.
    pub fn digest(self, lines: &[String]) -> String {
        let mut digest = Digest::default();
        for line in lines {
            digest.add(line);
            digest.add("\n");
        }
        format!("{}:{}", self.prefix(), STANDARD.encode(digest.bytes()))
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Files => "h1",
            Self::Tensors => "t1",
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Files => "file",
            Self::Tensors => "tensor",
        }
    }
}

/// What differs between two manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differences {
    /// What it is made of: `file` or `tensor`.
    pub noun: &'static str,
    /// In the second only.
    pub added: Vec<String>,
    /// In the first only.
    pub removed: Vec<String>,
    /// In both, with another digest or shape.
    pub changed: Vec<String>,
}

impl Differences {
    /// What it takes to come from the manifest `old` to `new`.
    pub fn between(old: &[String], new: &[String], scheme: Scheme) -> Self {
        let old = named(old, scheme);
        let new = named(new, scheme);
        let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let mut differences = Self {
            noun: scheme.noun(),
            added: Vec::new(),
            removed: Vec::new(),
            changed: Vec::new(),
        };
        for name in names {
            let list = match (old.get(name), new.get(name)) {
                (Some(a), Some(b)) if a == b => continue,
                (Some(_), Some(_)) => &mut differences.changed,
                (Some(_), None) => &mut differences.removed,
                _ => &mut differences.added,
            };
            list.push(name.to_string());
        }
        differences
    }
}

/// Name of a line: a path, a tensor's name, or a tensor's place where it has no name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name<'a> {
    Text(&'a str),
    Place(usize),
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Place(place) => write!(f, "number {place}"),
        }
    }
}

/// Lines by name; the value is what must be equal.
fn named(lines: &[String], scheme: Scheme) -> BTreeMap<Name<'_>, (&str, &str)> {
    let mut entries = BTreeMap::new();
    for (place, line) in lines.iter().enumerate() {
        let (digest, rest) = line.split_once("  ").unwrap_or((line, ""));
        let (name, shape) = match scheme {
            Scheme::Files => (Name::Text(rest), ""),
            Scheme::Tensors => match rest.split_once("  ") {
                Some((shape, name)) => (Name::Text(name), shape),
                None => (Name::Place(place), rest),
            },
        };
        entries.insert(name, (digest, shape));
    }
    entries
}

impl fmt::Display for Differences {
    /// A line for each kind of difference, each after a line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("added", &self.added),
            ("removed", &self.removed),
            ("changed", &self.changed),
        ];
        for (word, names) in kinds {
            if names.is_empty() {
                continue;
            }
            let plural = if names.len() == 1 { "" } else { "s" };
            write!(f, "\n  {} {}{plural} {word}: ", names.len(), self.noun)?;
            let listed: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
            write!(f, "{}", listed.join(", "))?;
            if names.len() > LISTED {
                write!(f, " and {} more", names.len() - LISTED)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn h1_is_what_go_and_sha256sum_make() {
        // printf hello > a; printf world > b; sha256sum a b | sha256sum
        let manifest = [("a", "hello"), ("b", "world")]
            .map(|(name, text)| format!("{}  {name}", digest::of(text)));
        let expected = "h1:LA9SOxcQFeNs5FFe07rPuwc30I/D1icwPEVtfcsu/QM=";
        assert_eq!(Scheme::Files.digest(&manifest), expected);
    }

    #[test]
    fn differences_are_listed_by_name_and_by_place() {
        let old = lines(&["00  a", "11  b", "22  c d"]);
        let new = lines(&["00  a", "99  b", "33  e"]);
        let files = Differences::between(&old, &new, Scheme::Files).to_string();
        assert_eq!(
            files,
            "\n  1 file added: e\n  1 file removed: c d\n  1 file changed: b"
        );
        let old = lines(&["00  3x3", "11  8"]);
        let new = lines(&["00  3x3", "11  1x8", "22  4"]);
        let tensors = Differences::between(&old, &new, Scheme::Tensors).to_string();
        assert_eq!(
            tensors,
            "\n  1 tensor added: number 2\n  1 tensor changed: number 1"
        );
        let old = lines(&["00  3x3  Conv1/kernel"]);
        let new = lines(&["01  3x3  Conv1/kernel"]);
        let tensors = Differences::between(&old, &new, Scheme::Tensors).to_string();
        assert_eq!(tensors, "\n  1 tensor changed: Conv1/kernel");
    }

    #[test]
    fn a_long_list_is_cut() {
        let new: Vec<String> = (0..20).map(|number| format!("00  f{number:02}")).collect();
        let text = Differences::between(&[], &new, Scheme::Files).to_string();
        assert!(text.starts_with("\n  20 files added: f00, f01,"), "{text}");
        assert!(text.ends_with("f07 and 12 more"), "{text}");
    }
}
