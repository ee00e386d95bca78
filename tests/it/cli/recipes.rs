//! Recipes as they are found: listed, named, and in odd places.

use crate::support::{Project, Ran};

#[test]
fn recipes_are_listed_with_the_state_of_their_goldens() {
    let project = Project::small().file("recipes/broken.toml", "format = 1\n");
    let listed = project.goldrun(&["list"]).exits(0);
    let line = |name: &str| {
        let line = listed
            .stdout
            .lines()
            .find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("no {name} in {}", listed.stdout))
            .to_owned()
    };
    assert!(line("small").contains("no golden, unpinned weights"));
    assert!(line("broken").contains("unreadable"));
    assert!(line("quickstart").contains("inside goldrun"));
    assert!(line("tutorial").contains("published figures only"));
    assert!(
        listed.stderr.contains("recipes/broken.toml: "),
        "{}",
        listed.stderr
    );

    let data = project.goldrun(&["list", "--json"]).exits(0).json();
    let small = data
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["name"] == "small")
        .unwrap();
    assert_eq!(small["golden"], "none");
    assert_eq!(small["path"], "recipes/small.toml");
    assert_eq!(small["unpinned"], serde_json::json!(["weights"]));
}

#[test]
fn a_golden_is_listed_with_its_age_within_80_columns() {
    let project = Project::accepted();
    let three_days = std::time::Duration::from_hours(3 * 24 + 1);
    let made = jiff::Timestamp::now() - three_days;
    let golden = project.read("golden/small.toml");
    let lines = golden.lines().map(|line| match line.split_once(" = ") {
        Some(("date", _)) => format!("date = \"{made}\""),
        _ => line.to_owned(),
    });
    let dated = lines.collect::<Vec<_>>().join("\n") + "\n";
    assert_ne!(dated, golden);
    project.write("golden/small.toml", &dated);
    let mut command = project.command(&["list"]);
    let listed = Ran::of(&project, command.env("COLUMNS", "80")).exits(0);
    let listed = listed.says("small         golden of 3 days ago");
    let longest = listed.stdout.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(80), "{listed:#?}");
    let data = project.goldrun(&["list", "--json"]).exits(0).json();
    let entries = data.as_array().unwrap();
    let small = entries.iter().find(|entry| entry["name"] == "small");
    assert_eq!(small.unwrap()["golden_made"], made.to_string());
}

#[test]
fn what_is_wrong_with_a_listed_recipe_is_said_in_a_line_without_hints() {
    let project = Project::empty().file("recipes/broken.toml", "format = 1\n");
    fs_err::write(project.path("recipes/bytes.toml"), b"format = 1\n\xff\n").unwrap();
    insta::assert_snapshot!(project.goldrun(&["list"]).exits(0).stderr);
}

#[test]
fn a_recipe_that_is_meant_by_its_name_is_found_by_it() {
    let project = Project::small();
    for (written, meant) in [
        ("quickstart.toml", "quickstart"),
        ("small.toml", "small"),
        ("recipes/quickstart.toml", "quickstart"),
    ] {
        project.goldrun(&["show", written]).exits(2).warns(&format!(
            "there is no recipe `{written}`\nhint: did you mean `{meant}`?"
        ));
    }
    project
        .goldrun(&["show", "recipes/smal.toml"])
        .exits(2)
        .warns("did you mean `small.toml`?");
}

/// A link to itself cannot be read by anybody, not even by root.
#[cfg(unix)]
#[test]
fn a_recipes_folder_that_cannot_be_read_is_not_taken_for_absent() {
    let project = Project::empty();
    fs_err::remove_dir(project.path("recipes")).unwrap();
    project.goldrun(&["list"]).exits(0).says("quickstart");
    fs_err::os::unix::fs::symlink("recipes", project.path("recipes")).unwrap();
    for command in [&["list"][..], &["show", "quickstart"], &["check", "other"]] {
        project
            .goldrun(command)
            .exits(2)
            .warns("error: cannot look for recipes: ")
            .warns("[project]/recipes");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_project_whose_name_is_no_text_works() {
    use std::os::unix::ffi::OsStrExt as _;
    let project = Project::small();
    let odd = project
        .path("")
        .join(std::ffi::OsStr::from_bytes(b"odd \xff"));
    fs_err::create_dir_all(&odd).unwrap();
    fs_err::rename(project.path("recipes"), odd.join("recipes")).unwrap();
    let ran = |arguments: &[&str]| {
        Ran::of(&project, project.command(arguments).current_dir(&odd)).exits(0)
    };
    let listed = ran(&["list", "--json"]).json();
    let small = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["name"] == "small");
    assert_eq!(small.unwrap()["golden"], "none");
    let found = ran(&["doctor", "--json"]).json();
    assert!(found["project"].as_str().unwrap().ends_with("odd \u{fffd}"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_photo_whose_name_is_no_text_is_told_as_that() {
    use std::os::unix::ffi::OsStrExt as _;
    let photos = "[artifact.photos]\npath = \"../photos\"\n\n[dataset.folders]\n\
                  artifact = \"photos\"\ntrain = \".\"\n\n\
                  [split.validation]\nfrom = \"train\"\nfraction = 0.2\n\n\
                  [split.test]\nfrom = \"train\"\nfraction = 0.2\n\n[input]";
    let mut recipe = crate::support::SMALL.replace("\"small\"", "\"mine\"");
    let drawn = recipe.find("[dataset.drawn]").unwrap();
    let input = recipe.find("[input]").unwrap() + "[input]".len();
    recipe.replace_range(drawn..input, photos);
    let project = Project::small().file("recipes/mine.toml", &recipe);
    fs_err::create_dir_all(project.path("photos/cat")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"\xff.png");
    fs_err::write(project.path("photos/cat").join(odd), b"").unwrap();
    project
        .goldrun(&["fetch", "mine"])
        .exits(3)
        .warns("the name of entry `\u{fffd}.png` is not UTF-8\nhint: rename it");
}
