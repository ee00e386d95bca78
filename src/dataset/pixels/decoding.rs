//! Decoding a split's pictures, chunk by chunk, with all threads.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rayon::prelude::*;
use tracing::trace_span;

use super::file::{Chunk, Element, Layout, PixelWriter, Reject};
use super::{Request, Tolerance};
use crate::dataset::decode::{self, Picture};
use crate::dataset::scan::{Origin, Source};
use crate::dataset::{Error, Item, drawn};
use crate::kernels::resize;
use crate::recipe::SplitName;
use crate::record::{Event, Observer, Stage};

/// Pictures of a chunk take about this many bytes, and two chunks are in memory.
const CHUNK_BYTES: usize = 24 << 20;

/// The decoding of one split.
pub(super) struct Work<'a> {
    pub split: SplitName,
    pub source: &'a Source,
    pub files: &'a [&'a Item],
    pub request: &'a Request<'a>,
    pub layout: Layout,
    pub observer: &'a Observer<'a>,
    pub done: AtomicU64,
}

impl Work<'_> {
    /// Fills the file at `path`.
    pub fn write(&self, path: &Path, tolerance: &mut Tolerance) -> Result<(), Error> {
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
            let (next, written) = rayon::join(&mut decode_next, || {
                trace_span!("write").in_scope(|| writer.append(chunk))
            });
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
        let _span = trace_span!("picture", image = item.index).entered();
        let picture = match &self.source.origin {
            Origin::Folder { root, .. } => {
                let path = root.join(&item.path);
                let bytes = trace_span!("read").in_scope(|| fs_err::read(path))?;
                let _span = trace_span!("decode", bytes = bytes.len()).entered();
                decode::decode(&bytes, self.request.input.orientation)
            }
            Origin::Drawn { seed, slot } => {
                let _span = trace_span!("draw").entered();
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
                let _span = trace_span!("resize").entered();
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
