//! One fused operation with its parameters: raw, folded and packed. What the trained part does with it is in
//! [`columns`] and [`training`].

pub(super) mod columns;
mod training;

use std::ops::Range;

use self::training::Training;
use crate::kernels::pointwise::{Epilogue, PackedWeights};
use crate::kernels::{Buffer, Level, batch_norm, depthwise, first_convolution, pointwise, zeros};
use crate::model::Operation;
use crate::model::operation::{Convolution, MOVING_VARIANCE, OPERATION_TENSORS};

/// Values of weights that are changed, folded and packed at a time: they stay in the first-level cache.
const BLOCK_VALUES: usize = 4096;

/// An operation with what it needs to run forward and backward.
pub(super) struct Layer {
    pub(super) operation: Operation,
    /// Kernel, gamma, beta, moving mean, moving variance, as loaded or trained.
    pub(super) tensors: [Buffer; OPERATION_TENSORS],
    inverse: Vec<f32>,
    /// What the batch norm multiplies each channel by.
    scale: Buffer,
    bias: Buffer,
    folded: Folded,
    training: Option<Training>,
}

/// The kernel with the batch norm folded in.
enum Folded {
    /// As it is.
    Plain(Buffer),
    /// In the order of a pointwise product.
    Packed(PackedWeights),
}

impl Layer {
    pub(super) fn new(
        level: Level,
        operation: Operation,
        tensors: [Buffer; OPERATION_TENSORS],
    ) -> Self {
        let inverse = batch_norm::inverse_deviation(&tensors[MOVING_VARIANCE]);
        let [_, _, inputs] = operation.input_shape;
        let [_, _, outputs] = operation.output_shape;
        let folded = match operation.kind {
            Convolution::Pointwise => Folded::Packed(PackedWeights::new(level, inputs, outputs)),
            _ => Folded::Plain(zeros(tensors[0].len())),
        };
        let mut layer = Self {
            scale: zeros(outputs),
            bias: zeros(outputs),
            operation,
            tensors,
            inverse,
            folded,
            training: None,
        };
        layer.scale_and_bias(level);
        let mut folded_rows = zeros(layer.block_values());
        for rows in layer.blocks() {
            layer.fold(level, rows, &mut folded_rows);
        }
        layer
    }

    /// What the batch norm multiplies by and adds, after its parameters changed.
    fn scale_and_bias(&mut self, level: Level) {
        let [_, gamma, beta, mean, _] = &self.tensors;
        batch_norm::scale(gamma, &self.inverse, &mut self.scale);
        batch_norm::bias(level, mean, &self.scale, beta, &mut self.bias);
    }

    /// Folds the batch norm into some rows of the kernel, after they changed; `folded_rows` is room for them.
    fn fold(&mut self, level: Level, rows: Range<usize>, folded_rows: &mut [f32]) {
        let outputs = self.operation.output_shape[2];
        let raw = &self.tensors[0][rows.start * outputs..rows.end * outputs];
        match &mut self.folded {
            Folded::Plain(folded) => {
                let folded = &mut folded[rows.start * outputs..rows.end * outputs];
                batch_norm::scale_rows(level, raw, &self.scale, folded);
            }
            Folded::Packed(packed) => {
                let folded = &mut folded_rows[..raw.len()];
                batch_norm::scale_rows(level, raw, &self.scale, folded);
                packed.pack_rows(rows.start, folded);
                let training = self.training.as_mut();
                if let Some(transposed) = training.and_then(|t| t.transposed.as_mut()) {
                    // A panel once all of its columns are there.
                    for panel in 0..transposed.panels() {
                        let columns = transposed.columns_of(panel);
                        if rows.start < columns.end && columns.end <= rows.end {
                            transposed.transpose_panel(panel, packed);
                        }
                    }
                }
            }
        }
    }

    /// Rows of the kernel, some at a time.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let outputs = self.operation.output_shape[2];
        let rows = self.tensors[0].len() / outputs;
        let block = self.block_values() / outputs;
        (0..rows)
            .step_by(block)
            .map(move |first| first..rows.min(first + block))
    }

    /// Values of the largest of these blocks.
    fn block_values(&self) -> usize {
        let outputs = self.operation.output_shape[2];
        (BLOCK_VALUES / outputs).max(1) * outputs
    }

    /// Forward for whole images.
    pub(super) fn forward(&self, level: Level, x: &[f32], residual: Option<&[f32]>, y: &mut [f32]) {
        let operation = &self.operation;
        if operation.kind == Convolution::Pointwise {
            self.pointwise(level, x, residual, y);
            return;
        }
        let images = x
            .chunks_exact(operation.input_len())
            .zip(y.chunks_exact_mut(operation.output_len()));
        for (x, y) in images {
            self.forward_rows(level, 0..operation.output_shape[0], x, None, y);
        }
    }

    /// Forward for rows `rows` of the output of one image. For a pointwise convolution `x` and `residual`
    /// are of the same rows; for a depthwise one `x` may be a ring (see [`depthwise::forward_rows`]).
    pub(super) fn forward_rows(
        &self,
        level: Level,
        rows: Range<usize>,
        x: &[f32],
        residual: Option<&[f32]>,
        y: &mut [f32],
    ) {
        match self.operation.kind {
            Convolution::First => {
                let shape = self.first_shape();
                first_convolution::forward_rows(
                    level,
                    &shape,
                    rows,
                    x,
                    self.plain(),
                    &self.bias,
                    y,
                );
            }
            Convolution::Depthwise { stride } => {
                let shape = self.depthwise_shape(stride);
                let relu6 = self.operation.relu6;
                let (w, bias) = (self.plain(), &self.bias);
                depthwise::forward_rows(level, &shape, rows, x, w, bias, relu6, y);
            }
            Convolution::Pointwise => self.pointwise(level, x, residual, y),
        }
    }

    fn pointwise(&self, level: Level, x: &[f32], residual: Option<&[f32]>, y: &mut [f32]) {
        if let Folded::Packed(packed) = &self.folded {
            let epilogue = Epilogue {
                addend: residual,
                relu6: self.operation.relu6,
                mask: None,
            };
            pointwise::forward(level, x, packed, Some(&self.bias), epilogue, y);
        }
    }

    /// Rows of the input that rows `rows` of the output read.
    pub(super) fn rows_read_by(&self, rows: &Range<usize>) -> Range<usize> {
        match self.operation.kind {
            Convolution::Depthwise { stride } => self.depthwise_shape(stride).rows_read_by(rows),
            Convolution::Pointwise => rows.clone(),
            // The picture is there as a whole.
            Convolution::First => 0..self.operation.input_shape[0],
        }
    }

    /// The folded kernel of a convolution that is not pointwise.
    fn plain(&self) -> &[f32] {
        match &self.folded {
            Folded::Plain(folded) => folded,
            Folded::Packed(_) => &[],
        }
    }

    fn first_shape(&self) -> first_convolution::Shape {
        self.first_shape_of(self.operation.output_shape[2])
    }

    fn depthwise_shape(&self, stride: usize) -> depthwise::Shape {
        self.depthwise_shape_of(self.operation.output_shape[2], stride)
    }
}
