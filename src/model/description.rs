//! What a model file says of itself: all that it takes to use it without recipe, run and pictures at hand.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Network;
use crate::recipe::{Model, Orientation, Recipe, is_alpha, is_side};

/// Format of the description.
const FORMAT: u64 = 1;

/// How the network's input is made of a picture, for people.
const RESIZE: &str = "bilinear, half-pixel centres, no antialiasing, aspect ratio not kept";
/// See [`RESIZE`].
const PREPROCESSING: &str = "x / 127.5 - 1 of RGB values from 0 to 255";
/// What one output means.
const SIGMOID: &str = "one logit, whose sigmoid is the probability of the second class";
/// What more outputs mean.
const SOFTMAX: &str = "a logit for each class, whose softmax are the probabilities";

/// Where a model is from and what its numbers mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Name of the recipe.
    pub recipe: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Seed of the training.
    pub seed: u64,
    /// The phase that it was trained to the end of, from 0.
    pub phase: usize,
    /// The network below the head.
    pub backbone: Backbone,
    /// Its width multiplier.
    pub alpha: f64,
    /// Dropout rate of the head.
    pub dropout: f64,
    /// Height and width of pictures, pixels; multiples of 32.
    pub image_size: [u32; 2],
    /// What the EXIF orientation of a photo does.
    pub orientation: Orientation,
    /// Names of the classes; two of them share one output.
    pub classes: Vec<String>,
}

/// A network below the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backbone {
    /// See [`Model::MobileNetV2`].
    #[serde(rename = "mobilenet_v2")]
    MobileNetV2,
}

impl Description {
    /// The description of what a recipe's phase leaves.
    pub fn of(recipe: &Recipe, classes: &[String], phase: usize) -> Self {
        let Model::MobileNetV2 { alpha, head, .. } = &recipe.model;
        Self {
            recipe: recipe.name.clone(),
            fingerprint: recipe.fingerprint(),
            seed: recipe.seed,
            phase,
            backbone: Backbone::MobileNetV2,
            alpha: *alpha,
            dropout: head.dropout,
            image_size: recipe.input.image_size,
            orientation: recipe.input.orientation,
            classes: classes.to_vec(),
        }
    }

    /// The network.
    pub fn network(&self) -> Network {
        let Backbone::MobileNetV2 = self.backbone;
        Network::new(
            self.image_size,
            self.alpha,
            self.dropout,
            self.classes.len(),
        )
    }

    /// The description as JSON on one line, with what its numbers mean beside them.
    pub fn json(&self) -> String {
        let mut value = json!(self);
        value["format"] = json!(FORMAT);
        value["resize"] = json!(RESIZE);
        value["preprocessing"] = json!(PREPROCESSING);
        let outputs = self.network().outputs;
        value["output"] = json!(if outputs == 1 { SIGMOID } else { SOFTMAX });
        value.to_string()
    }

    /// Reads what [`json`](Self::json) wrote; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if value["format"] != json!(FORMAT) {
            return Err(format!(
                "its format is {}, expected {FORMAT}",
                value["format"]
            ));
        }
        let description: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        let Self {
            recipe,
            alpha,
            image_size,
            classes,
            ..
        } = &description;
        // Files are named after it.
        if recipe.is_empty() || recipe.starts_with('.') || recipe.contains(['/', '\\']) {
            return Err(format!("`recipe` is {recipe:?}, which is no name"));
        }
        if !is_alpha(*alpha) {
            return Err(format!("`alpha` is {alpha}, which is no width multiplier"));
        }
        if let Some(side) = image_size.iter().find(|side| !is_side(**side)) {
            return Err(format!("`image_size` has {side}, which is no size"));
        }
        if classes.len() < 2 {
            return Err(format!(
                "`classes` has {}, expected two or more",
                classes.len()
            ));
        }
        Ok(description)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        Description {
            recipe: "small".into(),
            fingerprint: "0123".into(),
            seed: u64::MAX,
            phase: 1,
            backbone: Backbone::MobileNetV2,
            alpha: 0.35,
            dropout: 0.1,
            image_size: [96, 64],
            orientation: Orientation::Apply,
            classes: vec!["cat, or \"cat\"".into(), "hund und mäuse".into()],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = description().json();
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("\"orientation\":\"apply\"") && text.contains("mobilenet_v2"));
        assert!(text.contains(SIGMOID));
        assert_eq!(Description::parse(&text), Ok(description()));
        let three = Description {
            classes: ["a", "b", "c"].map(str::to_owned).to_vec(),
            ..description()
        };
        assert!(three.json().contains(SOFTMAX));
        assert_eq!(three.network().outputs, 3);
    }

    #[test]
    fn what_no_run_writes_is_refused() {
        let mut wrong = Vec::new();
        for (key, value) in [
            ("format", json!(2)),
            ("recipe", json!("../../etc/it")),
            ("alpha", json!(0.0)),
            ("alpha", json!(1e9)),
            ("image_size", json!([96, 65])),
            ("image_size", json!([96, 1 << 20])),
            ("classes", json!(["one"])),
            ("backbone", json!("resnet")),
            ("seed", Value::Null),
        ] {
            let mut text: Value = serde_json::from_str(&description().json()).unwrap();
            text[key] = value;
            wrong.push(Description::parse(&text.to_string()).unwrap_err());
        }
        wrong.push(Description::parse("{").unwrap_err());
        insta::assert_snapshot!(wrong.join("\n"));
    }
}
