//! `goldrun selftest`: every fault that it plants is seen, at the place where it is. Of the quickstart it is held to what
//! docs/goldens.md shows (`commands.rs`).

use serde_json::Value;

use crate::support::Project;

/// Faults that a recipe with two phases and augmentation can have.
const FAULTS: usize = 9;

/// A project with a golden of four seeds.
fn project() -> Project {
    let project = Project::pinned();
    project
        .goldrun(&["accept", "small", "--seeds", "1..4", "--yes"])
        .exits(0);
    project
}

#[test]
fn every_fault_is_seen_where_it_is() {
    let project = project();
    let tested = project
        .goldrun(&["selftest", "small"])
        .exits(0)
        .says("small: selftest passed: the exact gate sees 9 of 9 faults where they are");
    insta::assert_snapshot!(tested.stdout);
    let runs = fs_err::read_dir(project.path("runs/small")).unwrap();
    assert_eq!(runs.count(), 5, "no faulty run is left among the recipe's");

    let rows = project
        .goldrun(&["selftest", "small", "--json"])
        .exits(0)
        .json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), FAULTS + 1);
    assert_eq!(rows[0]["fault"], Value::Null);
    assert!(rows.iter().all(|row| row["is_right"] == true));
}

#[test]
fn a_golden_that_is_off_by_itself_fails_the_selftest() {
    let project = project();
    let golden = project.read("golden/small.toml");
    let off = golden.replace("seed = 5\n", "seed = 6\n");
    assert_ne!(golden, off);
    project.write("golden/small.toml", &off);
    project
        .goldrun(&["selftest", "small"])
        .exits(1)
        .says("small: selftest failed: the exact gate sees 0 of 9")
        .says("without one the run is NOT identical");
}

#[test]
fn a_fault_that_a_recipe_cannot_have_is_said() {
    let project = Project::pinned();
    let recipe = project.read("recipes/small.toml");
    let (head, _) = recipe
        .split_once("[[phase]]\nname   = \"fine-tuning\"")
        .unwrap();
    let without = head.replace("augment    = [{ flip", "# [{ flip");
    assert_ne!(without, head);
    project.write("recipes/small.toml", &without);
    project
        .goldrun(&["selftest", "small"])
        .exits(5)
        .warns("has no golden to hold a fault to");
    project.accept_a_run();
    project
        .goldrun(&["selftest", "small"])
        .exits(0)
        .warns("small has no `augmentation dropped`")
        .warns("small has no `last phase left frozen`")
        .says("the golden holds a single seed")
        .says("sees 7 of 7 faults");
}
