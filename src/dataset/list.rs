//! Lists of pictures, without pixels.

use crate::digest::Digest;
use crate::recipe::SplitName;

/// One picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Path relative to the split's folder, `class/file`; `class/number` for a drawn picture.
    pub path: String,
    /// Place of its class in the list of classes.
    pub label: u32,
    /// Place in its source's sorted list of all files, decodable or not; the number of a drawn picture.
    ///
    /// Random numbers are drawn by it, so a file that is left out moves no other file's draws.
    pub index: u32,
}

/// The pictures of a split, in the order of evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitList {
    /// Which split.
    pub name: SplitName,
    /// The pictures.
    pub items: Vec<Item>,
    classes: usize,
}

impl SplitList {
    /// A list over `classes` classes.
    pub fn new(name: SplitName, classes: usize, items: Vec<Item>) -> Self {
        Self {
            name,
            items,
            classes,
        }
    }

    /// Number of pictures.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a split without pictures is an error"
    )]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Labels, in evaluation order.
    pub fn labels(&self) -> Vec<u32> {
        self.items.iter().map(|item| item.label).collect()
    }

    /// Pictures of each class.
    pub fn class_counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.classes];
        for item in &self.items {
            counts[item.label as usize] += 1;
        }
        counts
    }

    /// sha256, in hex, of the paths in evaluation order, each followed by a newline.
    pub fn list_digest(&self) -> String {
        paths_digest(self.items.iter())
    }
}

/// sha256, in hex, of the paths, each followed by a newline.
pub(super) fn paths_digest<'a>(items: impl Iterator<Item = &'a Item>) -> String {
    let mut digest = Digest::default();
    for item in items {
        digest.add(&item.path);
        digest.add("\n");
    }
    digest.hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_digest_is_over_lines_in_order() {
        let item = |path: &str, label| Item {
            path: path.to_owned(),
            label,
            index: label,
        };
        let list = SplitList::new(SplitName::Test, 3, vec![item("b/1", 1), item("a/2.jpg", 0)]);
        // printf 'b/1\na/2.jpg\n' | sha256sum
        assert_eq!(
            list.list_digest(),
            "14d59383401589172200b7ed3efb73354cf0dffbf78e4b97be8524b7bc8b489c"
        );
        assert_eq!(list.class_counts(), [1, 1, 0]);
        assert_eq!(list.labels(), [1, 0]);
    }
}
