//! The trained tail of the network: forward that keeps every output, and backward, some images at a time.
//!
//! A batch's outputs and their gradients are larger than the caches. So it goes through in parts of as many
//! images as make whole slices of every sum (docs/arithmetic.md): what one part adds to the gradients is
//! what a pass over the whole batch would add next, and only the gradients are kept from part to part.
//! Within a part a task takes a tile of channels through a whole block: forward from the expansion to the
//! depthwise convolution, backward from the projection to the expansion. Wide activations lie in these tiles.

mod backward;
mod bottleneck;
mod forward;
mod pieces;
mod wide;

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use tracing::trace_span;

use self::bottleneck::{Bottleneck, is_wide, tile_width};
use self::pieces::channels_of;
use super::layer::Layer;
use super::layer::columns::MOST_CHANNELS;
use crate::engine::border::Border;
use crate::engine::update::Update;
use crate::kernels::{Buffer, Level, Tiles, copy_columns, zeros};
use crate::model::Operation;

/// Tasks per thread that the rows of a part are cut into.
const TASKS_PER_THREAD: usize = 2;
/// Images of a part for each thread, at least.
const IMAGES_PER_THREAD: usize = 6;

/// Values of a pixel of a picture.
const COLOURS: usize = 3;

/// Some images of a batch on their way through the layers.
pub(super) struct Part<'a> {
    pub(super) level: Level,
    pub(super) layers: &'a [Layer],
    pub(super) images: usize,
}

impl<'a> Part<'a> {
    fn layer(&self, place: Option<usize>) -> Option<&'a Layer> {
        place.map(|place| &self.layers[place])
    }

    /// Rows of the output of a layer; none where there is no layer.
    fn rows(&self, layer: Option<&Layer>) -> usize {
        layer.map_or(0, |layer| self.images * layer.operation.output_pixels())
    }

    /// Wide channels of a block.
    fn wide_channels(&self, block: Bottleneck) -> Option<usize> {
        let first = &self.layers[block.places().next()?].operation;
        let is_projection = block.expand.or(block.depthwise).is_none();
        let [_, _, channels] = if is_projection {
            first.input_shape
        } else {
            first.output_shape
        };
        Some(channels)
    }

    /// Rows of some of its images.
    fn rows_of<'t>(&self, x: Tiles<'t>, images: &Range<usize>) -> Tiles<'t> {
        let rows = x.count() / self.images;
        x.rows(images.start * rows..images.end * rows)
    }
}

/// Buffers of the tail for a part of a batch.
pub(super) struct Tail {
    /// Number of operations below.
    frozen: usize,
    /// Images of a part.
    images: usize,
    blocks: Vec<Bottleneck>,
    inputs: Vec<Input>,
    /// Output of each operation of the tail.
    outputs: Vec<Buffer>,
    /// Gradients of each folded kernel and bias.
    sums: Vec<Buffer>,
    /// Gradients of outputs that are still wanted.
    gradients: Vec<Option<Buffer>>,
    /// Buffers for gradients that are free, all as large as the largest.
    free: Vec<Buffer>,
    /// Room for a tile of the gradient of what a block narrows: one for each thread.
    scratch: Mutex<Vec<Buffer>>,
    scratch_len: usize,
}

/// What crosses the border.
struct Input {
    /// The operation below that it is the output of, or the picture.
    source: Option<usize>,
    /// Values of an image.
    len: usize,
    channels: usize,
    /// Columns of a tile.
    width: usize,
    /// Those of a part.
    values: Buffer,
}

