//! `goldrun predict`: the bits of the run, and what is told of pictures that are none.

use std::path::{Path, PathBuf};

use fs_err as fs;
use goldrun::record::exhibits::Exhibits;
use serde_json::Value;

use crate::pictures::{drawn, pair, write};
use crate::support::{Project, Ran};

/// Slot of the test split's drawn pictures.
const TEST: u32 = 2;

/// The folder of the only run of a recipe, from the project's root.
fn run_folder(project: &Project, recipe: &str) -> String {
    let mut runs = fs::read_dir(project.path(&format!("runs/{recipe}"))).unwrap();
    let id = runs.next().unwrap().unwrap().file_name();
    assert!(runs.next().is_none());
    format!("runs/{recipe}/{}", id.to_str().unwrap())
}

/// What the run of a recipe shows and measured.
fn left(project: &Project, recipe: &str) -> (Exhibits, Value) {
    let folder = run_folder(project, recipe);
    let read = |file: &str| project.read(&format!("{folder}/{file}"));
    let exhibits = serde_json::from_str(&read("exhibits.json")).unwrap();
    (
        exhibits,
        serde_json::from_str(&read("record.json")).unwrap(),
    )
}

/// A project with the recipe run and, under `test`, the pictures of the first test batch.
fn small() -> Project {
    let project = Project::pinned();
    project.goldrun(&["run", "small"]).exits(0);
    for (place, predicted) in left(&project, "small")
        .0
        .test
        .first_batch
        .iter()
        .enumerate()
    {
        let number = predicted.picture.path.rsplit('/').next().unwrap();
        let picture = drawn(TEST, number.parse().unwrap());
        write(&project, &format!("test/{place:02}.png"), &picture);
    }
    project
}

/// Bits of logits, however they were rounded on their way.
fn bits(logits: &Value) -> Vec<u32> {
    let logits = logits.as_array().unwrap().iter();
    logits
        .map(|logit| (logit.as_f64().unwrap() as f32).to_bits())
        .collect()
}

