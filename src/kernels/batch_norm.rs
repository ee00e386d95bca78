//! Batch norm with constant statistics, folded into the weights of the convolution before it.

use super::Level;
use super::dispatch::lanes_at_level;
use super::lanes::{Lanes, over_lanes};

/// Keras' epsilon of MobileNetV2, as the f64 of its decimal.
const EPSILON: f64 = 0.001;

/// `1 ÷ √(var + ε)` in f64, rounded to f32.
pub fn inverse_deviation(variance: &[f32]) -> Vec<f32> {
    variance
        .iter()
        .map(|&v| (1.0 / (f64::from(v) + EPSILON).sqrt()) as f32)
        .collect()
}

/// `s = gamma × inverse`, `folded = w × s` per output channel, `bias = fma(−mean, s, beta)`.
/// `w` is `[k][c]`.
///
/// # Panics
/// If lengths do not fit.
pub fn fold(
    level: Level,
    w: &[f32],
    gamma: &[f32],
    beta: &[f32],
    mean: &[f32],
    inverse: &[f32],
    folded: &mut [f32],
    bias: &mut [f32],
) {
    let c = gamma.len();
    assert!([beta.len(), mean.len(), inverse.len(), bias.len()] == [c; 4]);
    assert!(w.len().is_multiple_of(c) && folded.len() == w.len());
    run_fold(level, w, gamma, beta, mean, inverse, folded, bias);
}

lanes_at_level!(
    fn run_fold(
        w: &[f32],
        gamma: &[f32],
        beta: &[f32],
        mean: &[f32],
        inverse: &[f32],
        folded: &mut [f32],
        bias: &mut [f32],
    ) = fold_body
);

#[inline(always)]
unsafe fn fold_body<L: Lanes>(
    w: &[f32],
    gamma: &[f32],
    beta: &[f32],
    mean: &[f32],
    inverse: &[f32],
    folded: &mut [f32],
    bias: &mut [f32],
) {
    #[inline(always)]
    unsafe fn scale<L: Lanes>(at: usize, gamma: &[f32], inverse: &[f32]) -> L {
        // SAFETY: the caller's contract.
        unsafe { L::load(gamma.as_ptr().add(at)).mul(L::load(inverse.as_ptr().add(at))) }
    }
    /// The scale is computed again for each row: cheaper than to walk down columns.
    #[inline(always)]
    unsafe fn weight<L: Lanes>(
        at: usize,
        w: &[f32],
        gamma: &[f32],
        inverse: &[f32],
        folded: &mut [f32],
    ) {
        // SAFETY: `at` and the lanes after it lie inside a row.
        unsafe {
            let weight = L::load(w.as_ptr().add(at));
            let weight = weight.mul(scale(at, gamma, inverse));
            weight.store(folded.as_mut_ptr().add(at));
        }
    }
    #[inline(always)]
    unsafe fn start<L: Lanes>(
        at: usize,
        gamma: &[f32],
        beta: &[f32],
        mean: &[f32],
        inverse: &[f32],
        bias: &mut [f32],
    ) {
        // SAFETY: `at` and the lanes after it lie inside 0..c.
        unsafe {
            negated::<L>(mean.as_ptr().add(at))
                .fma(scale(at, gamma, inverse), L::load(beta.as_ptr().add(at)))
                .store(bias.as_mut_ptr().add(at));
        }
    }
    let c = gamma.len();
    // SAFETY: lengths were checked.
    unsafe {
        for (w, folded) in w.chunks_exact(c).zip(folded.chunks_exact_mut(c)) {
            over_lanes!(L, 0..c, weight(w, gamma, inverse, folded));
        }
        over_lanes!(L, 0..c, start(gamma, beta, mean, inverse, bias));
    }
}

/// −x: subtraction from −0 is exact and flips the sign of zero too.
#[inline(always)]
unsafe fn negated<L: Lanes>(from: *const f32) -> L {
    // SAFETY: the caller's contract.
    unsafe { L::splat(-0.0).sub(L::load(from)) }
}

/// From the gradient of the folded kernel: of the raw kernel, `dw = folded × s`, and of gamma,
/// `fma(−mean, db, Σ folded × w) × inverse`, the sum in pieces of `piece` rows, each a chain from +0,
/// added in order.
///
/// # Panics
/// If lengths do not fit.
pub fn gradients(
    level: Level,
    folded: &[f32],
    w: &[f32],
    db: &[f32],
    mean: &[f32],
    inverse: &[f32],
    gamma: &[f32],
    piece: usize,
    dw: &mut [f32],
    dgamma: &mut [f32],
) {
    let c = gamma.len();
    assert!([db.len(), mean.len(), inverse.len(), dgamma.len()] == [c; 4]);
    assert!(
        w.len().is_multiple_of(c) && folded.len() == w.len() && dw.len() == w.len() && piece > 0
    );
    run_gradients(
        level, folded, w, db, mean, inverse, gamma, piece, dw, dgamma,
    );
}

lanes_at_level!(
    fn run_gradients(
        folded: &[f32],
        w: &[f32],
        db: &[f32],
        mean: &[f32],
        inverse: &[f32],
        gamma: &[f32],
        piece: usize,
        dw: &mut [f32],
        dgamma: &mut [f32],
    ) = gradients_body
);

#[inline(always)]
unsafe fn gradients_body<L: Lanes>(
    folded: &[f32],
    w: &[f32],
    db: &[f32],
    mean: &[f32],
    inverse: &[f32],
    gamma: &[f32],
    piece: usize,
    dw: &mut [f32],
    dgamma: &mut [f32],
) {
    #[inline(always)]
    unsafe fn column<L: Lanes>(
        at: usize,
        folded: &[f32],
        w: &[f32],
        db: &[f32],
        mean: &[f32],
        inverse: &[f32],
        gamma: &[f32],
        piece: usize,
        dw: &mut [f32],
        dgamma: &mut [f32],
    ) {
        let c = gamma.len();
        let rows = w.len() / c;
        // SAFETY: `at` and the lanes after it lie inside 0..c.
        unsafe {
            let deviation = L::load(inverse.as_ptr().add(at));
            let scale = L::load(gamma.as_ptr().add(at)).mul(deviation);
            let mut total = L::splat(0.0);
            for first in (0..rows).step_by(piece) {
                let mut sum = L::splat(0.0);
                for row in first..rows.min(first + piece) {
                    let gradient = L::load(folded.as_ptr().add(row * c + at));
                    sum = gradient.fma(L::load(w.as_ptr().add(row * c + at)), sum);
                    gradient.mul(scale).store(dw.as_mut_ptr().add(row * c + at));
                }
                total = if first == 0 { sum } else { total.add(sum) };
            }
            negated::<L>(mean.as_ptr().add(at))
                .fma(L::load(db.as_ptr().add(at)), total)
                .mul(deviation)
                .store(dgamma.as_mut_ptr().add(at));
        }
    }
    // SAFETY: lengths were checked.
    unsafe {
        over_lanes!(
            L,
            0..gamma.len(),
            column(folded, w, db, mean, inverse, gamma, piece, dw, dgamma)
        );
    }
}
