//! What `selftest` shows: a line a fault, what sees it, and what figures could see.

use std::fmt::Write as _;

use crate::golden::gate::Power;

use super::gate::sights;
use super::table::{Cell, Side, Table};
use super::{Colour, Style};

/// A fault and what sees it.
pub struct Row<'a> {
    /// None for the run without one.
    pub fault: Option<&'a str>,
    /// Where the exact gate sees it first.
    pub place: &'a str,
    /// True if that is where it is.
    pub is_right: bool,
    /// What the gate makes of the figures alone.
    pub figures: &'a str,
    /// How far its figures are off, as a share of what the gate is sure to see; none where that is not known.
    pub share: Option<f64>,
    /// The figure that is farthest off.
    pub seen_by: Option<&'a str>,
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The whole report.
pub fn report(recipe: &str, rows: &[Row<'_>], power: &[Power], style: Style) -> String {
    let mut table = Table::new(&[
        ("planted", Side::Left),
        ("exact gate: first parting", Side::Left),
        ("right", Side::Left),
        ("figures alone", Side::Left),
        ("of what is seen", Side::Right),
        ("farthest off", Side::Left),
    ]);
    for row in rows {
        let (word, colour) = if row.is_right {
            ("yes", Colour::Good)
        } else {
            ("NO", Colour::Bad)
        };
        table.row(vec![
            row.fault.unwrap_or("nothing").into(),
            row.place.into(),
            Cell::painted(word, colour),
            row.figures.into(),
            row.share.map_or("-".to_owned(), percent).into(),
            row.seen_by.unwrap_or("none").into(),
        ]);
    }
    let faults: Vec<&Row<'_>> = rows.iter().filter(|row| row.fault.is_some()).collect();
    let count = |is: fn(&Row<'_>) -> bool| faults.iter().filter(|row| is(row)).count();
    let all = faults.len();
    let mut text = format!("{recipe}\n\n{}\n", table.render(style));
    text.push_str(&sights(power));
    let _ = writeln!(
        text,
        "figures alone: the recipe's gate sees {} of {all} faults, all figures together {}",
        count(|row| row.figures == "worse"),
        count(|row| row.seen_by.is_some() || row.figures == "worse")
    );
    let right = count(|row| row.is_right);
    let control = rows.iter().any(|row| row.fault.is_none() && row.is_right);
    let (word, colour) = if right == all && control {
        ("passed", Colour::Good)
    } else {
        ("failed", Colour::Bad)
    };
    let nothing = if control {
        "identical"
    } else {
        "NOT identical"
    };
    let _ = writeln!(
        text,
        "\n{recipe}: selftest {}: the exact gate sees {right} of {all} faults where they are; without one the run is {nothing}",
        style.paint(word, colour)
    );
    text
}
