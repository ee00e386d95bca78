//! From logits to what people read: a class and its probability. No figure of a record comes from here.

/// Probability of each class from a picture's logits, in f64; one logit is that of the second of two classes.
pub fn of_classes(logits: &[f32]) -> Vec<f64> {
    if let [logit] = logits {
        // The smaller of the two is computed, so that the larger never rounds to more than 1.
        let size = f64::from(logit.abs());
        let small = libm::exp(-size) / (1.0 + libm::exp(-size));
        return if *logit > 0.0 {
            vec![small, 1.0 - small]
        } else {
            vec![1.0 - small, small]
        };
    }
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, larger);
    let powers: Vec<f64> = logits
        .iter()
        .map(|&logit| libm::exp(f64::from(logit) - f64::from(largest)))
        .collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// The likeliest class and its probability; the first of equal ones. Class 0 with probability 0 of no logits.
pub fn likeliest(logits: &[f32]) -> (u32, f64) {
    let mut best = (0, 0.0);
    for (class, probability) in of_classes(logits).into_iter().enumerate() {
        if probability > best.1 {
            best = (class as u32, probability);
        }
    }
    best
}

fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_logit_is_of_the_second_class() {
        assert_eq!(likeliest(&[0.0]), (0, 0.5));
        let (class, probability) = likeliest(&[0.5]);
        assert_eq!(class, 1);
        // 1 ÷ (1 + e^-0.5), to as many digits as f64 has.
        assert!((probability - 0.622_459_331_201_854_6).abs() < 1e-15);
        assert_eq!(likeliest(&[-1000.0]), (0, 1.0));
        assert_eq!(likeliest(&[1000.0]), (1, 1.0));
    }

    #[test]
    fn more_logits_are_a_softmax_that_does_not_overflow() {
        let probabilities = of_classes(&[1000.0, 1000.0, -1000.0]);
        assert_eq!(probabilities, [0.5, 0.5, 0.0]);
        assert_eq!(likeliest(&[1.0, 3.0, 3.0]).0, 1);
        let sum: f64 = of_classes(&[0.1, -2.0, 0.7]).iter().sum();
        assert!((sum - 1.0).abs() < 1e-15);
    }
}
