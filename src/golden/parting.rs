//! The first place where two records part, in the order of the run.
//!
//! It says whether data or arithmetic changed: every later fact hangs on the earlier ones, so only the
//! first difference is news.

use std::collections::BTreeSet;

use super::cause;
use crate::record::{Address, EpochNumber, Fact, Record};

/// How many changes of a recipe a sentence names.
const CHANGES_NAMED: usize = 3;

/// A place in the order of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The version of the arithmetic.
    Arithmetic,
    /// The training seed.
    Seed,
    /// The canonical recipe.
    Recipe,
    /// The content of an artifact, by role.
    Artifact(String),
    /// The files of a split and their order.
    Split(String),
    /// The pixels of a split.
    Pixels(String),
    /// Layers and counts of parameters.
    Model,
    /// The parameters before training.
    InitialParameters,
    /// The backbone's features of the first validation batch.
    FirstFeatures,
    /// The figures before training.
    InitialFigures,
    /// The order of batches of an epoch.
    BatchOrder(EpochNumber),
    /// The parameters after an epoch.
    Parameters(EpochNumber),
    /// The figures of an epoch.
    EpochFigures(EpochNumber),
    /// The figures after training.
    FinalFigures,
    /// A fact that this version has no place for.
    Other,
}

impl Place {
    /// The place of a fact.
    pub fn of(address: &Address) -> Self {
        let parts: Vec<&str> = address.parts().collect();
        match parts.as_slice() {
            ["seed"] => Self::Seed,
            ["recipe", ..] => Self::Recipe,
            ["artifact", role, ..] => Self::Artifact((*role).to_owned()),
            ["split", split, "pixels"] => Self::Pixels((*split).to_owned()),
            ["split", split, ..] => Self::Split((*split).to_owned()),
            ["arithmetic"] => Self::Arithmetic,
            ["model", ..] | ["phase", _, "trainable_parameters" | "trainable_variables"] => {
                Self::Model
            }
            ["initial", "parameters"] => Self::InitialParameters,
            ["features", ..] => Self::FirstFeatures,
            ["initial", ..] => Self::InitialFigures,
            ["phase", phase, "epoch", epoch, what, ..] => {
                let (Ok(phase), Ok(epoch)) = (phase.parse(), epoch.parse()) else {
                    return Self::Other;
                };
                let at = EpochNumber { phase, epoch };
                match *what {
                    "order" => Self::BatchOrder(at),
                    "parameters" => Self::Parameters(at),
                    _ => Self::EpochFigures(at),
                }
            }
            ["final" | "test", ..] => Self::FinalFigures,
            _ => Self::Other,
        }
    }

    /// Sorts places as a run comes by them.
    pub fn rank(&self) -> (u8, usize, u32, u8) {
        match self {
            Self::Arithmetic => (0, 0, 0, 0),
            Self::Seed => (1, 0, 0, 0),
            Self::Recipe => (2, 0, 0, 0),
            Self::Artifact(_) => (3, 0, 0, 0),
            Self::Split(_) => (4, 0, 0, 0),
            Self::Pixels(_) => (5, 0, 0, 0),
            Self::Model => (6, 0, 0, 0),
            Self::InitialParameters => (7, 0, 0, 0),
            Self::FirstFeatures => (8, 0, 0, 0),
            Self::InitialFigures => (9, 0, 0, 0),
            Self::BatchOrder(at) => (10, at.phase, at.epoch, 0),
            Self::Parameters(at) => (10, at.phase, at.epoch, 1),
            Self::EpochFigures(at) => (10, at.phase, at.epoch, 2),
            Self::FinalFigures => (11, 0, 0, 0),
            Self::Other => (12, 0, 0, 0),
        }
    }

    /// True if no tolerance excuses a difference here: the two runs are not about the same thing.
    pub const fn is_always_equal(&self) -> bool {
        matches!(
            self,
            Self::Seed | Self::Recipe | Self::Artifact(_) | Self::Split(_) | Self::Pixels(_)
        )
    }

