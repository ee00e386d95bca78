//! Whatever a file or an argument holds: a recipe or an error, never a panic.

use proptest::prelude::*;

use super::Project;

const PIECES: &[&str] = &[
    "[",
    "]",
    "[[phase]]\n",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\"",
    "'",
    "\"\"\"",
    "\n",
    "\r\n",
    "\t",
    "#",
    "0",
    "-1",
    "1e400",
    "nan",
    "inf",
    "99999999999999999999999999999999999999999",
    "true",
    "1979-05-27",
    "phase.0.",
    "extends",
    "check.tolerance.",
    "*",
    "é",
    "\u{1F600}",
    "\u{0}",
    "\u{1b}[31m",
    "[artifact.weights]\n",
    "path = ''\n",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let project = Project::new();
        project.write("any", &bytes);
        shown(project.load("any", &[]));
    }

    #[test]
    fn a_mutated_recipe(
        name in prop::sample::select(&["good", "quickstart", "stepwise", "tutorial", "tutorial-224"][..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..6_usize, prop::sample::select(PIECES)), 1..8),
    ) {
        let project = Project::new();
        let mut text = project.load(name, &[]).unwrap().text;
        for (place, length, piece) in changes {
            let start = text.floor_char_boundary(place.index(text.len() + 1));
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, piece);
        }
        project.write(name, text);
        shown(project.load(name, &["phase.0.epochs=2"]));
    }

    #[test]
    fn an_arbitrary_argument(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..8)) {
        let project = Project::new();
        shown(project.load("good", &[&pieces.concat()]));
        shown(project.load("good", &[&format!("phase.{}", pieces.concat())]));
    }
}

/// Errors must be shown as well as found, in both looks.
fn shown(result: Result<goldrun::recipe::Loaded, goldrun::recipe::Error>) {
    match result {
        Ok(loaded) => drop(loaded.recipe.fingerprint()),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(!error.render(true).is_empty());
        }
    }
}
