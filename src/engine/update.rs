//! The optimizer of a phase: its rule with the constants of a step, and the state of a tensor.

use std::ops::Range;

use super::Moments;
use crate::kernels::cuda::update::Rule;
use crate::kernels::optimizer::{Adam, RmsProp, Sgd};
use crate::kernels::{Buffer, Level, zeros};
use crate::recipe::Optimizer;

/// State of one tensor; a rule uses what it needs.
pub(in crate::engine) struct State {
    /// First moment, or momentum.
    first: Buffer,
    /// Second moment.
    second: Buffer,
}

impl State {
    /// Flat index of the first element of a moment that is not finite.
    pub(in crate::engine) fn first_non_finite(&self) -> Option<usize> {
        let bad = |values: &[f32]| values.iter().position(|value| !value.is_finite());
        bad(&self.first).or_else(|| bad(&self.second))
    }

    /// True if there are no elements.
    pub(in crate::engine) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// A copy, as the state of the tensor at a place.
    pub(in crate::engine) fn moments(&self, tensor: usize) -> Moments {
        Moments {
            tensor,
            first: self.first.to_vec(),
            second: self.second.to_vec(),
        }
    }

    /// Takes what [`moments`](Self::moments) gave.
    ///
    /// # Panics
    /// If it is of another length.
    pub(in crate::engine) fn restore(&mut self, moments: &Moments) {
        self.first.copy_from_slice(&moments.first);
        self.second.copy_from_slice(&moments.second);
    }

    /// The state of all elements.
    pub(in crate::engine) fn whole(&mut self) -> StatePart<'_> {
        StatePart {
            first: &mut self.first,
            second: &mut self.second,
        }
    }

    /// The state of some elements.
    pub(in crate::engine) fn part(&mut self, elements: Range<usize>) -> StatePart<'_> {
        StatePart {
            first: &mut self.first[elements.clone()],
            second: &mut self.second[elements],
        }
    }

    /// Fresh state for `len` elements.
    pub(in crate::engine) fn new(len: usize) -> Self {
        Self {
            first: zeros(len),
            second: zeros(len),
        }
    }
}

/// State of some elements of a tensor.
pub(in crate::engine) struct StatePart<'a> {
    first: &'a mut [f32],
    second: &'a mut [f32],
}

/// The rule at the present step.
pub(in crate::engine) enum Update {
    /// Kingma and Ba 2015.
    Adam(Adam),
    /// Hinton 2012.
    RmsProp(RmsProp),
    /// Plain, momentum or Nesterov.
    Sgd(Sgd),
}

impl Update {
    /// No change: before a phase begins.
    pub(in crate::engine) fn none() -> Self {
        Self::Sgd(Sgd::new(0.0, 0.0, false))
    }

    /// The rule of a phase, before its first step.
    pub(in crate::engine) fn new(optimizer: &Optimizer) -> Self {
        match *optimizer {
            Optimizer::Adam {
                learning_rate,
                beta_1,
                beta_2,
                epsilon,
            } => Self::Adam(Adam::new(learning_rate, beta_1, beta_2, epsilon)),
            Optimizer::RmsProp {
                learning_rate,
                rho,
                momentum,
                epsilon,
            } => Self::RmsProp(RmsProp::new(learning_rate, rho, momentum, epsilon)),
            Optimizer::Sgd {
                learning_rate,
                momentum,
                nesterov,
            } => Self::Sgd(Sgd::new(learning_rate, momentum, nesterov)),
        }
    }

    /// Goes on to the next step: Adam's rate depends on its number.
    pub(in crate::engine) fn next_step(&mut self) {
        if let Self::Adam(adam) = self {
            adam.next_step();
        }
    }

    /// Goes on by so many steps, as if they had been done.
    pub(in crate::engine) fn skip(&mut self, steps: u64) {
        for _ in 0..steps {
            self.next_step();
        }
    }

    /// Goes on by so many steps; Adam's rate in each, and nothing for those that have one rate.
    pub(in crate::engine) fn rates(&mut self, steps: usize) -> Vec<f32> {
        (0..steps)
            .map(|_| {
                self.next_step();
                match self {
                    Self::Adam(adam) => adam.alpha(),
                    Self::RmsProp(_) | Self::Sgd(_) => 0.0,
                }
            })
            .collect()
    }

    /// As a CUDA device takes it.
    pub(in crate::engine) fn rule(&self) -> Rule {
        match self {
            Self::Adam(rule) => rule.into(),
            Self::RmsProp(rule) => rule.into(),
            Self::Sgd(rule) => rule.into(),
        }
    }

    /// Changes `w` by the gradient `g`.
    pub(in crate::engine) fn apply(
        &self,
        level: Level,
        w: &mut [f32],
        g: &[f32],
        state: StatePart<'_>,
    ) {
        let StatePart { first, second } = state;
        match self {
            Self::Adam(rule) => rule.update(level, w, g, first, second),
            Self::RmsProp(rule) => rule.update(level, w, g, second, first),
            Self::Sgd(rule) => rule.update(level, w, g, first),
        }
    }
}
