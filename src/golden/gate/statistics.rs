//! A one-sided two-sample t gate for metric regressions.
//!
//! A metric is measured with several seeds once (the golden values) and again after a change
//! (the new values). [`judge`] says whether the new values are worse by more than the spread
//! between seeds explains: Student's t test with pooled variance, one-sided at level alpha.
//!
//! The whole gate has two stages. Where the first judgement is [`Standing::Worse`], as many new
//! seeds again are run and all new values are judged together; the gate is red only where that is
//! worse too. [`seen_drop`] is the true drop that the whole gate detects in at least [`SHARE`] of
//! cases.

use statrs::distribution::{Beta, ContinuousCDF, StudentsT};

use crate::recipe::Better;

#[cfg(test)]
mod tests;

/// The share of cases in which the whole gate detects a true drop of [`seen_drop`].
pub const SHARE: f64 = 0.9;

/// The fewest golden values that show a spread.
pub const LEAST_SEEDS: usize = 2;

/// The range of alpha that a rule may have: under it statrs' t quantile is wrong for one degree of
/// freedom, above it the margin would be negative.
const ALPHA_RANGE: std::ops::RangeInclusive<f64> = 1e-6..=0.5;

/// The rounding allowed to a drop when it meets the least effect, relative to the larger mean: so
/// that 0.9 to 0.8 is a drop of 0.1.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// Midpoints in the integral over the split of the variance; the factor is within 0.2 % of its
/// limit.
const MIDPOINTS: u16 = 128;

/// The most seeds that the power is computed for; more of them would only lower it, and statrs'
/// quantiles lose digits for large shapes.
const MAX_SEEDS: usize = 10_000;

/// Doublings of the upper end when a factor is bracketed: more than any alpha in range needs.
const DOUBLINGS: u32 = 64;

/// Halvings of that bracket, for 12 digits.
const HALVINGS: u32 = 40;

/// What counts as a regression of one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The probability that one judgement is worse although nothing changed, from 1e-6 to 0.5.
    pub alpha: f64,
    /// The better direction of the metric.
    pub better: Better,
    /// The least drop of the mean that matters, in the metric's unit; 0 or less for any.
    pub min_effect: f64,
}

impl Rule {
    /// Whether both numbers are in range.
    fn is_valid(&self) -> bool {
        ALPHA_RANGE.contains(&self.alpha) && self.min_effect.is_finite()
    }
}

/// How the new values stand against the golden ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The drop is within the margin or under the least effect.
    NoWorse,
    /// The drop is beyond the margin and at least the least effect, or a new value is not finite.
    Worse,
    /// The gain is beyond the margin and at least the least effect: no failure, but worth a look.
    SuspiciouslyGood,
    /// Too few values, a golden value that is not finite, or a rule out of range.
    CannotTell,
}

impl serde::Serialize for Standing {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.words())
    }
}

impl Standing {
    /// The words for it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoWorse => "no worse",
            Self::Worse => "worse",
            Self::SuspiciouslyGood => "suspiciously good",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// One judgement with the numbers behind it; a number that cannot be computed is NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The number of golden values.
    pub golden_seeds: usize,
    /// The number of new values.
    pub new_seeds: usize,
    /// The mean of the golden values, in the metric's unit.
    pub golden_mean: f64,
    /// The mean of the new values, in the metric's unit.
    pub new_mean: f64,
    /// The sample standard deviation (n - 1) of the golden values, in the metric's unit.
    pub golden_sd: f64,
    /// How much worse the new mean is, in the metric's unit; negative where it is better.
    pub drop: f64,
    /// The drop that the spread between seeds explains, in the metric's unit, 0 or more.
    pub margin: f64,
    /// The verdict.
    pub standing: Standing,
}

