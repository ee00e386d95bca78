//! The network from stock candle operations, differentiated by candle's autograd.

use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{Optimizer as _, SGD};

use crate::model::{BATCH_NORM_EPSILON, LayerKind, Network, Parameters, Trained};

/// A network of candle tensors; what is trained are variables, so that autograd stops at the rest.
pub struct CandleNetwork {
    network: Network,
    tensors: HashMap<String, Tensor>,
    trained: Vec<(String, Var)>,
}

/// What a batch gives.
pub struct Pass {
    /// Loss of each image.
    pub losses: Vec<f32>,
    /// Logits, `[images][outputs]`.
    pub logits: Vec<f32>,
    /// Mean loss.
    pub loss: f32,
    /// Loss's gradient by tensor name, for what is trained; Keras' layout, flat.
    pub gradients: Vec<(String, Vec<f32>)>,
    /// The same as candle has them.
    store: GradStore,
}

/// A forward pass, with its graph.
struct Forward {
    losses: Tensor,
    logits: Tensor,
}

impl CandleNetwork {
    /// The network with these parameters.
    pub fn new(network: &Network, parameters: &Parameters, trained: &Trained) -> Result<Self> {
        let mut tensors = HashMap::new();
        let mut variables = Vec::new();
        for (tensor, &is_trained) in parameters.tensors.iter().zip(&trained.tensors) {
            let spec = &tensor.spec;
            let mut value =
                Tensor::from_slice(&tensor.values, spec.shape.as_slice(), &Device::Cpu)?;
            if is_trained {
                let variable = Var::from_tensor(&value)?;
                value = variable.as_tensor().clone();
                variables.push((spec.name.clone(), variable));
            }
            tensors.insert(spec.name.clone(), value);
        }
        Ok(Self {
            network: network.clone(),
            tensors,
            trained: variables,
        })
    }

    /// Values of a tensor by its name, flat, in Keras' layout.
    pub fn values(&self, name: &str) -> Result<Vec<f32>> {
        match self.tensors.get(name) {
            Some(tensor) => tensor.flatten_all()?.to_vec1(),
            None => candle_core::bail!("no tensor {name}"),
        }
    }

    fn tensor(&self, layer: &str, part: &str) -> Result<&Tensor> {
        let name = format!("{layer}/{part}");
        match self.tensors.get(&name) {
            Some(tensor) => Ok(tensor),
            None => candle_core::bail!("no tensor {name}"),
        }
    }

    /// Outputs of the backbone's layers for preprocessed pictures, NCHW.
    fn backbone(&self, pictures: &[f32]) -> Result<Vec<Tensor>> {
        let pictures = self.pictures(pictures)?;
        let mut outputs: Vec<Tensor> = Vec::with_capacity(self.network.layers.len());
        for layer in &self.network.layers {
            let input = |at: usize| &outputs[layer.inputs[at]];
            let output = match layer.kind {
                LayerKind::Input => pictures.clone(),
                LayerKind::Convolution3x3 => {
                    let kernel = self.tensor(&layer.name, "kernel")?.permute((3, 2, 0, 1))?;
                    padded(input(0))?.conv2d(&kernel.contiguous()?, 0, 2, 1, 1)?
                }
                LayerKind::Pointwise => {
                    let kernel = self.tensor(&layer.name, "kernel")?.permute((3, 2, 0, 1))?;
                    input(0).conv2d(&kernel.contiguous()?, 0, 1, 1, 1)?
                }
                LayerKind::Depthwise { stride } => {
                    let kernel = self.tensor(&layer.name, "kernel")?.permute((2, 3, 0, 1))?;
                    let padding = usize::from(stride == 1);
                    let channels = layer.shape[2];
                    input(0).conv2d(&kernel.contiguous()?, padding, stride, 1, channels)?
                }
                LayerKind::BatchNorm => self.batch_norm(&layer.name, input(0))?,
                LayerKind::Relu6 => input(0).clamp(0_f32, 6_f32)?,
                LayerKind::Pad => padded(input(0))?,
                LayerKind::Add => (input(0) + input(1))?,
            };
            outputs.push(output);
        }
        Ok(outputs)
    }

