//! What a red check tells the person who has to act on it.

use image::{Rgb, RgbImage};

use crate::support::{Project, SMALL};

/// Beginning of every line with a text of this machine, which snapshots leave out.
const OWN: &str = "written to";

/// [`SMALL`] on photos in a folder.
fn recipe() -> String {
    let drawn = "[dataset.drawn]\ntrain      = 40\nvalidation = 20\ntest       = 20\n";
    let folders = "[artifact.photos]\npath = \"photos\"\n\n[dataset.folders]\nartifact = \"photos\"\n\
                   train = \"train\"\nvalidation = \"validation\"\n\n[split.test]\nfrom = \"validation\"\ncount = 6\n";
    assert!(SMALL.contains(drawn));
    SMALL.replace(drawn, folders)
}

/// A photo of one colour with a stripe.
fn photo(project: &Project, path: &str, shade: u8) {
    let mut photo = RgbImage::from_pixel(40, 32, Rgb([shade, 90, 255 - shade]));
    for x in 0..40 {
        photo.put_pixel(x, u32::from(shade) % 32, Rgb([255, 255, 255]));
    }
    let path = project.path(&format!("recipes/photos/{path}"));
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    photo.save(path).unwrap();
}

/// A project with photos, pinned, and a golden of its recipe.
fn project() -> Project {
    let project = Project::small();
    for number in 0..16 {
        for (class, shade) in [("cats", 10), ("dogs", 130)] {
            photo(
                &project,
                &format!("train/{class}/{number}.png"),
                shade + number,
            );
            photo(
                &project,
                &format!("validation/{class}/{number}.png"),
                shade + 50 + number,
            );
        }
    }
    pin(&project);
    project.accept_a_run();
    project
}

/// Writes the recipe with pins of what is there.
fn pin(project: &Project) {
    project.write("recipes/small.toml", &recipe());
    project.goldrun(&["pin", "small"]).exits(0);
}

/// What a check says that goes red.
fn red(project: &Project) -> String {
    project.goldrun(&["check", "small"]).exits(1).stdout
}

/// Replaces the value of a fact in the golden.
fn golden_says(project: &Project, address: &str, value: &str) {
    let key = format!("{address} = ");
    let golden = project.read("golden/small.toml");
    let lines = golden.lines().map(|line| {
        if line.starts_with(&key) {
            format!("{key}{value}")
        } else {
            line.to_owned()
        }
    });
    let changed = lines.collect::<Vec<_>>().join("\n") + "\n";
    assert_ne!(golden, changed, "no fact {address}");
    project.write("golden/small.toml", &changed);
}

/// The head of a report: all before the table of figures, and the last line.
fn head(report: &str) -> String {
    let (head, _) = report.split_once("\nfigure ").unwrap();
    let last = report.lines().last().unwrap();
    let lines: Vec<&str> = head.lines().filter(|line| !line.contains(OWN)).collect();
    format!("{}\n…\n{last}\n", lines.join("\n"))
}

#[test]
fn changed_photos_are_counted_and_named() {
    let project = project();
    photo(&project, "train/cats/new.png", 77);
    photo(&project, "train/dogs/3.png", 78);
    photo(&project, "train/dogs/4.png", 79);
    pin(&project);
    insta::assert_snapshot!(head(&red(&project)));
    let json = project
        .goldrun(&["check", "small", "--json"])
        .exits(1)
        .json();
    assert_eq!(
        json[0]["content_changes"][0]["added"][0],
        "train/cats/new.png"
    );

    // On a machine that never saw the earlier photos, nobody can say which they were.
    fs_err::remove_dir_all(project.path("cache")).unwrap();
    let unknown = red(&project);
    assert!(
        unknown.contains("this machine has not seen both contents"),
        "{unknown}"
    );
}

#[test]
fn every_cause_is_told_so_that_one_can_act_on_it() {
    let digest = format!("\"{}\"", "0".repeat(64));
    let project = project();
    let golden = project.read("golden/small.toml");
    let mut told = String::new();
    for (address, value) in [
        ("arithmetic", "0"),
        ("seed", "7"),
        ("split.train.list", &digest),
        ("split.validation.pixels", &digest),
        ("model.layers", "150"),
        ("initial.parameters", &digest),
        ("features.first_validation_batch", &digest),
        ("initial.val_loss", "0.5"),
        ("phase.0.epoch.0.order", &digest),
        ("phase.1.epoch.0.parameters", &digest),
        ("phase.1.epoch.0.val_loss", "0.5"),
        ("test.accuracy", "0.25"),
    ] {
        golden_says(&project, address, value);
        told.push_str(&head(&red(&project)));
        told.push_str("\n----\n\n");
        project.write("golden/small.toml", &golden);
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_changed_recipe_and_another_machine_are_told_beside_each_other() {
    let project = project();
    let changed = project
        .read("recipes/small.toml")
        .replace("learning_rate = 1e-3", "learning_rate = 2e-3")
        .replace("train  = { from = 100 }", "train  = { from = 120 }");
    project.write("recipes/small.toml", &changed);
    golden_says(&project, "goldrun", "\"0.0.9\"");
    golden_says(&project, "system", "\"plan9\"");
    insta::assert_snapshot!(head(&red(&project)));
}

#[test]
fn a_golden_with_conflict_markers_never_passes() {
    let project = project();
    let golden = project.read("golden/small.toml");
    let conflict = golden.replace("\nseed = ", "\n<<<<<<< HEAD\nseed = ");
    project.write("golden/small.toml", &conflict);
    let line = conflict
        .lines()
        .position(|line| line.starts_with("<<<"))
        .unwrap()
        + 1;
    project
        .goldrun(&["check", "small"])
        .exits(2)
        .warns(&format!("line {line}, column"))
        .warns("a merge conflict was not resolved");
}
