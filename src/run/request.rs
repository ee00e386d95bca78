//! What is asked of a run.

use std::path::PathBuf;

use crate::artifacts;
use crate::kernels::Level;
use crate::recipe::Recipe;
use crate::record::EpochNumber;

use super::Fault;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The recipe.
    pub recipe: Recipe,
    /// Where artifacts are kept and looked for.
    pub artifacts: artifacts::Options,
    /// Which engine computes.
    pub engine: EngineKind,
    /// Threads; as many as there are cores if not said.
    pub threads: Option<usize>,
    /// SIMD level; the widest that there is if not said.
    pub level: Option<Level>,
    /// Which device computes.
    pub device: Device,
    /// Goes on with the newest run of the same that did not end, if there is one.
    pub resume: bool,
    /// An epoch to go through step by step, with a digest of all that each makes: the run ends with it.
    pub traced: Option<EpochNumber>,
    /// A fault to plant, for a test of what would see it.
    pub fault: Option<Fault>,
    /// Folder of all runs; this one goes to `<recipe>/<run-id>` in it.
    pub runs: PathBuf,
}

/// Which engine computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Ours, with defined bits.
    Native,
    /// Stock candle with autograd.
    Candle,
}

impl EngineKind {
    /// The word for it on the command line and in records.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Candle => "candle",
        }
    }
}

/// Which device computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The best that there is.
    Auto,
    /// The CPU.
    Cpu,
    /// A CUDA device.
    Cuda,
}
