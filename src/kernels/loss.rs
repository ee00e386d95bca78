//! Losses of logits and their gradients, an example at a time.

use super::elementary::{exp_neg, log1p};

fn max0(x: f32) -> f32 {
    if x > 0.0 { x } else { 0.0 }
}

/// Binary cross-entropy on logits in the stable form. `n` is the number of examples whose mean is trained on.
///
/// # Panics
/// If lengths do not fit.
pub fn binary(logits: &[f32], labels: &[u32], n: usize, losses: &mut [f32], dlogits: &mut [f32]) {
    assert!([labels.len(), losses.len(), dlogits.len()] == [logits.len(); 3]);
    let n = n as f32;
    for (at, (&x, &label)) in logits.iter().zip(labels).enumerate() {
        let z = if label == 1 { 1.0 } else { 0.0 };
        let t = exp_neg(-x.abs());
        losses[at] = (max0(x) - x * z) + log1p(t);
        let whole = 1.0 + t;
        let (u, v) = (1.0 / whole, t / whole);
        let (p, q) = if x >= 0.0 { (u, v) } else { (v, u) };
        // −q and not p − 1, which cancels.
        dlogits[at] = (if label == 1 { -q } else { p }) / n;
    }
}

/// Softmax cross-entropy on `[rows][k]` logits.
///
/// # Panics
/// If lengths do not fit.
pub fn softmax(
    logits: &[f32],
    k: usize,
    labels: &[u32],
    n: usize,
    losses: &mut [f32],
    dlogits: &mut [f32],
) {
    assert_eq!(logits.len(), labels.len() * k);
    assert_eq!((losses.len(), dlogits.len()), (labels.len(), logits.len()));
    let n = n as f32;
    let rows = logits.chunks_exact(k).zip(dlogits.chunks_exact_mut(k));
    for ((x, d), (&label, loss)) in rows.zip(labels.iter().zip(losses)) {
        let y = label as usize;
        let mut largest = 0;
        for at in 1..k {
            if x[at] > x[largest] {
                largest = at;
            }
        }
        let mut rest = 0.0;
        for at in 0..k {
            d[at] = exp_neg(x[at] - x[largest]);
            if at != largest {
                rest += d[at];
            }
        }
        *loss = log1p(rest) - (x[y] - x[largest]);
        let whole = 1.0 + rest;
        for (at, d) in d.iter_mut().enumerate() {
            let gradient = if at != y {
                *d / whole
            } else if y == largest {
                -(rest / whole)
            } else {
                *d / whole - 1.0
            };
            *d = gradient / n;
        }
    }
}
