//! What `check`, `accept` and `diff` show: every figure, then where the two part, then the verdict.
//!
//! The verdict is the last line, where a terminal's reader looks and where `tail -1` finds it.

use std::fmt::Write as _;

use crate::golden::cause::Change;
use crate::golden::compare::{Comparison, Hold, PublishedOutcome, Row, Standing, Verdict};
use crate::golden::parting::Parting;

use super::gate;
use super::numbers::{counted, difference, figure};
use super::table::{Cell, Side, Table};
use super::{Colour, Style};

/// Decimals where there is room, and where there is not.
const DECIMALS: [usize; 2] = [6, 4];

/// Names of files or tensors that are listed of a kind.
pub const NAMES_LISTED: usize = 8;

/// The whole report on one recipe: where it differs, first why, in the order in which a person asks.
///
/// `marks` are added to the verdict, such as `unpinned weights`.
pub fn report(recipe: &str, comparison: &Comparison, marks: &[String], style: Style) -> String {
    let mut text = format!("{recipe}\n\n");
    text.push_str(&why(comparison));
    text.push_str(&figures(&comparison.rows, ["golden", "now"], style));
    if !comparison.published.is_empty() {
        text.push('\n');
        text.push_str(&published(&comparison.published, style));
    }
    text.push('\n');
    text.push_str(&gate::seeds(comparison, style));
    for also in comparison.reasons.iter().skip(1) {
        let _ = writeln!(text, "also: {also}");
    }
    for note in &comparison.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text.push_str(&verdict_line(recipe, comparison, marks, style));
    text
}

/// Why two records differ, and what to look at next; empty where they do not.
pub(super) fn why(comparison: &Comparison) -> String {
    let (Some(sentence), Some(parting)) = (comparison.why(), &comparison.parting) else {
        return String::new();
    };
    let mut text = format!("why: {sentence}\n");
    text.push_str(&first_parting(parting));
    if let Some(tensor) = &comparison.first_tensor {
        let _ = writeln!(text, "first tensor that differs there: {tensor}");
    }
    text.push_str(&changes_of("recipe", &comparison.recipe));
    for content in &comparison.contents {
        let _ = writeln!(text, "content of {}:", content.role);
        for (what, names) in [
            ("added", &content.added),
            ("removed", &content.removed),
            ("changed", &content.changed),
        ] {
            text.push_str(&listed(what, names));
        }
    }
    text.push_str(&changes_of("environment", &comparison.environment));
    text.push('\n');
    text
}

/// Names of a kind, the first few of many.
fn listed(what: &str, names: &[String]) -> String {
    let mut text = String::new();
    for name in names.iter().take(NAMES_LISTED) {
        let _ = writeln!(text, "  {what:<7}  {name}");
    }
    if names.len() > NAMES_LISTED {
        let _ = writeln!(
            text,
            "  {what:<7}  … and {} more",
            names.len() - NAMES_LISTED
        );
    }
    text
}

/// What changed, a line each: `  phase.0.epochs  2 → 3`.
fn changes_of(what: &str, changes: &[Change]) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let mut text = format!("{what}:\n");
    let width = changes.iter().map(|change| change.key.len()).max();
    let width = width.unwrap_or_default();
    for Change { key, was, is } in changes {
        let value = |value: &Option<String>| value.clone().unwrap_or("-".to_owned());
        let _ = writeln!(text, "  {key:<width$}  {} → {}", value(was), value(is));
    }
    text
}

/// The rows as a table; `headings` name the two sides.
pub fn figures(rows: &[Row], headings: [&str; 2], style: Style) -> String {
    fitting(style, |decimals| {
        let mut table = Table::new(&[
            ("figure", Side::Left),
            (headings[0], Side::Right),
            (headings[1], Side::Right),
            ("difference", Side::Right),
            ("tolerance", Side::Right),
            ("verdict", Side::Left),
        ]);
        for row in rows {
            table.row(cells(row, decimals));
        }
        table
    })
}

/// Published figures as a table, and who claims them.
fn published(rows: &[Row], style: Style) -> String {
    let mut text = figures(rows, ["published", "now"], style);
    for source in of_published(rows) {
        let _ = writeln!(text, "published by: {source}");
    }
    text
}

/// Who claims published figures, each once.
pub fn of_published(rows: &[Row]) -> Vec<&str> {
    let mut sources: Vec<&str> = Vec::new();
    for source in rows.iter().filter_map(|row| row.source.as_deref()) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    sources
}

