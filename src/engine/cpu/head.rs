//! The head: dropout and a dense layer on pooled features, with its loss.

use crate::engine::update::{State, Update};
use crate::kernels::pointwise::{self, Epilogue, PackedWeights};
use crate::kernels::{Level, dropout, loss};
use crate::model::operation::slice_images;
use crate::random::{self, Stream};

/// Dense layer, dropout and loss.
pub(super) struct Head {
    inputs: usize,
    outputs: usize,
    rate: f64,
    /// `[inputs][outputs]`.
    pub(super) kernel: Vec<f32>,
    pub(super) bias: Vec<f32>,
    packed: PackedWeights,
    transposed: PackedWeights,
    kernel_gradient: Vec<f32>,
    bias_gradient: Vec<f32>,
    states: [State; 2],
}

/// What is known of a batch's images beside their pixels.
#[derive(Clone, Copy)]
pub struct Examples<'a> {
    /// Classes.
    pub labels: &'a [u32],
    /// Places in the source split's sorted list: they draw the dropout masks.
    pub indices: &'a [u32],
    /// Stream of the masks at this phase and epoch.
    pub dropout: &'a Stream,
}

/// What a training step of the head leaves behind, for a batch.
#[derive(Default)]
pub(super) struct HeadPass {
    /// Which pooled features were kept, `[images][inputs]`.
    keep: Vec<bool>,
    /// Pooled features after dropout.
    dropped: Vec<f32>,
    /// Gradient of the logits.
    pub(super) dlogits: Vec<f32>,
}

impl Head {
    pub(super) fn new(
        level: Level,
        rate: f64,
        inputs: usize,
        outputs: usize,
        kernel: Vec<f32>,
        bias: Vec<f32>,
    ) -> Self {
        let mut head = Self {
            inputs,
            outputs,
            rate,
            packed: PackedWeights::new(level, inputs, outputs),
            transposed: PackedWeights::new(level, outputs, inputs),
            kernel_gradient: vec![0.0; kernel.len()],
            bias_gradient: vec![0.0; bias.len()],
            states: [State::new(kernel.len()), State::new(bias.len())],
            kernel,
            bias,
        };
        head.pack();
        head
    }

    fn pack(&mut self) {
        self.packed.pack(&self.kernel);
        self.transposed.pack_transposed(&self.kernel);
    }

    /// Fresh optimizer state.
    pub(super) fn begin_phase(&mut self) {
        self.states = [State::new(self.kernel.len()), State::new(self.bias.len())];
    }

    /// Logits of pooled features, `[images][outputs]`.
    pub(super) fn logits(&self, level: Level, pooled: &[f32], logits: &mut [f32]) {
        pointwise::forward(
            level,
            pooled,
            &self.packed,
            Some(&self.bias),
            Epilogue::default(),
            logits,
        );
    }

    /// Losses of logits, and the gradient of the batch's mean loss.
    pub(super) fn losses(
        &self,
        logits: &[f32],
        labels: &[u32],
        losses: &mut [f32],
        dlogits: &mut Vec<f32>,
    ) {
        let n = labels.len();
        dlogits.resize(logits.len(), 0.0);
        if self.outputs == 1 {
            loss::binary(logits, labels, n, losses, dlogits);
        } else {
            loss::softmax(logits, self.outputs, labels, n, losses, dlogits);
        }
    }

    /// Forward with dropout and backward down to the weights' gradients.
    pub(super) fn train(
        &mut self,
        level: Level,
        pooled: &[f32],
        examples: &Examples<'_>,
        pass: &mut HeadPass,
        losses: &mut [f32],
        logits: &mut [f32],
    ) {
        let threshold = random::dropout_threshold(self.rate);
        pass.keep.clear();
        for &image in examples.indices {
            for block in 0..self.inputs.div_ceil(4) {
                let words = examples.dropout.block(image, block as u32);
                let left = (self.inputs - 4 * block).min(4);
                pass.keep
                    .extend(words[..left].iter().map(|word| word >> 8 >= threshold));
            }
        }
        pass.dropped.resize(pooled.len(), 0.0);
        dropout::apply(pooled, &pass.keep, self.scale(), &mut pass.dropped);
        self.logits(level, &pass.dropped, logits);
        self.losses(logits, examples.labels, losses, &mut pass.dlogits);

        let slice_rows = slice_images(1);
        pointwise::weight_gradient(
            level,
            &pass.dropped,
            &pass.dlogits,
            self.inputs,
            self.outputs,
            slice_rows,
            0..self.inputs,
            &mut self.kernel_gradient,
        );
        pointwise::bias_gradient(
            level,
            &pass.dlogits,
            self.outputs,
            slice_rows,
            &mut self.bias_gradient,
        );
    }

    /// Gradient of the pooled features of a batch, before [`Head::update`] changes the weights.
    pub(super) fn input_gradient(&self, level: Level, pass: &HeadPass, dpooled: &mut [f32]) {
        let mut dropped = vec![0.0; dpooled.len()];
        pointwise::forward(
            level,
            &pass.dlogits,
            &self.transposed,
            None,
            Epilogue::default(),
            &mut dropped,
        );
        dropout::apply(&dropped, &pass.keep, self.scale(), dpooled);
    }

    /// Applies one step of the optimizer.
    pub(super) fn update(&mut self, level: Level, update: &Update) {
        let [kernel, bias] = &mut self.states;
        update.apply(level, &mut self.kernel, &self.kernel_gradient, kernel);
        update.apply(level, &mut self.bias, &self.bias_gradient, bias);
        self.pack();
    }

    /// Gradients of kernel and bias as of the last step.
    pub(super) fn gradients(&self) -> [&[f32]; 2] {
        [&self.kernel_gradient, &self.bias_gradient]
    }

    /// Optimizer states of kernel and bias.
    pub(super) fn states(&self) -> &[State; 2] {
        &self.states
    }

    fn scale(&self) -> f32 {
        (1.0 / (1.0 - self.rate)) as f32
    }
}
