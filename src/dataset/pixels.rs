//! The pixel file of a split: every picture decoded and resized, once, in sorted order.
//!
//! It is an entry of the derived cache, keyed by everything it depends on. Writing streams: a chunk of
//! pictures is decoded by all threads while the chunk before it is hashed and written, so memory does not
//! grow with the split. Reading is by offset, from any thread.
//!
//! ```text
//! values of picture 0 | values of picture 1 | … | description (JSON) | its length (u64, little-endian)
//! ```

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::artifacts::cache::{Cache, Derived, DerivedFile};
use crate::digest::Digest;
use crate::kernels::{Level, resize};
use crate::recipe::{Dataset, Input, Orientation, Recipe, SplitName};
use crate::record::{Event, Observer, Stage};

use super::decode::{self, CHANNELS, Picture};
use super::list::paths_digest;
use super::scan::{Origin, Source};
use super::{Error, Item, drawn};

/// Name and version of this kind of cache entry.
const KIND: &str = "pixels";

/// Pictures of a chunk take about this many bytes, and two chunks are in memory.
const CHUNK_BYTES: usize = 24 << 20;

/// Bytes read at a time.
const BLOCK: usize = 1 << 16;

/// Bytes of the length at the end.
const LENGTH_BYTES: u64 = 8;

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Element {
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

/// How many undecodable files are still tolerated.
#[derive(Debug)]
pub struct Tolerance {
    limit: u32,
    found: u32,
}

impl Tolerance {
    /// What the recipe tolerates, over all of its splits.
    pub fn new(recipe: &Recipe) -> Self {
        Self {
            limit: match &recipe.dataset {
                Dataset::Folders(folders) => folders.rejects,
                Dataset::Drawn(_) => 0,
            },
            found: 0,
        }
    }

    /// Counts rejects in sorted order; the one over the limit is the error.
    fn count(
        &mut self,
        split: SplitName,
        files: &[&Item],
        rejects: &[Reject],
    ) -> Result<(), Error> {
        for reject in rejects {
            if self.found == self.limit {
                return Err(Error::Undecodable {
                    split: split.word(),
                    path: files[reject.number as usize].path.clone(),
                    reason: reject.reason.clone(),
                    tolerated: self.limit,
                    suggested: self.limit.saturating_add(1),
                });
            }
            self.found += 1;
        }
        Ok(())
    }
}

/// What every split's pixels depend on, beside its files.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Size and orientation.
    pub input: &'a Input,
    /// Content digest of the artifact with the pictures; empty for drawn ones.
    pub content: &'a str,
    /// Instruction set of the resizing; it changes no bit.
    pub level: Level,
}

/// The pixels of a split, open for reading.
pub struct Pixels {
    file: fs_err::File,
    description: Description,
    /// Removes the file when a run uses no cache.
    _guard: Option<DerivedFile>,
}

/// Gets the pixels of `files`, which are sorted, from the cache or by decoding.
pub fn obtain(
    split: SplitName,
    source: &Source,
    files: &[&Item],
    request: &Request,
    cache: &Cache,
    tolerance: &mut Tolerance,
    observer: &Observer,
) -> Result<Pixels, Error> {
    match cache.derived(KIND, &key(source, files, request), observer)? {
        Derived::Ready(path) => {
            let pixels = Pixels::open(&path, None)?;
            let listed = pixels.description.kept as usize + pixels.rejects().len();
            if listed != files.len() {
                return Err(damaged(
                    &path,
                    format!("{listed} pictures instead of {}", files.len()),
                ));
            }
            tolerance.count(split, files, pixels.rejects())?;
            Ok(pixels)
        }
        Derived::Missing(writer) => {
            let work = Work {
                split,
                source,
                files,
                request,
                layout: layout(source, request),
                observer,
                done: AtomicU64::new(0),
            };
            work.write(writer.path(), tolerance)?;
            let derived = writer.commit()?;
            let path = derived.path.clone();
            Pixels::open(&path, Some(derived))
        }
    }
}

