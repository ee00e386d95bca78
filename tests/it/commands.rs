//! Every command that the README and docs/ show is run, and says what the page shows.
//!
//! A block `text` or `console` whose lines begin with `$ goldrun` is a session: a command, then what it says on
//! standard error and output together, in which a line `…` stands for any number of lines. So is the block `text` after
//! a block `sh` of one command. Each page has a project
//! of its own in which its commands run from top to bottom; [`Page`] says how it is made ready. A block `sh` is
//! run line by line, and succeeds. What cannot run here is in [`NOT_HERE`], with the reason.

mod session;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use fs_err as fs;
use goldrun::dataset::drawn;
use image::RgbImage;

use self::session::{Shown, commands, lines, matches, shell_words};
use crate::support::{PHOTOS, Project, WEIGHTS, artifact};

/// A page, and how its project is made ready before each of its commands, which are counted from 0.
struct Page {
    file: &'static str,
    before: fn(&Project, usize),
}

const README: Page = Page {
    file: "README.md",
    before: photos,
};
const ADDING_A_RECIPE: Page = Page {
    file: "docs/adding-a-recipe.md",
    before: pets,
};
const TUTORIAL: Page = Page {
    file: "docs/tutorial.md",
    before: nothing,
};
const OWN_PHOTOS: Page = Page {
    file: "docs/own-photos.md",
    before: cats_and_dogs,
};
const RECIPE: Page = Page {
    file: "docs/recipe.md",
    before: weights,
};

/// Pages whose commands are run here.
const PAGES: [&Page; 5] = [&README, &ADDING_A_RECIPE, &OWN_PHOTOS, &TUTORIAL, &RECIPE];

/// Pages whose commands are not, each with the reason.
const ELSEWHERE: [(&str, &str); 7] = [
    (
        "docs/cache.md",
        "the sizes are of one machine; cli/cache.rs runs them",
    ),
    ("docs/ci.md", "ci.rs runs them"),
    ("docs/cuda.md", "they need a GPU"),
    (
        "docs/offline.md",
        "it names folders of one machine; vendor.rs runs them",
    ),
    (
        "docs/using-a-model.md",
        "it is about pictures of a run; predict.rs and export.rs run them",
    ),
    (
        "docs/goldens.md",
        "quickstart over seeds, golden/ and selftest.rs do the same on less",
    ),
    (
        "docs/performance.md",
        "benchmarks, of which performance.rs and CI run what is short",
    ),
];

/// Beginnings of commands that no test can run here, each with the reason.
const NOT_HERE: &[(&str, &str)] = &[
    ("cargo install --path .", "builds and installs"),
    ("just ", "calls cargo, which this test is part of"),
    (
        "cd photos",
        "of the shell; artifacts/ holds the digest to vectors",
    ),
    ("echo ", "the same"),
];

/// Environment variable that has this test print all that it saw.
const SEEN: &str = "GOLDRUN_COMMANDS_SEEN";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a command says, standard error and output as they come, and whether it succeeded.
fn said(project: &Project, command: &str, artifacts: Option<&Path>) -> (String, bool) {
    let words = shell_words(command);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (["goldrun", arguments @ ..] | ["cargo", "run", "--release", "--", arguments @ ..]) =
        words.as_slice()
    else {
        panic!("`{command}` is no command of goldrun")
    };
    let mut arguments = arguments.to_vec();
    // A page is read at a terminal, where a person says yes.
    if arguments.first() == Some(&"accept") {
        arguments.push("--yes");
    }
    let log = project.path("said.txt");
    let file = fs::File::create(&log).unwrap().into_parts().0;
    let mut command: Command = project.command(&arguments);
    command
        .stdout(Stdio::from(file.try_clone().unwrap()))
        .stderr(Stdio::from(file));
    if let Some(file) = artifacts {
        command.env("GOLDRUN_ARTIFACTS", file.parent().unwrap());
    }
    let status = command.status().unwrap();
    let text = fs::read_to_string(&log).unwrap();
    let root = project.path("").display().to_string();
    let text = text.replace(&root, "/home/me/pets/");
    (text, status.success())
}

