//! The command line through the real binary: each exit code provoked, output where it belongs.

mod cache;
mod completions;
pub mod interrupt;
mod machine;
mod output;
mod recipes;
mod terminal;
mod trace;

use crate::support::{Project, Ran, SMALL};

#[test]
fn help_and_version_are_data_and_a_missing_command_is_wrong() {
    let project = Project::empty();
    for option in ["--help", "-h"] {
        let help = project.goldrun(&[option]).exits(0);
        for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "130 "] {
            let is_documented = help
                .stdout
                .lines()
                .any(|line| line.trim_start().starts_with(code));
            assert!(is_documented, "{code} in {}", help.stdout);
        }
        assert_eq!(help.stderr, "");
    }
    project.goldrun(&["--version"]).exits(0).says("goldrun ");
    let bare = project.goldrun(&[]).exits(2);
    assert_eq!(bare.stdout, "");
}

#[test]
fn what_is_wrong_with_the_command_line_exits_2() {
    let project = Project::small();
    for arguments in [
        &["frobnicate"][..],
        &["run"],
        &["run", "small", "--simd", "mmx"],
        &["run", "small", "--threads", "0"],
        &["run", "small", "--threads", "1025"],
        &["run", "small", "--frobnicate"],
        &["check"],
        &["run", "small", "--artifacts", "nowhere"],
        &["check", "small", "--engine", "candle"],
        &["accept", "small", "--seed", "7", "--yes"],
        &["accept", "small", "--set", "phase.0.epochs=2", "--yes"],
        &["pin", "small", "--set", "phase.0.epochs=2"],
        &["diff", "small", "nothing"],
        &["accept", "small", "--run", "nothing", "--yes"],
    ] {
        let ran = project.goldrun(arguments).exits(2);
        assert_eq!(ran.stdout, "", "{ran:#?}");
        assert!(ran.stderr.contains("error: "), "{ran:#?}");
    }
}

#[test]
fn what_is_wrong_with_a_recipe_exits_2_and_is_all_said_at_once() {
    let wrong = SMALL
        .replacen("epochs = 1", "epochs = \"many\"", 1)
        .replace("turn =", "trun =");
    let project = Project::small().file(
        "recipes/wrong.toml",
        &wrong.replace("\"small\"", "\"wrong\""),
    );
    for command in ["show", "fetch", "run", "check", "accept", "pin"] {
        let yes: &[&str] = if command == "accept" { &["--yes"] } else { &[] };
        let ran = project
            .goldrun(&[&[command, "wrong"], yes].concat())
            .exits(2);
        assert_eq!(ran.stdout, "");
        let ran = ran
            .warns("trun")
            .warns("epochs = \"many\"")
            .warns("recipes/wrong.toml:");
        assert_eq!(ran.stderr.matches("error: ").count(), 2, "{}", ran.stderr);
    }
    project
        .goldrun(&["show", "smal"])
        .exits(2)
        .warns("did you mean `small`?");
    project
        .goldrun(&["show", "small", "--set", "phase.0.epoch=2"])
        .exits(2)
        .warns("epochs");
}

#[test]
fn show_trains_nothing_and_tells_splits_layers_and_what_is_trained() {
    let project = Project::small();
    let shown = project
        .goldrun(&["show", "small", "--set", "phase.0.epochs=2"])
        .exits(0);
    let shown = shown
        .says("phase.0.epochs = 2")
        .says("unpinned: weights")
        .says("train          40     8    8    8      8       8")
        .says("backbone: 154 layers, 410,208 parameters, features 16x1x1x1280")
        .says("model: 416,613 parameters")
        .says("phase 0: head, 2 epochs, trains 6,405 parameters in 2 variables")
        .says("phase 1: fine-tuning, 1 epoch, trains 340,261 parameters in 56 variables");
    assert_eq!(shown.stderr, "");
    assert!(!project.path("runs").exists());

    let data = project
        .goldrun(&["show", "small", "--json"])
        .exits(0)
        .json();
    assert_eq!(data["layers"].as_array().unwrap().len(), 157);
    assert_eq!(
        data["splits"][0]["class_counts"],
        serde_json::json!([8, 8, 8, 8, 8])
    );
}

/// The longest line.
fn width(text: &str) -> usize {
    let lines = text.lines().map(|line| line.chars().count());
    lines.max().unwrap_or_default()
}

#[test]
fn show_fits_a_terminal_and_has_each_layer_where_it_is_asked_for() {
    let project = Project::small();
    for columns in ["80", "100"] {
        for recipe in ["small", "quickstart", "tutorial", "tutorial-224"] {
            let mut command = project.command(&["show", recipe]);
            let shown = Ran::of(&project, command.env("COLUMNS", columns)).exits(0);
            let shown = shown.says(&format!("(each layer: goldrun show {recipe} --layers)"));
            let width = width(&shown.stdout);
            assert!(width <= columns.parse().unwrap(), "{width}: {shown:#?}");
        }
    }
    let shown = project.goldrun(&["show", "small"]).exits(0);
    insta::assert_snapshot!(shown.stdout);
    let layers = project.goldrun(&["show", "small", "--layers"]).exits(0);
    let count = |text: &str| text.lines().filter(|line| line.contains("block_")).count();
    assert!(count(&shown.stdout) < 8);
    assert_eq!(count(&layers.stdout), 142, "{}", layers.stdout);
}

