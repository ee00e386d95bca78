//! The trained tail with its head: a step forward, backward and through the optimizer, a batch at a time.
//!
//! The gradients of weights are computed on a stream of their own, beside those of activations: each alone
//! leaves most of a large device idle.

use std::ops::Range;

use super::layer::{self, Layer};
use super::stretch::Crossing;
use crate::kernels::cuda::head::Mask;
use crate::kernels::cuda::memory::{Floats, Plan, Words};
use crate::kernels::cuda::pointwise::{Product, Slices};
use crate::kernels::cuda::update::{self, Rule, Table};
use crate::kernels::cuda::{Error, Event, Kernels, Stream};
use crate::model::operation::OPERATION_TENSORS;
use crate::model::{Operation, Trained};

/// Kernel and bias of the dense layer, with the dropout before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dense {
    /// `[channels][outputs]`.
    pub(super) kernel: Floats,
    /// `[outputs]`.
    pub(super) bias: Floats,
    pub(super) outputs: usize,
    pub(super) channels: usize,
}

impl Dense {
    /// Logits of pooled features.
    pub(super) fn logits(
        &self,
        kernels: &Kernels,
        stream: &Stream,
        pooled: Floats,
        logits: Floats,
    ) -> Result<(), Error> {
        let product = Product {
            x: pooled,
            w: self.kernel,
            bias: Some(self.bias),
            addend: None,
            relu6: false,
            mask: None,
            y: logits,
            k: self.channels,
            n: self.outputs,
        };
        kernels.pointwise.product(stream, &product)
    }
}

/// What is trained in a phase, with room for a batch.
pub(super) struct Tail {
    frozen: usize,
    dense: Dense,
    dense_update: update::Layer,
    /// The optimizer's, of all layers.
    states: Floats,
    /// Outputs of each operation of the tail, and the gradients before their ReLU6.
    outputs: Vec<Floats>,
    gradients: Vec<Floats>,
    pooled: Floats,
    dropped: Floats,
    dlogits: Floats,
    dpooled: Floats,
    table: Words,
}

/// Where the moments of a tensor lie.
pub(super) struct MomentsPlace {
    /// Its place among the network's.
    pub(super) tensor: usize,
    pub(super) first: Range<usize>,
    pub(super) second: Range<usize>,
}

/// What a step reads and writes beside the tail's own memory.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    /// Images.
    pub(super) images: usize,
    /// What crosses the border.
    pub(super) below: Crossing,
    /// Classes.
    pub(super) labels: Words,
    /// Places in the source split's sorted list: they draw the dropout masks.
    pub(super) indices: Words,
    /// Phase and epoch, as the streams count them: one word.
    pub(super) when: Words,
    /// Adam's rates.
    pub(super) rates: Floats,
    /// Which of them.
    pub(super) step: usize,
    pub(super) losses: Floats,
    pub(super) logits: Floats,
}

/// Streams and events of a step.
#[derive(Clone, Copy)]
pub(super) struct Lanes<'a> {
    pub(super) kernels: &'a Kernels,
    pub(super) main: &'a Stream,
    pub(super) side: &'a Stream,
    /// Between the two.
    pub(super) fork: &'a Event,
    pub(super) join: &'a Event,
}

impl Tail {
    /// Prepares layers and room for a phase.
    pub(super) fn begin_phase(
        plan: &mut Plan,
        layers: &mut [Layer],
        dense: Dense,
        trained: &Trained,
        batch: usize,
    ) -> Self {
        let frozen = trained.frozen_operations;
        for (place, layer) in layers.iter_mut().enumerate() {
            if place < frozen {
                layer.end_phase();
                continue;
            }
            let kernel = layer.operation.kernel;
            let passes_on = layer.operation.input.is_some_and(|input| input >= frozen);
            let flags = &trained.tensors[kernel..kernel + OPERATION_TENSORS];
            layer.begin_phase(plan, flags, passes_on);
        }
        let mut dense_update = layer::dense(plan, dense.kernel, dense.bias);
        let updates = || layers[frozen..].iter().map(|layer| &layer.update);
        let lens: Vec<usize> = updates().map(update::Layer::states_len).collect();
        let dense_len = dense_update.states_len();
        // All in one array, so that one search finds what is not finite.
        let states: Floats = plan.array(lens.iter().sum::<usize>() + dense_len);
        let mut first = 0;
        let mut take = |len: usize| {
            first += len;
            states.part(first - len..first)
        };
        for (layer, len) in layers[frozen..].iter_mut().zip(lens) {
            layer::give_room(plan, &mut layer.update, batch, take(len));
        }
        layer::give_room(plan, &mut dense_update, batch, take(dense_len));
        let tail = &layers[frozen..];
        let mut room = || -> Vec<Floats> {
            let room = tail
                .iter()
                .map(|layer| plan.array(batch * layer.operation.output_len()));
            room.collect()
        };
        let (outputs, gradients) = (room(), room());
        Self {
            frozen,
            dense,
            dense_update,
            states,
            outputs,
            gradients,
            pooled: plan.array(batch * dense.channels),
            dropped: plan.array(batch * dense.channels),
            dlogits: plan.array(batch * dense.outputs),
            dpooled: plan.array(batch * dense.channels),
            table: plan.array(update::table_len(tail.len() + 1)),
        }
    }

