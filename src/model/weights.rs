//! From the tensors of a weight file to the backbone's parameters.
//!
//! Keras' legacy .h5 files are loaded by order, as Keras does, with counts and shapes checked; safetensors
//! by name. Every value must be finite.

use super::{Network, TensorSpec};
use crate::artifacts::weights::{Format, Tensor, WeightFile};

/// A weight file that does not fit the network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another number of tensors.
    #[error(
        "the weight file holds {got} tensors, the backbone has {expected}\nhint: a file without the top (`no_top`) of the same alpha is wanted"
    )]
    Count {
        /// In the backbone.
        expected: usize,
        /// In the file.
        got: usize,
    },
    /// Another shape.
    #[error(
        "`{name}` of the weight file has shape {got:?}, the backbone's `{wanted}` has {expected:?}\nhint: is the file for another alpha?"
    )]
    Shape {
        /// Name in the file.
        name: String,
        /// Name in the backbone.
        wanted: String,
        /// Shape in the backbone.
        expected: Vec<usize>,
        /// Shape in the file.
        got: Vec<usize>,
    },
    /// A tensor is not there.
    #[error("the weight file has no tensor `{name}`")]
    Missing {
        /// Its name.
        name: String,
    },
    /// NaN or infinity.
    #[error("`{name}` of the weight file holds {value} at element {element}")]
    NotFinite {
        /// Name in the file.
        name: String,
        /// Flat index.
        element: usize,
        /// As text.
        value: String,
    },
}

/// The values of [`Network::backbone_tensors`], in that order.
pub fn fit(network: &Network, file: WeightFile) -> Result<Vec<Vec<f32>>, Error> {
    let WeightFile { format, tensors } = file;
    let specs = network.backbone_tensors();
    if specs.len() != tensors.len() {
        return Err(Error::Count {
            expected: specs.len(),
            got: tensors.len(),
        });
    }
    let ordered = match format {
        Format::KerasH5 => tensors,
        Format::Safetensors => by_name(&specs, tensors)?,
    };
    specs
        .iter()
        .zip(ordered)
        .map(|(spec, tensor)| fitting(spec, tensor))
        .collect()
}

/// The tensors in the order of `specs`; older files say `depthwise_kernel` for `kernel`.
fn by_name(specs: &[TensorSpec], mut tensors: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
    specs
        .iter()
        .map(|spec| {
            let older = spec.name.replace("/kernel", "/depthwise_kernel");
            let place = tensors
                .iter()
                .position(|tensor| tensor.name == spec.name || tensor.name == older)
                .ok_or_else(|| Error::Missing {
                    name: spec.name.clone(),
                })?;
            Ok(tensors.swap_remove(place))
        })
        .collect()
}

fn fitting(spec: &TensorSpec, tensor: Tensor) -> Result<Vec<f32>, Error> {
    if spec.shape != tensor.shape {
        return Err(Error::Shape {
            name: tensor.name,
            wanted: spec.name.clone(),
            expected: spec.shape.clone(),
            got: tensor.shape,
        });
    }
    if let Some(element) = tensor.values.iter().position(|value| !value.is_finite()) {
        return Err(Error::NotFinite {
            element,
            value: tensor.values[element].to_string(),
            name: tensor.name,
        });
    }
    Ok(tensor.values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::backbone::mobilenet_v2;

    fn network() -> Network {
        Network {
            layers: mobilenet_v2::layers(32, 32, 0.35),
            outputs: 5,
            dropout: 0.0,
        }
    }

    fn file(format: Format) -> WeightFile {
        let tensors = network()
            .backbone_tensors()
            .into_iter()
            .enumerate()
            .map(|(place, spec)| Tensor {
                values: vec![place as f32; spec.len()],
                name: spec.name,
                shape: spec.shape,
            })
            .collect();
        WeightFile { format, tensors }
    }

    #[test]
    fn by_name_is_by_name() {
        let mut shuffled = file(Format::Safetensors);
        shuffled.tensors.reverse();
        let fitted = fit(&network(), shuffled).unwrap();
        assert!(
            fitted
                .iter()
                .enumerate()
                .all(|(place, values)| values[0] == place as f32)
        );
    }

    #[test]
    fn a_wrong_file_is_named_by_its_first_tensor() {
        let mut wrong = file(Format::KerasH5);
        wrong.tensors[5].shape = vec![3, 3, 1, 16];
        let error = fit(&network(), wrong).unwrap_err();
        assert!(
            error.to_string().contains("expanded_conv_depthwise/kernel"),
            "{error}"
        );
        let mut short = file(Format::KerasH5);
        short.tensors.remove(0);
        assert!(matches!(
            fit(&network(), short),
            Err(Error::Count {
                expected: 260,
                got: 259
            })
        ));
        let mut broken = file(Format::KerasH5);
        broken.tensors[7].values[3] = f32::NAN;
        assert!(matches!(
            fit(&network(), broken),
            Err(Error::NotFinite { element: 3, .. })
        ));
    }
}
