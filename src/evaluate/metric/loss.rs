//! Mean loss (docs/arithmetic.md, "Losses and metrics").

/// Mean of per-example losses: summed in f64 by position, then divided once, so that a short last batch
/// weighs by its examples. NaN of none.
pub fn mean(losses: &[f32]) -> f64 {
    let mut sum = 0.0_f64;
    for &loss in losses {
        sum += f64::from(loss);
    }
    sum / losses.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_in_order_and_in_f64() {
        // In f32 the three small terms would be lost, and the order decides what is left in f64 too.
        let losses = [16_777_216.0, 1.0, 1.0, 1.0];
        assert_eq!(mean(&losses), 16_777_219.0 / 4.0);
        let forward = mean(&[1e16, 1.0, -1e16, 1.0]);
        let expected = ((f64::from(1e16_f32) + 1.0) - f64::from(1e16_f32) + 1.0) / 4.0;
        assert_eq!(forward.to_bits(), expected.to_bits());
    }

    #[test]
    fn of_nothing_is_not_a_number() {
        assert!(mean(&[]).is_nan());
    }
}