impl Tail {
    /// The layers from `frozen` on, for batches of at most `batch` images.
    pub(super) fn new(layers: &[Layer], frozen: usize, border: &Border, batch: usize) -> Self {
        let operations: Vec<Operation> =
            layers.iter().map(|layer| layer.operation.clone()).collect();
        let tail = &operations[frozen..];
        let images = part(tail, batch, rayon::current_num_threads());
        let inputs = match border {
            Border::Pooled(_) => vec![],
            Border::Activations(crossing) => crossing
                .iter()
                .map(|&(source, len)| Input {
                    source,
                    len,
                    channels: source.map_or(COLOURS, |place| operations[place].output_shape[2]),
                    width: source.map_or(COLOURS, |place| layout(&operations[place])),
                    values: zeros(len * images),
                })
                .collect(),
        };
        let narrow = tail.iter().filter(|operation| !is_wide(operation));
        let tile = |operation: &Operation| operation.output_pixels() * MOST_CHANNELS * images;
        let scratch_len = narrow.map(tile).max().unwrap_or(0);
        let threads = rayon::current_num_threads();
        Self {
            frozen,
            images,
            blocks: Bottleneck::of(&operations, frozen),
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
            scratch: Mutex::new((0..threads).map(|_| zeros(scratch_len)).collect()),
            scratch_len,
        }
    }

    /// Place of an operation in the tail.
    fn place(&self, operation: Option<usize>) -> Option<usize> {
        operation.map(|place| place - self.frozen)
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
    pub(super) fn set_inputs(&mut self, rows: &[f32], images: usize) {
        let row = rows.len() / images;
        let mut offset = 0;
        for input in &mut self.inputs {
            let Input {
                len,
                channels,
                width,
                ref mut values,
                ..
            } = *input;
            let of_image = |image: usize| &rows[image * row + offset..][..len];
            let values = &mut values[..images * len];
            if width == channels {
                let images = values.par_chunks_exact_mut(len).enumerate();
                images.for_each(|(image, values)| values.copy_from_slice(of_image(image)));
            } else {
                let tiles = values.par_chunks_mut(images * len / channels * width);
                tiles.enumerate().for_each(|(tile, values)| {
                    let used = channels_of(tile, width, channels);
                    let images = values.chunks_exact_mut(values.len() / images).enumerate();
                    for (image, values) in images {
                        copy_columns(of_image(image), channels, used.clone(), values);
                    }
                });
            }
            offset += len;
        }
    }

    /// Output of an operation for a part, above or below the border; `None` is the picture.
    fn activation(&self, part: &Part<'_>, source: Option<usize>) -> Tiles<'_> {
        if let Some(place) = source.filter(|&place| place >= self.frozen) {
            let operation = &part.layers[place].operation;
            let values = &self.outputs[place - self.frozen][..part.images * operation.output_len()];
            return Tiles::new(values, operation.output_shape[2], layout(operation));
        }
        match self.inputs.iter().find(|input| input.source == source) {
            Some(input) => {
                let values = &input.values[..part.images * input.len];
                Tiles::new(values, input.channels, input.width)
            }
            None => Tiles::whole(&[], 1),
        }
    }

    /// One step of the optimizer with the gradients of all parts.
    pub(super) fn update(&self, level: Level, layers: &mut [Layer], update: &Update) {
        // From the last layers on, which are the largest, so that nobody is left with one of them.
        layers[self.frozen..]
            .par_iter_mut()
            .zip(&self.sums)
            .rev()
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

    fn take_scratch(&self) -> Buffer {
        let mut free = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop().unwrap_or_else(|| zeros(self.scratch_len))
    }

    fn return_scratch(&self, scratch: Buffer) {
        let mut free = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(scratch);
    }
}

/// The buffer at `place`, to be written while others are read.
fn take(buffers: &mut [Buffer], place: Option<usize>) -> Option<Buffer> {
    place.map(|place| std::mem::replace(&mut buffers[place], zeros(0)))
}

/// Puts back what [`take`] took.
fn put_back(buffers: &mut [Buffer], place: Option<usize>, taken: Option<Buffer>) {
    if let (Some(place), Some(taken)) = (place, taken) {
        buffers[place] = taken;
    }
}

/// Columns of a tile of an operation's output.
fn layout(operation: &Operation) -> usize {
    let channels = operation.output_shape[2];
    if is_wide(operation) {
        tile_width(channels, rayon::current_num_threads())
    } else {
        channels
    }
}

/// Rows that one task takes of so many.
fn task_rows(rows: usize) -> usize {
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
