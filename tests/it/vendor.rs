//! `fetch --vendor`: a folder that runs a recipe where there is nothing else.

use std::path::Path;
use std::process::Command;

use fs_err as fs;
use image::{Rgb, RgbImage};

use crate::artifacts::archive::{file, zip};
use crate::server::{Answer, Server};
use crate::support::{Project, Ran, SMALL};

/// A photo of a shade with a stripe, as PNG.
fn photo(shade: u8) -> Vec<u8> {
    let mut photo = RgbImage::from_pixel(40, 32, Rgb([shade, 90, 255 - shade]));
    for x in 0..40 {
        photo.put_pixel(x, u32::from(shade) % 32, Rgb([255, 255, 255]));
    }
    let mut png = std::io::Cursor::new(Vec::new());
    photo.write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

/// Photos of two classes, by their paths.
fn photos() -> impl Iterator<Item = (String, Vec<u8>)> {
    let shades = [("cats", 10), ("dogs", 130)];
    shades.into_iter().flat_map(|(class, shade)| {
        (0..20).map(move |number| (format!("{class}/{number}.png"), photo(shade + number)))
    })
}

/// [`SMALL`] on photos, its weights at a url; `photos` says where the photos are.
fn recipe(name: &str, photos: &str, weights: &str) -> String {
    let drawn = "[dataset.drawn]\ntrain      = 40\nvalidation = 20\ntest       = 20\n";
    let folders = format!(
        "[artifact.photos]\n{photos}\n\n[dataset.folders]\nartifact = \"photos\"\ntrain = \".\"\n\n\
         [split.validation]\nfrom = \"train\"\nfraction = 0.2\n\n\
         [split.test]\nfrom = \"train\"\nfraction = 0.2\n"
    );
    let path = "path = \"weights/quickstart.safetensors\"";
    assert!(SMALL.contains(drawn) && SMALL.contains(path));
    SMALL
        .replace("\"small\"", &format!("\"{name}\""))
        .replace(drawn, &folders)
        .replace(path, weights)
}

/// A project whose recipe `mine` extends one of another folder, on a folder of photos and weights from a
/// server, with a golden.
fn project(server: &Server) -> Project {
    let project = Project::small();
    for (path, png) in photos() {
        let path = project.path(&format!("data/photos/{path}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, png).unwrap();
    }
    project.write("data/photos/notes.txt", "no photo");
    let urls = format!("urls = [\"{}\"]", server.url("/mirror/weights%201.st"));
    let base = recipe("base", "path = \"../data/photos\"", &urls);
    project.write("other/base.toml", &base);
    project.write(
        "recipes/mine.toml",
        "extends = \"../other/base.toml\"  # theirs\nname = \"mine\"\n",
    );
    project.goldrun(&["pin", "mine"]).exits(0);
    project.goldrun(&["run", "mine"]).exits(0);
    project.goldrun(&["accept", "mine", "--yes"]).exits(0);
    project
}

fn server(project: &Project) -> Server {
    let weights = project.path("recipes/weights/quickstart.safetensors");
    Server::answering(vec![Answer::whole(&fs::read(weights).unwrap())])
}

/// Runs a vendored goldrun as on another machine: no variable of this one, a home of its own.
fn elsewhere(project: &Project, folder: &Path, home: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(folder.join("goldrun"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", home)
        .env("GOLDRUN_DEVICE", "cpu");
    Ran::of(project, &mut command)
}

#[test]
fn a_vendored_folder_gives_the_golden_where_nothing_else_is() {
    let (there, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = there.path().join("vendored");
    let folder_text = folder.to_str().unwrap();
    let here = Project::small();
    {
        let server = server(&here);
        let project = project(&server);
        let vendored = project
            .goldrun(&["fetch", "mine", "quickstart", "--vendor", folder_text])
            .exits(0)
            .says("to run there, also without a network: ./goldrun check mine quickstart");
        assert!(vendored.stdout.contains("mine        photos    yes"));
        assert_eq!(
            server.requests().len(),
            1,
            "downloaded once, for the golden"
        );
    }
    // Server, photos, recipes and cache are gone.
    let checked = elsewhere(&here, &folder, home.path(), &["check", "mine", "--offline"]);
    checked.exits(0).says("mine: identical (");
    let fetched = elsewhere(
        &here,
        &folder,
        home.path(),
        &["fetch", "quickstart", "--offline", "--json"],
    );
    let fetched = fetched.exits(0).json();
    let path = fetched[0]["path"].as_str().unwrap();
    assert!(path.ends_with("artifacts/quickstart.safetensors"), "{path}");
    // A picture that is not what was vendored is seen there.
    fs::write(folder.join("artifacts/photos/cats/3.png"), photo(99)).unwrap();
    elsewhere(&here, &folder, home.path(), &["check", "mine", "--offline"])
        .exits(3)
        .warns("1 file changed: cats/3.png");
}

#[test]
fn what_is_vendored_is_all_there_is() {
    let there = tempfile::tempdir().unwrap();
    let folder = there.path().join("vendored");
    let here = Project::small();
    let server = server(&here);
    let project = project(&server);
    project
        .goldrun(&["fetch", "mine", "--vendor", folder.to_str().unwrap()])
        .exits(0);
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    let sums = read("SHA256SUMS");
    let files: Vec<&str> = sums
        .lines()
        .filter_map(|line| Some(line.split_once("  ")?.1))
        .filter(|path| !path.starts_with("artifacts/photos/"))
        .collect();
    assert_eq!(
        files,
        [
            "README.txt",
            "artifacts/weights 1.st",
            "golden/mine.toml",
            "goldrun",
            "recipes/base.toml",
            "recipes/mine.toml",
        ]
    );
    assert_eq!(sums.lines().count(), files.len() + 40, "notes are no photo");
    assert!(read("recipes/mine.toml").starts_with("extends = \"base.toml\"  # theirs\n"));
    assert_eq!(read("golden/mine.toml"), project.read("golden/mine.toml"));
    let readme = read("README.txt")
        .replace(std::env::consts::ARCH, "[architecture]")
        .replace(std::env::consts::OS, "[system]");
    insta::assert_snapshot!(readme);
    let checked = Command::new("sha256sum")
        .args(["--check", "--quiet", "SHA256SUMS"])
        .current_dir(&folder)
        .status();
    assert!(checked.unwrap().success());
}

#[test]
fn an_archive_is_vendored_as_it_is() {
    let there = tempfile::tempdir().unwrap();
    let (folder, home) = (there.path().join("vendored"), there.path().join("home"));
    let here = Project::small();
    let items: Vec<_> = photos().map(|(path, png)| file(&path, &png)).collect();
    let archive = zip(&items);
    fs::write(here.path("photos.zip"), &archive).unwrap();
    let packed = recipe(
        "packed",
        "path = \"../photos.zip\"",
        "path = \"weights/quickstart.safetensors\"",
    );
    here.write("recipes/packed.toml", &packed);
    here.goldrun(&["pin", "packed"]).exits(0);
    here.goldrun(&["fetch", "packed", "--vendor", folder.to_str().unwrap()])
        .exits(0);
    assert_eq!(
        fs::read(folder.join("artifacts/photos.zip")).unwrap(),
        archive
    );
    // Without a golden there is nothing to compare with; it runs all the same.
    fs::remove_file(here.path("photos.zip")).unwrap();
    let checked = elsewhere(&here, &folder, &home, &["check", "packed", "--offline"]);
    checked.exits(5).says("packed: no golden");
}

#[test]
fn what_cannot_be_vendored_is_refused_and_nothing_is_left() {
    let project = Project::small();
    let shown = |arguments: &[&str], code| project.goldrun(arguments).exits(code).shown();
    let vendor = ["fetch", "small", "--vendor", "box"];
    let mut texts = vec![shown(&vendor, 3)];
    project.goldrun(&["pin", "small"]).exits(0);
    texts.push(shown(&[&vendor[..], &["--seed", "7"]].concat(), 2));
    texts.push(shown(&["fetch", "small", "--vendor", "no/box"], 4));
    project.write("box", "mine");
    texts.push(shown(&vendor, 2));
    fs::remove_file(project.path("box")).unwrap();
    project.write("box/notes/mine.txt", "mine");
    texts.push(shown(&vendor, 2));
    fs::remove_dir_all(project.path("box")).unwrap();
    // An empty folder will do, and what was vendored is replaced.
    fs::create_dir(project.path("box")).unwrap();
    for _ in 0..2 {
        project.goldrun(&vendor).exits(0);
    }
    project.write("box/runs/small/1/record.json", "{}");
    texts.push(shown(&vendor, 2));
    fs::remove_dir_all(project.path("box/runs")).unwrap();
    // Two artifacts of one name.
    let twin = SMALL
        .replace("\"small\"", "\"twin\"")
        .replace("weights/", "other/");
    project.write("recipes/twin.toml", &twin);
    let weights = fs::read(project.path("recipes/weights/quickstart.safetensors")).unwrap();
    fs::create_dir(project.path("recipes/other")).unwrap();
    let mut other = weights;
    *other.last_mut().unwrap() ^= 1;
    fs::write(project.path("recipes/other/quickstart.safetensors"), other).unwrap();
    project.goldrun(&["pin", "twin"]).exits(0);
    texts.push(shown(
        &["fetch", "small", "twin", "--vendor", "box", "--quiet"],
        2,
    ));
    let left: Vec<_> = fs::read_dir(project.path("")).unwrap().collect();
    assert_eq!(left.len(), 3, "box, cache and recipes: {left:?}");
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn a_file_that_is_not_at_its_path_is_found_in_the_projects_artifacts() {
    let project = Project::pinned();
    fs::create_dir(project.path("artifacts")).unwrap();
    fs::rename(
        project.path("recipes/weights/quickstart.safetensors"),
        project.path("artifacts/quickstart.safetensors"),
    )
    .unwrap();
    let fetched = project.goldrun(&["fetch", "small", "--json"]).exits(0);
    let path = fetched.json()[0]["path"].clone();
    assert_eq!(path, "[project]/artifacts/quickstart.safetensors");
    // It is held to the pins as any other.
    project.write("artifacts/quickstart.safetensors", "damaged");
    project
        .goldrun(&["fetch", "small"])
        .exits(3)
        .warns("artifacts/quickstart.safetensors");
}
