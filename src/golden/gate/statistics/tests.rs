use statrs::distribution::Normal;

use super::*;

const TRIALS: u32 = 10_000;

fn rule(alpha: f64, min_effect: f64) -> Rule {
    Rule {
        alpha,
        better: Better::Higher,
        min_effect,
    }
}

fn standing(min_effect: f64, golden: &[f64], new: &[f64]) -> Standing {
    judge(&rule(0.05, min_effect), golden, new).standing
}

/// Standard normal values by the inverse of the distribution, from splitmix64.
struct Draws(u64);

impl Draws {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    fn uniform(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    fn normals(&mut self, count: usize) -> Vec<f64> {
        let normal = Normal::standard();
        (0..count)
            .map(|_| normal.inverse_cdf(self.uniform()))
            .collect()
    }
}

/// Four standard errors of a share.
fn four_errors(share: f64) -> f64 {
    4.0 * (share * (1.0 - share) / f64::from(TRIALS)).sqrt()
}

/// The margin for the exact quantiles, from samples of standard deviation 1.
#[test]
fn margins_of_the_table() {
    let table = [
        (5, 1, 2.34),
        (5, 3, 1.42),
        (10, 1, 1.92),
        (10, 3, 1.18),
        (10, 5, 0.97),
        (20, 5, 0.86),
    ];
    for (n1, n2, expected) in table {
        // Pairs of plus and minus one value, and 0 where the number is odd
        let sample = |seeds: usize| -> Vec<f64> {
            let paired = seeds - seeds % 2;
            let value = ((seeds - 1) as f64 / paired.max(1) as f64).sqrt();
            let signed = |index: usize| {
                if index.is_multiple_of(2) {
                    value
                } else {
                    -value
                }
            };
            (0..seeds)
                .map(|index| if index < paired { signed(index) } else { 0.0 })
                .collect()
        };
        let judgement = judge(&rule(0.05, 0.0), &sample(n1), &sample(n2));
        assert!((judgement.golden_sd - 1.0).abs() < 1e-12);
        assert!(
            (judgement.margin - expected).abs() <= 0.005,
            "{n1} {n2} {}",
            judgement.margin
        );
    }
}

/// By hand: deviations -1 0 1 and -1 1, so s^2 = (2 + 2) / 3; t(0.95, 3) = 2.3534.
#[test]
fn a_judgement_by_hand() {
    let judgement = judge(&rule(0.05, 0.0), &[9.0, 10.0, 11.0], &[5.0, 7.0]);
    let expected = 2.353_363 * (4.0_f64 / 3.0).sqrt() * (5.0_f64 / 6.0).sqrt();
    assert!(
        (judgement.margin - expected).abs() < 1e-5,
        "{}",
        judgement.margin
    );
    let mut exact = judgement;
    exact.margin = 2.0;
    let by_hand = Judgement {
        golden_seeds: 3,
        new_seeds: 2,
        golden_mean: 10.0,
        new_mean: 6.0,
        golden_sd: 1.0,
        drop: 4.0,
        margin: 2.0,
        standing: Standing::Worse,
    };
    assert_eq!(exact, by_hand);
}

#[test]
fn no_drop_is_red_at_alpha() {
    for (n1, n2) in [(10, 3), (5, 3), (10, 1), (20, 5)] {
        for alpha in [0.01, 0.05] {
            let rule = rule(alpha, 0.0);
            let mut draws = Draws(1);
            let (mut one, mut both) = (0, 0);
            for _ in 0..TRIALS {
                let golden = draws.normals(n1);
                let new = draws.normals(2 * n2);
                if judge(&rule, &golden, &new[..n2]).standing == Standing::Worse {
                    one += 1;
                    both += u32::from(judge(&rule, &golden, &new).standing == Standing::Worse);
                }
            }
            let (one, both) = (f64::from(one), f64::from(both));
            let (one, both) = (one / f64::from(TRIALS), both / f64::from(TRIALS));
            println!("({n1}, {n2}) alpha {alpha}: stage {one:.4} gate {both:.4}");
            assert!(
                (one - alpha).abs() <= four_errors(alpha),
                "{n1} {n2} {alpha} {one}"
            );
            assert!(
                both <= alpha + four_errors(alpha),
                "{n1} {n2} {alpha} {both}"
            );
        }
    }
}

#[test]
fn the_seen_drop_is_red_in_its_share() {
    const MIN_EFFECTS: [f64; 4] = [0.0, 0.5, 2.0, 20.0];
    for (n1, n2) in [(10, 3), (5, 3), (10, 1), (20, 5), (2, 1)] {
        for alpha in [0.01, 0.05] {
            // The factors do not depend on the values, and take too long for every trial
            let factors = Factors::new(alpha, n1, n2).unwrap();
            let mut draws = Draws(2);
            let mut red = [0; MIN_EFFECTS.len()];
            for _ in 0..TRIALS {
                let golden = draws.normals(n1);
                let noise = draws.normals(2 * n2);
                let sd = Moments::of(&golden).sd;
                for (red, min_effect) in red.iter_mut().zip(MIN_EFFECTS) {
                    let rule = rule(alpha, min_effect);
                    let drop = factors.drop(min_effect, sd);
                    let new: Vec<f64> = noise.iter().map(|value| value - drop).collect();
                    let is_red = judge(&rule, &golden, &new[..n2]).standing == Standing::Worse
                        && judge(&rule, &golden, &new).standing == Standing::Worse;
                    *red += u32::from(is_red);
                }
            }
            let (margin, least) = (factors.margin, factors.least);
            println!("({n1}, {n2}) alpha {alpha}: factors {margin:.3} {least:.3} red {red:?}");
            for red in red {
                let share = f64::from(red) / f64::from(TRIALS);
                assert!(
                    share >= SHARE - four_errors(SHARE),
                    "{n1} {n2} {alpha} {share}"
                );
                // A factor far too large would pass the line above
                assert!(share <= 0.95, "{n1} {n2} {alpha} {share}");
            }
        }
    }
}

#[test]
fn the_seen_drop_is_that_of_the_factors() {
    let golden = Draws(3).normals(10);
    let sd = Moments::of(&golden).sd;
    let factors = Factors::new(0.05, 10, 3).unwrap();
    for min_effect in [-1.0, 0.0, 5.0] {
        let expected = (factors.margin * sd).max(min_effect + factors.least * sd);
        assert_eq!(
            seen_drop(&rule(0.05, min_effect), &golden, 3),
            Some(expected)
        );
    }
}

/// With the golden deviation alone, one stage misses Student's t by its quantiles.
#[test]
fn the_miss_of_one_new_seed() {
    let stage = Stage::new(0.05, 10.0, 1.0).unwrap();
    let t = 1.833_113;
    let factor = 2.0 * t * 1.1_f64.sqrt();
    assert!((stage.margin_miss(factor) - 0.05).abs() < 1e-6);
    assert!((stage.least_miss(factor / 2.0) - 0.05).abs() < 1e-6);
}

#[test]
fn more_seeds_see_smaller_drops() {
    let factors = |n1, n2| Factors::new(0.05, n1, n2).unwrap();
    for (few, many) in [(3, 5), (5, 100), (100, MAX_SEEDS), (MAX_SEEDS, usize::MAX)] {
        assert!(factors(10, few).margin >= factors(10, many).margin);
        assert!(factors(10, few).least >= factors(10, many).least);
        assert!(factors(few, 3).margin >= factors(many, 3).margin);
        assert!(factors(few, 3).least >= factors(many, 3).least);
        assert!(factors(many, many).margin.is_finite());
    }
}

#[test]
fn quantiles_hold_over_the_range_of_alpha() {
    for freedom in [1.0, 2.0, 3.0, 10.0, 100.0, 1000.0, 30_000.0] {
        let student = StudentsT::new(0.0, 1.0, freedom).unwrap();
        for alpha in [1e-6, 1e-5, 1e-3, 0.01, 0.05, 0.3, 0.5] {
            let back = student.sf(upper_quantile(alpha, freedom).unwrap());
            assert!(
                (back / alpha - 1.0).abs() < 1e-4,
                "{freedom} {alpha} {back}"
            );
        }
    }
}

#[test]
fn equal_seeds_have_no_margin() {
    let golden = [0.1; 7];
    let judgement = judge(&rule(0.05, 0.0), &golden, &[0.1; 3]);
    assert_eq!(judgement.golden_mean.to_bits(), 0.1_f64.to_bits());
    assert_eq!(judgement.margin.to_bits(), 0);
    assert_eq!(judgement.standing, Standing::NoWorse);
    assert_eq!(
        standing(0.0, &golden, &[0.1_f64.next_down()]),
        Standing::Worse
    );
    assert_eq!(
        standing(0.0, &golden, &[0.1_f64.next_up()]),
        Standing::SuspiciouslyGood
    );
    assert_eq!(standing(0.01, &golden, &[0.095]), Standing::NoWorse);
    assert_eq!(standing(-1.0, &golden, &[0.1]), Standing::NoWorse);
    assert_eq!(seen_drop(&rule(0.05, 0.25), &golden, 3), Some(0.25));
    assert_eq!(seen_drop(&rule(0.05, -0.25), &golden, 3), Some(0.0));
}

#[test]
fn the_least_effect_counts_from_its_exact_value() {
    assert_eq!(standing(0.5, &[1.0; 3], &[0.5]), Standing::Worse);
    assert_eq!(standing(0.500_001, &[1.0; 3], &[0.5]), Standing::NoWorse);
    assert_eq!(standing(0.5, &[1.0; 3], &[1.5]), Standing::SuspiciouslyGood);
    assert_eq!(standing(0.500_001, &[1.0; 3], &[1.5]), Standing::NoWorse);
    // 0.9 - 0.8 is less than 0.1 in binary
    assert_eq!(standing(0.1, &[0.9; 3], &[0.8]), Standing::Worse);
    let golden = [9.0, 10.0, 11.0];
    assert_eq!(standing(4.0, &golden, &[5.0, 7.0]), Standing::Worse);
    assert_eq!(standing(4.001, &golden, &[5.0, 7.0]), Standing::NoWorse);
    // At least the least effect, but within the margin
    assert_eq!(standing(0.5, &golden, &[9.0, 9.0]), Standing::NoWorse);
}

#[test]
fn too_few_values_cannot_tell() {
    for (golden, new) in [
        (&[][..], &[1.0][..]),
        (&[1.0], &[0.0]),
        (&[1.0, 2.0], &[]),
        (&[], &[]),
    ] {
        assert_eq!(standing(0.0, golden, new), Standing::CannotTell);
        assert!(judge(&rule(0.05, 0.0), golden, new).margin.is_nan());
        if golden.len() < 2 || new.is_empty() {
            assert_eq!(seen_drop(&rule(0.05, 0.0), golden, new.len()), None);
        }
    }
}

#[test]
fn what_is_not_finite() {
    let golden = [1.0, 2.0, 3.0];
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for better in [Better::Higher, Better::Lower] {
            let rule = Rule {
                better,
                ..rule(0.05, 100.0)
            };
            for new in [
                &[bad][..],
                &[2.0, bad],
                &[bad, 2.0],
                &[bad, bad],
                &[bad, 2.0, -bad],
            ] {
                assert_eq!(judge(&rule, &golden, new).standing, Standing::Worse);
                assert_eq!(judge(&rule, &[], new).standing, Standing::Worse);
            }
            for golden in [&[1.0, bad][..], &[bad, 1.0], &[bad, bad], &[bad, 1.0, -bad]] {
                assert_eq!(judge(&rule, golden, &[-1e9]).standing, Standing::CannotTell);
                assert_eq!(seen_drop(&rule, golden, 3), None);
            }
        }
    }
    assert_eq!(
        standing(0.0, &golden, &[f64::MAX, -f64::MAX]),
        Standing::Worse
    );
    assert_eq!(
        standing(0.0, &[f64::MAX, -f64::MAX], &golden),
        Standing::CannotTell
    );
    assert_eq!(standing(0.0, &[f64::MAX; 2], &[-f64::MAX]), Standing::Worse);
}

