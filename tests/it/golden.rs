//! Goldens through the real binary: a project's life from no golden to one that holds.

mod accept;
mod bits;
mod causes;
mod held;
mod seeds;

use crate::support::{Project, SMALL};

/// Names of the files in `golden/`.
fn goldens(project: &Project) -> Vec<String> {
    let Ok(entries) = fs_err::read_dir(project.path("golden")) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn from_no_golden_to_one_that_holds() {
    let project = Project::pinned();
    let none = project
        .goldrun(&["check", "small"])
        .exits(5)
        .says("small: no golden");
    assert!(
        none.stderr.contains("kept as golden/small.pending.toml"),
        "{}",
        none.stderr
    );
    assert_eq!(goldens(&project), ["small.pending.toml"]);

    let accepted = project.goldrun(&["accept", "small", "--yes"]).exits(0);
    assert!(
        accepted.stdout.contains("the first golden of this recipe"),
        "{accepted:#?}"
    );
    assert_eq!(goldens(&project), ["small.toml"]);
    let golden = project.read("golden/small.toml");

    project
        .goldrun(&["check", "small"])
        .exits(0)
        .says("small: identical");
    assert_eq!(goldens(&project), ["small.toml"]);

    let other = project.goldrun(&["check", "small", "--seed", "7"]).exits(1);
    let verdict = "small: differs: the training seed is 7, was 5";
    assert!(
        other.stdout.lines().last().unwrap().starts_with(verdict),
        "{}",
        other.stdout
    );
    assert!(
        !other.stderr.contains("goldrun accept"),
        "such a run is never accepted"
    );
    assert_eq!(
        project.read("golden/small.toml"),
        golden,
        "check never writes a golden"
    );
    assert_eq!(goldens(&project), ["small.pending.toml", "small.toml"]);
    project
        .goldrun(&["list"])
        .exits(0)
        .says("golden of a moment ago, one pending");

    project
        .goldrun(&["accept", "small", "--yes"])
        .exits(2)
        .warns("--set` or `--seed");
    assert_eq!(project.read("golden/small.toml"), golden);

    project
        .goldrun(&["check", "small", "--set", "phase.0.epochs=2"])
        .exits(1);
    project
        .goldrun(&["accept", "small", "--yes"])
        .exits(2)
        .warns("--set` or `--seed");
    project.goldrun(&["check", "small"]).exits(0);
    assert_eq!(
        goldens(&project),
        ["small.toml"],
        "what passes removes the pending record"
    );
}

#[test]
fn a_changed_recipe_differs_and_is_accepted_with_what_changes() {
    let project = Project::accepted();
    let changed = project
        .read("recipes/small.toml")
        .replace("learning_rate = 1e-3", "learning_rate = 2e-3");
    project.write("recipes/small.toml", &changed);
    project
        .goldrun(&["list"])
        .exits(0)
        .says("golden of another version");
    project
        .goldrun(&["accept", "small", "--yes"])
        .exits(2)
        .warns("the recipe has changed since");
    project
        .goldrun(&["check", "small"])
        .exits(1)
        .says("why: the recipe changed: `phase.0.optimizer.adam.learning_rate` 0.001 → 0.002")
        .says("\nrecipe:\n  phase.0.optimizer.adam.learning_rate  0.001 → 0.002\n")
        .says("first parting: recipe (`recipe.canonical`)");
    project
        .goldrun(&["accept", "small", "--yes"])
        .exits(0)
        .says("facts change");
    project
        .goldrun(&["check", "small"])
        .exits(0)
        .says("small: identical");
}

#[test]
fn a_run_is_accepted_by_its_id() {
    let project = Project::pinned();
    let id = |ran: crate::support::Ran| ran.json()["run"].as_str().unwrap().to_owned();
    let first = id(project.goldrun(&["run", "small", "--json"]).exits(0));
    let second = id(project
        .goldrun(&["run", "small", "--seed", "7", "--json"])
        .exits(0));
    project
        .goldrun(&["accept", "small", "--run", &second, "--yes"])
        .exits(2);
    project
        .goldrun(&["accept", "small", "--run", "../small", "--yes"])
        .exits(2)
        .warns("has no run");
    project
        .goldrun(&["accept", "small", "--run", &first, "--yes"])
        .exits(0)
        .says(&first);
    project
        .goldrun(&["diff", &first, "small"])
        .exits(0)
        .says("identical");
    let differ = project.goldrun(&["diff", &first, &second]).exits(1);
    assert!(
        differ
            .stdout
            .contains("first parting: training seed (`seed`)"),
        "{differ:#?}"
    );
    let data = project.goldrun(&[
        "diff",
        &format!("runs/small/{second}"),
        "golden/small.toml",
        "--json",
    ]);
    let data = data.exits(1).json();
    assert_eq!(data["identical"], false);
    assert_eq!(data["first_parting"], "seed");
}

#[test]
fn a_damaged_golden_is_said_before_anything_runs() {
    let project = Project::accepted();
    let golden = project.read("golden/small.toml");
    for (damaged, said) in [
        (golden.replace("format = 1", "format = 2"), "update goldrun"),
        (format!("<<<<<<< HEAD\n{golden}"), "is damaged"),
        (String::new(), "it has no `format`"),
    ] {
        project.write("golden/small.toml", &damaged);
        let ran = project.goldrun(&["check", "small"]).exits(2);
        assert_eq!(ran.stdout, "");
        assert!(!ran.stderr.contains("epoch "), "{}", ran.stderr);
        ran.warns(said).warns("hint: ");
    }
    project.goldrun(&["accept", "small", "--yes"]).exits(0);
    assert_eq!(
        project.read("golden/small.toml"),
        golden,
        "accepting mends it"
    );
}

#[test]
fn over_several_recipes_the_worst_wins() {
    let project = Project::pinned();
    let pinned = project.read("recipes/small.toml");
    let project = project.file(
        "recipes/other.toml",
        &pinned.replace("\"small\"", "\"other\""),
    );
    project.accept_a_run();
    let two = project.goldrun(&["check", "small", "other"]).exits(5);
    assert!(
        two.stdout
            .ends_with("\nsmall: identical\nother: no golden\n"),
        "{}",
        two.stdout
    );
    project
        .goldrun(&["check", "small", "other", "--seed", "7"])
        .exits(1);
}

#[test]
fn a_wrong_recipe_is_told_first_and_stops_no_other() {
    let project = Project::pinned()
        .file("recipes/open.toml", &SMALL.replace("\"small\"", "\"open\""))
        .file("recipes/odd.toml", &SMALL.replace("\"small\"", "\"odd\""))
        .file("golden/odd.toml", "format = 1\ntest.loss =");
    let wrong = project.goldrun(&["check", "small", "nope"]).exits(2);
    assert!(
        wrong.stdout.ends_with("\nnope: error\nsmall: no golden\n"),
        "{wrong:#?}"
    );
    assert!(
        wrong.stderr.starts_with("error: there is no recipe `nope`"),
        "{wrong:#?}"
    );
    project
        .goldrun(&["check", "small", "odd"])
        .exits(2)
        .warns("golden/odd.toml");
    let all = project
        .goldrun(&["check", "small", "open", "nope", "--json"])
        .exits(3)
        .json();
    let codes = [0, 1, 2].map(|entry| all[entry]["exit_code"].as_u64());
    assert_eq!(codes, [Some(3), Some(2), Some(5)]);
    assert_eq!(all[2]["verdict"], "no golden");
}

#[test]
fn quiet_says_the_verdict_only_and_json_only_data() {
    let project = Project::pinned();
    let quiet = project.goldrun(&["check", "small", "--quiet"]).exits(5);
    assert_eq!(quiet.stdout.lines().count(), 1, "{quiet:#?}");
    assert_eq!(quiet.stderr, "");
    let data = project.goldrun(&["check", "small", "--json"]).exits(5);
    assert!(data.stderr.contains("epoch 1/1"), "{}", data.stderr);
    let data = data.json();
    assert_eq!(data[0]["verdict"], "no golden");
    assert_eq!(data[0]["exit_code"], 5);
    let figures = data[0]["figures"].as_array().unwrap();
    assert!(
        figures
            .iter()
            .any(|figure| figure["figure"] == "test.accuracy")
    );
    let accepted = project
        .goldrun(&["accept", "small", "--json", "--yes"])
        .exits(0)
        .json();
    assert_eq!(accepted["golden"], "golden/small.toml");
}
