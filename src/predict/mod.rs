//! Prediction: what a saved model says of pictures of anybody's.
//!
//! Pictures are decoded and resized as those of recipes are and go through the native engine, some at a time:
//! memory does not grow with their number, and a picture gets the bits that it would get in a run.

mod files;

pub use files::Files;

use std::path::PathBuf;
use std::time::Instant;

use rayon::prelude::*;
use tracing::trace_span;

use crate::dataset::picture::PictureReader;
use crate::engine::cpu::CpuNetwork;
use crate::kernels::Level;
use crate::model::{Description, SavedModel};
use crate::record::{Event, Observer, Stage};

/// Pictures that go through the head together.
const BATCH: usize = 64;

/// Someone asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Logits of a picture, or the reason why it cannot be read.
pub type Said = Result<Vec<f32>, String>;

/// How a model's pictures are read.
pub fn reader(description: &Description, level: Level) -> PictureReader {
    PictureReader {
        size: description.image_size.map(|side| side as usize),
        orientation: description.orientation,
        level,
    }
}

/// What a model says of each of `files`, in that order. Works in the current rayon pool.
pub fn predict(
    model: SavedModel,
    files: &[PathBuf],
    level: Level,
    observer: &Observer<'_>,
) -> Result<Vec<Said>, Interrupted> {
    let _span = trace_span!("predict", images = files.len()).entered();
    let started = Instant::now();
    observer.tell(Event::StageStarted {
        stage: Stage::Predict,
        total: Some(files.len() as u64),
    });
    let reader = reader(&model.description, level);
    let network = model.description.network();
    let outputs = network.outputs;
    let mut network = CpuNetwork::new(level, &network, model.parameters, BATCH);
    let len = network.border_len();
    let mut rows = vec![0.0; BATCH * len];
    let mut logits = vec![0.0; BATCH * outputs];
    let mut said = Vec::with_capacity(files.len());
    for batch in files.chunks(BATCH) {
        let rows = &mut rows[..batch.len() * len];
        let reasons: Vec<Option<String>> = rows
            .par_chunks_exact_mut(len)
            .zip(batch)
            .map_init(
                || vec![0.0; reader.len()],
                |picture, (row, path)| {
                    if observer.interrupted() {
                        return Err(Interrupted);
                    }
                    let _span = trace_span!("picture").entered();
                    let reason = reader.input(path, picture).err();
                    if reason.is_none() {
                        trace_span!("prefix").in_scope(|| network.border(picture, row));
                    }
                    Ok(reason)
                },
            )
            .collect::<Result<_, _>>()?;
        let logits = &mut logits[..batch.len() * outputs];
        // Rows of what could not be read hold what was there before, and nobody looks at their logits.
        network.logits(rows, batch.len(), logits);
        let each = reasons.into_iter().zip(logits.chunks_exact(outputs));
        said.extend(each.map(|(reason, logits)| reason.map_or_else(|| Ok(logits.to_vec()), Err)));
        observer.tell(Event::StageProgress {
            stage: Stage::Predict,
            done: said.len() as u64,
        });
    }
    observer.tell(Event::StageFinished {
        stage: Stage::Predict,
        seconds: started.elapsed().as_secs_f64(),
    });
    Ok(said)
}
