//! Backward of a block on a tile of its wide channels.

use std::ops::Range;

use super::pieces::channels_of;
use crate::engine::cpu::layer::Layer;
use crate::kernels::pointwise::Epilogue;
use crate::kernels::{Block, Level, Sum, Tiles};

/// A layer of the block, and its input.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) layer: &'a Layer,
    pub(super) x: Tiles<'a>,
}

/// What the tasks of a block read.
pub(super) struct Wide<'a> {
    pub(super) level: Level,
    pub(super) images: usize,
    pub(super) sum: Sum,
    pub(super) expand: Option<Step<'a>>,
    pub(super) depthwise: Option<Step<'a>>,
    pub(super) project: Option<Step<'a>>,
    /// Gradient of the block's output.
    pub(super) dz: Tiles<'a>,
    /// Wide channels, and those of a tile.
    pub(super) channels: usize,
    pub(super) width: usize,
}

/// What a task writes.
pub(super) struct Pieces<'a> {
    /// Gradient of what the expansion puts out.
    pub(super) dexpanded: Option<&'a mut [f32]>,
    /// Gradients of the expansion's kernel and bias.
    pub(super) expand: Option<(Block<'a>, Block<'a>)>,
    /// Gradients of the depthwise convolution's kernel and bias.
    pub(super) depthwise: Option<Block<'a>>,
    /// Gradient of the projection's kernel.
    pub(super) project: Option<Block<'a>>,
}

impl Wide<'_> {
    /// The task of tile `tile`, from the projection to the expansion; `room` is for a tile of a gradient.
    pub(super) fn backward(&self, tile: usize, to: Pieces<'_>, room: &mut [f32]) {
        let channels = channels_of(tile, self.width, self.channels);
        let convolved = self.project(tile, &channels, to.project, room);
        let expanded = self.depthwise(tile, &channels, convolved, to.depthwise, to.dexpanded);
        if let (Some(Step { layer, x }), Some((kernel, bias))) = (self.expand, to.expand) {
            let dz = expanded.unwrap_or_else(|| self.dz.tile(tile));
            let x = x.tile(0);
            layer.accumulate_kernel(self.level, self.images, x, dz, self.sum, kernel);
            layer.accumulate_bias(self.level, dz, self.sum, bias);
        }
    }

    /// Adds to the gradient of the projection's kernel. Returns that of its input.
    fn project<'r>(
        &self,
        tile: usize,
        channels: &Range<usize>,
        kernel: Option<Block<'_>>,
        room: &'r mut [f32],
    ) -> &'r [f32] {
        let (Some(Step { layer, x }), Some(kernel)) = (self.project, kernel) else {
            return &[];
        };
        let x = x.tile(tile);
        let dz = self.dz.tile(0);
        let dx = &mut room[..x.len()];
        if let Some(depthwise) = self.depthwise {
            let (channels, next) = (channels.clone(), depthwise.x.tile(tile));
            layer.input_gradient_columns(self.level, self.dz, channels, active(x), next, dx);
        }
        layer.accumulate_kernel(self.level, self.images, x, dz, self.sum, kernel);
        dx
    }

    /// Adds to the gradients of the depthwise convolution. Returns that of its input, if wanted.
    fn depthwise<'r>(
        &self,
        tile: usize,
        channels: &Range<usize>,
        dz: &[f32],
        sums: Option<Block<'_>>,
        dx: Option<&'r mut [f32]>,
    ) -> Option<&'r [f32]> {
        let (Some(Step { layer, x }), Some(sums)) = (self.depthwise, sums) else {
            return None;
        };
        let x = x.tile(tile);
        layer.accumulate_kernel(self.level, self.images, x, dz, self.sum, sums);
        let dx = dx?;
        let dz = Tiles::whole(dz, channels.len());
        layer.input_gradient_columns(self.level, dz, channels.clone(), active(x), &[], dx);
        Some(dx)
    }
}

/// Cuts what ReLU6 let not pass where it put out `x`.
fn active(x: &[f32]) -> Epilogue<'_> {
    Epilogue {
        mask: Some(x),
        ..Epilogue::default()
    }
}
