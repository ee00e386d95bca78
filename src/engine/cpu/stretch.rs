//! A stretch of the network that trains nothing, image by image in buffers that stay in cache.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::chain::{BAND_BYTES, Bands, Chain, Input};
use super::layer::Layer;
use crate::engine::border::Border;
use crate::kernels::{Buffer, Level, pool, zeros};
use crate::model::Operation;

/// Operations between two borders.
pub(super) struct Stretch {
    operations: Range<usize>,
    below: Border,
    pub(super) above: Border,
    chains: Vec<Chain>,
    /// Which buffer the output of each chain lives in.
    slots: Vec<usize>,
    slot_lens: Vec<usize>,
    arenas: Mutex<Vec<Arena>>,
}

/// Buffers for one image.
struct Arena {
    /// Outputs of chains.
    wholes: Vec<Buffer>,
    bands: Bands,
}

impl Arena {
    fn new(chains: &[Chain], slot_lens: &[usize]) -> Self {
        let mut bands = Bands::default();
        for chain in chains {
            chain.reserve(&mut bands);
        }
        Self {
            wholes: slot_lens.iter().map(|&len| zeros(len)).collect(),
            bands,
        }
    }
}

impl Stretch {
    /// The operations `places`; `picture` is the length of a picture.
    pub(super) fn new(operations: &[Operation], places: Range<usize>, picture: usize) -> Self {
        Self::with_bands(operations, places, picture, BAND_BYTES)
    }

    fn with_bands(
        operations: &[Operation],
        places: Range<usize>,
        picture: usize,
        band_bytes: usize,
    ) -> Self {
        let below = Border::before(operations, places.start, picture);
        let above = Border::before(operations, places.end, picture);
        let last_use = last_use(operations, &places, &above);
        let chains: Vec<Chain> = chains(operations, &places, &last_use, band_bytes * WHOLE_OUTPUTS)
            .into_iter()
            .map(|chained| Chain::new(operations, chained, band_bytes))
            .collect();
        let (slots, slot_lens) = assign_slots(operations, &chains, &last_use);
        // One for each thread from the start, so that no step allocates whoever comes first.
        let arenas = (0..rayon::current_num_threads())
            .map(|_| Arena::new(&chains, &slot_lens))
            .collect();
        Self {
            operations: places,
            below,
            above,
            chains,
            slots,
            slot_lens,
            arenas: Mutex::new(arenas),
        }
    }

    /// Runs one image from `row`, what crosses the border below (at the bottom the preprocessed picture,
    /// HWC), and writes what crosses the border above.
    pub(super) fn forward(&self, level: Level, layers: &[Layer], row: &[f32], out: &mut [f32]) {
        let mut arena = self.take_arena();
        let Arena { wholes, bands } = &mut arena;
        // Nothing of the stretch reads its last output, so that it can be written where it is wanted.
        let last = self.operations.clone().last();
        let direct = last.and_then(|last| self.above.place(Some(last)));
        for (place, chain) in self.chains.iter().enumerate() {
            let slot = self.slots[place];
            let mut whole = std::mem::replace(&mut wholes[slot], zeros(0));
            let y = match &direct {
                Some(place) if chain.operations.end == self.operations.end => {
                    &mut out[place.clone()]
                }
                _ => &mut whole[..layers[chain.operations.end - 1].operation.output_len()],
            };
            let first = chain.operations.start;
            let residual = |at: usize| {
                let source = layers[first + at].operation.residual?;
                self.output(wholes, Some(source), layers, row)
            };
            let x = self.output(wholes, layers[first].operation.input, layers, row);
            let input = Input {
                x: x.unwrap_or_default(),
                residual: &residual,
            };
            chain.forward(level, layers, bands, input, y);
            wholes[slot] = whole;
        }
        match &self.above {
            Border::Pooled(_) => self.pool(level, layers, wholes, row, out),
            Border::Activations(crossing) => {
                let mut rest = out;
                for (source, len) in crossing {
                    let (part, after) = rest.split_at_mut(*len);
                    let values = self.output(wholes, *source, layers, row);
                    if let Some(values) = values.filter(|_| direct.is_none() || *source != last) {
                        part.copy_from_slice(values);
                    }
                    rest = after;
                }
            }
        }
        self.return_arena(arena);
    }

