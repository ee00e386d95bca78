//! How much work an epoch is beside others, to tell how long the rest of a run takes.

use crate::model::{Network, TensorSpec, Trained};
use crate::recipe::Recipe;

/// Multiply-adds that take the time of reading and changing one value of a picture.
const VALUE: f64 = 60.0;

/// Multiply-adds that take the time of a parameter's digest and of its place in a checkpoint.
const PARAMETER: f64 = 400.0;

/// A trained operation is computed forward, for its weights and for what lies below.
const PASSES: f64 = 3.0;

/// Multiply-adds of an epoch with its validation, roughly: of a phase's first epoch, and of a later one.
///
/// What frozen operations make of pictures that no epoch changes is computed in the first one.
pub(super) fn of_epochs(
    recipe: &Recipe,
    network: &Network,
    trained: &Trained,
    [train, validation]: [usize; 2],
) -> [f64; 2] {
    let (train, validation) = (train as f64, validation as f64);
    let tensors = network.tensors();
    let operations = network.operations();
    let costs = operations.iter().map(|operation| {
        let [height, width, _] = operation.output_shape;
        (tensors[operation.kernel].len() * height * width) as f64
    });
    let costs: Vec<f64> = costs.collect();
    let (frozen, tail) = costs.split_at(trained.frozen_operations);
    let [height, width] = recipe.input.image_size;
    let frozen = f64::from(height * width * 3) * VALUE + frozen.iter().sum::<f64>();
    let head = network.features().iter().product::<usize>() * network.outputs;
    let tail = tail.iter().sum::<f64>() + head as f64;
    let parameters: usize = tensors.iter().map(TensorSpec::len).sum();
    let once = (train + validation) * frozen;
    let later = (PASSES * train + validation) * tail + parameters as f64 * PARAMETER;
    if recipe.input.augment.is_empty() {
        [once + later, later]
    } else {
        [once + later, train * frozen + later]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layer_names;
    use crate::recipe::{self, Request};

    #[test]
    fn an_epoch_is_more_work_the_more_it_trains() {
        let request = Request {
            recipe: "tutorial-224".to_owned(),
            ..Request::default()
        };
        let recipe = recipe::load(&request, layer_names).unwrap().recipe;
        let network = Network::of(&recipe, 2);
        let work: Vec<f64> = recipe
            .phases
            .iter()
            .map(|phase| {
                let trained = Trained::of(&network, &phase.train).unwrap();
                let [first, later] = of_epochs(&recipe, &network, &trained, [2000, 808]);
                assert!(first > later, "{first} {later}");
                later
            })
            .collect();
        // Measured in docs/performance.md: an epoch of fine-tuning takes between 1.3 and 2 times as long.
        let ratio = work[1] / work[0];
        assert!((1.3..2.0).contains(&ratio), "{ratio}");
    }
}
