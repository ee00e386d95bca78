//! Verdicts of a small record against a small golden.

use super::*;
use crate::recipe::{
    Better, Check, Dataset, Drawn, Head, Input, Metric, Model, Optimizer, Orientation, Phase,
    Published, Split, Threshold, Trainable,
};
use crate::record::Made;

/// The record of a small run: every fact that a run has.
pub(crate) fn record() -> Record {
    let text = |words: &str| Fact::Text(words.to_owned());
    let mut facts = vec![
        ("recipe.fingerprint".to_owned(), text("aaaa")),
        (
            "recipe.canonical".to_owned(),
            Fact::Lines(
                ["phase.0.epochs = 2", "phase.1.epochs = 1"]
                    .map(str::to_owned)
                    .into(),
            ),
        ),
        ("seed".to_owned(), Fact::Integer(123)),
        ("arithmetic".to_owned(), Fact::Integer(1)),
        ("artifact.photos.content".to_owned(), text("h1:aaaa")),
        ("model.layers".to_owned(), Fact::Integer(154)),
        ("model.parameters".to_owned(), Fact::Integer(416_613)),
        ("initial.parameters".to_owned(), text("aaaa")),
        ("initial.val_accuracy".to_owned(), Fact::Figure(0.3857)),
        ("initial.val_loss".to_owned(), Fact::Figure(0.9126)),
        ("features.first_validation_batch".to_owned(), text("aaaa")),
        ("final.val_loss".to_owned(), Fact::Figure(0.0403)),
        ("final.val_accuracy".to_owned(), Fact::Figure(0.9802)),
        ("test.accuracy".to_owned(), Fact::Figure(0.9792)),
        ("test.loss".to_owned(), Fact::Figure(0.0559)),
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
        facts.push((format!("{place}.accuracy"), Fact::Figure(0.9)));
        facts.push((format!("{place}.val_loss"), Fact::Figure(0.21)));
        facts.push((format!("{place}.val_accuracy"), Fact::Figure(0.95)));
    }
    for (phase, trained) in [(0, 1281), (1, 1_862_721)] {
        let place = format!("phase.{phase}");
        facts.push((
            format!("{place}.trainable_parameters"),
            Fact::Integer(trained),
        ));
        facts.push((format!("{place}.trainable_variables"), Fact::Integer(2)));
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
            ..Check::default()
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
        assert_eq!(comparison.rows.len(), 18);
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
            "the training seed is 7, was 123: another seed trains another model",
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
        assert_eq!(comparison.rows.len(), 18);
        assert_eq!(comparison.published.len(), published.len());
    }
}
