//! Goldens through the real binary: a project's life from no golden to one that holds.

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

    let accepted = project.goldrun(&["accept", "small"]).exits(0);
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
    let verdict = "small: differs: the training seed is 7, the golden's is 5";
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
        .says("golden, one pending");

    project
        .goldrun(&["accept", "small"])
        .exits(2)
        .warns("--set` or `--seed");
    assert_eq!(project.read("golden/small.toml"), golden);

    project
        .goldrun(&["check", "small", "--set", "phase.0.epochs=2"])
        .exits(1);
    project
        .goldrun(&["accept", "small"])
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
    let project = Project::pinned();
    project.goldrun(&["run", "small"]).exits(0);
    project.goldrun(&["accept", "small"]).exits(0);
    let changed = project
        .read("recipes/small.toml")
        .replace("learning_rate = 1e-3", "learning_rate = 2e-3");
    project.write("recipes/small.toml", &changed);
    project
        .goldrun(&["list"])
        .exits(0)
        .says("golden of another version");
    project
        .goldrun(&["accept", "small"])
        .exits(2)
        .warns("the recipe has changed since");
    project
        .goldrun(&["check", "small"])
        .exits(1)
        .says("now `phase.0.optimizer.adam.learning_rate = 0.002`")
        .says("first parting: recipe (`recipe.canonical`)");
    project
        .goldrun(&["accept", "small"])
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
        .goldrun(&["accept", "small", "--run", &second])
        .exits(2);
    project
        .goldrun(&["accept", "small", "--run", "../small"])
        .exits(2)
        .warns("has no run");
    project
        .goldrun(&["accept", "small", "--run", &first])
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
fn unpinned_artifacts_mark_the_verdict_and_are_never_accepted() {
    let project = Project::small();
    let seen = project
        .goldrun(&["check", "small", "--allow-unpinned"])
        .exits(5);
    let seen = seen
        .says("small: no golden [unpinned weights]")
        .says("content = \"t1:")
        .says("to pin it: goldrun pin small");
    let content = seen
        .stdout
        .lines()
        .find(|line| line.trim().starts_with("content"));
    let digest = content.unwrap().split('"').nth(1).unwrap().to_owned();
    project
        .goldrun(&["accept", "small"])
        .exits(2)
        .warns("unpinned");
    project.goldrun(&["pin", "small"]).exits(0).says(&digest);
}

#[test]
fn a_damaged_golden_is_said_before_anything_runs() {
    let project = Project::pinned();
    project.goldrun(&["run", "small"]).exits(0);
    project.goldrun(&["accept", "small"]).exits(0);
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
    project.goldrun(&["accept", "small"]).exits(0);
    assert_eq!(
        project.read("golden/small.toml"),
        golden,
        "accepting mends it"
    );
}

#[test]
fn published_figures_are_judged_with_and_without_a_golden() {
    let figure = |value: f64| {
        format!(
            "\n[[published]]\nsource = \"a paper\"\nfigure = \"test.accuracy\"\nvalue = {value:?}\nabs = 0.5\n"
        )
    };
    let project = Project::pinned();
    let recipe = project.read("recipes/small.toml");
    project.write("recipes/small.toml", &format!("{recipe}{}", figure(0.5)));
    project
        .goldrun(&["check", "small"])
        .exits(0)
        .says("no golden, but the published figure holds");
    project.goldrun(&["accept", "small"]).exits(0);
    project
        .goldrun(&["check", "small"])
        .exits(0)
        .says("identical");
    project.write("recipes/small.toml", &format!("{recipe}{}", figure(5.0)));
    project
        .goldrun(&["check", "small"])
        .exits(1)
        .says("small: differs: `test.accuracy` is")
        .says("published by: a paper");
    fs_err::remove_file(project.path("golden/small.toml")).unwrap();
    project
        .goldrun(&["check", "small"])
        .exits(1)
        .says("published figures do not hold");
}

#[test]
fn a_published_figure_that_set_cuts_off_is_shown_as_not_reached() {
    let project = Project::pinned();
    let recipe = project.read("recipes/small.toml").replace(
        "epochs = 1\ntrain  = { from = 100 }",
        "epochs = 4\ntrain  = { from = 100 }",
    );
    let figure = "\n[[published]]\nsource = \"a paper\"\nfigure = \"phase.1.epoch.3.val_loss\"\n\
                  value = 0.1\nabs = 0.001\n";
    project.write("recipes/small.toml", &format!("{recipe}{figure}"));
    let short = "phase.1.epochs=1";
    let checked = project
        .goldrun(&["check", "small", "--set", short, "--json"])
        .exits(5);
    let published = checked.json()[0]["published"].clone();
    assert_eq!(published[0]["verdict"], "not reached");
    assert_eq!(published[0]["now"], serde_json::Value::Null);

    let test = "\n[[published]]\nsource = \"a paper\"\nfigure = \"test.accuracy\"\nvalue = 0.5\nabs = 0.5\n";
    project.write("recipes/small.toml", &format!("{recipe}{figure}{test}"));
    project
        .goldrun(&["check", "small", "--set", short])
        .exits(0)
        .says("not reached")
        .says("no golden, but the published figure holds");

    let recipe = recipe.replace("epochs = 4", "epochs = 1");
    project.write("recipes/small.toml", &format!("{recipe}{figure}"));
    project
        .goldrun(&["check", "small"])
        .exits(2)
        .warns("phase 1 has one epoch, number 0");
}

