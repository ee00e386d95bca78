//! Recipes to start from, as text with comments.

use std::fmt::Write as _;

use super::file::NAME;
use super::shipped;
use super::{Folders, SplitName};

/// The shipped recipe whose weights a new one starts from.
const WEIGHTS_OF: &str = "tutorial-224.toml";
/// Its table of them.
const WEIGHTS: &str = "[artifact.weights]";

/// Shares of a source that become a split which has no folder of its own.
const SHARE: f64 = 0.15;
/// The share of the validation pictures, where those have a folder and the test has none.
const SHARE_OF_VALIDATION: f64 = 0.5;

/// True if a recipe can have this name: up to 64 letters, digits, `-` and `_`.
pub fn is_name(name: &str) -> bool {
    NAME.holds(&name.to_owned())
}

/// What a recipe for a folder of photos says beside what all of them do.
#[derive(Clone, Debug, PartialEq)]
pub struct Photos {
    /// Name of the recipe.
    pub name: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The photos' folder: absolute, or relative to the recipe's folder.
    pub path: String,
    /// Content digest of the photos.
    pub content: Option<String>,
    /// Where the splits' class folders are.
    pub folders: Folders,
    /// How many photos have a mark that asks for a rotation.
    pub rotated: usize,
}

impl Photos {
    /// What `goldrun new NAME` supposes, for a person to change.
    pub fn supposed(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            classes: Vec::new(),
            path: "../photos".to_owned(),
            content: None,
            folders: Folders {
                artifact: "photos".to_owned(),
                train: ".".to_owned(),
                validation: None,
                test: None,
                rejects: 0,
            },
            rotated: 0,
        }
    }

    /// The recipe: transfer learning as in the tutorial, both phases.
    pub fn recipe(&self) -> String {
        let mut text = self.head();
        text.push_str(&self.artifacts());
        text.push_str(&self.dataset());
        text.push_str(&self.input());
        text.push_str(TRAINING);
        text
    }

    fn head(&self) -> String {
        let Self { name, .. } = self;
        let title = quoted(&self.title());
        format!(
            "\
# {name}: transfer learning on photos of one's own.
#
# Look      goldrun show {name} --sheet sheet.png
# Run       goldrun check {name}
# Keys      goldrun schema --markdown

format = 1
name   = \"{name}\"
title  = {title}
# Decides the cut into splits, the order of training, augmentation and dropout.
seed   = 123

"
        )
    }

    fn title(&self) -> String {
        /// More names would make no title.
        const NAMED: usize = 5;
        match self.classes.as_slice() {
            [] => "Photos of my own".to_owned(),
            [names @ .., last] if names.len() < NAMED => {
                format!("Photos of {} and {last}", names.join(", "))
            }
            classes => format!("Photos of {} classes", classes.len()),
        }
    }

    fn artifacts(&self) -> String {
        let mut text = format!(
            "# A folder of class folders; a path is taken from this file's folder on.\n\
             [artifact.photos]\npath    = {}\n",
            quoted(&self.path)
        );
        match &self.content {
            Some(content) => {
                let _ = writeln!(
                    text,
                    "# Pins every photo; after changes remove the line and run `goldrun pin {}`.\n\
                     content = \"{content}\"",
                    self.name
                );
            }
            None => {
                let _ = writeln!(
                    text,
                    "# `goldrun pin {}` writes a digest here, so that everybody runs with the same photos.",
                    self.name
                );
            }
        }
        let _ = write!(
            text,
            "\n# MobileNetV2, trained on the photos of ImageNet.\n{}\n",
            weights()
        );
        text
    }

    fn dataset(&self) -> String {
        let folders = &self.folders;
        let mut text = String::from("[dataset.folders]\nartifact   = \"photos\"\n");
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(text, "{key:<10} = {value}");
        };
        line("train", &quoted(&folders.train));
        if let Some(validation) = &folders.validation {
            line("validation", &quoted(validation));
        }
        if let Some(test) = &folders.test {
            line("test", &quoted(test));
        }
        if folders.rejects > 0 {
            text.push_str("# So many files cannot be read; they are left out.\n");
            let _ = writeln!(text, "rejects    = {}", folders.rejects);
        }
        text.push('\n');
        let has_validation = folders.validation.is_some();
        if !has_validation {
            text.push_str(
                "# Evaluated after every epoch. Which photos it gets is drawn from the seed, and stays.\n",
            );
            text.push_str(&cut(SplitName::Validation, SplitName::Train, SHARE));
        }
        if folders.test.is_none() {
            text.push_str("# Evaluated once, at the end.\n");
            let test = SplitName::Test;
            text.push_str(&if has_validation {
                cut(test, SplitName::Validation, SHARE_OF_VALIDATION)
            } else {
                cut(test, SplitName::Train, SHARE)
            });
        }
        text
    }

    fn input(&self) -> String {
        let mut text = String::from(
            "[input]
image_size = [160, 160]
batch_size = 32
# What training sees instead of the photo itself, anew in every epoch. A flip is wrong where left and right matter.
augment    = [{ flip = \"horizontal\" }, { rotation = { turn = 0.05, fill = \"reflect\" } }]
",
        );
        if self.rotated > 0 {
            let _ = writeln!(
                text,
                "# Photos with a mark that asks for a rotation: {}. Without this line it is ignored, as in Keras.\n\
                 orientation = \"apply\"",
                self.rotated
            );
        }
        text.push('\n');
        text
    }
}

/// Model, phases and evaluation: the same for all.
const TRAINING: &str = "\
[model.mobilenet_v2]
alpha   = 1.0
weights = \"weights\"
head    = { dropout = 0.2 }

# First only the new head learns, on what the network sees already.
[[phase]]
name   = \"feature extraction\"
epochs = 10
train  = \"head\"
optimizer.adam = { learning_rate = 1e-3 }

# Then the upper layers too, in small steps.
[[phase]]
name   = \"fine-tuning\"
epochs = 10
train  = { from = 100 }
optimizer.rmsprop = { learning_rate = 1e-5 }

[evaluate]
metrics = [\"loss\", \"accuracy\"]
";

/// A recipe that extends another one, given as it is written behind `extends`.
pub fn extending(name: &str, base: &str) -> String {
    let base_text = quoted(base);
    format!(
        "\
# {name}: as {base}, but for what is said here.
#
# Run       goldrun check {name}
# Keys      goldrun schema --markdown

extends = {base_text}
format  = 1
name    = \"{name}\"
# title = \"What is different\"

# Tables are laid over the other recipe's key by key, phases by their name. For example:
#
# [input]
# image_size = [128, 128]
#
# [[phase]]
# name   = \"fine-tuning\"
# epochs = 20
"
    )
}

fn cut(split: SplitName, from: SplitName, fraction: f64) -> String {
    format!(
        "[split.{}]\nfrom     = \"{}\"\nfraction = {fraction}\n\n",
        split.word(),
        from.word()
    )
}

/// The shipped recipe's table of weights, with its pins.
fn weights() -> String {
    let text = shipped::file(WEIGHTS_OF).unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().skip_while(|line| *line != WEIGHTS);
    let table: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    table.join("\n") + "\n"
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}
