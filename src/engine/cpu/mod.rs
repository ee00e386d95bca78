//! The native engine on the CPU.
//!
//! The frozen prefix runs image by image in buffers of its own, and only once where its input does not
//! change; the trained tail runs a batch at a time. Threads divide images, rows and channels, never a sum
//! (docs/arithmetic.md), so their number cannot change a bit. Runs in the current rayon pool.

mod chain;
mod features;
mod head;
mod layer;
mod network;
mod prefix;
mod stretch;
mod tail;

use std::collections::HashMap;
use std::ops::Range;

pub use self::head::Examples;
pub use self::network::CpuNetwork;

use self::features::{Features, Maker};
use self::prefix::{Prefix, Workspace, Workspaces};
use super::{Engine, Error, OptimizerState, Outputs, examples};
use crate::artifacts::cache::Cache;
use crate::dataset::Split;
use crate::dataset::batch::TrainingEpoch;
use crate::kernels::{Buffer, Level, zeros};
use crate::model::{Network, Operation, Parameters, Trained};
use crate::random::Stream;
use crate::recipe::{Optimizer, SplitName};
use crate::record::Observer;

/// Images evaluated at a time, at least.
const EVALUATION_BATCH: usize = 32;

/// The native engine on the CPU.
pub struct CpuEngine {
    network: CpuNetwork,
    operations: Vec<Operation>,
    /// Operations below the border in this phase.
    frozen: usize,
    outputs: usize,
    features_len: usize,
    picture: usize,
    batch: usize,
    cache: Cache,
    /// Features of splits that no epoch changes, kept for a phase.
    features: HashMap<SplitName, Features>,
    workspaces: Workspaces,
    /// What crosses the border for a batch.
    rows: Buffer,
    labels: Vec<u32>,
    indices: Vec<u32>,
}

impl CpuEngine {
    /// An engine for batches of `batch` images; features go to `cache`.
    pub fn new(
        level: Level,
        network: &Network,
        parameters: Parameters,
        batch: usize,
        cache: Cache,
    ) -> Self {
        let batch = batch.max(EVALUATION_BATCH);
        let operations = network.operations();
        let picture = network.layers[0].shape.iter().product();
        let outputs = network.outputs;
        let features_len = network.features().iter().product();
        let network = CpuNetwork::new(level, network, parameters, batch);
        Self {
            rows: zeros(batch * network.border_len()),
            network,
            frozen: operations.len(),
            operations,
            outputs,
            features_len,
            picture,
            batch,
            cache,
            features: HashMap::new(),
            workspaces: Workspaces::new(picture),
            labels: Vec::with_capacity(batch),
            indices: Vec::with_capacity(batch),
        }
    }

    /// Has the features of a split at hand, if that is worth it: computed unless an earlier epoch or run did.
    ///
    /// Early in the network more crosses the border than a picture has, and little is computed below it:
    /// there a file of features would cost more than it saves.
    fn keep_features(&mut self, split: &Split, observer: &Observer<'_>) -> Result<(), Error> {
        let is_worth_it = self.frozen > 0 && self.network.border_len() <= self.picture;
        if is_worth_it && !self.features.contains_key(&split.name) {
            let maker = Maker {
                prefix: Prefix {
                    network: &self.network,
                    workspaces: &self.workspaces,
                    observer,
                },
                operations: &self.operations,
                frozen: self.frozen,
                batch: self.batch,
            };
            let features = maker.obtain(split, &self.cache)?;
            self.features.insert(split.name, features);
        }
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
        let mut features = vec![0.0; positions.len() * self.features_len];
        prefix::each(&mut features, self.features_len, observer, |image, out| {
            self.workspaces.with(|workspace| {
                split.input(first + image, &mut workspace.picture)?;
                self.network.features(&workspace.picture, out);
                Ok(())
            })
        })?;
        Ok(features)
    }

    fn begin_phase(&mut self, trained: &Trained, optimizer: &Optimizer) -> Result<(), Error> {
        self.network.begin_phase(trained, optimizer);
        self.frozen = trained.frozen_operations;
        self.features.clear();
        self.rows = zeros(self.batch * self.network.border_len());
        Ok(())
    }

    fn train_epoch(
        &mut self,
        epoch: &TrainingEpoch<'_>,
        dropout: &Stream,
        observer: &Observer<'_>,
        step: &mut dyn FnMut(usize, &Outputs),
    ) -> Result<Outputs, Error> {
        let split = epoch.split();
        if !epoch.is_augmented() {
            self.keep_features(split, observer)?;
        }
        let features = self
            .features
            .get(&split.name)
            .filter(|_| !epoch.is_augmented());
        let len = self.network.border_len();
        let mut outputs = Outputs {
            losses: Vec::with_capacity(epoch.len()),
            logits: Vec::with_capacity(epoch.len() * self.outputs),
        };
        for number in 0..epoch.steps() {
            let positions = epoch.batch(number);
            let (first, images) = (positions.start, positions.len());
            let rows = &mut self.rows[..images * len];
            match features {
                Some(features) => features::read(features, rows, len, observer, |image| {
                    epoch.place(first + image)
                })?,
                None => Prefix {
                    network: &self.network,
                    workspaces: &self.workspaces,
                    observer,
                }
                .run(rows, |image, workspace| {
                    let Workspace { picture, scratch } = workspace;
                    epoch.input(first + image, scratch, picture)
                })?,
            }
            examples(epoch, positions, &mut self.labels, &mut self.indices);
            outputs.losses.resize(first + images, 0.0);
            outputs.logits.resize((first + images) * self.outputs, 0.0);
            self.network.train_batch(
                rows,
                &Examples {
                    labels: &self.labels,
                    indices: &self.indices,
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
        let len = self.network.border_len();
        let labels = split.labels();
        let mut outputs = Outputs {
            losses: vec![0.0; split.len()],
            logits: vec![0.0; split.len() * self.outputs],
        };
        for first in (0..split.len()).step_by(self.batch) {
            let images = self.batch.min(split.len() - first);
            let rows = &mut self.rows[..images * len];
            match self.features.get(&split.name) {
                Some(features) => {
                    features::read(features, rows, len, observer, |image| first + image)?;
                }
                None => Prefix {
                    network: &self.network,
                    workspaces: &self.workspaces,
                    observer,
                }
                .run(rows, |image, workspace| {
                    split.input(first + image, &mut workspace.picture)
                })?,
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

    fn gradients(&mut self) -> Result<Vec<(String, Vec<f32>)>, Error> {
        Ok(self.network.gradients())
    }

    fn optimizer_state(&self) -> Result<OptimizerState, Error> {
        Ok(self.network.optimizer_state())
    }

    fn resume_phase(&mut self, state: &OptimizerState) -> Result<(), Error> {
        self.network.resume_phase(state);
        Ok(())
    }

    fn first_non_finite(&self) -> Result<Option<(String, usize)>, Error> {
        Ok(self.network.first_non_finite())
    }
}
