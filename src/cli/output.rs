//! Standard output (data) and standard error (everything else); the only place that prints.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

use anyhow::anyhow;
use serde::Serialize;

use super::exit::Failure;
use crate::report::terminal::{Colour, Style};

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
    let text = error.render();
    let set = |colour: bool| {
        if colour {
            text.ansi().to_string()
        } else {
            text.to_string()
        }
    };
    if error.use_stderr() {
        let text = set(colours_errors());
        return written(std::io::stderr().lock().write_all(text.as_bytes()));
    }
    data(&set(colours(std::io::stdout().is_terminal())))
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(anyhow!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Words that say at the beginning of a line what kind of line it is.
const WORDS: [(&str, Colour); 4] = [
    ("error:", Colour::Bad),
    ("warning:", Colour::Notable),
    ("note:", Colour::Faint),
    ("hint:", Colour::Good),
];

/// Writes a line to standard error; a word that says what kind of line it is is in colour where there is any, and
/// the line is broken between words where a terminal would break it anywhere.
pub fn line(text: &str) {
    let mut text = text.to_owned();
    if let Some((columns, _)) = terminal_size::terminal_size_of(std::io::stderr()) {
        text = broken(&text, usize::from(columns.0));
    }
    if colours_errors() {
        text = painted(&text);
    }
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// The text with `error:`, `warning:`, `note:` and `hint:` at the beginnings of lines in colour.
fn painted(text: &str) -> String {
    let style = Style {
        colour: true,
        ..Style::PLAIN
    };
    let lines = text.split('\n').map(|line| {
        let found = WORDS.iter().find(|(word, _)| line.starts_with(word));
        found.map_or_else(
            || line.to_owned(),
            |(word, colour)| style.paint(word, *colour) + &line[word.len()..],
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The text with lines of prose broken at spaces; what stands between backticks stays in one piece.
fn broken(text: &str, width: usize) -> String {
    let lines = text.split('\n').map(|line| {
        let is_prose = WORDS.iter().any(|(word, _)| line.starts_with(word));
        if !is_prose || line.chars().count() <= width {
            return line.to_owned();
        }
        let mut pieces: Vec<String> = Vec::new();
        let mut is_quoted = false;
        for word in line.split(' ') {
            match pieces.last_mut() {
                Some(piece) if is_quoted => {
                    piece.push(' ');
                    piece.push_str(word);
                }
                _ => pieces.push(word.to_owned()),
            }
            is_quoted ^= word.matches('`').count() % 2 == 1;
        }
        let mut set = String::new();
        let mut column = 0;
        for piece in pieces {
            let length = piece.chars().count();
            if column > 0 && column + 1 + length > width {
                set.push_str("\n ");
                column = 1;
            }
            if column > 0 {
                set.push(' ');
                column += 1;
            }
            set.push_str(&piece);
            column += length;
        }
        set
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// True if a person watches standard error.
pub fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// True if errors may be written in colour.
pub fn colours_errors() -> bool {
    colours(is_watched())
}

/// The one place that decides on colour, by the variables that other programs heed too.
fn colours(is_terminal: bool) -> bool {
    decided(|name| std::env::var_os(name), is_terminal)
}

/// `NO_COLOR` (anything) is stronger than `CLICOLOR_FORCE` (anything but 0), and that than `CLICOLOR` (0) and a
/// terminal that has no colours.
fn decided(variable: impl Fn(&str) -> Option<OsString>, is_terminal: bool) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let is = |name: &str, value: &str| variable(name).is_some_and(|there| there == value);
    if is_set("NO_COLOR") {
        return false;
    }
    if is_set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0") {
        return true;
    }
    is_terminal && !is("CLICOLOR", "0") && !is("TERM", "dumb")
}

/// How to set text for standard output; `COLUMNS` sets a width.
pub fn style() -> Style {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let width = columns.or_else(|| {
        let (columns, _) = terminal_size::terminal_size_of(std::io::stdout())?;
        Some(usize::from(columns.0))
    });
    Style {
        width: width.unwrap_or(DEFAULT_WIDTH),
        colour: colours(std::io::stdout().is_terminal()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_decide_on_colour() {
        let colours = |set: &[(&str, &str)], is_terminal| {
            let variable = |name: &str| {
                let found = set.iter().find(|(there, _)| *there == name);
                found.map(|(_, value)| OsString::from(value))
            };
            decided(variable, is_terminal)
        };
        assert!(colours(&[], true));
        assert!(!colours(&[], false));
        for off in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")] {
            assert!(!colours(&[off], true), "{off:?}");
        }
        assert!(colours(&[("NO_COLOR", ""), ("CLICOLOR", "1")], true));
        assert!(colours(&[("CLICOLOR_FORCE", "1")], false));
        assert!(colours(
            &[("CLICOLOR_FORCE", "1"), ("CLICOLOR", "0")],
            false
        ));
        assert!(!colours(&[("CLICOLOR_FORCE", "0")], false));
        assert!(!colours(
            &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")],
            true
        ));
    }

    #[test]
    fn only_the_words_that_say_what_a_line_is_are_painted() {
        let text = "error: no such note: x\n  found error:\nhint: look";
        let expected =
            "\x1b[1;31merror:\x1b[0m no such note: x\n  found error:\n\x1b[32mhint:\x1b[0m look";
        assert_eq!(painted(text), expected);
        assert_eq!(painted("epoch 1/2"), "epoch 1/2");
    }

    #[test]
    fn prose_is_broken_between_words_and_not_within_commands() {
        let text = "note: it is kept; `goldrun accept small` takes it\nepoch 1/2  and figures\n  | a picture";
        let expected = "note: it is kept;\n  `goldrun accept small`\n  takes it\nepoch 1/2  and figures\n  | a picture";
        assert_eq!(broken(text, 20), expected);
        assert_eq!(broken(text, 80), text);
    }
}
