//! The CUDA engine on the stand-in for a driver: the unmodified binary, with the CPU's bits.

mod faults;
mod runs;
mod stand_in;

use std::path::Path;
use std::process::Command;

use crate::kernels::gpu::BACKENDS;
use crate::support::{Project, Ran};

/// Orders of threads, of blocks and of the work of streams.
const ORDERS: [&str; 3] = ["0", "1", "2"];

/// The stand-in where a driver is looked for.
fn with_driver<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    command
        .env("LD_LIBRARY_PATH", folder)
        .env_remove("CUDA_VISIBLE_DEVICES")
}

/// Runs the binary on a stand-in with these settings.
fn on_stand_in(
    project: &Project,
    folder: &Path,
    settings: &[(&str, &str)],
    arguments: &[&str],
) -> Ran {
    let mut command = project.command(arguments);
    with_driver(&mut command, folder).envs(settings.iter().copied());
    Ran::of(project, &mut command)
}

/// The list of kernel cases, in a process of its own that finds the stand-in.
#[test]
fn kernels_have_their_bits_in_every_order() {
    let Some(folder) = stand_in::folder("kernels_have_their_bits_in_every_order") else {
        return;
    };
    for order in ORDERS {
        kernel_cases(&folder, &[("STAND_IN_ORDER", order)]);
    }
    // The PTX for older devices has fewer tiles.
    kernel_cases(&folder, &[("STAND_IN_CAPABILITY", "7.5")]);
}

fn kernel_cases(folder: &Path, settings: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    with_driver(&mut command, folder)
        .args(["kernels::", "--test-threads", "2"])
        .envs(settings.iter().copied())
        .env(BACKENDS, "cuda")
        .env("GOLDRUN_CASES", "6")
        .env("GOLDRUN_REQUIRE", "cuda");
    let output = command.output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{settings:?}: {text}");
    let passed: Vec<&str> = text
        .lines()
        .filter(|line| line.ends_with("... ok"))
        .collect();
    assert!(passed.len() >= 20, "{text}");
}

#[test]
fn doctor_runs_the_vectors_on_the_device() {
    let Some(folder) = stand_in::folder("doctor_runs_the_vectors_on_the_device") else {
        return;
    };
    let project = Project::empty();
    let doctor = ["doctor", "--device", "cuda"];
    on_stand_in(&project, &folder, &[], &doctor)
        .exits(0)
        .says("Stand-in 9.0, compute capability 9.0")
        .says("51 of 51 are equal")
        .says("cuda (Stand-in 9.0)");
    let json = on_stand_in(
        &project,
        &folder,
        &[],
        &["doctor", "--device", "cuda", "--json"],
    );
    let json = json.exits(0).json();
    assert_eq!(json["cuda"]["vectors"]["different"], serde_json::json!([]));
}

/// Without one of its barriers a kernel reads what is not there yet.
#[test]
fn doctor_sees_a_kernel_without_its_barrier() {
    if stand_in::folder("doctor_sees_a_kernel_without_its_barrier").is_none() {
        return;
    }
    let faults = [
        ("pointwise", "        __syncthreads();\n", ""),
        (
            "pointwise",
            "wait_for_copies<STAGES - 2>();",
            "wait_for_copies<STAGES - 1>();",
        ),
        ("depthwise", "if (in_x + 2 < width) {", "{"),
        (
            "head",
            "__fmaf_rn(__fmul_rn(r, r), p, r)",
            "__fadd_rn(__fmul_rn(__fmul_rn(r, r), p), r)",
        ),
    ];
    for (family, from, to) in faults {
        let folder = stand_in::faulty(stand_in::Fault { family, from, to });
        let project = Project::empty();
        on_stand_in(&project, &folder, &[], &["doctor", "--device", "cuda"])
            .exits(4)
            .says("first to differ")
            .warns("the CUDA device computes other bits than docs/arithmetic.md says");
    }
}