/// The table with as many decimals as the width allows.
fn fitting(style: Style, table: impl Fn(usize) -> Table) -> String {
    let [wide, narrow] = DECIMALS.map(table);
    let fits = wide.width() <= style.width;
    if fits { wide } else { narrow }.render(style)
}

fn cells(row: &Row, decimals: usize) -> Vec<Cell> {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| figure(value, decimals));
    let off = row
        .difference()
        .map_or("-".to_owned(), |off| difference(off, decimals));
    let tolerance = row.hold.words().unwrap_or("-".to_owned());
    let colour = match row.standing {
        Standing::Same => Colour::Good,
        Standing::Within => Colour::Notable,
        Standing::Differs | Standing::Missing => Colour::Bad,
        Standing::Shown | Standing::NotReached => Colour::Faint,
    };
    vec![
        row.address.as_str().into(),
        number(row.expected).into(),
        number(row.now).into(),
        off.into(),
        tolerance.into(),
        Cell::painted(row.standing.word(), colour),
    ]
}

fn first_parting(parting: &Parting) -> String {
    format!(
        "first parting: {} (`{}`)\n",
        parting.place.words(),
        parting.address
    )
}

/// The one line that says it all: `tutorial: differs: the training seed is …`.
pub fn verdict_line(
    recipe: &str,
    comparison: &Comparison,
    marks: &[String],
    style: Style,
) -> String {
    let verdict = comparison.verdict;
    let words = style.paint(verdict.words(), colour(verdict));
    let marks = match marks {
        [] => String::new(),
        marks => format!(" [{}]", marks.join(", ")),
    };
    format!("{recipe}: {words}{marks}{}\n", sentence(comparison))
}

/// What follows the verdict's words.
pub fn sentence(comparison: &Comparison) -> String {
    let first_reason = comparison
        .reasons
        .first()
        .map(String::as_str)
        .unwrap_or_default();
    let judged = judged(&comparison.published);
    match comparison.verdict {
        Verdict::Identical => {
            let facts = counted(comparison.facts as u64, "fact");
            let rows = counted(comparison.rows.len() as u64, "figure");
            format!(
                " ({facts}, {rows} among them, the same bits{})",
                and_published(judged)
            )
        }
        Verdict::WithinTolerance | Verdict::NoWorse => format!(
            " ({} of {} the same bits{})",
            comparison.facts_same,
            counted(comparison.facts as u64, "fact"),
            and_published(judged)
        ),
        Verdict::Differs => format!(": {first_reason}"),
        Verdict::NoGolden { published } => match published {
            PublishedOutcome::None => {
                ", and no published figure with a tolerance to hold it to".to_owned()
            }
            PublishedOutcome::Held => match judged {
                1 => ", but the published figure holds".to_owned(),
                many => format!(", but the {many} published figures hold"),
            },
            PublishedOutcome::Failed => {
                format!(", and published figures do not hold: {first_reason}")
            }
        },
    }
}

fn judged(published: &[Row]) -> usize {
    published
        .iter()
        .filter(|row| row.hold != Hold::Shown)
        .count()
}

fn and_published(judged: usize) -> String {
    match judged {
        0 => String::new(),
        1 => "; the published figure holds".to_owned(),
        many => format!("; the {many} published figures hold"),
    }
}

/// The colour that repeats a verdict.
pub const fn colour(verdict: Verdict) -> Colour {
    match verdict {
        Verdict::Identical
        | Verdict::NoGolden {
            published: PublishedOutcome::Held,
        } => Colour::Good,
        Verdict::WithinTolerance
        | Verdict::NoWorse
        | Verdict::NoGolden {
            published: PublishedOutcome::None,
        } => Colour::Notable,
        Verdict::Differs
        | Verdict::NoGolden {
            published: PublishedOutcome::Failed,
        } => Colour::Bad,
    }
}

/// What `diff` shows: why B is not A, the figures of both, and whether they are the same.
pub fn diff(left: &str, right: &str, comparison: &Comparison, style: Style) -> String {
    let mut text = format!("A = {left}\nB = {right}\n\n");
    text.push_str(&why(comparison));
    text.push_str(&figures(&comparison.rows, ["A", "B"], style));
    text.push('\n');
    if comparison.parting.is_none() {
        let facts = counted(comparison.facts as u64, "fact");
        let _ = writeln!(text, "{} ({facts})", style.paint("identical", Colour::Good));
        return text;
    }
    let _ = writeln!(
        text,
        "{}: {} of {} the same",
        style.paint("differs", Colour::Bad),
        comparison.facts_same,
        counted(comparison.facts as u64, "fact")
    );
    text
}

