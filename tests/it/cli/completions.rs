//! `goldrun completions`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::{Project, skipped};

/// Each shell, and what its script registers goldrun with.
const SHELLS: [(&str, &str); 5] = [
    ("bash", "complete -F _goldrun "),
    ("elvish", "edit:completion:arg-completer[goldrun]"),
    ("fish", "complete -c goldrun "),
    (
        "powershell",
        "Register-ArgumentCompleter -Native -CommandName 'goldrun'",
    ),
    ("zsh", "#compdef goldrun"),
];

fn script(shell: &str) -> String {
    let ran = Project::empty().goldrun(&["completions", shell]).exits(0);
    assert_eq!(ran.stderr, "");
    ran.stdout
}

#[test]
fn each_shell_gets_its_script() {
    for (shell, registers) in SHELLS {
        let script = script(shell);
        for text in [registers, "selftest", "trace-digests"] {
            assert!(script.contains(text), "{shell}: no {text}");
        }
    }
    Project::empty()
        .goldrun(&["completions", "tcsh"])
        .exits(2)
        .warns("[possible values: bash, elvish, fish, powershell, zsh]");
}

/// A shell that is here reads its script; bash also completes with it.
#[test]
fn the_scripts_are_understood() {
    let parse = |shell: &str, arguments: &[&str], script: &str| {
        let mut command = Command::new(shell);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let Ok(mut child) = command.spawn() else {
            skipped("the_scripts_are_understood", &format!("no {shell}"));
            return None;
        };
        let mut input = child.stdin.take().unwrap();
        input.write_all(script.as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{shell}: {output:?}");
        Some(String::from_utf8(output.stdout).unwrap())
    };
    for shell in ["bash", "zsh"] {
        parse(shell, &["-n"], &script(shell));
    }
    parse("fish", &["--no-execute"], &script("fish"));
    let asked = "COMP_WORDS=(goldrun cache pr); COMP_CWORD=2; _goldrun goldrun pr cache; echo \"${COMPREPLY[@]}\"\n";
    let completed = parse("bash", &["-s"], &(script("bash") + "\n" + asked));
    if let Some(completed) = completed {
        assert_eq!(completed.trim(), "prune");
    }
}
