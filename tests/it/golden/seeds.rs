//! Goldens of several seeds, and what new seeds say against them.

use crate::support::Project;

/// A project with a golden of four seeds.
fn project(check: &str) -> Project {
    let project = Project::pinned();
    let recipe = project.read("recipes/small.toml");
    project.write("recipes/small.toml", &format!("{recipe}\n{check}"));
    project
        .goldrun(&["accept", "small", "--seeds", "1..4", "--yes"])
        .exits(0)
        .says("and 4 seeds as golden/small.toml");
    project
}

/// The recipe passes where new seeds are no worse.
const STATISTICAL: &str = "[check]\nleast = \"statistical\"\ngate.seeds = 2\n";

/// Edits a golden's lines.
fn edit(project: &Project, change: impl Fn(&str) -> String) {
    let golden = project.read("golden/small.toml");
    let lines: Vec<String> = golden.lines().map(change).collect();
    let changed = lines.join("\n") + "\n";
    assert_ne!(golden, changed);
    project.write("golden/small.toml", &changed);
}

/// Makes the golden one of other arithmetic.
fn other_parameters(line: &str) -> String {
    match line.split_once(" = ") {
        Some((address @ "phase.1.epoch.0.parameters", _)) => {
            format!("{address} = \"{}\"", "0".repeat(64))
        }
        _ => line.to_owned(),
    }
}

/// Shifts the test accuracy of the golden's seeds.
fn shifted(by: f64) -> impl Fn(&str) -> String {
    move |line| {
        let seed = line.split_once(" = [");
        let Some((seed, values)) = seed.filter(|(seed, _)| seed.parse::<u64>().is_ok()) else {
            return line.to_owned();
        };
        let mut values: Vec<f64> = values
            .trim_end_matches(']')
            .split(", ")
            .map(|value| value.parse().unwrap())
            .collect();
        // `test.loss`, `test.accuracy` are the last two of a whole run.
        *values.last_mut().unwrap() += by;
        format!("{seed} = {values:?}")
    }
}

#[test]
fn a_golden_holds_a_line_a_seed_and_runs_are_not_repeated() {
    let project = project("");
    let golden = project.read("golden/small.toml");
    let (_, seeds) = golden.split_once("[seeds]\n").unwrap();
    let (seeds, _) = seeds.split_once("\n\n").unwrap();
    let (figures, lines) = seeds.split_once("]\n").unwrap();
    assert_eq!(figures.matches('"').count() / 2, 14, "{figures}");
    let of: Vec<&str> = lines.lines().map(|line| &line[..5]).collect();
    assert_eq!(of, ["1 = [", "2 = [", "3 = [", "4 = ["]);

    let again = project
        .goldrun(&["accept", "small", "--seeds", "1..4", "--yes"])
        .exits(0)
        .warns("seed 4 (4 of 4): run ");
    assert_eq!(again.stderr.matches("is there already").count(), 4);
    let once_more = project.read("golden/small.toml");
    assert_eq!(once_more, golden, "also the date: nothing was run");

    // Its own seed is 5.
    let checked = project
        .goldrun(&["check", "small", "--seeds", "2"])
        .exits(0)
        .says("new seeds: 6, 7\n")
        .says("4 golden seeds against 2: a drop of")
        .says("small: identical");
    assert_eq!(checked.stderr.matches("is there already").count(), 0);
    project
        .goldrun(&["check", "small", "--seeds", "2"])
        .exits(0)
        .warns("seed 7 (2 of 2): run ");
    let fresh = project
        .goldrun(&["check", "small", "--seeds", "2", "--fresh"])
        .exits(0);
    assert_eq!(fresh.stderr.matches("is there already").count(), 0);

    // Figures of seeds stay with a run that is the golden's, and go with one that is not.
    project.accept_a_run();
    assert!(project.read("golden/small.toml").contains("[seeds]"));
    edit(&project, other_parameters);
    project
        .goldrun(&["accept", "small", "--yes"])
        .exits(0)
        .says("the golden's 4 seeds were measured with other bits");
    assert!(!project.read("golden/small.toml").contains("[seeds]"));
}

