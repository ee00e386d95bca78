//! Features: what crosses the border for each image of a split that no epoch changes.
//!
//! They are computed once and kept as an entry of rows in the derived cache, for later epochs and later
//! runs. A file and not memory, so that a data set larger than memory costs disk only; what fits stays in
//! the system's page cache.

use std::time::Instant;

use super::prefix::{self, Prefix};
use crate::artifacts::cache::Cache;
use crate::artifacts::cache::rows::{Element, Layout, RowWriter, Rows};
use crate::dataset::Split;
use crate::digest::Digest;
use crate::engine::Error;
use crate::model::Operation;
use crate::model::operation::OPERATION_TENSORS;
use crate::record::{Event, Observer, Stage};

/// Kind of this cache entry.
const KIND: &str = "features";

/// The features of a split, open for reading; a row an image, in the order of evaluation.
pub(super) type Features = Rows<()>;

/// The frozen prefix, about to make features.
pub(super) struct Maker<'a> {
    pub(super) prefix: Prefix<'a>,
    /// The backbone's operations.
    pub(super) operations: &'a [Operation],
    /// How many of them are below the border.
    pub(super) frozen: usize,
    /// Images that are computed together.
    pub(super) batch: usize,
}

impl Maker<'_> {
    /// Gets the features of a split, from the cache or by computing.
    pub(super) fn obtain(&self, split: &Split, cache: &Cache) -> Result<Features, Error> {
        let layout = Layout {
            values: self.prefix.network.border_len(),
            element: Element::F32,
        };
        let key = self.key(split);
        let make = |rows: &mut RowWriter| self.write(split, rows);
        let features = cache.rows(KIND, &key, layout, self.prefix.observer, make)?;
        if features.len() != split.len() {
            let what = format!("{} rows instead of {}", features.len(), split.len());
            return Err(features.damaged(what).into());
        }
        Ok(features)
    }

    /// Everything that features depend on; the cache adds the digest of the executable.
    fn key(&self, split: &Split) -> String {
        let parameters = self.prefix.network.parameters();
        let mut below = Digest::default();
        for operation in &self.operations[..self.frozen] {
            for tensor in &parameters.tensors[operation.kernel..][..OPERATION_TENSORS] {
                below.add_values(&tensor.values);
            }
        }
        // All operations, because those above the border decide what crosses it.
        format!(
            "{}operations {:?}\nfrozen {}\nparameters {}\n",
            split.content(),
            self.operations,
            self.frozen,
            below.hex()
        )
    }

    /// Computes the features of a split; a batch is written while the next one is computed.
    fn write(&self, split: &Split, rows: &mut RowWriter) -> Result<(), Error> {
        let observer = self.prefix.observer;
        let stage = Stage::Features(split.name);
        let started = Instant::now();
        observer.tell(Event::StageStarted {
            stage: stage.clone(),
            total: Some(split.len() as u64),
        });
        let compute = |first: usize, batch: &mut Vec<f32>| {
            let images = self.batch.min(split.len() - first);
            batch.resize(images * self.prefix.network.border_len(), 0.0);
            self.prefix.run(batch, |image, workspace| {
                split.input(first + image, &mut workspace.picture)
            })
        };
        let (mut computed, mut next) = (Vec::new(), Vec::new());
        compute(0, &mut computed)?;
        for first in (0..split.len()).step_by(self.batch) {
            let after = split.len().min(first + self.batch);
            let (computing, written) = rayon::join(
                || (after < split.len()).then(|| compute(after, &mut next)),
                || rows.append_values(&computed),
            );
            written?;
            computing.transpose()?;
            std::mem::swap(&mut computed, &mut next);
            observer.tell(Event::StageProgress {
                stage: stage.clone(),
                done: after as u64,
            });
        }
        observer.tell(Event::StageFinished {
            stage,
            seconds: started.elapsed().as_secs_f64(),
        });
        Ok(())
    }
}

/// Reads the features of a batch in parallel; `position` is where an image of the batch stands in the split.
pub(super) fn read(
    features: &Features,
    rows: &mut [f32],
    len: usize,
    observer: &Observer<'_>,
    position: impl Fn(usize) -> usize + Sync,
) -> Result<(), Error> {
    prefix::each(rows, len, observer, |image, row| {
        Ok(features.read(position(image), row)?)
    })
}