    /// All layers that are trained, the head last, and where their table lies.
    pub(super) fn updates(&self, layers: &[Layer]) -> (Vec<update::Layer>, Words) {
        let tail = layers[self.frozen..].iter().map(|layer| layer.update);
        (tail.chain([self.dense_update]).collect(), self.table)
    }

    /// Where the moments of each trained tensor lie within [`states`](Self::states), in the network's order.
    pub(super) fn moments(&self, layers: &[Layer]) -> impl Iterator<Item = MomentsPlace> {
        let head = layers.len() * OPERATION_TENSORS;
        let mut places = Vec::new();
        let mut first = 0;
        let (updates, _) = self.updates(layers);
        for (number, layer) in updates.iter().enumerate() {
            let kernel = (self.frozen + number) * OPERATION_TENSORS;
            let second_tensor = kernel + 1;
            // Of the head there are kernel and bias, of others kernel, gamma and beta.
            let is_head = kernel == head;
            let beta = if is_head { second_tensor } else { kernel + 2 };
            let half = layer.states_len() / 2;
            let mut offset = first;
            for ((size, is_trained), tensor) in [layer.k * layer.n, layer.n, layer.n]
                .into_iter()
                .zip(layer.trained)
                .zip([kernel, second_tensor, beta])
            {
                if !is_trained {
                    continue;
                }
                places.push(MomentsPlace {
                    tensor,
                    first: offset..offset + size,
                    second: offset + half..offset + half + size,
                });
                offset += size;
            }
            first += 2 * half;
        }
        places.into_iter()
    }

    /// The optimizer's states, of all layers in order, the head last.
    pub(super) fn states(&self) -> Floats {
        self.states
    }

    /// One step.
    pub(super) fn step(
        &self,
        lanes: Lanes<'_>,
        layers: &[Layer],
        table: Table,
        rule: Rule,
        mask: Mask,
        batch: &Batch,
    ) -> Result<(), Error> {
        let Lanes { kernels, main, .. } = lanes;
        self.forward(lanes, layers, mask, batch)?;
        self.backward(lanes, layers, mask, batch)?;
        kernels.update.sum_slices(main, table, batch.images)?;
        kernels
            .update
            .step(main, table, rule, batch.rates, batch.step)
    }

    /// Images of a batch whose border is pooled, or not.
    fn pooled(&self, layers: &[Layer], batch: &Batch) -> Floats {
        if self.frozen == layers.len() {
            batch.below.pooled(batch.images)
        } else {
            self.pooled.first(batch.images * self.dense.channels)
        }
    }

    fn forward(
        &self,
        Lanes { kernels, main, .. }: Lanes<'_>,
        layers: &[Layer],
        mask: Mask,
        batch: &Batch,
    ) -> Result<(), Error> {
        for (place, layer) in layers.iter().enumerate().skip(self.frozen) {
            let residual = layer.operation.residual;
            let residual = residual.map(|source| self.activation(layers, batch, Some(source)));
            let x = self.activation(layers, batch, layer.operation.input);
            let y = self.activation(layers, batch, Some(place));
            layer.forward(kernels, main, x, residual, y)?;
        }
        let pooled = self.pooled(layers, batch);
        if let Some(last) = self.last(layers) {
            let pixels = last.operation.output_pixels();
            let outputs = self.activation(layers, batch, Some(layers.len() - 1));
            kernels
                .head
                .pool(main, outputs, pixels, self.dense.channels, pooled)?;
        }
        let Dense { channels, .. } = self.dense;
        let dropped = self.dropped.first(pooled.len());
        kernels.head.dropout(
            main,
            mask,
            batch.indices,
            batch.when,
            channels,
            pooled,
            dropped,
        )?;
        self.dense.logits(kernels, main, dropped, batch.logits)?;
        let dlogits = self.dlogits.first(batch.logits.len());
        kernels.head.loss(
            main,
            batch.logits,
            batch.labels,
            batch.images,
            batch.losses,
            dlogits,
        )
    }

