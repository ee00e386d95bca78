//! Activations and gradients in the pieces that tasks take.

use std::ops::Range;

use rayon::iter::{Either, repeat_n};
use rayon::prelude::*;

/// Channels of tile `tile`, of `channels` in tiles of `width`.
pub(super) fn channels_of(tile: usize, width: usize, channels: usize) -> Range<usize> {
    tile * width..channels.min((tile + 1) * width)
}

/// The pieces of something that `count` tasks take one each of, or nothing for each.
pub(super) fn optional<P: IndexedParallelIterator>(
    pieces: Option<P>,
    count: usize,
) -> impl IndexedParallelIterator<Item = Option<P::Item>> {
    match pieces {
        Some(pieces) => Either::Left(pieces.map(Some)),
        None => Either::Right(repeat_n((), count).map(|()| None)),
    }
}

/// The tiles of `rows` rows of a wide activation of `channels`, as [`optional`] pieces.
pub(super) fn tiles_mut(
    values: Option<&mut [f32]>,
    rows: usize,
    channels: usize,
    width: usize,
) -> impl IndexedParallelIterator<Item = Option<&mut [f32]>> {
    let tiles = values.map(|values| values[..rows * channels].par_chunks_mut(rows * width));
    optional(tiles, channels.div_ceil(width))
}

/// Values of images `images` of a tile that holds `all` of them.
pub(super) fn of_images(values: &mut [f32], images: Range<usize>, all: usize) -> &mut [f32] {
    let len = values.len() / all;
    &mut values[images.start * len..images.end * len]
}
