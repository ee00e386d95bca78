//! A stretch of the network that trains nothing: many images a launch, in a workspace whose places are used
//! again as soon as nobody needs what lies there.

use std::ops::Range;

use super::layer::Layer;
use crate::engine::border::Border;
use crate::kernels::cuda::memory::{Floats, Plan};
use crate::kernels::cuda::{Error, Kernels, Stream};
use crate::model::Operation;

/// Values of an image to which places are rounded up, so that images keep the alignment of vectors.
const GRAIN: usize = 8;

/// Operations between two borders.
pub(super) struct Stretch {
    operations: Range<usize>,
    above: Border,
    /// Where the output of each operation lies in the workspace of one image; none if it crosses the border.
    places: Vec<Option<Range<usize>>>,
    /// Values of the workspace of one image.
    len: usize,
}

impl Stretch {
    /// The operations `operations` of the network; `picture` is the length of a picture.
    pub(super) fn new(network: &[Operation], operations: Range<usize>, picture: usize) -> Self {
        let above = Border::before(network, operations.end, picture);
        let mut stretch = Self {
            places: vec![None; operations.len()],
            operations,
            above,
            len: 0,
        };
        stretch.plan(network);
        stretch
    }

    /// Gives each output that stays inside the first place that is free while it is needed.
    fn plan(&mut self, network: &[Operation]) {
        let last_needed = |place: usize| {
            let needs = |operation: &Operation| {
                operation.input == Some(place) || operation.residual == Some(place)
            };
            let inside = &network[self.operations.clone()];
            let last = inside.iter().rposition(needs);
            // The last one of all is needed after the stretch.
            last.map_or(usize::MAX, |last| self.operations.start + last)
        };
        let mut taken: Vec<(Range<usize>, usize)> = Vec::new();
        for place in self.operations.clone() {
            if self.above.place(Some(place)).is_some() {
                continue;
            }
            taken.retain(|(_, until)| *until >= place);
            let len = network[place].output_len().next_multiple_of(GRAIN);
            let range = first_free(&taken, len);
            self.len = self.len.max(range.end);
            taken.push((range.clone(), last_needed(place)));
            self.places[place - self.operations.start] = Some(range);
        }
    }

    /// True if there is no operation in it.
    pub(super) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// What crosses out of it.
    pub(super) fn above(&self) -> &Border {
        &self.above
    }

    /// Values of the workspace of one image.
    pub(super) fn workspace_len(&self) -> usize {
        self.len
    }

    /// Runs images through it. `below` has what crosses into it and `above` takes what crosses out of it.
    pub(super) fn forward(
        &self,
        (kernels, stream, layers): (&Kernels, &Stream, &[Layer]),
        images: usize,
        workspace: Floats,
        below: &Crossing,
        above: &Crossing,
    ) -> Result<(), Error> {
        let value = |source: Option<usize>| -> Floats {
            let inside = source.filter(|place| self.operations.contains(place));
            match inside {
                Some(place) => self.output(place, images, layers, workspace, above),
                None => below.values(source, images),
            }
        };
        for place in self.operations.clone() {
            let layer = &layers[place];
            let operation = &layer.operation;
            let residual = operation.residual.map(|source| value(Some(source)));
            layer.forward(
                kernels,
                stream,
                value(operation.input),
                residual,
                value(Some(place)),
            )?;
        }
        if let (Border::Pooled(channels), Some(last)) = (&self.above, layers.last())
            && !self.operations.is_empty()
        {
            let pixels = last.operation.output_pixels();
            let outputs = value(Some(layers.len() - 1));
            let pooled = above.pooled(images);
            kernels
                .head
                .pool(stream, outputs, pixels, *channels, pooled)?;
        }
        Ok(())
    }

    /// The output of an operation for so many images.
    pub(super) fn output(
        &self,
        place: usize,
        images: usize,
        layers: &[Layer],
        workspace: Floats,
        above: &Crossing,
    ) -> Floats {
        let len = layers[place].operation.output_len();
        match &self.places[place - self.operations.start] {
            // Places are of one image, and there are as many of each as the workspace holds.
            Some(range) => {
                let capacity = workspace.len() / self.len;
                let first = range.start * capacity;
                workspace.part(first..first + images * len)
            }
            None => above.values(Some(place), images),
        }
    }
}

