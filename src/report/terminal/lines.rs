//! The lines of a run that goes on: one an epoch, as Keras writes them, and few others.

use std::fmt::Write as _;

use crate::record::{Event, Stage};

use super::numbers::{bytes, count, counted, seconds};

/// Decimals of figures.
const DECIMALS: usize = 4;

/// Stages that computed for less than this, in seconds, are not worth a line.
const SHORT_STAGE: f64 = 2.0;

/// The line for an event, if it is worth one.
pub fn line(event: &Event) -> Option<String> {
    match event {
        Event::Note(text) => Some(format!("note: {text}")),
        Event::Warning(text) => Some(format!("warning: {text}")),
        Event::StageStarted { stage, total } => started(stage, *total),
        Event::StageFinished { stage, seconds } => finished(stage, *seconds),
        Event::Initial { figures } => Some(format!("before training{}", spaced(figures))),
        Event::PhaseStarted {
            phase,
            name,
            epochs,
            trainable,
        } => Some(format!(
            "phase {phase}: {name}, {}, {} trainable parameters",
            counted(u64::from(*epochs), "epoch"),
            count(*trainable)
        )),
        Event::EpochFinished {
            shown,
            shown_last,
            steps,
            figures,
            seconds: time,
            epochs_left,
            ..
        } => {
            let left = match epochs_left {
                0 => String::new(),
                left => format!("  ~{} left", seconds(time * f64::from(*left))),
            };
            Some(format!(
                "epoch {}  {steps}/{steps}{}  {}{left}",
                epoch_number(*shown, *shown_last),
                spaced(figures),
                seconds(*time)
            ))
        }
        Event::Test { figures } => Some(format!("test{}", spaced(figures))),
        Event::StageProgress { .. } | Event::EpochStarted { .. } | Event::Step { .. } => None,
    }
}

/// The epoch's number as Keras shows it, `3/10`, as wide as the last one.
pub fn epoch_number(shown: u32, shown_last: u32) -> String {
    let width = 2 * shown_last.to_string().len() + 1;
    format!("{:<width$}", format!("{shown}/{shown_last}"))
}

/// What a stage is doing, for a progress bar: `downloading photos`.
pub fn doing(stage: &Stage) -> String {
    match stage {
        Stage::Download(role) => format!("downloading {role}"),
        Stage::Verify(role) => format!("verifying {role}"),
        Stage::Extract(role) => format!("extracting {role}"),
        Stage::Decode(split) => format!("decoding {}", split.word()),
        Stage::Features(split) => format!("features of {}", split.word()),
        Stage::Evaluate(split) => format!("evaluating {}", split.word()),
        Stage::Predict => "predicting".to_owned(),
    }
}

fn started(stage: &Stage, total: Option<u64>) -> Option<String> {
    let Stage::Download(role) = stage else {
        return None;
    };
    let size = total.map_or(String::new(), |total| format!(" ({})", bytes(total)));
    Some(format!("downloading {role}{size}"))
}

fn finished(stage: &Stage, time: f64) -> Option<String> {
    let done = match stage {
        Stage::Download(role) => format!("downloaded {role}"),
        Stage::Extract(role) => format!("extracted {role}"),
        _ if time < SHORT_STAGE => return None,
        Stage::Verify(role) => format!("verified {role}"),
        Stage::Decode(split) => format!("decoded {}", split.word()),
        Stage::Features(split) => format!("computed features of {}", split.word()),
        Stage::Evaluate(split) => format!("evaluated {}", split.word()),
        Stage::Predict => "predicted".to_owned(),
    };
    Some(format!("{done} in {}", seconds(time)))
}

fn spaced(figures: &[(String, f64)]) -> String {
    let mut text = String::new();
    for (name, value) in figures {
        let _ = write!(text, "  {name} {value:.DECIMALS$}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::SplitName;

    fn epoch(epochs_left: u32) -> Event {
        let figures = [
            ("loss", 0.42),
            ("accuracy", 0.8115),
            ("val_loss", 0.2762),
            ("val_accuracy", 0.8985),
        ];
        Event::EpochFinished {
            phase: 0,
            epoch: 2,
            shown: 3,
            shown_last: 10,
            steps: 63,
            figures: figures.map(|(name, value)| (name.to_owned(), value)).into(),
            seconds: 1.9,
            epochs_left,
        }
    }

    #[test]
    fn an_epoch_reads_like_keras_own() {
        assert_eq!(
            line(&epoch(21)).unwrap(),
            "epoch 3/10   63/63  loss 0.4200  accuracy 0.8115  val_loss 0.2762  val_accuracy 0.8985  \
             1.9 s  ~40 s left"
        );
        assert!(line(&epoch(0)).unwrap().ends_with("  1.9 s"));
    }

    #[test]
    fn other_events() {
        let events = [
            Event::Note("re-packed, same content".to_owned()),
            Event::Warning("weights has no pin".to_owned()),
            Event::StageStarted {
                stage: Stage::Download("photos".to_owned()),
                total: Some(68_606_236),
            },
            Event::StageFinished {
                stage: Stage::Extract("photos".to_owned()),
                seconds: 0.3,
            },
            Event::StageFinished {
                stage: Stage::Decode(SplitName::Train),
                seconds: 12.2,
            },
            Event::Initial {
                figures: vec![("val_loss".to_owned(), 0.9126)],
            },
            Event::PhaseStarted {
                phase: 1,
                name: "fine-tuning".to_owned(),
                epochs: 11,
                trainable: 1_862_721,
            },
            Event::Test {
                figures: vec![("loss".to_owned(), 0.0559), ("accuracy".to_owned(), 0.9792)],
            },
        ];
        let lines: Vec<String> = events.iter().filter_map(line).collect();
        insta::assert_snapshot!(lines.join("\n"));
        let short = Event::StageFinished {
            stage: Stage::Features(SplitName::Test),
            seconds: 0.2,
        };
        assert_eq!(line(&short), None);
    }
}
