//! The pixel file of a split: every picture decoded and resized, once, in sorted order.
//!
//! It is an entry of rows in the derived cache, keyed by everything it depends on. Writing streams: a chunk
//! of pictures is decoded by all threads while the chunk before it is hashed and written, so memory does not
//! grow with the split. Reading is by row, from any thread.

mod decoding;
mod file;

pub use file::Pixels;

use std::sync::atomic::AtomicU64;

use tracing::trace_span;

use self::decoding::Work;
use self::file::Reject;
use super::decode::CHANNELS;
use super::list::paths_digest;
use super::scan::{Origin, Source};
use super::{Error, Item, drawn};
use crate::artifacts::cache::Cache;
use crate::artifacts::cache::rows::{Element, Layout};
use crate::kernels::Level;
use crate::recipe::{Dataset, Input, Orientation, Recipe, SplitName};
use crate::record::Observer;

/// Name and version of this kind of cache entry.
const KIND: &str = "pixels";

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

impl Request<'_> {
    /// Height and width of every image.
    fn size(&self) -> [usize; 2] {
        self.input.image_size.map(|side| side as usize)
    }
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
    let _span = trace_span!("split", split = split.word()).entered();
    let work = Work {
        split,
        source,
        files,
        request,
        layout: layout(source, request),
        observer,
        done: AtomicU64::new(0),
    };
    let mut made = false;
    let rows = cache.rows(
        KIND,
        &key(source, files, request),
        work.layout,
        observer,
        |rows| -> Result<_, Error> {
            made = true;
            work.write(rows, tolerance)
        },
    )?;
    let pixels = Pixels(rows);
    let listed = pixels.0.len() + pixels.rejects().len();
    if listed != files.len() {
        let what = format!("{listed} pictures instead of {}", files.len());
        return Err(pixels.0.damaged(what).into());
    }
    if !made {
        tolerance.count(split, files, pixels.rejects())?;
    }
    Ok(pixels)
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

/// Pictures that are not resized have whole values; only for drawn ones is that known beforehand.
fn layout(source: &Source, request: &Request) -> Layout {
    let [height, width] = request.size();
    let drawn_size = matches!(source.origin, Origin::Drawn { .. })
        && [height, width] == [drawn::SIZE, drawn::SIZE];
    Layout {
        values: height * width * CHANNELS,
        element: if drawn_size {
            Element::U8
        } else {
            Element::F32
        },
    }
}
