//! Layers fused for computing: a convolution with its batch norm, its residual and its ReLU6.

use super::{LayerKind, Network, Shape};

/// A convolution with what follows it: batch norm folded in, then the residual, then ReLU6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Name of the convolution's layer.
    pub name: String,
    /// Which convolution.
    pub kind: Convolution,
    /// Place of its kernel among the network's tensors; gamma, beta, moving mean and moving variance
    /// follow at the next four places.
    pub kernel: usize,
    /// The operation whose output it takes; `None` is the picture.
    pub input: Option<usize>,
    /// The operation whose output is added.
    pub residual: Option<usize>,
    /// ReLU6 at the end.
    pub relu6: bool,
    /// Shape of the input, without padding.
    pub input_shape: Shape,
    /// Shape of the output.
    pub output_shape: Shape,
}

/// Kind of convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convolution {
    /// 3×3, stride 2, on the picture.
    First,
    /// 1×1.
    Pointwise,
    /// 3×3, each channel for itself.
    Depthwise {
        /// 1 or 2.
        stride: usize,
    },
}

/// Places of an operation's tensors after its kernel.
pub const GAMMA: usize = 1;
/// See [`GAMMA`].
pub const BETA: usize = 2;
/// See [`GAMMA`].
pub const MOVING_MEAN: usize = 3;
/// See [`GAMMA`].
pub const MOVING_VARIANCE: usize = 4;
/// Tensors of an operation.
pub const OPERATION_TENSORS: usize = 5;

impl Operation {
    /// Elements of the output of one image.
    pub fn output_len(&self) -> usize {
        self.output_shape.iter().product()
    }

    /// Elements of the input of one image.
    pub fn input_len(&self) -> usize {
        self.input_shape.iter().product()
    }

    /// Output pixels of one image.
    pub fn output_pixels(&self) -> usize {
        self.output_shape[0] * self.output_shape[1]
    }

    /// Rows of the kernel in one piece of the sum for gamma's gradient (docs/arithmetic.md).
    pub fn gamma_piece(&self) -> usize {
        match self.kind {
            // All of it.
            Convolution::Depthwise { .. } => DEPTHWISE_TAPS,
            Convolution::First | Convolution::Pointwise => GAMMA_PIECE,
        }
    }

    /// Whole images in a slice of a sum over the batch (docs/arithmetic.md, slices).
    pub fn slice_images(&self) -> usize {
        slice_images(self.output_pixels())
    }
}

/// Rows of a kernel in one piece of the sum for gamma's gradient.
pub const GAMMA_PIECE: usize = 64;
/// Weights of a channel of a depthwise convolution.
const DEPTHWISE_TAPS: usize = 9;

/// Rows that a slice of a sum over the batch has at least.
const SLICE_ROWS: usize = 128;

/// Whole images in a slice for outputs of so many pixels.
pub fn slice_images(pixels: usize) -> usize {
    SLICE_ROWS.div_ceil(pixels.max(1)).max(1)
}

impl Network {
    /// The backbone as fused operations, in order.
    ///
    /// # Panics
    /// If a layer follows no convolution where one must; the backbones' own tests exclude it.
    pub fn operations(&self) -> Vec<Operation> {
        let mut operations: Vec<Operation> = Vec::new();
        // The operation that makes each layer's output.
        let mut made_by: Vec<Option<usize>> = Vec::with_capacity(self.layers.len());
        let mut tensor = 0;
        for layer in &self.layers {
            let source = layer.inputs.first().and_then(|&input| made_by[input]);
            let convolution = match layer.kind {
                LayerKind::Convolution3x3 => Some(Convolution::First),
                LayerKind::Pointwise => Some(Convolution::Pointwise),
                LayerKind::Depthwise { stride } => Some(Convolution::Depthwise { stride }),
                _ => None,
            };
            let made = if let Some(kind) = convolution {
                operations.push(Operation {
                    name: layer.name.clone(),
                    kind,
                    kernel: tensor,
                    input: source,
                    residual: None,
                    relu6: false,
                    input_shape: source
                        .map_or(self.layers[0].shape, |place| operations[place].output_shape),
                    output_shape: layer.shape,
                });
                tensor += OPERATION_TENSORS;
                Some(operations.len() - 1)
            } else {
                match layer.kind {
                    LayerKind::Relu6 => {
                        let place = source.expect("ReLU6 follows a convolution");
                        operations[place].relu6 = true;
                        source
                    }
                    LayerKind::Add => {
                        let place = made_by[layer.inputs[1]].expect("a sum follows a convolution");
                        operations[place].residual = source;
                        Some(place)
                    }
                    _ => source,
                }
            };
            made_by.push(made);
        }
        operations
    }
}
