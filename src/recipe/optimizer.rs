//! Update rules.

use schemars::JsonSchema;

use super::syntax::{Decode, Located, Node, Problem, Problems, Range, Reader, Rule};

/// Constants are rounded to 32 bits before they are used, and must survive that.
const LEARNING_RATE: Rule<f64> = Rule::new("a number", Range::POSITIVE_FLOAT);
const EPSILON: Rule<f64> = Rule::new("a number", Range::POSITIVE_FLOAT);
const DECAY: Rule<f64> = Rule::new("a number", Range::from(0.0).under(1.0));
const YES_OR_NO: Rule<bool> = Rule::new("true or false", ());

/// Keras' defaults.
pub(super) const BETA_1: f64 = 0.9;
pub(super) const BETA_2: f64 = 0.999;
pub(super) const RHO: f64 = 0.9;
pub(super) const DEFAULT_EPSILON: f64 = 1e-7;
pub(super) const NO_MOMENTUM: f64 = 0.0;
pub(super) const NESTEROV: bool = false;

/// An update rule, Keras 3's formulas (arithmetic.md §6).
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimizer {
    /// Adam (Kingma and Ba 2015).
    Adam {
        /// Learning rate.
        #[schemars(transform = &LEARNING_RATE)]
        learning_rate: f64,
        /// Decay of the first moment.
        #[schemars(with = "Option<f64>", transform = &DECAY, extend("default" = BETA_1))]
        beta_1: f64,
        /// Decay of the second moment.
        #[schemars(with = "Option<f64>", transform = &DECAY, extend("default" = BETA_2))]
        beta_2: f64,
        /// Added to the root.
        #[schemars(with = "Option<f64>", transform = &EPSILON, extend("default" = DEFAULT_EPSILON))]
        epsilon: f64,
    },
    /// RMSprop (Hinton 2012), not centred.
    RmsProp {
        /// Learning rate.
        #[schemars(transform = &LEARNING_RATE)]
        learning_rate: f64,
        /// Decay of the squared gradient.
        #[schemars(with = "Option<f64>", transform = &DECAY, extend("default" = RHO))]
        rho: f64,
        /// Momentum; 0 is none.
        #[schemars(with = "Option<f64>", transform = &DECAY, extend("default" = NO_MOMENTUM))]
        momentum: f64,
        /// Added under the root.
        #[schemars(with = "Option<f64>", transform = &EPSILON, extend("default" = DEFAULT_EPSILON))]
        epsilon: f64,
    },
    /// Stochastic gradient descent, with momentum if you like.
    Sgd {
        /// Learning rate.
        #[schemars(transform = &LEARNING_RATE)]
        learning_rate: f64,
        /// Momentum; 0 is none.
        #[schemars(with = "Option<f64>", transform = &DECAY, extend("default" = NO_MOMENTUM))]
        momentum: f64,
        /// Nesterov's form; needs a `momentum` over 0.
        #[schemars(with = "Option<bool>", extend("default" = NESTEROV))]
        nesterov: bool,
    },
}

impl Decode for Optimizer {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let optimizer = table.kind(&[("adam", adam), ("rmsprop", rmsprop), ("sgd", sgd)]);
        table.finish();
        optimizer.map(|optimizer| optimizer.value)
    }
}

fn adam(node: &Node, problems: &mut Problems) -> Option<Optimizer> {
    let mut table = Reader::new(node, problems)?;
    let learning_rate = table.required("learning_rate", &LEARNING_RATE);
    let beta_1 = table.value("beta_1", &DECAY);
    let beta_2 = table.value("beta_2", &DECAY);
    let epsilon = table.value("epsilon", &EPSILON);
    table.finish();
    Some(Optimizer::Adam {
        learning_rate: learning_rate?.value,
        beta_1: or(beta_1, BETA_1),
        beta_2: or(beta_2, BETA_2),
        epsilon: or(epsilon, DEFAULT_EPSILON),
    })
}

fn rmsprop(node: &Node, problems: &mut Problems) -> Option<Optimizer> {
    let mut table = Reader::new(node, problems)?;
    let learning_rate = table.required("learning_rate", &LEARNING_RATE);
    let rho = table.value("rho", &DECAY);
    let momentum = table.value("momentum", &DECAY);
    let epsilon = table.value("epsilon", &EPSILON);
    table.finish();
    Some(Optimizer::RmsProp {
        learning_rate: learning_rate?.value,
        rho: or(rho, RHO),
        momentum: or(momentum, NO_MOMENTUM),
        epsilon: or(epsilon, DEFAULT_EPSILON),
    })
}

fn sgd(node: &Node, problems: &mut Problems) -> Option<Optimizer> {
    let mut table = Reader::new(node, problems)?;
    let learning_rate = table.required("learning_rate", &LEARNING_RATE);
    let momentum = or(table.value("momentum", &DECAY), NO_MOMENTUM);
    let nesterov = table.value("nesterov", &YES_OR_NO);
    if let Some(nesterov) = nesterov.as_ref().filter(|nesterov| nesterov.value)
        && momentum == NO_MOMENTUM
    {
        let title = "`nesterov` changes nothing without momentum";
        let problem = Problem::new(nesterov.place, title, "needs a `momentum` over 0");
        table
            .problems()
            .add(problem.help("Keras' own examples use `momentum = 0.9`"));
    }
    table.finish();
    Some(Optimizer::Sgd {
        learning_rate: learning_rate?.value,
        momentum,
        nesterov: nesterov.map_or(NESTEROV, |nesterov| nesterov.value),
    })
}

fn or(written: Option<Located<f64>>, default: f64) -> f64 {
    written.map_or(default, |number| number.value)
}
