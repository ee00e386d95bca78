//! Why training stopped.

use crate::engine;
use crate::model::{freeze, parameters};
use crate::record::EpochNumber;

/// Why training stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine stopped.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// A phase trains from a layer that is not there.
    #[error("phase {phase}: {source}")]
    Boundary {
        /// Name of the phase.
        phase: String,
        /// Which layer.
        source: freeze::Error,
    },
    /// A loss is NaN or infinite.
    #[error(
        "{} loss is {value} in {at}, {} {position}\nhint: a lower learning rate may help",
        if *.is_training { "a training" } else { "a validation" },
        if *.is_training { "step" } else { "image" }
    )]
    Loss {
        /// In training, else in validation.
        is_training: bool,
        /// Which epoch.
        at: EpochNumber,
        /// The step in training, the image in validation, from 0.
        position: usize,
        /// As text.
        value: String,
    },
    /// A parameter or a value of optimizer state is NaN or infinite.
    #[error(
        "`{tensor}`, or its optimizer state, is not finite at element {element} after {at}\nhint: a lower learning rate may help"
    )]
    Parameter {
        /// Name of the tensor.
        tensor: String,
        /// Flat index.
        element: usize,
        /// Which epoch.
        at: EpochNumber,
    },
    /// The model could not be saved.
    #[error(transparent)]
    Save(#[from] parameters::Error),
    /// The run folder could not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
