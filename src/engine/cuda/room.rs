//! What lies where in the device's memory, and how much of the work is done at a time so that it fits.

use super::inputs::{self, Inputs, Sizes};
use super::layer::Layer;
use super::pictures::{self, Pictures};
use super::stretch::{Crossing, Stretch};
use super::tail::{Dense, Tail};
use crate::engine::border::Border;
use crate::kernels::cuda::Error;
use crate::kernels::cuda::memory::{Floats, Plan, Words};
use crate::kernels::cuda::update::{self, SEARCHERS};
use crate::model::operation::OPERATION_TENSORS;
use crate::model::{Network, Operation, Trained};
use crate::recipe::SplitName;

/// Images that go through what trains nothing together, if there is room.
const CHUNK: usize = 512;
/// What is left to others and to the driver, in bytes.
const LEFT_FREE: u64 = 256 << 20;
/// Tensors begin at multiples of so many values.
const GRAIN: usize = 64;

/// All that memory depends on, over the whole run.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) operations: Vec<Operation>,
    /// Values of each tensor.
    pub(super) tensors: Vec<usize>,
    pub(super) outputs: usize,
    pub(super) channels: usize,
    /// Height and width of pictures.
    pub(super) size: [usize; 2],
    /// Images of a batch.
    pub(super) batch: usize,
    /// Passes of the augmentation; none if pictures are not changed.
    pub(super) passes: usize,
    /// Images of each split; training comes first.
    pub(super) splits: [(SplitName, usize); 3],
    pub(super) phases: Vec<Trained>,
}

/// Values of a pixel.
const CHANNELS: usize = 3;

impl Work {
    /// Values of a picture.
    pub(super) fn picture(&self) -> usize {
        self.size[0] * self.size[1] * CHANNELS
    }

    fn largest_split(&self) -> usize {
        self.splits
            .iter()
            .map(|(_, images)| *images)
            .max()
            .unwrap_or(0)
    }

    /// Channels of the output of each operation.
    pub(super) fn widths(&self) -> Vec<usize> {
        let operations = self.operations.iter();
        operations
            .map(|operation| operation.output_shape[2])
            .collect()
    }

    /// Tensors of a network.
    pub(super) fn tensors(network: &Network) -> Vec<usize> {
        network
            .tensors()
            .iter()
            .map(crate::model::TensorSpec::len)
            .collect()
    }
}

/// How much is done at a time and kept; no bit depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Images that go through what trains nothing together: whole batches.
    pub(super) chunk: usize,
    /// All pictures stay on the device.
    pub(super) keeps_pictures: bool,
    /// Features that no epoch changes stay on the device.
    pub(super) keeps_features: bool,
}

impl Extent {
    /// From the fastest to the smallest.
    fn all(work: &Work) -> Vec<Self> {
        let batch = work.batch;
        let mut chunks = vec![];
        let most = CHUNK.min(work.largest_split().next_multiple_of(batch));
        let mut chunk = (most / batch).max(1) * batch;
        loop {
            chunks.push(chunk);
            if chunk == batch {
                break;
            }
            chunk = (chunk / batch / 2).max(1) * batch;
        }
        [(true, true), (false, true), (false, false)]
            .into_iter()
            .flat_map(|(keeps_pictures, keeps_features)| {
                chunks.iter().map(move |&chunk| Self {
                    chunk,
                    keeps_pictures,
                    keeps_features,
                })
            })
            .collect()
    }

    /// The first that fits, and the bytes that it takes.
    pub(super) fn that_fits(work: &Work, free: u64) -> Result<(Self, u64), Error> {
        let mut needed = u64::MAX;
        for extent in Self::all(work) {
            let bytes = extent.bytes(work);
            needed = bytes + LEFT_FREE;
            if needed <= free {
                return Ok((extent, bytes));
            }
        }
        Err(Error::Memory { needed, free })
    }

    /// Bytes of the phase that takes the most.
    fn bytes(self, work: &Work) -> u64 {
        let mut plan = Plan::for_none();
        let mut whole = Whole::plan(&mut plan, work, self);
        let phases = work.phases.iter().map(|trained| {
            let mut plan = plan.clone();
            PhaseRoom::plan(
                &mut plan,
                work,
                self,
                &mut whole.layers,
                whole.dense,
                trained,
            );
            plan.bytes()
        });
        phases.max().unwrap_or_else(|| plan.bytes())
    }
}

/// What lies in memory from the first to the last phase.
pub(super) struct Whole {
    /// All parameters, in the order of the model.
    pub(super) parameters: Floats,
    /// 1 ÷ √(moving variance + ε) of all layers.
    pub(super) inverses: Floats,
    pub(super) layers: Vec<Layer>,
    pub(super) dense: Dense,
    pub(super) pictures: Option<pictures::Places>,
    /// Losses of a split or an epoch, then logits.
    pub(super) losses: Floats,
    pub(super) logits: Floats,
    /// Classes of the images of each split, in the order of evaluation.
    pub(super) labels: [(SplitName, Words); 3],
    /// What a search for values that are not finite finds.
    pub(super) found: [Words; 2],
    /// For the first folding.
    pub(super) table: Words,
}

