//! Metrics, one file each; a new one is a file here and a variant of [`Metric`].

pub mod accuracy;
pub mod loss;

use crate::recipe::{Better, Metric};

/// The last part of the metric's address in a record.
pub const fn name(metric: &Metric) -> &'static str {
    match metric {
        Metric::Loss => "loss",
        Metric::Accuracy { .. } => "accuracy",
    }
}

/// Which way is better.
pub const fn better(metric: &Metric) -> Better {
    match metric {
        Metric::Loss => Better::Lower,
        Metric::Accuracy { .. } => Better::Higher,
    }
}
