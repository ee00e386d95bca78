//! What a person reads first in a vendored folder.

use super::Item;

/// Its file.
pub(super) const FILE: &str = "README.txt";

/// What to type, and what is where.
pub(super) fn text(items: &[Item]) -> String {
    let names: Vec<&str> = items
        .iter()
        .map(|item| item.loaded.recipe.name.as_str())
        .collect();
    let unpinned = items
        .iter()
        .flat_map(|item| item.artifacts.values())
        .any(|obtained| !obtained.pinned);
    let option = if unpinned { " --allow-unpinned" } else { "" };
    let without: Vec<&str> = items
        .iter()
        .filter(|item| item.golden.is_none())
        .map(|item| item.loaded.recipe.name.as_str())
        .collect();
    let goldens = match without.as_slice() {
        [] => String::new(),
        names => format!(" (none of {})", names.join(", ")),
    };
    format!(
        "goldrun {version}, and all that these recipes need: {names}

In this folder, with or without a network:

  ./goldrun check {arguments}{option}

recipes/     the recipes, and what they extend
golden/      what came out before{goldens}
artifacts/   pictures and weights, found by their names
SHA256SUMS   a digest of each file: sha256sum --check SHA256SUMS

goldrun itself is for {architecture} and {system}. Elsewhere put one that was built there in its
place: it computes the same bits.
Runs go to runs/, and what is decoded and extracted into the user's cache (GOLDRUN_CACHE).
",
        version = env!("CARGO_PKG_VERSION"),
        names = names.join(", "),
        arguments = names.join(" "),
        architecture = std::env::consts::ARCH,
        system = std::env::consts::OS,
    )
}