    fn backward(
        &self,
        lanes: Lanes<'_>,
        layers: &[Layer],
        mask: Mask,
        batch: &Batch,
    ) -> Result<(), Error> {
        let Lanes {
            kernels,
            main,
            side,
            fork,
            join,
        } = lanes;
        side.wait_for(main, fork)?;
        self.dense_gradients(kernels, side, batch)?;
        if let Some(last) = self.last(layers) {
            self.head_gradient(
                kernels,
                main,
                &last.operation,
                layers.len() - 1,
                mask,
                batch,
            )?;
            for place in (self.frozen..layers.len()).rev() {
                let layer = &layers[place];
                let dz = self.gradient(layers, batch, place);
                let x = self.activation(layers, batch, layer.operation.input);
                side.wait_for(main, fork)?;
                layer.weight_gradients(kernels, side, x, dz)?;
                let below = layer.operation.input;
                let Some(below) = below.filter(|&below| below >= self.frozen) else {
                    continue;
                };
                // What is added further up: its gradient reaches this input by the shortcut.
                let shortcut = layers
                    .iter()
                    .position(|other| other.operation.residual == Some(below));
                let addend = shortcut.map(|other| self.gradient(layers, batch, other));
                let is_relu6 = layers[below].operation.relu6;
                let active = is_relu6.then(|| self.activation(layers, batch, Some(below)));
                let dx = self.gradient(layers, batch, below);
                layer.input_gradient(kernels, main, dz, addend, active, dx)?;
            }
        }
        main.wait_for(side, join)
    }

    /// Sums of the gradients of the dense layer.
    fn dense_gradients(
        &self,
        kernels: &Kernels,
        stream: &Stream,
        batch: &Batch,
    ) -> Result<(), Error> {
        let update::Layer {
            k,
            n,
            slice_images,
            gradients: Some(gradients),
            ..
        } = self.dense_update
        else {
            return Ok(());
        };
        let slices = batch.images.div_ceil(slice_images);
        let dlogits = self.dlogits.first(batch.images * n);
        kernels.pointwise.slices(
            stream,
            &Slices {
                x: self.dropped.first(batch.images * k),
                dz: dlogits,
                sums: gradients.weight_sums.first(slices * k * n),
                k,
                n,
                slice_rows: slice_images,
            },
        )?;
        let sums = gradients.bias_sums.first(slices * n);
        kernels
            .pointwise
            .column_slices(stream, dlogits, sums, n, slice_images)
    }

    /// From the logits to the last operation of the backbone, before its ReLU6.
    fn head_gradient(
        &self,
        kernels: &Kernels,
        stream: &Stream,
        last: &Operation,
        place: usize,
        mask: Mask,
        batch: &Batch,
    ) -> Result<(), Error> {
        let Dense {
            channels, outputs, ..
        } = self.dense;
        let dpooled = self.dpooled.first(batch.images * channels);
        let Some(transposed) = self.dense_update.transposed else {
            return Ok(());
        };
        kernels.pointwise.product(
            stream,
            &Product {
                x: self.dlogits.first(batch.images * outputs),
                w: transposed,
                bias: None,
                addend: None,
                relu6: false,
                mask: None,
                y: dpooled,
                k: outputs,
                n: channels,
            },
        )?;
        kernels.head.dropout(
            stream,
            mask,
            batch.indices,
            batch.when,
            channels,
            dpooled,
            dpooled,
        )?;
        let len = batch.images * last.output_len();
        let at = place - self.frozen;
        let active = last.relu6.then(|| self.outputs[at].first(len));
        let dz = self.gradients[at].first(len);
        let pixels = last.output_pixels();
        kernels
            .head
            .pool_gradient(stream, dpooled, active, pixels, channels, dz)
    }

    fn last<'a>(&self, layers: &'a [Layer]) -> Option<&'a Layer> {
        layers[self.frozen..].last()
    }

    /// The output of an operation, of the tail or of what crosses into it.
    fn activation(&self, layers: &[Layer], batch: &Batch, source: Option<usize>) -> Floats {
        match source.filter(|&place| place >= self.frozen) {
            Some(place) => {
                let len = layers[place].operation.output_len();
                self.outputs[place - self.frozen].first(batch.images * len)
            }
            None => batch.below.values(source, batch.images),
        }
    }

    /// The gradient of an operation's output before its ReLU6.
    fn gradient(&self, layers: &[Layer], batch: &Batch, place: usize) -> Floats {
        let len = layers[place].operation.output_len();
        self.gradients[place - self.frozen].first(batch.images * len)
    }
}
