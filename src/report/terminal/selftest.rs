//! What `selftest` shows: a line a fault, what sees it, and what figures could see.

use std::fmt::Write as _;

use serde::Serialize;

use crate::golden::gate::Power;
use crate::golden::gate::statistics::Standing;

use super::gate::sights;
use super::table::{Cell, Side, Table};
use super::{Colour, Style};

/// A fault and what sees it.
#[derive(Debug, Serialize)]
pub struct Row {
    /// None for the run without one.
    pub fault: Option<&'static str>,
    /// Address of the fact in which the exact gate sees it first; none where it sees nothing.
    pub first_parting: Option<String>,
    /// Where that is in a run.
    pub place: String,
    /// True if that is where the fault is.
    pub is_right: bool,
    /// What the gate makes of the figures alone.
    pub figures: Standing,
    /// How far these are off, as a share of what the gate is sure to see, the most of them; none where that is not
    /// known.
    pub share_of_seen: Option<f64>,
    /// The figure that is farthest off, of all that chance does not explain.
    pub seen_by: Option<String>,
}

/// Heading of the longest column; whether it is right stands beside it.
const PARTING: &str = "exact gate: first parting";

/// A terminal of fewer columns shows the table without its longest columns, a wider one as a whole.
const NARROW: usize = 100;

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The whole report.
pub fn report(recipe: &str, rows: &[Row], power: &[Power], style: Style) -> String {
    let mut table = Table::new(&[
        ("planted", Side::Left),
        (PARTING, Side::Left),
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
            row.place.as_str().into(),
            Cell::painted(word, colour),
            row.figures.words().into(),
            row.share_of_seen.map_or("-".to_owned(), percent).into(),
            row.seen_by.as_deref().unwrap_or("none").into(),
        ]);
    }
    if style.width < NARROW {
        table.fit_without(&["farthest off", PARTING, "of what is seen"], style.width);
    }
    let faults: Vec<&Row> = rows.iter().filter(|row| row.fault.is_some()).collect();
    let count = |is: fn(&Row) -> bool| faults.iter().filter(|row| is(row)).count();
    let all = faults.len();
    let mut text = format!("{recipe}\n\n{}\n", table.render(style));
    text.push_str(&sights(power));
    let _ = writeln!(
        text,
        "figures alone: the recipe's gate sees {} of {all} faults, all figures together {}",
        count(|row| row.figures == Standing::Worse),
        count(|row| row.seen_by.is_some() || row.figures == Standing::Worse)
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
