//! The canonical form of a recipe and its digest: only what can change a bit of a record.
//!
//! Sorted lines `address = value`, in UTF-8 with LF. Numbers are in shortest round-trip form without an
//! exponent, strings as JSON, phases and augmentations by index. Keys equal to their defaults are left
//! out, so that a key that a later release adds voids no golden; `split.seed` and `dataset.drawn.seed`,
//! whose defaults are other keys, are always written. The training seed, names, titles, urls, sizes,
//! pins, `first_epoch`, `[check]` and `[[published]]` change no bit and are not in it; an artifact is
//! there by its role and inner path, and its content digest is a fact of its own.
//!
//! Every struct is taken apart whole, so that the compiler asks about each new key.

use std::fmt::Display;

use super::Recipe;
use super::dataset::{Dataset, Drawn, Folders};
use super::input::{Augmentation, Input, Orientation, is_default_batch_size};
use super::metric::{Metric, Threshold};
use super::model::{DEFAULT_ALPHA, DEFAULT_DROPOUT, Head, Model};
use super::optimizer::{BETA_1, BETA_2, DEFAULT_EPSILON, NO_MOMENTUM, Optimizer, RHO};
use super::phase::{Phase, Trainable};
use super::split::{Amount, Cut, Split};
use crate::digest::Digest;

impl Recipe {
    /// The canonical form: sorted lines.
    pub fn canonical(&self) -> Vec<String> {
        let Self {
            dataset,
            input,
            split,
            model,
            phases,
            metrics,
            name: _,
            title: _,
            seed: _,
            artifacts: _,
            published: _,
            check: _,
            overridden: _,
        } = self;
        let mut lines = Lines(Vec::new());
        lines.dataset(dataset);
        lines.input(input);
        lines.split(split);
        lines.model(model);
        for (number, phase) in phases.iter().enumerate() {
            lines.phase(&format!("phase.{number}"), phase);
        }
        lines.metrics(metrics);
        lines.0.sort_unstable();
        lines.0
    }

    /// sha256 of the canonical form, each line with its LF; hex.
    pub fn fingerprint(&self) -> String {
        let mut digest = Digest::default();
        for line in self.canonical() {
            digest.add(line);
            digest.add("\n");
        }
        digest.hex()
    }
}

struct Lines(Vec<String>);

impl Lines {
    #[allow(clippy::needless_pass_by_value)] // Calls read as a table of literals.
    fn put(&mut self, address: &str, value: impl Display) {
        self.0.push(format!("{address} = {value}"));
    }

    fn text(&mut self, address: &str, text: &str) {
        self.put(address, serde_json::Value::from(text));
    }

    #[allow(clippy::needless_pass_by_value)] // Calls read as a table of literals.
    fn put_unless<T: Display + PartialEq>(&mut self, default: T, address: &str, value: T) {
        if value != default {
            self.put(address, value);
        }
    }

    fn dataset(&mut self, dataset: &Dataset) {
        match dataset {
            Dataset::Folders(Folders {
                artifact,
                train,
                validation,
                test,
                rejects,
            }) => {
                self.text("dataset.folders.artifact", artifact);
                self.text("dataset.folders.train", train);
                if let Some(folder) = validation {
                    self.text("dataset.folders.validation", folder);
                }
                if let Some(folder) = test {
                    self.text("dataset.folders.test", folder);
                }
                self.put_unless(0, "dataset.folders.rejects", *rejects);
            }
            Dataset::Drawn(Drawn {
                seed,
                train,
                validation,
                test,
            }) => {
                self.put("dataset.drawn.seed", seed);
                self.put("dataset.drawn.train", train);
                self.put_unless(0, "dataset.drawn.validation", *validation);
                self.put_unless(0, "dataset.drawn.test", *test);
            }
        }
    }

    fn input(&mut self, input: &Input) {
        let Input {
            image_size: [height, width],
            batch_size,
            augment,
            orientation,
        } = input;
        self.put("input.image_size", format!("[{height}, {width}]"));
        if !is_default_batch_size(*batch_size) {
            self.put("input.batch_size", batch_size);
        }
        for (number, augmentation) in augment.iter().enumerate() {
            let address = format!("input.augment.{number}");
            match augmentation {
                Augmentation::FlipHorizontal => self.text(&format!("{address}.flip"), "horizontal"),
                Augmentation::Rotation { turn } => {
                    self.put(&format!("{address}.rotation.turn"), turn);
                }
            }
        }
        match orientation {
            Orientation::Ignore => {}
            Orientation::Apply => self.text("input.orientation", "apply"),
        }
    }

