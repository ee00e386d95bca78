//! Update rules of Keras 3.15 (`update_step` of each optimizer), element by element.

use super::Level;
use super::dispatch::lanes_at_level;
use super::lanes::{Lanes, over_lanes};

/// Adam (Kingma and Ba 2015), with Keras' epsilon outside the root.
#[derive(Clone, Debug)]
pub struct Adam {
    learning_rate: f64,
    beta: [f64; 2],
    /// β₁ᵗ and β₂ᵗ, by repeated products.
    powers: [f64; 2],
    rest: [f32; 2],
    epsilon: f32,
}

impl Adam {
    /// Before the first step; [`Adam::next_step`] must come before each update.
    pub fn new(learning_rate: f64, beta_1: f64, beta_2: f64, epsilon: f64) -> Self {
        Self {
            learning_rate,
            beta: [beta_1, beta_2],
            powers: [1.0, 1.0],
            rest: [(1.0 - beta_1) as f32, (1.0 - beta_2) as f32],
            epsilon: epsilon as f32,
        }
    }

    /// Goes on to the next step.
    pub fn next_step(&mut self) {
        self.powers[0] *= self.beta[0];
        self.powers[1] *= self.beta[1];
    }

    /// Constants of all steps: 1 − β₁, 1 − β₂, epsilon.
    pub(super) fn constants(&self) -> [f32; 3] {
        let [rest_1, rest_2] = self.rest;
        [rest_1, rest_2, self.epsilon]
    }

    /// The rate of the present step.
    pub fn alpha(&self) -> f32 {
        ((self.learning_rate * (1.0 - self.powers[1]).sqrt()) / (1.0 - self.powers[0])) as f32
    }

    /// `m = fma(g − m, 1 − β₁, m)`, `v = fma(g² − v, 1 − β₂, v)`, `w −= (m × α) ÷ (√v + ε)`.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn update(&self, level: Level, w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        assert!([g.len(), m.len(), v.len()] == [w.len(); 3]);
        let [rest_1, rest_2] = self.rest;
        run_adam(
            level,
            w,
            g,
            m,
            v,
            [rest_1, rest_2, self.alpha(), self.epsilon],
        );
    }
}

lanes_at_level!(
    fn run_adam(w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], constants: [f32; 4]) =
        adam_body
);

#[inline(always)]
unsafe fn adam_body<L: Lanes>(
    w: &mut [f32],
    g: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    constants: [f32; 4],
) {
    #[inline(always)]
    unsafe fn element<L: Lanes>(
        at: usize,
        w: &mut [f32],
        g: &[f32],
        m: &mut [f32],
        v: &mut [f32],
        constants: [f32; 4],
    ) {
        // SAFETY: `at` and the lanes after it lie inside the slices.
        unsafe {
            let [rest_1, rest_2, alpha, epsilon] = constants.map(|value| L::splat(value));
            let (pw, pm, pv) = (
                w.as_mut_ptr().add(at),
                m.as_mut_ptr().add(at),
                v.as_mut_ptr().add(at),
            );
            let (g, old_m, old_v) = (L::load(g.as_ptr().add(at)), L::load(pm), L::load(pv));
            let m = g.sub(old_m).fma(rest_1, old_m);
            let v = g.mul(g).sub(old_v).fma(rest_2, old_v);
            m.store(pm);
            v.store(pv);
            let step = m.mul(alpha).div(v.sqrt().add(epsilon));
            L::load(pw).sub(step).store(pw);
        }
    }
    // SAFETY: lengths were checked.
    unsafe { over_lanes!(L, 0..w.len(), element(w, g, m, v, constants)) }
}

/// RMSprop (Hinton 2012), not centred, with Keras' epsilon under the root.
#[derive(Clone, Debug)]
pub struct RmsProp {
    learning_rate: f32,
    rho: f32,
    rest: f32,
    momentum: f32,
    epsilon: f32,
}

impl RmsProp {
    /// With momentum 0 there is none.
    pub fn new(learning_rate: f64, rho: f64, momentum: f64, epsilon: f64) -> Self {
        Self {
            learning_rate: learning_rate as f32,
            rho: rho as f32,
            rest: (1.0 - rho) as f32,
            momentum: momentum as f32,
            epsilon: epsilon as f32,
        }
    }

    /// Learning rate, ρ, 1 − ρ, epsilon, momentum.
    pub(super) fn constants(&self) -> [f32; 5] {
        [
            self.learning_rate,
            self.rho,
            self.rest,
            self.epsilon,
            self.momentum,
        ]
    }

