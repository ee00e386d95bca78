//! Addresses of figures: which ones a recipe has, and what is wrong with one that it has not.
//!
//! `initial.val_<metric>`, `phase.<p>.epoch.<e>.<metric>`, `phase.<p>.epoch.<e>.val_<metric>`,
//! `final.val_<metric>`, `test.<metric>`; phases and epochs are counted from 0, epochs within their phase.

use super::Recipe;
use super::syntax::nearest;

/// Every metric that any recipe can measure, as addresses name it.
pub const ALL_METRICS: [&str; 2] = ["loss", "accuracy"];

const GRAMMAR: &str = "addresses are `initial.val_<metric>`, `phase.<p>.epoch.<e>.<metric>`, \
     `phase.<p>.epoch.<e>.val_<metric>`, `final.val_<metric>` and `test.<metric>`";

/// A part of an address.
#[derive(Clone, Copy)]
enum Slot {
    Word(&'static str),
    Phase,
    Epoch,
    Metric,
    ValidationMetric,
}

const FORMS: [&[Slot]; 5] = [
    &[Slot::Word("initial"), Slot::ValidationMetric],
    &[
        Slot::Word("phase"),
        Slot::Phase,
        Slot::Word("epoch"),
        Slot::Epoch,
        Slot::Metric,
    ],
    &[
        Slot::Word("phase"),
        Slot::Phase,
        Slot::Word("epoch"),
        Slot::Epoch,
        Slot::ValidationMetric,
    ],
    &[Slot::Word("final"), Slot::ValidationMetric],
    &[Slot::Word("test"), Slot::Metric],
];

/// What a recipe measures, as far as addresses go.
pub(super) struct Measured {
    /// Epochs per phase; `None` where the recipe says it wrong.
    pub(super) epochs: Vec<Option<u32>>,
    /// The metrics' words.
    pub(super) metrics: Vec<&'static str>,
}

/// What is wrong with an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// No recipe has such a figure; holds what to write.
    Address(String),
    /// This recipe has no such figure.
    NotMeasured {
        /// What it has.
        why: String,
        /// What to do about it.
        help: String,
    },
}

impl Measured {
    /// Checks one address.
    pub(super) fn address(&self, address: &str) -> Result<(), Wrong> {
        self.check(address, false)
    }

    /// Checks a pattern, in which a part `*` matches any one part: it must match a figure.
    pub(super) fn pattern(&self, pattern: &str) -> Result<(), Wrong> {
        self.check(pattern, true)
    }

    fn check(&self, address: &str, stars: bool) -> Result<(), Wrong> {
        let parts: Vec<&str> = address.split('.').collect();
        let mut wrong = None;
        for form in FORMS.iter().filter(|form| form.len() == parts.len()) {
            match self.fits(form, &parts, stars) {
                None => return Ok(()),
                Some(Wrong::Address(_)) => {}
                Some(not_measured) => wrong = Some(not_measured),
            }
        }
        Err(wrong.unwrap_or_else(|| Wrong::Address(suggestion(&parts))))
    }

    /// What keeps the parts from being an address of this form.
    fn fits(&self, form: &[Slot], parts: &[&str], stars: bool) -> Option<Wrong> {
        let mut phase = None;
        let mut not_measured = None;
        for (slot, part) in form.iter().zip(parts) {
            if stars && *part == "*" {
                continue;
            }
            let wrong = match slot {
                Slot::Word(word) if part == word => None,
                Slot::Word(_) => Some(Wrong::Address(String::new())),
                Slot::Phase => {
                    phase = number(part);
                    self.phase(part)
                }
                Slot::Epoch => self.epoch(phase, part),
                Slot::Metric => self.metric(part),
                Slot::ValidationMetric => match part.strip_prefix("val_") {
                    Some(metric) => self.metric(metric),
                    None => Some(Wrong::Address(String::new())),
                },
            };
            match wrong {
                None => {}
                Some(Wrong::Address(_)) => return wrong,
                Some(Wrong::NotMeasured { .. }) => not_measured = not_measured.or(wrong),
            }
        }
        not_measured
    }

    fn phase(&self, part: &str) -> Option<Wrong> {
        let Some(phase) = number(part) else {
            return Some(Wrong::Address(String::new()));
        };
        // A recipe without phases has been told so.
        let last = self.epochs.len().checked_sub(1)?;
        (phase as usize > last).then(|| Wrong::NotMeasured {
            why: match last {
                0 => "the recipe has one phase, number 0".to_owned(),
                _ => format!("the recipe has {} phases, 0 to {last}", last + 1),
            },
            help: "phases are counted from 0".to_owned(),
        })
    }

    fn epoch(&self, phase: Option<u32>, part: &str) -> Option<Wrong> {
        let Some(epoch) = number(part) else {
            return Some(Wrong::Address(String::new()));
        };
        let longest = || self.epochs.iter().flatten().max().copied();
        let known = match phase {
            Some(phase) => self.epochs.get(phase as usize).copied().flatten(),
            None => longest(),
        };
        let epochs = known?;
        (epoch >= epochs).then(|| {
            let of = match phase {
                Some(phase) => format!("phase {phase}"),
                None => "the longest phase".to_owned(),
            };
            let why = match epochs {
                1 => format!("{of} has one epoch, number 0"),
                _ => format!("{of} has {epochs} epochs, 0 to {}", epochs - 1),
            };
            let help = "epochs are counted from 0 within their phase".to_owned();
            Wrong::NotMeasured { why, help }
        })
    }

