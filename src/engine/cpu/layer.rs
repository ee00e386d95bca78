//! One fused operation with its parameters: raw, folded and packed, its gradients and optimizer state.

use std::ops::Range;

use crate::engine::update::{State, Update};
use crate::kernels::pointwise::{Epilogue, PackedWeights};
use crate::kernels::{Block, Level, Sum, batch_norm, depthwise, first_convolution, pointwise};
use crate::model::Operation;
use crate::model::operation::{
    BETA, Convolution, GAMMA, MOVING_MEAN, MOVING_VARIANCE, OPERATION_TENSORS,
};

/// Tasks per thread that a gradient is cut into.
const TASKS_PER_THREAD: usize = 2;
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
    /// Gradient of the raw kernel.
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
            bias_gradient: vec![0.0; outputs],
            gradient: vec![0.0; self.tensors[0].len()],
            gamma_gradient: vec![0.0; outputs],
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

    /// Values of the least part of the input that a task can work on: a pixel, where no other is looked at,
    /// else an image.
    pub(super) fn input_row(&self) -> usize {
        match self.operation.kind {
            Convolution::Pointwise => self.operation.input_shape[2],
            _ => self.operation.input_len(),
        }
    }

    /// Values of the output for [`Layer::input_row`].
    pub(super) fn output_row(&self) -> usize {
        match self.operation.kind {
            Convolution::Pointwise => self.operation.output_shape[2],
            _ => self.operation.output_len(),
        }
    }

    /// Values of the gradients of kernel and bias together.
    pub(super) fn sums_len(&self) -> usize {
        self.tensors[0].len() + self.bias.len()
    }

    /// Gradients of the folded kernel, then of the bias, from inputs `x` and output gradients `dz` of whole
    /// slices of images.
    pub(super) fn accumulate(
        &self,
        level: Level,
        images: usize,
        x: &[f32],
        dz: &[f32],
        sum: Sum,
        sums: &mut [f32],
    ) {
        let operation = &self.operation;
        let [height, width, inputs] = operation.input_shape;
        let outputs = operation.output_shape[2];
        let slice_images = operation.slice_images();
        let slice_rows = slice_images * operation.output_pixels();
        let (kernel, bias) = sums.split_at_mut(self.tensors[0].len());
        let of_bias = |bias: Block<'_>| {
            pointwise::bias_gradient(level, dz, slice_rows, sum, bias);
        };
        match operation.kind {
            Convolution::First => {
                let shape = first_convolution::Shape::keras(height, width, outputs);
                let of_kernel = |out: Block<'_>| {
                    first_convolution::weight_gradient(
                        level,
                        &shape,
                        images,
                        x,
                        dz,
                        slice_images,
                        sum,
                        out,
                    );
                };
                in_column_tiles(Block::whole(kernel, outputs), CHANNEL_TILE, &of_kernel);
                in_column_tiles(Block::whole(bias, outputs), CHANNEL_TILE, &of_bias);
            }
            Convolution::Pointwise => {
                let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
                let of_kernel = |out: Block<'_>| {
                    pointwise::weight_gradient(level, x, dz, inputs, slice_rows, sum, out);
                };
                // Along the longer side: a task then reads little of the larger of x and dz twice.
                let kernel = Block::whole(kernel, outputs);
                if outputs > inputs {
                    let columns = outputs.div_ceil(tasks).next_multiple_of(CHANNEL_TILE);
                    in_column_tiles(kernel, columns, &of_kernel);
                } else {
                    let rows = inputs.div_ceil(tasks).next_multiple_of(GRADIENT_TILE);
                    in_row_tiles(kernel, rows, &of_kernel);
                }
                let columns = outputs.div_ceil(tasks).next_multiple_of(CHANNEL_TILE);
                in_column_tiles(Block::whole(bias, outputs), columns, &of_bias);
            }
            Convolution::Depthwise { stride } => {
                let shape = depthwise::Shape::keras(height, width, inputs, stride);
                let both = |out: Block<'_>| {
                    depthwise::weight_gradient(
                        level,
                        &shape,
                        images,
                        x,
                        dz,
                        slice_images,
                        sum,
                        out,
                    );
                };
                in_column_tiles(Block::whole(sums, outputs), CHANNEL_TILE, &both);
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

    /// Applies one step of the optimizer to what is trained, with the gradients of [`Layer::accumulate`], and
    /// folds again.
    pub(super) fn update(&mut self, level: Level, update: &Update, sums: &[f32]) {
        let piece = match self.operation.kind {
            Convolution::Depthwise { .. } => 9,
            _ => GAMMA_PIECE,
        };
        let Some(training) = &mut self.training else {
            return;
        };
        let (folded_gradient, bias_gradient) = sums.split_at(self.tensors[0].len());
        training.bias_gradient.copy_from_slice(bias_gradient);
        batch_norm::gradients(
            level,
            folded_gradient,
            &self.tensors[0],
            bias_gradient,
            &self.tensors[MOVING_MEAN],
            &self.inverse,
            &self.tensors[GAMMA],
            piece,
            &mut training.gradient,
            &mut training.gamma_gradient,
        );
        let gradients = [
            (0, training.gradient.as_slice()),
            (GAMMA, &training.gamma_gradient),
            (BETA, bias_gradient),
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

/// Works on a block in tiles of `rows` rows, side by side.
fn in_row_tiles(block: Block<'_>, rows: usize, work: &(impl Fn(Block<'_>) + Sync)) {
    let covered = block.rows();
    let tiles = covered.len().div_ceil(rows);
    if tiles <= 1 {
        return work(block);
    }
    let (above, below) = block.split_rows(covered.start + tiles / 2 * rows);
    rayon::join(
        || in_row_tiles(above, rows, work),
        || in_row_tiles(below, rows, work),
    );
}

/// Works on a block in tiles of `columns` columns, side by side.
fn in_column_tiles(block: Block<'_>, columns: usize, work: &(impl Fn(Block<'_>) + Sync)) {
    let covered = block.columns();
    let tiles = covered.len().div_ceil(columns);
    if tiles <= 1 {
        return work(block);
    }
    let (left, right) = block.split_columns(covered.start + tiles / 2 * columns);
    rayon::join(
        || in_column_tiles(left, columns, work),
        || in_column_tiles(right, columns, work),
    );
}
