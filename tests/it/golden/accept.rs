//! Who says yes to a golden.

use crate::support::{Project, Ran, SMALL, at_terminal};

/// A project with a run that can be accepted.
fn project() -> Project {
    let project = Project::pinned();
    project.goldrun(&["run", "small"]).exits(0);
    project
}

#[test]
fn without_a_person_yes_must_be_said() {
    let project = project();
    project
        .goldrun(&["accept", "small"])
        .exits(2)
        .warns("asks a person at a terminal, and there is none")
        .warns("hint: `--yes`");
    assert!(!project.path("golden/small.toml").exists());
    project.goldrun(&["accept", "small", "--yes"]).exits(0);
    assert!(project.path("golden/small.toml").exists());
    let golden = project.read("golden/small.toml");
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    assert!(
        !golden.contains(&format!("\"{user}\"")),
        "no person is in a golden"
    );
    assert!(golden.contains("\ndate = \"2"));
}

#[test]
fn ci_accepts_nothing_unless_forced() {
    let project = project();
    let in_ci = |options: &[&str]| {
        let mut command = project.command(&[&["accept", "small"], options].concat());
        Ran::of(&project, command.env("CI", "true"))
    };
    in_ci(&["--yes"]).exits(2).warns("does nothing in CI");
    assert!(!project.path("golden/small.toml").exists());
    in_ci(&["--force"]).exits(2).warns("asks a person");
    in_ci(&["--force", "--yes"]).exits(0);
    assert!(project.path("golden/small.toml").exists());
}

#[test]
fn a_person_is_asked() {
    let project = project();
    let test = "a_person_is_asked";
    let accept = ["accept", "small"];
    let Some(shown) = at_terminal(test, &project, &accept, "n\n") else {
        return;
    };
    assert!(shown.contains("the golden of small? [y/N]"), "{shown}");
    assert!(shown.contains("not accepted"), "{shown}");
    assert!(!project.path("golden/small.toml").exists());
    let shown = at_terminal(test, &project, &accept, "y\n").unwrap();
    assert!(shown.contains("accepted run "), "{shown}");
    assert!(project.path("golden/small.toml").exists());
}

/// Three recipes whose records wait.
fn waiting() -> Project {
    let project = project();
    for name in ["first", "second", "third"] {
        let recipe = SMALL.replace("\"small\"", &format!("\"{name}\""));
        project.write(&format!("recipes/{name}.toml"), &recipe);
        project.goldrun(&["pin", name]).exits(0);
        project.goldrun(&["check", name]).exits(5);
    }
    project
}

#[test]
fn pending_records_are_walked_one_by_one() {
    let project = waiting();
    let test = "pending_records_are_walked_one_by_one";
    let walk = ["accept", "--pending"];
    project.goldrun(&walk).exits(2).warns("asks a person");
    let Some(shown) = at_terminal(test, &project, &walk, "r\na\nx\ns\nq\n") else {
        return;
    };
    for text in [
        "first (1 of 3)",
        "(a)ccept, (s)kip, show the (r)eport, (q)uit?",
        "accepted first as golden/first.toml",
        "`x` is none of a, s, r and q",
        "skipped second",
        "third (3 of 3)",
        "1 of 3 accepted",
    ] {
        assert!(shown.contains(text), "no {text:?} in {shown}");
    }
    assert!(!project.path("golden/first.pending.toml").exists());
    assert!(project.path("golden/second.pending.toml").exists());
    assert!(!project.path("golden/third.toml").exists());

    // A recipe that changed since is told, and the next one comes.
    let changed = project
        .read("recipes/second.toml")
        .replace("learning_rate = 1e-3", "learning_rate = 2e-3");
    project.write("recipes/second.toml", &changed);
    project
        .goldrun(&["accept", "--pending", "--yes"])
        .exits(2)
        .warns("the recipe has changed since")
        .says("accepted third")
        .says("1 of 2 accepted");
    project
        .goldrun(&["accept", "--pending", "--yes", "--json"])
        .exits(2);
}
