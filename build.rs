//! Notes the git revision that goldrun is built from, for the provenance of records; and builds a faulty
//! goldrun where a test asks for one.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/refs/heads");
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-env-changed=GOLDRUN_PLANTED_FAULT");
    if std::env::var_os("GOLDRUN_PLANTED_FAULT").is_some() {
        println!("cargo:rustc-cfg=planted_fault");
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision =
        git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let is_dirty = git(&["status", "--porcelain", "--untracked-files=no"])
        .is_some_and(|changes| !changes.is_empty());
    println!("cargo:rustc-env=GOLDRUN_REVISION={revision}");
    println!("cargo:rustc-env=GOLDRUN_DIRTY={is_dirty}");
}
