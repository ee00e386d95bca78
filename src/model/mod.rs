//! The network as data: layers as Keras counts them, parameters, what is trained, what is fused.
//!
//! Nothing here computes: engines walk [`Network::layers`] or the fused [`Operation`]s made from them.

pub mod backbone;
pub mod description;
pub mod freeze;
pub mod operation;
pub mod parameters;
pub mod saved;
pub mod weights;

pub use description::Description;
pub use freeze::Trained;
pub use operation::Operation;
pub use parameters::{Parameters, Tensor};
pub use saved::SavedModel;

use crate::recipe::{Model, Recipe};

/// Height, width and channels of an activation.
pub type Shape = [usize; 3];

/// Epsilon of batch norm in MobileNetV2 (`keras/src/applications/mobilenet_v2.py`).
pub const BATCH_NORM_EPSILON: f64 = 0.001;

/// A backbone with its head.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The backbone's layers; a layer's place is its Keras index (0 is the input).
    pub layers: Vec<Layer>,
    /// Outputs of the head: 1 for two classes, else the number of classes.
    pub outputs: usize,
    /// Dropout rate of the head.
    pub dropout: f64,
}

/// One layer of the backbone.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Keras' name.
    pub name: String,
    /// What it does.
    pub kind: LayerKind,
    /// Places of the layers that it takes, in Keras' order.
    pub inputs: Vec<usize>,
    /// Shape of its output.
    pub shape: Shape,
}

/// What a layer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// The pictures.
    Input,
    /// A 3×3 convolution with stride 2 that pads 0 before and 1 after (even sizes).
    Convolution3x3,
    /// A 1×1 convolution.
    Pointwise,
    /// A 3×3 depthwise convolution; with stride 1 it pads 1 on each side, with stride 2 nothing.
    Depthwise {
        /// 1 or 2.
        stride: usize,
    },
    /// Batch norm with constant statistics.
    BatchNorm,
    /// min(max(x, 0), 6).
    Relu6,
    /// Zero padding of 0 before and 1 after on both axes.
    Pad,
    /// Sum of two inputs.
    Add,
}

impl LayerKind {
    /// Keras' class name.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Input => "InputLayer",
            Self::Convolution3x3 | Self::Pointwise => "Conv2D",
            Self::Depthwise { .. } => "DepthwiseConv2D",
            Self::BatchNorm => "BatchNormalization",
            Self::Relu6 => "ReLU",
            Self::Pad => "ZeroPadding2D",
            Self::Add => "Add",
        }
    }
}

/// A tensor's name and shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// `layer/kernel`, `layer/gamma`, ….
    pub name: String,
    /// Keras' shape.
    pub shape: Vec<usize>,
    /// Place of its backbone layer; `None` for the head.
    pub layer: Option<usize>,
}

impl TensorSpec {
    /// True for the moving statistics of batch norm, which no phase trains.
    pub fn is_statistic(&self) -> bool {
        self.name.ends_with("/moving_mean") || self.name.ends_with("/moving_variance")
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Names of the layers of a model's backbone, by their index; the size of the pictures changes none.
pub fn layer_names(model: &Model) -> Vec<String> {
    let Model::MobileNetV2 { alpha, .. } = model;
    let layers = backbone::mobilenet_v2::layers(32, 32, *alpha);
    layers.into_iter().map(|layer| layer.name).collect()
}

impl Network {
    /// The network of a recipe for so many classes.
    pub fn of(recipe: &Recipe, classes: usize) -> Self {
        let Model::MobileNetV2 { alpha, head, .. } = &recipe.model;
        Self::new(recipe.input.image_size, *alpha, head.dropout, classes)
    }

    /// MobileNetV2 with its head for pictures of `[height, width]` and so many classes.
    pub fn new(image_size: [u32; 2], alpha: f64, dropout: f64, classes: usize) -> Self {
        let [height, width] = image_size.map(|side| side as usize);
        Self {
            layers: backbone::mobilenet_v2::layers(height, width, alpha),
            outputs: if classes == 2 { 1 } else { classes },
            dropout,
        }
    }

    /// Shape of the backbone's output.
    pub fn features(&self) -> Shape {
        self.layers.last().map_or([0; 3], |layer| layer.shape)
    }

    /// The backbone's tensors in layer order; within a layer as Keras lists them.
    pub fn backbone_tensors(&self) -> Vec<TensorSpec> {
        let mut specs = Vec::new();
        for (place, layer) in self.layers.iter().enumerate() {
            let channels = layer.shape[2];
            let inputs = layer
                .inputs
                .first()
                .map_or(0, |&input| self.layers[input].shape[2]);
            let parts: &[(&str, Vec<usize>)] = &match layer.kind {
                LayerKind::Convolution3x3 => vec![("kernel", vec![3, 3, inputs, channels])],
                LayerKind::Pointwise => vec![("kernel", vec![1, 1, inputs, channels])],
                LayerKind::Depthwise { .. } => vec![("kernel", vec![3, 3, channels, 1])],
                LayerKind::BatchNorm => ["gamma", "beta", "moving_mean", "moving_variance"]
                    .map(|name| (name, vec![channels]))
                    .to_vec(),
                LayerKind::Input | LayerKind::Relu6 | LayerKind::Pad | LayerKind::Add => vec![],
            };
            specs.extend(parts.iter().map(|(name, shape)| TensorSpec {
                name: format!("{}/{name}", layer.name),
                shape: shape.clone(),
                layer: Some(place),
            }));
        }
        specs
    }

    /// All tensors: the backbone's, then `dense/kernel` and `dense/bias` of the head.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut specs = self.backbone_tensors();
        let head = |part: &str, shape: Vec<usize>| TensorSpec {
            name: format!("dense/{part}"),
            shape,
            layer: None,
        };
        specs.push(head("kernel", vec![self.features()[2], self.outputs]));
        specs.push(head("bias", vec![self.outputs]));
        specs
    }
}
