//! The file: written by appending, read by offset from any thread.
//!
//! ```text
//! values of picture 0 | values of picture 1 | … | description (JSON) | its sha256 | its length (u64, LE)
//! ```

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::artifacts::cache::DerivedFile;
use crate::dataset::Error;
use crate::dataset::decode::CHANNELS;
use crate::digest::Digest;
use crate::record::Observer;

/// Bytes read at a time.
const BLOCK: usize = 1 << 16;

/// Bytes of a sha256.
const DIGEST_BYTES: usize = 32;

/// Bytes of the length at the end.
const LENGTH_BYTES: usize = 8;

/// Bytes behind the description.
const END_BYTES: u64 = (DIGEST_BYTES + LENGTH_BYTES) as u64;

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Element {
    /// Little-endian f32.
    F32,
    /// Whole numbers: pictures that were not resized.
    U8,
}

impl Element {
    const fn size(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::U8 => 1,
        }
    }
}

/// Size and storage of every image of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layout {
    pub height: usize,
    pub width: usize,
    pub element: Element,
}

impl Layout {
    pub fn values(self) -> usize {
        self.height * self.width * CHANNELS
    }

    pub fn bytes(self) -> usize {
        self.values() * self.element.size()
    }
}

/// A file that could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// Its number in the split's sorted list.
    pub number: u32,
    /// Why.
    pub reason: String,
}

/// What stands behind the values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Description {
    layout: Layout,
    /// Pictures in the file.
    kept: u32,
    /// sha256 of the values as little-endian f32.
    digest: String,
    rejects: Vec<Reject>,
}

/// Pictures that were decoded together.
pub(super) struct Chunk {
    /// Stored values of all of its files; those of rejected ones mean nothing.
    pub bytes: Vec<u8>,
    /// For each file, whether it was decoded.
    pub kept: Vec<bool>,
    pub rejects: Vec<Reject>,
}

/// A pixel file that is being written.
pub(super) struct PixelWriter {
    file: fs_err::File,
    digest: Digest,
    layout: Layout,
    kept: u32,
    rejects: Vec<Reject>,
}

impl PixelWriter {
    pub fn create(path: &Path, layout: Layout) -> Result<Self, Error> {
        Ok(Self {
            file: fs_err::File::create(path)?,
            digest: Digest::default(),
            layout,
            kept: 0,
            rejects: Vec::new(),
        })
    }

    /// Adds the pictures of a chunk, in order, without the rejected ones.
    pub fn append(&mut self, chunk: Chunk) -> Result<(), Error> {
        let images = chunk.bytes.chunks_exact(self.layout.bytes());
        for (image, _) in images.zip(&chunk.kept).filter(|(_, kept)| **kept) {
            self.file.write_all(image)?;
            match self.layout.element {
                Element::F32 => self.digest.add(image),
                Element::U8 => {
                    let values: Vec<f32> = image.iter().copied().map(f32::from).collect();
                    self.digest.add_values(&values);
                }
            }
            self.kept += 1;
        }
        self.rejects.extend(chunk.rejects);
        Ok(())
    }

    /// Adds the description.
    pub fn finish(mut self) -> Result<(), Error> {
        let description = Description {
            layout: self.layout,
            kept: self.kept,
            digest: self.digest.hex(),
            rejects: self.rejects,
        };
        let text = serde_json::to_vec(&description).map_err(std::io::Error::from)?;
        self.file.write_all(&text)?;
        self.file.write_all(&digest_of(&text))?;
        self.file.write_all(&(text.len() as u64).to_le_bytes())?;
        Ok(())
    }
}

/// The pixels of a split, open for reading.
pub struct Pixels {
    file: fs_err::File,
    description: Description,
    /// Removes the file when a run uses no cache.
    _guard: Option<DerivedFile>,
}

