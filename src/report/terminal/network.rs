//! The network as a table, in the manner of Keras' `summary`.

use super::Style;
use super::numbers::count;
use super::table::{Side, Table};
use crate::record::exhibits::Layer;

/// Keras' name for a layer that adds a border of zeros.
const PADDING: &str = "ZeroPadding2D";

/// The layers as a table; where there is no room for the names of inputs, their indices.
pub fn table(layers: &[Layer], style: Style) -> String {
    let named = build(layers, |index| {
        layers
            .get(index)
            .map_or_else(|| index.to_string(), |layer| layer.name.clone())
    });
    if named.width() <= style.width {
        return named.render(style);
    }
    build(layers, |index| index.to_string()).render(style)
}

/// Layers in a row whose outputs have one size, and which the same phases train as far as they have parameters.
struct Stretch {
    first: usize,
    last: usize,
    size: Vec<usize>,
    parameters: u64,
    /// None until a layer has parameters.
    trained: Option<Vec<usize>>,
}

impl Stretch {
    /// Takes a layer in, if it goes on with the stretch.
    fn takes(&mut self, index: usize, layer: &Layer, size: &[usize]) -> bool {
        let has_parameters = layer.parameters > 0;
        let differs = |trained: &Vec<usize>| has_parameters && *trained != layer.trained;
        if self.size != size || self.trained.as_ref().is_some_and(differs) {
            return false;
        }
        self.last = index;
        self.parameters += layer.parameters;
        if has_parameters {
            self.trained = Some(layer.trained.clone());
        }
        true
    }
}

/// The network in a few lines, a stretch each.
pub fn summary(layers: &[Layer], style: Style) -> String {
    let mut table = Table::new(&[
        ("#", Side::Left),
        ("from", Side::Left),
        ("to", Side::Left),
        ("output", Side::Left),
        ("parameters", Side::Right),
        ("trained in", Side::Left),
    ]);
    for stretch in stretches(layers) {
        let (first, last) = (&layers[stretch.first], &layers[stretch.last]);
        let (number, to) = if stretch.first == stretch.last {
            (stretch.first.to_string(), "")
        } else {
            let number = format!("{}-{}", stretch.first, stretch.last);
            (number, last.name.as_str())
        };
        table.row(vec![
            number.into(),
            first.name.as_str().into(),
            to.into(),
            shape(last).into(),
            count(stretch.parameters).into(),
            phases(stretch.trained.as_deref().unwrap_or_default()).into(),
        ]);
    }
    table.fit_without(&["to"], style.width);
    table.render(style)
}

fn stretches(layers: &[Layer]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        // A border of zeros belongs to the layer that it is made for.
        let sized = match layers.get(index + 1) {
            Some(next) if layer.kind == PADDING => next,
            _ => layer,
        };
        let size = match sized.shape.as_slice() {
            [height, width, _] => vec![*height, *width],
            _ => Vec::new(),
        };
        let goes_on = stretches
            .last_mut()
            .is_some_and(|stretch| stretch.takes(index, layer, &size));
        if !goes_on {
            stretches.push(Stretch {
                first: index,
                last: index,
                size,
                parameters: layer.parameters,
                trained: (layer.parameters > 0).then(|| layer.trained.clone()),
            });
        }
    }
    stretches
}

fn shape(layer: &Layer) -> String {
    let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
    shape.join("x")
}

fn phases(trained: &[usize]) -> String {
    let phases: Vec<String> = trained.iter().map(usize::to_string).collect();
    match phases.as_slice() {
        [] => "-".to_owned(),
        phases => format!("phase {}", phases.join(", ")),
    }
}

fn build(layers: &[Layer], input: impl Fn(usize) -> String) -> Table {
    let mut table = Table::new(&[
        ("#", Side::Right),
        ("layer", Side::Left),
        ("kind", Side::Left),
        ("output", Side::Left),
        ("parameters", Side::Right),
        ("from", Side::Left),
        ("trained in", Side::Left),
    ]);
    for (index, layer) in layers.iter().enumerate() {
        let inputs: Vec<String> = layer.inputs.iter().map(|&index| input(index)).collect();
        table.row(vec![
            index.to_string().into(),
            layer.name.as_str().into(),
            layer.kind.as_str().into(),
            shape(layer).into(),
            count(layer.parameters).into(),
            inputs.join(", ").into(),
            phases(&layer.trained).into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_ends_where_size_or_training_changes() {
        let layer =
            |name: &str, kind: &str, shape: &[usize], parameters, trained: &[usize]| Layer {
                name: name.to_owned(),
                kind: kind.to_owned(),
                shape: shape.to_vec(),
                parameters,
                inputs: Vec::new(),
                trained: trained.to_vec(),
            };
        let layers = [
            layer("input", "InputLayer", &[64, 64, 3], 0, &[]),
            layer("conv", "Conv2D", &[32, 32, 8], 216, &[]),
            layer("relu", "ReLU", &[32, 32, 8], 0, &[]),
            layer("pad", PADDING, &[33, 33, 8], 0, &[]),
            layer("frozen", "Conv2D", &[16, 16, 8], 72, &[]),
            layer("add", "Add", &[16, 16, 8], 0, &[]),
            layer("tuned", "Conv2D", &[16, 16, 9], 1000, &[1]),
            layer("pool", "GlobalAveragePooling2D", &[9], 0, &[]),
            layer("dense", "Dense", &[1], 10, &[0, 1]),
        ];
        let narrow = Style {
            width: 45,
            colour: false,
        };
        insta::assert_snapshot!(format!(
            "{}\n{}",
            summary(&layers, Style::PLAIN),
            summary(&layers, narrow)
        ));
    }

    #[test]
    fn names_of_inputs_where_there_is_room() {
        let layer = |name: &str, kind: &str, inputs: &[usize], trained: &[usize]| Layer {
            name: name.to_owned(),
            kind: kind.to_owned(),
            shape: vec![80, 80, 96],
            parameters: 1536,
            inputs: inputs.to_vec(),
            trained: trained.to_vec(),
        };
        let layers = [
            layer("input_layer", "InputLayer", &[], &[]),
            layer("block_10_depthwise_BN", "BatchNormalization", &[0], &[1]),
            layer("block_10_add", "Add", &[0, 1], &[0, 1]),
        ];
        let narrow = Style {
            width: 80,
            colour: false,
        };
        insta::assert_snapshot!(format!(
            "{}\n{}",
            table(&layers, narrow),
            table(&layers, Style::PLAIN)
        ));
    }
}
