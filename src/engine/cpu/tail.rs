//! The trained tail of the network: forward that keeps every output, and backward, some images at a time.
//!
//! A batch's outputs and their gradients are larger than the caches. So it goes through in parts of as many
//! images as make whole slices of every sum (docs/arithmetic.md): what one part adds to the gradients is
//! what a pass over the whole batch would add next, and only the gradients are kept from part to part.

use std::ops::Range;

use rayon::prelude::*;
use tracing::trace_span;

use super::border::Border;
use super::layer::Layer;
use crate::engine::update::Update;
use crate::kernels::{Buffer, Level, Sum, pool, zeros};
use crate::model::Operation;

/// Tasks per thread that a part is cut into.
const TASKS_PER_THREAD: usize = 2;
/// Images of a part for each thread, at least.
const IMAGES_PER_THREAD: usize = 6;

/// Buffers of the tail for a part of a batch.
pub(super) struct Tail {
    /// Number of operations below.
    frozen: usize,
    /// Images of a part.
    images: usize,
    /// What crosses the border: its source, the length for an image, and values of the part.
    inputs: Vec<(Option<usize>, usize, Buffer)>,
    /// Output of each operation of the tail.
    outputs: Vec<Buffer>,
    /// Gradients of each folded kernel and bias.
    sums: Vec<Buffer>,
    /// Gradients of outputs that are still wanted.
    gradients: Vec<Option<Buffer>>,
    /// Buffers for gradients that are free, all as large as the largest.
    free: Vec<Buffer>,
}

impl Tail {
    /// The layers from `frozen` on, for batches of at most `batch` images.
    pub(super) fn new(layers: &[Layer], frozen: usize, border: &Border, batch: usize) -> Self {
        let operations: Vec<Operation> = layers[frozen..]
            .iter()
            .map(|layer| layer.operation.clone())
            .collect();
        let tail = operations.as_slice();
        let images = part(tail, batch, rayon::current_num_threads());
        let inputs = match border {
            Border::Pooled(_) => vec![],
            Border::Activations(crossing) => crossing
                .iter()
                .map(|&(source, len)| (source, len, zeros(len * images)))
                .collect(),
        };
        Self {
            frozen,
            images,
            inputs,
            outputs: tail
                .iter()
                .map(|operation| zeros(operation.output_len() * images))
                .collect(),
            sums: layers[frozen..]
                .iter()
                .map(|layer| zeros(layer.sums_len()))
                .collect(),
            gradients: tail.iter().map(|_| None).collect(),
            free: vec![],
        }
    }

    /// The parts of a batch of `images` images, in order.
    pub(super) fn parts(&self, images: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let part = self.images;
        (0..images)
            .step_by(part)
            .map(move |first| first..images.min(first + part))
    }

    /// Gradients of each folded kernel and bias, as of the last step.
    pub(super) fn sums(&self) -> &[Buffer] {
        &self.sums
    }

    /// Takes rows of the border, as [`super::stretch::Stretch::forward`] writes them.
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

    /// Output of an operation for the part, above or below the border; `None` is the picture.
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

