//! Output: where it cannot be written, and when it is in colour.

use std::process::Stdio;

use crate::support::{Project, Ran};

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

/// The text without escape codes for colour.
fn without_colour(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap().to_owned();
    let rest = parts.map(|part| part.split_once('m').unwrap().1);
    first + &rest.collect::<String>()
}

#[test]
fn colour_is_for_terminals_unless_variables_say_otherwise_and_says_nothing_alone() {
    let project = Project::small().file("recipes/broken.toml", "format = 1\n");
    for arguments in [
        &["list"][..],
        &["show", "smal"],
        &["show", "broken"],
        &["--help"],
        &["frobnicate"],
    ] {
        let ran = |variables: &[(&str, &str)]| {
            let mut command = project.command(arguments);
            command.envs(variables.iter().copied());
            Ran::of(&project, &mut command)
        };
        let plain = ran(&[]);
        assert!(!plain.shown().contains('\x1b'), "{plain:#?}");
        let never = ran(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
        assert_eq!(never.shown(), plain.shown());
        let forced = ran(&[("CLICOLOR_FORCE", "1")]);
        assert!(forced.shown().contains('\x1b'), "{forced:#?}");
        assert_eq!(without_colour(&forced.shown()), plain.shown());
    }
}
