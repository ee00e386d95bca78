//! The facts that are known before training.

use tracing::trace_span;

use super::inputs::Inputs;
use crate::dataset::Data;
use crate::model::{Network, Parameters};
use crate::recipe::{Recipe, SplitName};
use crate::record::{ARITHMETIC_VERSION, Address, Fact, Record};

/// Puts them into the record.
pub(super) fn state(
    record: &mut Record,
    recipe: &Recipe,
    inputs: &Inputs<'_>,
    data: &Data,
    network: &Network,
    parameters: &Parameters,
) {
    let mut fact = |address: Address, fact: Fact| record.facts.insert(address, fact);
    let at = |text: &str| Address::new(text);
    fact(at("recipe.fingerprint"), Fact::Text(recipe.fingerprint()));
    fact(at("recipe.canonical"), Fact::Lines(recipe.canonical()));
    fact(at("seed"), Fact::Integer(recipe.seed));
    fact(
        at("arithmetic"),
        Fact::Integer(u64::from(ARITHMETIC_VERSION)),
    );
    for input in inputs.each() {
        let content = Fact::Text(input.obtained.content.clone());
        fact(at("artifact").join(input.role).join("content"), content);
    }
    for name in SplitName::ALL {
        let split = data.split(name);
        let address = at("split").join(name.word());
        fact(address.join("files"), Fact::Integer(split.len() as u64));
        for (class, count) in data.classes.iter().zip(split.class_counts()) {
            fact(address.join("class").join(class), Fact::Integer(count));
        }
        fact(address.join("list"), Fact::Text(split.list_digest()));
        fact(
            address.join("pixels"),
            Fact::Text(split.pixels_digest().to_owned()),
        );
    }
    let elements: usize = parameters.tensors.iter().map(|t| t.values.len()).sum();
    fact(
        at("model.layers"),
        Fact::Integer(network.layers.len() as u64),
    );
    fact(at("model.parameters"), Fact::Integer(elements as u64));
    let digest = trace_span!("digest", of = "parameters").in_scope(|| parameters.digest());
    fact(at("initial.parameters"), Fact::Text(digest));
}
