//! The three splits, and how a source is cut.

use schemars::JsonSchema;

use super::dataset::{DatasetFile, SEED};
use super::syntax::{Decode, Located, Node, Problem, Problems, Range, Reader, Rule, Sources};

const BATCHES: Rule<u32> = Rule::number_of("whole batches", Range::from(1));
const COUNT: Rule<u32> = Rule::number_of("files", Range::from(1));
const FRACTION: Rule<f64> = Rule::new("a number", Range::over(0.0).under(1.0));

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum SplitName {
    /// Trained on.
    Train,
    /// Evaluated after every epoch.
    Validation,
    /// Evaluated once, at the end.
    Test,
}

impl SplitName {
    /// All three, in the order of the run.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// Slot of the random streams of this source split (arithmetic.md §7).
    pub const fn slot(self) -> u32 {
        match self {
            Self::Train => 0,
            Self::Validation => 1,
            Self::Test => 2,
        }
    }
}

/// How the sources are cut.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Seed of the order in which a source is cut.
    pub seed: u64,
    /// The validation split is cut from another source.
    pub validation: Option<Cut>,
    /// The test split is cut from another source.
    pub test: Option<Cut>,
}

/// A split that is cut from a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// The source.
    pub from: SplitName,
    /// How much of it.
    pub amount: Amount,
}

/// How much is cut.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Amount {
    /// That many whole batches.
    Batches(#[schemars(transform = &BATCHES)] u32),
    /// That many files.
    Count(#[schemars(transform = &COUNT)] u32),
    /// That part of the source, rounded to the nearest file (halves up).
    Fraction(#[schemars(transform = &FRACTION)] f64),
}

/// The `[split]` table as written.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct SplitFile {
    /// Seed of the order in which a source is cut.
    #[schemars(transform = &SEED, extend("x-default" = "`seed` as written"))]
    seed: Option<Located<u64>>,
    /// The validation split is cut.
    validation: Option<Located<CutFile>>,
    /// The test split is cut.
    test: Option<Located<CutFile>>,
}

/// A cut as written.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CutFile {
    /// The source that it is cut from.
    #[schemars(required)]
    from: Option<Located<SplitName>>,
    #[schemars(flatten, with = "Amount")]
    amount: Option<Located<Amount>>,
}

impl Decode for SplitFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let split = Self {
            seed: table.value("seed", &SEED),
            validation: table.nested("validation"),
            test: table.nested("test"),
        };
        table.finish();
        Some(split)
    }
}

impl Decode for CutFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let names = SplitName::ALL.map(|split| (split.word(), split));
        let mut table = Reader::new(node, problems)?;
        let from = table.required_word("from", &names);
        let amount = table.kind(&[
            ("batches", |node, problems| {
                let number = BATCHES.read("`batches`", node, problems)?;
                Some(number.map(Amount::Batches))
            }),
            ("count", |node, problems| {
                let number = COUNT.read("`count`", node, problems)?;
                Some(number.map(Amount::Count))
            }),
            ("fraction", |node, problems| {
                let number = FRACTION.read("`fraction`", node, problems)?;
                Some(number.map(Amount::Fraction))
            }),
        ]);
        let cut = Self {
            from,
            amount: amount.map(|amount| amount.value),
        };
        table.finish();
        Some(cut)
    }
}

impl SplitFile {
    fn cut(&self, split: SplitName) -> Option<&Located<CutFile>> {
        match split {
            SplitName::Train => None,
            SplitName::Validation => self.validation.as_ref(),
            SplitName::Test => self.test.as_ref(),
        }
    }

    /// Checks that every split has files, and from one place only.
    pub(super) fn check(
        &self,
        dataset: &Located<DatasetFile>,
        sources: &Sources,
        problems: &mut Problems,
    ) {
        for split in [SplitName::Validation, SplitName::Test] {
            let word = split.word();
            let own = dataset.value.source(split);
            match (own, self.cut(split)) {
                (None, None) => problems.add(
                    Problem::new(
                        dataset.place,
                        format!("there is no {word} split"),
                        format!("names no source `{word}`"),
                    )
                    .help(format!(
                        "cut it from another source: `[split.{word}]` with `from = \"train\"` and \
                         `fraction = 0.2`"
                    )),
                ),
                (Some(own), Some(cut)) => problems.add(
                    Problem::new(
                        cut.place,
                        format!("the {word} split comes from two places"),
                        "is cut from another source here",
                    )
                    .other(own, "has a source of its own here"),
                ),
                (Some(_), None) => {}
                (None, Some(cut)) => check_source(split, &cut.value, &dataset.value, problems),
            }
        }
        self.check_remains(sources, problems);
    }

    /// Two cuts of one source must leave something of it.
    fn check_remains(&self, sources: &Sources, problems: &mut Problems) {
        let (Some(validation), Some(test)) = (&self.validation, &self.test) else {
            return;
        };
        let from = |cut: &CutFile| cut.from.as_ref().map(|from| from.value);
        let fraction = |cut: &CutFile| {
            let amount = cut.amount.as_ref()?;
            match amount.value {
                Amount::Fraction(fraction) => Some((amount.place, fraction)),
                Amount::Batches(_) | Amount::Count(_) => None,
            }
        };
        let fractions = (fraction(&validation.value), fraction(&test.value));
        if let (Some(first), Some(second)) = fractions
            && from(&validation.value) == from(&test.value)
            && first.1 + second.1 >= 1.0
        {
            // What was laid over the rest decides: an argument over a file.
            let (last, other) = if sources.is_laid_over(first.0, second.0) {
                (first, second)
            } else {
                (second, first)
            };
            let label = |fraction: f64| format!("takes {fraction}");
            let title = "the cuts leave nothing of their source";
            let problem = Problem::new(last.0, title, label(last.1));
            problems.add(problem.other(other.0, label(other.1)));
        }
    }

    /// The cuts; `default_seed` is the recipe's own, as written.
    pub(super) fn decide(&self, default_seed: u64) -> Option<Split> {
        let decide = |cut: &Option<Located<CutFile>>| match cut {
            None => Some(None),
            Some(cut) => Some(Some(Cut {
                from: cut.value.from.as_ref()?.value,
                amount: cut.value.amount.as_ref()?.value,
            })),
        };
        Some(Split {
            seed: self.seed.as_ref().map_or(default_seed, |seed| seed.value),
            validation: decide(&self.validation)?,
            test: decide(&self.test)?,
        })
    }
}

fn check_source(split: SplitName, cut: &CutFile, dataset: &DatasetFile, problems: &mut Problems) {
    let Some(from) = &cut.from else {
        return;
    };
    let word = split.word();
    if from.value == split {
        let title = format!("the {word} split cannot be cut from itself");
        problems.add(Problem::new(from.place, title, "must be another source"));
    } else if dataset.source(from.value).is_none() {
        let title = format!("there is no source `{}` to cut from", from.value.word());
        let sources: Vec<String> = SplitName::ALL
            .into_iter()
            .filter(|split| dataset.source(*split).is_some())
            .map(|split| format!("`{}`", split.word()))
            .collect();
        let problem = Problem::new(from.place, title, "the data set does not name it")
            .help(format!("sources that there are: {}", sources.join(", ")));
        problems.add(problem);
    }
}