/// Everything the pixels depend on; the cache adds the digest of the executable.
fn key(source: &Source, files: &[&Item], request: &Request) -> String {
    let Input {
        image_size: [height, width],
        orientation,
        ..
    } = request.input;
    let orientation = match orientation {
        Orientation::Ignore => "ignore",
        Orientation::Apply => "apply",
    };
    let origin = match &source.origin {
        Origin::Folder { inner, .. } => format!("folder {inner}\ncontent {}", request.content),
        Origin::Drawn { seed, slot } => format!("drawn seed {seed} slot {slot}"),
    };
    let list = paths_digest(files.iter().copied());
    format!("{origin}\nfiles {list}\nsize {height}x{width}\norientation {orientation}\n")
}

/// Size and storage of every image of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Layout {
    height: usize,
    width: usize,
    element: Element,
}

impl Layout {
    fn values(self) -> usize {
        self.height * self.width * CHANNELS
    }

    fn bytes(self) -> usize {
        self.values() * self.element.size()
    }
}

/// Pictures that are not resized have whole values; only for drawn ones is that known beforehand.
fn layout(source: &Source, request: &Request) -> Layout {
    let [height, width] = request.input.image_size.map(|side| side as usize);
    let drawn_size = matches!(source.origin, Origin::Drawn { .. })
        && [height, width] == [drawn::SIZE, drawn::SIZE];
    Layout {
        height,
        width,
        element: if drawn_size {
            Element::U8
        } else {
            Element::F32
        },
    }
}

/// The decoding of one split.
struct Work<'a> {
    split: SplitName,
    source: &'a Source,
    files: &'a [&'a Item],
    request: &'a Request<'a>,
    layout: Layout,
    observer: &'a Observer<'a>,
    done: AtomicU64,
}

/// Pictures that were decoded together.
struct Chunk {
    /// Stored values of all of its files; those of rejected ones mean nothing.
    bytes: Vec<u8>,
    /// For each file, whether it was decoded.
    kept: Vec<bool>,
    rejects: Vec<Reject>,
}

impl Work<'_> {
    /// Fills the file at `path`.
    fn write(&self, path: &Path, tolerance: &mut Tolerance) -> Result<(), Error> {
        let stage = Stage::Decode(self.split);
        let started = Instant::now();
        self.observer.tell(Event::StageStarted {
            stage: stage.clone(),
            total: Some(self.files.len() as u64),
        });
        let mut writer = PixelWriter::create(path, self.layout)?;
        let mut chunks = self
            .files
            .chunks((CHUNK_BYTES / self.layout.bytes()).max(1))
            .scan(0, |first, files| {
                let number = *first;
                *first += files.len();
                Some((number, files))
            });
        let mut decode_next = || match chunks.next() {
            Some((first, files)) => self.decode(first, files).map(Some),
            None => Ok(None),
        };
        let mut decoded = decode_next()?;
        while let Some(chunk) = decoded {
            tolerance.count(self.split, self.files, &chunk.rejects)?;
            let (next, written) = rayon::join(&mut decode_next, || writer.append(chunk));
            written?;
            decoded = next?;
        }
        writer.finish()?;
        self.observer.tell(Event::StageFinished {
            stage,
            seconds: started.elapsed().as_secs_f64(),
        });
        Ok(())
    }

    /// Decodes files with all threads; `first` is the number of the first one.
    fn decode(&self, first: usize, files: &[&Item]) -> Result<Chunk, Error> {
        let mut bytes = vec![0; files.len() * self.layout.bytes()];
        let reasons: Vec<Option<String>> = bytes
            .par_chunks_exact_mut(self.layout.bytes())
            .zip(files)
            .map_init(
                || vec![0.0; self.layout.values()],
                |resized, (out, item)| self.decode_one(item, resized, out),
            )
            .collect::<Result<_, Error>>()?;
        let kept = reasons.iter().map(Option::is_none).collect();
        let rejects = reasons
            .into_iter()
            .enumerate()
            .filter_map(|(number, reason)| {
                Some(Reject {
                    number: (first + number) as u32,
                    reason: reason?,
                })
            });
        Ok(Chunk {
            bytes,
            kept,
            rejects: rejects.collect(),
        })
    }

    /// Decodes and resizes one file; gives the reason if it cannot be decoded.
    fn decode_one(
        &self,
        item: &Item,
        resized: &mut [f32],
        out: &mut [u8],
    ) -> Result<Option<String>, Error> {
        if self.observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let picture = match &self.source.origin {
            Origin::Folder { root, .. } => {
                let bytes = fs_err::read(root.join(&item.path))?;
                decode::decode(&bytes, self.request.input.orientation)
            }
            Origin::Drawn { seed, slot } => {
                let (_, rgb) = drawn::picture(*seed, *slot, item.index);
                Ok(Picture {
                    height: drawn::SIZE,
                    width: drawn::SIZE,
                    rgb: rgb.into_vec(),
                })
            }
        };
        let reason = match picture {
            Ok(picture) => {
                self.store(&picture, resized, out);
                None
            }
            Err(reason) => Some(reason),
        };
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.observer.tell(Event::StageProgress {
            stage: Stage::Decode(self.split),
            done,
        });
        Ok(reason)
    }

    /// Resizes a picture into its place.
    fn store(&self, picture: &Picture, resized: &mut [f32], out: &mut [u8]) {
        match self.layout.element {
            Element::U8 => out.copy_from_slice(&picture.rgb),
            Element::F32 => {
                resize::bilinear(
                    self.request.level,
                    &picture.rgb,
                    [picture.height, picture.width],
                    [self.layout.height, self.layout.width],
                    resized,
                );
                for (out, value) in out.as_chunks_mut().0.iter_mut().zip(resized) {
                    *out = value.to_le_bytes();
                }
            }
        }
    }
}

