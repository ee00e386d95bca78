//! Cutting sources into splits: disjoint, fixed by the seed of the splits alone.
//!
//! A source that is cut has one random order (purpose 2, slot = the source): first the test split's
//! pictures, then the validation split's, then what remains. All of them are evaluated in that order;
//! a source that is not cut is evaluated in sorted order. Cuts are made over all files of the source,
//! decodable or not, so that a file that is left out later moves no other file to another split.

use crate::random::{Purpose, Stream};
use crate::recipe::{self, Amount, Cut, SplitName};

use super::Error;
use super::scan::{Source, Sources};

/// The pictures of one split.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The split.
    pub name: SplitName,
    /// Where its pictures come from.
    pub source: SplitName,
    /// Places in the source's sorted list, in evaluation order.
    pub places: Vec<u32>,
}

/// Splits are cut in this order from a source; the rest is the source's own split.
const CUT_ORDER: [SplitName; 2] = [SplitName::Test, SplitName::Validation];

/// Gives train, validation and test, in this order.
pub fn cut(split: &recipe::Split, sources: &Sources, batch_size: u32) -> Result<[Part; 3], Error> {
    check(split, sources)?;
    let mut parts: [Option<Part>; 3] = [None, None, None];
    for from in SplitName::ALL {
        let Some(source) = sources.find(from) else {
            continue;
        };
        let total = source.items.len() as u64;
        let mut left = evaluation_order(split, from, source);
        for name in CUT_ORDER {
            let Some(cut) = cut_of(split, name).filter(|cut| cut.from == from) else {
                continue;
            };
            let asked = cut.amount.of(total, batch_size);
            if asked == 0 {
                return Err(Error::EmptySplit {
                    split: name.word(),
                    why: format!("{} is 0", cut.amount.text(total, batch_size)),
                    hint: "ask for more of its source",
                });
            }
            if asked > left.len() as u64 {
                return Err(Error::CutTooLarge {
                    split: name.word(),
                    from: from.word(),
                    asked,
                    left: left.len() as u64,
                    total,
                    hint: format!("it asks for {}", cut.amount.text(total, batch_size)),
                });
            }
            let rest = left.split_off(asked as usize);
            parts[name.slot() as usize] = Some(Part {
                name,
                source: from,
                places: std::mem::replace(&mut left, rest),
            });
        }
        if left.is_empty() {
            return Err(Error::nothing_left(from, source.items.len()));
        }
        parts[from.slot() as usize] = Some(Part {
            name: from,
            source: from,
            places: left,
        });
    }
    let [train, validation, test] = parts;
    let found =
        |part: Option<Part>, name: SplitName| part.ok_or(Error::NoSource { split: name.word() });
    Ok([
        found(train, SplitName::Train)?,
        found(validation, SplitName::Validation)?,
        found(test, SplitName::Test)?,
    ])
}

/// Places of the source in the order that cuts and evaluation follow.
fn evaluation_order(split: &recipe::Split, from: SplitName, source: &Source) -> Vec<u32> {
    let is_cut = CUT_ORDER
        .into_iter()
        .filter_map(|name| cut_of(split, name))
        .any(|cut| cut.from == from);
    let mut places: Vec<u32> = (0..source.items.len() as u32).collect();
    if is_cut {
        // Drawn by index, which is not the place for drawn pictures.
        let stream = Stream::new(split.seed, Purpose::SplitOrder, from.slot());
        places.sort_by_cached_key(|&place| {
            let index = source.items[place as usize].index;
            (stream.key(index), index)
        });
    }
    places
}

fn cut_of(split: &recipe::Split, name: SplitName) -> Option<Cut> {
    match name {
        SplitName::Train => None,
        SplitName::Validation => split.validation,
        SplitName::Test => split.test,
    }
}

fn check(split: &recipe::Split, sources: &Sources) -> Result<(), Error> {
    for name in CUT_ORDER {
        let Some(cut) = cut_of(split, name) else {
            continue;
        };
        if sources.find(name).is_some() {
            return Err(Error::TwoSources {
                split: name.word(),
                from: cut.from.word(),
            });
        }
        if sources.find(cut.from).is_none() {
            return Err(Error::CutFromNothing {
                split: name.word(),
                from: cut.from.word(),
            });
        }
    }
    Ok(())
}

impl Amount {
    /// Number of pictures of a source with `total`.
    fn of(self, total: u64, batch_size: u32) -> u64 {
        match self {
            Self::Batches(n) => u64::from(n) * u64::from(batch_size),
            Self::Count(n) => u64::from(n),
            // Halves go away from zero.
            Self::Fraction(fraction) => (fraction * total as f64).round() as u64,
        }
    }

    /// The amount as a person would say it.
    fn text(self, total: u64, batch_size: u32) -> String {
        match self {
            Self::Batches(n) => format!("{n} batches of {batch_size}"),
            Self::Count(n) => format!("a count of {n}"),
            Self::Fraction(fraction) => format!("a fraction of {fraction} of {total}"),
        }
    }
}
