//! The pages whose commands are run, each with what its project holds, and the pages whose commands are not.

use fs_err as fs;
use goldrun::dataset::drawn;

use super::repository;
use crate::pictures::{of_seed, write};
use crate::support::{PHOTOS, Project, artifact};

/// A page, and how its project is made ready before each of its commands, which are counted from 0.
pub struct Page {
    pub file: &'static str,
    pub before: fn(&Project, usize),
    /// What the page shows and another executable would not, as sizes that hang on its own: it stands for anything.
    pub varies: &'static [&'static str],
}

impl Page {
    const fn new(file: &'static str, before: fn(&Project, usize)) -> Self {
        Self {
            file,
            before,
            varies: &[],
        }
    }
}

pub const README: Page = Page::new("README.md", photos);
pub const ADDING_A_RECIPE: Page = Page::new("docs/adding-a-recipe.md", pets);
pub const TUTORIAL: Page = Page::new("docs/tutorial.md", nothing);
pub const OWN_PHOTOS: Page = Page::new("docs/own-photos.md", cats_and_dogs);
pub const RECIPE: Page = Page::new("docs/recipe.md", weights);
pub const CACHE: Page = Page::new("docs/cache.md", quickstart);
pub const GOLDENS: Page = Page::new("docs/goldens.md", traced);
pub const OFFLINE: Page = Page {
    varies: &["105.8", "5546"],
    ..Page::new("docs/offline.md", stick)
};
pub const USING_A_MODEL: Page = Page::new("docs/using-a-model.md", more_pictures);

/// Pages whose commands are run here.
pub const PAGES: [&Page; 9] = [
    &README,
    &ADDING_A_RECIPE,
    &CACHE,
    &GOLDENS,
    &OFFLINE,
    &OWN_PHOTOS,
    &RECIPE,
    &TUTORIAL,
    &USING_A_MODEL,
];

/// Pages whose commands are not, each with the reason.
pub const ELSEWHERE: [(&str, &str); 3] = [
    ("docs/ci.md", "ci.rs runs them"),
    ("docs/cuda.md", "they need a GPU"),
    (
        "docs/performance.md",
        "benchmarks, of which performance.rs and CI run what is short",
    ),
];

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
    let number = number * drawn::CLASSES.len() as u32 + label;
    write(project, path, &of_seed(1, 0, number));
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

/// A run of the quickstart.
fn quickstart(project: &Project, command: usize) {
    if command == 0 {
        project.goldrun(&["run", "quickstart"]).exits(0);
    }
}

/// A stick to carry a folder on.
fn stick(project: &Project, _: usize) {
    fs::create_dir_all(project.path("stick")).unwrap();
}

/// A run of the quickstart, and before the last command digests of steps of two runs, one with twice the learning rate.
fn traced(project: &Project, command: usize) {
    quickstart(project, command);
    if command == 3 {
        let name = "digests.phase.1.epoch.0.txt";
        let once = ["run", "quickstart", "--trace-digests", "phase.1.epoch.0"];
        let doubled = ["--set", "phase.1.optimizer.rmsprop.learning_rate=2e-4"];
        project.goldrun(&once).exits(0);
        project.goldrun(&[&once[..], &doubled].concat()).exits(0);
        let runs = fs::read_dir(project.path("runs/quickstart")).unwrap();
        let mut traces: Vec<_> = runs
            .map(|run| run.unwrap().path().join(name))
            .filter(|trace| trace.is_file())
            .collect();
        traces.sort();
        fs::create_dir_all(project.path("other")).unwrap();
        fs::copy(&traces[0], project.path(name)).unwrap();
        fs::copy(&traces[1], project.path("other").join(name)).unwrap();
    }
}

/// A run of the quickstart, and pictures as its test split has them and more, with a file that is none.
fn more_pictures(project: &Project, command: usize) {
    quickstart(project, command);
    if command == 0 {
        for path in [
            "cat-1146.png",
            "found/bear-810.webp",
            "found/rabbit-389.webp",
            "mouse-503.jpg",
            "mouse-688.jpg",
            "rabbit-724.jpg",
        ] {
            let digits = path.trim_matches(|letter: char| !letter.is_ascii_digit());
            let picture = of_seed(123, 2, digits.parse().unwrap());
            write(project, &format!("photos/{path}"), &picture);
        }
        project.write("photos/notes.png", "of the summer before last");
    }
}

fn nothing(_: &Project, _: usize) {}
