//! Why a run failed, and with which exit code.

use crate::kernels::{Level, cuda, environment};
use crate::{artifacts, dataset, engine, model, train};

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Someone asked for it.
    #[error("interrupted")]
    Interrupted,
    /// An artifact cannot be had.
    #[error(transparent)]
    Artifact(artifacts::Error),
    /// The pictures are not what the recipe says.
    #[error(transparent)]
    Dataset(dataset::Error),
    /// The weights do not fit the network.
    #[error("artifact `{role}`, {from}: {source}")]
    Weights {
        /// Role of the artifact.
        role: String,
        /// Its file.
        from: String,
        /// What does not fit.
        source: Box<model::weights::Error>,
    },
    /// Training failed.
    #[error(transparent)]
    Training(Box<train::Error>),
    /// The engine failed before training.
    #[error(transparent)]
    Engine(engine::Error),
    /// The SIMD level is not on this machine.
    #[error("this machine has no {}\nhint: `--simd auto` takes the widest that it has, {}", .0.word(), Level::detect().word())]
    Level(Level),
    /// The CUDA device that was asked for cannot be used.
    #[error(transparent)]
    Cuda(#[from] cuda::Error),
    /// The candle engine is not on CUDA.
    #[error(
        "the candle engine computes on the CPU only\nhint: leave `--device cuda` or `--engine candle` out"
    )]
    CandleOnCuda,
    /// The floating-point environment is another one.
    #[error(transparent)]
    Environment(#[from] environment::Changed),
    /// Threads cannot be started.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The run folder cannot be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Error {
    /// True if a loss or a parameter was not finite: the recipe's own failure, and no one else's.
    pub fn is_not_finite(&self) -> bool {
        let Self::Training(error) = self else {
            return false;
        };
        matches!(
            **error,
            train::Error::Loss { .. } | train::Error::Parameter { .. }
        )
    }

    /// Exit code of the command: 2 the recipe is wrong, 3 an artifact, 4 the run failed, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Artifact(_) | Self::Dataset(_) | Self::Weights { .. } => 3,
            Self::Training(error) if matches!(**error, train::Error::Boundary { .. }) => 2,
            Self::CandleOnCuda => 2,
            _ => 4,
        }
    }
}

impl From<artifacts::Error> for Error {
    fn from(error: artifacts::Error) -> Self {
        if error.is_interrupted() {
            Self::Interrupted
        } else {
            Self::Artifact(error)
        }
    }
}

impl From<dataset::Error> for Error {
    fn from(error: dataset::Error) -> Self {
        match error {
            dataset::Error::Interrupted => Self::Interrupted,
            other => Self::Dataset(other),
        }
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        match error {
            engine::Error::Interrupted => Self::Interrupted,
            engine::Error::Dataset(error) => error.into(),
            other => Self::Engine(other),
        }
    }
}

impl From<train::Error> for Error {
    fn from(error: train::Error) -> Self {
        match error {
            train::Error::Engine(error) => error.into(),
            other => Self::Training(Box::new(other)),
        }
    }
}
