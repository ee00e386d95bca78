//! Which facts a golden holds: the address and kind of each, and which must be there.

use std::collections::BTreeSet;

use crate::recipe::{ALL_METRICS, SplitName};
use crate::record::{Address, Fact, Record};

/// What kind of value a fact has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole number from 0.
    Integer,
    /// A finite float.
    Figure,
    /// A string.
    Text,
    /// A list of finite floats.
    Figures,
    /// A list of strings.
    Lines,
}

impl Kind {
    /// What is expected, in words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Integer => "a whole number from 0",
            Self::Figure => "a finite float",
            Self::Text => "a string",
            Self::Figures => "a list of finite floats",
            Self::Lines => "a list of strings",
        }
    }
}

/// The kind of the fact at an address; none where no golden has such a fact.
pub(super) fn kind(address: &Address) -> Option<Kind> {
    let parts: Vec<&str> = address.parts().collect();
    let is_number = |part: &str| part.parse::<u32>().is_ok_and(|n| n.to_string() == part);
    let is_metric = |word: &str| ALL_METRICS.contains(&word);
    let is_validation = |word: &str| word.strip_prefix("val_").is_some_and(is_metric);
    let is_split = |word: &str| SplitName::ALL.into_iter().any(|split| split.word() == word);
    Some(match parts.as_slice() {
        ["seed" | "arithmetic"] | ["model", "layers" | "parameters"] => Kind::Integer,
        ["recipe", "fingerprint"]
        | ["artifact", _, "content"]
        | ["initial", "parameters"]
        | ["features", "first_validation_batch"] => Kind::Text,
        ["recipe", "canonical"] => Kind::Lines,
        ["split", split, "files"] | ["split", split, "class", _] if is_split(split) => {
            Kind::Integer
        }
        ["split", split, "list" | "pixels"] if is_split(split) => Kind::Text,
        [
            "phase",
            phase,
            "trainable_parameters" | "trainable_variables",
        ] if is_number(phase) => Kind::Integer,
        ["phase", phase, "epoch", epoch, what] if is_number(phase) && is_number(epoch) => {
            match *what {
                "order" | "parameters" => Kind::Text,
                figure if is_metric(figure) || is_validation(figure) => Kind::Figure,
                _ => return None,
            }
        }
        ["initial" | "final", figure] if is_validation(figure) => Kind::Figure,
        ["test", figure] if is_metric(figure) => Kind::Figure,
        ["test", "logits"] => Kind::Figures,
        _ => return None,
    })
}

/// True if a fact is of a kind.
pub(super) fn is_of(fact: &Fact, kind: Kind) -> bool {
    match (fact, kind) {
        (Fact::Integer(_), Kind::Integer)
        | (Fact::Text(_), Kind::Text)
        | (Fact::Lines(_), Kind::Lines) => true,
        (Fact::Figure(figure), Kind::Figure) => figure.is_finite(),
        (Fact::Figures(figures), Kind::Figures) => figures.iter().all(|figure| figure.is_finite()),
        _ => false,
    }
}

/// What a record has too little or too much for a whole run of its canonical recipe.
pub(super) enum Unfit {
    /// A fact that a whole run has.
    Missing(Address),
    /// A fact of a phase or an epoch that the recipe has not.
    Stray(Address),
}

/// The first fact in the order of addresses that is missing, else the first that is stray.
pub(super) fn unfit(record: &Record) -> Option<Unfit> {
    let wanted = wanted(record);
    let is_there = |address: &&Address| record.facts.contains_key(*address);
    if let Some(missing) = wanted.iter().find(|address| !is_there(address)) {
        return Some(Unfit::Missing(missing.clone()));
    }
    let mut of_phases = record
        .facts
        .keys()
        .filter(|address| address.parts().next() == Some("phase"));
    let stray = of_phases.find(|address| !wanted.contains(address))?;
    Some(Unfit::Stray(stray.clone()))
}

/// Facts of a whole run that do not depend on names.
fn wanted(record: &Record) -> BTreeSet<Address> {
    let mut wanted: BTreeSet<Address> = ALWAYS.into_iter().map(Address::new).collect();
    for split in SplitName::ALL {
        for part in ["files", "list", "pixels"] {
            wanted.insert(Address::new("split").join(split.word()).join(part));
        }
    }
    let metrics = metrics(record);
    for metric in &metrics {
        for address in ["initial.val_", "final.val_", "test."] {
            wanted.insert(Address::new(format!("{address}{metric}")));
        }
    }
    for (number, epochs) in epochs(record).into_iter().enumerate() {
        let phase = Address::new(format!("phase.{number}"));
        wanted.insert(phase.join("trainable_parameters"));
        wanted.insert(phase.join("trainable_variables"));
        for epoch in 0..epochs {
            let epoch = phase.join("epoch").join(&epoch.to_string());
            wanted.insert(epoch.join("order"));
            wanted.insert(epoch.join("parameters"));
            for metric in &metrics {
                wanted.insert(epoch.join(metric));
                wanted.insert(epoch.join(&format!("val_{metric}")));
            }
        }
    }
    wanted
}

/// Facts of every run.
const ALWAYS: [&str; 9] = [
    "recipe.fingerprint",
    "recipe.canonical",
    "seed",
    "arithmetic",
    "model.layers",
    "model.parameters",
    "initial.parameters",
    "features.first_validation_batch",
    "test.logits",
];

/// Metrics of which there is any figure.
fn metrics(record: &Record) -> BTreeSet<&'static str> {
    let figures = record
        .facts
        .iter()
        .filter(|(_, fact)| matches!(fact, Fact::Figure(_)));
    let words = figures.filter_map(|(address, _)| {
        let last = address.parts().last()?;
        let word = last.strip_prefix("val_").unwrap_or(last);
        ALL_METRICS.into_iter().find(|metric| *metric == word)
    });
    words.collect()
}

/// Epochs of each phase, as the canonical recipe says.
fn epochs(record: &Record) -> Vec<u32> {
    let of = |number: usize| {
        let key = format!("phase.{number}.epochs = ");
        let line = record
            .canonical()
            .iter()
            .find_map(|line| line.strip_prefix(&key))?;
        line.parse().ok()
    };
    (0..).map_while(of).collect()
}
