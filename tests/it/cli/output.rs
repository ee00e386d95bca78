//! Standard output that cannot be written.

use std::process::Stdio;

use crate::support::Project;

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let project = Project::small();
    let mut child = project
        .command(&["show", "small"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let project = Project::small();
    for arguments in [
        &["--help"][..],
        &["list"],
        &["list", "--json"],
        &["show", "small"],
        &["doctor"],
    ] {
        let full = fs_err::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let output = project
            .command(arguments)
            .stdout(full.into_file())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {stderr}");
        assert_eq!(
            stderr,
            "error: cannot write to standard output: No space left on device (os error 28)\n",
            "{arguments:?}"
        );
    }
}
