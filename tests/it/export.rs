//! `goldrun export`: the same model for other programs, held to what they make of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;

use crate::pictures::{drawn, grained, pair, write};
use crate::support::{Project, skip_unless_required};

/// Pictures that other programs are asked about.
const PICTURES: u32 = 10;

#[test]
fn files_are_the_run_s_own_model_and_the_same_each_time() {
    let project = Project::pinned();
    project.goldrun(&["run", "small"]).exits(0);
    let json = project
        .goldrun(&["export", "small", "--json"])
        .exits(0)
        .json();
    let path = |format: &str| PathBuf::from(json[format].as_str().unwrap());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(name(&path("safetensors")), "small.safetensors");
    assert_eq!(name(&path("onnx")), "small.onnx");
    let folder = fs::read_dir(project.path("runs/small")).unwrap().next();
    let folder = folder.unwrap().unwrap().path();
    let own = fs::read(folder.join("model-phase-1.safetensors")).unwrap();
    assert!(fs::read(folder.join("small.safetensors")).unwrap() == own);
    let onnx = fs::read(folder.join("small.onnx")).unwrap();

    let again = project
        .goldrun(&["export", "small", "--out", "new/folder"])
        .exits(0);
    assert_eq!(
        again.stdout,
        "new/folder/small.safetensors (1.7 MB)\nnew/folder/small.onnx (1.6 MB)\n"
    );
    assert!(fs::read(project.path("new/folder/small.onnx")).unwrap() == onnx);

    let one = [
        "export", "small", "--format", "onnx", "--phase", "0", "--out",
    ];
    project
        .goldrun(&[&one[..], &["first.onnx"]].concat())
        .exits(0)
        .says("first.onnx (");
    assert!(fs::read(project.path("first.onnx")).unwrap() != onnx);
    project
        .goldrun(&[&one[..], &["into"]].concat())
        .exits(0)
        .says("into/small.onnx (");
    assert!(!project.path("into/small.safetensors").exists());

    // An exported file is a model by itself.
    write(&project, "one.png", &drawn(2, 0));
    let predict = |model: &str| {
        let ran = project.goldrun(&["predict", model, "one.png", "--json"]);
        ran.exits(0).json()["predictions"].clone()
    };
    assert_eq!(predict("new/folder/small.safetensors"), predict("small"));
    project
        .goldrun(&["export", "small", "--format", "tflite"])
        .exits(2);
    project
        .goldrun(&["export", "small", "--seed", "9"])
        .exits(2)
        .warns("takes no `--seed`");
    project.write("file", "");
    project
        .goldrun(&["export", "small", "--out", "file"])
        .exits(4)
        .warns("error: ");
}

/// A Python with the packages that read the files, as `just onnx` installs them, else as they are there.
pub fn python(test: &str) -> Option<Command> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/onnx");
    let command = || {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut command = Command::new(python);
        if installed.is_dir() {
            command.env("PYTHONPATH", &installed);
        }
        command
    };
    let probe = command()
        .args(["-c", "import numpy, onnx, onnxruntime, PIL, safetensors"])
        .output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(command());
    }
    skip_unless_required(test, "onnx", "no onnxruntime; `just onnx` was not called");
    None
}

/// Exports a recipe that was run, and lets other programs say what they make of pictures under `ten`.
fn assert_others_agree(test: &str, project: &Project, recipe: &str) {
    let Some(mut python) = python(test) else {
        return;
    };
    project
        .goldrun(&["export", recipe, "--out", "exported"])
        .exits(0);
    let said = project
        .goldrun(&["predict", recipe, "ten", "--json"])
        .exits(0);
    project.write("exported/predictions.json", &said.stdout);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interchange/check.py");
    let output = python
        .arg(script)
        .args([recipe, "exported"])
        .current_dir(project.path("."))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    println!("{text}");
    for line in text.lines() {
        if let Some(why) = line.strip_prefix("skipped: ") {
            crate::support::skipped(test, why);
        }
    }
    assert!(text.contains("onnxruntime: 10 pictures, "), "{text}");
}

#[test]
fn others_agree_on_five_classes() {
    let project = Project::pinned();
    project.goldrun(&["run", "small"]).exits(0);
    for number in 0..PICTURES {
        let picture = grained(number, 32, 32);
        write(&project, &format!("ten/{number}.png"), &picture);
    }
    assert_others_agree("others_agree_on_five_classes", &project, "small");
}

#[test]
fn others_agree_on_two_classes_and_pictures_that_are_not_square() {
    let project = pair();
    project.goldrun(&["run", "pair"]).exits(0);
    for number in 0..PICTURES {
        write(
            &project,
            &format!("ten/{number}.png"),
            &grained(number, 64, 96),
        );
    }
    let test = "others_agree_on_two_classes_and_pictures_that_are_not_square";
    assert_others_agree(test, &project, "pair");
}
