//! The network: a backbone with a head.

use schemars::JsonSchema;

use super::artifact::ROLE;
use super::syntax::{Decode, Located, Node, Problems, Range, Reader, Rule};

const ALPHA: Rule<f64> = Rule::new("a width multiplier", Range::over(0.0).to(16.0));
const DROPOUT: Rule<f64> = Rule::new("a rate", Range::from(0.0).under(1.0));
/// MobileNetV2 as published.
pub(super) const DEFAULT_ALPHA: f64 = 1.0;
/// The tutorial's.
pub(super) const DEFAULT_DROPOUT: f64 = 0.2;

/// True of a width multiplier that a recipe can have.
pub fn is_alpha(alpha: f64) -> bool {
    ALPHA.holds(&alpha)
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
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Head {
    /// Part of the features that is dropped in training.
    #[schemars(with = "Option<f64>", transform = &DROPOUT, extend("default" = DEFAULT_DROPOUT))]
    pub dropout: f64,
}

/// The `[model]` table as written.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) enum ModelFile {
    /// MobileNetV2 without its top, as in Keras.
    #[schemars(rename = "mobilenet_v2")]
    MobileNetV2 {
        /// Width; Keras has weights for 0.35, 0.5, 0.75, 1.0, 1.3 and 1.4.
        #[schemars(transform = &ALPHA, extend("default" = DEFAULT_ALPHA))]
        alpha: Option<Located<f64>>,
        /// The artifact with the backbone's weights. They must be of the same alpha.
        #[schemars(required, transform = &ROLE)]
        weights: Option<Located<String>>,
        /// What is put on top: global average pool, dropout, a dense layer.
        #[schemars(extend("x-default" = "as below"))]
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
