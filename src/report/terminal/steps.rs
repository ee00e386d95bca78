//! What `diff` shows of two files with digests of the steps of an epoch.

use std::fmt::Write as _;

use crate::golden::compare::Comparison;
use crate::golden::steps::StepParting;
use crate::record::steps::StepDigests;

use super::numbers::counted;
use super::table::{Side, Table};
use super::verdict::why;
use super::{Colour, Style};

/// The whole report on two sides named `left` and `right`: why what came before the epoch differs, if it does,
/// and the first step that does.
pub fn diff(
    [left, right]: [&str; 2],
    comparison: &Comparison,
    digests: &StepDigests,
    parting: Option<&StepParting>,
    style: Style,
) -> String {
    let mut text = format!("A = {left}\nB = {right}\n\n");
    text.push_str(&why(comparison));
    let steps = digests.steps();
    let _ = writeln!(text, "{}: {}", digests.epoch, counted(steps as u64, "step"));
    let Some(parting) = parting else {
        let count = counted(digests.digests.len() as u64, "digest");
        let _ = writeln!(text, "all steps are the same\n");
        let verdict = if comparison.parting.is_none() {
            style.paint("identical", Colour::Good)
        } else {
            style.paint("differs", Colour::Bad)
        };
        let facts = counted(comparison.facts as u64, "fact");
        let _ = writeln!(
            text,
            "{verdict}: {} of {facts} before the epoch and {count} of its steps the same",
            comparison.facts_same
        );
        return text;
    };
    let place = match parting.step {
        Some(step) => format!("in step {step} (from 0)"),
        None => "before step 0".to_owned(),
    };
    let _ = writeln!(text, "first parting: {place}\n{}", parting.sentence());
    if let Some(epoch) = parting.earlier {
        let epoch = epoch.address();
        let _ = writeln!(
            text,
            "hint: parameters part in {epoch} already: trace that one"
        );
    }
    text.push('\n');
    let mut table = Table::new(&[
        ("made", Side::Left),
        ("differ", Side::Right),
        ("of", Side::Right),
        ("the first that does", Side::Left),
    ]);
    for kind in &parting.kinds {
        table.row(vec![
            kind.kind.words().into(),
            kind.differing.to_string().into(),
            kind.count.to_string().into(),
            kind.first.as_deref().unwrap_or("-").into(),
        ]);
    }
    text.push_str(&table.render(style));
    let differs = style.paint("differs", Colour::Bad);
    let _ = write!(text, "\n{differs}: {place}");
    if let Some(first) = parting.first() {
        let name = first.first.as_deref().unwrap_or("-");
        let _ = write!(text, ", {} of {name}", first.kind.words());
    }
    text.push('\n');
    text
}
