//! An epoch of training: every image of the split once, shuffled, augmented, in batches.
//!
//! Order and changes are functions of (seed, phase, epoch, image), so an epoch can be read from any
//! position, by any number of threads, and again after an interruption.

use std::ops::Range;

use crate::digest::Digest;
use crate::random::{Purpose, Stream};
use crate::recipe::Input;

use super::augment::{self, Changing, Step};
use super::{Error, Split};

pub use super::augment::{Pass, Scratch};

/// Slot of the stream of the training order.
const ORDER_SLOT: u32 = 0;

/// One epoch over a split.
pub struct TrainingEpoch<'a> {
    split: &'a Split,
    batch_size: usize,
    steps: Vec<Step>,
    /// From 0.
    phase: u32,
    /// From 0 within the phase.
    epoch: u32,
    /// Position in the split of each position in the epoch.
    order: Vec<u32>,
}

impl<'a> TrainingEpoch<'a> {
    /// Epoch `epoch`, from 0 within phase `phase`.
    ///
    /// # Panics
    /// If phase or epoch are outside the fields that random.rs states.
    pub fn new(split: &'a Split, input: &Input, seed: u64, phase: u32, epoch: u32) -> Self {
        let mut this = Self {
            split,
            batch_size: input.batch_size as usize,
            steps: Step::all(&input.augment, seed, phase, epoch),
            phase,
            epoch,
            order: Vec::new(),
        };
        this.draw_order(seed);
        this
    }

    /// Draws the order from a seed.
    pub fn draw_order(&mut self, seed: u64) {
        let stream =
            Stream::new(seed, Purpose::TrainingOrder, ORDER_SLOT).at(self.phase, self.epoch);
        self.order = (0..self.split.len() as u32).collect();
        self.order.sort_by_cached_key(|&position| {
            let index = self.split.items[position as usize].index;
            (stream.key(index), index)
        });
    }

    /// Leaves out the last batch, unless it is the only one.
    pub fn drop_last_batch(&mut self) {
        let kept = (self.steps() - 1) * self.batch_size;
        if kept > 0 {
            self.order.truncate(kept);
        }
    }

    /// Number of images.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a split without pictures is an error"
    )]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Number of batches; the last one may be short.
    pub fn steps(&self) -> usize {
        self.len().div_ceil(self.batch_size)
    }

    /// Positions of batch `step` in the shuffled order.
    pub fn batch(&self, step: usize) -> Range<usize> {
        let start = self.len().min(step * self.batch_size);
        start..self.len().min(start + self.batch_size)
    }

    /// An epoch of batch `step` alone: the same images, changed in the same way.
    #[must_use]
    pub fn only(&self, step: usize) -> Self {
        Self {
            steps: self.steps.clone(),
            order: self.order[self.batch(step)].to_vec(),
            ..*self
        }
    }

    /// The split.
    pub fn split(&self) -> &'a Split {
        self.split
    }

    /// True if images may be changed, so that another epoch may see them otherwise.
    pub fn is_augmented(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Position in the split of the image at `position` in the epoch.
    ///
    /// # Panics
    /// If there is no such position, here and below.
    pub fn place(&self, position: usize) -> usize {
        self.order[position] as usize
    }

    /// What is done to the image at `position`, pass by pass; every image has as many.
    pub fn passes(&self, position: usize) -> impl Iterator<Item = Pass> {
        augment::passes(&self.steps, self.index(position))
    }

    /// Label of the image at `position`.
    pub fn label(&self, position: usize) -> u32 {
        self.split.items[self.place(position)].label
    }

    /// Index of the image at `position`, which its random numbers are drawn by.
    pub fn index(&self, position: usize) -> u32 {
        self.split.items[self.place(position)].index
    }

    /// Reads and augments the image at `position`, as the network sees it: x ÷ 127.5 − 1.
    pub fn input(
        &self,
        position: usize,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<(), Error> {
        self.changed(position, true, scratch, out)
    }

    /// Reads and augments the image at `position`, with values from 0 to 255.
    pub fn pixels(
        &self,
        position: usize,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<(), Error> {
        self.changed(position, false, scratch, out)
    }

    fn changed(
        &self,
        position: usize,
        scaled: bool,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<(), Error> {
        let changing = Changing {
            steps: &self.steps,
            level: self.split.level(),
            size: self.split.image_size(),
            scaled,
        };
        let read = |image: &mut [f32]| self.split.read(self.place(position), image);
        changing.image(self.index(position), read, scratch, out)
    }

    /// sha256, in hex, of the indices in order as little-endian u32.
    pub fn order_digest(&self) -> String {
        let mut digest = Digest::default();
        for position in 0..self.len() {
            digest.add(self.index(position).to_le_bytes());
        }
        digest.hex()
    }
}
