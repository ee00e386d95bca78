//! How a record is held: Record × Golden × the recipe's tolerances × its published figures → verdict.
//!
//! Without tolerances every fact must be the same bits. With any, the figures that have one decide and
//! the rest is shown; but recipe, artifacts, splits, pixels and the training seed must always be equal,
//! since otherwise the two runs are not about the same thing. Published figures that have a tolerance
//! must hold as well. Every figure gets a row, not only the first that differs.

use std::collections::BTreeSet;

use crate::recipe::{Better, Published, Recipe, Tolerance};
use crate::record::{Address, Fact, Record};

use super::parting::{self, Parting, Place};
use super::text::float;

/// What `check` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every fact is the same, bit for bit.
    Identical,
    /// Figures moved, but each one that decides is within its tolerance.
    WithinTolerance,
    /// Something that must hold does not.
    Differs,
    /// There is no golden.
    NoGolden {
        /// What became of the published figures.
        published: PublishedOutcome,
    },
}

impl Verdict {
    /// The words for it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::WithinTolerance => "within tolerance",
            Self::Differs => "differs",
            Self::NoGolden { .. } => "no golden",
        }
    }
}

/// What became of the published figures that have a tolerance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishedOutcome {
    /// There are none.
    None,
    /// All hold.
    Held,
    /// At least one does not.
    Failed,
}

/// How a figure is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hold {
    /// To the bit.
    Exactly,
    /// Within a tolerance.
    Within(Tolerance),
    /// Not at all: it is only shown.
    Shown,
}

/// How a figure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The same bits.
    Same,
    /// Other bits, within the tolerance.
    Within,
    /// Off.
    Differs,
    /// One of the two does not have it.
    Missing,
    /// Other bits, but nobody judges.
    Shown,
    /// A published figure of which `--set` has cut the run short: nothing to judge.
    NotReached,
}

impl Standing {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Within => "within",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Shown => "shown",
            Self::NotReached => "not reached",
        }
    }
}

/// A figure beside the one it is held to.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The figure's address.
    pub address: Address,
    /// What is expected: the golden's figure or the published one.
    pub expected: Option<f64>,
    /// The run's figure.
    pub now: Option<f64>,
    /// How it is held.
    pub hold: Hold,
    /// How it stands.
    pub standing: Standing,
    /// Who claims a published figure; none in a golden's row.
    pub source: Option<String>,
}

impl Row {
    fn new(address: &Address, expected: Option<f64>, now: Option<f64>, hold: Hold) -> Self {
        Self {
            address: address.clone(),
            expected,
            now,
            hold,
            standing: standing(expected, now, hold),
            source: None,
        }
    }

    /// The run's figure less the expected one.
    pub fn difference(&self) -> Option<f64> {
        Some(self.now? - self.expected?)
    }

    /// True if the figure must hold and does not.
    pub fn fails(&self) -> bool {
        self.hold != Hold::Shown && matches!(self.standing, Standing::Differs | Standing::Missing)
    }
}

/// A verdict and all that it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, the weightiest first; sentences for people without a full stop. Empty if identical.
    pub reasons: Vec<String>,
    /// Every figure of golden and record.
    pub rows: Vec<Row>,
    /// The published figures, in the recipe's order.
    pub published: Vec<Row>,
    /// Where record and golden part first.
    pub parting: Option<Parting>,
    /// Number of facts that are the same in both.
    pub facts_same: usize,
    /// Number of facts that either has.
    pub facts: usize,
}

/// Holds a record to its golden and to what the recipe says.
pub fn compare(now: &Record, golden: Option<&Record>, recipe: &Recipe) -> Comparison {
    let reached = recipe.figures();
    let published: Vec<Row> = recipe
        .published
        .iter()
        .map(|claim| {
            if reached.contains(&claim.figure) {
                published_row(claim, now)
            } else {
                not_reached(claim)
            }
        })
        .collect();
    let outcome = published_outcome(&published);
    let mut comparison = match golden {
        None => without_golden(now, outcome),
        Some(golden) => with_golden(now, golden, &recipe.check.tolerances),
    };
    let failed: Vec<&Row> = published.iter().filter(|row| row.fails()).collect();
    if !failed.is_empty() {
        comparison.reasons.push(failures(&failed, "published"));
        if golden.is_some() {
            comparison.verdict = Verdict::Differs;
        }
    }
    comparison.published = published;
    comparison
}