/// Judges new values of a metric against its golden ones, one value per seed.
///
/// The margin is t(1 - alpha, n1 + n2 - 2) s sqrt(1/n1 + 1/n2) with s the sample standard
/// deviation pooled over both (Student 1908, the two-sample t test with equal variances). One new
/// value has no spread of its own, so s is then the golden one.
///
/// A new value that is not finite, or too large to average, is [`Standing::Worse`] whatever else
/// is given: it is a failed run.
#[must_use]
pub fn judge(rule: &Rule, golden: &[f64], new: &[f64]) -> Judgement {
    let old_moments = Moments::of(golden);
    let new_moments = Moments::of(new);
    let drop = match rule.better {
        Better::Higher => old_moments.mean - new_moments.mean,
        Better::Lower => new_moments.mean - old_moments.mean,
    };
    let failed = !new.is_empty() && !new_moments.is_finite();
    let margin = if failed || !rule.is_valid() {
        None
    } else {
        margin(rule.alpha, &old_moments, &new_moments)
    };
    let larger = old_moments.mean.abs().max(new_moments.mean.abs());
    let standing = match margin {
        _ if failed => Standing::Worse,
        None => Standing::CannotTell,
        Some(margin) => {
            let least = rule.min_effect - ROUNDING * larger;
            if drop > margin && drop >= least {
                Standing::Worse
            } else if -drop > margin && -drop >= least {
                Standing::SuspiciouslyGood
            } else {
                Standing::NoWorse
            }
        }
    };
    Judgement {
        golden_seeds: golden.len(),
        new_seeds: new.len(),
        golden_mean: old_moments.mean,
        new_mean: new_moments.mean,
        golden_sd: old_moments.sd,
        drop,
        margin: margin.unwrap_or(f64::NAN),
        standing,
    }
}

/// The true drop, in the metric's unit, for which the two-stage gate is red in at least [`SHARE`]
/// of cases, from the spread of the golden values and the number of new seeds in stage one.
///
/// The share is over golden and new values together, all normal with one variance: one golden
/// sample with a small spread by chance gives too small a drop. Golden values that are all equal
/// give the least effect, as if the new values had no spread either.
///
/// `None` for fewer than two golden values, one that is not finite, no new seeds, or a rule out of
/// range.
#[must_use]
pub fn seen_drop(rule: &Rule, golden: &[f64], new_seeds: usize) -> Option<f64> {
    let moments = Moments::of(golden);
    if !rule.is_valid() || golden.len() < LEAST_SEEDS || new_seeds == 0 || !moments.is_finite() {
        return None;
    }
    if moments.sd == 0.0 {
        return Some(rule.min_effect.max(0.0));
    }
    let factors = Factors::new(rule.alpha, golden.len(), new_seeds)?;
    let drop = factors.drop(rule.min_effect, moments.sd);
    drop.is_finite().then_some(drop)
}

/// The mean and spread of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// The number of values.
    pub seeds: usize,
    /// Their mean, NaN for no values.
    pub mean: f64,
    /// The sample standard deviation (n - 1), NaN for fewer than two values.
    pub sd: f64,
}

impl Moments {
    /// Of values in any unit.
    pub fn of(values: &[f64]) -> Self {
        let seeds = values.len();
        let Some(&first) = values.first() else {
            return Self {
                seeds,
                mean: f64::NAN,
                sd: f64::NAN,
            };
        };
        // Taken from the first value, the mean of equal values is exactly that value
        let mean = first + values.iter().map(|value| value - first).sum::<f64>() / seeds as f64;
        let sd = if seeds < 2 || !mean.is_finite() {
            f64::NAN
        } else {
            norm(values.iter().map(|value| value - mean)) / ((seeds - 1) as f64).sqrt()
        };
        Self { seeds, mean, sd }
    }

    /// Whether all values are finite and not too large to average.
    fn is_finite(&self) -> bool {
        self.mean.is_finite() && (self.seeds < 2 || self.sd.is_finite())
    }

    /// The square root of the sum of squared deviations.
    fn deviation(&self) -> f64 {
        if self.seeds < 2 {
            0.0
        } else {
            self.sd * ((self.seeds - 1) as f64).sqrt()
        }
    }
}

/// The Euclidean norm, scaled so that no square overflows or vanishes.
fn norm(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let scale = values
        .clone()
        .fold(0.0_f64, |most, value| most.max(value.abs()));
    if scale == 0.0 {
        return 0.0;
    }
    let squares: f64 = values.map(|value| (value / scale) * (value / scale)).sum();
    scale * squares.sqrt()
}

/// The margin of one judgement, in the metric's unit; `None` where it cannot be computed.
fn margin(alpha: f64, golden: &Moments, new: &Moments) -> Option<f64> {
    if golden.seeds < LEAST_SEEDS || new.seeds == 0 || !golden.is_finite() {
        return None;
    }
    let (n1, n2) = (golden.seeds as f64, new.seeds as f64);
    let freedom = n1 + n2 - 2.0;
    let pooled = norm([golden.deviation(), new.deviation()].into_iter()) / freedom.sqrt();
    let margin = upper_quantile(alpha, freedom)? * pooled * standard_error(n1, n2);
    margin.is_finite().then_some(margin)
}

