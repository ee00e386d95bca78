//! Which bits are the same, and where two runs part.

use crate::support::Project;

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
        .says("first tensor that differs there: block_11_depthwise/kernel");
}

/// Every number is a function of recipe, artifacts and seed alone: each check is a process of its own.
#[test]
fn no_bit_depends_on_threads_simd_or_cache() {
    let project = Project::pinned();
    project
        .goldrun(&["run", "small", "--threads", "2"])
        .exits(0);
    project.goldrun(&["accept", "small", "--yes"]).exits(0);
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
        .goldrun(&["accept", "small", "--run", &candle, "--yes"])
        .exits(2)
        .warns("engine `candle`");
    project.goldrun(&["diff", &native, &candle]).exits(1);
}