/// What `accept` changes in a golden: the figures that move and the number of other facts.
pub fn changes(comparison: &Comparison, style: Style) -> String {
    let moved: Vec<Row> = comparison
        .rows
        .iter()
        .filter(|row| row.standing != Standing::Same)
        .cloned()
        .collect();
    let mut text = why(comparison);
    if !moved.is_empty() {
        text.push_str(&figures(&moved, ["golden", "accepted"], style));
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{} of {} change",
        comparison.facts - comparison.facts_same,
        counted(comparison.facts as u64, "fact")
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::compare::compare;
    use crate::golden::compare::tests::{NO_LOWER, WITHIN, recipe, record, with};
    use crate::record::Fact;

    const AT_80: Style = Style {
        width: 80,
        colour: false,
    };

    /// The reports of a comparison at 80 and 120 columns.
    fn both(comparison: &Comparison, marks: &[String]) -> String {
        let narrow = report("small", comparison, marks, AT_80);
        let table = narrow
            .split("\n\n")
            .find(|part| part.starts_with("figure"))
            .unwrap();
        let table_fits = table.lines().all(|line| line.len() <= 80);
        assert!(table_fits, "{narrow}");
        format!(
            "{narrow}\n=== 120 ===\n{}",
            report("small", comparison, marks, Style::PLAIN)
        )
    }

    #[test]
    fn identical() {
        let comparison = compare(&record(), Some(&record()), &recipe(&[], &[]));
        insta::assert_snapshot!(both(&comparison, &[]));
    }

    #[test]
    fn differs_in_training() {
        let now = with(&[
            ("phase.0.epoch.1.parameters", Fact::Text("ffff".to_owned())),
            ("phase.1.epoch.0.loss", Fact::Figure(0.420_000_000_000_1)),
            ("test.accuracy", Fact::Figure(0.953_125)),
        ]);
        let published = [("test.accuracy", 0.979_166_686_5, Some(WITHIN))];
        let comparison = compare(&now, Some(&record()), &recipe(&[], &published));
        insta::assert_snapshot!(both(&comparison, &["unpinned weights".to_owned()]));
    }

    #[test]
    fn within_tolerance() {
        let now = with(&[
            ("phase.0.epoch.1.parameters", Fact::Text("ffff".to_owned())),
            ("final.val_accuracy", Fact::Figure(0.99)),
            ("final.val_loss", Fact::Figure(0.07)),
        ]);
        let recipe = recipe(&[("final.val_accuracy", NO_LOWER)], &[]);
        let comparison = compare(&now, Some(&record()), &recipe);
        insta::assert_snapshot!(both(&comparison, &[]));
    }

    #[test]
    fn no_golden() {
        let held = ("test.accuracy", 0.98, Some(WITHIN));
        let failed = ("final.val_loss", 0.5, Some(WITHIN));
        let shown = ("phase.0.epoch.0.loss", 9.0, None);
        let lines: Vec<String> = [&[][..], &[held, shown], &[held, failed]]
            .iter()
            .map(|published| compare(&record(), None, &recipe(&[], published)))
            .map(|comparison| verdict_line("small", &comparison, &[], AT_80))
            .collect();
        insta::assert_snapshot!(lines.concat());
        let beyond = ("phase.1.epoch.3.val_loss", 0.04, Some(WITHIN));
        let published = [held, failed, shown, beyond];
        let comparison = compare(&record(), None, &recipe(&[], &published));
        insta::assert_snapshot!(
            "no_golden_in_full",
            report("small", &comparison, &[], AT_80)
        );
    }

    #[test]
    fn diff_and_changes() {
        let now = with(&[
            ("test.accuracy", Fact::Figure(0.953_125)),
            ("seed", Fact::Integer(7)),
        ]);
        let comparison = crate::golden::compare::exactly(&record(), &now);
        let same = crate::golden::compare::exactly(&now, &now);
        insta::assert_snapshot!(format!(
            "{}=====\n{}=====\n{}",
            diff("one", "two", &comparison, AT_80),
            changes(&comparison, AT_80),
            diff("two", "two", &same, AT_80)
        ));
    }

    #[test]
    fn colour_only_repeats_words() {
        let comparison = compare(
            &record(),
            Some(&with(&[("seed", Fact::Integer(7))])),
            &recipe(&[], &[]),
        );
        let coloured = Style {
            width: 80,
            colour: true,
        };
        let mut stripped = report("small", &comparison, &[], coloured);
        for code in ["\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[2m", "\x1b[0m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, report("small", &comparison, &[], AT_80));
    }
}