impl Pixels {
    /// Opens a pixel file whose description is whole and fits its length.
    pub(super) fn open(path: &Path, guard: Option<DerivedFile>) -> Result<Self, Error> {
        let file = fs_err::File::open(path)?;
        let length = file.metadata()?.len();
        let wrong = |what: &str| damaged(path, what.to_owned());
        let description_end = length
            .checked_sub(END_BYTES)
            .ok_or_else(|| wrong("the file is too short"))?;
        let mut digest = [0; DIGEST_BYTES];
        read_at(&file, &mut digest, description_end)?;
        let mut bytes = [0; LENGTH_BYTES];
        read_at(&file, &mut bytes, description_end + DIGEST_BYTES as u64)?;
        let values_end = description_end
            .checked_sub(u64::from_le_bytes(bytes))
            .ok_or_else(|| wrong("its end is not the one that was written"))?;
        let mut text = vec![0; (description_end - values_end) as usize];
        read_at(&file, &mut text, values_end)?;
        if digest_of(&text) != digest {
            return Err(wrong("its description is not the one that was written"));
        }
        let description: Description =
            serde_json::from_slice(&text).map_err(|_| wrong("its description cannot be read"))?;
        let expected = u64::from(description.kept) * description.layout.bytes() as u64;
        if expected != values_end {
            let what = format!("{values_end} bytes of pixels instead of {expected}");
            return Err(damaged(path, what));
        }
        Ok(Self {
            file,
            description,
            _guard: guard,
        })
    }

    /// Reads every value once, so that no flipped bit of a disk is ever taken for another arithmetic.
    pub(super) fn verify(&self, path: &Path, observer: &Observer) -> Result<(), Error> {
        let mut picture = vec![0.0; self.description.layout.values()];
        let mut digest = Digest::default();
        for slot in 0..self.description.kept {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            self.read(slot, &mut picture)?;
            digest.add_values(&picture);
        }
        if digest.hex() == self.description.digest {
            return Ok(());
        }
        let what = "its pixels are not those that were written";
        Err(damaged(path, what.to_owned()))
    }

    /// Height and width.
    pub fn image_size(&self) -> [usize; 2] {
        let Layout { height, width, .. } = self.description.layout;
        [height, width]
    }

    /// sha256, in hex, of all values in sorted order as little-endian f32.
    pub fn digest(&self) -> &str {
        &self.description.digest
    }

    /// Number of files that it was made of: those in it, and those left out.
    pub(super) fn listed(&self) -> usize {
        self.description.kept as usize + self.rejects().len()
    }

    /// Files that were left out, sorted.
    pub fn rejects(&self) -> &[Reject] {
        &self.description.rejects
    }

    /// Reads one image.
    ///
    /// # Panics
    /// If `slot` is not in the file or `out` has another length than an image.
    pub fn read(&self, slot: u32, out: &mut [f32]) -> Result<(), Error> {
        let Description { layout, kept, .. } = &self.description;
        assert!(slot < *kept, "slot {slot} of {kept}");
        assert_eq!(out.len(), layout.values(), "length of an image");
        let mut offset = u64::from(slot) * layout.bytes() as u64;
        let mut block = vec![0; BLOCK];
        for out in out.chunks_mut(BLOCK / layout.element.size()) {
            let bytes = &mut block[..out.len() * layout.element.size()];
            read_at(&self.file, bytes, offset)?;
            offset += bytes.len() as u64;
            match layout.element {
                Element::F32 => {
                    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                        *out = f32::from_le_bytes(*bytes);
                    }
                }
                Element::U8 => {
                    for (out, byte) in out.iter_mut().zip(bytes) {
                        *out = f32::from(*byte);
                    }
                }
            }
        }
        Ok(())
    }
}

fn digest_of(text: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut digest = Digest::default();
    digest.add(text);
    digest.bytes()
}

pub(super) fn damaged(path: &Path, what: String) -> Error {
    Error::DamagedPixels {
        path: path.display().to_string(),
        what,
    }
}

/// Fills `bytes` from `offset` on, from any thread, without a position that threads would share.
#[cfg(unix)]
fn read_at(file: &fs_err::File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    use fs_err::os::unix::fs::FileExt;
    file.read_exact_at(bytes, offset)
}

/// Fills `bytes` from `offset` on. The position of the file moves, and nothing relies on it.
#[cfg(windows)]
fn read_at(file: &fs_err::File, mut bytes: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    use fs_err::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        let read = file.seek_read(bytes, offset)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        offset += read as u64;
    }
    Ok(())
}
