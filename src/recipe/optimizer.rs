//! Update rules.

use super::syntax::{Decode, Located, Node, Problem, Problems, Reader, Rule};

/// Constants are rounded to 32 bits before they are used, and must survive that.
fn is_positive(number: f64) -> bool {
    let rounded = number as f32;
    rounded > 0.0 && rounded.is_finite()
}

const LEARNING_RATE: Rule<f64> = Rule {
    must_be: "a number over 0 that a 32-bit float can hold",
    holds: |&rate| is_positive(rate),
};
const EPSILON: Rule<f64> = Rule {
    must_be: "a number over 0 that a 32-bit float can hold",
    holds: |&epsilon| is_positive(epsilon),
};
const DECAY: Rule<f64> = Rule {
    must_be: "a number from 0 to under 1",
    holds: |decay| (0.0..1.0).contains(decay),
};
const YES_OR_NO: Rule<bool> = Rule {
    must_be: "true or false",
    holds: |_| true,
};

/// Keras' defaults.
pub(super) const BETA_1: f64 = 0.9;
pub(super) const BETA_2: f64 = 0.999;
pub(super) const RHO: f64 = 0.9;
pub(super) const DEFAULT_EPSILON: f64 = 1e-7;
pub(super) const NO_MOMENTUM: f64 = 0.0;

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
        nesterov: nesterov.is_some_and(|nesterov| nesterov.value),
    })
}

fn or(written: Option<Located<f64>>, default: f64) -> f64 {
    written.map_or(default, |number| number.value)
}
