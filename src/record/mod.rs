//! What a run says: [`Event`] while it goes on, [`Record`] when it is over.
//!
//! A record is a flat list of facts under dotted addresses. Whoever compares, prints or stores a record
//! needs no more structure than that; provenance is kept beside the facts in [`Made`] and never compared.

mod epoch;
pub mod exhibits;
pub mod history;
pub mod steps;

pub use epoch::{EpochNumber, NoEpoch};

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering as Atomic};

use serde::{Deserialize, Serialize};

use crate::recipe::SplitName;

/// Version of the arithmetic (docs/arithmetic.md): when it changes, figures may move for no fault of a recipe.
pub const ARITHMETIC_VERSION: u32 = 1;

/// Format of records and goldens.
pub const RECORD_FORMAT: u32 = 1;

/// A fact's address: parts joined by dots, such as `phase.0.epoch.9.val_accuracy`.
///
/// Ordered part by part, numbers as numbers and before words, so that epoch 10 follows epoch 9.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// An address from its text. A part that holds a dot, a quote or white space must not be given here:
    /// use [`Address::join`].
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// This address with one more part; dots in the part become `_`.
    #[must_use]
    pub fn join(&self, part: &str) -> Self {
        Self(format!("{}.{}", self.0, part.replace('.', "_")))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// True if `pattern` names this address; a part `*` of the pattern matches any one part.
    pub fn matches(&self, pattern: &str) -> bool {
        let mut parts = self.parts();
        let mut wanted = pattern.split('.');
        loop {
            match (parts.next(), wanted.next()) {
                (None, None) => return true,
                (Some(part), Some(want)) if want == "*" || want == part => {}
                _ => return false,
            }
        }
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        let mut left = self.parts();
        let mut right = other.parts();
        loop {
            let (a, b) = match (left.next(), right.next()) {
                (None, None) => return self.0.cmp(&other.0),
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some(a), Some(b)) => (a, b),
            };
            // Numbers come before words, else "9" < "10" < "1a" < "9" would be a circle.
            let order = match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of a fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact {
    /// A count, a seed.
    Integer(u64),
    /// A figure.
    Figure(f64),
    /// A digest, a name.
    Text(String),
    /// Several figures, such as logits (f32 values, exact in f64).
    Figures(Vec<f64>),
    /// Lines of text: the canonical recipe, a manifest.
    Lines(Vec<String>),
}

/// What a run measured.
///
/// Addresses, in the order of the run:
/// `recipe.fingerprint`, `recipe.canonical`, `seed`, `arithmetic`, `artifact.<role>.content`,
/// `split.<split>.{files, class.<name>, list, pixels}`,
/// `model.{layers, parameters}`, `phase.<p>.{trainable_parameters, trainable_variables}`,
/// `initial.parameters`, `features.first_validation_batch`, `initial.val_<metric>`,
/// `phase.<p>.epoch.<e>.{order, loss, accuracy, val_loss, val_accuracy, parameters}`,
/// `final.val_<metric>`, `test.<metric>`, `test.logits`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The facts by address.
    pub facts: BTreeMap<Address, Fact>,
    /// Where and when it was made.
    pub made: Made,
}

impl Record {
    /// The figure at an address; none where there is none.
    pub fn figure(&self, address: &Address) -> Option<f64> {
        match self.facts.get(address) {
            Some(Fact::Figure(figure)) => Some(*figure),
            _ => None,
        }
    }

    /// The count at an address; none where there is none.
    pub fn integer(&self, address: &Address) -> Option<u64> {
        match self.facts.get(address) {
            Some(Fact::Integer(integer)) => Some(*integer),
            _ => None,
        }
    }

    /// The text at an address; none where there is none.
    pub fn text(&self, address: &Address) -> Option<&str> {
        match self.facts.get(address) {
            Some(Fact::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The canonical form of its recipe; empty where it has none.
    pub fn canonical(&self) -> &[String] {
        match self.facts.get(&Address::new("recipe.canonical")) {
            Some(Fact::Lines(lines)) => lines,
            _ => &[],
        }
    }
}

/// Provenance: no comparison reads it, but the commands look at the keys in [`made`].
pub type Made = BTreeMap<String, MadeValue>;

/// Keys of [`Made`] that a command looks at. A run without the flags and the engine cannot be accepted.
pub mod made {
    /// Text: the engine that computed the run, `native` or `candle`.
    pub const ENGINE: &str = "engine";
    /// Flag: `--set` or `--seed` changed what the recipe's file says.
    pub const OVERRIDDEN: &str = "overridden";
    /// Flag: an artifact had neither a byte pin nor a content pin.
    pub const UNPINNED: &str = "unpinned";
    /// Flag: the run came to its end.
    pub const FINISHED: &str = "finished";
    /// Text: hex sha256 of the goldrun that computed the run.
    pub const EXECUTABLE: &str = "executable";
    /// Text: when the run came to its end, RFC 3339 in UTC to the second.
    pub const DATE: &str = "date";
}

/// A value of provenance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MadeValue {
    /// Yes or no.
    Flag(bool),
    /// A count.
    Integer(u64),
    /// Seconds, mebibytes.
    Number(f64),
    /// Anything else.
    Text(String),
}

/// What happens while a run goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Something worth knowing that is no failure, such as "re-packed, same content".
    Note(String),
    /// Something that will surprise: an unpinned artifact.
    Warning(String),
    /// A stage begins; `total` is in the stage's unit, where it is known.
    StageStarted {
        /// Which.
        stage: Stage,
        /// How much there is to do.
        total: Option<u64>,
    },
    /// A stage has come this far.
    StageProgress {
        /// Which.
        stage: Stage,
        /// Done so far, in the stage's unit.
        done: u64,
    },
    /// A stage is over.
    StageFinished {
        /// Which.
        stage: Stage,
        /// How long it took.
        seconds: f64,
    },
    /// The model was evaluated before training.
    Initial {
        /// `val_loss`, `val_accuracy`, ….
        figures: Vec<(String, f64)>,
    },
    /// A phase begins.
    PhaseStarted {
        /// From 0.
        phase: usize,
        /// Its name.
        name: String,
        /// Its epochs.
        epochs: u32,
        /// Trainable parameters.
        trainable: u64,
    },
    /// An epoch begins.
    EpochStarted {
        /// From 0.
        phase: usize,
        /// From 0 within the phase.
        epoch: u32,
        /// Number to show, as Keras counts.
        shown: u32,
        /// Last number to show.
        shown_last: u32,
        /// Steps in the epoch.
        steps: u32,
        /// What is left to train after it in the whole run, in epochs that are as much work as this one.
        left: f64,
    },
    /// A step of the epoch is done.
    Step {
        /// Steps done.
        done: u32,
        /// Mean loss so far.
        loss: f64,
        /// Accuracy so far.
        accuracy: f64,
    },
    /// An epoch is over.
    EpochFinished {
        /// From 0.
        phase: usize,
        /// From 0 within the phase.
        epoch: u32,
        /// Number to show.
        shown: u32,
        /// Last number to show.
        shown_last: u32,
        /// Steps in the epoch.
        steps: u32,
        /// `loss`, `accuracy`, `val_loss`, `val_accuracy`, in this order.
        figures: Vec<(String, f64)>,
        /// How long it took, validation included.
        seconds: f64,
        /// What is left to train in the whole run, in epochs that are as much work as this one.
        left: f64,
    },
    /// The model was evaluated on the test split.
    Test {
        /// `loss`, `accuracy`.
        figures: Vec<(String, f64)>,
    },
}

/// A stretch of work with progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Bytes of an artifact.
    Download(String),
    /// Bytes of an artifact.
    Verify(String),
    /// Files of an artifact.
    Extract(String),
    /// Bytes of an artifact.
    Copy(String),
    /// Files of a split.
    Decode(SplitName),
    /// Images of a split through the frozen part of the network.
    Features(SplitName),
    /// Images of a split.
    Evaluate(SplitName),
    /// Pictures that a model is asked about.
    Predict,
}

/// Who is told what happens, and who may ask a run to stop.
#[derive(Clone, Copy)]
pub struct Observer<'a> {
    sink: &'a (dyn Fn(Event) + Sync),
    interrupted: &'a AtomicBool,
}

impl<'a> Observer<'a> {
    /// An observer that passes events to `sink` and asks to stop once `interrupted` is true.
    pub fn new(sink: &'a (dyn Fn(Event) + Sync), interrupted: &'a AtomicBool) -> Self {
        Self { sink, interrupted }
    }

    /// Tells what happened. Called from any thread.
    pub fn tell(&self, event: Event) {
        (self.sink)(event);
    }

    /// True once the run should stop; stages look at least a few times a second.
    pub fn interrupted(&self) -> bool {
        self.interrupted.load(Atomic::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_sort_by_number_and_match_patterns() {
        let ten = Address::new("phase.0.epoch.10.loss");
        let nine = Address::new("phase.0.epoch.9.loss");
        assert!(nine < ten);
        assert!(ten.matches("phase.*.epoch.*.loss"));
        assert!(!ten.matches("phase.*.loss"));
        assert!(!ten.matches("phase.*.epoch.*.loss.x"));
    }

    #[test]
    fn numbers_sort_before_words() {
        let class = |name: &str| Address::new("split.train.class").join(name);
        assert!(class("9") < class("10"));
        assert!(class("10") < class("1a"));
        assert!(class("9") < class("1a"));
    }
}
