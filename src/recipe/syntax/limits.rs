//! Which values a type may have, as data: the reader holds values to it, messages say it in words, and the
//! schema has it as keywords.

use std::fmt::Display;
use std::ops::{Bound, Rem};

use schemars::Schema;
use serde_json::Value;

/// Which values are allowed.
pub(crate) trait Limits<T> {
    /// True for a value that is allowed.
    fn hold(&self, value: &T) -> bool;

    /// In words that follow what the value is: ` from 1 to 10`, `, at least 1`; empty where that says it all.
    fn words(&self) -> String;

    /// Adds the keywords that say the same.
    fn describe(&self, schema: &mut Schema);
}

/// No limits.
impl<T> Limits<T> for () {
    fn hold(&self, _: &T) -> bool {
        true
    }

    fn words(&self) -> String {
        String::new()
    }

    fn describe(&self, _: &mut Schema) {}
}

/// A number that can have limits.
pub(crate) trait Number:
    Copy + PartialOrd + Display + Default + Into<Value> + Rem<Output = Self>
{
    /// The least and the largest that can be read; of what is not whole, every finite number can.
    const ENDS: Option<(Self, Self)>;
}

impl Number for u32 {
    const ENDS: Option<(Self, Self)> = Some((Self::MIN, Self::MAX));
}

impl Number for u64 {
    /// TOML's integers end at 2^63 − 1.
    const ENDS: Option<(Self, Self)> = Some((Self::MIN, i64::MAX as u64));
}

impl Number for i64 {
    const ENDS: Option<(Self, Self)> = Some((Self::MIN, Self::MAX));
}

impl Number for f64 {
    const ENDS: Option<(Self, Self)> = None;
}

/// Numbers between two ends.
#[derive(Clone, Copy)]
pub(crate) struct Range<T> {
    from: Bound<T>,
    to: Bound<T>,
    step: Option<T>,
    said: Option<&'static str>,
}

impl<T: Number> Range<T> {
    /// Every number of the type.
    pub(crate) const ALL: Self = Self {
        from: Bound::Unbounded,
        to: Bound::Unbounded,
        step: None,
        said: None,
    };

    /// This one or larger.
    pub(crate) const fn from(from: T) -> Self {
        Self {
            from: Bound::Included(from),
            ..Self::ALL
        }
    }

    /// Larger than this one.
    pub(crate) const fn over(from: T) -> Self {
        Self {
            from: Bound::Excluded(from),
            ..Self::ALL
        }
    }

    /// This one only, which needs no words.
    pub(crate) const fn only(number: T) -> Self {
        Self::from(number).to(number).said("")
    }

    /// This one at most.
    #[must_use]
    pub(crate) const fn to(self, to: T) -> Self {
        Self {
            to: Bound::Included(to),
            ..self
        }
    }

    /// Less than this one.
    #[must_use]
    pub(crate) const fn under(self, to: T) -> Self {
        Self {
            to: Bound::Excluded(to),
            ..self
        }
    }

    /// Multiples of this one only.
    #[must_use]
    pub(crate) const fn step(self, step: T) -> Self {
        Self {
            step: Some(step),
            ..self
        }
    }

    /// In words of its own, because the ends by themselves say nothing to people.
    #[must_use]
    pub(crate) const fn said(self, words: &'static str) -> Self {
        Self {
            said: Some(words),
            ..self
        }
    }
}

/// What a 32-bit float is larger than 0 for: its least number is 2^-149, and half of that is rounded to 0.
const ROUNDS_TO_0: f64 = f32::from_bits(1) as f64 / 2.0;
/// What a 32-bit float is infinite for: its largest number and half a step, 2^103, more.
const ROUNDS_TO_INFINITY: f64 = f32::MAX as f64 + (1_u128 << 103) as f64;

impl Range<f64> {
    /// What is over 0 and finite also when it is rounded to 32 bits.
    pub(crate) const POSITIVE_FLOAT: Self = Self::over(ROUNDS_TO_0)
        .under(ROUNDS_TO_INFINITY)
        .said(" over 0 that a 32-bit float can hold");
    /// What is finite also when it is rounded to 32 bits.
    pub(crate) const FLOAT: Self = Self::over(-ROUNDS_TO_INFINITY)
        .under(ROUNDS_TO_INFINITY)
        .said(" that a 32-bit float can hold");
}

impl<T: Number> Limits<T> for Range<T> {
    fn hold(&self, value: &T) -> bool {
        let is_over = match self.from {
            Bound::Included(from) => *value >= from,
            Bound::Excluded(from) => *value > from,
            Bound::Unbounded => true,
        };
        let is_under = match self.to {
            Bound::Included(to) => *value <= to,
            Bound::Excluded(to) => *value < to,
            Bound::Unbounded => true,
        };
        let is_multiple = |step| *value % step == T::default();
        is_over && is_under && self.step.is_none_or(is_multiple)
    }

