//! Any single thing that is off is seen and named; nothing else is.

use proptest::prelude::*;

use super::super::exit::Exit;
use crate::golden::compare::tests::{NO_LOWER, WITHIN, recipe, record};
use crate::golden::compare::{PublishedOutcome, Verdict, compare, exactly};
use crate::golden::{Seeds, text};
use crate::record::{Address, Fact, Record};
use crate::report::terminal::{Style, verdict};

/// A place in a record and one thing that is off there.
#[derive(Clone, Debug)]
enum Perturbation {
    /// A bit of a number, a letter of a text or of a line is another.
    Changed(usize),
    /// The fact is not there.
    Missing,
    /// A list has one more.
    Longer,
}

fn perturbation() -> impl Strategy<Value = (usize, Perturbation)> {
    let facts = record().facts.len();
    let what = prop_oneof![
        (0_usize..64).prop_map(Perturbation::Changed),
        Just(Perturbation::Missing),
        Just(Perturbation::Longer),
    ];
    (0..facts, what)
}

/// Flips a bit of the `which`-th number.
fn flip(figure: f64, which: usize) -> f64 {
    f64::from_bits(figure.to_bits() ^ (1 << which))
}

/// Changes one letter.
fn other(text: &str, which: usize) -> String {
    let at = which % text.len().max(1);
    let letters = text.char_indices();
    letters
        .map(|(place, letter)| if place == at { '#' } else { letter })
        .collect()
}

/// The record with a perturbation, and the address that is off.
fn perturbed((place, what): (usize, Perturbation)) -> (Record, Address) {
    let mut record = record();
    let address = record.facts.keys().nth(place).unwrap().clone();
    let fact = record.facts[&address].clone();
    let changed = match (what, fact) {
        (Perturbation::Missing, _) => {
            record.facts.remove(&address);
            return (record, address);
        }
        (Perturbation::Longer, Fact::Figures(mut figures)) => {
            figures.push(0.5);
            Fact::Figures(figures)
        }
        (Perturbation::Longer, Fact::Lines(mut lines)) => {
            lines.push("zzz = 1".to_owned());
            Fact::Lines(lines)
        }
        (Perturbation::Longer, Fact::Text(text)) => Fact::Text(text + "a"),
        (Perturbation::Longer, Fact::Integer(count)) => Fact::Integer(count + 1),
        (Perturbation::Longer, Fact::Figure(figure)) => Fact::Figure(flip(figure, 0)),
        (Perturbation::Changed(which), fact) => match fact {
            Fact::Integer(count) => Fact::Integer(count ^ (1 << which)),
            Fact::Figure(figure) => Fact::Figure(flip(figure, which)),
            Fact::Text(text) => Fact::Text(other(&text, which)),
            Fact::Figures(mut figures) => {
                let at = which % figures.len();
                figures[at] = flip(figures[at], which);
                Fact::Figures(figures)
            }
            Fact::Lines(mut lines) => {
                let at = which % lines.len();
                lines[at] = other(&lines[at], which);
                Fact::Lines(lines)
            }
        },
    };
    record.facts.insert(address.clone(), changed);
    (record, address)
}

proptest! {
    #[test]
    fn a_single_thing_that_is_off_differs_and_is_named(off in perturbation()) {
        let (now, address) = perturbed(off);
        let recipe = recipe(&[], &[]);
        let comparison = compare(&now, Some(&record()), &recipe);
        prop_assert_eq!(comparison.verdict, Verdict::Differs);
        prop_assert_eq!(&comparison.parting.as_ref().unwrap().address, &address);
        prop_assert!(!comparison.reasons.is_empty());
        let said = verdict::report("small", &comparison, &[], Style::PLAIN);
        prop_assert!(said.contains(&format!("(`{address}`)")), "{}", said);
        prop_assert!(said.lines().last().unwrap().starts_with("small: differs: "), "{}", said);
        // Also the other way round, as `diff` of the two in the other order.
        let back = exactly(&now, &record());
        prop_assert_eq!(back.parting.unwrap().address, address);
        prop_assert_eq!(back.facts_same, back.facts - 1);
    }

    #[test]
    fn a_record_is_identical_with_itself_also_through_a_golden(off in perturbation()) {
        let (now, _) = perturbed(off);
        let recipe = recipe(&[], &[]);
        let comparison = compare(&now, Some(&now), &recipe);
        prop_assert_eq!(comparison.verdict, Verdict::Identical);
        let written = text::write(&now, &Seeds::default());
        if let Ok((back, seeds)) = text::read(&written, "x") {
            prop_assert_eq!(compare(&now, Some(&back), &recipe).verdict, Verdict::Identical);
            prop_assert_eq!(text::write(&back, &seeds), written);
        }
    }

    #[test]
    fn what_passes_has_no_reason_against_it(
        off in proptest::collection::vec(perturbation(), 0..4),
        tolerances in 0_usize..3,
        published in any::<bool>(),
    ) {
        let mut now = record();
        for one in off {
            let (perturbed, address) = perturbed(one);
            match perturbed.facts.get(&address) {
                Some(fact) => now.facts.insert(address, fact.clone()),
                None => now.facts.remove(&address),
            };
        }
        let tolerances = &[("final.*", WITHIN), ("test.accuracy", NO_LOWER)][..tolerances];
        let published: &[_] = if published { &[("test.loss", 0.056, Some(WITHIN))] } else { &[] };
        let recipe = recipe(tolerances, published);
        for golden in [Some(&record()), None] {
            let comparison = compare(&now, golden, &recipe);
            let passes = match comparison.verdict {
                Verdict::Identical | Verdict::WithinTolerance | Verdict::NoWorse => true,
                Verdict::Differs => false,
                Verdict::NoGolden { published } => published != PublishedOutcome::Failed,
            };
            prop_assert_eq!(passes, comparison.reasons.is_empty(), "{:?}", comparison);
            let nothing_holds = Verdict::NoGolden { published: PublishedOutcome::None };
            let exit = match (passes, comparison.verdict == nothing_holds) {
                (true, true) => Exit::NoGolden,
                (true, false) => Exit::Good,
                (false, _) => Exit::Differs,
            };
            prop_assert_eq!(Exit::of_verdict(comparison.verdict), exit);
        }
    }
}
