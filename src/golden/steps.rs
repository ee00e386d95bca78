//! The first step in which an epoch parts from the same epoch elsewhere.

use std::collections::BTreeMap;

use serde::Serialize;

use super::parting::{self, Place};
use crate::record::steps::{Kind, StepDigest, StepDigests};
use crate::record::{EpochNumber, Record};

/// The first step that is not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepParting {
    /// From 0 within the epoch; none where they part before the first one.
    pub step: Option<usize>,
    /// What the step made, in the order in which it did; the first of these is where they part.
    pub kinds: Vec<KindParting>,
    /// An earlier epoch after which parameters are not the same, where there is one: it says more.
    pub earlier: Option<EpochNumber>,
}

/// What a step made of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KindParting {
    /// The kind.
    pub kind: Kind,
    /// How many there are in either.
    pub count: usize,
    /// How many of these are not the same.
    pub differing: usize,
    /// The first that is not: in the order of the batch, of the backward pass, of the model.
    pub first: Option<String>,
}

impl StepParting {
    /// What differs that is made first.
    pub fn first(&self) -> Option<&KindParting> {
        self.kinds.iter().find(|kind| kind.differing > 0)
    }

    /// What it means, one sentence for people, without a full stop.
    pub fn sentence(&self) -> &'static str {
        match (self.step, self.first().map(|kind| kind.kind)) {
            (None, _) => "they part before the epoch's first step",
            (_, Some(Kind::Output)) => {
                "the same parameters, but other outputs: pictures, their changes, masks of dropout or the \
                 arithmetic of the forward pass changed"
            }
            (_, Some(Kind::Gradient)) => {
                "the same outputs, but other gradients: the arithmetic of the backward pass changed"
            }
            _ => "the same gradients, but another update: the optimizer or its settings changed",
        }
    }
}

/// The first parting of two epochs; none where all digests are the same.
pub fn first(a: &StepDigests, b: &StepDigests) -> Option<StepParting> {
    let [in_a, in_b] = [a, b].map(by_step);
    let steps = in_a.keys().chain(in_b.keys()).copied();
    let step = steps
        .filter(|step| in_a.get(step) != in_b.get(step))
        .min()?;
    let of = |steps: &BTreeMap<_, Vec<_>>| steps.get(&step).cloned().unwrap_or_default();
    Some(StepParting {
        step,
        kinds: kinds(&of(&in_a), &of(&in_b)),
        earlier: earlier(&a.record, &b.record),
    })
}

/// The first epoch after which two runs have other parameters.
fn earlier(a: &Record, b: &Record) -> Option<EpochNumber> {
    let differing = parting::differing(a, b);
    differing
        .iter()
        .find_map(|address| match Place::of(address) {
            Place::Parameters(epoch) => Some(epoch),
            _ => None,
        })
}

/// The digests of each step, in their order.
fn by_step(digests: &StepDigests) -> BTreeMap<Option<usize>, Vec<&StepDigest>> {
    let mut steps: BTreeMap<Option<usize>, Vec<&StepDigest>> = BTreeMap::new();
    for digest in &digests.digests {
        steps.entry(digest.step).or_default().push(digest);
    }
    steps
}

