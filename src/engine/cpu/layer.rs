//! One fused operation with its parameters: raw, folded and packed, its gradients and optimizer state.

use std::ops::Range;

use rayon::prelude::*;

use crate::engine::update::{State, Update};
use crate::kernels::pointwise::{Epilogue, PackedWeights};
use crate::kernels::{Level, batch_norm, depthwise, first_convolution, pointwise};
use crate::model::Operation;
use crate::model::operation::{
    BETA, Convolution, GAMMA, MOVING_MEAN, MOVING_VARIANCE, OPERATION_TENSORS,
};

/// Rows of a pointwise kernel that one task of its gradient takes are a multiple of this: a register tile.
const GRADIENT_TILE: usize = 12;
/// Channels that one task of a depthwise gradient takes: the widest vector, twice.
const CHANNEL_TILE: usize = 32;
/// Rows of weights in one piece of the sum for gamma's gradient (docs/arithmetic.md).
const GAMMA_PIECE: usize = 64;

/// An operation with what it needs to run forward and backward.
pub(super) struct Layer {
    pub(super) operation: Operation,
    /// Kernel, gamma, beta, moving mean, moving variance, as loaded or trained.
    pub(super) tensors: [Vec<f32>; OPERATION_TENSORS],
    inverse: Vec<f32>,
    /// Kernel with the batch norm folded in.
    folded: Vec<f32>,
    bias: Vec<f32>,
    packed: Option<PackedWeights>,
    training: Option<Training>,
}

/// What only a trained layer has.
struct Training {
    trained: [bool; OPERATION_TENSORS],
    /// The transposed folded kernel, where the gradient goes further down.
    transposed: Option<PackedWeights>,
    /// Gradient of the folded kernel, then of the raw one.
    folded_gradient: Vec<f32>,
    gradient: Vec<f32>,
    gamma_gradient: Vec<f32>,
    bias_gradient: Vec<f32>,
    states: [State; 3],
}

impl Layer {
    pub(super) fn new(
        level: Level,
        operation: Operation,
        tensors: [Vec<f32>; OPERATION_TENSORS],
    ) -> Self {
        let inverse = batch_norm::inverse_deviation(&tensors[MOVING_VARIANCE]);
        let outputs = operation.output_shape[2];
        let packed = match operation.kind {
            Convolution::Pointwise => {
                Some(PackedWeights::new(level, operation.input_shape[2], outputs))
            }
            _ => None,
        };
        let mut layer = Self {
            folded: vec![0.0; tensors[0].len()],
            bias: vec![0.0; outputs],
            operation,
            tensors,
            inverse,
            packed,
            training: None,
        };
        layer.fold(level);
        layer
    }

    /// Folds the batch norm into the kernel again, after the parameters changed.
    fn fold(&mut self, level: Level) {
        batch_norm::fold(
            level,
            &self.tensors[0],
            &self.tensors[GAMMA],
            &self.tensors[BETA],
            &self.tensors[MOVING_MEAN],
            &self.inverse,
            &mut self.folded,
            &mut self.bias,
        );
        if let Some(packed) = &mut self.packed {
            packed.pack(&self.folded);
        }
        if let Some(transposed) = self.training.as_mut().and_then(|t| t.transposed.as_mut()) {
            transposed.pack_transposed(&self.folded);
        }
    }

    /// Prepares for a phase that trains the flagged tensors; `passes_on` where the gradient goes further.
    pub(super) fn begin_phase(&mut self, level: Level, trained: &[bool], passes_on: bool) {
        let size = |place: usize| {
            if trained[place] {
                self.tensors[place].len()
            } else {
                0
            }
        };
        let outputs = self.operation.output_shape[2];
        let transposed = (passes_on && self.operation.kind == Convolution::Pointwise)
            .then(|| PackedWeights::new(level, outputs, self.operation.input_shape[2]));
        let mut flags = [false; OPERATION_TENSORS];
        flags.copy_from_slice(trained);
        self.training = Some(Training {
            trained: flags,
            transposed,
            folded_gradient: vec![0.0; self.tensors[0].len()],
            gradient: vec![0.0; self.tensors[0].len()],
            gamma_gradient: vec![0.0; outputs],
            bias_gradient: vec![0.0; outputs],
            states: [0, GAMMA, BETA].map(|place| State::new(size(place))),
        });
        self.fold(level);
    }

    /// Ends a phase: only the forward is needed.
    pub(super) fn end_phase(&mut self) {
        self.training = None;
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
        let (folded, bias) = (&self.folded, &self.bias);
        match self.operation.kind {
            Convolution::First => {
                let shape = self.first_shape();
                first_convolution::forward_rows(level, &shape, rows, x, folded, bias, y);
            }
            Convolution::Depthwise { stride } => {
                let shape = self.depthwise_shape(stride);
                let relu6 = self.operation.relu6;
                depthwise::forward_rows(level, &shape, rows, x, folded, bias, relu6, y);
            }
            Convolution::Pointwise => self.pointwise(level, x, residual, y),
        }
    }

