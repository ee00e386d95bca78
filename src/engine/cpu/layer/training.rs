//! What only a trained layer has: gradients, and the optimizer's step.

use super::{Folded, Layer};
use crate::engine::update::{State, Update};
use crate::kernels::pointwise::{Epilogue, PackedWeights};
use crate::kernels::{
    Block, Buffer, Level, Sum, batch_norm, depthwise, first_convolution, pointwise, zeros,
};
use crate::model::operation::{BETA, Convolution, GAMMA, MOVING_MEAN, OPERATION_TENSORS};

/// Tasks per thread that a gradient is cut into.
const TASKS_PER_THREAD: usize = 2;
/// Rows of a pointwise kernel that one task of its gradient takes are a multiple of this: a register tile.
const GRADIENT_TILE: usize = 12;
/// Channels that one task of a gradient takes are a multiple of this: the widest vector, twice.
const CHANNEL_TILE: usize = 32;
/// Rows of weights in one piece of the sum for gamma's gradient (docs/arithmetic.md).
const GAMMA_PIECE: usize = 64;
/// The same for a depthwise kernel: all of it.
const DEPTHWISE_PIECE: usize = 9;

/// What only a trained layer has.
pub(super) struct Training {
    trained: [bool; OPERATION_TENSORS],
    /// The transposed folded kernel, where the gradient goes further down.
    transposed: Option<PackedWeights>,
    /// What the batch norm multiplied by before the last step.
    old_scale: Buffer,
    gamma_gradient: Buffer,
    /// Room for some rows of the kernel: their gradient, and the rows folded.
    gradient_rows: Buffer,
    folded_rows: Buffer,
    states: [State; 3],
}

impl Training {
    pub(super) fn transposed(&mut self) -> Option<&mut PackedWeights> {
        self.transposed.as_mut()
    }
}

impl Layer {
    /// Prepares for a phase that trains the flagged tensors; `passes_on` where the gradient goes further.
    pub(in crate::engine::cpu) fn begin_phase(
        &mut self,
        level: Level,
        trained: &[bool],
        passes_on: bool,
    ) {
        let size = |place: usize| {
            if trained[place] {
                self.tensors[place].len()
            } else {
                0
            }
        };
        let outputs = self.operation.output_shape[2];
        let transposed = (passes_on && matches!(self.folded, Folded::Packed(_)))
            .then(|| PackedWeights::new(level, outputs, self.operation.input_shape[2]));
        let mut flags = [false; OPERATION_TENSORS];
        flags.copy_from_slice(trained);
        let mut folded_rows = zeros(self.block_values());
        self.training = Some(Training {
            trained: flags,
            transposed,
            old_scale: self.scale.clone(),
            gamma_gradient: zeros(outputs),
            gradient_rows: zeros(self.block_values()),
            folded_rows: zeros(0),
            states: [0, GAMMA, BETA].map(|place| State::new(size(place))),
        });
        // Again, for the transposed kernel.
        for rows in self.blocks() {
            self.fold(level, rows, &mut folded_rows);
        }
        if let Some(training) = &mut self.training {
            training.folded_rows = folded_rows;
        }
    }

    /// Ends a phase: only the forward is needed.
    pub(in crate::engine::cpu) fn end_phase(&mut self) {
        self.training = None;
    }

    /// Values of the least part of the input that a task can work on: a pixel, where no other is looked at,
    /// else an image.
    pub(in crate::engine::cpu) fn input_row(&self) -> usize {
        match self.operation.kind {
            Convolution::Pointwise => self.operation.input_shape[2],
            _ => self.operation.input_len(),
        }
    }

    /// Values of the output for [`Layer::input_row`].
    pub(in crate::engine::cpu) fn output_row(&self) -> usize {
        match self.operation.kind {
            Convolution::Pointwise => self.operation.output_shape[2],
            _ => self.operation.output_len(),
        }
    }

    /// Values of the gradients of kernel and bias together.
    pub(in crate::engine::cpu) fn sums_len(&self) -> usize {
        self.tensors[0].len() + self.bias.len()
    }

    /// Gradients of the folded kernel, then of the bias, from inputs `x` and output gradients `dz` of whole
    /// slices of images.
    pub(in crate::engine::cpu) fn accumulate(
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
    pub(in crate::engine::cpu) fn input_gradient(
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
                    depthwise::input_gradient(level, &shape, dz, self.plain(), mask, dx);
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
    /// folds again: block by block, so that a weight is fetched once for all of it.
    pub(in crate::engine::cpu) fn update(&mut self, level: Level, update: &Update, sums: &[f32]) {
        let outputs = self.operation.output_shape[2];
        let piece = match self.operation.kind {
            Convolution::Depthwise { .. } => DEPTHWISE_PIECE,
            _ => GAMMA_PIECE,
        };
        let (folded_gradient, bias_gradient) = sums.split_at(self.tensors[0].len());
        let Some(training) = &mut self.training else {
            return;
        };
        training.old_scale.copy_from_slice(&self.scale);
        if training.trained[GAMMA] {
            batch_norm::gamma_gradient(
                level,
                folded_gradient,
                &self.tensors[0],
                bias_gradient,
                &self.tensors[MOVING_MEAN],
                &self.inverse,
                piece,
                &mut training.gamma_gradient,
            );
            let [_, state, _] = &mut training.states;
            let gamma = &mut self.tensors[GAMMA];
            update.apply(level, gamma, &training.gamma_gradient, state.whole());
        }
        if training.trained[BETA] {
            let [_, _, state] = &mut training.states;
            update.apply(level, &mut self.tensors[BETA], bias_gradient, state.whole());
        }
        let mut folded_rows = std::mem::replace(&mut training.folded_rows, zeros(0));
        self.scale_and_bias(level);
        for rows in self.blocks() {
            let values = rows.start * outputs..rows.end * outputs;
            if let Some(training) = &mut self.training
                && training.trained[0]
            {
                let gradient = &mut training.gradient_rows[..values.len()];
                let folded = &folded_gradient[values.clone()];
                batch_norm::scale_rows(level, folded, &training.old_scale, gradient);
                let [state, _, _] = &mut training.states;
                let weights = &mut self.tensors[0][values.clone()];
                update.apply(level, weights, gradient, state.part(values));
            }
            self.fold(level, rows, &mut folded_rows);
        }
        if let Some(training) = &mut self.training {
            training.folded_rows = folded_rows;
        }
    }

    /// Gradients of the last step with the places of their tensors; what is frozen has none. `sums` are those
    /// of [`Layer::accumulate`].
    pub(in crate::engine::cpu) fn gradients(
        &self,
        level: Level,
        sums: &[f32],
    ) -> Vec<(usize, Vec<f32>)> {
        let Some(training) = &self.training else {
            return vec![];
        };
        let (folded, bias) = sums.split_at(self.tensors[0].len());
        let mut kernel = vec![0.0; folded.len()];
        batch_norm::scale_rows(level, folded, &training.old_scale, &mut kernel);
        let mut gradients = vec![
            (0, kernel),
            (GAMMA, training.gamma_gradient.to_vec()),
            (BETA, bias.to_vec()),
        ];
        gradients.retain(|(place, _)| training.trained[*place]);
        gradients
    }

    /// Optimizer states with the places of their tensors; what is frozen has none.
    pub(in crate::engine::cpu) fn states(&self) -> impl Iterator<Item = (usize, &State)> {
        self.training
            .iter()
            .flat_map(|training| [0, GAMMA, BETA].into_iter().zip(&training.states))
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
