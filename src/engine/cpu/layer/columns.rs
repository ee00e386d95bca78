//! What a layer does to some channels of a part of a batch, forward and backward.
//!
//! Channels of a wide activation depend on each other only through the narrow ones between bottlenecks. So a
//! task takes a tile of channels from one narrow activation to the next, as long as it stays in its cache.

use std::ops::Range;

use super::{Folded, Layer};
use crate::kernels::pointwise::Epilogue;
use crate::kernels::{Block, Level, Sum, Tiles, depthwise, first_convolution, pointwise};
use crate::model::operation::Convolution;

/// Most channels of a tile.
pub(in crate::engine::cpu) const MOST_CHANNELS: usize = 32;

/// Channels `channels` of a folded kernel `[taps][all]`: of `VALUES` values at most.
struct Kernel<const VALUES: usize> {
    values: [f32; VALUES],
    len: usize,
}

impl<const VALUES: usize> Kernel<VALUES> {
    fn of(kernel: &[f32], all: usize, channels: &Range<usize>) -> Self {
        let mut values = [0.0; VALUES];
        let rows = kernel.chunks_exact(all);
        let len = rows.len() * channels.len();
        for (target, row) in values.chunks_exact_mut(channels.len()).zip(rows) {
            target.copy_from_slice(&row[channels.clone()]);
        }
        Self { values, len }
    }

    fn values(&self) -> &[f32] {
        &self.values[..self.len]
    }
}

impl Layer {
    /// Forward for rows `x`, or for whole images where a kernel looks at neighbours: channels `channels` of
    /// the output. Of a depthwise convolution `x` is one tile, these channels. `next` is what the caller works
    /// on then, which a pointwise convolution asks for meanwhile.
    pub(in crate::engine::cpu) fn forward_columns(
        &self,
        level: Level,
        x: Tiles<'_>,
        channels: Range<usize>,
        residual: Option<&[f32]>,
        next: &[f32],
        y: &mut [f32],
    ) {
        match self.operation.kind {
            Convolution::Pointwise => {
                if let Folded::Packed(packed) = &self.folded {
                    let epilogue = Epilogue {
                        addend: residual,
                        relu6: self.operation.relu6,
                        mask: None,
                    };
                    let bias = Some(&self.bias[..]);
                    pointwise::forward_columns(level, x, packed, channels, bias, epilogue, next, y);
                }
            }
            Convolution::First => {
                let shape = self.first_shape_of(channels.len());
                let kernel = self.first_kernel(&channels);
                let bias = &self.bias[channels];
                let images = x.tile(0).chunks_exact(shape.input_len());
                for (x, y) in images.zip(y.chunks_exact_mut(shape.output_len())) {
                    first_convolution::forward(level, &shape, x, kernel.values(), bias, y);
                }
            }
            Convolution::Depthwise { stride } => {
                let shape = self.depthwise_shape_of(channels.len(), stride);
                let kernel = self.depthwise_kernel(&channels);
                let bias = &self.bias[channels];
                let relu6 = self.operation.relu6;
                let images = x.tile(0).chunks_exact(shape.input_len());
                for (x, y) in images.zip(y.chunks_exact_mut(shape.output_len())) {
                    depthwise::forward(level, &shape, x, kernel.values(), bias, relu6, y);
                }
            }
        }
    }

    /// Channels `channels` of the gradient of the input. The epilogue adds what comes by the shortcut, then cuts
    /// what ReLU6 let not pass: its mask is the input's activations. Of a depthwise convolution `dz` is one tile,
    /// these channels. `next` is as in [`Layer::forward_columns`].
    pub(in crate::engine::cpu) fn input_gradient_columns(
        &self,
        level: Level,
        dz: Tiles<'_>,
        channels: Range<usize>,
        epilogue: Epilogue<'_>,
        next: &[f32],
        dx: &mut [f32],
    ) {
        match self.operation.kind {
            // Below it is the picture.
            Convolution::First => {}
            Convolution::Pointwise => {
                let transposed = self.training.as_ref().and_then(|t| t.transposed.as_ref());
                if let Some(transposed) = transposed {
                    pointwise::forward_columns(
                        level, dz, transposed, channels, None, epilogue, next, dx,
                    );
                }
            }
            Convolution::Depthwise { stride } => {
                let shape = self.depthwise_shape_of(channels.len(), stride);
                let kernel = self.depthwise_kernel(&channels);
                let len = shape.input_len();
                let images = dz.tile(0).chunks_exact(shape.output_len());
                for (image, (dz, dx)) in images.zip(dx.chunks_exact_mut(len)).enumerate() {
                    let mask = epilogue.mask.map(|mask| &mask[image * len..][..len]);
                    depthwise::input_gradient(level, &shape, dz, kernel.values(), mask, dx);
                }
            }
        }
    }

    /// Adds to the part `kernel` of the gradient of the folded kernel (of a depthwise convolution: and of the
    /// bias, as a tenth row) from the inputs and output gradients of its rows and columns, whole slices of
    /// images.
    pub(in crate::engine::cpu) fn accumulate_kernel(
        &self,
        level: Level,
        images: usize,
        x: &[f32],
        dz: &[f32],
        sum: Sum,
        kernel: Block<'_>,
    ) {
        let slice = self.operation.slice_images();
        let channels = kernel.columns().len();
        match self.operation.kind {
            Convolution::Pointwise => {
                pointwise::weight_gradient(level, x, dz, self.slice_rows(), sum, kernel);
            }
            Convolution::First => {
                let shape = self.first_shape_of(channels);
                first_convolution::weight_gradient(
                    level, &shape, images, x, dz, slice, sum, kernel,
                );
            }
            Convolution::Depthwise { stride } => {
                let shape = self.depthwise_shape_of(channels, stride);
                depthwise::weight_gradient(level, &shape, images, x, dz, slice, sum, kernel);
            }
        }
    }

    /// Adds to the part `bias` of the gradient of the bias from the output gradients of its columns.
    pub(in crate::engine::cpu) fn accumulate_bias(
        &self,
        level: Level,
        dz: &[f32],
        sum: Sum,
        bias: Block<'_>,
    ) {
        pointwise::bias_gradient(level, dz, self.slice_rows(), sum, bias);
    }

    /// Rows of a slice of a sum over a batch.
    fn slice_rows(&self) -> usize {
        self.operation.slice_images() * self.operation.output_pixels()
    }

    fn first_kernel(
        &self,
        channels: &Range<usize>,
    ) -> Kernel<{ first_convolution::TAPS * MOST_CHANNELS }> {
        Kernel::of(self.plain(), self.operation.output_shape[2], channels)
    }

    fn depthwise_kernel(
        &self,
        channels: &Range<usize>,
    ) -> Kernel<{ depthwise::TAPS * MOST_CHANNELS }> {
        Kernel::of(self.plain(), self.operation.output_shape[2], channels)
    }

    pub(super) fn first_shape_of(&self, channels: usize) -> first_convolution::Shape {
        let [height, width, _] = self.operation.input_shape;
        first_convolution::Shape::keras(height, width, channels)
    }

    pub(super) fn depthwise_shape_of(&self, channels: usize, stride: usize) -> depthwise::Shape {
        let [height, width, _] = self.operation.input_shape;
        depthwise::Shape::keras(height, width, channels, stride)
    }
}