    /// Forward of a part of `images` images, and pooled features of each.
    pub(super) fn forward(
        &mut self,
        level: Level,
        layers: &[Layer],
        images: usize,
        pooled: &mut [f32],
    ) {
        for (place, layer) in layers[self.frozen..].iter().enumerate() {
            let operation = &layer.operation;
            let mut y = std::mem::replace(&mut self.outputs[place], zeros(0));
            let x = self.activation(operation.input);
            let residual = operation
                .residual
                .map(|source| self.activation(Some(source)));
            let task = task_rows(layer, images);
            let (x_len, y_len) = (task * layer.input_row(), task * layer.output_row());
            y[..images * operation.output_len()]
                .par_chunks_mut(y_len)
                .zip(x.par_chunks(x_len))
                .enumerate()
                .for_each(|(task, (y, x))| {
                    let x = &x[..y.len() / layer.output_row() * layer.input_row()];
                    let residual = residual.map(|r| &r[task * y_len..][..y.len()]);
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

    /// Backward of a part from the gradient of its pooled features: adds to the gradients of the layers.
    pub(super) fn backward(
        &mut self,
        level: Level,
        layers: &[Layer],
        images: usize,
        dpooled: &[f32],
        sum: Sum,
    ) {
        self.spread(level, layers, dpooled);
        for place in (self.frozen..layers.len()).rev() {
            let Some(dz) = self.gradients[place - self.frozen].take() else {
                continue;
            };
            let operation = &layers[place].operation;
            let (input, residual) = (operation.input, operation.residual);
            let x_len = images * operation.input_len();
            let dz_used = &dz[..images * operation.output_len()];

            let below = input.filter(|&below| below >= self.frozen);
            let shortcut = below.and_then(|below| self.gradients[below - self.frozen].take());
            let mut dx = below.map(|_| self.buffer());
            let mut sums = std::mem::replace(&mut self.sums[place - self.frozen], zeros(0));
            let x = &self.activation(input)[..x_len];
            let mask = below
                .filter(|&below| layers[below].operation.relu6)
                .map(|_| x);
            let layer = &layers[place];
            // Both read the gradients of the outputs, and neither waits for the other.
            rayon::join(
                || {
                    let _span = trace_span!("input gradients", layer = operation.name).entered();
                    if let Some(dx) = &mut dx {
                        let dx = &mut dx[..x_len];
                        input_gradients(
                            level,
                            layer,
                            images,
                            dz_used,
                            shortcut.as_deref(),
                            mask,
                            dx,
                        );
                    }
                },
                || {
                    let _span = trace_span!("weight gradients", layer = operation.name).entered();
                    layer.accumulate(level, images, x, dz_used, sum, &mut sums);
                },
            );
            self.sums[place - self.frozen] = sums;
            self.free.extend(shortcut);
            if let Some(below) = below {
                self.gradients[below - self.frozen] = dx;
            }
            match residual.filter(|&source| source >= self.frozen) {
                Some(source) => self.gradients[source - self.frozen] = Some(dz),
                None => self.free.push(dz),
            }
        }
    }

    /// One step of the optimizer with the gradients of all parts.
    pub(super) fn update(&self, level: Level, layers: &mut [Layer], update: &Update) {
        layers[self.frozen..]
            .par_iter_mut()
            .zip(&self.sums)
            .with_max_len(1)
            .for_each(|(layer, sums)| {
                let _span = trace_span!("update layer", layer = layer.operation.name).entered();
                layer.update(level, update, sums);
            });
    }

    /// A buffer for gradients of any operation of the tail.
    fn buffer(&mut self) -> Buffer {
        let largest = || self.outputs.iter().map(Buffer::len).max().unwrap_or(0);
        self.free.pop().unwrap_or_else(|| zeros(largest()))
    }

    /// Gradient of the last operation's output from that of its mean over pixels.
    fn spread(&mut self, level: Level, layers: &[Layer], dpooled: &[f32]) {
        let mut gradient = self.buffer();
        let (Some(layer), Some(last)) = (layers.last(), self.outputs.last()) else {
            return;
        };
        let operation = &layer.operation;
        let (len, channels) = (operation.output_len(), operation.output_shape[2]);
        let images = dpooled.len() / channels;
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

/// Gradients of the inputs of a part, side by side.
fn input_gradients(
    level: Level,
    layer: &Layer,
    images: usize,
    dz: &[f32],
    shortcut: Option<&[f32]>,
    mask: Option<&[f32]>,
    dx: &mut [f32],
) {
    let task = task_rows(layer, images);
    let (x_len, z_len) = (task * layer.input_row(), task * layer.output_row());
    dx.par_chunks_mut(x_len)
        .zip(dz.par_chunks(z_len))
        .enumerate()
        .for_each(|(task, (dx, dz))| {
            let range = task * x_len..task * x_len + dx.len();
            let shortcut = shortcut.map(|s| &s[range.clone()]);
            let mask = mask.map(|mask| &mask[range]);
            layer.input_gradient(level, dz, shortcut, mask, dx);
        });
}

/// Rows (of [`Layer::output_row`]) of a part that one task takes.
fn task_rows(layer: &Layer, images: usize) -> usize {
    let rows = images * layer.operation.output_len() / layer.output_row();
    rows.div_ceil(TASKS_PER_THREAD * rayon::current_num_threads())
        .max(1)
}

/// Images of a part of a batch: whole slices of every sum, and work for every thread; the batch where no
/// number of images is whole for all.
fn part(tail: &[Operation], batch: usize, threads: usize) -> usize {
    let whole = tail
        .iter()
        .map(Operation::slice_images)
        .fold(1, |whole, slice| {
            whole / greatest_common_divisor(whole, slice) * slice
        });
    let wanted = IMAGES_PER_THREAD * threads;
    wanted.next_multiple_of(whole).min(batch).max(1)
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Network;
    use crate::model::backbone::mobilenet_v2;

    fn part_at(side: usize, first: usize, batch: usize, threads: usize) -> usize {
        let network = Network {
            layers: mobilenet_v2::layers(side, side, 1.0),
            outputs: 1,
            dropout: 0.0,
        };
        part(&network.operations()[first..], batch, threads)
    }

    #[test]
    fn parts_are_whole_slices_or_the_batch() {
        // 10 × 10 pixels make slices of 2 images, 5 × 5 of 6.
        assert_eq!(part_at(160, 34, 32, 1), 6);
        assert_eq!(part_at(160, 34, 32, 2), 12);
        assert_eq!(part_at(160, 34, 32, 3), 18);
        assert_eq!(part_at(160, 34, 5, 2), 5);
        // 2 × 2 pixels: 32 images.
        assert_eq!(part_at(64, 34, 32, 2), 32);
        assert_eq!(part_at(64, 34, 20, 2), 20);
    }
}
