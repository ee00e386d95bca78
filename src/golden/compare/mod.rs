//! How a record is held: Record × Golden × the recipe's tolerances × its published figures → verdict.
//!
//! Without tolerances every fact must be the same bits. With any, the figures that have one decide and
//! the rest is shown; but recipe, artifacts, splits, pixels and the training seed must always be equal,
//! since otherwise the two runs are not about the same thing. Published figures that have a tolerance
//! must hold as well. Every figure gets a row, not only the first that differs.

mod row;
mod seeds;
#[cfg(test)]
pub(crate) mod tests;

pub use row::{Hold, Row, Standing, tolerance_words};

use std::collections::BTreeSet;

use crate::recipe::{Recipe, Tolerance};
use crate::record::{Address, Fact, Record};

use super::cause::{self, Change, ContentChange};
use super::gate::{Outcome, Power};
use super::parting::{self, Parting, Place};
use super::text::float;

/// What `check` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every fact is the same, bit for bit.
    Identical,
    /// Figures moved, but each one that decides is within its tolerance.
    WithinTolerance,
    /// Figures moved, but new seeds are no worse than the golden's.
    NoWorse,
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
            Self::NoWorse => "no worse",
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
    /// What does not decide, but should be known; sentences as in `reasons`.
    pub notes: Vec<String>,
    /// Where record and golden part first.
    pub parting: Option<Parting>,
    /// What differs in the recipe.
    pub recipe: Vec<Change>,
    /// What differs in artifacts of which it is known: see [`Comparison::explain_content`].
    pub contents: Vec<ContentChange>,
    /// The first tensor that differs where parameters part, if that is known.
    pub first_tensor: Option<String>,
    /// What differs in the environment.
    pub environment: Vec<Change>,
    /// What the gate can see with the seeds that the golden holds; empty where there is no golden.
    pub power: Vec<Power>,
    /// What the gate made of new seeds, where it was asked.
    pub gate: Option<Outcome>,
    /// True if recipe, artifacts, splits, pixels and seed are the golden's, so that figures can be held at all.
    pub is_same_task: bool,
    /// Number of facts that are the same in both.
    pub facts_same: usize,
    /// Number of facts that either has.
    pub facts: usize,
}

impl Comparison {
    /// Of a record that there is nothing to compare with.
    fn of_nothing(verdict: Verdict, now: &Record) -> Self {
        Self {
            verdict,
            reasons: Vec::new(),
            rows: Vec::new(),
            published: Vec::new(),
            notes: Vec::new(),
            parting: None,
            recipe: Vec::new(),
            contents: Vec::new(),
            first_tensor: None,
            environment: Vec::new(),
            power: Vec::new(),
            gate: None,
            is_same_task: false,
            facts_same: 0,
            facts: now.facts.len(),
        }
    }

    /// Why the two differ, in a sentence; none where they do not.
    pub fn why(&self) -> Option<&str> {
        let parting = self.parting.as_ref()?;
        Some(self.reasons.first().unwrap_or(&parting.sentence))
    }

    /// Adds what differs in artifacts, which manifests say that no record holds, and says it where it is why.
    pub fn explain_content(&mut self, contents: Vec<ContentChange>, now: &Record) {
        for content in &contents {
            let Some(parting) = &mut self.parting else {
                continue;
            };
            if parting.place != Place::Artifact(content.role.clone()) {
                continue;
            }
            let sentence = format!("{} changed: {}", content.subject(now), content.counts());
            let old = std::mem::replace(&mut parting.sentence, sentence.clone());
            for reason in self.reasons.iter_mut().filter(|reason| **reason == old) {
                reason.clone_from(&sentence);
            }
        }
        self.contents = contents;
    }
}

/// Holds a record to its golden and to what the recipe says.
pub fn compare(now: &Record, golden: Option<&Record>, recipe: &Recipe) -> Comparison {
    let reached = recipe.figures();
    let published: Vec<Row> = recipe
        .published
        .iter()
        .map(|claim| {
            if reached.contains(&claim.figure) {
                Row::published(claim, now.figure(&Address::new(claim.figure.clone())))
            } else {
                Row::not_reached(claim)
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
        rows,
        ..Comparison::of_nothing(Verdict::NoGolden { published }, now)
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
    let parting = differing
        .first()
        .map(|first| parting::at(first, golden, now));
    let failed: Vec<&Row> = rows.iter().filter(|row| row.fails()).collect();
    let is_exact = tolerances.is_empty();
    if is_exact && reasons.is_empty() {
        reasons.extend(parting.iter().map(|parting| parting.sentence.clone()));
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
    let mut notes = Vec::new();
    // It is first in the order of a run.
    if let Some(Parting {
        place: Place::Arithmetic,
        sentence,
        ..
    }) = &parting
    {
        // Who reads why figures moved should know this before anything else.
        if verdict == Verdict::Differs {
            reasons.retain(|reason| reason != sentence);
            reasons.insert(0, sentence.clone());
        } else {
            notes.push(sentence.clone());
        }
    }
    let mut places = differing.iter().map(Place::of);
    Comparison {
        is_same_task: !places.any(|place| place.is_always_equal()),
        reasons,
        notes,
        recipe: cause::recipe(golden, now),
        environment: cause::environment(golden, now),
        parting,
        facts_same: facts - differing.len(),
        facts,
        rows,
        ..Comparison::of_nothing(verdict, now)
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
            Row::new(address, golden.figure(address), now.figure(address), hold)
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