#[test]
fn a_rule_out_of_range_cannot_tell() {
    for alpha in [f64::NAN, -1.0, 0.0, 1e-7, 0.6, 1.0, 2.0, f64::INFINITY] {
        assert_eq!(
            judge(&rule(alpha, 0.0), &[1.0; 3], &[0.0]).standing,
            Standing::CannotTell
        );
        assert_eq!(seen_drop(&rule(alpha, 0.0), &[1.0, 2.0], 1), None);
    }
    for min_effect in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(
            standing(min_effect, &[1.0; 3], &[0.0]),
            Standing::CannotTell
        );
        assert_eq!(seen_drop(&rule(0.05, min_effect), &[1.0; 3], 1), None);
    }
}

#[test]
fn standings_keep_under_shift_scale_and_mirror() {
    let mut draws = Draws(4);
    let mut counts = [0; 3];
    for trial in 0..2_000_u32 {
        let n1 = 2 + trial as usize % 9;
        let n2 = 1 + trial as usize % 4;
        let golden = draws.normals(n1);
        let effect = 3.0 * draws.normals(1)[0];
        let new: Vec<f64> = draws
            .normals(n2)
            .iter()
            .map(|value| value + effect)
            .collect();
        let min_effect = f64::from(trial % 3);
        let expected = judge(&rule(0.05, min_effect), &golden, &new);
        counts[match expected.standing {
            Standing::Worse => 0,
            Standing::SuspiciouslyGood => 1,
            _ => 2,
        }] += 1;
        let map = |values: &[f64], by: &dyn Fn(f64) -> f64| -> Vec<f64> {
            values.iter().map(|&value| by(value)).collect()
        };
        for shift in [-7.0, 0.1, 1000.0] {
            let by = |value| value + shift;
            let got = judge(&rule(0.05, min_effect), &map(&golden, &by), &map(&new, &by));
            assert_eq!(got.standing, expected.standing);
        }
        // Squares of the first two would vanish or overflow
        let two_to_the_600 = f64::from_bits((1023 + 600) << 52);
        for scale in [two_to_the_600, 1.0 / two_to_the_600, 0.25, 1024.0] {
            let by = |value| value * scale;
            let rule = rule(0.05, min_effect * scale);
            let got = judge(&rule, &map(&golden, &by), &map(&new, &by));
            assert_eq!(got.standing, expected.standing);
            assert_eq!(got.margin.to_bits(), (expected.margin * scale).to_bits());
        }
        let by = |value: f64| -value;
        let lower = Rule {
            better: Better::Lower,
            ..rule(0.05, min_effect)
        };
        let got = judge(&lower, &map(&golden, &by), &map(&new, &by));
        assert_eq!(got.standing, expected.standing);
        assert_eq!(got.drop.to_bits(), expected.drop.to_bits());
    }
    assert!(counts.iter().all(|&count| count > 200), "{counts:?}");
}

#[test]
fn the_direction_counts() {
    let golden = [1.0, 1.1, 0.9, 1.0, 1.05];
    for (better, new, expected) in [
        (Better::Higher, 0.0, Standing::Worse),
        (Better::Higher, 2.0, Standing::SuspiciouslyGood),
        (Better::Higher, 1.0, Standing::NoWorse),
        (Better::Lower, 0.0, Standing::SuspiciouslyGood),
        (Better::Lower, 2.0, Standing::Worse),
        (Better::Lower, 1.0, Standing::NoWorse),
    ] {
        let rule = Rule {
            better,
            ..rule(0.05, 0.0)
        };
        assert_eq!(judge(&rule, &golden, &[new]).standing, expected);
    }
}