#[test]
fn new_seeds_decide_where_bits_moved() {
    let project = project(STATISTICAL);
    project
        .goldrun(&["check", "small"])
        .exits(0)
        .says("small: identical");

    edit(&project, other_parameters);
    let checked = project
        .goldrun(&["check", "small"])
        .exits(0)
        .says("new seeds: 6, 7\n")
        .says("small: no worse (");
    assert!(!checked.stdout.contains("differs:"), "{checked:?}");
    assert!(!project.path("golden/small.pending.toml").exists());

    // Every seed of the golden was better by half of all examples.
    edit(&project, shifted(0.5));
    project
        .goldrun(&["check", "small"])
        .exits(1)
        .warns("worse over 2 new seeds: runs 2 more before it says so")
        .says("new seeds: 6, 7, 8, 9\n")
        .says("small: differs: `test.accuracy` is worse: ")
        .says("also: same data, same recipe, same start; parameters part in phase 1");
    let json = project
        .goldrun(&["check", "small", "--json"])
        .exits(1)
        .json();
    assert_eq!(json[0]["gate"]["standing"], "worse");
    assert_eq!(json[0]["gate"]["new_seeds"].as_array().unwrap().len(), 4);
    assert_eq!(json[0]["power"][1]["figure"], "test.accuracy");

    edit(&project, shifted(-1.0));
    project
        .goldrun(&["check", "small"])
        .exits(0)
        .says("note: suspiciously good: `test.accuracy` is")
        .says("small: no worse (");
}

#[test]
fn a_single_golden_seed_cannot_tell() {
    let project = Project::accepted();
    project
        .goldrun(&["check", "small"])
        .exits(0)
        .says("the golden holds a single seed: without the spread of seeds no drop can be told");
    let golden = project.read("golden/small.toml");
    edit(&project, |line| {
        line.replace("arithmetic = 1", "arithmetic = 0")
    });
    project.goldrun(&["check", "small"]).exits(1).says(
        "small: differs: the arithmetic is version 1, was 0: figures may move for no fault of the recipe; \
         cannot tell whether worse: accept with --seeds\n",
    );
    project.write("golden/small.toml", &golden);
    edit(&project, other_parameters);
    project
        .goldrun(&["check", "small", "--seeds", "2"])
        .exits(1)
        .says("small: differs: cannot tell whether worse: accept with --seeds\n");
}

/// With this learning rate seeds 2 to 7 come to their ends, and 1 and 8 do not; bits are the same everywhere.
#[test]
fn a_seed_that_is_not_finite_fails_the_gate() {
    let project = Project::pinned();
    let recipe = project
        .read("recipes/small.toml")
        .replace("learning_rate = 1e-3", "learning_rate = 3e17")
        .replace("learning_rate = 1e-4", "learning_rate = 1e-9");
    project.write("recipes/small.toml", &recipe);
    project
        .goldrun(&["accept", "small", "--seeds", "2,3,4", "--yes"])
        .exits(0);
    project
        .goldrun(&["check", "small", "--seeds", "2"])
        .exits(1)
        .says("small: differs: the run of seed 1 failed: ");
    project
        .goldrun(&["accept", "small", "--seeds", "1..8", "--yes"])
        .exits(4)
        .warns("a golden holds whole runs only");
}

#[test]
fn another_task_is_not_run_over_seeds() {
    let project = project(STATISTICAL);
    let changed = project
        .goldrun(&["check", "small", "--set", "phase.0.epochs=2"])
        .exits(1)
        .says("small: differs: the recipe changed: `phase.0.epochs` 1 → 2");
    assert!(!changed.stderr.contains("seed 6"), "{changed:?}");
}
