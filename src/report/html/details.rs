//! What the figures rest on: network, recipe, digests, environment, time and memory.

use maud::{Markup, html};

use super::Report;
use crate::record::exhibits::Layer;
use crate::record::{Address, Fact, MadeValue, Record};
use crate::report::terminal::numbers::{count, seconds};

/// Beginnings of the keys of `[made]` that hold time and memory of a stage.
const SECONDS: &str = "seconds_";
const PEAK: &str = "peak_mib_";
/// Stages, in the order of a run.
const STAGES: [&str; 4] = ["artifacts", "pictures", "model", "training"];
const BAR: f64 = 960.0;

pub(super) fn sections(report: &Report<'_>) -> Markup {
    let record = report.record;
    html! {
        section {
            h2 { "Model" }
            (phases(report))
            @if let Some(exhibits) = report.exhibits {
                details {
                    summary { "All " (exhibits.layers.len()) " layers" }
                    (layers(&exhibits.layers))
                }
            }
        }
        section {
            h2 { "Time and memory" }
            (stages(record))
        }
        section {
            h2 { "Recipe" }
            details open {
                summary { "As it was resolved" }
                pre { (record.canonical().join("\n")) }
            }
            h3 { "Digests" }
            (super::table(&["of", "digest"], &digests(record), &[]))
            h3 { "Environment" }
            (super::table(&["", ""], &environment(record), &[]))
        }
    }
}

fn phases(report: &Report<'_>) -> Markup {
    let record = report.record;
    let integer = |address: String| {
        record
            .integer(&Address::new(address))
            .map_or("-".to_owned(), count)
    };
    let number = (0..).take_while(|phase| {
        let address = Address::new(format!("phase.{phase}.trainable_parameters"));
        record.integer(&address).is_some()
    });
    let rows: Vec<Vec<String>> = number
        .map(|phase: usize| {
            let known = report.phase(phase);
            vec![
                phase.to_string(),
                known.map_or("-".to_owned(), |known| known.name.clone()),
                known.map_or("-".to_owned(), |known| known.epochs.to_string()),
                integer(format!("phase.{phase}.trainable_parameters")),
                integer(format!("phase.{phase}.trainable_variables")),
            ]
        })
        .collect();
    html! {
        p { (integer("model.layers".to_owned())) " layers in the backbone, " (integer("model.parameters".to_owned())) " parameters in all." }
        (super::table(
            &["phase", "name", "epochs", "trainable parameters", "variables"],
            &rows,
            &[false, false, true, true, true],
        ))
    }
}

fn layers(layers: &[Layer]) -> Markup {
    let words = |numbers: &[usize], between: &str| {
        let words: Vec<String> = numbers.iter().map(usize::to_string).collect();
        words.join(between)
    };
    let rows: Vec<Vec<String>> = layers
        .iter()
        .enumerate()
        .map(|(index, layer)| {
            vec![
                index.to_string(),
                layer.name.clone(),
                layer.kind.clone(),
                words(&layer.shape, "×"),
                count(layer.parameters),
                words(&layer.inputs, ", "),
                words(&layer.trained, ", "),
            ]
        })
        .collect();
    super::table(
        &[
            "#",
            "layer",
            "kind",
            "output",
            "parameters",
            "from",
            "trained in phase",
        ],
        &rows,
        &[true, false, false, false, true, false, false],
    )
}

/// A bar of all stages by their time, and a table with their memory.
fn stages(record: &Record) -> Markup {
    let number = |key: String| match record.made.get(&key) {
        Some(MadeValue::Number(number)) => Some(*number),
        Some(MadeValue::Integer(number)) => Some(*number as f64),
        _ => None,
    };
    let stages: Vec<(&str, f64, Option<f64>)> = STAGES
        .into_iter()
        .filter_map(|stage| {
            let time = number(format!("{SECONDS}{stage}"))?;
            Some((stage, time, number(format!("{PEAK}{stage}"))))
        })
        .collect();
    let all: f64 = stages.iter().map(|(_, time, _)| time).sum();
    let mut bars = Vec::new();
    let mut left = 0.0;
    for (stage, time, _) in &stages {
        let width = if all > 0.0 { BAR * time / all } else { 0.0 };
        bars.push((*stage, left, width));
        left += width;
    }
    let rows: Vec<Vec<String>> = stages
        .iter()
        .map(|(stage, time, peak)| {
            let peak = peak.map_or("-".to_owned(), |peak| format!("{peak:.0} MiB"));
            vec![(*stage).to_owned(), seconds(*time), peak]
        })
        .collect();
    html! {
        p { (seconds(all)) " in all." }
        svg viewBox=(format!("0 0 {BAR} 34")) role="img" aria-label="time of each stage" {
            @for (index, (stage, left, width)) in bars.into_iter().enumerate() {
                rect class=(if index % 2 == 0 { "bar-odd" } else { "bar-even" }) x=(format!("{left:.1}")) y="0" width=(format!("{width:.1}")) height="34" {
                    title { (stage) }
                }
            }
        }
        (super::table(&["stage", "time", "most memory so far"], &rows, &[false, true, true]))
    }
}

fn digests(record: &Record) -> Vec<Vec<String>> {
    let of_epoch = |address: &Address| address.parts().any(|part| part == "epoch");
    let facts = record
        .facts
        .iter()
        .filter(|(address, _)| !of_epoch(address));
    facts
        .filter_map(|(address, fact)| match fact {
            Fact::Text(digest) => Some(vec![address.to_string(), digest.clone()]),
            _ => None,
        })
        .collect()
}

fn environment(record: &Record) -> Vec<Vec<String>> {
    let is_stage = |key: &str| key.starts_with(SECONDS) || key.starts_with(PEAK);
    let made = record.made.iter().filter(|(key, _)| !is_stage(key));
    made.map(|(key, value)| {
        let value = match value {
            MadeValue::Flag(true) => "yes".to_owned(),
            MadeValue::Flag(false) => "no".to_owned(),
            MadeValue::Integer(integer) => count(*integer),
            MadeValue::Number(number) => format!("{number:.2}"),
            MadeValue::Text(text) => text.clone(),
        };
        vec![key.replace('_', " "), value]
    })
    .collect()
}
