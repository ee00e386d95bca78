//! The verdict first: in words, why, and the figures.

use maud::{Markup, html};

use super::Report;
use crate::golden::cause::Change;
use crate::golden::compare::{Comparison, Row, Standing, Verdict};
use crate::report::terminal::Colour;
use crate::report::terminal::numbers::{difference, figure};
use crate::report::terminal::verdict::{NAMES_LISTED, colour, of_published, sentence};

/// Decimals of figures.
pub(super) const DECIMALS: usize = 6;

pub(super) fn section(report: &Report<'_>) -> Markup {
    let comparison = report.comparison;
    let sides = ["golden", "this run"];
    let is_short = |row: &&Row| row.address.parts().next() != Some("phase") || row.fails();
    let short: Vec<&Row> = comparison.rows.iter().filter(is_short).collect();
    let all: Vec<&Row> = comparison.rows.iter().collect();
    html! {
        div class={ "verdict " (class(colour(comparison.verdict))) } {
            p {
                strong { (mark(comparison.verdict)) " " (comparison.verdict.words()) }
                @for mark in report.marks { " [" (mark) "]" }
                (sentence(comparison))
            }
            (why(comparison))
        }
        section {
            h2 { "Figures" }
            (figures(&short, sides))
            details {
                summary { "All " (all.len()) " figures, epoch by epoch" }
                (figures(&all, sides))
            }
            @if !comparison.published.is_empty() {
                h3 { "What is published" }
                (figures(&comparison.published.iter().collect::<Vec<_>>(), ["published", "this run"]))
                @for source in of_published(&comparison.published) {
                    p.faint { "published by: " (source) }
                }
            }
        }
    }
}

/// What a colour-blind reader has instead of the colour.
const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Identical => "=",
        Verdict::WithinTolerance | Verdict::NoWorse => "≈",
        Verdict::Differs => "≠",
        Verdict::NoGolden { .. } => "–",
    }
}

const fn class(colour: Colour) -> &'static str {
    match colour {
        Colour::Good => "good",
        Colour::Notable => "notable",
        Colour::Bad => "bad",
        Colour::None | Colour::Faint => "faint",
    }
}

/// The first difference, and what else may have to do with it.
fn why(comparison: &Comparison) -> Markup {
    html! {
        @if let Some(parting) = &comparison.parting {
            p { "They part first at: " (parting.place.words()) " (" code { (parting.address) } ")" }
        }
        @if let Some(tensor) = &comparison.first_tensor {
            p { "The first tensor that differs there: " code { (tensor) } }
        }
        (changes("Recipe", &comparison.recipe))
        @for content in &comparison.contents {
            p { "Content of " (content.role) ": " (content.counts()) }
            ul {
                @for (what, names) in
                    [("added", &content.added), ("removed", &content.removed), ("changed", &content.changed)] {
                    @for name in names.iter().take(NAMES_LISTED) { li { (what) " " code { (name) } } }
                    @if names.len() > NAMES_LISTED { li { "… and " (names.len() - NAMES_LISTED) " more " (what) } }
                }
            }
        }
        @if comparison.parting.is_some() { (changes("Environment", &comparison.environment)) }
        @for also in comparison.reasons.iter().skip(1) { p { "Also: " (also) } }
        @for note in &comparison.notes { p { "Note: " (note) } }
    }
}

fn changes(what: &str, changes: &[Change]) -> Markup {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    html! {
        @if !changes.is_empty() {
            p { (what) ":" }
            ul {
                @for change in changes {
                    li { code { (change.key) } ": " (value(&change.was)) " → " (value(&change.is)) }
                }
            }
        }
    }
}

fn figures(rows: &[&Row], sides: [&str; 2]) -> Markup {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| figure(value, DECIMALS));
    let [before, now] = sides;
    let headings = [
        ("figure", false),
        (before, true),
        (now, true),
        ("difference", true),
        ("tolerance", true),
        ("verdict", false),
    ];
    let rows = html! {
        @for row in rows {
            tr {
                td { code { (row.address) } }
                td.number { (number(row.expected)) }
                td.number { (number(row.now)) }
                td.number { (row.difference().map_or("-".to_owned(), |off| difference(off, DECIMALS))) }
                td.number { (row.hold.words().unwrap_or("-".to_owned())) }
                td class=(standing(row.standing)) { (row.standing.word()) }
            }
        }
    };
    super::framed(&headings, &rows)
}

const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Same => "good",
        Standing::Within => "notable",
        Standing::Differs | Standing::Missing => "bad",
        Standing::Shown | Standing::NotReached => "faint",
    }
}
