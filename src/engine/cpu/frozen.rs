//! The frozen prefix of the network, image by image in buffers that stay in cache.

use std::sync::Mutex;

use super::layer::Layer;
use crate::kernels::{Level, pool};
use crate::model::Operation;

/// What of the prefix the rest of the network needs, for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Border {
    /// All of the backbone is frozen: pooled features.
    Pooled(usize),
    /// Outputs of these operations (`None`: the picture), with their lengths.
    Activations(Vec<(Option<usize>, usize)>),
}

impl Border {
    /// What crosses the border before operation `frozen`.
    pub(super) fn before(operations: &[Operation], frozen: usize, picture: usize) -> Self {
        let Some(tail) = operations.get(frozen..).filter(|tail| !tail.is_empty()) else {
            return Self::Pooled(operations.last().map_or(0, |last| last.output_shape[2]));
        };
        let mut crossing: Vec<(Option<usize>, usize)> = Vec::new();
        for operation in tail {
            let sources = [operation.input]
                .into_iter()
                .chain(operation.residual.map(Some));
            for source in sources {
                let is_below = source.is_none_or(|place| place < frozen);
                if is_below && !crossing.iter().any(|(known, _)| *known == source) {
                    let len = source.map_or(picture, |place| operations[place].output_len());
                    crossing.push((source, len));
                }
            }
        }
        Self::Activations(crossing)
    }

    /// Values of one image.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Pooled(len) => *len,
            Self::Activations(crossing) => crossing.iter().map(|(_, len)| len).sum(),
        }
    }
}

/// The prefix: how many operations, what leaves it, and which buffer each output lives in.
pub(super) struct Frozen {
    pub(super) operations: usize,
    pub(super) border: Border,
    slots: Vec<usize>,
    slot_lens: Vec<usize>,
    arenas: Mutex<Vec<Vec<Vec<f32>>>>,
}

impl Frozen {
    pub(super) fn new(operations: &[Operation], frozen: usize, picture: usize) -> Self {
        let border = Border::before(operations, frozen, picture);
        let (slots, slot_lens) = assign_slots(&operations[..frozen], &border);
        Self {
            operations: frozen,
            border,
            slots,
            slot_lens,
            arenas: Mutex::new(Vec::new()),
        }
    }

    /// Runs one picture (preprocessed, HWC) through the prefix and writes what crosses the border.
    pub(super) fn forward(&self, level: Level, layers: &[Layer], picture: &[f32], out: &mut [f32]) {
        let mut arena = self.take_arena();
        for (place, layer) in layers[..self.operations].iter().enumerate() {
            let operation = &layer.operation;
            let mut y = std::mem::take(&mut arena[self.slots[place]]);
            let x = operation.input.map_or(picture, |input| {
                &arena[self.slots[input]][..operation.input_len()]
            });
            let residual = operation
                .residual
                .map(|source| &arena[self.slots[source]][..operation.output_len()]);
            layer.forward(level, x, residual, &mut y[..operation.output_len()]);
            arena[self.slots[place]] = y;
        }
        match &self.border {
            Border::Pooled(_) => {
                if let Some(last) = layers[..self.operations].last() {
                    let operation = &last.operation;
                    let x = &arena[self.slots[self.operations - 1]][..operation.output_len()];
                    pool::forward(level, x, operation.output_pixels(), out);
                }
            }
            Border::Activations(crossing) => {
                let mut rest = out;
                for (source, len) in crossing {
                    let (part, after) = rest.split_at_mut(*len);
                    part.copy_from_slice(match source {
                        None => picture,
                        Some(place) => &arena[self.slots[*place]][..*len],
                    });
                    rest = after;
                }
            }
        }
        self.return_arena(arena);
    }

    fn take_arena(&self) -> Vec<Vec<f32>> {
        let free = self
            .arenas
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .pop();
        free.unwrap_or_else(|| self.slot_lens.iter().map(|&len| vec![0.0; len]).collect())
    }

    fn return_arena(&self, arena: Vec<Vec<f32>>) {
        self.arenas
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(arena);
    }
}

/// Output of every operation of the backbone for one picture.
pub(super) fn backbone_outputs(level: Level, layers: &[Layer], picture: &[f32]) -> Vec<Vec<f32>> {
    let mut outputs: Vec<Vec<f32>> = Vec::with_capacity(layers.len());
    for layer in layers {
        let operation = &layer.operation;
        let mut y = vec![0.0; operation.output_len()];
        let x = operation.input.map_or(picture, |input| &outputs[input]);
        let residual = operation.residual.map(|source| outputs[source].as_slice());
        layer.forward(level, x, residual, &mut y);
        outputs.push(y);
    }
    outputs
}

/// Gives each output a buffer that nobody needs any more: the slot of each, and the length of each slot.
fn assign_slots(operations: &[Operation], border: &Border) -> (Vec<usize>, Vec<usize>) {
    let mut last_use: Vec<usize> = (0..operations.len()).collect();
    for (place, operation) in operations.iter().enumerate() {
        for source in [operation.input, operation.residual].into_iter().flatten() {
            last_use[source] = place;
        }
    }
    if let Border::Activations(crossing) = border {
        for source in crossing.iter().filter_map(|(source, _)| *source) {
            last_use[source] = operations.len();
        }
    }
    let mut slots = Vec::with_capacity(operations.len());
    let mut slot_lens: Vec<usize> = Vec::new();
    // The operation whose output is the last to need each slot.
    let mut taken_until: Vec<usize> = Vec::new();
    for (place, operation) in operations.iter().enumerate() {
        let free = taken_until.iter().position(|&until| until < place);
        let slot = free.unwrap_or_else(|| {
            slot_lens.push(0);
            taken_until.push(0);
            slot_lens.len() - 1
        });
        slot_lens[slot] = slot_lens[slot].max(operation.output_len());
        taken_until[slot] = last_use[place];
        slots.push(slot);
    }
    (slots, slot_lens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Network;
    use crate::model::backbone::mobilenet_v2;

    #[test]
    fn the_border_of_the_tutorial() {
        let network = Network {
            layers: mobilenet_v2::layers(160, 160, 1.0),
            outputs: 1,
            dropout: 0.2,
        };
        let operations = network.operations();
        let boundary = operations
            .iter()
            .position(|o| o.name == "block_11_depthwise")
            .unwrap();
        let border = Border::before(&operations, boundary, 160 * 160 * 3);
        let Border::Activations(crossing) = &border else {
            panic!("activations cross");
        };
        let names: Vec<_> = crossing
            .iter()
            .map(|(source, _)| operations[source.unwrap()].name.as_str())
            .collect();
        assert_eq!(names, ["block_11_expand", "block_10_project"]);
        assert_eq!(border.len(), 10 * 10 * (576 + 96));
        let (_, slot_lens) = assign_slots(&operations[..boundary], &border);
        assert_eq!(slot_lens.len(), 3, "ping, pong and a shortcut");
        assert_eq!(
            Border::before(&operations, operations.len(), 1),
            Border::Pooled(1280)
        );
        assert_eq!(
            Border::before(&operations, 0, 7),
            Border::Activations(vec![(None, 7)])
        );
    }
}
