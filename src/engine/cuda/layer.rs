//! One fused operation with its parameters on the device, and the head's dense layer.

use crate::kernels::cuda::depthwise;
use crate::kernels::cuda::memory::{Floats, Plan};
use crate::kernels::cuda::pointwise::{Product, Slices};
use crate::kernels::cuda::update::{self, BatchNorm, Gradients};
use crate::kernels::cuda::{Error, Kernels, Stream};
use crate::kernels::{depthwise::Shape, first_convolution};
use crate::model::Operation;
use crate::model::operation::{BETA, Convolution, GAMMA, GAMMA_PIECE, MOVING_MEAN, slice_images};

/// A convolution with its batch norm, in the device's memory.
pub(super) struct Layer {
    pub(super) operation: Operation,
    /// What an update needs; its gradients are those of the present phase.
    pub(super) update: update::Layer,
    norm: BatchNorm,
}

impl Layer {
    /// A layer whose parameters are `tensors`: kernel, gamma, beta, moving mean, moving variance. `inverse` is
    /// 1 ÷ √(moving variance + ε), which the host computes.
    pub(super) fn new(
        plan: &mut Plan,
        operation: Operation,
        tensors: &[Floats],
        inverse: Floats,
    ) -> Self {
        let n = operation.output_shape[2];
        let k = tensors[0].len() / n;
        let norm = BatchNorm {
            gamma: tensors[GAMMA],
            mean: tensors[MOVING_MEAN],
            inverse,
            scale: plan.array(n),
            old_scale: plan.array(n),
            bias: plan.array(n),
            folded: plan.array(k * n),
        };
        Self {
            update: update::Layer {
                kernel: tensors[0],
                beta: tensors[BETA],
                norm: Some(norm),
                transposed: None,
                gradients: None,
                k,
                n,
                piece: operation.gamma_piece(),
                slice_images: operation.slice_images(),
                trained: [false; 3],
            },
            operation,
            norm,
        }
    }

    /// Prepares for a phase that trains the flagged tensors of the layer; `passes_on` where the gradient goes
    /// further down. [`give_room`] must follow.
    pub(super) fn begin_phase(&mut self, plan: &mut Plan, trained: &[bool], passes_on: bool) {
        let is_product = self.operation.kind == Convolution::Pointwise;
        self.update.transposed =
            (passes_on && is_product).then(|| plan.array(self.update.k * self.update.n));
        self.update.trained = [trained[0], trained[GAMMA], trained[BETA]];
    }

    /// Ends a phase: nothing is trained.
    pub(super) fn end_phase(&mut self) {
        self.update.transposed = None;
        self.update.trained = [false; 3];
        self.update.gradients = None;
    }

    /// Forward for whole images.
    pub(super) fn forward(
        &self,
        kernels: &Kernels,
        stream: &Stream,
        x: Floats,
        residual: Option<Floats>,
        y: Floats,
    ) -> Result<(), Error> {
        let BatchNorm { folded, bias, .. } = self.norm;
        let relu6 = self.operation.relu6;
        match self.operation.kind {
            Convolution::First => {
                let shape = self.first_shape();
                let first = &kernels.first_convolution;
                first.forward(stream, &shape, x, folded, bias, y)
            }
            Convolution::Depthwise { stride } => {
                let shape = self.depthwise_shape(stride);
                let depthwise = &kernels.depthwise;
                depthwise.forward(stream, &shape, x, folded, bias, relu6, y)
            }
            Convolution::Pointwise => kernels.pointwise.product(
                stream,
                &Product {
                    x,
                    w: folded,
                    bias: Some(bias),
                    addend: residual,
                    relu6,
                    mask: None,
                    y,
                    k: self.update.k,
                    n: self.update.n,
                },
            ),
        }
    }

