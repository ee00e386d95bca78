//! Digests of what each step of an epoch makes: enough to find the step where two machines part, and small
//! enough to be sent from one to the other.
//!
//! A file has a first line that says what it is, one of JSON with the epoch and the record of all that came
//! before it, and then a line for each digest: 64 hex digits, two spaces, what it is of.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{EpochNumber, Record};

/// The first line of a file.
const FIRST_LINE: &str = "goldrun step digests, format 1";
/// Lines before the first digest.
const HEAD_LINES: usize = 2;
/// What is between a digest and what it is of.
const GAP: &str = "  ";
/// Hex digits of a digest.
const DIGITS: usize = 64;
/// What names before the first step begin with.
const BEFORE: &str = "before";
/// What names of a step begin with.
const STEP: &str = "step";

/// Digests of what the steps of an epoch make, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct StepDigests {
    /// Which epoch.
    pub epoch: EpochNumber,
    /// What was known before its first step, and where it was computed.
    pub record: Record,
    /// The digests.
    pub digests: Vec<StepDigest>,
}

/// The digest of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepDigest {
    /// From 0 within the epoch; none before the first one.
    pub step: Option<usize>,
    /// What kind of thing it is of.
    pub kind: Kind,
    /// Name of the tensor, or path of the picture in its split.
    pub name: String,
    /// Hex sha256 of the values as little-endian f32.
    pub digest: String,
}

/// What a digest is of, in the order in which a step makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// First moments of the optimizer.
    FirstMoment,
    /// Second moments of the optimizer.
    SecondMoment,
    /// Logits of a picture, then its loss.
    Output,
    /// Gradient of the mean loss.
    Gradient,
    /// A parameter, after the step's update.
    Parameter,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::FirstMoment,
        Self::SecondMoment,
        Self::Output,
        Self::Gradient,
        Self::Parameter,
    ];

    /// The word for it in a file.
    const fn word(self) -> &'static str {
        match self {
            Self::FirstMoment => "first_moment",
            Self::SecondMoment => "second_moment",
            Self::Output => "output",
            Self::Gradient => "gradient",
            Self::Parameter => "parameter",
        }
    }

    /// Words for several of them.
    pub const fn words(self) -> &'static str {
        match self {
            Self::FirstMoment => "first moments",
            Self::SecondMoment => "second moments",
            Self::Output => "outputs",
            Self::Gradient => "gradients",
            Self::Parameter => "parameters",
        }
    }
}

/// What the second line of a file says.
#[derive(Serialize, Deserialize)]
struct Head {
    epoch: EpochNumber,
    /// How many lines follow: a file that was cut short is none.
    digests: usize,
    record: Record,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {what}")]
pub struct Damage {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

impl StepDigests {
    /// True if a text is such a file, whole or not.
    pub fn is_in(text: &str) -> bool {
        text.lines().next() == Some(FIRST_LINE)
    }

    /// How many steps they are of.
    pub fn steps(&self) -> usize {
        let last = self.digests.iter().filter_map(|digest| digest.step).max();
        last.map_or(0, |last| last + 1)
    }

    /// The text of a file.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        let head = Head {
            epoch: self.epoch,
            digests: self.digests.len(),
            record: self.record.clone(),
        };
        let mut text = format!("{FIRST_LINE}\n{}\n", serde_json::to_string(&head)?);
        for digest in &self.digests {
            let StepDigest {
                step,
                kind,
                name,
                digest,
            } = digest;
            let when = step.map_or_else(|| BEFORE.to_owned(), |step| format!("{STEP}.{step}"));
            // A line is a line, whatever a file is called.
            let name = name.replace(char::is_control, "\u{fffd}");
            let _ = writeln!(text, "{digest}{GAP}{when}.{}.{name}", kind.word());
        }
        Ok(text)
    }

    /// Reads the text of a file.
    pub fn read(text: &str) -> Result<Self, Damage> {
        let damage = |line, what: String| Damage { line, what };
        let mut lines = text.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err(damage(1, format!("is not `{FIRST_LINE}`")));
        }
        let head = lines.next().unwrap_or_default();
        let head: Head =
            serde_json::from_str(head).map_err(|error| damage(2, error.to_string()))?;
        let digests = lines
            .zip(HEAD_LINES + 1..)
            .map(|(line, number)| {
                StepDigest::read(line)
                    .ok_or_else(|| damage(number, "is no digest with what it is of".to_owned()))
            })
            .collect::<Result<Vec<_>, Damage>>()?;
        if digests.len() != head.digests || !text.ends_with('\n') {
            let what = format!(
                "the file ends here, and is of {} digests: it was cut short",
                head.digests
            );
            return Err(damage(HEAD_LINES + digests.len(), what));
        }
        Ok(Self {
            epoch: head.epoch,
            record: head.record,
            digests,
        })
    }
}

impl StepDigest {
    /// The digest of a line; none where it has not the form of one.
    fn read(line: &str) -> Option<Self> {
        let (digest, of) = line.split_once(GAP)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digest.len() != DIGITS || !digest.bytes().all(is_hex) {
            return None;
        }
        let (when, of) = of.split_once('.')?;
        let (step, of) = match when {
            BEFORE => (None, of),
            STEP => {
                let (step, of) = of.split_once('.')?;
                (Some(step.parse().ok()?), of)
            }
            _ => return None,
        };
        let (kind, name) = of.split_once('.')?;
        Some(Self {
            step,
            kind: Kind::ALL.into_iter().find(|known| known.word() == kind)?,
            name: name.to_owned(),
            digest: digest.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Address, Fact};

    fn digests() -> StepDigests {
        let mut record = Record::default();
        record.facts.insert(Address::new("seed"), Fact::Integer(7));
        let digest = |step, kind, name: &str| StepDigest {
            step,
            kind,
            name: name.to_owned(),
            digest: "0123456789abcdef".repeat(4),
        };
        StepDigests {
            epoch: EpochNumber { phase: 1, epoch: 2 },
            record,
            digests: vec![
                digest(None, Kind::FirstMoment, "dense/kernel"),
                digest(Some(0), Kind::Output, "cats/a  b. c.jpg"),
                digest(Some(11), Kind::Parameter, "dense/kernel"),
            ],
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let text = digests().text().unwrap();
        assert!(StepDigests::is_in(&text));
        assert_eq!(StepDigests::read(&text), Ok(digests()));
    }

    #[test]
    fn what_is_cut_short_or_changed_is_refused_with_its_line() {
        let text = digests().text().unwrap();
        for end in 0..text.len() {
            assert!(StepDigests::read(&text[..end]).is_err(), "{end}");
        }
        let refused = |from: &str, to: &str| {
            let damage = StepDigests::read(&text.replace(from, to)).unwrap_err();
            damage.line
        };
        assert_eq!(refused("format 1", "format 2"), 1);
        assert_eq!(refused("epoch.2", "epoch.-2"), 2);
        assert_eq!(refused("before", "after"), 3);
        assert_eq!(refused("step.0.", "step.-1."), 4);
        assert_eq!(refused("parameter.", "parameters."), 5);
        assert_eq!(refused("cdef  step.11", "cdeF  step.11"), 5);
    }

    #[test]
    fn a_name_cannot_begin_a_line() {
        let mut odd = digests();
        odd.digests[1].name = "cats/a\nb.jpg".to_owned();
        let read = StepDigests::read(&odd.text().unwrap()).unwrap();
        assert_eq!(read.digests[1].name, "cats/a\u{fffd}b.jpg");
    }
}
