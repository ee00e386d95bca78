//! The vocabulary of a run: what a recipe says once everything is decided.
//!
//! A file is read in two steps. What is *written* is a tree of values that know their place
//! (`syntax`), decoded into `…File` types whose fields are optional and know their place too. What is
//! *decided* are the types of this module's surface: plain data, without places, without IO and without
//! candle. Everything after this module takes these types and no other view of the file.
//!
//! One file per element: what can be written, its ranges and defaults, and the decided type. All problems
//! of a recipe are reported at once ([`Error::Invalid`]). `docs/recipe.md` describes every key.

mod artifact;
mod check;
mod dataset;
mod error;
mod figure;
mod file;
mod fingerprint;
mod gathered;
mod input;
mod load;
mod location;
mod metric;
mod model;
mod optimizer;
mod phase;
pub mod pin;
mod published;
mod split;
mod syntax;

pub use artifact::{Artifact, Source};
pub use check::{Check, Gate, GatedFigure, Least, MOST_SEEDS};
pub use dataset::{Dataset, Drawn, Folders};
pub use error::Error;
pub use figure::ALL_METRICS;
pub use gathered::gathered;
pub use input::{Augmentation, Input, Orientation, is_side};
pub use load::{Layers, Loaded, Request, Written, load};
pub use location::{Found, list, project_root};
pub use metric::{Metric, Threshold};
pub use model::{Head, Model, is_alpha};
pub use optimizer::Optimizer;
pub use phase::{Phase, Trainable};
pub use published::{Better, Published, Tolerance};
pub use split::{Amount, Cut, Split, SplitName};

pub mod schema;
pub mod shipped;
pub mod template;

use std::collections::BTreeMap;

/// A resolved recipe: defaults filled in, `extends` and `--set` applied, cross-checks done.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Name: a file stem, as in `recipes/<name>.toml` and `golden/<name>.toml`.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Seed of everything random in training (`--seed` replaces it; splits keep [`Split::seed`]).
    pub seed: u64,
    /// Artifacts by role; only those that the data set or the model names.
    pub artifacts: BTreeMap<String, Artifact>,
    /// Where pictures come from.
    pub dataset: Dataset,
    /// What the network sees.
    pub input: Input,
    /// How the sources are cut into train, validation and test.
    pub split: Split,
    /// The network.
    pub model: Model,
    /// Phases, in order; at least one.
    pub phases: Vec<Phase>,
    /// What is measured: [`Metric::Loss`] first, then what the recipe asks for.
    pub metrics: Vec<Metric>,
    /// What the source claims.
    pub published: Vec<Published>,
    /// How a golden is held.
    pub check: Check,
    /// True if `--set` or `--seed` changed what the file says; such a run cannot be accepted.
    pub overridden: bool,
}
