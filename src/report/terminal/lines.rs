//! The lines of a run that goes on: one an epoch, as Keras writes them, and few others.

use std::fmt::Write as _;

use crate::record::history::VALIDATION;
use crate::record::{Event, Stage};

use super::numbers::{bytes, count, counted, roughly, seconds};
use super::table::clipped;

/// Decimals of figures.
const DECIMALS: usize = 4;

/// Columns of a line, on the narrowest terminal that people use.
const WIDTH: usize = 80;

/// Stages that computed for less than this, in seconds, are not worth a line.
const SHORT_STAGE: f64 = 2.0;

/// The line for an event, if it is worth one.
pub fn line(event: &Event) -> Option<String> {
    match event {
        Event::Note(text) => Some(format!("note: {text}")),
        Event::Warning(text) => Some(format!("warning: {text}")),
        Event::StageStarted { stage, total } => started(stage, *total),
        Event::StageFinished { stage, seconds } => finished(stage, *seconds),
        Event::Initial { figures } => Some(fitted("before training", figures, spaced, "")),
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
            figures,
            seconds,
            left,
            ..
        } => {
            let epoch = format!("epoch {}", epoch_number(*shown, *shown_last));
            let mut time = format!("  {}", roughly(*seconds));
            if *left > 0.0 {
                let _ = write!(time, "  {}", self::left(seconds * left));
            }
            Some(fitted(&epoch, figures, beside_validation, &time))
        }
        Event::Test { figures } => Some(fitted("test", figures, spaced, "")),
        Event::StageProgress { .. } | Event::EpochStarted { .. } | Event::Step { .. } => None,
    }
}

/// What is left of a run: `~40 s left`.
pub fn left(seconds: f64) -> String {
    format!("~{} left", roughly(seconds))
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
        Stage::Copy(role) => format!("copying {role}"),
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
        Stage::Copy(role) => format!("copied {role}"),
        Stage::Decode(split) => format!("decoded {}", split.word()),
        Stage::Features(split) => format!("computed features of {}", split.word()),
        Stage::Evaluate(split) => format!("evaluated {}", split.word()),
        Stage::Predict => "predicted".to_owned(),
    };
    Some(format!("{done} in {}", seconds(time)))
}

/// A line with figures between its beginning and its end; their names are cut to so many letters that it fits,
/// and where that does not do, figures at the end are left out. The history has them all.
fn fitted(
    beginning: &str,
    figures: &[(String, f64)],
    set: fn(&[(String, f64)], usize) -> String,
    end: &str,
) -> String {
    /// Letters that names are cut to, one after the other.
    const MOST: [usize; 5] = [usize::MAX, 12, 8, 6, SHORTEST];
    /// A name of fewer letters is hardly one.
    const SHORTEST: usize = 4;
    let room = WIDTH.saturating_sub(beginning.chars().count() + end.chars().count());
    let texts = MOST.map(|most| set(figures, most));
    let fits = |text: &&String| text.chars().count() <= room;
    let text = texts.iter().find(fits).cloned();
    let text = text.unwrap_or_else(|| clipped(&set(figures, SHORTEST), room));
    format!("{beginning}{text}{end}")
}

/// The figures with their names, of which so many letters are shown.
fn spaced(figures: &[(String, f64)], most: usize) -> String {
    let mut text = String::new();
    for (name, value) in figures {
        let name: String = name.chars().take(most).collect();
        let _ = write!(text, "  {name} {value:.DECIMALS$}");
    }
    text
}

/// The figures of training with their names, then those of validation in the same order.
fn beside_validation(figures: &[(String, f64)], most: usize) -> String {
    let (validation, training): (Vec<_>, Vec<_>) = figures
        .iter()
        .cloned()
        .partition(|(name, _)| name.starts_with(VALIDATION));
    let mut text = spaced(&training, most);
    if !validation.is_empty() {
        text.push_str("  val");
        for (_, value) in validation {
            let _ = write!(text, " {value:.DECIMALS$}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::SplitName;

    fn epoch(left: f64) -> Event {
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
            left,
        }
    }

    #[test]
    fn an_epoch_is_one_line_of_80_columns() {
        assert_eq!(
            line(&epoch(21.0)).unwrap(),
            "epoch 3/10   loss 0.4200  accuracy 0.8115  val 0.2762 0.8985  1.9 s  ~40 s left"
        );
        assert!(line(&epoch(0.0)).unwrap().ends_with("  1.9 s"));
        let mut long = epoch(21.0);
        let Event::EpochFinished {
            figures,
            seconds,
            shown_last,
            ..
        } = &mut long
        else {
            panic!()
        };
        (*seconds, *shown_last) = (1000.0, 1000);
        for name in ["balanced_accuracy", "val_balanced_accuracy"] {
            figures.push((name.to_owned(), 0.5));
        }
        let shown = line(&long).unwrap();
        assert!(shown.chars().count() <= WIDTH, "{shown}");
        assert_eq!(
            shown,
            "epoch 3/1000     loss 0.4200  accu 0.8115  bala 0.5000  va…  17 min  ~5.8 h left"
        );
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
