//! What is measured on every split.

use schemars::{JsonSchema, Schema};
use serde_json::{Value as Json, json};

use super::syntax::{
    Decode, Located, Node, Problem, Problems, Range, Reader, Rule, Value, read_word,
};

const PROBABILITY: Rule<f64> = Rule::new("a number", Range::over(0.0).under(1.0));
const LOGIT: Rule<f64> = Rule::new("a number", Range::FLOAT);

/// What is measured on every split.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(rename_all = "snake_case", deny_unknown_fields, transform = add_bare_accuracy)]
pub enum Metric {
    /// Mean loss.
    Loss,
    /// Share of pictures that are classified right.
    #[schemars(with = "Threshold")]
    Accuracy {
        /// Where a binary logit counts as class 1.
        threshold: Threshold,
    },
}

/// Threshold of binary accuracy, strict.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(rename_all = "snake_case", deny_unknown_fields)]
pub enum Threshold {
    /// A picture counts as class 1, the second by name, if its probability of that is above this.
    Probability(#[schemars(transform = &PROBABILITY)] f64),
    /// The same for the logit; 0 is probability 0.5.
    Logit(#[schemars(transform = &LOGIT)] f64),
}

/// The accuracy may also be named without a table.
fn add_bare_accuracy(schema: &mut Schema) {
    if let Some(Json::Array(forms)) = schema.get_mut("oneOf") {
        let threshold = Threshold::DEFAULT;
        let word = Metric::Accuracy { threshold }.word();
        let description = "Accuracy, at probability 0.5 where there are two classes.";
        forms.insert(
            1,
            json!({ "const": word, "type": "string", "description": description }),
        );
    }
}

impl Threshold {
    /// Where a recipe says nothing: the likelier class.
    pub(super) const DEFAULT: Self = Self::Probability(0.5);
}

impl Metric {
    /// The word in a figure's address: `loss`, and `val_loss` on the validation split.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Accuracy { .. } => "accuracy",
        }
    }
}

/// The `[evaluate]` table as written.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct EvaluateFile {
    /// What is measured on every split. `"loss"` always is.
    #[schemars(extend("default" = ["loss", "accuracy"]))]
    metrics: Option<Located<Vec<Located<Metric>>>>,
}

impl Decode for EvaluateFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let evaluate = Self {
            metrics: table.list("metrics"),
        };
        table.finish();
        Some(evaluate)
    }
}

impl Decode for Metric {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        if matches!(node.value, Value::Table(_)) {
            return with_threshold(node, problems);
        }
        let threshold = Threshold::DEFAULT;
        let words = [
            ("loss", Self::Loss),
            ("accuracy", Self::Accuracy { threshold }),
        ];
        let must_be = "\"loss\", \"accuracy\" or `{ accuracy = … }`";
        read_word("a metric", must_be, &words, node, problems)
    }
}

fn with_threshold(node: &Node, problems: &mut Problems) -> Option<Metric> {
    let mut table = Reader::new(node, problems)?;
    let threshold = table.kind(&[("accuracy", |node, problems| {
        let mut table = Reader::new(node, problems)?;
        let threshold = table.kind(&[
            ("probability", |node, problems| {
                let number = PROBABILITY.read("`probability`", node, problems)?;
                Some(Threshold::Probability(number.value))
            }),
            ("logit", |node, problems| {
                let number = LOGIT.read("`logit`", node, problems)?;
                Some(Threshold::Logit(number.value))
            }),
        ]);
        table.finish();
        threshold
    })]);
    table.finish();
    let threshold = threshold?.value.value;
    Some(Metric::Accuracy { threshold })
}

impl EvaluateFile {
    /// Checks that nothing is measured twice.
    pub(super) fn check(&self, problems: &mut Problems) {
        let Some(metrics) = &self.metrics else {
            return;
        };
        for (position, metric) in metrics.value.iter().enumerate() {
            let word = metric.value.word();
            let earlier = metrics.value[..position]
                .iter()
                .find(|earlier| earlier.value.word() == word);
            if let Some(earlier) = earlier {
                let title = format!("`{word}` can be measured in one way only");
                problems.add(
                    Problem::new(metric.place, title, "this is the second")
                        .other(earlier.place, "the first"),
                );
            }
        }
    }

    /// The metrics: the loss, whether written or not, then the others.
    pub(super) fn decide(&self) -> Vec<Metric> {
        let mut metrics = vec![Metric::Loss];
        match &self.metrics {
            None => metrics.push(Metric::Accuracy {
                threshold: Threshold::DEFAULT,
            }),
            Some(written) => {
                let others = written.value.iter().map(|metric| metric.value);
                metrics.extend(others.filter(|metric| *metric != Metric::Loss));
            }
        }
        metrics
    }
}