impl Whole {
    pub(super) fn plan(plan: &mut Plan, work: &Work, extent: Extent) -> Self {
        let parameters = plan.array(len_of(&work.tensors));
        let tensors = parts_of(parameters, &work.tensors);
        let widths = work.widths();
        let inverses = plan.array(len_of(&widths));
        let layers = work
            .operations
            .iter()
            .zip(parts_of(inverses, &widths))
            .map(|(operation, inverse)| {
                let tensors = &tensors[operation.kernel..][..OPERATION_TENSORS];
                Layer::new(plan, operation.clone(), tensors, inverse)
            })
            .collect();
        let head = work.operations.len() * OPERATION_TENSORS;
        let dense = Dense {
            kernel: tensors[head],
            bias: tensors[head + 1],
            outputs: work.outputs,
            channels: work.channels,
        };
        let kept: &[_] = if extent.keeps_pictures {
            &work.splits
        } else {
            &[]
        };
        let largest = work.largest_split();
        Self {
            parameters,
            inverses,
            layers,
            dense,
            pictures: Some(Pictures::plan(plan, work.picture(), extent.chunk, kept)),
            losses: plan.array(largest),
            logits: plan.array(largest * work.outputs),
            labels: work.splits.map(|(name, images)| (name, plan.array(images))),
            found: [plan.array(SEARCHERS), plan.array(SEARCHERS)],
            table: plan.array(update::table_len(work.operations.len())),
        }
    }
}

/// Values of arrays that lie one after another.
pub(super) fn len_of(lens: &[usize]) -> usize {
    lens.iter().map(|len| len.next_multiple_of(GRAIN)).sum()
}

/// Where each of them begins.
pub(super) fn firsts_of(lens: &[usize]) -> impl Iterator<Item = usize> + '_ {
    let mut next = 0;
    lens.iter().map(move |len| {
        let first = next;
        next += len.next_multiple_of(GRAIN);
        first
    })
}

/// Each of them.
fn parts_of(values: Floats, lens: &[usize]) -> Vec<Floats> {
    firsts_of(lens)
        .zip(lens)
        .map(|(first, len)| values.part(first..first + len))
        .collect()
}

/// What lies in memory for a phase.
pub(super) struct PhaseRoom {
    pub(super) tail: Tail,
    /// Below the border, above it, and both.
    pub(super) prefix: Stretch,
    pub(super) rest: Stretch,
    pub(super) whole: Stretch,
    /// For these.
    pub(super) workspace: Floats,
    /// Pictures of a chunk as the network sees them, and between two passes of the augmentation.
    pub(super) input: Crossing,
    pub(super) between: Floats,
    /// What crosses the border, for the present chunk and the next one.
    pub(super) borders: [Crossing; 2],
    /// The same for all images of splits that no epoch changes.
    pub(super) features: Vec<(SplitName, Crossing)>,
    /// Pooled features of a chunk.
    pub(super) pooled: Crossing,
    /// Losses and logits of the present chunk, and a gradient of logits that evaluation does not need.
    pub(super) losses: Floats,
    pub(super) logits: Floats,
    pub(super) dlogits: Floats,
}

impl PhaseRoom {
    /// Where pictures go as the network sees them: where nothing is frozen they are what crosses the border.
    pub(super) fn input_of<'a>(&'a self, border: &'a Crossing) -> &'a Crossing {
        if self.prefix.is_empty() {
            border
        } else {
            &self.input
        }
    }

    pub(super) fn plan(
        plan: &mut Plan,
        work: &Work,
        extent: Extent,
        layers: &mut [Layer],
        dense: Dense,
        trained: &Trained,
    ) -> (Self, inputs::Places) {
        let operations = &work.operations;
        let (frozen, all, picture) = (trained.frozen_operations, operations.len(), work.picture());
        let chunk = extent.chunk;
        let [prefix, rest, whole] =
            [0..frozen, frozen..all, 0..all].map(|range| Stretch::new(operations, range, picture));
        let workspace = [&prefix, &rest, &whole].map(Stretch::workspace_len);
        let workspace = workspace.into_iter().max().unwrap_or(0);
        let border = prefix.above().clone();
        let between = if work.passes > 1 { chunk * picture } else { 0 };
        let is_kept = |name: SplitName| {
            extent.keeps_features && (name != SplitName::Train || work.passes == 0)
        };
        let kept = work.splits.iter().filter(|(name, _)| is_kept(*name));
        let [(_, images), ..] = work.splits;
        let sizes = Sizes {
            images,
            chunk,
            batch: work.batch,
            passes: work.passes,
        };
        let inputs = Inputs::plan(plan, sizes);
        let pictures = Border::Activations(vec![(None, picture)]);
        let room = Self {
            tail: Tail::begin_phase(plan, layers, dense, trained, work.batch),
            workspace: plan.array(workspace * chunk),
            input: Crossing::new(plan, &pictures, chunk),
            between: plan.array(between),
            borders: [(); 2].map(|()| Crossing::new(plan, &border, chunk)),
            features: kept
                .map(|&(name, images)| (name, Crossing::new(plan, &border, images)))
                .collect(),
            pooled: Crossing::new(plan, &Border::Pooled(work.channels), chunk),
            losses: plan.array(chunk),
            logits: plan.array(chunk * work.outputs),
            dlogits: plan.array(chunk * work.outputs),
            prefix,
            rest,
            whole,
        };
        (room, inputs)
    }
}
