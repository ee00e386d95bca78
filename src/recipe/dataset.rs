//! Where pictures come from.

use schemars::JsonSchema;

use super::artifact::{FOLDER, ROLE};
use super::split::SplitName;
use super::syntax::{Decode, Located, Node, Place, Problem, Problems, Range, Reader, Rule};

/// Most pictures that a source draws.
const MOST_DRAWN: u32 = 1_000_000;
const DRAWN: Rule<u32> = Rule::number_of("pictures", Range::from(1).to(MOST_DRAWN));
const REJECTS: Rule<u32> = Rule::number_of("files", Range::from(0));
const NO_REJECTS: u32 = 0;
/// A seed; TOML's integers end at 2^63 − 1.
pub(super) const SEED: Rule<u64> = Rule::new("a whole number", Range::from(0).to(i64::MAX as u64));

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Dataset {
    /// A folder per class.
    Folders(Folders),
    /// Pictures that goldrun draws itself.
    Drawn(Drawn),
}

/// A folder per class, in an artifact; folders are relative to the artifact's root, with `/`, and `.` is
/// the root itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Folders {
    /// Role of the artifact.
    pub artifact: String,
    /// Folder of the training source.
    pub train: String,
    /// Folder of the validation source.
    pub validation: Option<String>,
    /// Folder of the test source.
    pub test: Option<String>,
    /// How many undecodable files are tolerated; they are left out, counted and listed.
    pub rejects: u32,
}

/// Drawn pictures: see `docs/quickstart.md`.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Seed of the drawing (`--seed` does not change it).
    pub seed: u64,
    /// Pictures in the training source, at least 1.
    pub train: u32,
    /// Pictures in the validation source; 0 where there is none and the split is cut.
    pub validation: u32,
    /// Pictures in the test source; 0 where there is none and the split is cut.
    pub test: u32,
}

/// A data set as written.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum DatasetFile {
    /// A folder per class.
    Folders(FoldersFile),
    /// Pictures that goldrun draws itself.
    Drawn(DrawnFile),
}

#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct FoldersFile {
    /// The artifact with the pictures.
    #[schemars(required, transform = &ROLE)]
    pub(super) artifact: Option<Located<String>>,
    /// Folder of the training source.
    #[schemars(required, transform = &FOLDER)]
    train: Option<Located<String>>,
    /// Folder of the validation source.
    #[schemars(transform = &FOLDER, extend("x-default" = CUT_VALIDATION))]
    validation: Option<Located<String>>,
    /// Folder of the test source.
    #[schemars(transform = &FOLDER, extend("x-default" = CUT_TEST))]
    test: Option<Located<String>>,
    /// How many files that cannot be decoded are tolerated, over all splits.
    #[schemars(transform = &REJECTS, extend("default" = NO_REJECTS))]
    rejects: Option<Located<u32>>,
    #[schemars(skip)]
    sources: Sources,
}

#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct DrawnFile {
    /// Seed of the drawing.
    #[schemars(transform = &SEED, extend("x-default" = "`split.seed`"))]
    seed: Option<Located<u64>>,
    /// Pictures in the training source.
    #[schemars(required, transform = &DRAWN)]
    train: Option<Located<u32>>,
    /// Pictures in the validation source.
    #[schemars(transform = &DRAWN, extend("x-default" = CUT_VALIDATION))]
    validation: Option<Located<u32>>,
    /// Pictures in the test source.
    #[schemars(transform = &DRAWN, extend("x-default" = CUT_TEST))]
    test: Option<Located<u32>>,
    #[schemars(skip)]
    sources: Sources,
}

/// What comes instead of a source.
const CUT_VALIDATION: &str = "none: cut by `[split.validation]`";
const CUT_TEST: &str = "none: cut by `[split.test]`";

/// Where the source of each split is named, right or wrong.
type Sources = [Option<Place>; 3];

fn sources(table: &Reader<'_, '_>) -> Sources {
    SplitName::ALL.map(|split| table.place(split.word()))
}