    /// A few words for it.
    pub fn words(&self) -> String {
        match self {
            Self::Seed => "training seed".to_owned(),
            Self::Recipe => "recipe".to_owned(),
            Self::Artifact(role) => format!("artifact {role}"),
            Self::Split(split) => format!("{split} split"),
            Self::Arithmetic => "arithmetic version".to_owned(),
            Self::Pixels(split) => format!("pixels of the {split} split"),
            Self::Model => "model".to_owned(),
            Self::InitialParameters => "initial weights".to_owned(),
            Self::FirstFeatures => "first features".to_owned(),
            Self::InitialFigures => "figures before training".to_owned(),
            Self::BatchOrder(EpochNumber { phase, epoch }) => {
                format!("order of batches of phase {phase}, epoch {epoch}")
            }
            Self::Parameters(EpochNumber { phase, epoch }) => {
                format!("parameters after phase {phase}, epoch {epoch}")
            }
            Self::EpochFigures(EpochNumber { phase, epoch }) => {
                format!("figures of phase {phase}, epoch {epoch}")
            }
            Self::FinalFigures => "figures after training".to_owned(),
            Self::Other => "another fact".to_owned(),
        }
    }
}

/// A fact in which two records part.
#[derive(Clone, Debug, PartialEq)]
pub struct Parting {
    /// Where in the run.
    pub place: Place,
    /// The fact.
    pub address: Address,
    /// What it means, one sentence for people, without a full stop.
    pub sentence: String,
}

/// True if two records are of the same recipe and data, whatever their seeds.
pub fn same_but_seed(left: &Record, right: &Record) -> bool {
    let must_be = |address: &&Address| {
        let place = Place::of(address);
        place.is_always_equal() && place != Place::Seed
    };
    let same = |address: &Address| left.facts.get(address) == right.facts.get(address);
    let mut addresses = left.facts.keys().filter(must_be);
    addresses.all(same)
}

/// True if two facts are the same bits; zeros of different sign are not.
pub fn same(left: &Fact, right: &Fact) -> bool {
    let bits = |figures: &[f64]| figures.iter().map(|f| f.to_bits()).collect::<Vec<_>>();
    match (left, right) {
        (Fact::Figure(left), Fact::Figure(right)) => left.to_bits() == right.to_bits(),
        (Fact::Figures(left), Fact::Figures(right)) => bits(left) == bits(right),
        // JSON cannot tell an empty list of lines from one of figures.
        (Fact::Figures(figures), Fact::Lines(lines))
        | (Fact::Lines(lines), Fact::Figures(figures)) => figures.is_empty() && lines.is_empty(),
        _ => left == right,
    }
}

/// Addresses of the facts that are not the same in both records, in the order of the run.
pub fn differing(golden: &Record, now: &Record) -> Vec<Address> {
    let all: BTreeSet<&Address> = golden.facts.keys().chain(now.facts.keys()).collect();
    let mut differing: Vec<Address> = all
        .into_iter()
        .filter(
            |address| match (golden.facts.get(address), now.facts.get(address)) {
                (Some(left), Some(right)) => !same(left, right),
                _ => true,
            },
        )
        .cloned()
        .collect();
    differing.sort_by_key(|address| Place::of(address).rank());
    differing
}

/// The parting at one of the [`differing`] addresses.
pub fn at(address: &Address, golden: &Record, now: &Record) -> Parting {
    let place = Place::of(address);
    Parting {
        sentence: sentence(&place, address, golden, now),
        address: address.clone(),
        place,
    }
}

/// The first parting of two records, in the order of the run.
pub fn first(golden: &Record, now: &Record) -> Option<Parting> {
    let address = differing(golden, now).into_iter().next()?;
    Some(at(&address, golden, now))
}

