//! Runs of one recipe with several seeds: those that are there already are not run again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::exit::Failure;
use super::session::Session;
use super::{output, runs};
use crate::golden::Seeds;
use crate::golden::gate::FailedSeed;
use crate::golden::parting::same_but_seed;
use crate::recipe::{MOST_SEEDS, Recipe};
use crate::record::{Address, Record, made};
use crate::run::{self, Request};

/// What runs with several seeds gave.
#[derive(Debug)]
pub struct Ran {
    /// The figures of those that came to their end.
    pub seeds: Seeds,
    /// Those that did not.
    pub failed: Vec<FailedSeed>,
}

impl Ran {
    /// No runs yet.
    pub fn none_of(recipe: &Recipe) -> Self {
        Self {
            seeds: Seeds::of(&recipe.figures()),
            failed: Vec::new(),
        }
    }
}

/// Runs of a recipe on the data of a run that is over.
pub struct Series<'a> {
    session: &'a Session,
    request: &'a Request,
    /// Runs that are there already, by seed: of this executable, and with the recipe, data and engine of that run.
    earlier: BTreeMap<u64, (PathBuf, Record)>,
}

impl<'a> Series<'a> {
    /// Runs like `like`, which `request` gave. Under `--fresh` none is there already.
    pub fn new(session: &'a Session, request: &'a Request, like: &Record) -> Result<Self, Failure> {
        let mut earlier = BTreeMap::new();
        if !session.options.fresh {
            let runs = runs::of_this_executable(&session.runs(), &request.recipe.name)?;
            for (folder, record) in runs.filter(|(_, record)| is_like(record, like)) {
                if let Some(seed) = record.integer(&Address::new("seed")) {
                    earlier.entry(seed).or_insert((folder, record));
                }
            }
        }
        Ok(Self {
            session,
            request,
            earlier,
        })
    }

    /// Adds the figures of seeds; a run that ends early for a number that is not finite is one that failed.
    pub fn run(&self, seeds: &[u64], ran: &mut Ran) -> Result<(), Failure> {
        for (number, &seed) in (1..).zip(seeds) {
            let told = format!("seed {seed} ({number} of {})", seeds.len());
            let record = if let Some((folder, record)) = self.earlier.get(&seed) {
                self.tell(&format!(
                    "{told}: run {} is there already",
                    runs::id(folder)
                ));
                Ok(record.clone())
            } else {
                self.tell(&told);
                self.one(seed)?
            };
            match record {
                Ok(record) => ran.seeds.add(seed, &record),
                Err(why) => {
                    output::line(&format!("warning: seed {seed}: {why}"));
                    ran.failed.push(FailedSeed { seed, why });
                }
            }
        }
        Ok(())
    }

    /// The recipe, as it is written.
    pub fn recipe(&self) -> &Recipe {
        &self.request.recipe
    }

    fn tell(&self, text: &str) {
        if !self.session.options.quiet {
            output::line(text);
        }
    }

    /// Runs one seed; the inner error is a run that failed, in a sentence.
    fn one(&self, seed: u64) -> Result<Result<Record, String>, Failure> {
        let request = Request {
            recipe: Recipe {
                seed,
                overridden: true,
                ..self.recipe().clone()
            },
            ..self.request.clone()
        };
        match run::run(&request, &self.session.observer()) {
            Ok(outcome) => Ok(Ok(outcome.record)),
            Err(error) if error.is_not_finite() => {
                self.session.clear();
                let message = error.to_string();
                let sentence = message.lines().next().unwrap_or_default().to_owned();
                Ok(Err(sentence))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// True if a record is of the same recipe, data and engine, whatever its seed.
fn is_like(record: &Record, like: &Record) -> bool {
    record.made.get(made::ENGINE) == like.made.get(made::ENGINE) && same_but_seed(like, record)
}

/// The first `count` seeds from 1 that are not among `known`, nor `own`.
pub fn new_seeds(known: &Seeds, own: u64, already: &BTreeSet<u64>, count: u32) -> Vec<u64> {
    (1..)
        .filter(|seed| !known.runs.contains_key(seed) && *seed != own && !already.contains(seed))
        .take(count as usize)
        .collect()
}

/// The seeds of `1..10` (ten of them), `7` or `1,2,5`.
pub fn parse(written: &str) -> Result<SeedList, String> {
    let number = |text: &str| {
        text.trim()
            .parse::<u64>()
            .map_err(|_| format!("`{text}` is no seed: seeds are `1..10`, `7` or `1,2,5`"))
    };
    let mut seeds = BTreeSet::new();
    for part in written.split(',') {
        let (first, last) = match part.split_once("..") {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        if first > last {
            return Err(format!(
                "`{part}` holds no seed: the last is before the first"
            ));
        }
        if last - first >= u64::from(MOST_SEEDS) {
            return Err(format!("`{part}` is more than {MOST_SEEDS} seeds"));
        }
        seeds.extend(first..=last);
    }
    Ok(SeedList(seeds.into_iter().collect()))
}

/// Seeds of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedList(pub Vec<u64>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_written_as_ranges_and_lists() {
        let seeds = |text: &str| parse(text).map(|list| list.0);
        assert_eq!(seeds("1..10").unwrap(), (1..=10).collect::<Vec<_>>());
        assert_eq!(seeds("7").unwrap(), [7]);
        assert_eq!(seeds("5,1,2..3,1").unwrap(), [1, 2, 3, 5]);
        for wrong in ["", "a", "1..", "3..1", "1..2000", "-1", "1;2"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn new_seeds_are_those_that_the_golden_has_not() {
        let known = Seeds {
            figures: vec![],
            runs: [(1, vec![]), (2, vec![]), (5, vec![])].into(),
        };
        assert_eq!(new_seeds(&known, 4, &[3].into(), 3), [6, 7, 8]);
    }
}
