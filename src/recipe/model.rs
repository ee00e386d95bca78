//! The network: a backbone with a head.

use super::artifact::ROLE;
use super::syntax::{Decode, Located, Node, Problems, Reader, Rule};

const ALPHA: Rule<f64> = Rule {
    must_be: "a width multiplier over 0, at most 16",
    holds: |&alpha| is_alpha(alpha),
};
const DROPOUT: Rule<f64> = Rule {
    must_be: "a rate from 0 to under 1",
    holds: |rate| (0.0..1.0).contains(rate),
};
/// MobileNetV2 as published.
pub(super) const DEFAULT_ALPHA: f64 = 1.0;
/// The tutorial's.
pub(super) const DEFAULT_DROPOUT: f64 = 0.2;

/// True of a width multiplier that a recipe can have.
pub fn is_alpha(alpha: f64) -> bool {
    alpha > 0.0 && alpha <= 16.0
}

/// The network.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// MobileNetV2 (Sandler et al. 2018; `keras/src/applications/mobilenet_v2.py`) without its top.
    MobileNetV2 {
        /// Width multiplier.
        alpha: f64,
        /// Role of the artifact with the backbone's weights.
        weights: String,
        /// What is put on top.
        head: Head,
    },
}

/// Global average pool, dropout, dense.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head {
    /// Dropout rate in [0, 1).
    pub dropout: f64,
}

/// The `[model]` table as written.
#[derive(Debug)]
pub(super) enum ModelFile {
    MobileNetV2 {
        alpha: Option<Located<f64>>,
        weights: Option<Located<String>>,
        head: Option<Located<Head>>,
    },
}

impl Decode for ModelFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let model = table.kind(&[("mobilenet_v2", |node, problems| {
            let mut table = Reader::new(node, problems)?;
            let model = Self::MobileNetV2 {
                alpha: table.value("alpha", &ALPHA),
                weights: table.required("weights", &ROLE),
                head: table.nested("head"),
            };
            table.finish();
            Some(model)
        })]);
        table.finish();
        model.map(|model| model.value)
    }
}

impl Decode for Head {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let dropout = table.value("dropout", &DROPOUT);
        table.finish();
        Some(Self {
            dropout: dropout.map_or(DEFAULT_DROPOUT, |rate| rate.value),
        })
    }
}

impl ModelFile {
    /// The role of the weights, where it is written.
    pub(super) fn weights(&self) -> Option<&Located<String>> {
        match self {
            Self::MobileNetV2 { weights, .. } => weights.as_ref(),
        }
    }

    /// The network.
    pub(super) fn decide(&self) -> Option<Model> {
        self.weights()?;
        Some(self.sketch())
    }

    /// The network, whatever of it is missing or wrong: enough to know its layers.
    pub(super) fn sketch(&self) -> Model {
        match self {
            Self::MobileNetV2 {
                alpha,
                weights,
                head,
            } => Model::MobileNetV2 {
                alpha: alpha.as_ref().map_or(DEFAULT_ALPHA, |alpha| alpha.value),
                weights: weights
                    .as_ref()
                    .map_or_else(String::new, |role| role.value.clone()),
                head: head.as_ref().map_or(
                    Head {
                        dropout: DEFAULT_DROPOUT,
                    },
                    |head| head.value,
                ),
            },
        }
    }
}
