//! What the host draws for an epoch, as the device reads it: copied once, before the epoch.

use std::ops::Range;

use rayon::prelude::*;

use super::chunks;

use crate::dataset::batch::{Pass, TrainingEpoch};
use crate::kernels::cuda::Pinned;
use crate::kernels::cuda::memory::{Floats, Plan, Words};
use crate::kernels::cuda::pixels::{CHANGE_WORDS, Change};
use crate::kernels::cuda::{Device, Error, Stream};
use crate::random::Stream as Random;

/// Sizes of an epoch; one that is only a part of an epoch has fewer images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Images.
    pub(super) images: usize,
    /// Images that go through the frozen part together: whole batches.
    pub(super) chunk: usize,
    /// Images of a batch.
    pub(super) batch: usize,
    /// Passes of the augmentation.
    pub(super) passes: usize,
}

impl Sizes {
    fn steps_of_chunk(self) -> usize {
        self.chunk.div_ceil(self.batch)
    }

    /// Words of all inputs: place and changes of each image, then the inputs of the chunks.
    fn words(self) -> usize {
        self.first_of_chunks() + self.images.div_ceil(self.chunk) * self.chunk_words()
    }

    /// Where the inputs of the chunks begin among them.
    fn first_of_chunks(self) -> usize {
        self.images * (1 + self.passes * CHANGE_WORDS)
    }

    /// Images of the chunks, in order.
    pub(super) fn each_chunk(self) -> impl Iterator<Item = Range<usize>> {
        chunks(self.images, self.chunk)
    }

    /// Words of the inputs of the steps of a chunk: labels, indices, rates, and phase with epoch.
    fn chunk_words(self) -> usize {
        2 * self.chunk + self.steps_of_chunk() + 1
    }
}

/// An epoch's inputs in the device's memory.
pub(super) struct Inputs {
    sizes: Sizes,
    pinned: Pinned<u32>,
    all: Words,
    /// Those of the present chunk, always at the same place, so that recorded steps can be done again.
    chunk: Words,
}

/// Where they will lie.
pub(super) struct Places {
    sizes: Sizes,
    all: Words,
    chunk: Words,
}

impl Inputs {
    pub(super) fn plan(plan: &mut Plan, sizes: Sizes) -> Places {
        Places {
            sizes,
            all: plan.array(sizes.words()),
            chunk: plan.array(sizes.chunk_words()),
        }
    }

    pub(super) fn new(device: &Device, places: &Places) -> Result<Self, Error> {
        let Places { sizes, all, chunk } = *places;
        Ok(Self {
            sizes,
            pinned: Pinned::new(device, all.len())?,
            all,
            chunk,
        })
    }

    pub(super) fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Draws all of it and copies it. `rates` are Adam's, one a step.
    ///
    /// # Panics
    /// If the epoch has more images than there is room for.
    pub(super) fn upload(
        &mut self,
        stream: &Stream,
        epoch: &TrainingEpoch<'_>,
        dropout: &Random,
        rates: &[f32],
    ) -> Result<(), Error> {
        self.sizes.images = epoch.len();
        let sizes = self.sizes;
        let used = self.all.first(sizes.words());
        let size = epoch.split().image_size();
        let words = &mut self.pinned.values()?[..used.len()];
        let (places, rest) = words.split_at_mut(sizes.images);
        for (position, place) in places.iter_mut().enumerate() {
            *place = epoch.place(position) as u32;
        }
        let (passes, chunks) = rest.split_at_mut(sizes.passes * sizes.images * CHANGE_WORDS);
        // All passes of an image are drawn together, and lie a pass after the other.
        let drawn: Vec<Vec<Pass>> = (0..sizes.images)
            .into_par_iter()
            .map(|position| epoch.passes(position).collect())
            .collect();
        for (pass, words) in passes
            .chunks_exact_mut(sizes.images * CHANGE_WORDS)
            .enumerate()
        {
            for (image, words) in drawn.iter().zip(words.chunks_exact_mut(CHANGE_WORDS)) {
                let Pass { mirrored, rotation } = image[pass];
                let change = match rotation {
                    Some(sin_cos) => Change::rotation(size, sin_cos, mirrored),
                    None => Change::mirror(mirrored),
                };
                words.copy_from_slice(&change.words());
            }
        }
        let steps = sizes.steps_of_chunk();
        for (number, (images, words)) in sizes
            .each_chunk()
            .zip(chunks.chunks_exact_mut(sizes.chunk_words()))
            .enumerate()
        {
            for (at, position) in images.enumerate() {
                words[at] = epoch.label(position);
                words[sizes.chunk + at] = epoch.index(position);
            }
            let rates = rates[number * steps..].iter().take(steps);
            for (word, rate) in words[2 * sizes.chunk..].iter_mut().zip(rates) {
                *word = rate.to_bits();
            }
            words[2 * sizes.chunk + steps] = dropout.when();
        }
        self.pinned.upload(stream, used)
    }

    /// Places in their split of some images of the epoch.
    pub(super) fn places(&self, images: Range<usize>) -> Words {
        self.all.part(images)
    }

    /// Changes of some images in a pass.
    pub(super) fn changes(&self, pass: usize, images: Range<usize>) -> Words {
        let first = self.sizes.images + pass * self.sizes.images * CHANGE_WORDS;
        let [start, end] = [images.start, images.end].map(|image| first + image * CHANGE_WORDS);
        self.all.part(start..end)
    }

    /// Makes the inputs of a chunk the present ones.
    pub(super) fn begin_chunk(&self, stream: &Stream, number: usize) -> Result<(), Error> {
        let words = self.sizes.chunk_words();
        let first = self.sizes.first_of_chunks() + number * words;
        stream.copy(self.all.part(first..first + words), self.chunk)
    }

    /// Labels of some images of the present chunk.
    pub(super) fn labels(&self, images: Range<usize>) -> Words {
        self.chunk.part(images)
    }

    /// Indices of some images of the present chunk.
    pub(super) fn indices(&self, images: Range<usize>) -> Words {
        let chunk = self.sizes.chunk;
        self.chunk.part(chunk + images.start..chunk + images.end)
    }

    /// Rates of the steps of the present chunk.
    pub(super) fn rates(&self) -> Floats {
        let first = 2 * self.sizes.chunk;
        self.chunk
            .part(first..first + self.sizes.steps_of_chunk())
            .cast()
    }

    /// Phase and epoch.
    pub(super) fn when(&self) -> Words {
        self.chunk.part(self.chunk.len() - 1..self.chunk.len())
    }
}
