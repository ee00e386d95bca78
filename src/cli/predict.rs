//! `goldrun predict`: what a run's model takes pictures for.

use std::path::PathBuf;

use anyhow::anyhow;
use serde::Serialize;

use super::arguments::{DeviceName, EngineName, Predict};
use super::exit::{Exit, Failure};
use super::models::{self, Found};
use super::output;
use super::session::{self, Session};
use super::sheet;
use crate::kernels::Level;
use crate::predict::{self, Files, Interrupted};
use crate::record::Event;
use crate::report::predictions::{self, Prediction};
use crate::run;

/// Predictions as data.
#[derive(Serialize)]
struct Predicted<'a> {
    recipe: &'a str,
    phase: usize,
    model: String,
    classes: &'a [String],
    predictions: &'a [Prediction],
    unread: Vec<Unread>,
}

/// A file or folder that gave no prediction.
#[derive(Serialize)]
struct Unread {
    file: String,
    reason: String,
}

/// Predicts pictures.
pub fn predict(session: &Session, arguments: &Predict) -> Result<Exit, Failure> {
    session.refuse_changes("predict", "it uses what was trained")?;
    check_options(session)?;
    let level = session::level(session.options.simd)?.unwrap_or_else(Level::detect);
    let Found { model, file } = models::find(session, &arguments.model)?;
    let description = model.description.clone();
    let classes = &description.classes;

    let files = Files::find(&arguments.pictures);
    let said = run::pool(session.options.threads)?
        .install(|| predict::predict(model, &files.found, level, &session.observer()))
        .map_err(|Interrupted| Failure::new(Exit::Interrupted, anyhow!("interrupted")))?;

    let mut read = Vec::new();
    let mut predictions = Vec::new();
    let mut unread: Vec<Unread> = files.refused.into_iter().map(Unread::of).collect();
    for (file, said) in files.found.into_iter().zip(said) {
        match said {
            Ok(logits) => {
                let name = file.display().to_string();
                predictions.push(Prediction::new(name, classes, logits));
                read.push(file);
            }
            Err(reason) => unread.push(Unread::of((file, reason))),
        }
    }
    for Unread { file, reason } in &unread {
        output::line(&format!("error: {file}: {reason}"));
    }
    let exit = if unread.is_empty() {
        Exit::Good
    } else {
        Exit::Artifact
    };
    if session.options.json {
        output::json(&Predicted {
            recipe: &description.recipe,
            phase: description.phase,
            model: session.shown(&file).to_string(),
            classes,
            predictions: &predictions,
            unread,
        })?;
    } else if arguments.csv {
        output::data(&predictions::csv(classes, &predictions))?;
    } else if !predictions.is_empty() {
        output::data(&predictions::table(&predictions, session.style))?;
    }
    if let Some(path) = &arguments.sheet {
        let reader = predict::reader(&description, level);
        let told = sheet::of_predictions(classes, &predictions, &read, &reader, path)?;
        session.observer().tell(Event::Note(told));
    }
    Ok(exit)
}

/// Refuses another engine; another device gives the same bits.
fn check_options(session: &Session) -> Result<(), Failure> {
    if session.options.engine == EngineName::Candle {
        return Err(Failure::wrong(anyhow!(
            "`predict` takes no `--engine candle`: the native engine computes it\n\
             hint: leave `--engine` out"
        )));
    }
    if session.options.device == DeviceName::Cuda {
        session.observer().tell(Event::Note(
            "predicting on the CPU, which gives the same bits".to_owned(),
        ));
    }
    Ok(())
}

impl Unread {
    fn of((file, reason): (PathBuf, String)) -> Self {
        Self {
            file: file.display().to_string(),
            reason,
        }
    }
}
