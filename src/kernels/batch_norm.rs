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

/// `s = gamma × inverse` per output channel.
///
/// # Panics
/// If lengths do not fit.
pub fn scale(gamma: &[f32], inverse: &[f32], scale: &mut [f32]) {
    assert!([gamma.len(), inverse.len()] == [scale.len(); 2]);
    for ((scale, gamma), inverse) in scale.iter_mut().zip(gamma).zip(inverse) {
        *scale = gamma * inverse;
    }
}

/// `out = w × s`, rows `[k][c]`: the folded kernel from the raw one, and the gradient of the raw kernel from
/// that of the folded one.
///
/// # Panics
/// If lengths do not fit.
pub fn scale_rows(level: Level, w: &[f32], scale: &[f32], out: &mut [f32]) {
    assert!(w.len().is_multiple_of(scale.len()) && out.len() == w.len());
    run_scale_rows(level, w, scale, out);
}

lanes_at_level!(
    fn run_scale_rows(w: &[f32], scale: &[f32], out: &mut [f32]) = scale_rows_body
);

#[inline(always)]
unsafe fn scale_rows_body<L: Lanes>(w: &[f32], scale: &[f32], out: &mut [f32]) {
    #[inline(always)]
    unsafe fn weight<L: Lanes>(at: usize, w: &[f32], scale: &[f32], out: &mut [f32]) {
        // SAFETY: `at` and the lanes after it lie inside a row.
        unsafe {
            L::load(w.as_ptr().add(at))
                .mul(L::load(scale.as_ptr().add(at)))
                .store(out.as_mut_ptr().add(at));
        }
    }
    let c = scale.len();
    // SAFETY: lengths were checked.
    unsafe {
        for (w, out) in w.chunks_exact(c).zip(out.chunks_exact_mut(c)) {
            over_lanes!(L, 0..c, weight(w, scale, out));
        }
    }
}

/// The folded bias, `fma(−mean, s, beta)`.
///
/// # Panics
/// If lengths do not fit.
pub fn bias(level: Level, mean: &[f32], scale: &[f32], beta: &[f32], bias: &mut [f32]) {
    assert!([mean.len(), scale.len(), beta.len()] == [bias.len(); 3]);
    run_bias(level, mean, scale, beta, bias);
}

lanes_at_level!(
    fn run_bias(mean: &[f32], scale: &[f32], beta: &[f32], bias: &mut [f32]) = bias_body
);

#[inline(always)]
unsafe fn bias_body<L: Lanes>(mean: &[f32], scale: &[f32], beta: &[f32], bias: &mut [f32]) {
    #[inline(always)]
    unsafe fn start<L: Lanes>(
        at: usize,
        mean: &[f32],
        scale: &[f32],
        beta: &[f32],
        bias: &mut [f32],
    ) {
        // SAFETY: `at` and the lanes after it lie inside 0..c.
        unsafe {
            negated::<L>(mean.as_ptr().add(at))
                .fma(
                    L::load(scale.as_ptr().add(at)),
                    L::load(beta.as_ptr().add(at)),
                )
                .store(bias.as_mut_ptr().add(at));
        }
    }
    // SAFETY: lengths were checked.
    unsafe { over_lanes!(L, 0..bias.len(), start(mean, scale, beta, bias)) }
}

/// −x: subtraction from −0 is exact and flips the sign of zero too.
#[inline(always)]
unsafe fn negated<L: Lanes>(from: *const f32) -> L {
    // SAFETY: the caller's contract.
    unsafe { L::splat(-0.0).sub(L::load(from)) }
}

/// Gradient of gamma from that of the folded kernel: `fma(−mean, db, Σ folded × w) × inverse`, with the raw
/// `w`, the sum in pieces of `piece` rows, each a chain from +0, added in order.
///
/// # Panics
/// If lengths do not fit.
pub fn gamma_gradient(
    level: Level,
    folded: &[f32],
    w: &[f32],
    db: &[f32],
    mean: &[f32],
    inverse: &[f32],
    piece: usize,
    dgamma: &mut [f32],
) {
    let c = dgamma.len();
    assert!([db.len(), mean.len(), inverse.len()] == [c; 3]);
    assert!(w.len().is_multiple_of(c) && folded.len() == w.len() && piece > 0);
    run_gamma_gradient(level, folded, w, db, mean, inverse, piece, dgamma);
}

lanes_at_level!(
    fn run_gamma_gradient(
        folded: &[f32],
        w: &[f32],
        db: &[f32],
        mean: &[f32],
        inverse: &[f32],
        piece: usize,
        dgamma: &mut [f32],
    ) = gamma_gradient_body
);

#[inline(always)]
unsafe fn gamma_gradient_body<L: Lanes>(
    folded: &[f32],
    w: &[f32],
    db: &[f32],
    mean: &[f32],
    inverse: &[f32],
    piece: usize,
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
        piece: usize,
        dgamma: &mut [f32],
    ) {
        let c = dgamma.len();
        let rows = w.len() / c;
        // SAFETY: `at` and the lanes after it lie inside 0..c.
        unsafe {
            let mut total = L::splat(0.0);
            for first in (0..rows).step_by(piece) {
                let mut sum = L::splat(0.0);
                for row in first..rows.min(first + piece) {
                    let gradient = L::load(folded.as_ptr().add(row * c + at));
                    sum = gradient.fma(L::load(w.as_ptr().add(row * c + at)), sum);
                }
                total = if first == 0 { sum } else { total.add(sum) };
            }
            negated::<L>(mean.as_ptr().add(at))
                .fma(L::load(db.as_ptr().add(at)), total)
                .mul(L::load(inverse.as_ptr().add(at)))
                .store(dgamma.as_mut_ptr().add(at));
        }
    }
    // SAFETY: lengths were checked.
    unsafe {
        over_lanes!(
            L,
            0..dgamma.len(),
            column(folded, w, db, mean, inverse, piece, dgamma)
        );
    }
}
