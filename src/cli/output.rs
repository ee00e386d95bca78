//! Standard output (data) and standard error (everything else); the only place that prints.

use std::io::{self, IsTerminal, Write};

use anyhow::anyhow;
use serde::Serialize;

use super::exit::Failure;
use crate::report::terminal::Style;

/// Width where the terminal does not say.
const DEFAULT_WIDTH: usize = 120;

/// Writes to standard output. A reader that went away, as `head` does, is no error.
pub fn data(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    // What stays in the buffer would be lost without a word at the end of the process.
    written(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush()),
    )
}

/// Writes a value as JSON to standard output.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(Failure::failed)?;
    text.push('\n');
    data(&text)
}

/// What clap has to say: help and version on standard output, a refusal on standard error.
pub fn usage(error: &clap::Error) -> Result<(), Failure> {
    written(error.print().and_then(|()| std::io::stdout().flush()))
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(anyhow!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Writes a line to standard error.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// True if a person watches standard error.
pub fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// True if errors may be written in colour.
pub fn colours_errors() -> bool {
    is_watched() && !is_colour_unwanted()
}

/// True if `NO_COLOR` is set to anything.
fn is_colour_unwanted() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// How to set text for standard output: `NO_COLOR` turns colour off, `COLUMNS` sets a width.
pub fn style() -> Style {
    let is_terminal = std::io::stdout().is_terminal();
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let width = columns.or_else(|| {
        let (columns, _) = terminal_size::terminal_size_of(std::io::stdout())?;
        Some(usize::from(columns.0))
    });
    Style {
        width: width.unwrap_or(DEFAULT_WIDTH),
        colour: is_terminal && !is_colour_unwanted(),
    }
}
