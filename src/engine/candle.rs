//! The oracle: the same network from stock candle operations, differentiated by candle's autograd.
//!
//! Independent of our kernels, and slow: a depthwise convolution is a convolution per channel there.
//! Batch norm is not folded. Promises closeness, not bits.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor, Var};

use crate::model::{BATCH_NORM_EPSILON, LayerKind, Network, Parameters, Trained};

/// A network of candle variables.
pub struct CandleNetwork {
    network: Network,
    variables: HashMap<String, Var>,
    trained: Vec<String>,
}

/// Loss and gradients of a batch.
pub struct Pass {
    /// Mean loss.
    pub loss: f32,
    /// Loss's gradient by tensor name, for what is trained; Keras' layout, flat.
    pub gradients: Vec<(String, Vec<f32>)>,
    /// Number of values of each ReLU6 layer that lie strictly between 0 and 6.
    pub active: Vec<(String, usize)>,
}

impl CandleNetwork {
    /// The network with these parameters.
    pub fn new(network: &Network, parameters: &Parameters, trained: &Trained) -> Result<Self> {
        let mut variables = HashMap::new();
        let mut names = Vec::new();
        for (tensor, &is_trained) in parameters.tensors.iter().zip(&trained.tensors) {
            let spec = &tensor.spec;
            let value = Tensor::from_slice(&tensor.values, spec.shape.as_slice(), &Device::Cpu)?;
            variables.insert(spec.name.clone(), Var::from_tensor(&value)?);
            if is_trained {
                names.push(spec.name.clone());
            }
        }
        Ok(Self {
            network: network.clone(),
            variables,
            trained: names,
        })
    }

    fn variable(&self, layer: &str, part: &str) -> Result<&Tensor> {
        let name = format!("{layer}/{part}");
        match self.variables.get(&name) {
            Some(variable) => Ok(variable.as_tensor()),
            None => candle_core::bail!("no variable {name}"),
        }
    }

    /// The backbone's output, NCHW, and the active counts of its ReLU6 layers.
    fn backbone(&self, pictures: &Tensor) -> Result<(Tensor, Vec<(String, usize)>)> {
        let mut outputs: Vec<Tensor> = Vec::with_capacity(self.network.layers.len());
        let mut active = Vec::new();
        for layer in &self.network.layers {
            let input = |at: usize| &outputs[layer.inputs[at]];
            let output = match layer.kind {
                LayerKind::Input => pictures.clone(),
                LayerKind::Convolution3x3 => {
                    let kernel = self
                        .variable(&layer.name, "kernel")?
                        .permute((3, 2, 0, 1))?;
                    padded(input(0))?.conv2d(&kernel.contiguous()?, 0, 2, 1, 1)?
                }
                LayerKind::Pointwise => {
                    let kernel = self
                        .variable(&layer.name, "kernel")?
                        .permute((3, 2, 0, 1))?;
                    input(0).conv2d(&kernel.contiguous()?, 0, 1, 1, 1)?
                }
                LayerKind::Depthwise { stride } => {
                    let kernel = self
                        .variable(&layer.name, "kernel")?
                        .permute((2, 3, 0, 1))?;
                    let padding = usize::from(stride == 1);
                    let channels = layer.shape[2];
                    input(0).conv2d(&kernel.contiguous()?, padding, stride, 1, channels)?
                }
                LayerKind::BatchNorm => self.batch_norm(&layer.name, input(0))?,
                LayerKind::Relu6 => {
                    let output = input(0).clamp(0_f32, 6_f32)?;
                    active.push((layer.name.clone(), count_active(&output)?));
                    output
                }
                LayerKind::Pad => padded(input(0))?,
                LayerKind::Add => (input(0) + input(1))?,
            };
            outputs.push(output);
        }
        match outputs.pop() {
            Some(output) => Ok((output, active)),
            None => candle_core::bail!("a network without layers"),
        }
    }

    fn batch_norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let per_channel = |part: &str| self.variable(name, part)?.reshape((1, (), 1, 1));
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
        let (output, _) = self.backbone(&self.pictures(pictures)?)?;
        output
            .permute((0, 2, 3, 1))?
            .contiguous()?
            .flatten_all()?
            .to_vec1()
    }

    /// Mean loss of a batch, without dropout, and its gradients.
    pub fn pass(&self, pictures: &[f32], labels: &[u32]) -> Result<Pass> {
        let (features, active) = self.backbone(&self.pictures(pictures)?)?;
        let pooled = features.mean((2, 3))?;
        let logits = pooled
            .matmul(self.variable("dense", "kernel")?)?
            .broadcast_add(self.variable("dense", "bias")?)?;
        let labels = Tensor::new(labels, &Device::Cpu)?;
        let loss = if self.network.outputs == 1 {
            binary_cross_entropy(&logits.flatten_all()?, &labels.to_dtype(DType::F32)?)?
        } else {
            candle_nn::loss::cross_entropy(&logits, &labels)?
        };
        let store = loss.backward()?;
        let mut gradients = Vec::new();
        for name in &self.trained {
            let Some(gradient) = self.variables.get(name).and_then(|v| store.get(v)) else {
                candle_core::bail!("no gradient for {name}");
            };
            gradients.push((name.clone(), gradient.flatten_all()?.to_vec1()?));
        }
        Ok(Pass {
            loss: loss.to_scalar()?,
            gradients,
            active,
        })
    }

    /// Changes every trained variable by a rule on its name, values and gradient.
    pub fn update(
        &mut self,
        pass: &Pass,
        mut rule: impl FnMut(&str, &mut [f32], &[f32]),
    ) -> Result<()> {
        for (name, gradient) in &pass.gradients {
            if let Some(variable) = self.variables.get(name) {
                let mut values: Vec<f32> = variable.flatten_all()?.to_vec1()?;
                rule(name, &mut values, gradient);
                variable.set(&Tensor::from_slice(
                    &values,
                    variable.shape(),
                    &Device::Cpu,
                )?)?;
            }
        }
        Ok(())
    }
}

/// Zeros after the last row and column: Keras' padding before a stride of 2 on even sizes.
fn padded(x: &Tensor) -> Result<Tensor> {
    x.pad_with_zeros(2, 0, 1)?.pad_with_zeros(3, 0, 1)
}

fn count_active(x: &Tensor) -> Result<usize> {
    let values: Vec<f32> = x.flatten_all()?.to_vec1()?;
    Ok(values.iter().filter(|&&v| v > 0.0 && v < 6.0).count())
}

/// The stable form on logits: candle's own gives inf beyond |x| = 100.
fn binary_cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let tail = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    ((logits.relu()? - (logits * labels)?)? + tail)?.mean_all()
}
