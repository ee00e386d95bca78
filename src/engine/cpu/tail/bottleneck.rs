//! The blocks of MobileNetV2 (Sandler et al. 2018, "inverted residuals and linear bottlenecks") in the tail.

use crate::engine::cpu::layer::columns::MOST_CHANNELS;
use crate::model::Operation;
use crate::model::operation::Convolution;

/// A block of the network, or what of it is in the tail: operations between two narrow activations. Places of
/// its operations; one that lies below the border, or that the block does not have, is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bottleneck {
    /// Widens, as do the first and the last convolution of the network.
    pub(super) expand: Option<usize>,
    pub(super) depthwise: Option<usize>,
    /// Narrows, and adds the shortcut.
    pub(super) project: Option<usize>,
}

impl Bottleneck {
    /// The blocks of the operations from `frozen` on.
    pub(super) fn of(operations: &[Operation], frozen: usize) -> Vec<Self> {
        let mut blocks: Vec<Self> = Vec::new();
        for (place, operation) in operations.iter().enumerate().skip(frozen) {
            let before = (place > frozen).then(|| blocks.last_mut()).flatten();
            let before = before.filter(|_| operation.input == Some(place - 1));
            match (before, operation.kind) {
                (Some(block), Convolution::Depthwise { .. })
                    if block.depthwise.is_none() && block.project.is_none() =>
                {
                    block.depthwise = Some(place);
                }
                (Some(block), Convolution::Pointwise)
                    if !is_wide(operation) && block.depthwise.is_some() =>
                {
                    block.project = Some(place);
                }
                (_, Convolution::Depthwise { .. }) => blocks.push(Self {
                    depthwise: Some(place),
                    ..Self::default()
                }),
                _ if is_wide(operation) => blocks.push(Self {
                    expand: Some(place),
                    ..Self::default()
                }),
                _ => blocks.push(Self {
                    project: Some(place),
                    ..Self::default()
                }),
            }
        }
        blocks
    }

    /// Its operations, in order.
    pub(super) fn places(self) -> impl DoubleEndedIterator<Item = usize> {
        [self.expand, self.depthwise, self.project]
            .into_iter()
            .flatten()
    }
}

/// Whether the output of an operation is wide: those end with ReLU6, the narrow ones are linear.
pub(super) fn is_wide(operation: &Operation) -> bool {
    operation.relu6
}

/// Channels of a tile of a wide activation of `channels`: two vectors, or one where threads would be idle.
pub(super) fn tile_width(channels: usize, threads: usize) -> usize {
    if channels.div_ceil(MOST_CHANNELS) >= 2 * threads {
        MOST_CHANNELS
    } else {
        MOST_CHANNELS / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Network;
    use crate::model::backbone::mobilenet_v2;

    /// Blocks with the names of their operations.
    fn blocks(frozen: usize) -> Vec<Vec<String>> {
        let network = Network {
            layers: mobilenet_v2::layers(160, 160, 1.0),
            outputs: 1,
            dropout: 0.0,
        };
        let operations = network.operations();
        let blocks = Bottleneck::of(&operations, frozen);
        let places: Vec<usize> = blocks.iter().flat_map(|block| block.places()).collect();
        assert_eq!(places, (frozen..operations.len()).collect::<Vec<_>>());
        let names = |block: &Bottleneck| {
            let names = block.places().map(|place| operations[place].name.clone());
            names.collect()
        };
        blocks.iter().map(names).collect()
    }

    #[test]
    fn blocks_are_those_of_the_network() {
        let all = blocks(0);
        assert_eq!(all.len(), 18);
        assert_eq!(
            all[0],
            ["Conv1", "expanded_conv_depthwise", "expanded_conv_project"]
        );
        assert_eq!(
            all[1],
            ["block_1_expand", "block_1_depthwise", "block_1_project"]
        );
        assert_eq!(all[17], ["Conv_1"]);
    }

    #[test]
    fn a_border_cuts_a_block_anywhere() {
        let starts: Vec<Vec<String>> = (34..37).map(|frozen| blocks(frozen)[0].clone()).collect();
        assert_eq!(
            starts,
            [
                vec!["block_11_depthwise", "block_11_project"],
                vec!["block_11_project"],
                vec!["block_12_expand", "block_12_depthwise", "block_12_project"],
            ]
        );
    }

    #[test]
    fn few_channels_for_many_threads_are_cut_finer() {
        assert_eq!(tile_width(576, 2), 32);
        assert_eq!(tile_width(96, 1), 32);
        assert_eq!(tile_width(96, 2), 16);
        assert_eq!(tile_width(960, 16), 16);
    }
}
