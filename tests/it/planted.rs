//! A fault in a kernel, behind the warm cache of a goldrun without it: it must be seen.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Project;

/// Builds goldrun with its planted fault (a resize without interpolation) in a target folder of its own.
/// What others built of the dependencies is linked there, so that only goldrun itself is built again.
fn build_with_fault() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_goldrun")).parent().unwrap();
    let profile = built.file_name().unwrap();
    let target = built.parent().unwrap().join("planted");
    let folder = target.join(profile);
    if !folder.is_dir() {
        fs_err::create_dir_all(&folder).unwrap();
        for part in ["deps", "build", ".fingerprint"] {
            let copied = Command::new("cp")
                .arg("-al")
                .args([built.join(part), folder.join(part)])
                .status()
                .unwrap();
            assert!(copied.success());
            for entry in fs_err::read_dir(folder.join(part)).unwrap() {
                let path = entry.unwrap().path();
                if path.display().to_string().contains("goldrun") {
                    let removed = if path.is_dir() {
                        fs_err::remove_dir_all(&path)
                    } else {
                        fs_err::remove_file(&path)
                    };
                    removed.unwrap();
                }
            }
        }
    }
    let mut build = Command::new(env!("CARGO"));
    build
        .args(["build", "--bin", "goldrun", "--target-dir"])
        .arg(&target);
    if profile == "release" {
        build.arg("--release");
    }
    let built = build
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("GOLDRUN_PLANTED_FAULT", "1")
        .status()
        .unwrap();
    assert!(built.success());
    folder.join("goldrun")
}

#[test]
#[ignore = "builds a second binary: just planted-fault"]
fn a_fault_behind_a_warm_cache_is_seen() {
    let faulty = build_with_fault();
    let project = Project::pinned();
    project.goldrun(&["run", "small"]).exits(0);
    project.goldrun(&["accept", "small"]).exits(0);
    project
        .goldrun(&["check", "small"])
        .exits(0)
        .says("small: identical");
    project
        .other_goldrun(&faulty, &["check", "small"])
        .exits(1)
        .says("has the same files but other pixels");
    project
        .goldrun(&["check", "small"])
        .exits(0)
        .says("small: identical");
}
