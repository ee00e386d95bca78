//! Pixels as rows of the derived cache: a picture a row, with the digest that records state.

use serde::{Deserialize, Serialize};

use crate::artifacts::cache::rows::{Element, RowWriter, Rows};
use crate::dataset::Error;
use crate::dataset::decode::CHANNELS;
use crate::digest::Digest;

/// A file that could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// Its number in the split's sorted list.
    pub number: u32,
    /// Why.
    pub reason: String,
}

/// What is known of the pixels of a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    pub height: usize,
    pub width: usize,
    /// sha256 of the values as little-endian f32.
    pub digest: String,
    pub rejects: Vec<Reject>,
}

/// Pictures that were decoded together.
#[derive(Default)]
pub(super) struct Chunk {
    /// Stored values of all of its files; those of rejected ones mean nothing.
    pub bytes: Vec<u8>,
    /// For each file, whether it was decoded.
    pub kept: Vec<bool>,
    pub rejects: Vec<Reject>,
}

/// Pixels that are being written.
pub(super) struct PixelWriter<'a> {
    rows: &'a mut RowWriter,
    digest: Digest,
    rejects: Vec<Reject>,
}

impl<'a> PixelWriter<'a> {
    pub fn new(rows: &'a mut RowWriter) -> Self {
        Self {
            rows,
            digest: Digest::default(),
            rejects: Vec::new(),
        }
    }

    /// Adds the pictures of a chunk, in order, without the rejected ones; empties it.
    pub fn append(&mut self, chunk: &mut Chunk) -> Result<(), Error> {
        let layout = self.rows.layout();
        let images = chunk.bytes.chunks_exact(layout.bytes());
        for (image, _) in images.zip(&chunk.kept).filter(|(_, kept)| **kept) {
            self.rows.append(image)?;
            match layout.element {
                Element::F32 => self.digest.add(image),
                Element::U8 => {
                    let values: Vec<f32> = image.iter().copied().map(f32::from).collect();
                    self.digest.add_values(&values);
                }
            }
        }
        self.rejects.append(&mut chunk.rejects);
        Ok(())
    }

    /// What is known when all pictures were added.
    pub fn finish(self, [height, width]: [usize; 2]) -> About {
        About {
            height,
            width,
            digest: self.digest.hex(),
            rejects: self.rejects,
        }
    }
}

/// The pixels of a split, open for reading.
pub struct Pixels(pub(super) Rows<About>);

impl Pixels {
    /// Height and width.
    pub fn image_size(&self) -> [usize; 2] {
        let About { height, width, .. } = *self.0.about();
        [height, width]
    }

    /// Values of an image.
    pub fn image_len(&self) -> usize {
        let [height, width] = self.image_size();
        height * width * CHANNELS
    }

    /// sha256, in hex, of all values in sorted order as little-endian f32.
    pub fn digest(&self) -> &str {
        &self.0.about().digest
    }

    /// Files that were left out, sorted.
    pub fn rejects(&self) -> &[Reject] {
        &self.0.about().rejects
    }

    /// Reads one image; other values than were written are an error.
    ///
    /// # Panics
    /// If `slot` is not in the file or `out` has another length than an image.
    pub fn read(&self, slot: u32, out: &mut [f32]) -> Result<(), Error> {
        Ok(self.0.read(slot as usize, out)?)
    }
}
