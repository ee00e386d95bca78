//! The gate: figures of new seeds against those that a golden holds.
//!
//! A recipe's `[check.gate]` says which figures are judged, and how; [`statistics`] has the test.

pub mod statistics;

use statistics::{Judgement, Rule, Standing, judge, seen_drop};

use super::Seeds;
use crate::recipe::{Better, GatedFigure, Recipe};
use crate::record::{Address, Record};

/// Examples of a split that make the least change that matters, where a recipe does not say it.
const EXAMPLES_THAT_MATTER: f64 = 2.0;

/// A figure that is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Gated {
    /// Its address.
    pub address: Address,
    /// How it is judged.
    pub rule: Rule,
    /// What one example of its split is worth: 1/N.
    pub example: f64,
}

/// The figures of a recipe that are judged; `record` tells how many examples a split has.
///
/// The recipe's alpha is shared among them, so that the whole goes red no more often.
pub fn gated(recipe: &Recipe, record: &Record) -> Vec<Gated> {
    let gate = &recipe.check.gate;
    let of_test = || {
        let metrics = recipe.metrics.iter().map(|metric| GatedFigure {
            address: format!("test.{}", metric.word()),
            better: None,
            min_effect: None,
        });
        metrics.collect()
    };
    let figures: Vec<GatedFigure> = match gate.figures.as_slice() {
        [] => of_test(),
        figures => figures.to_vec(),
    };
    let alpha = gate.alpha / figures.len().max(1) as f64;
    figures
        .into_iter()
        .map(|figure| {
            let address = Address::new(figure.address);
            let example = 1.0 / examples(&address, record);
            let min_effect = figure.min_effect;
            Gated {
                rule: Rule {
                    alpha,
                    better: figure.better.unwrap_or_else(|| direction(&address)),
                    min_effect: min_effect.unwrap_or(EXAMPLES_THAT_MATTER * example),
                },
                address,
                example,
            }
        })
        .collect()
}

/// The direction of a metric: a loss is better lower, an accuracy higher.
fn direction(address: &Address) -> Better {
    let is_loss = address
        .parts()
        .last()
        .is_some_and(|metric| metric.ends_with("loss"));
    if is_loss {
        Better::Lower
    } else {
        Better::Higher
    }
}

/// How many examples a figure is a mean over; at least 1.
fn examples(address: &Address, record: &Record) -> f64 {
    let parts: Vec<&str> = address.parts().collect();
    let is_validation = parts
        .last()
        .is_some_and(|metric| metric.starts_with("val_"));
    let split = match parts.first() {
        Some(&"test") => "test",
        _ if is_validation => "validation",
        _ => "train",
    };
    let files = Address::new("split").join(split).join("files");
    record.integer(&files).unwrap_or(1).max(1) as f64
}

/// What the gate can see of a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Power {
    /// The figure.
    pub address: Address,
    /// Its direction.
    pub better: Better,
    /// Seeds that the golden holds.
    pub golden_seeds: usize,
    /// New seeds of the first stage.
    pub new_seeds: usize,
    /// The change for the worse that is seen in a share [`statistics::SHARE`] of cases; none where the golden
    /// holds too few seeds.
    pub seen: Option<f64>,
    /// True if all seeds of the golden gave the same.
    pub is_constant: bool,
    /// What one example of the split is worth.
    pub example: f64,
}

/// What the gate can see with `new_seeds` seeds.
pub fn power(gated: &[Gated], golden: &Seeds, new_seeds: usize) -> Vec<Power> {
    gated
        .iter()
        .map(|gated| {
            let values = golden.values(&gated.address).unwrap_or_default();
            let first = values.first().copied();
            Power {
                address: gated.address.clone(),
                better: gated.rule.better,
                golden_seeds: values.len(),
                new_seeds,
                seen: seen_drop(&gated.rule, &values, new_seeds),
                is_constant: values.iter().all(|value| Some(*value) == first),
                example: gated.example,
            }
        })
        .collect()
}

/// One figure and its judgement.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The figure and its rule.
    pub gated: Gated,
    /// What came of it.
    pub judgement: Judgement,
}

/// A new seed whose run failed: a loss or a parameter was not finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedSeed {
    /// The seed.
    pub seed: u64,
    /// What happened, in a sentence.
    pub why: String,
}

/// What the gate makes of new seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Each figure.
    pub figures: Vec<Judged>,
    /// The new seeds, failed ones among them.
    pub new_seeds: Vec<u64>,
    /// Those that failed.
    pub failed: Vec<FailedSeed>,
}

