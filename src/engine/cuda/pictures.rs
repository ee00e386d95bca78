//! Pictures on their way to the device: all of a split once, or some at a time where they are too many.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;
use tracing::trace_span;

use crate::dataset::Split;
use crate::engine::Error;
use crate::kernels::cuda::Pinned;
use crate::kernels::cuda::memory::{Floats, Plan};
use crate::kernels::cuda::{self, Device, Event, Stream};
use crate::recipe::SplitName;
use crate::record::Observer;

/// Rooms for pictures: some are read while those before them are copied.
const BUFFERS: usize = 2;
/// Pictures that are copied together where all of a split goes to the device.
const COPIED_TOGETHER: usize = 64;

/// The pictures of a data set, as far as the device holds them.
pub(super) struct Pictures {
    /// Values of a picture.
    len: usize,
    /// Pictures that are read and copied together.
    together: usize,
    /// Room for all pictures of each split, if there is enough, and whether they are there.
    resident: HashMap<SplitName, (Floats, bool)>,
    /// Room for some pictures, in turn.
    staged: [Stage; BUFFERS],
    turn: usize,
    copies: Stream,
}

/// Room for some pictures.
struct Stage {
    values: Floats,
    pinned: Pinned<f32>,
    copied: Event,
    consumed: Event,
}

/// Pictures on the device.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// All of a split, in the order of evaluation.
    Split(Floats),
    /// Those that were asked for, in this order; `stage` is whose room they lie in.
    Some { values: Floats, stage: usize },
}

impl Pictures {
    /// Room for pictures of `len` values: all of each split that is given, or where none is, `chunk` at a time.
    pub(super) fn plan(
        plan: &mut Plan,
        len: usize,
        chunk: usize,
        splits: &[(SplitName, usize)],
    ) -> Places {
        let (staged, together) = if splits.is_empty() {
            (chunk * len, chunk)
        } else {
            (0, COPIED_TOGETHER)
        };
        Places {
            len,
            together,
            resident: splits
                .iter()
                .map(|&(name, images)| (name, plan.array(images * len)))
                .collect(),
            staged: std::array::from_fn(|_| plan.array(staged)),
        }
    }

    /// With room where it was planned.
    pub(super) fn new(
        device: &Device,
        places: Places,
        copies: Stream,
    ) -> Result<Self, cuda::Error> {
        let Places {
            len,
            together,
            resident,
            staged: [first, second],
        } = places;
        let stage = |values: Floats| -> Result<Stage, cuda::Error> {
            Ok(Stage {
                values,
                pinned: Pinned::new(device, together * len)?,
                copied: Event::new(device)?,
                consumed: Event::new(device)?,
            })
        };
        Ok(Self {
            len,
            together,
            resident: resident
                .into_iter()
                .map(|(name, values)| (name, (values, false)))
                .collect(),
            staged: [stage(first)?, stage(second)?],
            turn: 0,
            copies,
        })
    }

    /// The pictures at these positions of a split, for work that comes next in `stream`; it must say when it
    /// has read them ([`consumed`](Self::consumed)).
    pub(super) fn obtain(
        &mut self,
        split: &Split,
        stream: &Stream,
        images: usize,
        position: impl Fn(usize) -> usize + Sync,
        observer: &Observer<'_>,
    ) -> Result<Source, Error> {
        if let Some(&(values, is_there)) = self.resident.get(&split.name) {
            if !is_there {
                self.upload(split, values, stream, observer)?;
                self.resident.insert(split.name, (values, true));
            }
            return Ok(Source::Split(values));
        }
        let stage = self.turn;
        self.turn = (stage + 1) % BUFFERS;
        let room = &mut self.staged[stage];
        read(
            split,
            room.pinned.values()?,
            self.len,
            images,
            position,
            observer,
        )?;
        let values = room.values.first(images * self.len);
        self.copies.wait(&room.consumed)?;
        room.pinned.upload(&self.copies, values)?;
        room.copied.record(&self.copies)?;
        stream.wait(&room.copied)?;
        Ok(Source::Some { values, stage })
    }

    /// What is in `stream` now has read these pictures; their room may be used again.
    pub(super) fn consumed(&self, source: Source, stream: &Stream) -> Result<(), Error> {
        match source {
            Source::Split(_) => Ok(()),
            Source::Some { stage, .. } => Ok(self.staged[stage].consumed.record(stream)?),
        }
    }

    /// Copies all pictures of a split to the device, some being read while others are copied.
    fn upload(
        &mut self,
        split: &Split,
        to: Floats,
        stream: &Stream,
        observer: &Observer<'_>,
    ) -> Result<(), Error> {
        let _span = trace_span!("upload pictures", split = split.name.word()).entered();
        let firsts = (0..split.len()).step_by(self.together);
        for (number, first) in firsts.enumerate() {
            let images = self.together.min(split.len() - first);
            let room = &mut self.staged[number % BUFFERS];
            let position = |image| first + image;
            read(
                split,
                room.pinned.values()?,
                self.len,
                images,
                position,
                observer,
            )?;
            let part: Range<usize> = first * self.len..(first + images) * self.len;
            room.pinned.upload(&self.copies, to.part(part))?;
        }
        let copied = &self.staged[0].copied;
        Ok(stream.wait_for(&self.copies, copied)?)
    }
}

/// Where pictures will lie.
pub(super) struct Places {
    len: usize,
    together: usize,
    resident: Vec<(SplitName, Floats)>,
    staged: [Floats; BUFFERS],
}

/// Reads pictures on all threads.
fn read(
    split: &Split,
    values: &mut [f32],
    len: usize,
    images: usize,
    position: impl Fn(usize) -> usize + Sync,
    observer: &Observer<'_>,
) -> Result<(), Error> {
    values[..images * len]
        .par_chunks_exact_mut(len)
        .enumerate()
        .try_for_each(|(image, picture)| {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            Ok(split.read(position(image), picture)?)
        })
}