    /// The first operation above.
    pub(super) fn above_place(&self) -> usize {
        self.operations.end
    }

    /// Values of an image above the border.
    pub(super) fn above_len(&self) -> usize {
        self.above.len()
    }

    fn pool(
        &self,
        level: Level,
        layers: &[Layer],
        wholes: &[Buffer],
        row: &[f32],
        out: &mut [f32],
    ) {
        if let Border::Pooled(_) = self.below {
            out.copy_from_slice(row);
        } else if let Some(last) = self.operations.clone().last() {
            let pixels = layers[last].operation.output_pixels();
            if let Some(x) = self.output(wholes, Some(last), layers, row) {
                pool::forward(level, x, pixels, out);
            }
        }
    }

    /// Output of the operation at `source`, of this stretch or below; `None` is the picture.
    fn output<'a>(
        &self,
        wholes: &'a [Buffer],
        source: Option<usize>,
        layers: &[Layer],
        row: &'a [f32],
    ) -> Option<&'a [f32]> {
        match source {
            Some(place) if place >= self.operations.start => {
                let chain = self
                    .chains
                    .iter()
                    .position(|chain| chain.operations.end == place + 1)?;
                Some(&wholes[self.slots[chain]][..layers[place].operation.output_len()])
            }
            below => self.below.part(below, row),
        }
    }

    fn take_arena(&self) -> Arena {
        let free = self
            .arenas
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        free.unwrap_or_else(|| Arena::new(&self.chains, &self.slot_lens))
    }

    fn return_arena(&self, arena: Arena) {
        self.arenas
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(arena);
    }
}

/// For each operation of the network the last one of the stretch that needs its output; the end of the
/// stretch where the border needs it.
fn last_use(operations: &[Operation], places: &Range<usize>, above: &Border) -> Vec<usize> {
    let mut last_use: Vec<usize> = (0..operations.len()).collect();
    for place in places.clone() {
        let operation = &operations[place];
        for source in [operation.input, operation.residual].into_iter().flatten() {
            last_use[source] = place;
        }
    }
    match above {
        Border::Activations(crossing) => {
            for source in crossing.iter().filter_map(|(source, _)| *source) {
                last_use[source] = places.end;
            }
        }
        Border::Pooled(_) => {
            if let Some(last) = places.clone().last() {
                last_use[last] = places.end;
            }
        }
    }
    last_use
}

/// Outputs of up to so many times the bytes of a chain stay in a second-level cache as a whole.
const WHOLE_OUTPUTS: usize = 2;

/// Cuts the stretch into chains: an operation goes on the one before it if that one's output is read by
/// nothing else, and takes more than `whole_bytes`: what is smaller stays in cache without bands, each of which
/// fetches the weights once more.
fn chains(
    operations: &[Operation],
    places: &Range<usize>,
    last_use: &[usize],
    whole_bytes: usize,
) -> Vec<Range<usize>> {
    let mut chains: Vec<Range<usize>> = Vec::new();
    for place in places.clone() {
        let goes_on = place > places.start
            && operations[place].input == Some(place - 1)
            && last_use[place - 1] == place
            && operations[place - 1].output_len() * size_of::<f32>() > whole_bytes;
        match chains.last_mut() {
            Some(chain) if goes_on => chain.end = place + 1,
            _ => chains.push(place..place + 1),
        }
    }
    chains
}