/// Three classes of eighty drawn heads, as adding-a-recipe.md has them, with what it says between its commands.
fn pets(project: &Project, command: usize) {
    let recipe = || project.read("recipes/mine.toml");
    match command {
        0 => {
            class_folders(project, 80);
            project.write(
                "recipes/mine.toml",
                &block("docs/adding-a-recipe.md", "toml"),
            );
        }
        1 => project.write(
            "recipes/mine.toml",
            &recipe().replace("batch_size = 16", "batchsize = 16"),
        ),
        2 => project.write(
            "recipes/mine.toml",
            &recipe().replace("batchsize = 16", "batch_size = 16"),
        ),
        3 => picture(project, 1, 80, "photos/cat/new.png"),
        4 => fs::remove_file(project.path("photos/cat/new.png")).unwrap(),
        7 => project.write(
            "recipes/mine.toml",
            &recipe().replace("learning_rate = 1e-3", "learning_rate = 2e-3"),
        ),
        _ => {}
    }
}

/// So many drawn heads each of three classes, in `photos`.
fn class_folders(project: &Project, count: u32) {
    for (class, label) in [("cat", 1), ("dog", 2), ("rabbit", 4)] {
        for number in 0..count {
            let path = format!("photos/{class}/{class}-{number:03}.png");
            picture(project, label, number, &path);
        }
    }
}

/// Writes the `number`-th drawn picture of a class.
fn picture(project: &Project, label: u32, number: u32, path: &str) {
    let (_, rgb) = drawn::picture(1, 0, number * drawn::CLASSES.len() as u32 + label);
    let size = drawn::SIZE as u32;
    let image = RgbImage::from_raw(size, size, rgb.into_vec()).unwrap();
    let path = project.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.save(path).unwrap();
}

/// The first block of a kind on a page.
fn block(file: &str, kind: &str) -> String {
    let text = fs::read_to_string(repository().join(file)).unwrap();
    let (_, after) = text.split_once(&format!("```{kind}\n")).unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

/// The tutorial's training photos as one's own; needs the archive among the artifacts.
fn cats_and_dogs(project: &Project, command: usize) {
    if command == 0 {
        let archive = artifact("docs/own-photos.md", PHOTOS).unwrap();
        project.unpack_photos(&archive, usize::MAX);
    }
}

/// Photos for the README: three classes of drawn heads.
fn photos(project: &Project, command: usize) {
    if command == 0 {
        class_folders(project, 20);
    }
}

/// Weights called `mine.safetensors`, of which the reference speaks.
fn weights(project: &Project, command: usize) {
    if command == 0 {
        let shipped = repository().join("recipes/weights/quickstart.safetensors");
        fs::copy(shipped, project.path("mine.safetensors")).unwrap();
    }
}

/// Runs the commands of a page, with the folder of a file as `--artifacts`; gives what is wrong.
fn run(page: &Page, artifacts: Option<&Path>) -> Vec<String> {
    let text = fs::read_to_string(repository().join(page.file)).unwrap();
    let project = Project::empty();
    let mut wrong = Vec::new();
    let mut ran = 0;
    for shown in commands(&text) {
        let Shown {
            line,
            command,
            output,
        } = shown;
        if NOT_HERE.iter().any(|(start, _)| command.starts_with(start)) {
            continue;
        }
        (page.before)(&project, ran);
        ran += 1;
        let (said, succeeded) = said(&project, &command, artifacts);
        if std::env::var_os(SEEN).is_some() {
            println!("=== {}:{line} $ {command}\n{said}", page.file);
        }
        let place = format!("{}:{line}: `{command}`", page.file);
        match output {
            None if !succeeded => wrong.push(format!("{place} fails:\n{said}")),
            Some(expected) if !matches(&lines(&expected), &lines(&said)) => {
                wrong.push(format!("{place} does not say what is shown, but:\n{said}"));
            }
            _ => {}
        }
    }
    assert!(ran > 0, "{} has no command", page.file);
    wrong
}

fn nothing(_: &Project, _: usize) {}

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
