//! A network with its parameters on the CPU: the border of the frozen prefix, and steps on batches.

use rayon::prelude::*;
use tracing::trace_span;

use super::head::{Examples, Head, HeadPass, Outputs};
use super::layer::Layer;
use super::stretch::{Stretch, backbone_outputs};
use super::tail::{Part, Tail};
use crate::engine::OptimizerState;
use crate::engine::border::Border;
use crate::engine::update::{State, Update};
use crate::kernels::{Buffer, Level, Sum, buffer, zeros};
use crate::model::operation::OPERATION_TENSORS;
use crate::model::{Network, Parameters, Trained};
use crate::recipe::Optimizer;

/// A network with its parameters and buffers for batches.
pub struct CpuNetwork {
    level: Level,
    /// Names and shapes; the values are those of `layers` and `head`.
    parameters: Parameters,
    layers: Vec<Layer>,
    head: Head,
    picture_len: usize,
    batch: usize,
    /// Below the first trained operation, and from it on where nothing is trained.
    frozen: Stretch,
    rest: Stretch,
    tail: Tail,
    update: Update,
    /// Steps done in the phase.
    steps: u64,
    pass: HeadPass,
    pooled: Buffer,
    dpooled: Buffer,
}

impl CpuNetwork {
    /// A network for batches of at most `batch` images. Nothing is trained until a phase begins.
    ///
    /// # Panics
    /// If the parameters are not the network's.
    pub fn new(level: Level, network: &Network, parameters: Parameters, batch: usize) -> Self {
        let operations = network.operations();
        let layers: Vec<Layer> = operations
            .iter()
            .map(|operation| {
                let tensors: [Buffer; OPERATION_TENSORS] =
                    std::array::from_fn(|at| buffer(parameters.values(operation.kernel + at)));
                Layer::new(level, operation.clone(), tensors)
            })
            .collect();
        let channels = network.features()[2];
        let head_kernel = operations.len() * OPERATION_TENSORS;
        let head = Head::new(
            level,
            network.dropout,
            channels,
            network.outputs,
            parameters.values(head_kernel),
            parameters.values(head_kernel + 1),
        );
        let picture_len = network.layers[0].shape.iter().product();
        let frozen = Stretch::new(&operations, 0..operations.len(), picture_len);
        let rest = Stretch::new(&operations, operations.len()..operations.len(), picture_len);
        let tail = Tail::new(&layers, operations.len(), &frozen.above, batch);
        Self {
            level,
            parameters,
            layers,
            head,
            picture_len,
            batch,
            frozen,
            rest,
            tail,
            update: Update::none(),
            steps: 0,
            pass: HeadPass::default(),
            pooled: zeros(batch * channels),
            dpooled: zeros(batch * channels),
        }
    }

    /// Sets what is trained and how, with fresh optimizer state.
    pub fn begin_phase(&mut self, trained: &Trained, optimizer: &Optimizer) {
        let first = trained.frozen_operations;
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
        let operations: Vec<_> = self
            .layers
            .iter()
            .map(|layer| layer.operation.clone())
            .collect();
        self.frozen = Stretch::new(&operations, 0..first, self.picture_len);
        self.rest = Stretch::new(&operations, first..operations.len(), self.picture_len);
        self.tail = Tail::new(&self.layers, first, &self.frozen.above, self.batch);
        self.update = Update::new(optimizer);
        self.steps = 0;
    }

    /// State of the optimizer.
    pub fn optimizer_state(&self) -> OptimizerState {
        let moments = self.states().filter(|(_, state)| !state.is_empty());
        OptimizerState {
            steps: self.steps,
            moments: moments.map(|(place, state)| state.moments(place)).collect(),
        }
    }

