//! How a golden and published figures are held.

use crate::support::Project;

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
    project.goldrun(&["accept", "small", "--yes"]).exits(0);
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
    let project = Project::accepted();
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
fn a_run_with_set_is_refused_for_that_and_not_for_a_changed_recipe() {
    let project = Project::pinned();
    project
        .goldrun(&[
            "run",
            "small",
            "--set",
            "phase.0.optimizer.adam.learning_rate=2e-3",
        ])
        .exits(0);
    let refused = project.goldrun(&["accept", "small", "--yes"]).exits(2);
    let refused = refused.warns("it was made with `--set` or `--seed`");
    assert!(!refused.stderr.contains("changed"), "{refused:#?}");
}

#[test]
fn a_golden_that_cannot_be_written_is_named() {
    let project = Project::pinned();
    project.goldrun(&["run", "small"]).exits(0);
    fs_err::create_dir_all(project.path("golden/small.toml")).unwrap();
    let refused = project.goldrun(&["accept", "small", "--yes"]).exits(4);
    let refused = refused.warns("error: cannot write [project]/golden/small.toml: ");
    assert!(!refused.stderr.contains(".tmp"), "{refused:#?}");
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
        .goldrun(&["accept", "small", "--yes"])
        .exits(2)
        .warns("unpinned");
    project.goldrun(&["pin", "small"]).exits(0).says(&digest);
}
