//! Goldens: accepted records, where they are kept and how a record is held to one.
//!
//! [`text`] is the file, [`store`] the folder, [`compare`] the verdict, [`parting`] the first place where
//! two records part, [`accept`] what makes a run unfit to become a golden. Comparison reads facts and
//! never provenance; nothing here writes a golden by itself, and an unreadable golden is an error, never
//! the absence of one.

pub mod accept;
pub mod cause;
pub mod compare;
pub mod gate;
pub mod parting;
mod schema;
pub mod steps;
pub mod store;
pub mod text;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::record::{Address, RECORD_FORMAT, Record};

/// What can be wrong with a golden file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read, written or renamed; the message names it.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file is not TOML, or holds a value that no golden can hold.
    #[error(
        "golden {place} is damaged: {message}\n\
         hint: restore it from version control; `goldrun accept` writes it anew from a run"
    )]
    Damaged {
        /// The file, or where else the text came from.
        place: String,
        /// What is wrong, with line and column where they are known.
        message: String,
    },
    /// The file is of a format that this version does not read.
    #[error(
        "golden {place} has format {found}, this goldrun reads format {RECORD_FORMAT}\n\
         hint: {}",
        format_hint(*.found)
    )]
    OtherFormat {
        /// The file, or where else the text came from.
        place: String,
        /// The number in the file.
        found: u64,
    },
    /// The record holds facts that a golden file cannot.
    #[error("the record cannot be kept as a golden: {what}")]
    Unfaithful {
        /// What is lost or changed, or what the text would be damaged by.
        what: String,
    },
    /// A name that would lead out of the folder of goldens.
    #[error(
        "`{name}` is no name for a golden\nhint: a recipe's name is a file name without its ending"
    )]
    Name {
        /// The name.
        name: String,
    },
}

/// What to do about a golden of format `found`.
fn format_hint(found: u64) -> &'static str {
    if found > u64::from(RECORD_FORMAT) {
        "it was written by a later goldrun: update goldrun"
    } else {
        "it was written by an earlier goldrun: run the recipe, look at `goldrun diff`, then `goldrun accept`"
    }
}

/// An accepted record.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// Its facts and its provenance.
    pub record: Record,
    /// What other seeds gave.
    pub seeds: Seeds,
    /// Its file; none where it is the one inside the binary.
    pub path: Option<PathBuf>,
}

/// What runs of one recipe with several seeds gave: raw figures, so that any rule can judge by them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seeds {
    /// What the figures of each run are.
    pub figures: Vec<Address>,
    /// Figures of each seed's run.
    pub runs: BTreeMap<u64, Vec<f64>>,
}

impl Seeds {
    /// No runs yet, of which these figures are wanted.
    pub fn of(figures: &[String]) -> Self {
        Self {
            figures: figures.iter().map(Address::new).collect(),
            runs: BTreeMap::new(),
        }
    }

    /// Adds the figures of a seed's run; one that the record has not is not a number.
    pub fn add(&mut self, seed: u64, record: &Record) {
        let value = |address| record.figure(address).unwrap_or(f64::NAN);
        let values = self.figures.iter().map(value).collect();
        self.runs.insert(seed, values);
    }

    /// The values of a figure, by ascending seed; none where it is no figure of the runs.
    pub fn values(&self, figure: &Address) -> Option<Vec<f64>> {
        let place = self.figures.iter().position(|address| address == figure)?;
        let values = self
            .runs
            .values()
            .map(|figures| figures.get(place).copied());
        values.collect()
    }
}