    fn split(&mut self, split: &Split) {
        let Split {
            seed,
            validation,
            test,
        } = split;
        self.put("split.seed", seed);
        for (name, cut) in [("validation", validation), ("test", test)] {
            let Some(Cut { from, amount }) = cut else {
                continue;
            };
            self.text(&format!("split.{name}.from"), from.word());
            match amount {
                Amount::Batches(number) => self.put(&format!("split.{name}.batches"), number),
                Amount::Count(number) => self.put(&format!("split.{name}.count"), number),
                Amount::Fraction(part) => self.put(&format!("split.{name}.fraction"), part),
            }
        }
    }

    fn model(&mut self, model: &Model) {
        match model {
            Model::MobileNetV2 {
                alpha,
                weights,
                head: Head { dropout },
            } => {
                self.put_unless(DEFAULT_ALPHA, "model.mobilenet_v2.alpha", *alpha);
                self.text("model.mobilenet_v2.weights", weights);
                self.put_unless(DEFAULT_DROPOUT, "model.mobilenet_v2.head.dropout", *dropout);
            }
        }
    }

    fn phase(&mut self, address: &str, phase: &Phase) {
        let Phase {
            epochs,
            train,
            optimizer,
            name: _,
            first_epoch: _,
        } = phase;
        self.put(&format!("{address}.epochs"), epochs);
        let trained = format!("{address}.train");
        match train {
            Trainable::Head => self.text(&trained, "head"),
            Trainable::All => self.text(&trained, "all"),
            Trainable::FromIndex(index) => self.put(&format!("{trained}.from"), index),
            Trainable::FromName(name) => self.text(&format!("{trained}.from"), name),
        }
        self.optimizer(&format!("{address}.optimizer"), optimizer);
    }

    fn optimizer(&mut self, address: &str, optimizer: &Optimizer) {
        match *optimizer {
            Optimizer::Adam {
                learning_rate,
                beta_1,
                beta_2,
                epsilon,
            } => {
                self.put(&format!("{address}.adam.learning_rate"), learning_rate);
                self.put_unless(BETA_1, &format!("{address}.adam.beta_1"), beta_1);
                self.put_unless(BETA_2, &format!("{address}.adam.beta_2"), beta_2);
                self.put_unless(DEFAULT_EPSILON, &format!("{address}.adam.epsilon"), epsilon);
            }
            Optimizer::RmsProp {
                learning_rate,
                rho,
                momentum,
                epsilon,
            } => {
                self.put(&format!("{address}.rmsprop.learning_rate"), learning_rate);
                self.put_unless(RHO, &format!("{address}.rmsprop.rho"), rho);
                self.put_unless(
                    NO_MOMENTUM,
                    &format!("{address}.rmsprop.momentum"),
                    momentum,
                );
                self.put_unless(
                    DEFAULT_EPSILON,
                    &format!("{address}.rmsprop.epsilon"),
                    epsilon,
                );
            }
            Optimizer::Sgd {
                learning_rate,
                momentum,
                nesterov,
            } => {
                self.put(&format!("{address}.sgd.learning_rate"), learning_rate);
                self.put_unless(NO_MOMENTUM, &format!("{address}.sgd.momentum"), momentum);
                self.put_unless(false, &format!("{address}.sgd.nesterov"), nesterov);
            }
        }
    }

    fn metrics(&mut self, metrics: &[Metric]) {
        let mut words: Vec<&str> = metrics.iter().map(|metric| metric.word()).collect();
        words.sort_unstable();
        if words != ["accuracy", "loss"] {
            self.put("evaluate.metrics", serde_json::Value::from(words));
        }
        for metric in metrics {
            let threshold = match metric {
                Metric::Loss => continue,
                Metric::Accuracy { threshold } => *threshold,
            };
            let address = "evaluate.metrics.accuracy";
            match threshold {
                threshold if threshold == Threshold::DEFAULT => {}
                Threshold::Probability(p) => self.put(&format!("{address}.probability"), p),
                Threshold::Logit(logit) => self.put(&format!("{address}.logit"), logit),
            }
        }
    }
}
