//! Phases: stretches of training with their own optimizer and trainable set.

use schemars::JsonSchema;

use super::optimizer::Optimizer;
use super::syntax::{
    Decode, Form, Located, Node, Problem, Problems, Range, Reader, Rule, Text, Value, nearest,
    read_word,
};

/// The random streams number epochs in 20 bits and phases in 12 (arithmetic.md §7).
const MOST_EPOCHS: u32 = (1 << 20) - 1;
pub(super) const MOST_PHASES: usize = (1 << 12) - 1;

const EPOCHS: Rule<u32> = Rule::number_of("epochs", Range::from(1).to(MOST_EPOCHS));
const FIRST_EPOCH: Rule<u32> = Rule::new(
    "the number that the first epoch is shown with,",
    Range::from(0).to(MOST_EPOCHS),
);
const INDEX: Rule<i64> = Rule::new(
    "a layer: its Keras name or its index (negative counts from the end)",
    // Which layers there are is the model's knowledge: see `check_layers`.
    Range::ALL,
);
const LAYER: Rule<String> = Rule::new(
    "the Keras name of a layer",
    Text {
        name: "name of a layer",
        ..LINE
    },
);

/// A line that can be shown: not blank, without control characters.
pub(super) const LINE: Text = Text {
    name: "line",
    forms: &[Form::of(
        r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$",
    )],
};
/// A line for people.
pub(super) const SHOWN: Rule<String> = Rule::new("one line of text that is not empty", LINE);

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
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct PhaseFile {
    /// For people, and for [merging](#extending-a-recipe); no two phases have the same.
    #[schemars(required, transform = &SHOWN)]
    pub(super) name: Option<Located<String>>,
    /// Number of epochs.
    #[schemars(required, transform = &EPOCHS)]
    pub(super) epochs: Option<Located<u32>>,
    /// The number that the first epoch is shown with. Changes nothing else.
    #[schemars(
        transform = &FIRST_EPOCH,
        extend("x-default" = "one more than the last one shown; 1 at the start")
    )]
    first_epoch: Option<Located<u32>>,
    /// What is trained. The head always is.
    #[schemars(required)]
    train: Option<Located<TrainFile>>,
    /// The update rule.
    #[schemars(required)]
    optimizer: Option<Located<Optimizer>>,
}

/// The `train` of a phase as written.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(rename_all = "snake_case", deny_unknown_fields)]
enum TrainFile {
    /// Nothing but the head.
    Head,
    /// Everything.
    All,
    /// The backbone is trained from this layer on: its name, or its index, from 1 to 153, or from −153 to −1
    /// from the end.
    From(Located<Layer>),
}

#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
enum Layer {
    /// Its index: from 1, or negative from the end.
    Index(#[schemars(transform = &INDEX)] i64),
    /// Its name in Keras.
    Name(#[schemars(transform = &LAYER)] String),
}

impl Decode for PhaseFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let phase = Self {
            name: table.required("name", &SHOWN),
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

impl Decode for TrainFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        if matches!(node.value, Value::Table(_)) {
            let mut table = Reader::new(node, problems)?;
            let layer = table.required_nested("from", &INDEX.must_be());
            table.finish();
            return layer.map(Self::From);
        }
        let words = [("head", Self::Head), ("all", Self::All)];
        read_word("`train`", TRAIN_MUST_BE, &words, node, problems)
    }
}

impl Decode for Layer {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::String(name) if LAYER.holds(name) => Some(Self::Name(name.clone())),
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
            train: self.train.as_ref()?.value.decide(),
            optimizer: self.optimizer.as_ref()?.value,
        })
    }
}

impl TrainFile {
    fn decide(&self) -> Trainable {
        match self {
            Self::Head => Trainable::Head,
            Self::All => Trainable::All,
            Self::From(layer) => match &layer.value {
                Layer::Index(index) => Trainable::FromIndex(*index),
                Layer::Name(name) => Trainable::FromName(name.clone()),
            },
        }
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

/// Checks that the layers that phases train from are among the model's.
pub(super) fn check_layers(
    phases: &Located<Vec<Located<PhaseFile>>>,
    layers: &[String],
    problems: &mut Problems,
) {
    for phase in &phases.value {
        if let Some(Located {
            value: TrainFile::From(layer),
            ..
        }) = &phase.value.train
            && let Some((title, label, help)) = layer.value.missing_from(layers)
        {
            problems.add(Problem::new(layer.place, title, label).help(help));
        }
    }
}

impl Layer {
    /// What to say of a layer that is not there: title, label and help. The input is none to train from.
    fn missing_from(&self, layers: &[String]) -> Option<(String, &'static str, String)> {
        let last = layers.len().saturating_sub(1);
        let trainable = layers.get(1..).unwrap_or_default();
        match self {
            Self::Index(index) => {
                let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
                let is_there = (1..=last).contains(&distance);
                (!is_there).then(|| {
                    let title = format!("there is no layer {index} to train from");
                    let help = format!(
                        "an index is from 1 to {last}, or from -{last} to -1, counted from the end"
                    );
                    let label = if *index == 0 {
                        "layer 0 is the input"
                    } else {
                        "the backbone has no such layer"
                    };
                    (title, label, help)
                })
            }
            Self::Name(name) => (!trainable.contains(name)).then(|| {
                let title = format!("there is no layer `{name}` to train from");
                let help = match (
                    nearest(name, trainable.iter().map(String::as_str)),
                    trainable,
                ) {
                    (Some(near), _) => format!("did you mean {near:?}?"),
                    (None, [first, .., last]) => {
                        format!("layers are named as in Keras, from {first:?} to {last:?}")
                    }
                    (None, _) => "the model has none".to_owned(),
                };
                (title, "the backbone has no such layer", help)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_line_is_not_blank_and_has_no_control_characters(
            text in prop_oneof!["[ a\u{a0}\u{2003}\\n\\x7f\u{85}]{0,4}", any::<String>()],
        ) {
            let is_line = !text.trim().is_empty() && !text.contains(char::is_control);
            prop_assert_eq!(LINE.fits(&text), is_line);
        }
    }
}
