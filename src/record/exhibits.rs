//! What a run shows beside its figures: pictures, predictions, the network's layers.
//!
//! It is kept in the run's folder, so that a report can be made long after, without recipe, pictures or network
//! at hand. No comparison reads it.

use serde::{Deserialize, Serialize};

/// File in a run's folder.
pub const EXHIBITS_FILE: &str = "exhibits.json";

/// All that a run shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exhibits {
    /// Name of the recipe.
    pub recipe: String,
    /// Its title.
    pub title: String,
    /// Its phases.
    pub phases: Vec<ShownPhase>,
    /// Names of the classes; a label is a place in this list.
    pub classes: Vec<String>,
    /// Layers of backbone and head.
    pub layers: Vec<Layer>,
    /// The first pictures of the first epoch, as they are.
    pub training: Vec<Picture>,
    /// The first training picture, then as it is seen in epoch after epoch; empty where nothing changes it.
    pub views: Vec<Image>,
    /// What became of the test split.
    pub test: Tested,
}

/// What there is to know of a phase beside its figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownPhase {
    /// Its name.
    pub name: String,
    /// Its epochs.
    pub epochs: u32,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Keras' name.
    pub name: String,
    /// What it is, as Keras calls it: `Conv2D`.
    pub kind: String,
    /// Shape of its output without the batch: height, width, channels.
    pub shape: Vec<usize>,
    /// Its parameters, moving statistics included.
    pub parameters: u64,
    /// Layers whose output it takes, by index.
    pub inputs: Vec<usize>,
    /// Phases that train it, from 0.
    pub trained: Vec<usize>,
}

/// A picture's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// A JPEG file in base64.
    pub jpeg: String,
}

/// A picture of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Path within the split: `class/file`.
    pub path: String,
    /// Its class.
    pub label: u32,
    /// What it looks like.
    pub image: Image,
}

/// A picture and what the model says that it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    /// The picture.
    #[serde(flatten)]
    pub picture: Picture,
    /// The likeliest class.
    pub class: u32,
    /// Its probability.
    pub probability: f64,
}

impl Predicted {
    /// True if the picture is of the likeliest class.
    pub const fn is_right(&self) -> bool {
        self.class == self.picture.label
    }
}

/// What the model says of the test split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// Pictures by class and likeliest class: `[label][class]`.
    pub confusion: Vec<Vec<u64>>,
    /// The first batch, or as much of it as is kept.
    pub first_batch: Vec<Predicted>,
    /// Pictures that the model is surest of and wrong about, the surest first.
    pub worst: Vec<Predicted>,
}