    /// Gradient of the input: `dz` is that of the output before its ReLU6. `addend` is what reaches the
    /// input by another way, and the sum is kept where `mask` is strictly between 0 and 6.
    pub(super) fn input_gradient(
        &self,
        kernels: &Kernels,
        stream: &Stream,
        dz: Floats,
        addend: Option<Floats>,
        mask: Option<Floats>,
        dx: Floats,
    ) -> Result<(), Error> {
        match (self.operation.kind, self.update.transposed) {
            (Convolution::Depthwise { stride }, _) => {
                let gradient = depthwise::InputGradient {
                    dz,
                    w: self.norm.folded,
                    addend,
                    mask,
                    dx,
                };
                let shape = self.depthwise_shape(stride);
                kernels.depthwise.input_gradient(stream, &shape, &gradient)
            }
            (Convolution::Pointwise, Some(transposed)) => kernels.pointwise.product(
                stream,
                &Product {
                    x: dz,
                    w: transposed,
                    bias: None,
                    addend,
                    relu6: false,
                    mask,
                    y: dx,
                    k: self.update.n,
                    n: self.update.k,
                },
            ),
            // The picture has no gradient, and `begin_phase` made what is passed on.
            (Convolution::First, _) | (Convolution::Pointwise, None) => Ok(()),
        }
    }

    /// Sums of the gradients of kernel and bias, by slices.
    pub(super) fn weight_gradients(
        &self,
        kernels: &Kernels,
        stream: &Stream,
        x: Floats,
        dz: Floats,
    ) -> Result<(), Error> {
        let update::Layer {
            k,
            n,
            slice_images,
            trained: [kernel, gamma, beta],
            gradients: Some(gradients),
            ..
        } = self.update
        else {
            return Ok(());
        };
        let slice_rows = slice_images * self.operation.output_pixels();
        let slices = (dz.len() / n).div_ceil(slice_rows);
        if kernel || gamma {
            let sums = gradients.weight_sums.first(slices * k * n);
            match self.operation.kind {
                Convolution::First => {
                    let shape = self.first_shape();
                    let first = &kernels.first_convolution;
                    first.slices(stream, &shape, x, dz, sums, slice_images)?;
                }
                Convolution::Depthwise { stride } => {
                    let shape = self.depthwise_shape(stride);
                    let depthwise = &kernels.depthwise;
                    depthwise.slices(stream, &shape, x, dz, sums, slice_images)?;
                }
                Convolution::Pointwise => {
                    let slices = Slices {
                        x,
                        dz,
                        sums,
                        k,
                        n,
                        slice_rows,
                    };
                    kernels.pointwise.slices(stream, &slices)?;
                }
            }
        }
        if gamma || beta {
            let sums = gradients.bias_sums.first(slices * n);
            kernels
                .pointwise
                .column_slices(stream, dz, sums, n, slice_rows)?;
        }
        Ok(())
    }

    fn first_shape(&self) -> first_convolution::Shape {
        let [height, width, _] = self.operation.input_shape;
        first_convolution::Shape::keras(height, width, self.update.n)
    }

    fn depthwise_shape(&self, stride: usize) -> Shape {
        let [height, width, channels] = self.operation.input_shape;
        Shape::keras(height, width, channels, stride)
    }
}

/// Gives a layer room for the gradients of a batch, and `states` for the optimizer.
pub(super) fn give_room(plan: &mut Plan, layer: &mut update::Layer, batch: usize, states: Floats) {
    let slices = batch.div_ceil(layer.slice_images);
    layer.gradients = Some(Gradients {
        weight_sums: plan.array(slices * layer.k * layer.n),
        bias_sums: plan.array(slices * layer.n),
        weight: plan.array(layer.k * layer.n),
        bias: plan.array(layer.n),
        pieces: plan.array(layer.pieces_len()),
        states,
    });
}

/// The dense layer of the head, as an update sees it; its slices are of 128 rows. [`give_room`] must follow.
pub(super) fn dense(plan: &mut Plan, kernel: Floats, bias: Floats) -> update::Layer {
    let n = bias.len();
    let k = kernel.len() / n;
    update::Layer {
        kernel,
        beta: bias,
        norm: None,
        transposed: Some(plan.array(k * n)),
        gradients: None,
        k,
        n,
        piece: GAMMA_PIECE,
        slice_images: slice_images(1),
        trained: [true, false, true],
    }
}
