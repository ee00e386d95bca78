//! MobileNetV2: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018,
//! layer by layer as in `keras/src/applications/mobilenet_v2.py` (`include_top=False`).

use crate::model::{Layer, LayerKind, Shape};

/// Filters of the first convolution before the width multiplier.
const FIRST_FILTERS: f64 = 32.0;
/// Filters of the last convolution, multiplied only where alpha is above 1.
const LAST_FILTERS: f64 = 1280.0;
/// Channel counts are multiples of this.
const DIVISOR: usize = 8;

/// A stage: expansion factor, filters before the width multiplier, blocks, stride of its first block.
const STAGES: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

/// The backbone's layers for pictures of `height`×`width`, 3 channels.
pub fn layers(height: usize, width: usize, alpha: f64) -> Vec<Layer> {
    let mut build = Builder { layers: vec![] };
    build.add("input_layer", LayerKind::Input, &[], [height, width, 3]);
    let first = divisible(FIRST_FILTERS * alpha);
    build.next("Conv1", LayerKind::Convolution3x3, first);
    build.next("bn_Conv1", LayerKind::BatchNorm, first);
    build.next("Conv1_relu", LayerKind::Relu6, first);

    let mut block = 0;
    for (expansion, filters, blocks, first_stride) in STAGES {
        for repeat in 0..blocks {
            let stride = if repeat == 0 { first_stride } else { 1 };
            // Keras truncates the product before it rounds to a multiple.
            let filters = divisible((filters as f64 * alpha).trunc());
            build.inverted_residual(block, expansion, filters, stride);
            block += 1;
        }
    }

    let last = if alpha > 1.0 {
        divisible(LAST_FILTERS * alpha)
    } else {
        LAST_FILTERS as usize
    };
    build.next("Conv_1", LayerKind::Pointwise, last);
    build.next("Conv_1_bn", LayerKind::BatchNorm, last);
    build.next("out_relu", LayerKind::Relu6, last);
    build.layers
}

/// Keras' `_make_divisible`: the nearest multiple of [`DIVISOR`], never more than 10 % below.
fn divisible(channels: f64) -> usize {
    let rounded = (channels + DIVISOR as f64 / 2.0) as usize / DIVISOR * DIVISOR;
    let rounded = rounded.max(DIVISOR);
    if (rounded as f64) < 0.9 * channels {
        rounded + DIVISOR
    } else {
        rounded
    }
}

struct Builder {
    layers: Vec<Layer>,
}

impl Builder {
    fn add(&mut self, name: &str, kind: LayerKind, inputs: &[usize], shape: Shape) -> usize {
        self.layers.push(Layer {
            name: name.to_owned(),
            kind,
            inputs: inputs.to_vec(),
            shape,
        });
        self.layers.len() - 1
    }

    /// A layer on top of the last one.
    fn next(&mut self, name: &str, kind: LayerKind, channels: usize) -> usize {
        let last = self.layers.len() - 1;
        let [height, width, _] = self.layers[last].shape;
        let (height, width) = match kind {
            LayerKind::Convolution3x3 => (height.div_ceil(2), width.div_ceil(2)),
            // On the padded picture: (n + 1 - 3) / 2 + 1.
            LayerKind::Depthwise { stride: 2 } => ((height - 3) / 2 + 1, (width - 3) / 2 + 1),
            LayerKind::Pad => (height + 1, width + 1),
            _ => (height, width),
        };
        self.add(name, kind, &[last], [height, width, channels])
    }

    fn inverted_residual(&mut self, block: usize, expansion: usize, filters: usize, stride: usize) {
        let input = self.layers.len() - 1;
        let inputs = self.layers[input].shape[2];
        let prefix = if block == 0 {
            "expanded_conv".to_owned()
        } else {
            format!("block_{block}")
        };
        let named = |part: &str| format!("{prefix}_{part}");
        let expanded = expansion * inputs;
        if block > 0 {
            self.next(&named("expand"), LayerKind::Pointwise, expanded);
            self.next(&named("expand_BN"), LayerKind::BatchNorm, expanded);
            self.next(&named("expand_relu"), LayerKind::Relu6, expanded);
        }
        if stride == 2 {
            self.next(&named("pad"), LayerKind::Pad, expanded);
        }
        self.next(
            &named("depthwise"),
            LayerKind::Depthwise { stride },
            expanded,
        );
        self.next(&named("depthwise_BN"), LayerKind::BatchNorm, expanded);
        self.next(&named("depthwise_relu"), LayerKind::Relu6, expanded);
        self.next(&named("project"), LayerKind::Pointwise, filters);
        let output = self.next(&named("project_BN"), LayerKind::BatchNorm, filters);
        if inputs == filters && stride == 1 {
            let shape = self.layers[output].shape;
            self.add(&named("add"), LayerKind::Add, &[input, output], shape);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_the_tutorial() {
        let layers = layers(160, 160, 1.0);
        assert_eq!(layers.len(), 154);
        assert_eq!(layers[100].name, "block_11_expand_relu");
        assert_eq!(layers[101].name, "block_11_depthwise");
        assert_eq!(layers[153].name, "out_relu");
        assert_eq!(layers[153].shape, [5, 5, 1280]);
    }

    #[test]
    fn channels_are_rounded_as_keras_does() {
        // From keras.applications.MobileNetV2(alpha=…): Conv1, block_16_project, Conv_1.
        for (alpha, first, project, last) in [
            (0.35, 16, 112, 1280),
            (0.5, 16, 160, 1280),
            (0.75, 24, 240, 1280),
            (1.3, 40, 416, 1664),
            (1.4, 48, 448, 1792),
        ] {
            let layers = layers(96, 96, alpha);
            let channels = |name: &str| {
                layers
                    .iter()
                    .find(|layer| layer.name == name)
                    .map(|layer| layer.shape[2])
            };
            assert_eq!(channels("Conv1"), Some(first), "alpha {alpha}");
            assert_eq!(channels("block_16_project"), Some(project), "alpha {alpha}");
            assert_eq!(channels("Conv_1"), Some(last), "alpha {alpha}");
            assert_eq!(layers.len(), 154);
        }
    }
}
