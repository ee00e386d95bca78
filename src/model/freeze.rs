//! What a phase trains: a flag per tensor, and where the frozen prefix ends.

use super::operation::{BETA, GAMMA, Operation};
use super::{Network, TensorSpec};
use crate::recipe::Trainable;

/// What a phase trains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trained {
    /// For each of the network's tensors.
    pub tensors: Vec<bool>,
    /// Number of trained elements.
    pub parameters: u64,
    /// Number of trained tensors.
    pub variables: u64,
    /// Number of operations before the first that has a trained tensor.
    pub frozen_operations: usize,
}

/// A boundary that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No layer has this index.
    #[error(
        "no layer {index}: the backbone has layers 0 to {last} (or -{last} to -1 from the end)"
    )]
    Index {
        /// Asked for.
        index: i64,
        /// Index of the last layer.
        last: usize,
    },
    /// No layer has this name.
    #[error("no layer `{name}` in the backbone{}", nearest.as_ref().map_or(String::new(), |n| format!("\nhint: did you mean `{n}`?")))]
    Name {
        /// Asked for.
        name: String,
        /// The nearest name.
        nearest: Option<String>,
    },
}

impl Trained {
    /// Nothing at all: a network that only evaluates.
    pub fn nothing(network: &Network) -> Self {
        Self {
            tensors: vec![false; network.tensors().len()],
            parameters: 0,
            variables: 0,
            frozen_operations: network.operations().len(),
        }
    }

    /// What `trainable` means for this network. The head is always trained, moving statistics never.
    pub fn of(network: &Network, trainable: &Trainable) -> Result<Self, Error> {
        let count = network.layers.len();
        let first = match trainable {
            Trainable::Head => count,
            Trainable::All => 0,
            Trainable::FromIndex(index) => usize::try_from(if *index < 0 {
                index + count as i64
            } else {
                *index
            })
            .ok()
            .filter(|&first| first < count)
            .ok_or(Error::Index {
                index: *index,
                last: count - 1,
            })?,
            Trainable::FromName(name) => network
                .layers
                .iter()
                .position(|layer| layer.name == *name)
                .ok_or_else(|| Error::Name {
                    name: name.clone(),
                    nearest: nearest(network, name),
                })?,
        };
        let is_trained = |spec: &TensorSpec| {
            !spec.is_statistic() && spec.layer.is_none_or(|layer| layer >= first)
        };
        let specs = network.tensors();
        let tensors: Vec<bool> = specs.iter().map(is_trained).collect();
        let trained = specs.iter().filter(|spec| is_trained(spec));
        let operations = network.operations();
        Ok(Self {
            parameters: trained.clone().map(|spec| spec.len() as u64).sum(),
            variables: trained.count() as u64,
            frozen_operations: operations
                .iter()
                .position(|operation| is_touched(operation, &tensors))
                .unwrap_or(operations.len()),
            tensors,
        })
    }
}

fn is_touched(operation: &Operation, trained: &[bool]) -> bool {
    [0, GAMMA, BETA]
        .iter()
        .any(|offset| trained[operation.kernel + offset])
}

fn nearest(network: &Network, name: &str) -> Option<String> {
    network
        .layers
        .iter()
        .map(|layer| (strsim::damerau_levenshtein(&layer.name, name), &layer.name))
        .min()
        .filter(|(distance, _)| *distance <= 1.max(name.len() / 3))
        .map(|(_, name)| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::backbone::mobilenet_v2;

    fn tutorial() -> Network {
        Network {
            layers: mobilenet_v2::layers(160, 160, 1.0),
            outputs: 1,
            dropout: 0.2,
        }
    }

    #[test]
    fn counts_of_the_tutorial() {
        let network = tutorial();
        let backbone: usize = network.backbone_tensors().iter().map(TensorSpec::len).sum();
        assert_eq!(backbone, 2_257_984);
        let all: usize = network.tensors().iter().map(TensorSpec::len).sum();
        assert_eq!(all, 2_259_265);

        let head = Trained::of(&network, &Trainable::Head).unwrap();
        assert_eq!((head.parameters, head.variables), (1_281, 2));
        let operations = network.operations();
        assert_eq!(head.frozen_operations, operations.len());

        let tuned = Trained::of(&network, &Trainable::FromIndex(100)).unwrap();
        assert_eq!((tuned.parameters, tuned.variables), (1_862_721, 56));
        assert_eq!(
            operations[tuned.frozen_operations].name,
            "block_11_depthwise"
        );
        let named = Trainable::FromName("block_11_expand_relu".into());
        assert_eq!(Trained::of(&network, &named).unwrap(), tuned);
        assert_eq!(
            Trained::of(&network, &Trainable::FromIndex(-54)).unwrap(),
            tuned
        );
    }

    #[test]
    fn operations_of_the_tutorial() {
        let operations = tutorial().operations();
        assert_eq!(operations.len(), 52);
        let residuals = operations.iter().filter(|o| o.residual.is_some()).count();
        assert_eq!(residuals, 10);
        let last = &operations[51];
        assert_eq!((last.name.as_str(), last.relu6), ("Conv_1", true));
        assert_eq!(last.output_shape, [5, 5, 1280]);
    }

    #[test]
    fn a_boundary_that_is_not_there() {
        let network = tutorial();
        let wrong = Trained::of(&network, &Trainable::FromName("block_11_expand_rel".into()));
        assert!(
            wrong
                .unwrap_err()
                .to_string()
                .contains("block_11_expand_relu")
        );
        assert!(Trained::of(&network, &Trainable::FromIndex(154)).is_err());
        assert!(Trained::of(&network, &Trainable::FromIndex(-155)).is_err());
    }
}
