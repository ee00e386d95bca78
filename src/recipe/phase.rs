//! Phases: stretches of training with their own optimizer and trainable set.

use super::optimizer::Optimizer;
use super::syntax::{Decode, Located, Node, Problem, Problems, Reader, Rule, Value, read_word};

/// The random streams number epochs in 20 bits and phases in 12 (arithmetic.md §7).
const EPOCHS: Rule<u32> = Rule {
    must_be: "a number of epochs from 1 to 1048575",
    holds: |&epochs| (1..1 << 20).contains(&epochs),
};
pub(super) const MOST_PHASES: usize = (1 << 12) - 1;

const NAME: Rule<String> = Rule {
    must_be: "one line of text that is not empty",
    holds: |name| is_line(name),
};
const FIRST_EPOCH: Rule<u32> = Rule {
    must_be: "the number that the first epoch is shown with, from 0 to 1048575",
    holds: |&epoch| epoch < 1 << 20,
};
/// MobileNetV2 without its top has 154 layers; 0 is the input.
const LAST_LAYER: i64 = 153;
const INDEX: Rule<i64> = Rule {
    must_be: "a layer: its Keras name, or its index from 1 to 153 (negative counts from the end)",
    holds: |index| (1..=LAST_LAYER).contains(&index.abs()),
};

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

/// A `[[phase]]` as written.
#[derive(Debug)]
pub(super) struct PhaseFile {
    pub(super) name: Option<Located<String>>,
    pub(super) epochs: Option<Located<u32>>,
    first_epoch: Option<Located<u32>>,
    train: Option<Located<Trainable>>,
    optimizer: Option<Located<Optimizer>>,
}

impl Decode for PhaseFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let phase = Self {
            name: table.required("name", &NAME),
            epochs: table.required("epochs", &EPOCHS),
            first_epoch: table.value("first_epoch", &FIRST_EPOCH),
            train: table.required_nested("train", TRAIN_MUST_BE),
            optimizer: table.required_nested("optimizer", OPTIMIZER_MUST_BE),
        };
        table.finish();
        Some(phase)
    }
}

const OPTIMIZER_MUST_BE: &str =
    "one of `adam`, `rmsprop` and `sgd`, such as `optimizer.adam = { learning_rate = 1e-4 }`";
const TRAIN_MUST_BE: &str = "\"head\", \"all\" or `{ from = <layer> }`";

impl Decode for Trainable {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        if matches!(node.value, Value::Table(_)) {
            return from_layer(node, problems);
        }
        let words = [("head", Self::Head), ("all", Self::All)];
        read_word("`train`", TRAIN_MUST_BE, &words, node, problems)
    }
}

fn from_layer(node: &Node, problems: &mut Problems) -> Option<Trainable> {
    let mut table = Reader::new(node, problems)?;
    let layer = table.required_nested::<Layer>("from", INDEX.must_be);
    table.finish();
    match layer?.value {
        Layer::Index(index) => Some(Trainable::FromIndex(index)),
        Layer::Name(name) => Some(Trainable::FromName(name)),
    }
}

enum Layer {
    Index(i64),
    Name(String),
}

impl Decode for Layer {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        // Whether a layer of that name exists is the model's knowledge.
        match &node.value {
            Value::String(name) if is_line(name) => Some(Self::Name(name.clone())),
            _ => {
                let index = INDEX.read("`from`", node, problems)?;
                Some(Self::Index(index.value))
            }
        }
    }
}

impl PhaseFile {
    /// The phase; `shown` is the number that its first epoch has where the recipe says nothing.
    pub(super) fn decide(&self, shown: u32) -> Option<Phase> {
        Some(Phase {
            name: self.name.as_ref()?.value.clone(),
            epochs: self.epochs.as_ref()?.value,
            first_epoch: self.first_epoch.as_ref().map_or(shown, |epoch| epoch.value),
            train: self.train.as_ref()?.value.clone(),
            optimizer: self.optimizer.as_ref()?.value,
        })
    }
}

/// Checks what one phase alone cannot show.
pub(super) fn check(phases: &Located<Vec<Located<PhaseFile>>>, problems: &mut Problems) {
    let list = &phases.value;
    if list.is_empty() {
        let title = "a recipe needs at least one phase";
        problems.add(Problem::new(phases.place, title, "there is none"));
    }
    if list.len() > MOST_PHASES {
        let title = format!("a recipe can have {MOST_PHASES} phases at most");
        let label = format!("found {}", list.len());
        problems.add(Problem::new(phases.place, title, label));
    }
    for (position, phase) in list.iter().enumerate() {
        let Some(name) = &phase.value.name else {
            continue;
        };
        let earlier = list[..position]
            .iter()
            .filter_map(|earlier| earlier.value.name.as_ref())
            .find(|earlier| earlier.value == name.value);
        if let Some(earlier) = earlier {
            let title = format!("two phases are called {:?}", name.value);
            problems.add(
                Problem::new(name.place, title, "this one again").other(earlier.place, "the first"),
            );
        }
    }
}

/// True for a line that can be shown: not empty, without control characters.
pub(super) fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && !text.chars().any(char::is_control)
}
