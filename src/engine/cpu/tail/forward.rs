//! Forward of a part of a batch, block by block.

use rayon::prelude::*;

use super::bottleneck::Bottleneck;
use super::pieces::{channels_of, of_images, tiles_mut};
use super::{Part, Tail, layout, put_back, take, task_rows};
use crate::engine::cpu::layer::columns::MOST_CHANNELS;
use crate::kernels::{Tiles, pool};

/// Values of a tile that go from the expansion to the depthwise convolution at a time, about: they stay in
/// the first-level cache.
const CHUNK_VALUES: usize = 8 * 1024;

impl Tail {
    /// Forward of a part, and pooled features of each image.
    pub(in crate::engine::cpu) fn forward(&mut self, part: &Part<'_>, pooled: &mut [f32]) {
        for at in 0..self.blocks.len() {
            let block = self.blocks[at];
            self.widen(part, block);
            self.narrow(part, block);
        }
        self.pool(part, pooled);
    }

    /// The wide activations of a block, a tile of channels a task.
    fn widen(&mut self, part: &Part<'_>, block: Bottleneck) {
        let Some(first) = part.layer(block.expand.or(block.depthwise)) else {
            return;
        };
        let places = [block.expand, block.depthwise].map(|place| self.place(place));
        let [mut expanded, mut convolved] = places.map(|place| take(&mut self.outputs, place));
        let (expand, depthwise) = (part.layer(block.expand), part.layer(block.depthwise));
        let x = self.activation(part, first.operation.input);
        let channels = first.operation.output_shape[2];
        let width = layout(&first.operation);
        let rows = |place| part.rows(part.layer(place));
        let images = part.images;
        let chunk = (CHUNK_VALUES / (first.operation.output_pixels() * MOST_CHANNELS)).max(1);
        (
            tiles_mut(expanded.as_deref_mut(), rows(block.expand), channels, width),
            tiles_mut(
                convolved.as_deref_mut(),
                rows(block.depthwise),
                channels,
                width,
            ),
        )
            .into_par_iter()
            .enumerate()
            .with_max_len(1)
            .for_each(|(tile, (mut expanded, mut convolved))| {
                let channels = channels_of(tile, width, channels);
                for first in (0..images).step_by(chunk) {
                    let chunk = first..images.min(first + chunk);
                    let x = part.rows_of(x, &chunk);
                    let mut widened = None;
                    if let (Some(layer), Some(y)) = (expand, &mut expanded) {
                        let y = of_images(y, chunk.clone(), images);
                        let next: &[f32] = match &mut convolved {
                            Some(next) => of_images(next, chunk.clone(), images),
                            None => &[],
                        };
                        layer.forward_columns(part.level, x, channels.clone(), None, next, y);
                        widened = Some(&*y);
                    }
                    if let (Some(layer), Some(y)) = (depthwise, &mut convolved) {
                        let x = widened.unwrap_or_else(|| x.tile(tile));
                        let x = Tiles::whole(x, channels.len());
                        let y = of_images(y, chunk, images);
                        layer.forward_columns(part.level, x, channels.clone(), None, &[], y);
                    }
                }
            });
        for (place, output) in places.into_iter().zip([expanded, convolved]) {
            put_back(&mut self.outputs, place, output);
        }
    }

    /// The narrow activation of a block, some rows a task.
    fn narrow(&mut self, part: &Part<'_>, block: Bottleneck) {
        let place = self.place(block.project);
        let mut output = take(&mut self.outputs, place);
        if let (Some(layer), Some(y)) = (part.layer(block.project), &mut output) {
            let operation = &layer.operation;
            let x = self.activation(part, operation.input);
            let residual = operation
                .residual
                .map(|source| self.activation(part, Some(source)).tile(0));
            let channels = operation.output_shape[2];
            let rows = part.rows(Some(layer));
            let task = task_rows(rows);
            y[..rows * channels]
                .par_chunks_mut(task * channels)
                .enumerate()
                .for_each(|(number, y)| {
                    let first = number * task;
                    let x = x.rows(first..first + y.len() / channels);
                    let residual = residual.map(|values| &values[first * channels..][..y.len()]);
                    layer.forward_columns(part.level, x, 0..channels, residual, &[], y);
                });
        }
        put_back(&mut self.outputs, place, output);
    }

    /// Means of the last output over pixels.
    fn pool(&self, part: &Part<'_>, pooled: &mut [f32]) {
        let Some(last) = part.layers.last() else {
            return;
        };
        let pixels = last.operation.output_pixels();
        let channels = last.operation.output_shape[2];
        let width = layout(&last.operation);
        let y = self.activation(part, Some(part.layers.len() - 1));
        pooled
            .par_chunks_exact_mut(channels)
            .enumerate()
            .for_each(|(image, pooled)| {
                let y = y.rows(image * pixels..(image + 1) * pixels);
                for (tile, pooled) in pooled.chunks_mut(width).enumerate() {
                    pool::forward(part.level, y.tile(tile), pixels, pooled);
                }
            });
    }
}