/// The first `len` values that nobody has.
fn first_free(taken: &[(Range<usize>, usize)], len: usize) -> Range<usize> {
    let mut ranges: Vec<&Range<usize>> = taken.iter().map(|(range, _)| range).collect();
    ranges.sort_by_key(|range| range.start);
    let mut start = 0;
    for range in ranges {
        if range.start >= start + len {
            break;
        }
        start = start.max(range.end);
    }
    start..start + len
}

/// What crosses a border, for a number of images: an array for each of its parts.
#[derive(Clone, Debug)]
pub(super) struct Crossing {
    /// Where each comes from (none is the picture), with its values for one image. One for what is pooled.
    parts: Vec<(Option<usize>, usize, Floats)>,
}

impl Crossing {
    /// Room for `capacity` images.
    pub(super) fn new(plan: &mut Plan, border: &Border, capacity: usize) -> Self {
        let parts = match border {
            Border::Pooled(channels) => vec![(None, *channels)],
            Border::Activations(crossing) => crossing.clone(),
        };
        Self {
            parts: parts
                .into_iter()
                .map(|(source, len)| (source, len, plan.array(capacity * len)))
                .collect(),
        }
    }

    /// Some of the images.
    pub(super) fn images(&self, images: Range<usize>) -> Self {
        let part = |(source, len, values): &(Option<usize>, usize, Floats)| {
            let range = images.start * len..images.end * len;
            (*source, *len, values.part(range))
        };
        Self {
            parts: self.parts.iter().map(part).collect(),
        }
    }

    /// What comes from `source`, for the first images.
    ///
    /// # Panics
    /// If it does not cross this border.
    pub(super) fn values(&self, source: Option<usize>, images: usize) -> Floats {
        let found = self.parts.iter().find(|(known, ..)| *known == source);
        let (_, len, values) = found.expect("the border knows what crosses it");
        values.first(images * len)
    }

    /// Pooled features of the first images.
    ///
    /// # Panics
    /// If something else crosses this border.
    pub(super) fn pooled(&self, images: usize) -> Floats {
        let [(None, channels, values)] = self.parts[..] else {
            panic!("pooled features cross the last border alone");
        };
        values.first(images * channels)
    }

    /// Each part with its values for one image.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Floats, usize)> + '_ {
        self.parts.iter().map(|(_, len, values)| (*values, *len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Network;
    use crate::model::backbone::mobilenet_v2;

    /// Asserts that no two outputs lie in the same place while both are needed.
    fn check(network: &[Operation], operations: Range<usize>) -> usize {
        let stretch = Stretch::new(network, operations.clone(), 7);
        let place = |at: usize| stretch.places[at - operations.start].clone();
        for (at, operation) in network
            .iter()
            .enumerate()
            .take(operations.end)
            .skip(operations.start)
        {
            let Some(output) = place(at) else {
                assert!(stretch.above.place(Some(at)).is_some());
                continue;
            };
            let later = at + 1..operations.end;
            let last = later.clone().rfind(|&later| {
                network[later].input == Some(at) || network[later].residual == Some(at)
            });
            for other in later.take_while(|&other| last.is_none_or(|last| other <= last)) {
                if let Some(other) = place(other) {
                    let is_apart = other.end <= output.start || output.end <= other.start;
                    assert!(is_apart, "{}: {output:?} {other:?}", operation.name);
                }
            }
        }
        stretch.workspace_len()
    }

    #[test]
    fn places_are_apart_while_they_are_needed() {
        for alpha in [0.35, 1.0, 1.4] {
            let network = Network {
                layers: mobilenet_v2::layers(160, 160, alpha),
                outputs: 1,
                dropout: 0.2,
            };
            let operations = network.operations();
            let all: usize = operations.iter().map(Operation::output_len).sum();
            let whole = check(&operations, 0..operations.len());
            assert!(whole < all / 3, "{whole} of {all}");
            for border in 0..operations.len() {
                check(&operations, 0..border);
                check(&operations, border..operations.len());
            }
        }
    }
}
