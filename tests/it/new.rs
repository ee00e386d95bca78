//! `goldrun new`, and the first golden of what it writes.

use std::io::Cursor;

use fs_err as fs;
use image::ImageFormat;

use crate::pictures::of_seed;
use crate::support::{PHOTOS, Project, Ran, WEIGHTS, artifact};

/// A drawn picture as a file of a format.
fn picture(number: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    of_seed(3, 0, number).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG whose EXIF data says that it lies on its side.
fn on_its_side() -> Vec<u8> {
    let jpeg = picture(0, ImageFormat::Jpeg);
    // Big-endian TIFF with one entry: tag 0x0112 (orientation), a short, 6 (turned by 90 degrees).
    let tiff = [
        b"MM\0\x2a\0\0\0\x08".as_slice(),
        b"\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
    ]
    .concat();
    let exif = [b"Exif\0\0".as_slice(), &tiff].concat();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], b"\xff\xe1", &length, &exif, &jpeg[2..]].concat()
}

impl Project {
    fn write_bytes(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Writes pictures of a class, of which no two are the same.
    fn class(&self, folder: &str, first: u32, count: u32) {
        for number in first..first + count {
            let bytes = picture(number, ImageFormat::Png);
            self.write_bytes(&format!("{folder}/{number:03}.png"), &bytes);
        }
    }
}

/// A folder of three classes with everything that surprises people.
fn odd_photos() -> Project {
    let project = Project::empty();
    project.class("photos/cat", 0, 30);
    project.class("photos/dog", 100, 30);
    project.class("photos/rabbit", 200, 3);
    project.write_bytes("photos/cat/side.jpg", &on_its_side());
    project.write_bytes("photos/dog/broken.jpg", b"\xff\xd8\xff\xe0 no picture");
    project.write_bytes("photos/dog/phone.HEIC", b"heic");
    project.write_bytes("photos/dog/web.webp", b"webp");
    project.write_bytes("photos/stray.png", &picture(0, ImageFormat::Png));
    project.write_bytes("photos/.hidden.webp", b"webp");
    // The same pictures under many names: whatever the cut, some are on two sides.
    for copy in 0..20 {
        let bytes = picture(1, ImageFormat::Png);
        project.write_bytes(&format!("photos/cat/copy-{copy:02}.png"), &bytes);
    }
    project
}

#[test]
fn a_folder_of_photos_is_looked_at_and_gets_a_recipe() {
    let project = odd_photos();
    let ran = project
        .goldrun(&["new", "pets", "--images", "photos"])
        .exits(0);
    insta::assert_snapshot!("looked_at", ran.shown());
    insta::assert_snapshot!("recipe_of_photos", project.read("recipes/pets.toml"));
    // What it says holds: splits, what is left out, the pin.
    let shown = project.goldrun(&["show", "pets", "--json"]).exits(0).json();
    assert_eq!(shown["unpinned"].as_array().unwrap().len(), 0);
    let files: u64 = (0..3)
        .map(|split| shown["splits"][split]["files"].as_u64().unwrap())
        .sum();
    assert_eq!(files, 30 + 30 + 3 + 20 + 2);
    project
        .goldrun(&["show", "pets", "--sheet", "sheet.png"])
        .exits(0)
        .warns("1 undecodable files are left out");
}

#[test]
fn what_was_found_is_also_data() {
    let project = odd_photos();
    let found = project
        .goldrun(&["new", "pets", "--images", "photos", "--json"])
        .exits(0)
        .json();
    assert_eq!(found["classes"].as_array().unwrap().len(), 3);
    assert_eq!(found["rotated"][0], "cat/side.jpg");
    assert_eq!(found["unreadable"][0]["file"], "dog/broken.jpg");
    let passed = found["passed_by"].as_array().unwrap();
    assert_eq!(passed.len(), 3, "{passed:?}");
    let shared = found["shared"].as_array().unwrap();
    assert_eq!(shared.len(), 1);
    assert_eq!(shared[0].as_array().unwrap().len(), 21);
}

#[test]
fn folders_of_splits_are_found_under_their_usual_names_and_inside_another_folder() {
    for (names, cut) in [
        (vec!["train", "validation", "test"], vec![]),
        (
            vec!["Train", "val"],
            vec!["[split.test]\nfrom     = \"validation\""],
        ),
        (
            vec!["training", "testing"],
            vec!["[split.validation]\nfrom     = \"train\""],
        ),
    ] {
        let project = Project::empty();
        for (place, name) in (0..).zip(&names) {
            project.class(&format!("photos/unpacked/{name}/a"), 100 * place, 6);
            project.class(&format!("photos/unpacked/{name}/b"), 100 * place + 50, 6);
        }
        project
            .goldrun(&["new", "pets", "--images", "photos"])
            .exits(0)
            .says(
                "12 pictures of 2 classes"
                    .replace("12", &(12 * names.len()).to_string())
                    .as_str(),
            );
        let recipe = project.read("recipes/pets.toml");
        for name in names {
            assert!(
                recipe.contains(&format!("= \"unpacked/{name}\"")),
                "{recipe}"
            );
        }
        for cut in cut {
            assert!(recipe.contains(cut), "{recipe}");
        }
    }
}

#[test]
fn photos_outside_of_the_project_are_named_by_their_whole_path() {
    let elsewhere = Project::empty();
    elsewhere.class("photos/a", 0, 10);
    elsewhere.class("photos/b \"quoted\"", 50, 10);
    let project = Project::empty();
    let photos = fs::canonicalize(elsewhere.path("photos")).unwrap();
    let photos = photos.to_str().unwrap();
    project
        .goldrun(&["new", "pets", "--images", photos])
        .exits(0);
    let recipe = project.read("recipes/pets.toml");
    assert!(
        recipe.contains(&format!("path    = \"{photos}\"")),
        "{recipe}"
    );
    project
        .goldrun(&["show", "pets"])
        .exits(0)
        .says("b \"quoted\"");
}

#[test]
fn what_cannot_be_a_data_set_gets_no_recipe() {
    let project = Project::empty();
    project.class("flat", 0, 3);
    project.class("one/cat", 0, 3);
    project.class("empty/cat", 0, 3);
    fs::create_dir(project.path("empty/dog")).unwrap();
    project.class("other/train/a", 0, 3);
    project.class("other/train/b", 10, 3);
    project.class("other/val/a", 20, 3);
    project.write("file.zip", "zip");
    let mut said = String::new();
    for images in ["nowhere", "file.zip", "flat", "one", "empty", "other"] {
        let ran = project.goldrun(&["new", "pets", "--images", images]).exits(
            if images == "nowhere" || images == "file.zip" {
                2
            } else {
                3
            },
        );
        assert!(ran.stderr.contains("hint: "), "{ran:?}");
        said.push_str(&ran.shown());
        assert!(!project.path("recipes/pets.toml").exists());
    }
    insta::assert_snapshot!("no_data_set", said);
}

#[test]
fn templates_load_as_they_are() {
    let project = Project::empty();
    project
        .goldrun(&["new", "mine"])
        .exits(0)
        .says("recipes/mine.toml is written; edit it, then: goldrun show mine\n");
    insta::assert_snapshot!("template", project.read("recipes/mine.toml"));
    project
        .goldrun(&["show", "mine"])
        .exits(3)
        .warns("[project]/photos");
    project
        .goldrun(&["new", "longer", "--from", "quickstart"])
        .exits(0);
    project
        .goldrun(&["new", "longest", "--from", "longer"])
        .exits(0);
    insta::assert_snapshot!("extending", project.read("recipes/longest.toml"));
    let fingerprint = |recipe: &str| {
        let shown = project.goldrun(&["show", recipe, "--json"]).exits(0).json();
        shown["fingerprint"].clone()
    };
    assert_eq!(fingerprint("longest"), fingerprint("quickstart"));
}

#[test]
fn a_schema_that_lies_there_is_named_for_editors() {
    let project = Project::empty();
    let schema = project.goldrun(&["schema"]).exits(0).stdout;
    project.write("recipe.schema.json", &schema);
    project.goldrun(&["new", "mine"]).exits(0);
    let recipe = project.read("recipes/mine.toml");
    assert!(recipe.starts_with("#:schema ../recipe.schema.json\n# mine: "));
    // Comments change nothing.
    project.goldrun(&["show", "mine"]).exits(3);
}

#[test]
fn nothing_is_written_over_and_names_are_names() {
    let project = Project::empty().file("recipes/mine.toml", "mine");
    project
        .goldrun(&["new", "mine"])
        .exits(2)
        .warns("recipes/mine.toml is there already")
        .warns("hint: ");
    assert_eq!(project.read("recipes/mine.toml"), "mine");
    for name in ["../mine", "a b", "", "ü", ".x"] {
        project
            .goldrun(&["new", name])
            .exits(2)
            .warns("is no name of a recipe");
    }
    project
        .goldrun(&["new", "yours", "--from", "quickstat"])
        .exits(2)
        .warns("did you mean `quickstart`?");
    assert!(!project.path("recipes/yours.toml").exists());
}

#[test]
fn the_first_golden_is_accepted_and_no_other() {
    let project = Project::pinned();
    let mut in_ci = project.command(&["check", "small", "--accept-first"]);
    Ran::of(&project, in_ci.env("CI", "true"))
        .exits(2)
        .warns("`--accept-first` does nothing in CI");
    assert!(!project.path("runs").exists());
    for refused in [["--set", "seed=6"], ["--seed", "6"]] {
        project
            .goldrun(&[&["check", "small", "--accept-first"], &refused[..]].concat())
            .exits(2)
            .warns("a golden is of the recipe as it is written");
    }
    project
        .goldrun(&["check", "small", "--accept-first", "--allow-unpinned"])
        .exits(2)
        .warns("goldrun pin");
    project
        .goldrun(&["check", "small", "--accept-first"])
        .exits(0)
        .says("no golden [accepted as golden/small.toml]");
    let golden = project.read("golden/small.toml");
    assert!(!project.path("golden/small.pending.toml").exists());
    project
        .goldrun(&["check", "small", "--accept-first"])
        .exits(0)
        .says("small: identical");
    // Another recipe by the same name: its record is pending, and the golden stays.
    let recipe = project.read("recipes/small.toml");
    project.write("recipes/small.toml", &recipe.replace("1e-3", "2e-3"));
    project
        .goldrun(&["check", "small", "--accept-first"])
        .exits(1)
        .warns("golden/small.pending.toml");
    assert_eq!(project.read("golden/small.toml"), golden);
}

#[test]
fn photos_become_a_golden_and_a_report_in_two_commands() {
    let test = "photos_become_a_golden_and_a_report_in_two_commands";
    let (Some(photos), Some(weights)) = (artifact(test, PHOTOS), artifact(test, WEIGHTS)) else {
        return;
    };
    let project = Project::empty();
    project.unpack_photos(&photos, 30);
    project
        .goldrun(&["new", "pets", "--images", "photos"])
        .exits(0)
        .says("60 pictures of 2 classes");
    // One epoch of each phase is enough here.
    let recipe = project.read("recipes/pets.toml");
    project.write(
        "recipes/pets.toml",
        &recipe.replace("epochs = 10", "epochs = 1"),
    );
    let folder = weights.parent().unwrap().to_str().unwrap();
    let ran = project
        .goldrun(&[
            "check",
            "pets",
            "--accept-first",
            "--artifacts",
            folder,
            "--offline",
        ])
        .exits(0);
    let page = ran
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("report: "));
    assert!(
        project
            .read(page.unwrap())
            .contains("accepted as golden/pets.toml")
    );
    project
        .goldrun(&["check", "pets", "--artifacts", folder, "--offline"])
        .exits(0)
        .says("pets: identical");
}
