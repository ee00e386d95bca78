//! Single values: their types, what they must be, and words of which one is meant.

use schemars::Schema;
use schemars::transform::Transform;

use super::limits::{Limits, Number, Range};
use super::nearest::nearest;
use super::problem::{Problem, Problems};
use super::text::Text;
use super::tree::{Located, Node, Value};

/// Something that is one value.
pub(crate) trait Scalar: Sized {
    /// How it can be limited.
    type Limits: Limits<Self>;

    /// The value as this type, if it is of it and fits.
    fn read(value: &Value) -> Option<Self>;
}

impl Scalar for String {
    type Limits = Text;

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl Scalar for bool {
    type Limits = ();

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Boolean(value) => Some(*value),
            _ => None,
        }
    }
}

macro_rules! whole_number {
    ($($number:ty)*) => {$(
        impl Scalar for $number {
            type Limits = Range<Self>;

            fn read(value: &Value) -> Option<Self> {
                match value {
                    Value::Integer(number) => {
                        let (least, most) = <Self as Number>::ENDS?;
                        let number = (*number).try_into().ok()?;
                        (least..=most).contains(&number).then_some(number)
                    }
                    _ => None,
                }
            }
        }
    )*};
}

whole_number! { u32 u64 i64 }

impl Scalar for f64 {
    type Limits = Range<Self>;

    fn read(value: &Value) -> Option<Self> {
        // Adding zero turns -0 into +0, so that the two spellings are one number.
        let number = match value {
            Value::Float(number) => number + 0.0,
            Value::Integer(number) => *number as f64,
            _ => return None,
        };
        number.is_finite().then_some(number)
    }
}

/// What a value must be.
pub(crate) struct Rule<T: Scalar> {
    what: &'static str,
    unit: &'static str,
    limits: T::Limits,
}

impl<T: Scalar> Rule<T> {
    /// A value that is `what`, in words that follow "must be" and that the words of the limits follow.
    pub(crate) const fn new(what: &'static str, limits: T::Limits) -> Self {
        Self {
            what,
            unit: "",
            limits,
        }
    }

    /// A number of things.
    pub(crate) const fn number_of(unit: &'static str, limits: T::Limits) -> Self {
        Self {
            what: "a number of",
            unit,
            limits,
        }
    }

    /// In words that follow "must be".
    pub(crate) fn must_be(&self) -> String {
        let space = if self.unit.is_empty() { "" } else { " " };
        [self.what, space, self.unit, &self.limits.words()].concat()
    }

    /// True for a value that is allowed.
    pub(crate) fn holds(&self, value: &T) -> bool {
        self.limits.hold(value)
    }

    /// Reads a value that is called `name` in messages.
    pub(crate) fn read(
        &self,
        name: &str,
        node: &Node,
        problems: &mut Problems,
    ) -> Option<Located<T>> {
        let value = T::read(&node.value).filter(|value| self.holds(value));
        if value.is_none() {
            let title = format!("{name} must be {}", self.must_be());
            let label = format!("found {}", node.value.words());
            problems.add(Problem::new(node.place, title, label));
        }
        let place = node.place;
        value.map(|value| Located { value, place })
    }
}

/// Puts a rule into the schema of a key: `#[schemars(transform = &RULE)]`.
impl<T: Scalar> Transform for &Rule<T> {
    fn transform(&mut self, schema: &mut Schema) {
        self.limits.describe(schema);
        if !self.unit.is_empty() {
            schema.insert("x-unit".to_owned(), self.unit.into());
        }
    }
}

/// The same for the elements of an array, or for the keys of a table that are the recipe's own choice.
pub(crate) struct Inside<'a, T: Scalar>(pub(crate) &'static str, pub(crate) &'a Rule<T>);

impl<T: Scalar> Transform for Inside<'_, T> {
    fn transform(&mut self, schema: &mut Schema) {
        let Self(keyword, rule) = self;
        let mut inside = match schema.remove(*keyword).map(Schema::try_from) {
            Some(Ok(inside)) => inside,
            _ => Schema::default(),
        };
        rule.transform(&mut inside);
        schema.insert((*keyword).to_owned(), inside.into());
    }
}

/// Reads one of some words; `must_be` follows "must be", since what holds the word may be more than that.
pub(crate) fn read_word<T: Clone>(
    name: &str,
    must_be: &str,
    words: &[(&'static str, T)],
    node: &Node,
    problems: &mut Problems,
) -> Option<T> {
    let written = String::read(&node.value).unwrap_or_default();
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == written) {
        return Some(value.clone());
    }
    let title = format!("{name} must be {must_be}");
    let mut problem = Problem::new(node.place, title, format!("found {}", node.value.words()));
    if let Some(near) = nearest(&written, words.iter().map(|(word, _)| *word)) {
        problem = problem.help(format!("did you mean \"{near}\"?"));
    }
    problems.add(problem);
    None
}