    fn batch_norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let per_channel = |part: &str| self.tensor(name, part)?.reshape((1, (), 1, 1));
        let deviation = (per_channel("moving_variance")? + BATCH_NORM_EPSILON)?.sqrt()?;
        x.broadcast_sub(&per_channel("moving_mean")?)?
            .broadcast_div(&deviation)?
            .broadcast_mul(&per_channel("gamma")?)?
            .broadcast_add(&per_channel("beta")?)
    }

    /// Pictures `[images][H][W][3]` as NCHW.
    fn pictures(&self, pictures: &[f32]) -> Result<Tensor> {
        let [height, width, channels] = self.network.layers[0].shape;
        Tensor::from_slice(
            pictures,
            (
                pictures.len() / (height * width * channels),
                height,
                width,
                channels,
            ),
            &Device::Cpu,
        )?
        .permute((0, 3, 1, 2))?
        .contiguous()
    }

    /// The backbone's output for preprocessed pictures, NHWC, flat.
    pub fn features(&self, pictures: &[f32]) -> Result<Vec<f32>> {
        channels_last(last(&self.backbone(pictures)?)?)
    }

    /// For each ReLU6 of the backbone, in order, which of its outputs lie strictly between 0 and 6,
    /// `[images][H][W][channels]`: where gradients pass.
    pub fn masks(&self, pictures: &[f32]) -> Result<Vec<Vec<bool>>> {
        let is_active = |value: &f32| *value > 0.0 && *value < 6.0;
        self.backbone(pictures)?
            .iter()
            .zip(&self.network.layers)
            .filter(|(_, layer)| layer.kind == LayerKind::Relu6)
            .map(|(output, _)| Ok(channels_last(output)?.iter().map(is_active).collect()))
            .collect()
    }

    /// Losses and logits of a batch, with what dropout leaves of the pooled features (factors,
    /// `[images][channels]`) if it is given.
    fn forward(
        &self,
        pictures: &[f32],
        labels: &[u32],
        dropout: Option<&[f32]>,
    ) -> Result<Forward> {
        let mut pooled = last(&self.backbone(pictures)?)?.mean((2, 3))?;
        if let Some(factors) = dropout {
            pooled = (&pooled * Tensor::from_slice(factors, pooled.shape(), &Device::Cpu)?)?;
        }
        let logits = pooled
            .matmul(self.tensor("dense", "kernel")?)?
            .broadcast_add(self.tensor("dense", "bias")?)?;
        let labels = Tensor::new(labels, &Device::Cpu)?;
        let losses = if self.network.outputs == 1 {
            binary_cross_entropy(&logits.flatten_all()?, &labels.to_dtype(DType::F32)?)?
        } else {
            let probabilities = candle_nn::ops::log_softmax(&logits, 1)?;
            probabilities
                .gather(&labels.unsqueeze(1)?, 1)?
                .flatten_all()?
                .neg()?
        };
        Ok(Forward { losses, logits })
    }

    /// Losses and logits of a batch, without dropout.
    pub fn evaluate(&self, pictures: &[f32], labels: &[u32]) -> Result<(Vec<f32>, Vec<f32>)> {
        let forward = self.forward(pictures, labels, None)?;
        Ok((
            forward.losses.to_vec1()?,
            forward.logits.flatten_all()?.to_vec1()?,
        ))
    }

    /// What a batch gives, and the gradients of its mean loss; `dropout` as factors of the pooled
    /// features, `[images][channels]`.
    pub fn pass(&self, pictures: &[f32], labels: &[u32], dropout: Option<&[f32]>) -> Result<Pass> {
        let forward = self.forward(pictures, labels, dropout)?;
        let loss = forward.losses.mean_all()?;
        let store = loss.backward()?;
        let mut gradients = Vec::new();
        for (name, variable) in &self.trained {
            let Some(gradient) = store.get(variable) else {
                candle_core::bail!("no gradient for {name}");
            };
            gradients.push((name.clone(), gradient.flatten_all()?.to_vec1()?));
        }
        Ok(Pass {
            losses: forward.losses.to_vec1()?,
            logits: forward.logits.flatten_all()?.to_vec1()?,
            loss: loss.to_scalar()?,
            gradients,
            store,
        })
    }

    /// Changes every trained variable by candle's own gradient descent, without momentum.
    pub fn descend(&mut self, pass: &Pass, learning_rate: f64) -> Result<()> {
        let trained = self.trained.iter().map(|(_, variable)| variable.clone());
        SGD::new(trained.collect(), learning_rate)?.step(&pass.store)
    }

    /// Changes every trained variable by a rule on its place among them, values and gradient.
    pub fn update(
        &mut self,
        pass: &Pass,
        mut rule: impl FnMut(usize, &mut [f32], &[f32]),
    ) -> Result<()> {
        for (place, (_, variable)) in self.trained.iter().enumerate() {
            let mut values: Vec<f32> = variable.flatten_all()?.to_vec1()?;
            rule(place, &mut values, &pass.gradients[place].1);
            variable.set(&Tensor::from_slice(
                &values,
                variable.shape(),
                &Device::Cpu,
            )?)?;
        }
        Ok(())
    }
}

/// Zeros after the last row and column: Keras' padding before a stride of 2 on even sizes.
fn padded(x: &Tensor) -> Result<Tensor> {
    x.pad_with_zeros(2, 0, 1)?.pad_with_zeros(3, 0, 1)
}

/// The last layer's output.
fn last(outputs: &[Tensor]) -> Result<&Tensor> {
    match outputs.last() {
        Some(output) => Ok(output),
        None => candle_core::bail!("a network without layers"),
    }
}

/// Values of an NCHW tensor as NHWC, flat.
fn channels_last(x: &Tensor) -> Result<Vec<f32>> {
    x.permute((0, 2, 3, 1))?
        .contiguous()?
        .flatten_all()?
        .to_vec1()
}

/// Per example, in the stable form on logits: candle's own gives inf beyond |x| = 100.
fn binary_cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let tail = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    (logits.relu()? - (logits * labels)?)? + tail
}