/// The standard error of the difference of two means, in units of the standard deviation.
fn standard_error(n1: f64, n2: f64) -> f64 {
    (1.0 / n1 + 1.0 / n2).sqrt()
}

/// The 1 - alpha quantile of Student's t, for alpha up to 0.5.
fn upper_quantile(alpha: f64, freedom: f64) -> Option<f64> {
    let student = StudentsT::new(0.0, 1.0, freedom).ok()?;
    // From the lower tail, since 1 - alpha would round
    Some(student.inverse_cdf(alpha).abs())
}

/// The true drop that the gate detects, as factors of the golden standard deviation.
struct Factors {
    /// For the margin: drops of this many golden deviations pass it.
    margin: f64,
    /// For the least effect: drops this many golden deviations above it pass it.
    least: f64,
}

impl Factors {
    /// Each factor lets the two stages together miss a share 1 - [`SHARE`] at most, as the sum of
    /// both, since their overlap is not used.
    ///
    /// That overlap also pays for a drop that the margin and the least effect both bound, by
    /// simulation and not by proof: see `the_seen_drop_is_red_in_its_share` in the tests.
    fn new(alpha: f64, golden_seeds: usize, new_seeds: usize) -> Option<Self> {
        let n1 = golden_seeds.min(MAX_SEEDS) as f64;
        let n2 = new_seeds.min(MAX_SEEDS) as f64;
        let first = Stage::new(alpha, n1, n2)?;
        let second = Stage::new(alpha, n1, 2.0 * n2)?;
        let miss = 1.0 - SHARE;
        Some(Self {
            margin: least_factor(miss, |k| first.margin_miss(k) + second.margin_miss(k)),
            least: least_factor(miss, |k| first.least_miss(k) + second.least_miss(k)),
        })
    }

    /// The drop, in the unit of both arguments.
    fn drop(&self, min_effect: f64, golden_sd: f64) -> f64 {
        (self.margin * golden_sd).max(min_effect + self.least * golden_sd)
    }
}

/// The least factor, to 12 digits, whose miss probability is no more than `miss`; `probability`
/// falls with its argument.
fn least_factor(miss: f64, probability: impl Fn(f64) -> f64) -> f64 {
    let mut high = 1.0;
    for _ in 0..DOUBLINGS {
        if probability(high) <= miss {
            break;
        }
        high *= 2.0;
    }
    let mut low = 0.0;
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if probability(middle) > miss {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// One judgement as a random event, over golden and new values.
struct Stage {
    standard_error: f64,
    /// The t quantile of the margin.
    quantile: f64,
    /// Student's t of the pooled deviation.
    pooled: StudentsT,
    /// Student's t of the golden deviation.
    golden: StudentsT,
    /// The golden over the pooled deviation at equally likely points.
    ratios: Vec<f64>,
}

impl Stage {
    /// The golden share of the sum of squares has a Beta((n1 - 1)/2, (n2 - 1)/2) distribution and
    /// is independent of that sum, so the ratio of the deviations is independent of the pooled one.
    fn new(alpha: f64, n1: f64, n2: f64) -> Option<Self> {
        let freedom = n1 + n2 - 2.0;
        let ratios = if n2 < 2.0 {
            vec![1.0]
        } else {
            let split = Beta::new((n1 - 1.0) / 2.0, (n2 - 1.0) / 2.0).ok()?;
            (0..MIDPOINTS)
                .map(|index| (f64::from(index) + 0.5) / f64::from(MIDPOINTS))
                .map(|share| (split.inverse_cdf(share) * freedom / (n1 - 1.0)).sqrt())
                .collect()
        };
        Some(Self {
            standard_error: standard_error(n1, n2),
            quantile: upper_quantile(alpha, freedom)?,
            pooled: StudentsT::new(0.0, 1.0, freedom).ok()?,
            golden: StudentsT::new(0.0, 1.0, n1 - 1.0).ok()?,
            ratios,
        })
    }

    /// The probability that a true drop of `factor` golden deviations stays within the margin:
    /// given the ratio, (observed - true drop) / (pooled deviation, standard error) is Student's t.
    fn margin_miss(&self, factor: f64) -> f64 {
        let drop = factor / self.standard_error;
        let misses = self
            .ratios
            .iter()
            .map(|ratio| self.pooled.cdf(self.quantile - drop * ratio));
        misses.sum::<f64>() / self.ratios.len() as f64
    }

    /// The probability that a true drop of the least effect and `factor` golden deviations is
    /// observed under the least effect.
    fn least_miss(&self, factor: f64) -> f64 {
        self.golden.cdf(-factor / self.standard_error)
    }
}
