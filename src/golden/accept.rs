//! What makes a run unfit to become a golden.

use crate::record::{Address, Fact, MadeValue, Record, made};

/// Why a run is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The run did not come to its end.
    #[error("it did not come to its end")]
    Unfinished,
    /// `--set` or `--seed` changed the recipe.
    #[error("it was made with `--set` or `--seed`, so it is not a run of the recipe as written")]
    Overridden,
    /// An artifact has no pin.
    #[error("it was made with unpinned artifacts (`goldrun pin` writes the missing pins)")]
    Unpinned,
    /// Another engine than ours computed it.
    #[error(
        "it was computed by the engine `{0}`, whose arithmetic is not defined; only `native` is"
    )]
    Engine(String),
    /// The recipe changed since.
    #[error("the recipe has changed since it was made (run it again)")]
    OtherRecipe,
    /// The recipe's seed changed since.
    #[error("its training seed is not the recipe's (run it again)")]
    OtherSeed,
}

/// The engine whose runs can be accepted.
const ENGINE: &str = "native";

/// Everything that speaks against making `record` a golden, given the fingerprint and the seed that its
/// recipe has now, without `--set` and `--seed`. What a record does not say counts against it.
pub fn refusals(record: &Record, fingerprint: &str, seed: u64) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if !flag(record, made::FINISHED).unwrap_or(false) {
        refusals.push(Refusal::Unfinished);
    }
    let overridden = flag(record, made::OVERRIDDEN);
    if overridden.unwrap_or(true) {
        refusals.push(Refusal::Overridden);
    }
    if flag(record, made::UNPINNED).unwrap_or(true) {
        refusals.push(Refusal::Unpinned);
    }
    match record.made.get(made::ENGINE) {
        Some(MadeValue::Text(engine)) if engine == ENGINE => {}
        Some(MadeValue::Text(engine)) => refusals.push(Refusal::Engine(engine.clone())),
        _ => refusals.push(Refusal::Engine("unknown".to_owned())),
    }
    if overridden == Some(true) {
        // Of course it is another recipe or seed then: nobody can tell whether the file changed, too.
        return refusals;
    }
    let fingerprint = Fact::Text(fingerprint.to_owned());
    if record.facts.get(&Address::new("recipe.fingerprint")) != Some(&fingerprint) {
        refusals.push(Refusal::OtherRecipe);
    }
    if record.facts.get(&Address::new("seed")) != Some(&Fact::Integer(seed)) {
        refusals.push(Refusal::OtherSeed);
    }
    refusals
}

fn flag(record: &Record, key: &str) -> Option<bool> {
    match record.made.get(key) {
        Some(MadeValue::Flag(flag)) => Some(*flag),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Record {
        Record {
            facts: [
                (
                    Address::new("recipe.fingerprint"),
                    Fact::Text("abcd".to_owned()),
                ),
                (Address::new("seed"), Fact::Integer(123)),
            ]
            .into(),
            made: [
                (made::FINISHED.to_owned(), MadeValue::Flag(true)),
                (made::OVERRIDDEN.to_owned(), MadeValue::Flag(false)),
                (made::UNPINNED.to_owned(), MadeValue::Flag(false)),
                (
                    made::ENGINE.to_owned(),
                    MadeValue::Text("native".to_owned()),
                ),
            ]
            .into(),
        }
    }

    #[test]
    fn a_whole_run_of_the_recipe_is_fit() {
        assert_eq!(refusals(&run(), "abcd", 123), []);
    }

    #[test]
    fn each_fault_is_refused() {
        let cases = [
            (made::FINISHED, MadeValue::Flag(false), Refusal::Unfinished),
            (made::OVERRIDDEN, MadeValue::Flag(true), Refusal::Overridden),
            (made::UNPINNED, MadeValue::Flag(true), Refusal::Unpinned),
            (
                made::ENGINE,
                MadeValue::Text("candle".to_owned()),
                Refusal::Engine("candle".to_owned()),
            ),
        ];
        for (key, value, refusal) in cases {
            let mut run = run();
            run.made.insert(key.to_owned(), value);
            assert_eq!(refusals(&run, "abcd", 123), [refusal]);
        }
        assert_eq!(refusals(&run(), "other", 123), [Refusal::OtherRecipe]);
        assert_eq!(refusals(&run(), "abcd", 7), [Refusal::OtherSeed]);
    }

    #[test]
    fn an_overridden_run_is_not_said_to_be_of_a_changed_recipe() {
        let mut run = run();
        run.made
            .insert(made::OVERRIDDEN.to_owned(), MadeValue::Flag(true));
        assert_eq!(refusals(&run, "other", 7), [Refusal::Overridden]);
    }

    #[test]
    fn what_a_record_does_not_say_counts_against_it() {
        assert_eq!(refusals(&Record::default(), "abcd", 123).len(), 6);
    }
}