    /// `v = fma(1 − ρ, g², ρ × v)`, `u = (lr × g) ÷ √(v + ε)`, then `w −= u`, or with momentum
    /// `M = fma(μ, M, u)`, `w −= M`.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn update(
        &self,
        level: Level,
        w: &mut [f32],
        g: &[f32],
        v: &mut [f32],
        momentum: &mut [f32],
    ) {
        assert!([g.len(), v.len(), momentum.len()] == [w.len(); 3]);
        let constants = [
            self.rho,
            self.rest,
            self.learning_rate,
            self.epsilon,
            self.momentum,
        ];
        run_rmsprop(level, w, g, v, momentum, constants);
    }
}

lanes_at_level!(
    fn run_rmsprop(
        w: &mut [f32],
        g: &[f32],
        v: &mut [f32],
        momentum: &mut [f32],
        constants: [f32; 5],
    ) = rmsprop_body
);

#[inline(always)]
unsafe fn rmsprop_body<L: Lanes>(
    w: &mut [f32],
    g: &[f32],
    v: &mut [f32],
    momentum: &mut [f32],
    constants: [f32; 5],
) {
    #[inline(always)]
    unsafe fn element<L: Lanes>(
        at: usize,
        w: &mut [f32],
        g: &[f32],
        v: &mut [f32],
        momentum: &mut [f32],
        constants: [f32; 5],
    ) {
        let has_momentum = constants[4] != 0.0;
        // SAFETY: `at` and the lanes after it lie inside the slices.
        unsafe {
            let [rho, rest, rate, epsilon, mu] = constants.map(|value| L::splat(value));
            let (pw, pv) = (w.as_mut_ptr().add(at), v.as_mut_ptr().add(at));
            let g = L::load(g.as_ptr().add(at));
            let v = rest.fma(g.mul(g), rho.mul(L::load(pv)));
            v.store(pv);
            let mut step = rate.mul(g).div(v.add(epsilon).sqrt());
            if has_momentum {
                let pm = momentum.as_mut_ptr().add(at);
                step = mu.fma(L::load(pm), step);
                step.store(pm);
            }
            L::load(pw).sub(step).store(pw);
        }
    }
    // SAFETY: lengths were checked.
    unsafe { over_lanes!(L, 0..w.len(), element(w, g, v, momentum, constants)) }
}

/// Stochastic gradient descent.
#[derive(Clone, Debug)]
pub struct Sgd {
    learning_rate: f32,
    momentum: f32,
    nesterov: bool,
}

impl Sgd {
    /// With momentum 0 it is plain.
    pub fn new(learning_rate: f64, momentum: f64, nesterov: bool) -> Self {
        Self {
            learning_rate: learning_rate as f32,
            momentum: momentum as f32,
            nesterov,
        }
    }

    /// Learning rate and momentum, and whether it is Nesterov's.
    pub(super) fn constants(&self) -> ([f32; 2], bool) {
        ([self.learning_rate, self.momentum], self.nesterov)
    }

    /// `gl = g × lr`; plain `w −= gl`; momentum `M = (μ × M) − gl`, `w += M`; Nesterov
    /// `w += (μ × M) − gl` with the new M.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn update(&self, level: Level, w: &mut [f32], g: &[f32], momentum: &mut [f32]) {
        assert!([g.len(), momentum.len()] == [w.len(); 2]);
        let constants = [self.learning_rate, self.momentum];
        run_sgd(level, w, g, momentum, constants, self.nesterov);
    }
}

lanes_at_level!(
    fn run_sgd(
        w: &mut [f32],
        g: &[f32],
        momentum: &mut [f32],
        constants: [f32; 2],
        nesterov: bool,
    ) = sgd_body
);

#[inline(always)]
unsafe fn sgd_body<L: Lanes>(
    w: &mut [f32],
    g: &[f32],
    momentum: &mut [f32],
    constants: [f32; 2],
    nesterov: bool,
) {
    #[inline(always)]
    unsafe fn element<L: Lanes>(
        at: usize,
        w: &mut [f32],
        g: &[f32],
        momentum: &mut [f32],
        constants: [f32; 2],
        nesterov: bool,
    ) {
        let has_momentum = constants[1] != 0.0;
        // SAFETY: `at` and the lanes after it lie inside the slices.
        unsafe {
            let [rate, mu] = constants.map(|value| L::splat(value));
            let pw = w.as_mut_ptr().add(at);
            let step = L::load(g.as_ptr().add(at)).mul(rate);
            let old = L::load(pw);
            if !has_momentum {
                old.sub(step).store(pw);
                return;
            }
            let pm = momentum.as_mut_ptr().add(at);
            let velocity = mu.mul(L::load(pm)).sub(step);
            velocity.store(pm);
            let change = if nesterov {
                mu.mul(velocity).sub(step)
            } else {
                velocity
            };
            old.add(change).store(pw);
        }
    }
    // SAFETY: lengths were checked.
    unsafe { over_lanes!(L, 0..w.len(), element(w, g, momentum, constants, nesterov)) }
}