#[test]
fn a_contact_sheet_shows_each_class_and_augmented_views() {
    let project = Project::pinned();
    project
        .goldrun(&["show", "small", "--sheet", "sheet.png"])
        .exits(0)
        .says("sheet.png: a row for each of bear, cat, dog, mouse, rabbit");
    let sheet = image::open(project.path("sheet.png")).unwrap().to_rgb8();
    // Forty training pictures are eight of a class; the row of views has ten.
    assert_eq!(sheet.dimensions(), (2 + 10 * 34, 2 + 6 * 34));
    let tile = |column: u32, row: u32| {
        let tile = image::imageops::crop_imm(&sheet, 2 + 34 * column, 2 + 34 * row, 32, 32);
        tile.to_image()
    };
    assert_eq!(
        tile(0, 0),
        tile(0, 5),
        "the first picture is the first bear"
    );
    assert_ne!(tile(1, 5), tile(2, 5), "views differ");
    project
        .goldrun(&["show", "small", "--sheet", "nowhere/sheet.png"])
        .exits(4)
        .warns("error: cannot write nowhere/sheet.png: No such file or directory");
}

#[test]
fn show_says_where_splits_cannot_be_known_yet() {
    let project = Project::empty();
    project
        .goldrun(&["show", "tutorial"])
        .exits(0)
        .says("splits: unknown until the pictures are here (goldrun fetch tutorial)")
        .says("model: 2,259,265 parameters, supposing two classes")
        .says("trains 1,281 parameters in 2 variables")
        .says("trains 1,862,721 parameters in 56 variables");
}

#[test]
fn show_does_not_take_a_wrong_path_for_pictures_that_are_not_here_yet() {
    let photos = "[artifact.photos]\npath = \"../fotos\"\n\n[dataset.folders]\n\
                  artifact = \"photos\"\ntrain = \".\"\n\n\
                  [split.validation]\nfrom = \"train\"\nfraction = 0.2\n\n\
                  [split.test]\nfrom = \"train\"\nfraction = 0.2\n\n[input]";
    let mut recipe = SMALL.replace("\"small\"", "\"photos\"");
    recipe.replace_range(
        recipe.find("[dataset.drawn]").unwrap()..recipe.find("[input]").unwrap() + 7,
        photos,
    );
    let project = Project::small().file("recipes/photos.toml", &recipe);
    project
        .goldrun(&["show", "photos"])
        .exits(3)
        .warns("fotos does not exist");
}

#[test]
fn a_run_that_fails_exits_4() {
    let project = Project::pinned();
    let diverges = "phase.1.optimizer={sgd={learning_rate=1e30}}";
    let ran = project
        .goldrun(&["run", "small", "--set", diverges])
        .exits(4);
    assert_eq!(ran.stdout, "");
    ran.warns("error: ");
    project
        .goldrun(&["accept", "small", "--yes"])
        .exits(2)
        .warns("has no run");
}

#[test]
fn artifacts_that_cannot_be_had_or_are_not_as_pinned_exit_3() {
    let nowhere = SMALL.replace("\"small\"", "\"nowhere\"").replace(
        "path = \"weights/quickstart.safetensors\"",
        "urls = [\"http://127.0.0.1:9/weights\"]\nsize = 10",
    );
    let project = Project::small().file("recipes/nowhere.toml", &nowhere);
    project.goldrun(&["fetch", "nowhere", "--offline"]).exits(3);

    project
        .goldrun(&["check", "small"])
        .exits(3)
        .warns("no pin for weights")
        .warns("--allow-unpinned");

    project.goldrun(&["pin", "small"]).exits(0);
    let text = project.read("recipes/small.toml");
    // Content that was never seen: the digest's first two letters swapped with another.
    let other: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with("sha256"))
        .map(|line| match line.split_once("t1:") {
            Some((key, digest)) => format!(
                "{key}t1:{}{}",
                if digest.starts_with("AA") { "BB" } else { "AA" },
                &digest[2..]
            ),
            None => line.to_owned(),
        })
        .collect();
    project.write("recipes/small.toml", &other.join("\n"));
    for command in ["fetch", "run", "check"] {
        let ran = project
            .goldrun(&[command, "small"])
            .exits(3)
            .warns("artifact `weights`");
        assert!(ran.stdout.is_empty(), "{ran:#?}");
    }
}

#[test]
fn pins_are_written_once_and_comments_stay() {
    let project = Project::small();
    project
        .goldrun(&["fetch", "small"])
        .exits(0)
        .says("weights   no      t1:");
    project
        .goldrun(&["run", "small"])
        .exits(0)
        .warns("warning: artifact `weights` is unpinned");
    let pinned = project.goldrun(&["pin", "small"]).exits(0);
    assert!(
        pinned
            .stdout
            .contains("recipes/small.toml: artifact.weights.content = \"t1:"),
        "{pinned:#?}"
    );
    let text = project.read("recipes/small.toml");
    assert!(text.starts_with("# A recipe of the tests.\n"));
    assert!(text.contains("[artifact.weights]   # pinned by `goldrun pin`"));
    assert!(text.contains("sha256 = \""));
    project
        .goldrun(&["pin", "small"])
        .exits(0)
        .says("nothing to pin");
    assert_eq!(project.read("recipes/small.toml"), text);
    project
        .goldrun(&["fetch", "small"])
        .exits(0)
        .says("weights   yes     t1:");
    let data = project
        .goldrun(&["fetch", "small", "--json"])
        .exits(0)
        .json();
    assert_eq!(data[0]["pinned"], true);
}

/// What users read.
#[test]
fn help_and_refusals_read_well() {
    let project = Project::small();
    let shown: Vec<String> = [
        &["--help"][..],
        &["check", "small"],
        &["check", "small", "--engine", "candle"],
        &["run", "small", "--device", "cuda"],
        &["accept", "small", "--yes"],
        &["accept", "small", "--seed", "7", "--yes"],
        &["diff", "small", "other"],
        &["frobnicate"],
        &["check", "small", "--threads", "5000"],
    ]
    .iter()
    .map(|arguments| project.goldrun(arguments).shown())
    .collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}