fn sentence(place: &Place, address: &Address, golden: &Record, now: &Record) -> String {
    let (before, after) = (golden.facts.get(address), now.facts.get(address));
    let (was, is) = match (before, after) {
        (Some(was), Some(is)) => (short(was), short(is)),
        (None, _) => return format!("`{address}` is new: it was not there before"),
        (_, None) => return format!("`{address}` is missing: it was there before"),
    };
    match place {
        Place::Arithmetic => format!(
            "the arithmetic is version {is}, was {was}: figures may move for no fault of the recipe"
        ),
        Place::Seed => {
            format!("the training seed is {is}, was {was}: another seed trains another model")
        }
        Place::Recipe => recipe_sentence(golden, now),
        Place::Artifact(role) => format!("artifact `{role}` has other content: {is}, was {was}"),
        Place::Split(split) => match address.parts().last() {
            Some("list") => {
                format!("the {split} split has other files, or the same in another order")
            }
            Some("files") => format!("the {split} split has {is} files, had {was}"),
            _ => format!("`{address}` is {is}, was {was}: the split is another one"),
        },
        Place::Pixels(split) => format!(
            "the {split} split has the same files but other pixels: decoding, drawing or resizing changed"
        ),
        Place::Model => format!("`{address}` is {is}, was {was}: the network is another one"),
        Place::InitialParameters => "same data, same recipe, but training starts from other \
             parameters: how weights are read or drawn changed"
            .to_owned(),
        Place::FirstFeatures => {
            "same data, same recipe, same weights, but the backbone makes other features of the first \
             validation batch: the arithmetic of the forward pass changed"
                .to_owned()
        }
        Place::InitialFigures => format!(
            "same data, same recipe, same start, but `{address}` is {is} before training, was {was}: \
             the head, the loss or a metric changed"
        ),
        Place::BatchOrder(at) => format!(
            "same data, same recipe, same start; {at} goes through \
             the training files in another order"
        ),
        Place::Parameters(at) => format!(
            "same data, same recipe, same start; parameters part in {at}: \
             the arithmetic of training changed"
        ),
        Place::EpochFigures(at) => format!(
            "{at} ends with the same parameters, but `{address}` \
             is {is}, was {was}: a loss, a metric or evaluation changed"
        ),
        Place::FinalFigures => format!(
            "training is the same, but `{address}` is {is}, was {was}: \
             a loss, a metric or evaluation changed"
        ),
        Place::Other => format!("`{address}` is {is}, was {was}"),
    }
}

/// A fact in a sentence.
fn short(fact: &Fact) -> String {
    match fact {
        Fact::Integer(integer) => integer.to_string(),
        Fact::Figure(figure) => super::text::float(*figure),
        Fact::Text(words) => words.clone(),
        Fact::Figures(figures) => format!("a list of {} figures", figures.len()),
        Fact::Lines(lines) => format!("{} lines", lines.len()),
    }
}

/// What changed in the recipe, in a sentence.
fn recipe_sentence(golden: &Record, now: &Record) -> String {
    let changes = cause::recipe(golden, now);
    let value = |value: &Option<String>| value.clone().unwrap_or("default".to_owned());
    let named: Vec<String> = changes
        .iter()
        .take(CHANGES_NAMED)
        .map(|change| {
            format!(
                "`{}` {} → {}",
                change.key,
                value(&change.was),
                value(&change.is)
            )
        })
        .collect();
    match (
        named.is_empty(),
        changes.len().saturating_sub(CHANGES_NAMED),
    ) {
        (true, _) => "the recipe is another one".to_owned(),
        (false, 0) => format!("the recipe changed: {}", named.join(", ")),
        (false, more) => format!("the recipe changed: {} and {more} more", named.join(", ")),
    }
}

