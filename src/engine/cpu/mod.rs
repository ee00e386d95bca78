//! The native engine on the CPU.
//!
//! The frozen prefix runs image by image in buffers of its own, and only once where its input does not
//! change; the trained tail runs a batch at a time. Threads divide images, rows and channels, never a sum
//! (docs/arithmetic.md), so their number cannot change a bit. Runs in the current rayon pool.

mod features;
mod frozen;
mod head;
mod layer;
mod tail;
mod update;

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use rayon::prelude::*;

use self::features::FeatureStore;
use self::frozen::{Border, Frozen};
use self::head::{Head, HeadPass};
use self::layer::Layer;
use self::tail::Tail;
use self::update::Update;
use super::{Engine, Error, Outputs};
use crate::dataset::Split;
use crate::dataset::batch::{Scratch, TrainingEpoch};
use crate::kernels::Level;
use crate::model::operation::OPERATION_TENSORS;
use crate::model::{Network, Parameters, Trained};
use crate::random::Stream;
use crate::recipe::{Optimizer, SplitName};
use crate::record::{Event, Observer, Stage};

/// Images evaluated at a time.
const EVALUATION_BATCH: usize = 32;

/// The native engine on the CPU.
pub struct CpuEngine {
    level: Level,
    /// Names and shapes; the values are those of `layers` and `head`.
    parameters: Parameters,
    layers: Vec<Layer>,
    head: Head,
    picture_len: usize,
    batch: usize,
    scratch: PathBuf,
    frozen: Frozen,
    tail: Tail,
    update: Update,
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
        let operations = network.operations();
        let layers: Vec<Layer> = operations
            .iter()
            .map(|operation| {
                let tensors: [Vec<f32>; OPERATION_TENSORS] =
                    std::array::from_fn(|at| parameters.values(operation.kernel + at).to_vec());
                Layer::new(level, operation.clone(), tensors)
            })
            .collect();
        let head_kernel = operations.len() * OPERATION_TENSORS;
        let head = Head::new(
            level,
            network.dropout,
            network.features()[2],
            network.outputs,
            parameters.values(head_kernel).to_vec(),
            parameters.values(head_kernel + 1).to_vec(),
        );
        let picture_len = network.layers[0].shape.iter().product();
        let batch = batch.max(EVALUATION_BATCH);
        let frozen = Frozen::new(&operations, operations.len(), picture_len);
        let tail = Tail::new(&operations, operations.len(), &frozen.border, batch);
        Self {
            level,
            parameters,
            layers,
            head,
            picture_len,
            batch,
            scratch,
            frozen,
            tail,
            update: Update::new(&Optimizer::Sgd {
                learning_rate: 0.0,
                momentum: 0.0,
                nesterov: false,
            }),
            stores: HashMap::new(),
        }
    }

    /// Border rows of `images` images, made in parallel; `input` writes the picture of a position.
    fn border_rows(
        &self,
        images: usize,
        rows: &mut [f32],
        observer: &Observer<'_>,
        input: impl Fn(usize, &mut Buffers) -> Result<(), crate::dataset::Error> + Sync,
    ) -> Result<(), Error> {
        let row = self.frozen.border.len();
        rows[..images * row]
            .par_chunks_exact_mut(row)
            .enumerate()
            .try_for_each_init(
                || Buffers::new(self.picture_len),
                |buffers, (image, out)| {
                    if observer.interrupted() {
                        return Err(Error::Interrupted);
                    }
                    input(image, buffers)?;
                    self.frozen
                        .forward(self.level, &self.layers, &buffers.picture, out);
                    Ok(())
                },
            )
    }

    /// Features of the frozen prefix of a split, computed once a phase.
    fn store(&mut self, split: &Split, observer: &Observer<'_>) -> Result<(), Error> {
        if self.stores.contains_key(&split.name) {
            return Ok(());
        }
        let row = self.frozen.border.len();
        let store = FeatureStore::new(&self.scratch, row)?;
        let mut rows = vec![0.0; self.batch * row];
        let stage = Stage::Features(split.name);
        let started = std::time::Instant::now();
        observer.tell(Event::StageStarted {
            stage: stage.clone(),
            total: Some(split.len() as u64),
        });
        for first in (0..split.len()).step_by(self.batch) {
            let images = self.batch.min(split.len() - first);
            self.border_rows(images, &mut rows, observer, |image, buffers| {
                split.input(first + image, &mut buffers.picture)
            })?;
            for (image, values) in rows[..images * row].chunks_exact(row).enumerate() {
                store.write(first + image, values)?;
            }
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

    /// Pooled features of a batch whose border rows are `rows`.
    fn pooled(&mut self, images: usize, rows: &[f32], pooled: &mut [f32]) {
        match self.frozen.border {
            Border::Pooled(_) => pooled.copy_from_slice(rows),
            Border::Activations(_) => {
                self.tail.set_inputs(rows);
                self.tail.forward(self.level, &self.layers, images, pooled);
            }
        }
    }
}

/// Buffers of a task that makes pictures.
struct Buffers {
    picture: Vec<f32>,
    scratch: Scratch,
}

impl Buffers {
    fn new(picture_len: usize) -> Self {
        Self {
            picture: vec![0.0; picture_len],
            scratch: Scratch::default(),
        }
    }
}

impl Engine for CpuEngine {
    fn features(
        &mut self,
        split: &Split,
        positions: Range<usize>,
        observer: &Observer<'_>,
    ) -> Result<Vec<f32>, Error> {
        let row = self.layers.last().map_or(0, |layer| layer.operation.output_len());
        let first = positions.start;
        let mut features = vec![0.0; positions.len() * row];
        features
            .par_chunks_exact_mut(row)
            .enumerate()
            .try_for_each(|(image, out)| {
                if observer.interrupted() {
                    return Err(Error::Interrupted);
                }
                let mut picture = vec![0.0; self.picture_len];
                split.input(first + image, &mut picture)?;
                self.frozen
                    .last_output(self.level, &self.layers, &picture, out);
                Ok(())
            })?;
        Ok(features)
    }

    fn begin_phase(&mut self, trained: &Trained, optimizer: &Optimizer) -> Result<(), Error> {
        let first = trained.frozen_operations;
        let operations: Vec<_> = self.layers.iter().map(|l| l.operation.clone()).collect();
        for (place, layer) in self.layers.iter_mut().enumerate() {
            if place < first {
                layer.end_phase();
                continue;
            }
            let kernel = layer.operation.kernel;
            let passes_on = layer.operation.input.is_some_and(|input| input >= first);
            let flags = &trained.tensors[kernel..kernel + OPERATION_TENSORS];
            layer.begin_phase(self.level, flags, passes_on);
        }
        self.head.begin_phase();
        self.frozen = Frozen::new(&operations, first, self.picture_len);
        self.tail = Tail::new(&operations, first, &self.frozen.border, self.batch);
        self.update = Update::new(optimizer);
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
        let outputs = self.head.bias.len();
        let channels = self.head.kernel.len() / outputs;
        let row = self.frozen.border.len();
        let mut rows = vec![0.0; self.batch * row];
        let mut pooled = vec![0.0; self.batch * channels];
        let mut dpooled = vec![0.0; self.batch * channels];
        let mut pass = HeadPass::default();
        let mut result = Outputs::default();
        for number in 0..epoch.steps() {
            let positions = epoch.batch(number);
            let images = positions.len();
            let first = positions.start;
            self.border_rows(images, &mut rows, observer, |image, buffers| {
                epoch.input(first + image, &mut buffers.scratch, &mut buffers.picture)
            })?;
            let pooled = &mut pooled[..images * channels];
            self.pooled(images, &rows[..images * row], pooled);

            let labels: Vec<u32> = positions.clone().map(|at| epoch.label(at)).collect();
            let indices: Vec<u32> = positions.map(|at| epoch.index(at)).collect();
            let done = result.losses.len();
            result.losses.resize(done + images, 0.0);
            result.logits.resize((done + images) * outputs, 0.0);
            self.head.train(
                self.level,
                pooled,
                &labels,
                &indices,
                dropout,
                &mut pass,
                &mut result.losses[done..],
                &mut result.logits[done * outputs..],
            );
            self.update.next_step();
            if matches!(self.frozen.border, Border::Activations(_)) {
                let dpooled = &mut dpooled[..images * channels];
                self.head.input_gradient(self.level, &pass, dpooled);
                self.tail
                    .backward(self.level, &mut self.layers, images, dpooled, &self.update);
            }
            self.head.update(self.level, &self.update);
            step(number + 1, &result);
        }
        Ok(result)
    }

    fn evaluate(&mut self, split: &Split, observer: &Observer<'_>) -> Result<Outputs, Error> {
        self.store(split, observer)?;
        let outputs = self.head.bias.len();
        let channels = self.head.kernel.len() / outputs;
        let row = self.frozen.border.len();
        let labels = split.labels();
        let mut rows = vec![0.0; self.batch * row];
        let mut pooled = vec![0.0; self.batch * channels];
        let mut dlogits = vec![0.0; self.batch * outputs];
        let mut result = Outputs {
            losses: vec![0.0; split.len()],
            logits: vec![0.0; split.len() * outputs],
        };
        for first in (0..split.len()).step_by(self.batch) {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let images = self.batch.min(split.len() - first);
            if let Some(store) = self.stores.get(&split.name) {
                for (image, values) in rows[..images * row].chunks_exact_mut(row).enumerate() {
                    store.read(first + image, values)?;
                }
            }
            let pooled = &mut pooled[..images * channels];
            self.pooled(images, &rows[..images * row], pooled);
            let logits = &mut result.logits[first * outputs..][..images * outputs];
            self.head.logits(self.level, pooled, logits);
            self.head.losses(
                self.level,
                logits,
                &labels[first..][..images],
                &mut result.losses[first..][..images],
                &mut dlogits[..images * outputs],
            );
        }
        Ok(result)
    }

    fn parameters(&self) -> Parameters {
        let mut parameters = self.parameters.clone();
        let values = self
            .layers
            .iter()
            .flat_map(|layer| layer.tensors.iter())
            .chain([&self.head.kernel, &self.head.bias]);
        for (tensor, values) in parameters.tensors.iter_mut().zip(values) {
            tensor.values.clone_from(values);
        }
        parameters
    }
}
