//! Single values: their types, what they must be, and words of which one is meant.

use super::nearest::nearest;
use super::problem::{Problem, Problems};
use super::tree::{Located, Node, Value};

/// Something that is one value.
pub(crate) trait Scalar: Sized {
    /// The value as this type, if it is of it and fits.
    fn read(value: &Value) -> Option<Self>;
}

impl Scalar for String {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl Scalar for bool {
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
            fn read(value: &Value) -> Option<Self> {
                match value {
                    Value::Integer(number) => (*number).try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}

whole_number! { u32 u64 i64 }

impl Scalar for f64 {
    fn read(value: &Value) -> Option<Self> {
        // Adding zero turns -0 into +0, so that the two spellings are one number.
        match value {
            Value::Float(number) => Some(number + 0.0),
            Value::Integer(number) => Some(*number as f64),
            _ => None,
        }
    }
}

/// What a value must be.
pub(crate) struct Rule<T> {
    /// In words that follow "must be".
    pub(crate) must_be: &'static str,
    /// The same as a test.
    pub(crate) holds: fn(&T) -> bool,
}

impl<T: Scalar> Rule<T> {
    /// Reads a value that is called `name` in messages.
    pub(crate) fn read(
        &self,
        name: &str,
        node: &Node,
        problems: &mut Problems,
    ) -> Option<Located<T>> {
        let value = T::read(&node.value).filter(self.holds);
        if value.is_none() {
            let title = format!("{name} must be {}", self.must_be);
            let label = format!("found {}", node.value.words());
            problems.add(Problem::new(node.place, title, label));
        }
        let place = node.place;
        value.map(|value| Located { value, place })
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