/// A pixel file that is being written.
struct PixelWriter {
    file: fs_err::File,
    digest: Digest,
    layout: Layout,
    kept: u32,
    rejects: Vec<Reject>,
}

impl PixelWriter {
    fn create(path: &Path, layout: Layout) -> Result<Self, Error> {
        Ok(Self {
            file: fs_err::File::create(path)?,
            digest: Digest::default(),
            layout,
            kept: 0,
            rejects: Vec::new(),
        })
    }

    /// Adds the pictures of a chunk, in order, without the rejected ones.
    fn append(&mut self, chunk: Chunk) -> Result<(), Error> {
        let images = chunk.bytes.chunks_exact(self.layout.bytes());
        for (image, _) in images.zip(&chunk.kept).filter(|(_, kept)| **kept) {
            self.file.write_all(image)?;
            match self.layout.element {
                Element::F32 => self.digest.add(image),
                Element::U8 => {
                    for &value in image {
                        self.digest.add(f32::from(value).to_le_bytes());
                    }
                }
            }
            self.kept += 1;
        }
        self.rejects.extend(chunk.rejects);
        Ok(())
    }

    /// Adds the description.
    fn finish(mut self) -> Result<(), Error> {
        let description = Description {
            layout: self.layout,
            kept: self.kept,
            digest: self.digest.hex(),
            rejects: self.rejects,
        };
        let text = serde_json::to_vec(&description).map_err(std::io::Error::from)?;
        self.file.write_all(&text)?;
        self.file.write_all(&(text.len() as u64).to_le_bytes())?;
        Ok(())
    }
}

impl Pixels {
    /// Opens a pixel file.
    ///
    /// Verifies that it is as long as its description says, not every value: hashing hundreds of
    /// megabytes at each start would take longer than reading the weights. A cache entry appears under
    /// its name only when it is whole, so what is left is damage by others; `--fresh` rules that out.
    fn open(path: &Path, guard: Option<DerivedFile>) -> Result<Self, Error> {
        let file = fs_err::File::open(path)?;
        let length = file.metadata()?.len();
        let wrong = |what: &str| damaged(path, what.to_owned());
        let description_end = length
            .checked_sub(LENGTH_BYTES)
            .ok_or_else(|| wrong("the file is too short"))?;
        let mut bytes = [0; LENGTH_BYTES as usize];
        read_at(&file, &mut bytes, description_end)?;
        let values_end = description_end
            .checked_sub(u64::from_le_bytes(bytes))
            .ok_or_else(|| wrong("its end is not the one that was written"))?;
        let mut text = vec![0; (description_end - values_end) as usize];
        read_at(&file, &mut text, values_end)?;
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

    /// Height and width.
    pub fn image_size(&self) -> [usize; 2] {
        let Layout { height, width, .. } = self.description.layout;
        [height, width]
    }

    /// sha256, in hex, of all values in sorted order as little-endian f32.
    pub fn digest(&self) -> &str {
        &self.description.digest
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

fn damaged(path: &Path, what: String) -> Error {
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
