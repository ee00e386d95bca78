//! Accuracy (docs/arithmetic.md, "Losses and metrics"): whole numbers until the one division.

use crate::recipe::Threshold;

/// Share of examples classified right, from logits `[examples][logits_per_example]`. NaN of none.
///
/// One logit an example is binary: class 1 strictly above the threshold. More are classes: the first of
/// the largest logits wins, and `threshold` plays no part.
pub fn share(
    logits: &[f32],
    logits_per_example: usize,
    labels: &[u32],
    threshold: Threshold,
) -> f64 {
    let right = correct(logits, logits_per_example, labels, threshold);
    right as f64 / labels.len() as f64
}

/// Number of examples classified right; see [`share`].
pub fn correct(
    logits: &[f32],
    logits_per_example: usize,
    labels: &[u32],
    threshold: Threshold,
) -> u64 {
    let limit = logit_limit(threshold);
    let right = logits
        .chunks_exact(logits_per_example.max(1))
        .zip(labels)
        .filter(|(row, label)| class(row, limit) == **label)
        .count();
    right as u64
}

/// The class that a row of logits names; `limit` is the logit above which one logit means class 1.
pub fn class(row: &[f32], limit: f32) -> u32 {
    match row {
        [logit] => u32::from(*logit > limit),
        _ => first_of_largest(row),
    }
}

/// The logit above which one logit means class 1.
///
/// Probability 0.5 is logit 0 exactly, for `log(1)` is.
pub fn logit_limit(threshold: Threshold) -> f32 {
    match threshold {
        Threshold::Logit(logit) => logit as f32,
        Threshold::Probability(p) => libm::log(p / (1.0 - p)) as f32,
    }
}

/// Index of the first of the largest logits.
fn first_of_largest(row: &[f32]) -> u32 {
    let mut best = 0;
    let mut largest = f32::NEG_INFINITY;
    for (index, &logit) in row.iter().enumerate() {
        if logit > largest {
            largest = logit;
            best = index;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Threshold = Threshold::Probability(0.5);

    #[test]
    fn binary_is_strict_at_the_threshold() {
        assert_eq!(logit_limit(HALF).to_bits(), 0);
        assert_eq!(correct(&[0.0, 1e-30, -0.0], 1, &[0, 1, 0], HALF), 3);
    }

    #[test]
    fn a_threshold_on_the_logit_is_not_one_on_the_probability() {
        let logits = [0.4, 0.6];
        assert_eq!(correct(&logits, 1, &[1, 1], HALF), 2);
        assert_eq!(correct(&logits, 1, &[1, 1], Threshold::Logit(0.5)), 1);
        // Logit 0.5 is probability 0.6225.
        assert_eq!(
            correct(&logits, 1, &[1, 1], Threshold::Probability(0.65)),
            0
        );
    }

    #[test]
    fn of_equal_logits_the_first_class_wins() {
        let logits = [1.5, -0.25, 1.5, -3.0, -2.0, -2.0];
        assert_eq!(correct(&logits, 3, &[0, 1], HALF), 2);
        assert_eq!(share(&logits, 3, &[2, 1], HALF), 0.5);
    }

    #[test]
    fn the_tutorials_test_accuracy() {
        let labels = vec![1; 192];
        let mut logits = vec![1.0; 192];
        logits[188..].fill(-1.0);
        assert_eq!(share(&logits, 1, &labels, HALF), 188.0 / 192.0);
    }
}