/// Compares two records to the bit.
pub fn exactly(left: &Record, right: &Record) -> Comparison {
    with_golden(right, left, &[])
}

/// A record that there is nothing to compare with.
pub fn without_golden(now: &Record, published: PublishedOutcome) -> Comparison {
    let rows = figures_in_order(now)
        .into_iter()
        .map(|(address, figure)| Row::new(address, None, Some(figure), Hold::Shown))
        .collect();
    Comparison {
        verdict: Verdict::NoGolden { published },
        reasons: Vec::new(),
        rows,
        published: Vec::new(),
        parting: None,
        facts_same: 0,
        facts: now.facts.len(),
    }
}

fn with_golden(now: &Record, golden: &Record, tolerances: &[(String, Tolerance)]) -> Comparison {
    let rows = rows(now, golden, tolerances);
    let differing = parting::differing(golden, now);
    let facts = golden
        .facts
        .keys()
        .chain(now.facts.keys())
        .collect::<BTreeSet<_>>()
        .len();
    let mut reasons = always_equal(&differing, golden, now);
    let failed: Vec<&Row> = rows.iter().filter(|row| row.fails()).collect();
    let is_exact = tolerances.is_empty();
    if is_exact && reasons.is_empty() {
        reasons.extend(
            differing
                .first()
                .map(|first| parting::at(first, golden, now).sentence),
        );
    }
    if !is_exact {
        if !failed.is_empty() {
            reasons.push(failures(&failed, "the golden's"));
        }
        reasons.extend(idle_patterns(tolerances, &rows));
    }
    let verdict = match (reasons.is_empty(), differing.is_empty()) {
        (false, _) => Verdict::Differs,
        (true, true) => Verdict::Identical,
        (true, false) => Verdict::WithinTolerance,
    };
    Comparison {
        verdict,
        reasons,
        parting: differing
            .first()
            .map(|first| parting::at(first, golden, now)),
        facts_same: facts - differing.len(),
        facts,
        rows,
        published: Vec::new(),
    }
}

/// Sentences about what no tolerance excuses: the seed, and the first of the others.
fn always_equal(differing: &[Address], golden: &Record, now: &Record) -> Vec<String> {
    let hard: Vec<&Address> = differing
        .iter()
        .filter(|address| Place::of(address).is_always_equal())
        .collect();
    let seed = hard
        .iter()
        .find(|address| Place::of(address) == Place::Seed);
    let other = hard
        .iter()
        .find(|address| Place::of(address) != Place::Seed);
    [seed, other]
        .into_iter()
        .flatten()
        .map(|address| parting::at(address, golden, now).sentence)
        .collect()
}

/// Sentences about tolerances that hold nothing, which would otherwise pass for holding.
fn idle_patterns(tolerances: &[(String, Tolerance)], rows: &[Row]) -> Vec<String> {
    tolerances
        .iter()
        .filter(|(pattern, _)| !rows.iter().any(|row| row.address.matches(pattern)))
        .map(|(pattern, _)| format!("the tolerance of `{pattern}` matches no figure"))
        .collect()
}

fn rows(now: &Record, golden: &Record, tolerances: &[(String, Tolerance)]) -> Vec<Row> {
    let addresses: BTreeSet<&Address> = figures(golden)
        .chain(figures(now))
        .map(|(address, _)| address)
        .collect();
    in_order(addresses)
        .into_iter()
        .map(|address| {
            let hold = hold(address, tolerances);
            Row::new(address, figure(golden, address), figure(now, address), hold)
        })
        .collect()
}

/// Addresses in the order of the run; those of one place in their own.
fn in_order<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> Vec<&'a Address> {
    let mut addresses: Vec<&Address> = addresses.into_iter().collect();
    addresses.sort_by_key(|address| (Place::of(address).rank(), *address));
    addresses
}

/// How a figure is held to the golden: the first pattern that matches counts.
fn hold(address: &Address, tolerances: &[(String, Tolerance)]) -> Hold {
    if tolerances.is_empty() {
        return Hold::Exactly;
    }
    tolerances
        .iter()
        .find(|(pattern, _)| address.matches(pattern))
        .map_or(Hold::Shown, |(_, tolerance)| Hold::Within(*tolerance))
}

