//! Every command that the README and docs/ show is run, and says what the page shows.
//!
//! A block `text` or `console` whose lines begin with `$ goldrun` is a session: a command, then what it says on
//! standard error and output together, in which a line `…` stands for any number of lines. So is the block `text` after
//! a block `sh` of one command. Each page has a project
//! of its own in which its commands run from top to bottom; [`Page`] says how it is made ready. A block `sh` is
//! run line by line, and succeeds; a block `python` is a program, which says what the block `text` after it shows.
//! What cannot run here is in [`NOT_HERE`], with the reason.

mod pages;
mod session;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use fs_err as fs;

use self::pages::{
    ADDING_A_RECIPE, CACHE, ELSEWHERE, GOLDENS, OFFLINE, OWN_PHOTOS, PAGES, Page, README, RECIPE,
    TUTORIAL, USING_A_MODEL,
};
use self::session::{Shown, commands, lines, matches, shell_words};
use crate::export::python;
use crate::support::{PHOTOS, Project, WEIGHTS, artifact};

/// Beginnings of commands that no test can run here, each with the reason.
const NOT_HERE: &[(&str, &str)] = &[
    ("cargo install --locked --path .", "builds and installs"),
    ("just ", "calls cargo, which this test is part of"),
    (
        "cd photos",
        "of the shell; artifacts/ holds the digest to vectors",
    ),
    ("echo ", "the same"),
    (
        "./goldrun check RECIPE",
        "two minutes of training; vendor.rs runs a folder of less",
    ),
];

/// Environment variable that has this test print all that it saw.
const SEEN: &str = "GOLDRUN_COMMANDS_SEEN";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a command says, standard error and output as they come, and whether it succeeded; none where it cannot be run
/// here, which is told.
fn said(
    project: &Project,
    page: &Page,
    shown: &Shown,
    artifacts: Option<&Path>,
) -> Option<(String, bool)> {
    let places = places(project, artifacts);
    let mut command = if shown.is_python {
        let mut python = python(page.file)?;
        python
            .args(["-c", &shown.command])
            .current_dir(project.path(""));
        python
    } else {
        let words = arguments(&shown.command, &places);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        project.command(&words)
    };
    let log = project.path("said.txt");
    let file = fs::File::create(&log).unwrap().into_parts().0;
    command
        .stdout(Stdio::from(file.try_clone().unwrap()))
        .stderr(Stdio::from(file));
    if let Some(file) = artifacts {
        command.env("GOLDRUN_ARTIFACTS", file.parent().unwrap());
    }
    let status = command.status().unwrap();
    let mut text = fs::read_to_string(&log).unwrap();
    for (shown, here) in places {
        text = text.replace(&here, &shown.replace('~', "/home/me"));
    }
    Some((text, status.success()))
}

/// Places as pages name them, each with the one that it is here; what lies in another one comes first.
fn places(project: &Project, artifacts: Option<&Path>) -> Vec<(&'static str, String)> {
    let mut places = Vec::new();
    if let Some(folder) = artifacts.and_then(Path::parent) {
        places.push(("~/Downloads", folder.display().to_string()));
    }
    let inside = [
        ("~/.cache/goldrun", "cache"),
        ("/media/stick", "stick"),
        ("~/pets/", ""),
    ];
    places.extend(inside.map(|(shown, here)| (shown, project.path(here).display().to_string())));
    // As goldrun shows a path inside of the project.
    places.push(("~/.cache/goldrun/extracted", "cache/extracted".to_owned()));
    places
}

/// What a command line gives goldrun, with the places of this machine.
fn arguments(line: &str, places: &[(&str, String)]) -> Vec<String> {
    let mut words = shell_words(line);
    let called = ["goldrun", "cargo run --release --"]
        .map(shell_words)
        .into_iter()
        .find(|called| words.starts_with(called))
        .unwrap_or_else(|| panic!("`{line}` is no command of goldrun"));
    words.drain(..called.len());
    // A page is read at a terminal, where a person says yes.
    if words.first().is_some_and(|command| command == "accept") {
        words.push("--yes".to_owned());
    }
    for word in &mut words {
        for (shown, here) in places {
            *word = word.replace(shown, here);
        }
    }
    words
}

