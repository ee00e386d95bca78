//! The native engine on the CPU.
//!
//! The frozen prefix runs image by image in buffers of its own, and only once where its input does not
//! change; the trained tail runs a batch at a time. Threads divide images, rows and channels, never a sum
//! (docs/arithmetic.md), so their number cannot change a bit. Runs in the current rayon pool.

mod border;
mod chain;
mod features;
mod head;
mod layer;
mod network;
mod stretch;
mod tail;

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use rayon::prelude::*;

pub use self::head::Examples;
pub use self::network::CpuNetwork;

use self::features::FeatureStore;
use super::{Engine, Error, Outputs, examples};
use crate::dataset::Split;
use crate::dataset::batch::{Scratch, TrainingEpoch};
use crate::kernels::Level;
use crate::model::{Network, Parameters, Trained};
use crate::random::Stream;
use crate::recipe::{Optimizer, SplitName};
use crate::record::{Event, Observer, Stage};

/// Images evaluated at a time, at least.
const EVALUATION_BATCH: usize = 32;

/// The native engine on the CPU.
pub struct CpuEngine {
    network: CpuNetwork,
    outputs: usize,
    features: usize,
    picture: usize,
    batch: usize,
    scratch: PathBuf,
    /// What crosses the border for each image of a split that does not change, kept for a phase.
    stores: HashMap<SplitName, FeatureStore>,
}

impl CpuEngine {
    /// An engine for batches of `batch` images; scratch files go to `scratch`.
    pub fn new(
        level: Level,
        network: &Network,
        parameters: Parameters,
        batch: usize,
        scratch: PathBuf,
    ) -> Self {
        let batch = batch.max(EVALUATION_BATCH);
        Self {
            network: CpuNetwork::new(level, network, parameters, batch),
            outputs: network.outputs,
            features: network.features().iter().product(),
            picture: network.layers[0].shape.iter().product(),
            batch,
            scratch,
            stores: HashMap::new(),
        }
    }

    /// What crosses the border for the images of a batch, in parallel; `input` writes the picture of an
    /// image of the batch.
    fn borders(
        &self,
        rows: &mut [f32],
        observer: &Observer<'_>,
        input: impl Fn(usize, &mut Scratch, &mut [f32]) -> Result<(), crate::dataset::Error> + Sync,
    ) -> Result<(), Error> {
        rows.par_chunks_exact_mut(self.network.border_len())
            .enumerate()
            .try_for_each_init(
                || (vec![0.0; self.picture], Scratch::new()),
                |(picture, scratch), (image, row)| {
                    if observer.interrupted() {
                        return Err(Error::Interrupted);
                    }
                    input(image, scratch, picture)?;
                    self.network.border(picture, row);
                    Ok(())
                },
            )
    }

    /// Keeps what crosses the border for a split's images, unless it is kept already.
    fn keep_features(&mut self, split: &Split, observer: &Observer<'_>) -> Result<(), Error> {
        if self.stores.contains_key(&split.name) {
            return Ok(());
        }
        let row = self.network.border_len();
        let mut store = FeatureStore::new(&self.scratch, row)?;
        let mut rows = vec![0.0; self.batch.min(split.len()) * row];
        let stage = Stage::Features(split.name);
        let started = std::time::Instant::now();
        observer.tell(Event::StageStarted {
            stage: stage.clone(),
            total: Some(split.len() as u64),
        });
        for first in (0..split.len()).step_by(self.batch) {
            let images = self.batch.min(split.len() - first);
            let rows = &mut rows[..images * row];
            self.borders(rows, observer, |image, _, picture| {
                split.input(first + image, picture)
            })?;
            store.write(first, rows)?;
            observer.tell(Event::StageProgress {
                stage: stage.clone(),
                done: (first + images) as u64,
            });
        }
        observer.tell(Event::StageFinished {
            stage,
            seconds: started.elapsed().as_secs_f64(),
        });
        self.stores.insert(split.name, store);
        Ok(())
    }
}

impl Engine for CpuEngine {
    fn features(
        &mut self,
        split: &Split,
        positions: Range<usize>,
        observer: &Observer<'_>,
    ) -> Result<Vec<f32>, Error> {
        let first = positions.start;
        let mut features = vec![0.0; positions.len() * self.features];
        features
            .par_chunks_exact_mut(self.features)
            .enumerate()
            .try_for_each(|(image, out)| {
                if observer.interrupted() {
                    return Err(Error::Interrupted);
                }
                let mut picture = vec![0.0; self.picture];
                split.input(first + image, &mut picture)?;
                self.network.features(&picture, out);
                Ok(())
            })?;
        Ok(features)
    }

    fn begin_phase(&mut self, trained: &Trained, optimizer: &Optimizer) -> Result<(), Error> {
        self.network.begin_phase(trained, optimizer);
        self.stores.clear();
        Ok(())
    }

    fn train_epoch(
        &mut self,
        epoch: &TrainingEpoch<'_>,
        dropout: &Stream,
        observer: &Observer<'_>,
        step: &mut dyn FnMut(usize, &Outputs),
    ) -> Result<Outputs, Error> {
        let row = self.network.border_len();
        let mut rows = vec![0.0; self.batch * row];
        let mut outputs = Outputs::default();
        for number in 0..epoch.steps() {
            let positions = epoch.batch(number);
            let (first, images) = (positions.start, positions.len());
            let rows = &mut rows[..images * row];
            self.borders(rows, observer, |image, scratch, picture| {
                epoch.input(first + image, scratch, picture)
            })?;
            let (labels, indices) = examples(epoch, positions);
            outputs.losses.resize(first + images, 0.0);
            outputs.logits.resize((first + images) * self.outputs, 0.0);
            self.network.train_batch(
                rows,
                &Examples {
                    labels: &labels,
                    indices: &indices,
                    dropout,
                },
                &mut outputs.losses[first..],
                &mut outputs.logits[first * self.outputs..],
            );
            step(number + 1, &outputs);
        }
        Ok(outputs)
    }

    fn evaluate(&mut self, split: &Split, observer: &Observer<'_>) -> Result<Outputs, Error> {
        self.keep_features(split, observer)?;
        let row = self.network.border_len();
        let labels = split.labels();
        let mut rows = vec![0.0; self.batch.min(split.len()) * row];
        let mut outputs = Outputs {
            losses: vec![0.0; split.len()],
            logits: vec![0.0; split.len() * self.outputs],
        };
        for first in (0..split.len()).step_by(self.batch) {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let images = self.batch.min(split.len() - first);
            let rows = &mut rows[..images * row];
            if let Some(store) = self.stores.get_mut(&split.name) {
                store.read(first, rows)?;
            }
            self.network.evaluate_batch(
                rows,
                &labels[first..][..images],
                &mut outputs.losses[first..][..images],
                &mut outputs.logits[first * self.outputs..][..images * self.outputs],
            );
        }
        Ok(outputs)
    }

    fn parameters(&self) -> Result<Parameters, Error> {
        Ok(self.network.parameters())
    }

    fn first_non_finite(&self) -> Result<Option<(String, usize)>, Error> {
        Ok(self.network.first_non_finite())
    }
}