fn published_row(claim: &Published, now: &Record) -> Row {
    let address = Address::new(claim.figure.clone());
    let hold = claim.tolerance.map_or(Hold::Shown, Hold::Within);
    Row {
        source: Some(claim.source.clone()),
        ..Row::new(&address, Some(claim.value), figure(now, &address), hold)
    }
}

/// A figure of the file's recipe that the recipe has no more, which only `--set` can bring about.
fn not_reached(claim: &Published) -> Row {
    Row {
        address: Address::new(claim.figure.clone()),
        expected: Some(claim.value),
        now: None,
        hold: Hold::Shown,
        standing: Standing::NotReached,
        source: Some(claim.source.clone()),
    }
}

/// What became of the published figures that have a tolerance.
pub fn published_outcome(rows: &[Row]) -> PublishedOutcome {
    let mut judged = rows.iter().filter(|row| row.hold != Hold::Shown).peekable();
    if judged.peek().is_none() {
        PublishedOutcome::None
    } else if judged.any(Row::fails) {
        PublishedOutcome::Failed
    } else {
        PublishedOutcome::Held
    }
}

fn standing(expected: Option<f64>, now: Option<f64>, hold: Hold) -> Standing {
    let (Some(expected), Some(now)) = (expected, now) else {
        return match hold {
            Hold::Shown => Standing::Shown,
            Hold::Exactly | Hold::Within(_) => Standing::Missing,
        };
    };
    if expected.to_bits() == now.to_bits() {
        return Standing::Same;
    }
    match hold {
        Hold::Shown => Standing::Shown,
        Hold::Within(tolerance) if is_within(expected, now, tolerance) => Standing::Within,
        Hold::Exactly | Hold::Within(_) => Standing::Differs,
    }
}

/// True if `now` is at most `abs` away, the edge included, on the side that counts. False for NaN.
fn is_within(expected: f64, now: f64, tolerance: Tolerance) -> bool {
    let worse_by = match tolerance.better {
        None => (now - expected).abs(),
        Some(Better::Higher) => expected - now,
        Some(Better::Lower) => now - expected,
    };
    worse_by <= tolerance.abs
}

/// One sentence about the figures that fail: the first, and how many more.
fn failures(failed: &[&Row], whose: &str) -> String {
    let Some(first) = failed.first() else {
        return String::new();
    };
    let address = &first.address;
    let said = match (first.expected, first.now) {
        (Some(expected), Some(now)) => {
            let allowed = match first.hold {
                Hold::Within(tolerance) => tolerance_words(tolerance),
                Hold::Exactly | Hold::Shown => "the same bits".to_owned(),
            };
            let (now, expected) = (float(now), float(expected));
            format!("`{address}` is {now}, {whose} is {expected}, allowed is {allowed}")
        }
        (Some(_), None) => format!("`{address}` is missing from the run"),
        (None, _) => format!("`{address}` has no figure in the golden"),
    };
    match failed.len() - 1 {
        0 => said,
        more => format!("{said}; and {more} more"),
    }
}

/// A tolerance in words: `±0.01`, `-0.01` (no more below) or `+0.01` (no more above).
pub fn tolerance_words(tolerance: Tolerance) -> String {
    let abs = tolerance.abs;
    match tolerance.better {
        None => format!("±{abs}"),
        Some(Better::Higher) => format!("-{abs}"),
        Some(Better::Lower) => format!("+{abs}"),
    }
}

/// The figures of a record in the order of the run.
pub fn figures_in_order(record: &Record) -> Vec<(&Address, f64)> {
    let mut figures: Vec<(&Address, f64)> = figures(record).collect();
    figures.sort_by_key(|(address, _)| (Place::of(address).rank(), *address));
    figures
}

fn figures(record: &Record) -> impl Iterator<Item = (&Address, f64)> {
    record
        .facts
        .iter()
        .filter_map(|(address, fact)| match fact {
            Fact::Figure(figure) => Some((address, *figure)),
            _ => None,
        })
}

