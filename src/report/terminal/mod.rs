//! What a person reads in a terminal or a log.
//!
//! [`lines`] are the lines of a run going on, [`verdict`] the report of `check`, `accept` and `diff`,
//! [`network`] the layer table, [`table`] the columns they are set in. Colour repeats what a word says
//! and never says anything alone.

pub mod gate;
pub mod lines;
pub mod network;
pub mod numbers;
pub mod selftest;
pub mod steps;
pub mod table;
pub mod verdict;

/// How text is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns to stay within where that is possible.
    pub width: usize,
    /// True if escape codes for colour may be written.
    pub colour: bool,
}

impl Style {
    /// For logs and files: 120 columns, no colour.
    pub const PLAIN: Self = Self {
        width: 120,
        colour: false,
    };

    /// The text in a colour, where colours may be written.
    pub fn paint(self, text: &str, colour: Colour) -> String {
        match (self.colour, colour) {
            (false, _) | (true, Colour::None) => text.to_owned(),
            (true, Colour::Good) => format!("\x1b[32m{text}\x1b[0m"),
            (true, Colour::Notable) => format!("\x1b[33m{text}\x1b[0m"),
            (true, Colour::Bad) => format!("\x1b[1;31m{text}\x1b[0m"),
            (true, Colour::Faint) => format!("\x1b[2m{text}\x1b[0m"),
        }
    }
}

/// What a colour stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// The terminal's own.
    None,
    /// As it should be.
    Good,
    /// Worth a look.
    Notable,
    /// Not as it should be.
    Bad,
    /// Of little weight.
    Faint,
}