#[test]
fn a_tolerance_lets_another_way_of_training_pass() {
    let project = Project::pinned();
    project.goldrun(&["run", "small"]).exits(0);
    project.goldrun(&["accept", "small"]).exits(0);
    let golden = project.read("golden/small.toml");
    let moved: Vec<String> = golden
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some((key, value)) if key == "test.accuracy" => {
                format!("{key} = {:?}", value.parse::<f64>().unwrap() - 0.05)
            }
            _ => line.to_owned(),
        })
        .collect();
    project.write("golden/small.toml", &moved.join("\n"));
    project
        .goldrun(&["check", "small"])
        .exits(1)
        .says("figures after training");
    let recipe = project.read("recipes/small.toml");
    let tolerance = "\n[check]\ntolerance.\"test.accuracy\" = { abs = 0.1 }\n";
    project.write("recipes/small.toml", &format!("{recipe}{tolerance}"));
    project
        .goldrun(&["check", "small"])
        .exits(0)
        .says("small: within tolerance");
    let one_sided = tolerance.replace("abs = 0.1", "abs = 0.01, better = \"lower\"");
    project.write("recipes/small.toml", &format!("{recipe}{one_sided}"));
    project
        .goldrun(&["check", "small"])
        .exits(1)
        .says("allowed is +0.01");
}

#[test]
fn over_several_recipes_the_worst_wins() {
    let project = Project::pinned();
    let pinned = project.read("recipes/small.toml");
    let project = project
        .file(
            "recipes/other.toml",
            &pinned.replace("\"small\"", "\"other\""),
        )
        .file("recipes/open.toml", &SMALL.replace("\"small\"", "\"open\""));
    project.goldrun(&["run", "small"]).exits(0);
    project.goldrun(&["accept", "small"]).exits(0);
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
    project
        .goldrun(&["check", "nope", "small", "--seed", "7"])
        .exits(2);
    let all = project
        .goldrun(&["check", "small", "open", "nope", "other", "--json"])
        .exits(3)
        .json();
    let codes: Vec<u64> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["exit_code"].as_u64().unwrap())
        .collect();
    assert_eq!(codes, [0, 3, 2, 5]);
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
        .goldrun(&["accept", "small", "--json"])
        .exits(0)
        .json();
    assert_eq!(accepted["golden"], "golden/small.toml");
}

#[test]
fn a_difference_in_training_names_the_first_tensor_that_parts() {
    let project = Project::pinned();
    let run = |option: &str| {
        let ran = project
            .goldrun(&["run", "small", "--set", option, "--json"])
            .exits(0);
        ran.json()["run"].as_str().unwrap().to_owned()
    };
    let slow = run("phase.1.optimizer.rmsprop.learning_rate=1e-4");
    let fast = run("phase.1.optimizer.rmsprop.learning_rate=2e-4");
    // The recipes differ, which would be the first parting: let them say the same.
    let record = format!("runs/small/{fast}/record.json");
    let mut facts: serde_json::Value = serde_json::from_str(&project.read(&record)).unwrap();
    let other: serde_json::Value =
        serde_json::from_str(&project.read(&format!("runs/small/{slow}/record.json"))).unwrap();
    for address in ["recipe.fingerprint", "recipe.canonical"] {
        facts["facts"][address] = other["facts"][address].clone();
    }
    project.write(&record, &facts.to_string());
    project
        .goldrun(&["diff", &slow, &fast])
        .exits(1)
        .says("first parting: parameters after phase 1, epoch 0")
        .says("the first tensor that differs there: block_11_depthwise/kernel");
}

/// Every number is a function of recipe, artifacts and seed alone: each check is a process of its own.
#[test]
fn no_bit_depends_on_threads_simd_or_cache() {
    let project = Project::pinned();
    project
        .goldrun(&["run", "small", "--threads", "2"])
        .exits(0);
    project.goldrun(&["accept", "small"]).exits(0);
    for threads in ["1", "2", "5"] {
        for level in goldrun::kernels::Level::available() {
            let options = [
                "check",
                "small",
                "--fresh",
                "--threads",
                threads,
                "--simd",
                level.word(),
            ];
            project.goldrun(&options).exits(0).says("small: identical");
        }
    }
    project
        .goldrun(&["check", "small"])
        .exits(0)
        .says("small: identical");
}

/// On very few pictures: candle takes its time.
#[test]
fn a_run_on_candle_is_close_and_never_accepted() {
    let project = Project::small();
    let recipe = project
        .read("recipes/small.toml")
        .replace("train      = 40", "train      = 5")
        .replace("= 20", "= 5");
    project.write("recipes/small.toml", &recipe);
    project.goldrun(&["pin", "small"]).exits(0);
    let run = |engine: &str| {
        let ran = project
            .goldrun(&["run", "small", "--engine", engine, "--json"])
            .exits(0)
            .json();
        let loss = ran["facts"]["test.loss"].as_f64().unwrap();
        (ran["run"].as_str().unwrap().to_owned(), loss)
    };
    let (native, loss) = run("native");
    let (candle, other) = run("candle");
    assert!((loss - other).abs() < 1e-3 * loss, "{loss} {other}");
    project
        .goldrun(&["accept", "small", "--run", &candle])
        .exits(2)
        .warns("engine `candle`");
    project.goldrun(&["diff", &native, &candle]).exits(1);
}
