//! What only a trained layer has: what its gradients need, and the optimizer's step.

use super::{Folded, Layer};
use crate::engine::update::{State, Update};
use crate::kernels::pointwise::PackedWeights;
use crate::kernels::{Buffer, Level, batch_norm, zeros};
use crate::model::operation::{BETA, GAMMA, MOVING_MEAN, OPERATION_TENSORS};

/// What only a trained layer has.
pub(super) struct Training {
    trained: [bool; OPERATION_TENSORS],
    /// The transposed folded kernel, where the gradient goes further down.
    pub(super) transposed: Option<PackedWeights>,
    /// What the batch norm multiplied by before the last step.
    old_scale: Buffer,
    gamma_gradient: Buffer,
    /// Room for some rows of the kernel: their gradient, and the rows folded.
    gradient_rows: Buffer,
    folded_rows: Buffer,
    states: [State; 3],
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

    /// Values of the gradients of kernel and bias together.
    pub(in crate::engine::cpu) fn sums_len(&self) -> usize {
        self.tensors[0].len() + self.bias.len()
    }

    /// Applies one step of the optimizer to what is trained, with the gradients of kernel and bias, and
    /// folds again: block by block, so that a weight is fetched once for all of it.
    pub(in crate::engine::cpu) fn update(&mut self, level: Level, update: &Update, sums: &[f32]) {
        let outputs = self.operation.output_shape[2];
        let piece = self.operation.gamma_piece();
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
    /// of kernel and bias.
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

    /// As [`states`](Self::states), to be changed.
    pub(in crate::engine::cpu) fn states_mut(
        &mut self,
    ) -> impl Iterator<Item = (usize, &mut State)> {
        self.training
            .iter_mut()
            .flat_map(|training| [0, GAMMA, BETA].into_iter().zip(&mut training.states))
    }
}
