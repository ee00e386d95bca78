//! What a machine has and has not, and what is said where it is in the way.

use goldrun::kernels::cuda;

use crate::support::{Project, Ran};

#[test]
fn a_device_that_a_machine_does_not_have_exits_4() {
    let project = Project::pinned();
    for command in [&["run", "small"][..], &["check", "small"], &["doctor"]] {
        let arguments = [command, &["--device", "cuda"]].concat();
        let ran = project.goldrun(&arguments).exits(4);
        let ran = ran
            .warns("no CUDA driver on this machine")
            .warns("\nhint: install NVIDIA's driver, 520 or later");
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn without_a_device_the_cpu_computes_and_says_why() {
    if cuda::device::driver().is_ok() {
        return;
    }
    let project = Project::pinned();
    let ran = project
        .goldrun(&["run", "small", "--device", "auto"])
        .exits(0);
    ran.warns("note: computing on the CPU: no CUDA driver on this machine");
    let ran = project
        .goldrun(&["run", "small", "--device", "cpu"])
        .exits(0);
    assert!(!ran.stderr.contains("CUDA"), "{ran:#?}");
}

#[test]
fn the_candle_engine_is_not_on_cuda() {
    Project::pinned()
        .goldrun(&["run", "small", "--device", "cuda", "--engine", "candle"])
        .exits(2)
        .warns("the candle engine computes on the CPU only");
}

#[test]
fn doctor_tells_what_would_be_used() {
    let project = Project::empty();
    let found = project
        .goldrun(&["doctor", "--simd", "scalar", "--threads", "3"])
        .exits(0);
    let found = found
        .says("used: scalar")
        .says("threads          3")
        .says("[project]/cache");
    assert_eq!(found.stderr, "");
    let data = project.goldrun(&["doctor", "--json"]).exits(0).json();
    assert_eq!(data["device_used"], "cpu");
    assert!(
        data["shipped_recipes"]
            .as_array()
            .unwrap()
            .contains(&"quickstart".into())
    );
}

#[test]
fn doctor_tells_shipped_recipes_from_those_of_the_project() {
    let found = Project::small().goldrun(&["doctor", "--json"]).exits(0);
    let shipped = found.json()["shipped_recipes"].clone();
    assert_eq!(
        shipped,
        serde_json::json!([
            "head-only",
            "quickstart",
            "stepwise",
            "tutorial-224",
            "tutorial"
        ])
    );
}

#[test]
fn a_cache_that_cannot_be_is_said_with_what_to_do() {
    let project = Project::pinned();
    let ran = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        Ran::of(
            &project,
            command.env("GOLDRUN_CACHE", project.path("recipes/small.toml")),
        )
    };
    let shown = [
        ran(&["doctor", "--quiet"])
            .exits(0)
            .says("cannot be used")
            .stderr,
        ran(&["run", "small"]).exits(3).stderr,
        ran(&["fetch", "small"]).exits(3).stderr,
    ];
    insta::assert_snapshot!(shown.join("\n"));
    assert_ne!(
        ran(&["doctor", "--json"]).json()["cache_problem"],
        serde_json::Value::Null
    );
}

#[test]
fn a_folder_of_artifacts_that_is_not_there_is_a_warning() {
    let project = Project::empty();
    let mut command = project.command(&["list"]);
    let ran = Ran::of(&project, command.env("GOLDRUN_ARTIFACTS", "nowhere")).exits(0);
    assert_eq!(
        ran.stderr,
        "warning: GOLDRUN_ARTIFACTS names a folder that is not there: nowhere\n"
    );
}

#[test]
fn weights_that_do_not_fit_are_named_with_their_file() {
    Project::pinned()
        .goldrun(&["run", "small", "--set", "model.mobilenet_v2.alpha=0.5"])
        .exits(3)
        .warns(
            "artifact `weights`, [project]/recipes/weights/quickstart.safetensors: `block_1_project/kernel`",
        );
}
