//! The vocabulary of a run: what a recipe says once everything is decided.
//!
//! Plain data, without spans, without IO and without candle; everything after this module takes these
//! types and no other view of the file.

pub mod shipped;

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A resolved recipe: defaults filled in, `extends` and `--set` applied, cross-checks done.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Name: a file stem, as in `recipes/<name>.toml` and `golden/<name>.toml`.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Seed of everything random in training (`--seed` replaces it; splits keep [`Split::seed`]).
    pub seed: u64,
    /// Artifacts by role.
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
    /// What is measured.
    pub metrics: Vec<Metric>,
    /// What the source claims.
    pub published: Vec<Published>,
    /// How a golden is held.
    pub check: Check,
    /// True if `--set` or `--seed` changed what the file says; such a run cannot be accepted.
    pub overridden: bool,
}

/// A file or folder that the recipe needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// Where to get it.
    pub source: Source,
    /// Exact size in bytes where there is no content pin; with one, another size is a note.
    pub size: Option<u64>,
    /// Largest download and largest extracted size, bytes.
    pub max_size: u64,
    /// Pin of the bytes: 64 lower-case hex digits.
    pub sha256: Option<String>,
    /// Pin of what is in it: `h1:…` (archives, folders) or `t1:…` (weight files).
    pub content: Option<String>,
}

/// Where an artifact comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Tried in order; `http`, `https`, `file` and plain paths.
    Urls(Vec<String>),
    /// A local file or folder, absolute.
    Path(PathBuf),
    /// A file that is inside the binary, by its path relative to `recipes/`.
    Shipped(String),
}

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Dataset {
    /// A folder per class.
    Folders(Folders),
    /// Pictures that goldrun draws itself.
    Drawn(Drawn),
}

/// A folder per class, in an artifact; folders are relative to the artifact's root, with `/`.
#[derive(Clone, Debug, PartialEq)]
pub struct Folders {
    /// Role of the artifact.
    pub artifact: String,
    /// Folder of the training source.
    pub train: String,
    /// Folder of the validation source.
    pub validation: Option<String>,
    /// Folder of the test source.
    pub test: Option<String>,
    /// How many undecodable files are tolerated; they are left out, counted and listed.
    pub rejects: u32,
}

/// Drawn pictures: see `docs/quickstart.md`.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Seed of the drawing (`--seed` does not change it).
    pub seed: u64,
    /// Pictures in the training source.
    pub train: u32,
    /// Pictures in the validation source.
    pub validation: u32,
    /// Pictures in the test source.
    pub test: u32,
}

/// What the network sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Height and width, pixels; multiples of 32.
    pub image_size: [u32; 2],
    /// Images a step.
    pub batch_size: u32,
    /// Applied to training images, in order; the position is the random stream's slot.
    pub augment: Vec<Augmentation>,
    /// What the mark of rotation in a photo does.
    pub orientation: Orientation,
}

/// What the EXIF orientation of a photo does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// Nothing, as in Keras.
    Ignore,
    /// The picture is turned upright.
    Apply,
}

/// A random change of a training image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Augmentation {
    /// Mirror left and right with probability one half.
    FlipHorizontal,
    /// Rotate by an angle uniform in ±`turn`, filling by reflection.
    Rotation {
        /// Largest angle, in turns.
        turn: f64,
    },
}

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SplitName {
    /// Trained on.
    Train,
    /// Evaluated after every epoch.
    Validation,
    /// Evaluated once, at the end.
    Test,
}

impl SplitName {
    /// All three, in the order of the run.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// Slot of the random streams of this source split (arithmetic.md §7).
    pub const fn slot(self) -> u32 {
        match self {
            Self::Train => 0,
            Self::Validation => 1,
            Self::Test => 2,
        }
    }
}

/// How the sources are cut.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Seed of the order in which a source is cut.
    pub seed: u64,
    /// The validation split is cut from another source.
    pub validation: Option<Cut>,
    /// The test split is cut from another source.
    pub test: Option<Cut>,
}

/// A split that is cut from a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// The source.
    pub from: SplitName,
    /// How much of it.
    pub amount: Amount,
}

/// How much is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// So many whole batches.
    Batches(u32),
    /// So many files.
    Count(u32),
    /// round(fraction · N), ties away from zero.
    Fraction(f64),
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

/// A stretch of training with its own optimizer and trainable set.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Name, unique in the recipe.
    pub name: String,
    /// Number of epochs, at least 1.
    pub epochs: u32,
    /// Number that the first epoch is shown with.
    pub first_epoch: u32,
    /// What is trained.
    pub train: Trainable,
    /// The optimizer; its state starts anew.
    pub optimizer: Optimizer,
}

/// What a phase trains; the head always is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trainable {
    /// The head only.
    Head,
    /// Backbone layers from this Keras index on (0 is the input; negative counts from the end).
    FromIndex(i64),
    /// Backbone layers from the one of this name on.
    FromName(String),
    /// Everything.
    All,
}

/// An update rule, Keras 3's formulas (arithmetic.md §6).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Adam (Kingma and Ba 2015).
    Adam {
        /// Learning rate.
        learning_rate: f64,
        /// Decay of the first moment.
        beta_1: f64,
        /// Decay of the second moment.
        beta_2: f64,
        /// Added to the root.
        epsilon: f64,
    },
    /// RMSprop (Hinton 2012), not centred.
    RmsProp {
        /// Learning rate.
        learning_rate: f64,
        /// Decay of the squared gradient.
        rho: f64,
        /// Momentum; 0 is none.
        momentum: f64,
        /// Added under the root.
        epsilon: f64,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// Learning rate.
        learning_rate: f64,
        /// Momentum; 0 is none.
        momentum: f64,
        /// Nesterov's form.
        nesterov: bool,
    },
}

/// What is measured on every split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// Mean loss.
    Loss,
    /// Share of examples classified right.
    Accuracy {
        /// Where a binary logit counts as class 1.
        threshold: Threshold,
    },
}

/// Threshold of binary accuracy, strict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// On the probability.
    Probability(f64),
    /// On the logit.
    Logit(f64),
}

/// A figure that a source claims.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// Who claims it.
    pub source: String,
    /// Address of the figure, without `*`.
    pub figure: String,
    /// Its value.
    pub value: f64,
    /// Judged where there is one, else only shown.
    pub tolerance: Option<Tolerance>,
}

/// How far a figure may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Absolute.
    pub abs: f64,
    /// One-sided where given: being better than expected is never a difference.
    pub better: Option<Better>,
}

/// Direction of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// How a golden is held: without tolerances, the same bits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// Address patterns (`*` matches one part) with their tolerance, in the file's order; the first that matches counts.
    pub tolerances: Vec<(String, Tolerance)>,
}