    /// Goes on within the phase that has just begun.
    ///
    /// # Panics
    /// If the state is not of the tensors that the phase trains.
    pub fn resume_phase(&mut self, state: &OptimizerState) {
        self.steps = state.steps;
        self.update.skip(state.steps);
        let mut moments = state.moments.iter();
        let head = self.layers.len() * OPERATION_TENSORS;
        let of_layers = self.layers.iter_mut().flat_map(|layer| {
            let kernel = layer.operation.kernel;
            let states = layer.states_mut();
            states.map(move |(place, state)| (kernel + place, state))
        });
        let of_head = self.head.states_mut().iter_mut().enumerate();
        for (place, state) in of_layers.chain(of_head.map(|(place, state)| (head + place, state))) {
            if state.is_empty() {
                continue;
            }
            let saved = moments
                .next()
                .expect("there is one for each trained tensor");
            assert_eq!(saved.tensor, place);
            state.restore(saved);
        }
        assert!(moments.next().is_none());
    }

    /// Optimizer states by the place of their tensors; those of what is frozen are empty.
    fn states(&self) -> impl Iterator<Item = (usize, &State)> {
        let head = self.layers.len() * OPERATION_TENSORS;
        let of_layers = self.layers.iter().flat_map(|layer| {
            let kernel = layer.operation.kernel;
            let states = layer.states();
            states.map(move |(place, state)| (kernel + place, state))
        });
        let of_head = self.head.states().iter().enumerate();
        of_layers.chain(of_head.map(move |(place, state)| (head + place, state)))
    }

    /// Values that cross the border between the frozen prefix and the trained tail, for one image.
    pub fn border_len(&self) -> usize {
        self.frozen.above_len()
    }

    /// Runs one preprocessed picture (HWC, −1 to 1) through the frozen prefix: what crosses the border.
    /// It does not change within a phase, whatever is trained.
    pub fn border(&self, picture: &[f32], out: &mut [f32]) {
        self.frozen.forward(self.level, &self.layers, picture, out);
    }

    /// The backbone's output before pooling for one picture, HWC.
    pub fn features(&self, picture: &[f32], out: &mut [f32]) {
        if let Some(last) = backbone_outputs(self.level, &self.layers, picture).last() {
            out.copy_from_slice(last);
        }
    }

    /// For each ReLU6 of the backbone, in order, which of its outputs lie strictly between 0 and 6 for one
    /// picture, HWC: where gradients pass.
    pub fn masks(&self, picture: &[f32]) -> Vec<Vec<bool>> {
        let is_active = |value: &f32| *value > 0.0 && *value < 6.0;
        backbone_outputs(self.level, &self.layers, picture)
            .iter()
            .zip(&self.layers)
            .filter(|(_, layer)| layer.operation.relu6)
            .map(|(output, _)| output.iter().map(is_active).collect())
            .collect()
    }

    /// One step: forward, backward and the optimizer, for images whose borders are `rows`.
    ///
    /// # Panics
    /// If there are more images than a batch holds, or lengths do not fit.
    pub fn train_batch(
        &mut self,
        rows: &[f32],
        examples: &Examples<'_>,
        losses: &mut [f32],
        logits: &mut [f32],
    ) {
        let images = examples.labels.len();
        let channels = self.pooled.len() / self.batch;
        let level = self.level;
        let mut to = Outputs { losses, logits };
        self.update.next_step();
        self.steps += 1;
        self.head.begin(images, &mut self.pass);
        match self.frozen.above {
            Border::Pooled(_) => {
                let batch = 0..images;
                self.head
                    .forward(level, rows, batch, examples, &mut self.pass, &mut to);
            }
            Border::Activations(_) => {
                let row = rows.len() / images;
                let mut sum = Sum::New;
                for part in self.tail.parts(images) {
                    let pooled = &mut self.pooled[..part.len() * channels];
                    let some = Part {
                        level,
                        layers: &self.layers,
                        images: part.len(),
                    };
                    self.tail
                        .set_inputs(&rows[part.start * row..part.end * row], part.len());
                    trace_span!("forward", images = part.len())
                        .in_scope(|| self.tail.forward(&some, pooled));
                    self.head.forward(
                        level,
                        pooled,
                        part.clone(),
                        examples,
                        &mut self.pass,
                        &mut to,
                    );
                    let dpooled = &mut self.dpooled[..part.len() * channels];
                    self.head
                        .input_gradient(level, &mut self.pass, part.clone(), dpooled);
                    trace_span!("backward", images = part.len())
                        .in_scope(|| self.tail.backward(&some, dpooled, sum));
                    sum = Sum::Continued;
                }
                trace_span!("update")
                    .in_scope(|| self.tail.update(level, &mut self.layers, &self.update));
            }
        }
        self.head.update(level, &self.pass, &self.update);
    }

