//! The frozen prefix of the network for many images: each by itself, by all threads.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use tracing::trace_span;

use super::network::CpuNetwork;
use crate::dataset;
use crate::dataset::batch::Scratch;
use crate::engine::Error;
use crate::record::Observer;

/// Buffers of one thread that works on an image.
pub(super) struct Workspace {
    /// The picture, as the network sees it.
    pub(super) picture: Vec<f32>,
    pub(super) scratch: Scratch,
}

/// Workspaces that nobody works in; there are as many as threads ever worked at once.
pub(super) struct Workspaces {
    picture: usize,
    free: Mutex<Vec<Workspace>>,
}

impl Workspaces {
    /// Workspaces for pictures of `picture` values, one for each thread of the current pool.
    pub(super) fn new(picture: usize) -> Self {
        let workspaces = Self {
            picture,
            free: Mutex::default(),
        };
        let threads = 0..rayon::current_num_threads();
        let free = threads.map(|_| workspaces.more()).collect();
        Self {
            free: Mutex::new(free),
            ..workspaces
        }
    }

    fn more(&self) -> Workspace {
        Workspace {
            picture: vec![0.0; self.picture],
            scratch: Scratch::for_images(self.picture),
        }
    }

    /// Works in one of them.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Workspace) -> T) -> T {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = free().pop();
        let mut workspace = taken.unwrap_or_else(|| self.more());
        let result = work(&mut workspace);
        free().push(workspace);
        result
    }
}

/// The frozen prefix, ready to run.
#[derive(Clone, Copy)]
pub(super) struct Prefix<'a> {
    pub(super) network: &'a CpuNetwork,
    pub(super) workspaces: &'a Workspaces,
    pub(super) observer: &'a Observer<'a>,
}

impl Prefix<'_> {
    /// What crosses the border, a row an image; `input` puts the picture of an image into the workspace.
    pub(super) fn run(
        &self,
        rows: &mut [f32],
        input: impl Fn(usize, &mut Workspace) -> Result<(), dataset::Error> + Sync,
    ) -> Result<(), Error> {
        each(
            rows,
            self.network.border_len(),
            self.observer,
            |image, row| {
                self.workspaces.with(|workspace| {
                    trace_span!("augment", row = image).in_scope(|| input(image, workspace))?;
                    trace_span!("prefix", row = image)
                        .in_scope(|| self.network.border(&workspace.picture, row));
                    Ok(())
                })
            },
        )
    }
}

/// Fills rows of `len` values in parallel, until one fails or someone asks to stop.
pub(super) fn each(
    rows: &mut [f32],
    len: usize,
    observer: &Observer<'_>,
    fill: impl Fn(usize, &mut [f32]) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    rows.par_chunks_exact_mut(len)
        .enumerate()
        .try_for_each(|(image, row)| {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            fill(image, row)
        })
}