/// Runs the commands of a page, with the folder of a file as `--artifacts`; gives what is wrong.
fn run(page: &Page, artifacts: Option<&Path>) -> Vec<String> {
    let mut text = fs::read_to_string(repository().join(page.file)).unwrap();
    for word in page.varies {
        assert!(text.contains(word), "{} has no {word}", page.file);
        text = text.replace(word, "…");
    }
    let project = Project::empty();
    let mut wrong = Vec::new();
    let mut ran = 0;
    for shown in commands(&text) {
        let Shown {
            line,
            command,
            output,
            ..
        } = &shown;
        if NOT_HERE.iter().any(|(start, _)| command.starts_with(start)) {
            continue;
        }
        (page.before)(&project, ran);
        ran += 1;
        let Some((said, succeeded)) = said(&project, page, &shown, artifacts) else {
            continue;
        };
        if std::env::var_os(SEEN).is_some() {
            println!("=== {}:{line} $ {command}\n{said}", page.file);
        }
        let place = format!("{}:{line}: `{command}`", page.file);
        match output {
            None if !succeeded => wrong.push(format!("{place} fails:\n{said}")),
            Some(expected) if !matches(&lines(expected), &lines(&said)) => {
                wrong.push(format!("{place} does not say what is shown, but:\n{said}"));
            }
            _ => {}
        }
    }
    assert!(ran > 0, "{} has no command", page.file);
    wrong
}

#[test]
fn every_page_with_a_command_is_known() {
    let folder = fs::read_dir(repository().join("docs")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages = names
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "md"))
        .map(|name| format!("docs/{name}"))
        .chain(["README.md".to_owned()]);
    let with_commands: BTreeSet<String> = pages
        .filter(|page| {
            let text = fs::read_to_string(repository().join(page)).unwrap();
            !commands(&text).is_empty()
        })
        .collect();
    let run = PAGES.iter().map(|page| page.file.to_owned());
    let elsewhere = ELSEWHERE.iter().map(|(page, _)| (*page).to_owned());
    let known: BTreeSet<String> = run.chain(elsewhere).collect();
    assert_eq!(with_commands, known);
}

#[test]
fn the_readme_shows_what_is_said() {
    hold_with(WEIGHTS, "the_readme_shows_what_is_said", &README);
}

#[test]
fn the_guide_to_recipes_shows_what_is_said() {
    let test = "the_guide_to_recipes_shows_what_is_said";
    hold_with(WEIGHTS, test, &ADDING_A_RECIPE);
}

#[test]
#[ignore = "slow: trains both phases on 2000 photos, two minutes (just slow)"]
fn the_guide_to_photos_shows_what_is_said() {
    let test = "the_guide_to_photos_shows_what_is_said";
    hold_with(PHOTOS, test, &OWN_PHOTOS);
}

#[test]
fn the_tutorial_shows_what_is_said() {
    hold_with(PHOTOS, "the_tutorial_shows_what_is_said", &TUTORIAL);
}

#[test]
fn the_reference_shows_what_is_said() {
    hold(&RECIPE, None);
}

#[test]
fn the_page_of_the_cache_shows_what_is_said() {
    hold(&CACHE, None);
}

#[test]
#[ignore = "slow: thirty runs of the quickstart (just slow)"]
fn the_page_of_goldens_shows_what_is_said() {
    hold(&GOLDENS, None);
}

#[test]
fn the_page_without_a_network_shows_what_is_said() {
    let test = "the_page_without_a_network_shows_what_is_said";
    hold_with(PHOTOS, test, &OFFLINE);
}

#[test]
fn the_page_on_models_shows_what_is_said() {
    hold(&USING_A_MODEL, None);
}

/// [`hold`] where an artifact is at hand, with its folder as `--artifacts`.
#[track_caller]
fn hold_with(file: &str, test: &str, page: &Page) {
    if let Some(file) = artifact(test, file) {
        hold(page, Some(&file));
    }
}

#[track_caller]
fn hold(page: &Page, artifacts: Option<&Path>) {
    let wrong = run(page, artifacts);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