    fn metric(&self, metric: &str) -> Option<Wrong> {
        if !ALL_METRICS.contains(&metric) {
            return Some(Wrong::Address(String::new()));
        }
        let measured = self.metrics.contains(&metric);
        (!measured).then(|| Wrong::NotMeasured {
            why: format!("the recipe does not measure {metric}"),
            help: format!("add \"{metric}\" to `metrics` in `[evaluate]`"),
        })
    }
}

/// A number as addresses write it, without leading zeros.
fn number(part: &str) -> Option<u32> {
    let number: u32 = part.parse().ok()?;
    (number.to_string() == part).then_some(number)
}

/// The parts, with a metric that was cut short written out: `val_acc` is nearer to `val_loss` by its letters.
fn whole_words(parts: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = parts.iter().map(|&part| part.to_owned()).collect();
    if let Some(last) = words.last_mut() {
        let prefix = if last.starts_with("val_") { "val_" } else { "" };
        let short = &last[prefix.len()..];
        let meant: Vec<_> = ALL_METRICS
            .iter()
            .filter(|metric| metric.starts_with(short))
            .collect();
        if let [metric] = meant[..] {
            *last = format!("{prefix}{metric}");
        }
    }
    words
}

fn suggestion(parts: &[&str]) -> String {
    let mut candidates = Vec::new();
    for metric in ALL_METRICS {
        candidates.push(format!("initial.val_{metric}"));
        candidates.push(format!("final.val_{metric}"));
        candidates.push(format!("test.{metric}"));
        // The numbers that were written, so that only words count as slips.
        let or_star = |at: usize| parts.get(at).copied().unwrap_or("*");
        let epoch = format!("phase.{}.epoch.{}", or_star(1), or_star(3));
        candidates.push(format!("{epoch}.{metric}"));
        candidates.push(format!("{epoch}.val_{metric}"));
    }
    let written = whole_words(parts).join(".");
    match nearest(&written, candidates.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => GRAMMAR.to_owned(),
    }
}

impl Recipe {
    /// The addresses of all figures of a whole run, in its order.
    pub fn figures(&self) -> Vec<String> {
        let metrics: Vec<&str> = self.metrics.iter().map(|metric| metric.word()).collect();
        let mut figures = Vec::new();
        figures.extend(metrics.iter().map(|metric| format!("initial.val_{metric}")));
        for (number, phase) in self.phases.iter().enumerate() {
            for epoch in 0..phase.epochs {
                for prefix in ["", "val_"] {
                    let address =
                        |metric: &&str| format!("phase.{number}.epoch.{epoch}.{prefix}{metric}");
                    figures.extend(metrics.iter().map(address));
                }
            }
        }
        figures.extend(metrics.iter().map(|metric| format!("final.val_{metric}")));
        figures.extend(metrics.iter().map(|metric| format!("test.{metric}")));
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tutorial() -> Measured {
        Measured {
            epochs: vec![Some(10), Some(11)],
            metrics: vec!["loss", "accuracy"],
        }
    }

    #[test]
    fn figures_have_addresses() {
        let tutorial = tutorial();
        for good in [
            "initial.val_loss",
            "phase.0.epoch.9.accuracy",
            "phase.1.epoch.10.val_accuracy",
            "final.val_loss",
            "test.accuracy",
        ] {
            assert_eq!(tutorial.address(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn a_slip_is_met_with_what_was_meant() {
        let meant = |near: &str| Err(Wrong::Address(format!("did you mean `{near}`?")));
        let tutorial = tutorial();
        assert_eq!(tutorial.address("initial.loss"), meant("initial.val_loss"));
        assert_eq!(tutorial.address("test.acuracy"), meant("test.accuracy"));
        assert_eq!(tutorial.address("test.acc"), meant("test.accuracy"));
        assert_eq!(
            tutorial.address("final.val_acc"),
            meant("final.val_accuracy")
        );
        assert_eq!(tutorial.address("final.acc"), meant("final.val_accuracy"));
        assert_eq!(
            tutorial.address("phase.1.epoch.3.valaccuracy"),
            meant("phase.1.epoch.3.val_accuracy")
        );
        let grammar = Err(Wrong::Address(GRAMMAR.to_owned()));
        assert_eq!(tutorial.address("speed"), grammar);
        let starred = tutorial.address("test.*");
        assert!(
            matches!(starred, Err(Wrong::Address(_))),
            "a pattern is no address"
        );
    }

    #[test]
    fn what_is_not_measured_says_why() {
        let why = |checked: Result<(), Wrong>| match checked {
            Err(Wrong::NotMeasured { why, .. }) => why,
            other => panic!("{other:?}"),
        };
        let mut tutorial = tutorial();
        assert_eq!(
            why(tutorial.address("phase.2.epoch.0.loss")),
            "the recipe has 2 phases, 0 to 1"
        );
        assert_eq!(
            why(tutorial.address("phase.1.epoch.20.loss")),
            "phase 1 has 11 epochs, 0 to 10"
        );
        assert_eq!(
            why(tutorial.pattern("phase.*.epoch.11.loss")),
            "the longest phase has 11 epochs, 0 to 10"
        );
        tutorial.metrics = vec!["loss"];
        assert_eq!(
            why(tutorial.address("test.accuracy")),
            "the recipe does not measure accuracy"
        );
    }

    #[test]
    fn patterns_match_one_part_a_star() {
        let tutorial = tutorial();
        for good in [
            "phase.*.epoch.*.val_accuracy",
            "*.val_loss",
            "test.*",
            "*.*.*.*.*",
            "*.*",
        ] {
            assert_eq!(tutorial.pattern(good), Ok(()), "{good}");
        }
        for bad in [
            "phase.*.val_loss",
            "*",
            "",
            "test.val_*",
            "phase.00.epoch.*.loss",
        ] {
            assert!(tutorial.pattern(bad).is_err(), "{bad}");
        }
    }
}