    /// Losses and logits of images whose borders are `rows`.
    ///
    /// # Panics
    /// If there are more images than a batch holds, or lengths do not fit.
    pub fn evaluate_batch(
        &mut self,
        rows: &[f32],
        labels: &[u32],
        losses: &mut [f32],
        logits: &mut [f32],
    ) {
        self.logits(rows, labels.len(), logits);
        self.head.losses(logits, labels, losses, &mut self.pass);
    }

    /// Logits of so many images whose borders are `rows`.
    ///
    /// # Panics
    /// If there are no images, or more than a batch holds, or lengths do not fit.
    pub fn logits(&mut self, rows: &[f32], images: usize, logits: &mut [f32]) {
        let used = images * self.pooled.len() / self.batch;
        let pooled = &mut self.pooled[..used];
        pooled
            .par_chunks_exact_mut(used / images)
            .zip(rows.par_chunks_exact(rows.len() / images))
            .for_each(|(pooled, row)| {
                let _span = trace_span!("tail").entered();
                self.rest.forward(self.level, &self.layers, row, pooled);
            });
        self.head.logits(self.level, &self.pooled[..used], logits);
    }

    /// A copy of the parameters as they are.
    pub fn parameters(&self) -> Parameters {
        let mut parameters = self.parameters.clone();
        let values = self
            .layers
            .iter()
            .flat_map(|layer| layer.tensors.iter())
            .chain([&self.head.kernel, &self.head.bias]);
        for (tensor, values) in parameters.tensors.iter_mut().zip(values) {
            tensor.values.copy_from_slice(values);
        }
        parameters
    }

    /// Name and flat index of the first parameter, else of the first element of optimizer state, that is
    /// not finite.
    pub fn first_non_finite(&self) -> Option<(String, usize)> {
        let name = |place: usize| self.parameters.tensors[place].spec.name.clone();
        let bad = |values: &[f32]| values.iter().position(|value| !value.is_finite());
        let layers = || self.layers.iter().flat_map(|layer| layer.tensors.iter());
        let parameter = layers()
            .chain([&self.head.kernel, &self.head.bias])
            .enumerate()
            .find_map(|(place, values)| Some((name(place), bad(values)?)));
        let state = || {
            self.states()
                .find_map(|(place, state)| Some((name(place), state.first_non_finite()?)))
        };
        parameter.or_else(state)
    }

    /// Gradients of the last step by tensor name; what is frozen has none.
    pub fn gradients(&self) -> Vec<(String, Vec<f32>)> {
        let name = |place: usize| self.parameters.tensors[place].spec.name.clone();
        let trained = &self.layers[self.frozen.above_place()..];
        let mut gradients: Vec<(String, Vec<f32>)> = trained
            .iter()
            .zip(self.tail.sums())
            .flat_map(|(layer, sums)| {
                let kernel = layer.operation.kernel;
                let gradients = layer.gradients(self.level, sums).into_iter();
                gradients.map(move |(place, values)| (name(kernel + place), values))
            })
            .collect();
        let head = self.layers.len() * OPERATION_TENSORS;
        for (place, values) in self.head.gradients().into_iter().enumerate() {
            gradients.push((name(head + place), values.to_vec()));
        }
        gradients
    }
}