/// Predictions are those that the run shows of its first test batch, and their logits have the bits of its record.
fn assert_as_in_the_run(project: &Project, recipe: &str, predicted: &Ran) {
    let (exhibits, record) = left(project, recipe);
    let said = predicted.json();
    let predictions = said["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), exhibits.test.first_batch.len());
    assert!(!predictions.is_empty());
    let logits = predictions.iter().flat_map(|said| bits(&said["logits"]));
    let logits: Vec<u32> = logits.collect();
    assert_eq!(logits, bits(&record["facts"]["test.logits"]));
    for (said, shown) in predictions.iter().zip(&exhibits.test.first_batch) {
        assert_eq!(said["probability"].as_f64(), Some(shown.probability));
        assert_eq!(said["class"], exhibits.classes[shown.class as usize]);
        let sum = said["probabilities"].as_array().unwrap().iter();
        let sum: f64 = sum.map(|p| p.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_picture_gets_the_bits_that_it_got_in_the_run() {
    let project = small();
    let predict = |options: &[&str]| {
        let line = [&["predict", "small", "test", "--json"], options].concat();
        project.goldrun(&line).exits(0)
    };
    assert_as_in_the_run(&project, "small", &predict(&[]));
    let plain = predict(&["--threads", "1", "--simd", "scalar"]);
    assert_as_in_the_run(&project, "small", &plain);
    // Whatever else is looked at.
    let alone = project
        .goldrun(&["predict", "small", "test/05.png", "--json"])
        .exits(0)
        .json();
    assert_eq!(alone["predictions"][0], plain.json()["predictions"][5]);
}

#[test]
fn photos_of_any_size_do_too_and_one_logit_is_of_two_classes() {
    let project = pair();
    project.goldrun(&["run", "pair"]).exits(0);
    let (exhibits, _) = left(&project, "pair");
    let paths = exhibits.test.first_batch.iter();
    let paths: Vec<String> = paths
        .map(|shown| format!("recipes/photos/validation/{}", shown.picture.path))
        .collect();
    let paths = paths.iter().map(String::as_str);
    let line: Vec<&str> = ["predict", "pair", "--json"]
        .into_iter()
        .chain(paths)
        .collect();
    let predicted = project.goldrun(&line).exits(0);
    assert_as_in_the_run(&project, "pair", &predicted);
    let said = predicted.json();
    assert_eq!(said["classes"], serde_json::json!(["bears", "cats"]));
    assert_eq!(said["phase"], 1);
    let first = &said["predictions"][0];
    assert_eq!(first["logits"].as_array().unwrap().len(), 1);
    assert_eq!(first["probabilities"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_no_picture_is_told_and_the_rest_is_predicted() {
    let project = small();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images");
    fs::create_dir_all(project.path("mixed/empty")).unwrap();
    for file in ["rgb.jpg", "text.png", "no_end.jpg", "animated.gif"] {
        fs::copy(fixtures.join(file), project.path(&format!("mixed/{file}"))).unwrap();
    }
    write(&project, "mixed/deep/down/drawn.bmp", &drawn(TEST, 3));
    project.write("mixed/notes.txt", "no picture, and not taken for one");
    let mixed = project
        .goldrun(&[
            "predict",
            "small",
            "test/01.png",
            "mixed",
            "nowhere.png",
            "mixed/notes.txt",
            "mixed/empty",
        ])
        .exits(3);
    let json = project
        .goldrun(&["predict", "small", "mixed", "--json"])
        .exits(3)
        .json();
    assert_eq!(json["predictions"].as_array().unwrap().len(), 3);
    assert_eq!(json["unread"][0]["file"], "mixed/no_end.jpg");
    let none = project
        .goldrun(&["predict", "small", "mixed/empty", "--sheet", "sheet.png"])
        .exits(3);
    assert_eq!(none.stdout, "");
    insta::assert_snapshot!(mixed.shown());
}

#[test]
fn any_format_gives_the_same_bits_of_the_same_pixels() {
    let project = small();
    let picture = drawn(TEST, 7);
    for file in ["a.bmp", "a.png", "a.webp", "a.gif"] {
        write(&project, &format!("formats/{file}"), &picture);
    }
    let json = project
        .goldrun(&["predict", "small", "formats", "--json"])
        .exits(0)
        .json();
    let predictions = json["predictions"].as_array().unwrap();
    let files: Vec<&Value> = predictions.iter().map(|said| &said["file"]).collect();
    assert_eq!(
        files,
        [
            "formats/a.bmp",
            "formats/a.gif",
            "formats/a.png",
            "formats/a.webp"
        ]
    );
    // GIF has a palette of its own.
    for place in [2, 3] {
        assert_eq!(predictions[place]["logits"], predictions[0]["logits"]);
    }
}

#[test]
fn tables_csv_and_sheet_say_the_same() {
    let project = small();
    let table = project.goldrun(&["predict", "small", "test"]).exits(0);
    assert_eq!(table.stderr, "");
    let csv = project
        .goldrun(&["predict", "small", "test", "--csv"])
        .exits(0);
    let lines: Vec<Vec<&str>> = csv
        .stdout
        .lines()
        .map(|line| line.split(',').collect())
        .collect();
    assert_eq!(
        lines[0].join(","),
        "file,class,probability,bear,cat,dog,mouse,rabbit"
    );
    assert_eq!(lines.len(), 17);
    for (line, row) in lines[1..].iter().zip(table.stdout.lines().skip(1)) {
        let row: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(row[..2], line[..2]);
        let probability: f64 = line[2].parse().unwrap();
        assert_eq!(row[2], format!("{probability:.4}"));
    }
    project
        .goldrun(&["predict", "small", "test", "--csv", "--json"])
        .exits(2);
    let sheet = project
        .goldrun(&["predict", "small", "test", "--sheet", "sheet.png"])
        .exits(0);
    assert_eq!(sheet.stdout, table.stdout);
    let classes: std::collections::BTreeSet<&str> = lines[1..].iter().map(|line| line[1]).collect();
    let note = sheet.stderr.strip_prefix("note: sheet.png: ").unwrap();
    assert_eq!(note.matches(" in row").count(), classes.len(), "{note}");
    let png = image::open(project.path("sheet.png")).unwrap();
    assert_eq!((png.height() - 2) % 130, 0);
    assert!(png.width() <= 10 * 130 + 2);
    insta::assert_snapshot!(table.shown());
}

#[test]
fn a_model_is_of_a_phase_and_needs_no_run_around_it() {
    let project = small();
    let predict = |model: &str, options: &[&str]| {
        let line = [&["predict", model, "test", "--json"], options].concat();
        project.goldrun(&line).exits(0).json()
    };
    let last = predict("small", &[]);
    assert_eq!(predict("small", &["--phase", "1"]), last);
    let first = predict("small", &["--phase", "0"]);
    assert_eq!(first["phase"], 0);
    assert_ne!(first["predictions"], last["predictions"]);
    let folder = run_folder(&project, "small");
    assert_eq!(predict(&folder, &[]), last);
    fs::rename(
        project.path(&format!("{folder}/model-phase-1.safetensors")),
        project.path("elsewhere.safetensors"),
    )
    .unwrap();
    fs::remove_dir_all(project.path("recipes")).unwrap();
    let alone = predict("elsewhere.safetensors", &[]);
    assert_eq!(alone["predictions"], last["predictions"]);
}

#[test]
fn what_is_no_model_is_said() {
    let project = small();
    let folder = run_folder(&project, "small");
    let model = format!("{folder}/model-phase-1.safetensors");
    let bytes = fs::read(project.path(&model)).unwrap();
    let damaged = |name: &str, bytes: &[u8]| {
        fs::write(project.path(name), bytes).unwrap();
        name.to_owned()
    };
    let replaced = |name: &str, from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes
            .windows(from.len())
            .position(|window| window == from.as_bytes())
            .unwrap();
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        damaged(name, &bytes)
    };
    let shipped = project.path("recipes/weights/quickstart.safetensors");
    let mut nan = bytes.clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let files = [
        damaged("cut.safetensors", &bytes[..bytes.len() - 1]),
        damaged("none.safetensors", b"none"),
        damaged("backbone.safetensors", &fs::read(shipped).unwrap()),
        damaged("nan.safetensors", &nan),
        replaced("format.safetensors", "format\\\":1", "format\\\":7"),
        replaced("alpha.safetensors", "alpha\\\":0.35", "alpha\\\":0.50"),
        replaced("classes.safetensors", "\\\"bear\\\",", "         "),
        replaced("name.safetensors", "dense/bias", "dense/bise"),
    ];
    let mut told = Vec::new();
    for file in &files {
        told.push(project.goldrun(&["predict", file, "test"]).exits(2).shown());
    }
    for options in [
        &["small", "test", "--phase", "7"][..],
        &["cut.safetensors", "test", "--phase", "1"],
        &["nothing", "test"],
        &["small", "test", "--engine", "candle"],
        &["small", "test", "--set", "phase.0.epochs=2"],
    ] {
        let line = [&["predict"], options].concat();
        told.push(project.goldrun(&line).exits(2).shown());
    }
    for file in saved_models(&project.path(&folder)) {
        fs::remove_file(file).unwrap();
    }
    told.push(
        project
            .goldrun(&["predict", "small", "test"])
            .exits(2)
            .shown(),
    );
    let id = folder.rsplit('/').next().unwrap();
    insta::assert_snapshot!(told.join("\n").replace(id, "[run]"));
}

fn saved_models(run: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(run)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let models: Vec<PathBuf> = files
        .filter(|path| {
            path.extension()
                .is_some_and(|ending| ending == "safetensors")
        })
        .collect();
    assert_eq!(models.len(), 2);
    models
}
