//! A run as one page of HTML: no outside reference and no script, so that it can be sent, printed and kept.
//!
//! Every name and label goes through [`maud`], which escapes it. Colours are told apart by the colour-blind (Okabe
//! and Ito 2008) and repeat what a word, a mark or a dash says.

mod chart;
mod curves;
mod details;
mod pictures;
pub mod several;
mod verdict;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::golden::compare::Comparison;
use crate::record::exhibits::{Exhibits, ShownPhase};
use crate::record::{MadeValue, Record, made};

const STYLE: &str = include_str!("style.css");

/// What a report is about.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Name of the recipe.
    pub recipe: &'a str,
    /// The run's id.
    pub id: &'a str,
    /// What it measured.
    pub record: &'a Record,
    /// What it shows beside that; none of a run that kept nothing.
    pub exhibits: Option<&'a Exhibits>,
    /// The run beside its golden.
    pub comparison: &'a Comparison,
    /// What is added to the verdict, such as `unpinned weights`.
    pub marks: &'a [String],
    /// The golden that the run was held to.
    pub golden: Option<&'a Record>,
}

impl Report<'_> {
    /// A phase, where the run kept what there is to know of it.
    fn phase(&self, number: usize) -> Option<&ShownPhase> {
        self.exhibits?.phases.get(number)
    }
}

/// The page.
pub fn page(report: &Report<'_>) -> String {
    let title = match report.exhibits {
        Some(exhibits) => exhibits.title.as_str(),
        None => report.recipe,
    };
    let body = html! {
        header {
            h1 { (title) }
            p.faint { (subtitle(report)) }
        }
        (verdict::section(report))
        (curves::section(report))
        @match report.exhibits {
            Some(exhibits) => (pictures::sections(exhibits)),
            None => p { "The run kept no pictures: it was made by an earlier goldrun." },
        }
        (details::sections(report))
        footer.faint {
            "To have the same bits: "
            code { "goldrun check " (report.recipe) }
        }
    };
    document(title, &body)
}

fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · goldrun" }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    };
    page.into_string()
}

fn subtitle(report: &Report<'_>) -> String {
    let date = made_text(report.record, made::DATE);
    let parts = [Some(report.recipe), Some(report.id), date];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    parts.join(" · ")
}

/// What the record says of where and how it was made, if that is a text.
fn made_text<'a>(record: &'a Record, key: &str) -> Option<&'a str> {
    match record.made.get(key) {
        Some(MadeValue::Text(text)) => Some(text),
        _ => None,
    }
}

/// A table of texts; `numbers` says which columns are numbers, and those that it does not name are words.
fn table(headings: &[&str], rows: &[Vec<String>], numbers: &[bool]) -> Markup {
    let is_number = |column: usize| numbers.get(column) == Some(&true);
    let headings = headings.iter().enumerate();
    let headings: Vec<(&str, bool)> = headings
        .map(|(column, heading)| (*heading, is_number(column)))
        .collect();
    let rows = html! {
        @for row in rows {
            tr {
                @for (column, cell) in row.iter().enumerate() {
                    td class=(class(is_number(column))) { (cell) }
                }
            }
        }
    };
    framed(&headings, &rows)
}

/// A table that scrolls by itself where the page is narrow: headings, each with whether its column is of numbers,
/// over rows.
fn framed(headings: &[(&str, bool)], rows: &Markup) -> Markup {
    html! {
        div.scroll tabindex="0" {
            table {
                thead {
                    tr {
                        @for (heading, is_number) in headings {
                            th scope="col" class=(class(*is_number)) { (heading) }
                        }
                    }
                }
                tbody { (rows) }
            }
        }
    }
}

const fn class(is_number: bool) -> &'static str {
    if is_number { "number" } else { "word" }
}
