//! Reading TOML so that every problem can be shown where it is: a tree of values with their places, the
//! merge of two trees, a small decoder, and the picture of a problem. Knows nothing of recipes.

mod limits;
mod merge;
mod nearest;
mod problem;
mod reader;
mod rule;
mod source;
mod text;
mod tree;

pub(super) use limits::Range;
pub(super) use merge::{KindGroup, MergeRules, Merger, Origin};
pub(super) use nearest::nearest;
pub(super) use problem::{Problem, Problems};
pub(super) use reader::{Decode, Reader};
pub(super) use rule::{Inside, Rule, Scalar, read_word};
pub(super) use source::{Base, Place, Sources};
pub(super) use text::{Form, Text};
pub(super) use tree::{Located, Node, Value, parse};
