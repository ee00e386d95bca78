//! The layers of a recipe's network, as people read them.

use crate::model::{Network, Trained};
use crate::record::exhibits::Layer;

/// The layers of backbone and head, with the phases that train them.
pub fn layers(network: &Network, trained: &[Trained]) -> Vec<Layer> {
    let tensors = network.tensors();
    let of = |place: Option<usize>| {
        let own = || {
            tensors
                .iter()
                .enumerate()
                .filter(move |(_, tensor)| tensor.layer == place)
        };
        let parameters = own().map(|(_, tensor)| tensor.len() as u64).sum();
        let phases = trained.iter().enumerate().filter(|(_, trained)| {
            own().any(|(tensor, _)| trained.tensors.get(tensor).is_some_and(|trains| *trains))
        });
        (parameters, phases.map(|(phase, _)| phase).collect())
    };
    let mut layers: Vec<Layer> = network
        .layers
        .iter()
        .enumerate()
        .map(|(index, layer)| {
            let (parameters, trained) = of(Some(index));
            Layer {
                name: layer.name.clone(),
                kind: layer.kind.class().to_owned(),
                shape: layer.shape.to_vec(),
                parameters,
                inputs: layer.inputs.clone(),
                trained,
            }
        })
        .collect();
    layers.extend(head(network, of(None)));
    layers
}

/// The head's layers, which Keras' models name by their class.
fn head(network: &Network, (parameters, trained): (u64, Vec<usize>)) -> [Layer; 3] {
    let below = network.layers.len();
    let [.., channels] = network.features();
    let layer = |name: &str, kind: &str, width: usize, input: usize| Layer {
        name: name.to_owned(),
        kind: kind.to_owned(),
        shape: vec![width],
        parameters: 0,
        inputs: vec![input],
        trained: Vec::new(),
    };
    [
        layer(
            "global_average_pooling2d",
            "GlobalAveragePooling2D",
            channels,
            below - 1,
        ),
        layer("dropout", "Dropout", channels, below),
        Layer {
            parameters,
            trained,
            ..layer("dense", "Dense", network.outputs, below + 1)
        },
    ]
}