    fn words(&self) -> String {
        use Bound::{Excluded, Included, Unbounded};
        if let Some(said) = self.said {
            return said.to_owned();
        }
        let range = match (self.from, self.to) {
            (Included(from), Included(to)) => format!(" from {from} to {to}"),
            (Included(from), Excluded(to)) => format!(" from {from} to under {to}"),
            (Included(from), Unbounded) => format!(", at least {from}"),
            (Excluded(from), Included(to)) => format!(" over {from}, at most {to}"),
            (Excluded(from), Excluded(to)) => format!(" over {from}, under {to}"),
            (Excluded(from), Unbounded) => format!(" over {from}"),
            (Unbounded, Included(to)) => format!(", at most {to}"),
            (Unbounded, Excluded(to)) => format!(" under {to}"),
            (Unbounded, Unbounded) => String::new(),
        };
        match self.step {
            Some(step) => format!("{range}, a multiple of {step}"),
            None => range,
        }
    }

    fn describe(&self, schema: &mut Schema) {
        schema.remove("minimum");
        schema.remove("maximum");
        if let (Bound::Included(from), Bound::Included(to)) = (self.from, self.to)
            && from == to
        {
            schema.insert("const".to_owned(), from.into());
            return;
        }
        let ends = [
            (
                "minimum",
                "exclusiveMinimum",
                self.from,
                T::ENDS.map(|(least, _)| least),
            ),
            (
                "maximum",
                "exclusiveMaximum",
                self.to,
                T::ENDS.map(|(_, most)| most),
            ),
        ];
        for (included, excluded, bound, of_the_type) in ends {
            let (keyword, end) = match bound {
                Bound::Included(end) => (included, Some(end)),
                Bound::Excluded(end) => (excluded, Some(end)),
                Bound::Unbounded => (included, of_the_type),
            };
            if let Some(end) = end {
                schema.insert(keyword.to_owned(), end.into());
            }
        }
        if let Some(step) = self.step {
            schema.insert("multipleOf".to_owned(), step.into());
        }
        let words = self.words();
        let words = words.trim_start_matches([',', ' ']);
        let words = words.strip_prefix("from ").unwrap_or(words);
        if !words.is_empty() {
            schema.insert("x-range".to_owned(), words.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ends_belong_to_a_range_as_its_words_say() {
        let cases = [
            (
                Range::from(1.0).to(2.0),
                " from 1 to 2",
                [false, true, true, true, false],
            ),
            (
                Range::from(1.0).under(2.0),
                " from 1 to under 2",
                [false, true, true, false, false],
            ),
            (
                Range::from(1.0),
                ", at least 1",
                [false, true, true, true, true],
            ),
            (
                Range::over(1.0).to(2.0),
                " over 1, at most 2",
                [false, false, true, true, false],
            ),
            (
                Range::over(1.0).under(2.0),
                " over 1, under 2",
                [false, false, true, false, false],
            ),
            (
                Range::over(1.0),
                " over 1",
                [false, false, true, true, true],
            ),
            (
                Range::ALL.to(2.0),
                ", at most 2",
                [true, true, true, true, false],
            ),
            (
                Range::ALL.under(2.0),
                " under 2",
                [true, true, true, false, false],
            ),
            (Range::ALL, "", [true; 5]),
        ];
        for (range, words, holds) in cases {
            assert_eq!(range.words(), words);
            assert_eq!(
                [0.5, 1.0, 1.5, 2.0, 2.5].map(|value| range.hold(&value)),
                holds,
                "{words}"
            );
        }
        let sides = Range::from(32_u32).to(96).step(32);
        assert_eq!(sides.words(), " from 32 to 96, a multiple of 32");
        assert_eq!(
            [0, 32, 33, 64, 128].map(|side| sides.hold(&side)),
            [false, true, false, true, false]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Near the ends too, where a number is rounded to another one.
        #[test]
        fn a_32_bit_float_holds_what_the_ranges_say(
            number in prop_oneof![
                any::<f64>(),
                (0..8_u64).prop_map(|steps| f64::from_bits(ROUNDS_TO_0.to_bits() - 4 + steps)),
                (0..8_u64).prop_map(|steps| f64::from_bits(ROUNDS_TO_INFINITY.to_bits() - 4 + steps)),
            ],
        ) {
            let rounded = number as f32;
            prop_assert_eq!(Range::POSITIVE_FLOAT.hold(&number), rounded > 0.0 && rounded.is_finite());
            prop_assert_eq!(Range::FLOAT.hold(&number), rounded.is_finite());
        }
    }
}
