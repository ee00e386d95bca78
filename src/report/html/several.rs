//! Several runs on one page: whether they are the same bits, their curves over each other, their figures and how
//! far those spread.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::verdict::DECIMALS;
use super::{curves, document, framed, made_text, table};
use crate::golden::compare::{Comparison, figures_in_order};
use crate::golden::gate::statistics::Moments;
use crate::golden::parting::same_but_seed;
use crate::record::exhibits::Exhibits;
use crate::record::history::History;
use crate::record::{Address, MadeValue, Record, made};
use crate::report::terminal::numbers::figure;

/// Colours of runs in the style sheet, and dashes: together they tell twenty runs apart.
const COLOURS: usize = 5;
const DASHES: usize = 4;

/// A run beside others.
#[derive(Clone, Copy, Debug)]
pub struct Among<'a> {
    /// Name of the recipe.
    pub recipe: &'a str,
    /// The run's id.
    pub id: &'a str,
    /// What it measured.
    pub record: &'a Record,
    /// What it shows beside that; none of a run that kept nothing.
    pub exhibits: Option<&'a Exhibits>,
    /// The first run beside this one; of the first run, itself.
    pub beside_first: &'a Comparison,
}

impl Among<'_> {
    fn is_as_the_first(&self) -> bool {
        self.beside_first.parting.is_none()
    }

    /// Why it has other bits than the first run, in words.
    fn difference(&self, first: &Self) -> String {
        let (own, other) = (self.seed(), first.seed());
        if own != other && same_but_seed(first.record, self.record) {
            return format!("seed {own} instead of {other}");
        }
        let comparison = self.beside_first;
        if comparison.reasons.is_empty() {
            return comparison.why().unwrap_or_default().to_owned();
        }
        comparison.reasons.join("; ")
    }

    fn seed(&self) -> String {
        let seed = self.record.integer(&Address::new("seed"));
        seed.map_or("-".to_owned(), |seed| seed.to_string())
    }
}

/// What a run is called on the page.
pub(super) fn name(run: usize) -> String {
    format!("run {}", run + 1)
}

/// Classes of its curve.
pub(super) fn class(run: usize) -> String {
    format!("run-{} dash-{}", run % COLOURS, run % DASHES)
}

/// The page of runs, the first of which the others are held to.
pub fn page(runs: &[Among<'_>]) -> String {
    let mut recipes: Vec<&str> = runs.iter().map(|run| run.recipe).collect();
    recipes.dedup();
    let title = format!("{} runs of {}", runs.len(), recipes.join(", "));
    let histories: Vec<History> = runs.iter().map(|run| History::of(run.record)).collect();
    let exhibits = runs.first().and_then(|first| first.exhibits);
    let body = html! {
        header { h1 { (title) } }
        (same_bits(runs))
        section {
            h2 { "Runs" }
            (table(
                &["", "recipe", "id", "seed", "made", "with", "bits"],
                &runs.iter().enumerate().map(row).collect::<Vec<_>>(),
                &[false, false, false, true],
            ))
        }
        @if histories.iter().any(|history| !history.epochs.is_empty()) {
            section {
                h2 { "Learning curves" }
                (curves::overlaid(&histories, exhibits))
            }
        }
        (figures(runs))
    };
    document(&title, &body)
}

/// In words: the same bits, seeds of one recipe, or where each parts from the first.
fn same_bits(runs: &[Among<'_>]) -> Markup {
    let Some(first) = runs.first() else {
        return html! {};
    };
    let others: Vec<(usize, &Among<'_>)> = runs
        .iter()
        .enumerate()
        .filter(|(_, run)| !run.is_as_the_first())
        .collect();
    let alike = runs.len() - others.len();
    let are_seeds = runs
        .iter()
        .all(|run| same_but_seed(first.record, run.record));
    let (class, words) = if others.is_empty() {
        (
            "good",
            format!("= the same bits in all {} runs", runs.len()),
        )
    } else if are_seeds {
        ("notable", "≈ one recipe on the same data".to_owned())
    } else {
        ("bad", "≠ not the same recipe or data".to_owned())
    };
    html! {
        div class={ "verdict " (class) } {
            p {
                strong { (words) }
                @if alike > 1 && !others.is_empty() {
                    ": " (alike) " of " (runs.len()) " have the bits of run 1."
                }
            }
            @for (number, run) in others {
                p { (name(number)) ": " (run.difference(first)) }
            }
        }
    }
}

fn row((number, run): (usize, &Among<'_>)) -> Vec<String> {
    let threads = match run.record.made.get("threads") {
        Some(MadeValue::Integer(threads)) => format!(", {threads} threads"),
        _ => String::new(),
    };
    let device = made_text(run.record, "device").unwrap_or("-");
    vec![
        name(number),
        run.recipe.to_owned(),
        run.id.to_owned(),
        run.seed(),
        made_text(run.record, made::DATE).unwrap_or("-").to_owned(),
        format!("{device}{threads}"),
        match (number, run.is_as_the_first()) {
            (0, _) => "-".to_owned(),
            (_, true) => "= as run 1".to_owned(),
            (_, false) => "≠ its own".to_owned(),
        },
    ]
}

/// A figure of every run, in the order of the first run that has it.
fn figures(runs: &[Among<'_>]) -> Markup {
    let mut order: Vec<&Address> = Vec::new();
    let mut found: BTreeMap<&Address, Vec<Option<f64>>> = BTreeMap::new();
    for (number, run) in runs.iter().enumerate() {
        for (address, value) in figures_in_order(run.record) {
            let values = found.entry(address).or_insert_with(|| {
                order.push(address);
                vec![None; runs.len()]
            });
            values[number] = Some(value);
        }
    }
    let row = |address: &Address| Spread {
        address: address.to_string(),
        values: found.get(address).cloned().unwrap_or_default(),
    };
    let is_of_epoch = |address: &Address| address.parts().next() == Some("phase");
    let all: Vec<Spread> = order.iter().map(|address| row(address)).collect();
    let short: Vec<Spread> = order
        .iter()
        .filter(|address| !is_of_epoch(address))
        .map(|address| row(address))
        .collect();
    html! {
        section {
            h2 { "Figures" }
            (spread(&short, runs.len()))
            details {
                summary { "All " (all.len()) " figures, epoch by epoch" }
                (spread(&all, runs.len()))
            }
        }
    }
}

/// A figure of all runs.
struct Spread {
    address: String,
    /// None where a run has no such figure.
    values: Vec<Option<f64>>,
}

fn spread(rows: &[Spread], runs: usize) -> Markup {
    let names: Vec<String> = (0..runs).map(name).collect();
    let mut headings = vec![
        ("figure", false),
        ("mean", true),
        ("standard deviation", true),
        ("lowest", true),
        ("highest", true),
    ];
    headings.extend(names.iter().map(|name| (name.as_str(), true)));
    let number = |value: Option<f64>| {
        let value = value.filter(|value| !value.is_nan());
        value.map_or("-".to_owned(), |value| figure(value, DECIMALS))
    };
    let rows = html! {
        @for row in rows {
            @let there: Vec<f64> = row.values.iter().flatten().copied().collect();
            @let moments = Moments::of(&there);
            tr {
                td { code { (row.address) } }
                td.number { (number(Some(moments.mean))) }
                td.number { (number(Some(moments.sd))) }
                td.number { (number(there.iter().copied().min_by(f64::total_cmp))) }
                td.number { (number(there.iter().copied().max_by(f64::total_cmp))) }
                @for value in &row.values { td.number { (number(*value)) } }
            }
        }
    };
    framed(&headings, &rows)
}