/// Of each kind in a step, what differs.
fn kinds(a: &[&StepDigest], b: &[&StepDigest]) -> Vec<KindParting> {
    let mut kinds: Vec<KindParting> = Vec::new();
    let [in_a, in_b] = [a, b].map(|digests| {
        let named = digests
            .iter()
            .map(|digest| ((digest.kind, digest.name.as_str()), *digest));
        named.collect::<BTreeMap<_, _>>()
    });
    let only_in_b = b
        .iter()
        .filter(|digest| !in_a.contains_key(&(digest.kind, digest.name.as_str())));
    for digest in a.iter().chain(only_in_b) {
        let key = (digest.kind, digest.name.as_str());
        let is_same = in_a.get(&key) == in_b.get(&key);
        let at = kinds.iter().position(|entry| entry.kind == digest.kind);
        let at = at.unwrap_or_else(|| {
            kinds.push(KindParting {
                kind: digest.kind,
                count: 0,
                differing: 0,
                first: None,
            });
            kinds.len() - 1
        });
        let entry = &mut kinds[at];
        entry.count += 1;
        if !is_same {
            entry.differing += 1;
            entry.first.get_or_insert_with(|| digest.name.clone());
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Address, Fact};

    /// Two steps of two pictures and two tensors, after their state; all digests are the same.
    fn digests() -> StepDigests {
        let kinds = [
            (None, Kind::Parameter, ["a", "b"]),
            (None, Kind::FirstMoment, ["a", "b"]),
            (Some(0), Kind::Output, ["cat", "dog"]),
            (Some(0), Kind::Gradient, ["b", "a"]),
            (Some(0), Kind::Parameter, ["a", "b"]),
            (Some(1), Kind::Output, ["fox", "cow"]),
            (Some(1), Kind::Gradient, ["b", "a"]),
            (Some(1), Kind::Parameter, ["a", "b"]),
        ];
        let digest = |(step, kind, names): (_, _, [&str; 2])| {
            names.map(|name| StepDigest {
                step,
                kind,
                name: name.to_owned(),
                digest: "same".to_owned(),
            })
        };
        StepDigests {
            epoch: EpochNumber { phase: 0, epoch: 0 },
            record: Record::default(),
            digests: kinds.into_iter().flat_map(digest).collect(),
        }
    }

    #[test]
    fn any_digest_that_differs_is_named_and_later_ones_are_not() {
        let golden = digests();
        assert_eq!(first(&golden, &golden), None);
        for at in 0..golden.digests.len() {
            let mut changed = golden.clone();
            for digest in &mut changed.digests[at..] {
                "other".clone_into(&mut digest.digest);
            }
            let parting = first(&golden, &changed).unwrap();
            let expected = &golden.digests[at];
            let found = parting.first().unwrap();
            assert_eq!(parting.step, expected.step);
            assert_eq!(found.kind, expected.kind);
            assert_eq!(found.first.as_ref(), Some(&expected.name));
            assert_eq!(found.differing, 2 - at % 2);
            assert_eq!(first(&changed, &golden), Some(parting));
        }
    }

    #[test]
    fn what_only_one_has_differs() {
        let golden = digests();
        for at in 0..golden.digests.len() {
            let mut shorter = golden.clone();
            let gone = shorter.digests.remove(at);
            for parting in [first(&golden, &shorter), first(&shorter, &golden)] {
                let parting = parting.unwrap();
                let found = parting.first().unwrap();
                assert_eq!((parting.step, found.kind), (gone.step, gone.kind));
                assert_eq!(found.first.as_ref(), Some(&gone.name));
                assert_eq!((found.count, found.differing), (2, 1));
            }
        }
    }

    #[test]
    fn an_earlier_epoch_that_parts_is_named() {
        let with = |value: &str| {
            let mut digests = digests();
            for address in ["phase.1.epoch.10.parameters", "phase.1.epoch.9.parameters"] {
                let fact = Fact::Text(value.to_owned());
                digests.record.facts.insert(Address::new(address), fact);
            }
            value.clone_into(&mut digests.digests[0].digest);
            digests
        };
        let parting = first(&with("a"), &with("b")).unwrap();
        assert_eq!(parting.earlier, "phase.1.epoch.9".parse().ok());
    }

    #[test]
    fn sentences_say_what_changed() {
        let golden = digests();
        let sentence = |at: usize| {
            let mut changed = golden.clone();
            "other".clone_into(&mut changed.digests[at].digest);
            first(&golden, &changed).unwrap().sentence()
        };
        assert!(sentence(2).starts_with("they part before"));
        assert!(sentence(4).contains("forward pass"));
        assert!(sentence(7).contains("backward pass"));
        assert!(sentence(14).contains("optimizer"));
    }
}
