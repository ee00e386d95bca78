//! Pictures on the device: augmentation, preprocessing, and rows in another order.

use super::Error;
use super::launch::{Arguments, Threads, block, launch};
use super::memory::{Floats, Words};
use super::module::{Family, Function, Modules};
use super::stream::Stream;
use crate::kernels::rotate;

/// Values of a pixel.
const CHANNELS: usize = 3;

/// Words of a [`Change`] in memory.
pub const CHANGE_WORDS: usize = 8;

/// What is done to one picture in one pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The transform from output to input coordinates, m0 … m5, where the pass rotates.
    pub matrix: [f32; 6],
    /// Left and right are exchanged before.
    pub mirrored: bool,
}

impl Change {
    /// A change that does not rotate.
    pub const fn mirror(mirrored: bool) -> Self {
        Self {
            matrix: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            mirrored,
        }
    }

    /// A rotation of a picture of size `[height, width]` by the angle with these sine and cosine.
    pub fn rotation(size: [usize; 2], sin_cos: [f32; 2], mirrored: bool) -> Self {
        Self {
            matrix: rotate::matrix(size, sin_cos),
            mirrored,
        }
    }

    /// As the device reads it.
    pub fn words(&self) -> [u32; CHANGE_WORDS] {
        let [a, b, c, d, e, f] = self.matrix.map(f32::to_bits);
        [a, b, c, d, e, f, u32::from(self.mirrored), 0]
    }
}

/// One pass over pictures.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Pictures, `[.][height][width][3]`.
    pub from: Floats,
    /// Which of them; without, in order.
    pub places: Option<Words>,
    /// A [`Change`] for each; without, none is changed.
    pub changes: Option<Words>,
    /// The results.
    pub to: Floats,
    /// Height and width.
    pub size: [usize; 2],
    /// Rotates; else it only mirrors.
    pub rotates: bool,
    /// x ÷ 127.5 − 1 at the end.
    pub scaled: bool,
}

/// The kernels of this family.
pub struct Pixels {
    change: Function,
    gather: Function,
    threads: Threads,
}

impl Pixels {
    pub(super) fn load(modules: &Modules, threads: Threads) -> Result<Self, Error> {
        let function = |name| modules.function(Family::Pixels, name);
        Ok(Self {
            change: function("change")?,
            gather: function("gather")?,
            threads,
        })
    }

    /// Makes a pass.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn change(&self, stream: &Stream, pass: &Pass) -> Result<(), Error> {
        let [height, width] = pass.size;
        let picture = height * width * CHANNELS;
        let images = pass.to.len() / picture;
        assert_eq!(pass.to.len(), images * picture);
        match pass.places {
            Some(places) => assert_eq!(places.len(), images),
            None => assert!(pass.from.len() >= pass.to.len()),
        }
        assert!(pass.changes.map_or(!pass.rotates, |changes| changes.len()
            == images * CHANGE_WORDS));
        let arguments = Arguments::default()
            .view(pass.from)
            .optional(pass.places)
            .optional(pass.changes)
            .view(pass.to)
            .int(height)
            .int(width)
            .int(usize::from(pass.rotates))
            .int(usize::from(pass.scaled));
        let threads = self.threads.elements;
        let grid = [width.div_ceil(threads), height, images];
        launch(stream, &self.change, grid, block(threads), &arguments)
    }

    /// Row i of `to` is row `places[i]` of `from`; rows of `len` values.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn gather(
        &self,
        stream: &Stream,
        from: Floats,
        places: Words,
        to: Floats,
        len: usize,
    ) -> Result<(), Error> {
        let rows = places.len();
        assert_eq!(to.len(), rows * len);
        assert!(from.len().is_multiple_of(len));
        let arguments = Arguments::default()
            .view(from)
            .view(places)
            .view(to)
            .int(len);
        let threads = self.threads.elements;
        let grid = [len.div_ceil(threads), rows, 1];
        launch(stream, &self.gather, grid, block(threads), &arguments)
    }
}
