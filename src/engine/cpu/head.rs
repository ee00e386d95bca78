//! The head: dropout and a dense layer on pooled features, with its loss.

use std::ops::Range;

use crate::engine::update::{State, Update};
use crate::kernels::pointwise::{self, Epilogue, PackedWeights};
use crate::kernels::{Block, Buffer, Level, Sum, buffer, dropout, loss, zeros};
use crate::model::operation::slice_images;
use crate::random::{self, Stream};

/// Dense layer, dropout and loss.
pub(super) struct Head {
    inputs: usize,
    outputs: usize,
    rate: f64,
    /// `[inputs][outputs]`.
    pub(super) kernel: Buffer,
    pub(super) bias: Buffer,
    packed: PackedWeights,
    transposed: PackedWeights,
    kernel_gradient: Buffer,
    bias_gradient: Buffer,
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

/// Where losses and logits of a batch go.
pub(super) struct Outputs<'a> {
    /// Of each image.
    pub(super) losses: &'a mut [f32],
    /// `[images][outputs]`.
    pub(super) logits: &'a mut [f32],
}

/// What a training step of the head leaves behind, for a batch.
#[derive(Default)]
pub(super) struct HeadPass {
    /// Which pooled features were kept, `[images][inputs]`.
    keep: Vec<bool>,
    /// Pooled features after dropout.
    dropped: Vec<f32>,
    /// Gradient of the logits.
    dlogits: Vec<f32>,
    /// Gradient of the pooled features before dropout, for a part of the batch.
    ddropped: Vec<f32>,
}

impl Head {
    pub(super) fn new(
        level: Level,
        rate: f64,
        inputs: usize,
        outputs: usize,
        kernel: &[f32],
        bias: &[f32],
    ) -> Self {
        let mut head = Self {
            inputs,
            outputs,
            rate,
            packed: PackedWeights::new(level, inputs, outputs),
            transposed: PackedWeights::new(level, outputs, inputs),
            kernel_gradient: zeros(kernel.len()),
            bias_gradient: zeros(bias.len()),
            states: [State::new(kernel.len()), State::new(bias.len())],
            kernel: buffer(kernel),
            bias: buffer(bias),
        };
        head.pack();
        head
    }

    fn pack(&mut self) {
        self.packed.pack(&self.kernel);
        self.transposed.transpose(&self.packed);
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

    /// Losses of logits.
    pub(super) fn losses(
        &self,
        logits: &[f32],
        labels: &[u32],
        losses: &mut [f32],
        pass: &mut HeadPass,
    ) {
        pass.dlogits.resize(logits.len(), 0.0);
        self.losses_of(logits, labels, labels.len(), losses, &mut pass.dlogits);
    }

    /// Losses of logits, and the gradient of the mean loss of a batch of `n`.
    fn losses_of(
        &self,
        logits: &[f32],
        labels: &[u32],
        n: usize,
        losses: &mut [f32],
        dlogits: &mut [f32],
    ) {
        if self.outputs == 1 {
            loss::binary(logits, labels, n, losses, dlogits);
        } else {
            loss::softmax(logits, self.outputs, labels, n, losses, dlogits);
        }
    }

    /// Room for a step on a batch of `images` images.
    pub(super) fn begin(&self, images: usize, pass: &mut HeadPass) {
        pass.keep.resize(images * self.inputs, false);
        pass.dropped.resize(images * self.inputs, 0.0);
        pass.dlogits.resize(images * self.outputs, 0.0);
    }

    /// Forward with dropout for the images `part` of a batch, down to the gradients of the logits.
    pub(super) fn forward(
        &self,
        level: Level,
        pooled: &[f32],
        part: Range<usize>,
        examples: &Examples<'_>,
        pass: &mut HeadPass,
        to: &mut Outputs<'_>,
    ) {
        let inputs = part.start * self.inputs..part.end * self.inputs;
        let outputs = part.start * self.outputs..part.end * self.outputs;
        let keep = &mut pass.keep[inputs.clone()];
        let threshold = random::dropout_threshold(self.rate);
        for (keep, &image) in keep
            .chunks_exact_mut(self.inputs)
            .zip(&examples.indices[part.clone()])
        {
            for (block, keep) in keep.chunks_mut(4).enumerate() {
                let words = examples.dropout.block(image, block as u32);
                for (keep, word) in keep.iter_mut().zip(words) {
                    *keep = word >> 8 >= threshold;
                }
            }
        }
        let dropped = &mut pass.dropped[inputs];
        dropout::apply(pooled, keep, self.scale(), dropped);
        let logits = &mut to.logits[outputs.clone()];
        self.logits(level, dropped, logits);
        self.losses_of(
            logits,
            &examples.labels[part.clone()],
            examples.labels.len(),
            &mut to.losses[part],
            &mut pass.dlogits[outputs],
        );
    }

    /// Gradient of the pooled features of the images `part` of a batch.
    pub(super) fn input_gradient(
        &self,
        level: Level,
        pass: &mut HeadPass,
        part: Range<usize>,
        dpooled: &mut [f32],
    ) {
        pass.ddropped.resize(dpooled.len(), 0.0);
        pointwise::forward(
            level,
            &pass.dlogits[part.start * self.outputs..part.end * self.outputs],
            &self.transposed,
            None,
            Epilogue::default(),
            &mut pass.ddropped,
        );
        let keep = &pass.keep[part.start * self.inputs..part.end * self.inputs];
        dropout::apply(&pass.ddropped, keep, self.scale(), dpooled);
    }

    /// Gradients of the weights over the whole batch, and one step of the optimizer.
    pub(super) fn update(&mut self, level: Level, pass: &HeadPass, update: &Update) {
        let slice_rows = slice_images(1);
        pointwise::weight_gradient(
            level,
            &pass.dropped,
            &pass.dlogits,
            slice_rows,
            Sum::New,
            Block::whole(&mut self.kernel_gradient, self.outputs),
        );
        pointwise::bias_gradient(
            level,
            &pass.dlogits,
            slice_rows,
            Sum::New,
            Block::whole(&mut self.bias_gradient, self.outputs),
        );
        let [kernel, bias] = &mut self.states;
        update.apply(
            level,
            &mut self.kernel,
            &self.kernel_gradient,
            kernel.whole(),
        );
        update.apply(level, &mut self.bias, &self.bias_gradient, bias.whole());
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

    /// As [`states`](Self::states), to be changed.
    pub(super) fn states_mut(&mut self) -> &mut [State; 2] {
        &mut self.states
    }

    fn scale(&self) -> f32 {
        random::dropout_scale(self.rate)
    }
}