/// Gives each chain's output a buffer that nobody needs any more: the slot of each, and each slot's length.
fn assign_slots(
    operations: &[Operation],
    chains: &[Chain],
    last_use: &[usize],
) -> (Vec<usize>, Vec<usize>) {
    let mut slots = Vec::with_capacity(chains.len());
    let mut slot_lens: Vec<usize> = Vec::new();
    // The operation that is the last to need each slot.
    let mut taken_until: Vec<usize> = Vec::new();
    for chain in chains {
        let (first, last) = (chain.operations.start, chain.operations.end - 1);
        let free = taken_until.iter().position(|&until| until < first);
        let slot = free.unwrap_or_else(|| {
            slot_lens.push(0);
            taken_until.push(0);
            slot_lens.len() - 1
        });
        slot_lens[slot] = slot_lens[slot].max(operations[last].output_len());
        taken_until[slot] = last_use[last];
        slots.push(slot);
    }
    (slots, slot_lens)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::buffer;
    use crate::model::Network;
    use crate::model::backbone::mobilenet_v2;
    use crate::model::operation::{MOVING_VARIANCE, OPERATION_TENSORS};
    use crate::random::{Purpose, Stream, unit};

    fn uniform(slot: u32, len: usize) -> Vec<f32> {
        let stream = Stream::new(1, Purpose::Weights, slot);
        (0..len as u32)
            .map(|element| unit(stream.word(0, element)))
            .collect()
    }

    fn layers(operations: &[Operation], network: &Network) -> Vec<Layer> {
        let level = Level::detect();
        let tensors: Vec<Vec<f32>> = network
            .backbone_tensors()
            .iter()
            .zip(0..)
            .map(|(spec, slot)| {
                let shift = if spec.name.ends_with("kernel") {
                    0.5
                } else {
                    0.1
                };
                uniform(slot, spec.len())
                    .iter()
                    .map(|value| value - shift)
                    .collect()
            })
            .collect();
        operations
            .iter()
            .map(|operation| {
                let tensors: [Buffer; OPERATION_TENSORS] = std::array::from_fn(|at| {
                    let mut values = buffer(&tensors[operation.kernel + at]);
                    if at == MOVING_VARIANCE {
                        values.iter_mut().for_each(|value| *value = value.abs());
                    }
                    values
                });
                Layer::new(level, operation.clone(), tensors)
            })
            .collect()
    }

    /// Whatever a chain keeps at once, and wherever the border lies, its outputs are those of operations
    /// that run one after the other on whole images.
    #[test]
    fn bands_of_any_size_give_the_same_bits() {
        for (side, alpha) in [(96, 0.35), (64, 0.5), (32, 1.4)] {
            let network = Network {
                layers: mobilenet_v2::layers(side, side, alpha),
                outputs: 1,
                dropout: 0.0,
            };
            let operations = network.operations();
            let layers = layers(&operations, &network);
            let picture: Vec<f32> = uniform(1000, side * side * 3);
            let level = Level::detect();
            let whole = backbone_outputs(level, &layers, &picture);
            for end in [2, 6, 17, 34, 35, operations.len()] {
                for band_bytes in [0, 4_000, 30_000, BAND_BYTES] {
                    let stretch =
                        Stretch::with_bands(&operations, 0..end, picture.len(), band_bytes);
                    let mut out = vec![0.0; stretch.above_len()];
                    stretch.forward(level, &layers, &picture, &mut out);
                    match &stretch.above {
                        Border::Pooled(_) => {
                            let last = &operations[end - 1];
                            let mut pooled = vec![0.0; out.len()];
                            pool::forward(
                                level,
                                &whole[end - 1],
                                last.output_pixels(),
                                &mut pooled,
                            );
                            assert_eq!(bits(&out), bits(&pooled));
                        }
                        Border::Activations(crossing) => {
                            for (source, _) in crossing {
                                let part = stretch.above.part(*source, &out).unwrap();
                                assert_eq!(bits(part), bits(&whole[source.unwrap()]));
                            }
                            let mut pooled = vec![0.0; network.features()[2]];
                            let rest = end..operations.len();
                            let rest =
                                Stretch::with_bands(&operations, rest, picture.len(), band_bytes);
                            rest.forward(level, &layers, &out, &mut pooled);
                            let mut expected = pooled.clone();
                            let last = operations.last().unwrap();
                            let x = whole.last().unwrap();
                            pool::forward(level, x, last.output_pixels(), &mut expected);
                            assert_eq!(bits(&pooled), bits(&expected), "from {end}");
                        }
                    }
                }
            }
        }
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }
}