/// The first tensor whose digest differs between two lists.
///
/// A list has a line for each tensor in the order of the model's layers: its digest, two spaces, its name.
pub fn first_tensor(golden: &str, now: &str) -> Option<String> {
    let mut before = golden.lines();
    let mut after = now.lines();
    loop {
        let line = match (before.next(), after.next()) {
            (Some(before), Some(after)) if before == after => continue,
            (Some(line), _) | (None, Some(line)) => line,
            (None, None) => return None,
        };
        let name = line.split_once("  ").map_or(line, |(_, name)| name);
        return Some(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::compare::tests::{record, with};

    /// The facts of a run in its order, each with another value.
    fn changes() -> Vec<(&'static str, Fact)> {
        let text = |words: &str| Fact::Text(words.to_owned());
        vec![
            ("arithmetic", Fact::Integer(2)),
            ("seed", Fact::Integer(7)),
            ("recipe.fingerprint", text("ffff")),
            ("artifact.photos.content", text("h1:other")),
            ("split.validation.list", text("ffff")),
            ("split.train.pixels", text("ffff")),
            ("model.layers", Fact::Integer(153)),
            ("initial.parameters", text("ffff")),
            ("features.first_validation_batch", text("ffff")),
            ("initial.val_loss", Fact::Figure(0.5)),
            ("phase.0.epoch.0.order", text("ffff")),
            ("phase.0.epoch.0.parameters", text("ffff")),
            ("phase.0.epoch.0.loss", Fact::Figure(0.5)),
            ("phase.0.epoch.1.order", text("ffff")),
            ("phase.1.epoch.0.parameters", text("ffff")),
            ("final.val_loss", Fact::Figure(0.5)),
        ]
    }

    #[test]
    fn every_place_has_its_sentence() {
        let said: Vec<String> = changes()
            .into_iter()
            .map(|(address, fact)| {
                let parting = first(&record(), &with(&[(address, fact)])).unwrap();
                assert_eq!(parting.address.as_str(), address);
                format!("{}: {}", parting.place.words(), parting.sentence)
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn the_earliest_of_all_later_differences_is_named() {
        let changes = changes();
        for start in 0..changes.len() {
            let parting = first(&record(), &with(&changes[start..])).unwrap();
            assert_eq!(parting.address.as_str(), changes[start].0);
        }
    }

    #[test]
    fn lines_of_the_recipe_are_named() {
        let lines = |lines: &[&str]| {
            let lines = lines.iter().map(|line| (*line).to_owned()).collect();
            ("recipe.canonical", Fact::Lines(lines))
        };
        let fingerprint = ("recipe.fingerprint", Fact::Text("ffff".to_owned()));
        let golden = with(&[lines(&["a = 1", "b = 2"])]);
        for (now, expected) in [
            (&["a = 1", "b = 3"][..], "changed: `b` 2 → 3"),
            (&["a = 1", "b = 2", "c = 3"], "changed: `c` default → 3"),
            (&["b = 2"], "changed: `a` 1 → default"),
            (
                &["c = 3", "d = 4", "e = 5", "a = 1", "b = 0"],
                "changed: `b` 2 → 0, `c` default → 3, `d` default → 4 and 1 more",
            ),
            (&["a = 1", "b = 2"], "is another one"),
        ] {
            let now = with(&[lines(now), fingerprint.clone()]);
            let parting = first(&golden, &now).unwrap();
            assert_eq!(parting.sentence, format!("the recipe {expected}"));
        }
    }

    #[test]
    fn zeros_of_different_sign_are_not_the_same() {
        assert!(!same(&Fact::Figure(0.0), &Fact::Figure(-0.0)));
        assert!(!same(&Fact::Figures(vec![0.0]), &Fact::Figures(vec![-0.0])));
        assert!(!same(&Fact::Figure(1.0), &Fact::Integer(1)));
        assert!(same(&Fact::Figures(vec![]), &Fact::Lines(vec![])));
    }

    #[test]
    fn the_first_tensor_that_parts_is_named() {
        let golden = "aa  Conv1/kernel\nbb  dense/bias\n";
        assert_eq!(first_tensor(golden, golden), None);
        let named = |now: &str| first_tensor(golden, now);
        assert_eq!(
            named("aa  Conv1/kernel\nff  dense/bias\n").as_deref(),
            Some("dense/bias")
        );
        assert_eq!(
            named("ff  Conv1/kernel\nff  dense/bias\n").as_deref(),
            Some("Conv1/kernel")
        );
        assert_eq!(named("").as_deref(), Some("Conv1/kernel"));
    }
}