impl Decode for DatasetFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let dataset = table.kind(&[
            ("folders", |node, problems| {
                FoldersFile::decode(node, problems).map(Self::Folders)
            }),
            ("drawn", |node, problems| {
                DrawnFile::decode(node, problems).map(Self::Drawn)
            }),
        ]);
        table.finish();
        dataset.map(|dataset| dataset.value)
    }
}

impl Decode for FoldersFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let folders = Self {
            artifact: table.required("artifact", &ROLE),
            train: table.required("train", &FOLDER),
            validation: table.value("validation", &FOLDER),
            test: table.value("test", &FOLDER),
            rejects: table.value("rejects", &REJECTS),
            sources: sources(&table),
        };
        table.finish();
        Some(folders)
    }
}

impl Decode for DrawnFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let drawn = Self {
            seed: table.value("seed", &SEED),
            train: table.required("train", &DRAWN),
            validation: table.value("validation", &DRAWN),
            test: table.value("test", &DRAWN),
            sources: sources(&table),
        };
        table.finish();
        Some(drawn)
    }
}

impl DatasetFile {
    /// Where the source of a split is named, if it has one of its own.
    pub(super) fn source(&self, split: SplitName) -> Option<Place> {
        let (Self::Folders(FoldersFile { sources, .. }) | Self::Drawn(DrawnFile { sources, .. })) =
            self;
        let [train, validation, test] = *sources;
        match split {
            SplitName::Train => train,
            SplitName::Validation => validation,
            SplitName::Test => test,
        }
    }

    /// Checks what one key alone cannot show.
    pub(super) fn check(&self, problems: &mut Problems) {
        let Self::Folders(folders) = self else {
            return;
        };
        let written: Vec<&Located<String>> = SplitName::ALL
            .into_iter()
            .filter_map(|split| folders.folder(split))
            .collect();
        for (position, folder) in written.iter().enumerate() {
            for earlier in &written[..position] {
                if overlap(&folder.value, &earlier.value) {
                    problems.add(
                        Problem::new(
                            folder.place,
                            "two splits share files",
                            "this folder and the other overlap",
                        )
                        .other(earlier.place, "the other")
                        .help("to cut one split from another's folder, write `[split.<name>]`"),
                    );
                }
            }
        }
    }

    /// The data set; `default_seed` is that of the split.
    pub(super) fn decide(&self, default_seed: u64) -> Option<Dataset> {
        match self {
            Self::Folders(folders) => {
                let text = |folder: &Option<Located<String>>| {
                    folder.as_ref().map(|folder| folder.value.clone())
                };
                Some(Dataset::Folders(Folders {
                    artifact: text(&folders.artifact)?,
                    train: text(&folders.train)?,
                    validation: text(&folders.validation),
                    test: text(&folders.test),
                    rejects: folders
                        .rejects
                        .as_ref()
                        .map_or(NO_REJECTS, |number| number.value),
                }))
            }
            Self::Drawn(drawn) => {
                let number = |number: &Option<Located<u32>>| {
                    number.as_ref().map_or(0, |number| number.value)
                };
                Some(Dataset::Drawn(Drawn {
                    seed: drawn.seed.as_ref().map_or(default_seed, |seed| seed.value),
                    train: drawn.train.as_ref()?.value,
                    validation: number(&drawn.validation),
                    test: number(&drawn.test),
                }))
            }
        }
    }
}

impl FoldersFile {
    fn folder(&self, split: SplitName) -> Option<&Located<String>> {
        match split {
            SplitName::Train => self.train.as_ref(),
            SplitName::Validation => self.validation.as_ref(),
            SplitName::Test => self.test.as_ref(),
        }
    }
}

/// True if one folder is the other or lies in it.
fn overlap(one: &str, other: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        outer == "." || inner == outer || inner.starts_with(&format!("{outer}/"))
    };
    inside(one, other) || inside(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_overlap_by_parts_and_not_by_letters() {
        assert!(overlap("a", "a"));
        assert!(overlap("a/b", "a"));
        assert!(overlap(".", "a"));
        assert!(!overlap("train", "train2"));
        assert!(!overlap("a/train", "a/test"));
    }
}
