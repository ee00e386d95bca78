//! Whole runs on the device, held to what the same binary makes on the CPU.

use std::path::Path;

use fs_err as fs;

use super::{ORDERS, on_stand_in, stand_in};
use crate::cli::interrupt::{read_until, spawn};
use crate::support::{Project, Ran, SMALL};

/// A project with the recipe tests/fixtures/tiny.toml, pinned, and the CPU's golden of it.
pub(super) fn tiny() -> Project {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny.toml");
    let recipe = fs::read_to_string(fixture).unwrap();
    let project = Project::small().file("recipes/tiny.toml", &recipe);
    project.goldrun(&["pin", "tiny"]).exits(0);
    project.goldrun(&["run", "tiny"]).exits(0);
    project.goldrun(&["accept", "tiny", "--yes"]).exits(0);
    project
}

const CHECK: [&str; 5] = ["check", "tiny", "--device", "cuda", "--fresh"];

#[test]
fn tiny_is_identical_in_every_order_with_and_without_graphs() {
    let Some(folder) = stand_in::folder("tiny_is_identical_in_every_order") else {
        return;
    };
    let project = tiny();
    for order in ORDERS {
        for graphs in ["on", "off"] {
            let settings = [("STAND_IN_ORDER", order), ("GOLDRUN_CUDA_GRAPHS", graphs)];
            on_stand_in(&project, &folder, &settings, &CHECK)
                .exits(0)
                .says("tiny: identical");
        }
    }
}

#[test]
fn older_devices_and_drivers_give_the_same_bits() {
    let Some(folder) = stand_in::folder("older_devices_and_drivers_give_the_same_bits") else {
        return;
    };
    let project = tiny();
    for settings in [
        [
            ("STAND_IN_CAPABILITY", "7.5"),
            ("STAND_IN_VERSION", "11080"),
        ],
        [
            ("STAND_IN_CAPABILITY", "12.0"),
            ("STAND_IN_VERSION", "13030"),
        ],
    ] {
        on_stand_in(&project, &folder, &settings, &CHECK)
            .exits(0)
            .says("tiny: identical");
    }
}

/// From a device with room for everything down to one that is too small: what does not fit is done in smaller
/// pieces, with pictures that stream and features that are computed again.
#[test]
fn a_small_device_gives_the_same_bits_or_says_what_it_needs() {
    let Some(folder) = stand_in::folder("a_small_device_gives_the_same_bits") else {
        return;
    };
    let project = tiny();
    let with = |memory: u64| {
        let memory = memory.to_string();
        on_stand_in(&project, &folder, &[("STAND_IN_MEMORY", &memory)], &CHECK)
    };
    let refused = with(256 << 20).exits(4);
    let refused = refused.warns("error: not enough memory on the CUDA device: at least ");
    let needed: u64 = refused
        .stderr
        .split_once("at least ")
        .and_then(|(_, rest)| rest.split_once(" MiB"))
        .and_then(|(number, _)| number.parse().ok())
        .unwrap();
    let least = needed << 20;
    with(least - (1 << 20)).exits(4).warns("hint: ");
    // Each step of memory is another way to do it, up to all at once.
    for extra in [0, 1, 2, 4, 8, 16, 32, 64] {
        with(least + (extra << 20)).exits(0).says("tiny: identical");
    }
}

#[test]
fn steps_have_the_same_digests_and_every_fault_is_seen() {
    let Some(folder) = stand_in::folder("steps_have_the_same_digests") else {
        return;
    };
    let project = tiny();
    for epoch in ["phase.0.epoch.0", "phase.1.epoch.0"] {
        let trace = [
            "run",
            "tiny",
            "--json",
            "--trace-digests",
            epoch,
            "--device",
        ];
        let file = |ran: Ran| {
            let file = ran.exits(0).json()["digests"].clone();
            file.as_str().unwrap().replace("[project]/", "")
        };
        let on_cpu = file(project.goldrun(&[&trace[..], &["cpu"]].concat()));
        for graphs in ["on", "off"] {
            let settings = [("GOLDRUN_CUDA_GRAPHS", graphs)];
            let arguments = [&trace[..], &["cuda"]].concat();
            let on_device = file(on_stand_in(&project, &folder, &settings, &arguments));
            project
                .goldrun(&["diff", &on_cpu, &on_device])
                .exits(0)
                .says("identical: ");
        }
    }
    // Among them an epoch that is a batch shorter.
    on_stand_in(
        &project,
        &folder,
        &[],
        &["selftest", "tiny", "--device", "cuda"],
    )
    .exits(0)
    .says("tiny: selftest passed");
}

