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
        copy("-a", &built.join(".fingerprint"), &folder);
        // A build script that ran again would write through a link.
        copy("-a", &built.join("build"), &folder);
        copy("-al", &built.join("deps"), &folder);
        for part in [".fingerprint", "build", "deps"] {
            remove_goldrun(&folder.join(part));
        }
    }
    let mut build = Command::new(env!("CARGO"));
    build
        // With an example, features of dependencies are those of the tests, and what these built serves.
        .args(["build", "--bin", "goldrun", "--example", "draw"])
        .arg("--target-dir")
        .arg(&target);
    // A folder `debug` is that of the profile `dev`.
    let profile = if profile == "release" {
        "release"
    } else {
        "dev"
    };
    build.args(["--profile", profile]);
    // Half the time to build; bits hang on no level of optimisation.
    build.arg("--config");
    build.arg(format!("profile.{profile}.package.goldrun.opt-level = 1"));
    // The tests' own, for which dependencies would be built again.
    for (name, _) in std::env::vars_os() {
        let of_this_test = ["CARGO_MANIFEST_", "CARGO_PKG_", "OUT_DIR"];
        if of_this_test
            .iter()
            .any(|start| name.to_string_lossy().starts_with(start))
        {
            build.env_remove(name);
        }
    }
    let built = build
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("GOLDRUN_PLANTED_FAULT", "1")
        .status()
        .unwrap();
    assert!(built.success());
    folder.join("goldrun")
}

fn copy(how: &str, from: &Path, into: &Path) {
    let copied = Command::new("cp").arg(how).args([from, into]).status();
    assert!(copied.unwrap().success());
}

/// Removes what was built of goldrun itself.
fn remove_goldrun(folder: &Path) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_ours = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains("goldrun"));
        if !is_ours {
            continue;
        }
        let removed = if path.is_dir() {
            fs_err::remove_dir_all(&path)
        } else {
            fs_err::remove_file(&path)
        };
        removed.unwrap();
    }
}

#[test]
#[ignore = "builds a second binary: just slow"]
fn a_fault_behind_a_warm_cache_is_seen() {
    let faulty = build_with_fault();
    let project = Project::accepted();
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
