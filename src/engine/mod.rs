//! Runs a model: features, an epoch of training, evaluation, parameters out.
//!
//! One trait, one implementation per kind of device; a run picks one at its start and knows no more of it.
//! Neither batch, nor order of rows, nor number of threads can change a bit of what the native engine
//! returns; the `candle` engine is an independent implementation, the oracle, and promises closeness only.

mod border;
pub mod candle;
pub mod cpu;
pub mod cuda;
mod update;

use std::ops::Range;

use tracing::trace_span;

use crate::artifacts;
use crate::dataset::Split;
use crate::dataset::batch::TrainingEpoch;
use crate::kernels::cuda as cuda_device;
use crate::model::{Parameters, Trained};
use crate::random::Stream;
use crate::recipe::Optimizer;
use crate::record::Observer;

/// What comes out of the network for a number of images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// Loss of each image, by position.
    pub losses: Vec<f32>,
    /// Logits, `[images][outputs]`.
    pub logits: Vec<f32>,
}

/// State of a phase's optimizer: what it takes beside the parameters to go on within the phase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimizerState {
    /// Steps that were done in the phase: Adam's rate depends on their number.
    pub steps: u64,
    /// Of each trained tensor, in the model's order.
    pub moments: Vec<Moments>,
}

/// Moments of a trained tensor; what a rule does not use is zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Place of the tensor among the network's.
    pub tensor: usize,
    /// First moment, or momentum.
    pub first: Vec<f32>,
    /// Second moment.
    pub second: Vec<f32>,
}

/// Why an engine stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Someone asked for it.
    #[error("interrupted")]
    Interrupted,
    /// Pictures could not be read.
    #[error(transparent)]
    Dataset(#[from] crate::dataset::Error),
    /// Features could not be kept.
    #[error(transparent)]
    Cache(artifacts::Error),
    /// The CUDA device failed.
    #[error(transparent)]
    Cuda(#[from] cuda_device::Error),
    /// candle refused.
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
}

impl From<artifacts::Error> for Error {
    fn from(error: artifacts::Error) -> Self {
        if error.is_interrupted() {
            Self::Interrupted
        } else {
            Self::Cache(error)
        }
    }
}

/// A device's way to run a model.
pub trait Engine {
    /// The backbone's output before pooling for the images at `positions` of a split, NHWC.
    fn features(
        &mut self,
        split: &Split,
        positions: Range<usize>,
        observer: &Observer<'_>,
    ) -> Result<Vec<f32>, Error>;

    /// Sets what is trained and how, with fresh optimizer state.
    fn begin_phase(&mut self, trained: &Trained, optimizer: &Optimizer) -> Result<(), Error>;

    /// Trains one epoch. `dropout` is the stream of the head's masks at this phase and epoch; `step` is
    /// told after each step how many are done and what came out so far.
    fn train_epoch(
        &mut self,
        epoch: &TrainingEpoch<'_>,
        dropout: &Stream,
        observer: &Observer<'_>,
        step: &mut dyn FnMut(usize, &Outputs),
    ) -> Result<Outputs, Error>;

    /// Trains one epoch and then evaluates a split: what came out of both. A device that works beside the host
    /// is waited for once.
    fn train_and_evaluate(
        &mut self,
        epoch: &TrainingEpoch<'_>,
        dropout: &Stream,
        split: &Split,
        observer: &Observer<'_>,
        step: &mut dyn FnMut(usize, &Outputs),
    ) -> Result<[Outputs; 2], Error> {
        let trained =
            trace_span!("train").in_scope(|| self.train_epoch(epoch, dropout, observer, step))?;
        let evaluated = trace_span!("evaluate", split = split.name.word())
            .in_scope(|| self.evaluate(split, observer))?;
        Ok([trained, evaluated])
    }

    /// Evaluates a split, in its evaluation order.
    fn evaluate(&mut self, split: &Split, observer: &Observer<'_>) -> Result<Outputs, Error>;

    /// A copy of the parameters as they are.
    fn parameters(&self) -> Result<Parameters, Error>;

    /// A copy of the gradients of the last step's mean loss by tensor name, in the model's order; what is
    /// frozen has none.
    fn gradients(&mut self) -> Result<Vec<(String, Vec<f32>)>, Error>;

    /// A copy of the optimizer's state after the last epoch.
    fn optimizer_state(&self) -> Result<OptimizerState, Error>;

    /// Goes on within the phase that has just begun, from the state that the optimizer had after an epoch of it.
    ///
    /// # Panics
    /// If it is not of the tensors that the phase trains.
    fn resume_phase(&mut self, state: &OptimizerState) -> Result<(), Error>;

    /// Name and flat index of the first parameter, else of the first element of optimizer state, that is
    /// not finite.
    fn first_non_finite(&self) -> Result<Option<(String, usize)>, Error>;
}

/// Puts labels and indices of the images at `positions` of an epoch into these lists.
fn examples(
    epoch: &TrainingEpoch<'_>,
    positions: Range<usize>,
    labels: &mut Vec<u32>,
    indices: &mut Vec<u32>,
) {
    labels.clear();
    labels.extend(positions.clone().map(|position| epoch.label(position)));
    indices.clear();
    indices.extend(positions.map(|position| epoch.index(position)));
}
