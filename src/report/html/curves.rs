//! Learning curves: after the first phase, and after all, as the tutorial draws them.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::Report;
use super::chart::{Chart, Curve};
use crate::record::exhibits::Exhibits;
use crate::record::history::{History, VALIDATION};

/// The loss of a chart goes from 0 to 1 where the last phase does, as in the tutorial.
const LOSS_RANGE: [f64; 2] = [0.0, 1.0];
/// The same for all other metrics, over all phases.
const LATER_RANGE: [f64; 2] = [0.8, 1.0];
const LOSS: &str = "loss";

pub(super) fn section(report: &Report<'_>) -> Markup {
    let now = History::of(report.record);
    let golden = report.golden.map(History::of);
    if now.epochs.is_empty() {
        return html! {};
    }
    let golden_first = golden.as_ref().map(|golden| golden.of_phase(0));
    let first = charts(report, "first", &now.of_phase(0), golden_first.as_ref());
    let has_more = !now.later_phases().is_empty();
    html! {
        section {
            h2 { "Learning curves" }
            @if has_more {
                h3 { "After phase 0" @if let Some(phase) = report.phase(0) { ", " (phase.name) } }
            }
            div.charts { @for chart in &first { (chart.draw()) } }
            @if has_more {
                h3 { "After all phases" }
                div.charts {
                    @for chart in charts(report, "all", &now, golden.as_ref()) { (chart.draw()) }
                }
            }
        }
    }
}

/// A chart a metric, all others before the loss.
fn charts(report: &Report<'_>, id: &str, now: &History, golden: Option<&History>) -> Vec<Chart> {
    let begins = begins(now, report.exhibits);
    let metrics = now.metrics().into_iter().rev();
    metrics
        .map(|metric| {
            let mut curves = Vec::new();
            if let Some(golden) = golden {
                curves.extend(pair(golden, metric, true));
            }
            curves.extend(pair(now, metric, false));
            Chart {
                id: format!("{id}-{metric}"),
                title: format!("Training and validation {metric}"),
                axis: axis(metric).to_owned(),
                range: range(metric, &[now], !begins.is_empty()),
                curves,
                begins: begins.clone(),
            }
        })
        .collect()
}

/// Charts of several runs over each other, two a metric: of training and of validation.
pub(super) fn overlaid(runs: &[History], exhibits: Option<&Exhibits>) -> Markup {
    let mut metrics: Vec<&str> = runs.iter().flat_map(|run| run.metrics()).collect();
    let mut seen = BTreeSet::new();
    metrics.retain(|metric| seen.insert(*metric));
    // Where runs have phases of other lengths, those of the first are shown.
    let begins = runs.first().map(|first| begins(first, exhibits));
    let begins = begins.unwrap_or_default();
    let all: Vec<&History> = runs.iter().collect();
    let chart = |metric: &str, name: &str, word: &str| Chart {
        id: format!("{word}-{metric}"),
        title: format!("{word} {metric}"),
        axis: axis(metric).to_owned(),
        range: range(metric, &all, !begins.is_empty()),
        curves: runs
            .iter()
            .enumerate()
            .map(|(run, history)| Curve {
                name: super::several::name(run),
                class: super::several::class(run),
                is_behind: false,
                values: history.values(name),
            })
            .collect(),
        begins: begins.clone(),
    };
    html! {
        div.charts {
            @for metric in metrics.iter().rev() {
                (chart(metric, metric, "Training").draw())
                (chart(metric, &format!("{VALIDATION}{metric}"), "Validation").draw())
            }
        }
    }
}

/// Where later phases begin, under their names.
fn begins(history: &History, exhibits: Option<&Exhibits>) -> Vec<(usize, String)> {
    let phases = history.later_phases().into_iter();
    phases
        .map(|(place, phase)| {
            let known = exhibits.and_then(|exhibits| exhibits.phases.get(phase));
            let name = known.map_or_else(|| format!("phase {phase}"), |known| known.name.clone());
            // The tutorial's line stands at the last epoch before.
            (place, format!("start of {name}"))
        })
        .collect()
}

fn axis(metric: &str) -> &str {
    if metric == LOSS {
        "cross-entropy"
    } else {
        metric
    }
}

fn pair(history: &History, metric: &str, is_behind: bool) -> [Curve; 2] {
    let validation = format!("{VALIDATION}{metric}");
    let of = |name: &str, word: &str| Curve {
        name: if is_behind {
            format!("golden {word}")
        } else {
            word.to_owned()
        },
        class: word.to_owned(),
        is_behind,
        values: history.values(name),
    };
    [of(metric, "training"), of(&validation, "validation")]
}

/// The tutorial's range where the last phase of every run lies in it, else one in which all lie.
fn range(metric: &str, runs: &[&History], is_of_all: bool) -> [f64; 2] {
    let validation = format!("{VALIDATION}{metric}");
    let finite = |history: &History| -> Vec<f64> {
        let values = [metric, &validation]
            .map(|name| history.values(name))
            .concat();
        values
            .into_iter()
            .flatten()
            .filter(|value| value.is_finite())
            .collect()
    };
    let all: Vec<f64> = runs.iter().flat_map(|run| finite(run)).collect();
    let low = all
        .iter()
        .copied()
        .fold(1.0, |a, b| if b < a { b } else { a });
    let high = all
        .iter()
        .copied()
        .fold(0.0, |a, b| if b > a { b } else { a });
    let of_last = |run: &&History| {
        let last = run.epochs.last().map_or(0, |epoch| epoch.at.phase);
        finite(&run.of_phase(last))
    };
    let last: Vec<f64> = runs.iter().flat_map(of_last).collect();
    let fits = |[from, to]: [f64; 2]| last.iter().all(|value| (from..=to).contains(value));
    if metric == LOSS {
        return if fits(LOSS_RANGE) {
            LOSS_RANGE
        } else {
            [0.0, high]
        };
    }
    if is_of_all && fits(LATER_RANGE) {
        return LATER_RANGE;
    }
    let low = (low * 10.0).floor() / 10.0;
    [
        if low < 1.0 { low } else { 0.0 },
        if high > 1.0 { high } else { 1.0 },
    ]
}