    fn pointwise(&self, level: Level, x: &[f32], residual: Option<&[f32]>, y: &mut [f32]) {
        if let Some(packed) = &self.packed {
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

    /// Gradients of kernel and bias from the batch's inputs `x` and output gradients `dz`.
    pub(super) fn accumulate(&mut self, level: Level, images: usize, x: &[f32], dz: &[f32]) {
        let kind = self.operation.kind;
        let outputs = self.operation.output_shape[2];
        let slice_images = self.operation.slice_images();
        let slice_rows = slice_images * self.operation.output_pixels();
        let first_shape = self.first_shape();
        let depthwise_shape = self.depthwise_shape(match kind {
            Convolution::Depthwise { stride } => stride,
            _ => 1,
        });
        let inputs = self.operation.input_shape[2];
        let Some(training) = &mut self.training else {
            return;
        };
        match kind {
            Convolution::First => {
                first_convolution::weight_gradient(
                    level,
                    &first_shape,
                    images,
                    x,
                    dz,
                    slice_images,
                    &mut training.folded_gradient,
                );
                pointwise::bias_gradient(
                    level,
                    dz,
                    outputs,
                    slice_rows,
                    &mut training.bias_gradient,
                );
            }
            Convolution::Pointwise => {
                let tasks = 4 * rayon::current_num_threads();
                let rows = inputs.div_ceil(tasks).next_multiple_of(GRADIENT_TILE);
                training
                    .folded_gradient
                    .par_chunks_mut(rows * outputs)
                    .enumerate()
                    .for_each(|(task, out)| {
                        let first = task * rows;
                        let range = first..first + out.len() / outputs;
                        pointwise::weight_gradient(
                            level, x, dz, inputs, outputs, slice_rows, range, out,
                        );
                    });
                pointwise::bias_gradient(
                    level,
                    dz,
                    outputs,
                    slice_rows,
                    &mut training.bias_gradient,
                );
            }
            Convolution::Depthwise { .. } => {
                let parts: Vec<(usize, Vec<f32>)> = (0..outputs.div_ceil(CHANNEL_TILE))
                    .into_par_iter()
                    .map(|tile| {
                        let first = tile * CHANNEL_TILE;
                        let channels = first..(first + CHANNEL_TILE).min(outputs);
                        let mut out = vec![0.0; 10 * channels.len()];
                        depthwise::weight_gradient(
                            level,
                            &depthwise_shape,
                            images,
                            x,
                            dz,
                            slice_images,
                            channels,
                            &mut out,
                        );
                        (first, out)
                    })
                    .collect();
                for (first, part) in parts {
                    let width = part.len() / 10;
                    for (tap, values) in part.chunks_exact(width).enumerate() {
                        let target = if tap < 9 {
                            &mut training.folded_gradient[tap * outputs + first..][..width]
                        } else {
                            &mut training.bias_gradient[first..][..width]
                        };
                        target.copy_from_slice(values);
                    }
                }
            }
        }
    }

    /// Gradient of the input of whole images. `shortcut` is added, then what ReLU6 let not pass in `mask`
    /// (the input's activations) is cut.
    pub(super) fn input_gradient(
        &self,
        level: Level,
        dz: &[f32],
        shortcut: Option<&[f32]>,
        mask: Option<&[f32]>,
        dx: &mut [f32],
    ) {
        match self.operation.kind {
            Convolution::First => {}
            Convolution::Depthwise { stride } => {
                let shape = self.depthwise_shape(stride);
                let inputs = self.operation.input_len();
                let outputs = self.operation.output_len();
                for (image, dx) in dx.chunks_exact_mut(inputs).enumerate() {
                    let dz = &dz[image * outputs..][..outputs];
                    let mask = mask.map(|mask| &mask[image * inputs..][..inputs]);
                    depthwise::input_gradient(level, &shape, dz, &self.folded, mask, dx);
                }
            }
            Convolution::Pointwise => {
                let transposed = self.training.as_ref().and_then(|t| t.transposed.as_ref());
                if let Some(transposed) = transposed {
                    let epilogue = Epilogue {
                        addend: shortcut,
                        relu6: false,
                        mask,
                    };
                    pointwise::forward(level, dz, transposed, None, epilogue, dx);
                }
            }
        }
    }

    /// Applies one step of the optimizer to what is trained and folds again.
    pub(super) fn update(&mut self, level: Level, update: &Update) {
        let piece = match self.operation.kind {
            Convolution::Depthwise { .. } => 9,
            _ => GAMMA_PIECE,
        };
        let Some(training) = &mut self.training else {
            return;
        };
        batch_norm::gradients(
            level,
            &training.folded_gradient,
            &self.tensors[0],
            &training.bias_gradient,
            &self.tensors[MOVING_MEAN],
            &self.inverse,
            &self.tensors[GAMMA],
            piece,
            &mut training.gradient,
            &mut training.gamma_gradient,
        );
        let gradients = [
            (0, &training.gradient),
            (GAMMA, &training.gamma_gradient),
            (BETA, &training.bias_gradient),
        ];
        for ((place, gradient), state) in gradients.into_iter().zip(&mut training.states) {
            if training.trained[place] {
                update.apply(level, &mut self.tensors[place], gradient, state);
            }
        }
        self.fold(level);
    }

    /// Gradients of the last step with the places of their tensors; what is frozen has none.
    pub(super) fn gradients(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.training.iter().flat_map(|training| {
            [
                (0, training.gradient.as_slice()),
                (GAMMA, &training.gamma_gradient),
                (BETA, &training.bias_gradient),
            ]
            .into_iter()
            .filter(|(place, _)| training.trained[*place])
        })
    }

    /// Optimizer states with the places of their tensors; what is frozen has none.
    pub(super) fn states(&self) -> impl Iterator<Item = (usize, &State)> {
        self.training
            .iter()
            .flat_map(|training| [0, GAMMA, BETA].into_iter().zip(&training.states))
    }

    fn first_shape(&self) -> first_convolution::Shape {
        let [height, width, _] = self.operation.input_shape;
        first_convolution::Shape::keras(height, width, self.operation.output_shape[2])
    }

    fn depthwise_shape(&self, stride: usize) -> depthwise::Shape {
        let [height, width, channels] = self.operation.input_shape;
        depthwise::Shape::keras(height, width, channels, stride)
    }
}