fn figure(record: &Record, address: &Address) -> Option<f64> {
    match record.facts.get(address) {
        Some(Fact::Figure(figure)) => Some(*figure),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::recipe::{
        Check, Dataset, Drawn, Head, Input, Metric, Model, Optimizer, Orientation, Phase, Split,
        Threshold, Trainable,
    };
    use crate::record::Made;

    /// The record of a small run, all facts in it.
    pub(crate) fn record() -> Record {
        let text = |words: &str| Fact::Text(words.to_owned());
        let mut facts = vec![
            ("recipe.fingerprint".to_owned(), text("aaaa")),
            ("seed".to_owned(), Fact::Integer(123)),
            ("arithmetic".to_owned(), Fact::Integer(1)),
            ("artifact.photos.content".to_owned(), text("h1:aaaa")),
            ("model.layers".to_owned(), Fact::Integer(154)),
            ("initial.parameters".to_owned(), text("aaaa")),
            ("initial.val_loss".to_owned(), Fact::Figure(0.9126)),
            ("features.first_validation_batch".to_owned(), text("aaaa")),
            ("final.val_loss".to_owned(), Fact::Figure(0.0403)),
            ("final.val_accuracy".to_owned(), Fact::Figure(0.9802)),
            ("test.accuracy".to_owned(), Fact::Figure(0.9792)),
            ("test.logits".to_owned(), Fact::Figures(vec![1.5, -2.0])),
        ];
        for split in ["train", "validation", "test"] {
            facts.push((format!("split.{split}.files"), Fact::Integer(100)));
            facts.push((format!("split.{split}.list"), text("aaaa")));
            facts.push((format!("split.{split}.pixels"), text("aaaa")));
        }
        for (phase, epoch) in [(0, 0), (0, 1), (1, 0)] {
            let place = format!("phase.{phase}.epoch.{epoch}");
            facts.push((format!("{place}.order"), text("aaaa")));
            facts.push((format!("{place}.parameters"), text("aaaa")));
            facts.push((format!("{place}.loss"), Fact::Figure(0.42)));
            facts.push((format!("{place}.val_accuracy"), Fact::Figure(0.95)));
        }
        Record {
            facts: facts
                .into_iter()
                .map(|(address, fact)| (Address::new(address), fact))
                .collect(),
            made: Made::new(),
        }
    }

    /// [`record`] with some facts changed.
    pub(crate) fn with(changes: &[(&str, Fact)]) -> Record {
        let mut record = record();
        for (address, fact) in changes {
            record.facts.insert(Address::new(*address), fact.clone());
        }
        record
    }

    /// A recipe that is held by these tolerances and published figures.
    pub(crate) fn recipe(
        tolerances: &[(&str, Tolerance)],
        published: &[(&str, f64, Option<Tolerance>)],
    ) -> Recipe {
        Recipe {
            name: "small".to_owned(),
            title: String::new(),
            seed: 123,
            artifacts: [].into(),
            dataset: Dataset::Drawn(Drawn {
                seed: 1,
                train: 1,
                validation: 1,
                test: 1,
            }),
            input: Input {
                image_size: [32, 32],
                batch_size: 1,
                augment: Vec::new(),
                orientation: Orientation::Ignore,
            },
            split: Split {
                seed: 1,
                validation: None,
                test: None,
            },
            model: Model::MobileNetV2 {
                alpha: 0.35,
                weights: "weights".to_owned(),
                head: Head { dropout: 0.0 },
            },
            phases: [("one", 2), ("two", 1)]
                .map(|(name, epochs)| Phase {
                    name: name.to_owned(),
                    epochs,
                    first_epoch: 1,
                    train: Trainable::Head,
                    optimizer: Optimizer::Sgd {
                        learning_rate: 0.1,
                        momentum: 0.0,
                        nesterov: false,
                    },
                })
                .into(),
            metrics: vec![
                Metric::Loss,
                Metric::Accuracy {
                    threshold: Threshold::Probability(0.5),
                },
            ],
            published: published
                .iter()
                .map(|(figure, value, tolerance)| Published {
                    source: "a paper".to_owned(),
                    figure: (*figure).to_owned(),
                    value: *value,
                    tolerance: *tolerance,
                })
                .collect(),
            check: Check {
                tolerances: tolerances
                    .iter()
                    .map(|(pattern, tolerance)| ((*pattern).to_owned(), *tolerance))
                    .collect(),
            },
            overridden: false,
        }
    }

    pub(crate) const WITHIN: Tolerance = Tolerance {
        abs: 0.01,
        better: None,
    };

    pub(crate) const NO_LOWER: Tolerance = Tolerance {
        abs: 0.01,
        better: Some(Better::Higher),
    };

    /// Compares a changed record with [`record`]; gives the verdict and the reasons.
    fn check(recipe: &Recipe, changes: &[(&str, Fact)]) -> (Verdict, Vec<String>) {
        let comparison = compare(&with(changes), Some(&record()), recipe);
        (comparison.verdict, comparison.reasons)
    }

    fn figure(address: &str, value: f64) -> (&str, Fact) {
        (address, Fact::Figure(value))
    }

    #[test]
    fn the_same_facts_are_identical() {
        for recipe in [recipe(&[], &[]), recipe(&[("final.*", WITHIN)], &[])] {
            let comparison = compare(&record(), Some(&record()), &recipe);
            assert_eq!(comparison.verdict, Verdict::Identical);
            assert_eq!(comparison.reasons, [""; 0]);
            assert_eq!(comparison.parting, None);
            assert_eq!(comparison.facts_same, comparison.facts);
            assert_eq!(comparison.rows.len(), 10);
        }
    }

    #[test]
    fn without_tolerances_each_single_fact_must_be_the_same_bits() {
        for (address, fact) in record().facts {
            let other = match fact {
                Fact::Integer(integer) => Fact::Integer(integer + 1),
                Fact::Figure(figure) => Fact::Figure(f64::from_bits(figure.to_bits() + 1)),
                Fact::Text(_) => Fact::Text("ffff".to_owned()),
                Fact::Figures(mut figures) => {
                    figures[1] = f64::from_bits(figures[1].to_bits() + 1);
                    Fact::Figures(figures)
                }
                Fact::Lines(_) => Fact::Lines(Vec::new()),
            };
            let (verdict, reasons) = check(&recipe(&[], &[]), &[(address.as_str(), other)]);
            assert_eq!(verdict, Verdict::Differs, "{address}");
            assert_eq!(reasons.len(), 1, "{address}");

            let mut now = record();
            now.facts.remove(&address);
            for (now, golden) in [(&now, &record()), (&record(), &now)] {
                let comparison = compare(now, Some(golden), &recipe(&[], &[]));
                assert_eq!(comparison.verdict, Verdict::Differs, "{address}");
                assert_eq!(comparison.parting.unwrap().address, address);
            }
        }
    }

    #[test]
    fn with_tolerances_the_figures_that_have_one_decide() {
        let recipe = recipe(&[("final.val_accuracy", WITHIN)], &[]);
        let other_arithmetic = ("phase.0.epoch.0.parameters", Fact::Text("ffff".to_owned()));
        let near = figure("final.val_accuracy", 0.9752);
        let far = figure("final.val_accuracy", 0.95);
        let elsewhere = figure("test.accuracy", 0.1);
        assert_eq!(
            check(&recipe, &[near, other_arithmetic, elsewhere]),
            (Verdict::WithinTolerance, vec![])
        );
        let (verdict, reasons) = check(&recipe, &[far]);
        assert_eq!(verdict, Verdict::Differs);
        assert_eq!(
            reasons,
            ["`final.val_accuracy` is 0.95, the golden's is 0.9802, allowed is ±0.01"]
        );
    }

    #[test]
    fn with_tolerances_the_run_must_still_be_about_the_same_thing() {
        let recipe = recipe(&[("*.val_accuracy", WITHIN)], &[]);
        for (address, fact) in [
            ("recipe.fingerprint", Fact::Text("ffff".to_owned())),
            ("artifact.photos.content", Fact::Text("ffff".to_owned())),
            ("split.test.files", Fact::Integer(1)),
            ("split.test.list", Fact::Text("ffff".to_owned())),
            ("split.test.pixels", Fact::Text("ffff".to_owned())),
            ("seed", Fact::Integer(7)),
        ] {
            let (verdict, reasons) = check(&recipe, &[(address, fact)]);
            assert_eq!((verdict, reasons.len()), (Verdict::Differs, 1), "{address}");
        }
    }

    #[test]
    fn one_sided_tolerances_let_better_figures_pass() {
        let recipe = recipe(&[("final.val_accuracy", NO_LOWER)], &[]);
        for (now, verdict) in [
            (1.0, Verdict::WithinTolerance),
            (0.9752, Verdict::WithinTolerance),
            (0.95, Verdict::Differs),
            (f64::NAN, Verdict::Differs),
        ] {
            assert_eq!(
                check(&recipe, &[figure("final.val_accuracy", now)]).0,
                verdict,
                "{now}"
            );
        }
    }

    #[test]
    fn the_first_pattern_that_matches_counts() {
        let wide = Tolerance {
            abs: 0.5,
            better: None,
        };
        let now = [figure("phase.0.epoch.1.val_accuracy", 0.7)];
        let narrow_first = [
            ("phase.0.epoch.1.val_accuracy", WITHIN),
            ("phase.*.epoch.*.val_accuracy", wide),
        ];
        let wide_first = [narrow_first[1], narrow_first[0]];
        assert_eq!(check(&recipe(&narrow_first, &[]), &now).0, Verdict::Differs);
        assert_eq!(
            check(&recipe(&wide_first, &[]), &now).0,
            Verdict::WithinTolerance
        );
    }

    #[test]
    fn a_tolerance_that_matches_nothing_is_not_held() {
        let recipe = recipe(&[("final.val_acuracy", WITHIN)], &[]);
        let (verdict, reasons) = check(&recipe, &[]);
        assert_eq!(verdict, Verdict::Differs);
        assert_eq!(
            reasons,
            ["the tolerance of `final.val_acuracy` matches no figure"]
        );
    }

    #[test]
    fn a_figure_that_is_missing_is_not_within_its_tolerance() {
        let recipe = recipe(&[("final.val_accuracy", WITHIN)], &[]);
        let mut now = record();
        now.facts.remove(&Address::new("final.val_accuracy"));
        assert_eq!(
            compare(&now, Some(&record()), &recipe).verdict,
            Verdict::Differs
        );
        assert_eq!(
            compare(&record(), Some(&now), &recipe).verdict,
            Verdict::Differs
        );
    }

    #[test]
    fn another_seed_is_said_first() {
        let changes = [
            ("recipe.fingerprint", Fact::Text("ffff".to_owned())),
            ("seed", Fact::Integer(7)),
        ];
        let (verdict, reasons) = check(&recipe(&[], &[]), &changes);
        assert_eq!(verdict, Verdict::Differs);
        assert_eq!(
            reasons,
            [
                "the training seed is 7, the golden's is 123: another seed trains another model",
                "the recipe is another one"
            ]
        );
    }

    #[test]
    fn golden_and_published_figures_must_both_hold() {
        let held = ("test.accuracy", 0.98, Some(WITHIN));
        let failed = ("test.accuracy", 0.5, Some(WITHIN));
        let shown = ("phase.0.epoch.0.loss", 9.0, None);
        let absent = ("phase.0.epoch.0.val_loss", 9.0, Some(WITHIN));
        assert_eq!(
            check(&recipe(&[], &[held, shown]), &[]),
            (Verdict::Identical, vec![])
        );
        let (verdict, reasons) = check(&recipe(&[], &[held, failed, absent]), &[]);
        assert_eq!(verdict, Verdict::Differs);
        assert_eq!(
            reasons,
            ["`test.accuracy` is 0.9792, published is 0.5, allowed is ±0.01; and 1 more"]
        );
    }

    #[test]
    fn a_published_figure_that_the_run_does_not_reach_is_not_judged() {
        let beyond = ("phase.1.epoch.1.loss", 9.0, Some(WITHIN));
        let held = ("test.accuracy", 0.98, Some(WITHIN));
        for (published, outcome) in [
            (&[beyond][..], PublishedOutcome::None),
            (&[beyond, held], PublishedOutcome::Held),
        ] {
            let comparison = compare(&record(), None, &recipe(&[], published));
            assert_eq!(comparison.verdict, Verdict::NoGolden { published: outcome });
            assert_eq!(comparison.reasons, Vec::<String>::new());
            let row = &comparison.published[0];
            assert_eq!(row.standing, Standing::NotReached);
            assert_eq!((row.expected, row.now), (Some(9.0), None));
        }
    }

    #[test]
    fn without_a_golden_the_published_figures_decide() {
        let held = ("test.accuracy", 0.98, Some(WITHIN));
        let failed = ("test.accuracy", 0.5, Some(WITHIN));
        let shown = ("test.accuracy", 0.5, None);
        for (published, outcome) in [
            (&[][..], PublishedOutcome::None),
            (&[shown], PublishedOutcome::None),
            (&[held, shown], PublishedOutcome::Held),
            (&[held, failed], PublishedOutcome::Failed),
        ] {
            let comparison = compare(&record(), None, &recipe(&[], published));
            assert_eq!(comparison.verdict, Verdict::NoGolden { published: outcome });
            assert_eq!(comparison.rows.len(), 10);
            assert_eq!(comparison.published.len(), published.len());
        }
    }
}