impl Outcome {
    /// Judges the figures of new seeds. One that failed counts as not finite in every figure.
    pub fn of(gated: &[Gated], golden: &Seeds, new: &Seeds, failed: &[FailedSeed]) -> Self {
        let figures = gated
            .iter()
            .map(|gated| {
                let before = golden.values(&gated.address).unwrap_or_default();
                let mut now = new.values(&gated.address).unwrap_or_default();
                now.extend(failed.iter().map(|_| f64::NAN));
                Judged {
                    judgement: judge(&gated.rule, &before, &now),
                    gated: gated.clone(),
                }
            })
            .collect();
        let mut new_seeds: Vec<u64> = new.runs.keys().copied().collect();
        new_seeds.extend(failed.iter().map(|failed| failed.seed));
        new_seeds.sort_unstable();
        Self {
            figures,
            new_seeds,
            failed: failed.to_vec(),
        }
    }

    /// The whole: the worst of any figure.
    pub fn standing(&self) -> Standing {
        let worst_first = [
            Standing::Worse,
            Standing::CannotTell,
            Standing::SuspiciouslyGood,
        ];
        let is_any = |standing: &Standing| {
            let mut figures = self.figures.iter();
            figures.any(|judged| judged.judgement.standing == *standing)
        };
        worst_first
            .into_iter()
            .find(is_any)
            .unwrap_or(Standing::NoWorse)
    }

    /// Figures that stand so.
    pub fn standing_so(&self, standing: Standing) -> impl Iterator<Item = &Judged> {
        let figures = self.figures.iter();
        figures.filter(move |judged| judged.judgement.standing == standing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::compare::tests::{recipe, record};

    fn seeds(first: u64, accuracies: &[f64]) -> Seeds {
        Seeds {
            figures: vec![Address::new("test.accuracy"), Address::new("test.loss")],
            runs: accuracies
                .iter()
                .zip(first..)
                .map(|(accuracy, seed)| (seed, vec![*accuracy, 1.0 - accuracy]))
                .collect(),
        }
    }

    fn outcome(now: &[f64], failed: &[FailedSeed]) -> Outcome {
        let gated = gated(&recipe(&[], &[]), &record());
        let golden = seeds(1, &[0.95, 0.951, 0.949, 0.952, 0.948]);
        Outcome::of(&gated, &golden, &seeds(6, now), failed)
    }

    #[test]
    fn test_figures_are_judged_by_their_metric_and_their_split() {
        let gated = gated(&recipe(&[], &[]), &record());
        let said: Vec<(&str, Better, f64)> = gated
            .iter()
            .map(|gated| (gated.address.as_str(), gated.rule.better, gated.rule.alpha))
            .collect();
        assert_eq!(
            said,
            [
                ("test.loss", Better::Lower, 0.005),
                ("test.accuracy", Better::Higher, 0.005)
            ]
        );
        let files = record().integer(&Address::new("split.test.files"));
        let files = files.unwrap() as f64;
        assert_eq!(gated[1].rule.min_effect, 2.0 / files);
    }

    #[test]
    fn a_recipe_says_what_is_judged() {
        let mut recipe = recipe(&[], &[]);
        recipe.check.gate.figures = vec![GatedFigure {
            address: "final.val_loss".to_owned(),
            better: Some(Better::Higher),
            min_effect: Some(0.5),
        }];
        let gated = gated(&recipe, &record());
        assert_eq!(gated.len(), 1);
        assert_eq!(gated[0].rule.alpha, 0.01);
        assert_eq!(gated[0].rule.better, Better::Higher);
        assert_eq!(gated[0].rule.min_effect, 0.5);
    }

    #[test]
    fn the_worst_of_any_figure_counts() {
        let gated = gated(&recipe(&[], &[]), &record());
        let least = gated[1].rule.min_effect;
        assert_eq!(outcome(&[0.95, 0.95], &[]).standing(), Standing::NoWorse);
        let far = least + 0.05;
        assert_eq!(
            outcome(&[0.95 - far, 0.95 - far], &[]).standing(),
            Standing::Worse
        );
        assert_eq!(
            outcome(&[0.95 + far, 0.95 + far], &[]).standing(),
            Standing::SuspiciouslyGood
        );
    }

    #[test]
    fn a_failed_seed_is_never_dropped() {
        let failed = FailedSeed {
            seed: 8,
            why: "a training loss is NaN".to_owned(),
        };
        let outcome = outcome(&[0.95, 0.95], &[failed]);
        assert_eq!(outcome.new_seeds, [6, 7, 8]);
        assert_eq!(outcome.standing(), Standing::Worse);
    }

    #[test]
    fn a_golden_of_one_seed_cannot_tell() {
        let gated = gated(&recipe(&[], &[]), &record());
        for golden in [Seeds::default(), seeds(1, &[0.95])] {
            let outcome = Outcome::of(&gated, &golden, &seeds(6, &[0.1, 0.2]), &[]);
            assert_eq!(outcome.standing(), Standing::CannotTell);
            assert!(
                power(&gated, &golden, 3)
                    .iter()
                    .all(|power| power.seen.is_none())
            );
        }
    }
}
