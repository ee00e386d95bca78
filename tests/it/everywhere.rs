//! The same bits everywhere: the shipped quickstart through the real binary, each time computed afresh in a
//! process of its own, with an empty cache. And nearly the same on candle, whose arithmetic is another.

use goldrun::kernels::Level;

use crate::support::Project;

#[test]
#[ignore = "trains the quickstart six times: just slow"]
fn quickstart_is_identical_on_any_threads_and_simd_level() {
    let mut ways: Vec<[String; 2]> = [1, 2, 5]
        .map(|threads| ["--threads".to_owned(), threads.to_string()])
        .to_vec();
    for level in Level::available() {
        ways.push(["--simd".to_owned(), level.word().to_owned()]);
    }
    for [option, value] in ways {
        Project::empty()
            .goldrun(&["check", "quickstart", &option, &value])
            .exits(0)
            .says("quickstart: identical");
    }
}

#[test]
#[ignore = "trains the quickstart: just slow"]
fn quickstart_differs_with_another_seed() {
    Project::empty()
        .goldrun(&["check", "quickstart", "--seed", "7"])
        .exits(1)
        .says("quickstart: differs");
}

/// The whole quickstart takes ten minutes on candle: as many steps as this see all that training does.
const FEW_PICTURES: [&str; 3] = [
    "dataset.drawn.train=128",
    "dataset.drawn.validation=32",
    "dataset.drawn.test=32",
];

/// Largest difference of a loss, relative.
const LOSSES: f64 = 1e-3;

#[test]
#[ignore = "trains on candle: just slow"]
fn quickstart_ends_with_the_same_losses_on_both_engines() {
    let project = Project::empty();
    let losses = |engine: &str| -> Vec<(String, f64)> {
        let mut arguments = vec!["run", "quickstart", "--engine", engine, "--json"];
        let cut = ["phase.0.epochs=1", "phase.1.epochs=1"];
        for set in cut.into_iter().chain(FEW_PICTURES) {
            arguments.extend(["--set", set]);
        }
        let ran = project.goldrun(&arguments).exits(0).json();
        let facts = ran["facts"].as_object().unwrap();
        facts
            .iter()
            .filter(|(address, _)| address.ends_with("loss"))
            .map(|(address, value)| (address.clone(), value.as_f64().unwrap()))
            .collect()
    };
    let native = losses("native");
    let candle = losses("candle");
    // Before training, training and validation in each of two phases, at the end, test.
    assert_eq!(native.len(), 7, "{native:?}");
    for ((address, ours), (other, theirs)) in native.iter().zip(&candle) {
        assert_eq!(address, other);
        assert!(
            (ours - theirs).abs() < LOSSES * ours,
            "{address}: {ours} {theirs}"
        );
    }
}