#[test]
fn features_of_pictures_that_are_not_changed_are_gathered() {
    let Some(folder) = stand_in::folder("features_of_pictures_that_are_not_changed") else {
        return;
    };
    let plain = SMALL
        .replace("augment", "# augment")
        .replace("\"small\"", "\"plain\"");
    let doubled = SMALL
        .replace(
            "augment    = [",
            "augment    = [{ rotation = { turn = 0.3, fill = \"reflect\" } }, { flip = \"horizontal\" }, ",
        )
        .replace(" }]\n\n[model", " }, { flip = \"horizontal\" }]\n\n[model")
        .replace("\"small\"", "\"doubled\"");
    let project = Project::small()
        .file("recipes/plain.toml", &plain)
        .file("recipes/doubled.toml", &doubled);
    for name in ["plain", "doubled"] {
        project.goldrun(&["pin", name]).exits(0);
        project.goldrun(&["run", name]).exits(0);
        project.goldrun(&["accept", name, "--yes"]).exits(0);
        let arguments = ["check", name, "--device", "cuda", "--fresh"];
        on_stand_in(&project, &folder, &[], &arguments)
            .exits(0)
            .says(&format!("{name}: identical"));
    }
}

#[test]
fn auto_takes_the_device() {
    let Some(folder) = stand_in::folder("auto_takes_the_device") else {
        return;
    };
    let project = tiny();
    let arguments = ["run", "tiny", "--device", "auto", "--json"];
    let ran = on_stand_in(&project, &folder, &[], &arguments).exits(0);
    assert_eq!(ran.json()["made"]["device"], "Stand-in 9.0");
    assert!(!ran.stderr.contains("computing on the CPU"), "{ran:#?}");
}

#[test]
#[ignore = "an epoch of the quickstart on an emulated device: just slow"]
fn an_epoch_of_each_phase_of_the_quickstart_is_identical() {
    let Some(folder) = stand_in::folder("an_epoch_of_each_phase_of_the_quickstart") else {
        return;
    };
    let project = Project::empty();
    let cut = ["--set", "phase.0.epochs=1", "--set", "phase.1.epochs=1"];
    let run = |device: &str| {
        let arguments = [
            &["run", "quickstart", "--json", "--device", device][..],
            &cut,
        ]
        .concat();
        let ran = on_stand_in(&project, &folder, &[], &arguments).exits(0);
        ran.json()["facts"].clone()
    };
    let on_cpu = run("cpu");
    assert!(on_cpu.as_object().unwrap().len() > 40, "{on_cpu}");
    assert_eq!(on_cpu, run("cuda"));
}

/// A device that fails in the middle of a phase, then the CPU; a killed run on the CPU, then the device.
#[test]
fn a_run_goes_on_from_device_to_cpu_and_back() {
    let Some(folder) = stand_in::folder("a_run_goes_on_from_device_to_cpu_and_back") else {
        return;
    };
    let project = tiny();
    let run = ["run", "tiny", "--device", "cuda"];
    // In the second epoch of the first phase, and of the second.
    for (launch, after) in [("2", "phase 0, epoch 0"), ("4", "phase 1, epoch 0")] {
        let fault = format!("cuGraphLaunch:{launch}:999");
        on_stand_in(&project, &folder, &[("STAND_IN_FAIL", &fault)], &run).exits(4);
        project
            .goldrun(&["check", "tiny", "--resume"])
            .exits(0)
            .warns(after)
            .says("tiny: identical");
    }
    for epoch in ["epoch 1/", "epoch 3/"] {
        let mut child = spawn(&project, &["run", "tiny"]);
        let lines = read_until(&mut child, epoch);
        child.kill().unwrap();
        child.wait().unwrap();
        drop(lines);
        let check = ["check", "tiny", "--resume", "--device", "cuda"];
        on_stand_in(&project, &folder, &[], &check)
            .exits(0)
            .warns("goes on with run")
            .says("tiny: identical");
    }
}
