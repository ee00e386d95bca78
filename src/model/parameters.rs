//! The network's parameters by Keras' names, raw: never folded.

use std::collections::HashMap;
use std::path::Path;
use std::sync::PoisonError;

use candle_core::{Device, Tensor as CandleTensor, Var};
use candle_nn::VarMap;

use super::{Network, TensorSpec};
use crate::digest::{self, Digest};
use crate::random::{self, Purpose, Stream};
use crate::whole;

/// Slot of the head's kernel among the tensors that are drawn.
const HEAD_KERNEL_SLOT: u32 = 0;

/// One tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name, shape and layer.
    pub spec: TensorSpec,
    /// Row-major values.
    pub values: Vec<f32>,
}

/// All tensors, in model layer order.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Within a layer: kernel, bias, gamma, beta, moving mean, moving variance.
    pub tensors: Vec<Tensor>,
}

/// Why parameters could not be made or saved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// candle refused.
    #[error("cannot save the model to {path}: {source}")]
    Save {
        /// Where.
        path: String,
        /// Why.
        source: candle_core::Error,
    },
    /// The file system refused.
    #[error("cannot save the model: {0}")]
    Io(#[from] std::io::Error),
}

impl Parameters {
    /// The backbone's tensors as given (in [`Network::backbone_tensors`]' order), and a head drawn from
    /// `seed`: Glorot-uniform kernel, zero bias.
    ///
    /// # Panics
    /// If `backbone` does not fit the network; [`super::weights::fit`] makes one that does.
    pub fn with_new_head(network: &Network, backbone: Vec<Vec<f32>>, seed: u64) -> Self {
        let stream = Stream::new(seed, Purpose::Weights, HEAD_KERNEL_SLOT);
        let inputs = network.features()[2];
        let kernel =
            random::glorot_uniform(&stream, inputs, network.outputs, inputs * network.outputs);
        let values = backbone
            .into_iter()
            .chain([kernel, vec![0.0; network.outputs]]);
        let tensors: Vec<Tensor> = network
            .tensors()
            .into_iter()
            .zip(values)
            .map(|(spec, values)| {
                assert_eq!(spec.len(), values.len(), "{}", spec.name);
                Tensor { spec, values }
            })
            .collect();
        Self { tensors }
    }

    /// Values of the tensor at `place`.
    pub fn values(&self, place: usize) -> &[f32] {
        &self.tensors[place].values
    }

    /// sha256 over the little-endian f32 of every tensor in order, in hex.
    pub fn digest(&self) -> String {
        let mut digest = Digest::default();
        for tensor in &self.tensors {
            digest.add_values(&tensor.values);
        }
        digest.hex()
    }

    /// A digest per tensor, in order, with its name.
    pub fn digests(&self) -> Vec<(String, String)> {
        self.tensors
            .iter()
            .map(|tensor| (tensor.spec.name.clone(), digest::of_values(&tensor.values)))
            .collect()
    }

    /// The first tensor and element that is not finite.
    pub fn first_non_finite(&self) -> Option<(&str, usize)> {
        self.tensors.iter().find_map(|tensor| {
            let place = tensor.values.iter().position(|value| !value.is_finite())?;
            Some((tensor.spec.name.as_str(), place))
        })
    }

    /// The parameters as candle variables under Keras' names.
    pub fn var_map(&self) -> Result<VarMap, candle_core::Error> {
        let map = VarMap::new();
        {
            // Nobody else holds the lock of a map that was just made, so it cannot be poisoned.
            let mut data = map.data().lock().unwrap_or_else(PoisonError::into_inner);
            for tensor in &self.tensors {
                let shape = tensor.spec.shape.as_slice();
                let value = CandleTensor::from_slice(&tensor.values, shape, &Device::Cpu)?;
                data.insert(tensor.spec.name.clone(), Var::from_tensor(&value)?);
            }
        }
        Ok(map)
    }

    /// Saves all tensors as safetensors with these metadata; the file is whole or absent.
    pub fn save(
        &self,
        path: &Path,
        metadata: Option<HashMap<String, String>>,
    ) -> Result<(), Error> {
        let failed = |source| Error::Save {
            path: path.display().to_string(),
            source,
        };
        let map = self.var_map().map_err(failed)?;
        let data = map.data().lock().unwrap_or_else(PoisonError::into_inner);
        let tensors = data.iter().map(|(name, value)| (name, value.as_tensor()));
        whole::fill(path, |beside| {
            // candle's own way to save takes no metadata.
            safetensors::serialize_to_file(tensors, metadata, beside)
                .map_err(|error| failed(error.into()))
        })
    }
}
