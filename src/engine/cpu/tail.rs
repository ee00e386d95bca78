//! The trained tail of the network, a batch at a time: forward that keeps every output, and backward.

use rayon::prelude::*;

use super::border::Border;
use super::layer::Layer;
use crate::engine::update::Update;
use crate::kernels::{Level, pool};
use crate::model::Operation;

/// Tasks per thread that a batch is cut into.
const TASKS_PER_THREAD: usize = 4;

/// Buffers of the tail for a batch.
pub(super) struct Tail {
    /// Number of operations below.
    frozen: usize,
    /// What crosses the border: its source and, for the batch, its values.
    inputs: Vec<(Option<usize>, usize, Vec<f32>)>,
    /// Output of each operation of the tail, for the batch.
    outputs: Vec<Vec<f32>>,
    /// Gradients of outputs that are still wanted.
    gradients: Vec<Option<Vec<f32>>>,
    /// Buffers for gradients that are free.
    free: Vec<Vec<f32>>,
}

impl Tail {
    pub(super) fn new(
        operations: &[Operation],
        frozen: usize,
        border: &Border,
        batch: usize,
    ) -> Self {
        let inputs = match border {
            Border::Pooled(_) => vec![],
            Border::Activations(crossing) => crossing
                .iter()
                .map(|&(source, len)| (source, len, vec![0.0; len * batch]))
                .collect(),
        };
        let tail = &operations[frozen..];
        Self {
            frozen,
            inputs,
            outputs: tail
                .iter()
                .map(|operation| vec![0.0; operation.output_len() * batch])
                .collect(),
            gradients: tail.iter().map(|_| None).collect(),
            free: vec![],
        }
    }

    /// Takes a batch of rows of the border, as [`super::stretch::Stretch::forward`] writes them.
    pub(super) fn set_inputs(&mut self, rows: &[f32]) {
        let row: usize = self.inputs.iter().map(|(_, len, _)| len).sum();
        let mut offset = 0;
        for (_, len, values) in &mut self.inputs {
            values
                .par_chunks_exact_mut(*len)
                .zip(rows.par_chunks_exact(row))
                .for_each(|(target, row)| target.copy_from_slice(&row[offset..][..*len]));
            offset += *len;
        }
    }

    /// Output of an operation for the batch, above or below the border; `None` is the picture.
    fn activation(&self, source: Option<usize>) -> &[f32] {
        match source {
            Some(place) if place >= self.frozen => &self.outputs[place - self.frozen],
            below => self
                .inputs
                .iter()
                .find(|(known, _, _)| *known == below)
                .map_or(&[], |(_, _, values)| values),
        }
    }

    /// Forward of `images` images, and pooled features of each.
    pub(super) fn forward(
        &mut self,
        level: Level,
        layers: &[Layer],
        images: usize,
        pooled: &mut [f32],
    ) {
        let group = group(images);
        for (place, layer) in layers[self.frozen..].iter().enumerate() {
            let operation = &layer.operation;
            let (x_len, y_len) = (operation.input_len(), operation.output_len());
            let mut y = std::mem::take(&mut self.outputs[place]);
            let x = &self.activation(operation.input)[..images * x_len];
            let residual = operation
                .residual
                .map(|source| self.activation(Some(source)));
            y[..images * y_len]
                .par_chunks_mut(group * y_len)
                .zip(x.par_chunks(group * x_len))
                .enumerate()
                .for_each(|(task, (y, x))| {
                    let residual = residual.map(|r| &r[task * group * y_len..][..y.len()]);
                    layer.forward(level, x, residual, y);
                });
            self.outputs[place] = y;
        }
        if let (Some(layer), Some(last)) = (layers.last(), self.outputs.last()) {
            let operation = &layer.operation;
            let (len, channels) = (operation.output_len(), operation.output_shape[2]);
            pooled
                .par_chunks_exact_mut(channels)
                .zip(last.par_chunks_exact(len))
                .for_each(|(out, x)| pool::forward(level, x, operation.output_pixels(), out));
        }
    }

    /// Backward from the gradient of the pooled features, and one step of the optimizer.
    pub(super) fn backward(
        &mut self,
        level: Level,
        layers: &mut [Layer],
        images: usize,
        dpooled: &[f32],
        update: &Update,
    ) {
        let group = group(images);
        self.spread(level, layers, dpooled);
        for place in (self.frozen..layers.len()).rev() {
            let Some(dz) = self.gradients[place - self.frozen].take() else {
                continue;
            };
            let (input, residual, x_len, y_len) = {
                let operation = &layers[place].operation;
                (
                    operation.input,
                    operation.residual,
                    operation.input_len(),
                    operation.output_len(),
                )
            };
            let dz_used = &dz[..images * y_len];
            let x = &self.activation(input)[..images * x_len];
            layers[place].accumulate(level, images, x, dz_used);

            if let Some(below) = input.filter(|&below| below >= self.frozen) {
                let shortcut = self.gradients[below - self.frozen].take();
                let mut dx = self.free.pop().unwrap_or_default();
                dx.resize((images * x_len).max(dx.len()), 0.0);
                let x = &self.activation(input)[..images * x_len];
                let is_masked = layers[below].operation.relu6;
                let layer = &layers[place];
                dx[..images * x_len]
                    .par_chunks_mut(group * x_len)
                    .zip(dz_used.par_chunks(group * y_len))
                    .enumerate()
                    .for_each(|(task, (dx, dz))| {
                        let range = task * group * x_len..task * group * x_len + dx.len();
                        let shortcut = shortcut.as_ref().map(|s| &s[range.clone()]);
                        let mask = is_masked.then(|| &x[range]);
                        layer.input_gradient(level, dz, shortcut, mask, dx);
                    });
                self.free.extend(shortcut);
                self.gradients[below - self.frozen] = Some(dx);
            }
            match residual.filter(|&source| source >= self.frozen) {
                Some(source) => self.gradients[source - self.frozen] = Some(dz),
                None => self.free.push(dz),
            }
        }
        layers[self.frozen..]
            .par_iter_mut()
            .for_each(|layer| layer.update(level, update));
    }

    /// Gradient of the last operation's output from that of its mean over pixels.
    fn spread(&mut self, level: Level, layers: &[Layer], dpooled: &[f32]) {
        let (Some(layer), Some(last)) = (layers.last(), self.outputs.last()) else {
            return;
        };
        let operation = &layer.operation;
        let (len, channels) = (operation.output_len(), operation.output_shape[2]);
        let images = dpooled.len() / channels;
        let mut gradient = self.free.pop().unwrap_or_default();
        gradient.resize((images * len).max(gradient.len()), 0.0);
        gradient[..images * len]
            .par_chunks_exact_mut(len)
            .zip(dpooled.par_chunks_exact(channels))
            .zip(last.par_chunks_exact(len))
            .for_each(|((out, g), y)| {
                let mask = operation.relu6.then_some(y);
                pool::backward(level, g, operation.output_pixels(), mask, out);
            });
        if let Some(slot) = self.gradients.last_mut() {
            *slot = Some(gradient);
        }
    }
}

/// Images that one task takes.
fn group(images: usize) -> usize {
    images
        .div_ceil(TASKS_PER_THREAD * rayon::current_num_threads())
        .max(1)
}
