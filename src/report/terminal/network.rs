//! The network as a table, in the manner of Keras' `summary`.

use super::Style;
use super::numbers::count;
use super::table::{Side, Table};
use crate::record::exhibits::Layer;

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
        let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
        let inputs: Vec<String> = layer.inputs.iter().map(|&index| input(index)).collect();
        let phases: Vec<String> = layer.trained.iter().map(usize::to_string).collect();
        let trained = match phases.as_slice() {
            [] => "-".to_owned(),
            phases => format!("phase {}", phases.join(", ")),
        };
        table.row(vec![
            index.to_string().into(),
            layer.name.as_str().into(),
            layer.kind.as_str().into(),
            shape.join("x").into(),
            count(layer.parameters).into(),
            inputs.join(", ").into(),
            trained.into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

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
