//! A project in a folder of its own, in which the real binary runs with a cache of its own; and the real
//! photos and weights, where they are at hand.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use assert_cmd::cargo::cargo_bin;
use fs_err as fs;
use goldrun::model::{Network, Parameters};
use goldrun::random::{Purpose, Stream, unit};

/// A recipe that runs in a second: few drawn pictures, one epoch a phase, weights without a pin.
pub const SMALL: &str = r#"# A recipe of the tests.
format = 1
name   = "small"
title  = "A few drawn pictures"
seed   = 5

[artifact.weights]   # pinned by `goldrun pin`
path = "weights/quickstart.safetensors"

[dataset.drawn]
train      = 40
validation = 20
test       = 20

[input]
image_size = [32, 32]
batch_size = 16
augment    = [{ flip = "horizontal" }, { rotation = { turn = 0.05, fill = "reflect" } }]

[model.mobilenet_v2]
alpha   = 0.35
weights = "weights"
head    = { dropout = 0.2 }

[[phase]]
name   = "head"
epochs = 1
train  = "head"
optimizer.adam = { learning_rate = 1e-3 }

[[phase]]
name   = "fine-tuning"
epochs = 1
train  = { from = 100 }
optimizer.rmsprop = { learning_rate = 1e-4 }
"#;

/// The tutorial's photos.
pub const PHOTOS: &str = "cats_and_dogs_filtered.zip";

/// Weights for the tutorial's network, from pictures of 224 pixels.
pub const WEIGHTS: &str = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5";

/// A real artifact; where it is not at hand the test says that it is skipped, or fails where `GOLDRUN_REQUIRE`
/// has the word `artifacts`.
pub fn artifact(test: &str, file: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("GOLDRUN_ARTIFACTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/artifacts"),
        PathBuf::from,
    );
    let path = folder.join(file);
    if path.is_file() {
        return Some(path);
    }
    let required = is_required("artifacts");
    assert!(
        !required,
        "{test}: no {file} in {}, and GOLDRUN_REQUIRE says that artifacts must be there",
        folder.display()
    );
    skipped(test, &format!("no {file}"));
    None
}

/// True if `GOLDRUN_REQUIRE` has this word: what is not there is then a failure and no skip.
pub fn is_required(word: &str) -> bool {
    let required = std::env::var("GOLDRUN_REQUIRE").unwrap_or_default();
    required.split(',').any(|required| required.trim() == word)
}

/// Says that a test is skipped, and why; fails where `GOLDRUN_REQUIRE` has the word.
pub fn skip_unless_required(test: &str, word: &str, why: &str) {
    assert!(
        !is_required(word),
        "{test}: {why}, and GOLDRUN_REQUIRE says that {word} must be there"
    );
    skipped(test, why);
}

#[test]
fn absence_is_a_skip_unless_required() {
    let ran = |require: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "decode::the_photos_have_their_digest"])
            .env("GOLDRUN_ARTIFACTS", "nowhere")
            .env("GOLDRUN_REQUIRE", require)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    for require in ["", "valgrind", "artifactsandmore"] {
        let (passed, text) = ran(require);
        let line = format!("skipped: the_photos_have_their_digest: no {PHOTOS}");
        assert!(passed && text.contains(&line), "{require:?}: {text}");
    }
    for require in ["artifacts", "valgrind, artifacts"] {
        let (passed, text) = ran(require);
        let line = "GOLDRUN_REQUIRE says that artifacts must be there";
        assert!(!passed && text.contains(line), "{require:?}: {text}");
    }
}

/// Says that a test is skipped, past the harness, which keeps to itself what a test that passes prints.
pub fn skipped(test: &str, why: &str) {
    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let number = 1 + SKIPPED.fetch_add(1, Ordering::Relaxed);
    let line = format!("skipped: {test}: {why} (skipped so far: {number})\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// A project.
pub struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    /// A project without recipes of its own.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("recipes")).unwrap();
        Self { folder }
    }

    /// A project with the recipe [`SMALL`] and its weights.
    pub fn small() -> Self {
        let project = Self::empty();
        let weights = "recipes/weights/quickstart.safetensors";
        fs::create_dir(project.path("recipes/weights")).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(weights);
        fs::copy(shipped, project.path(weights)).unwrap();
        project.file("recipes/small.toml", SMALL)
    }

    /// [`Project::small`] with the weights pinned.
    pub fn pinned() -> Self {
        let project = Self::small();
        project.goldrun(&["pin", "small"]).exits(0);
        project
    }

    /// [`Project::pinned`] with a golden of one run.
    pub fn accepted() -> Self {
        let project = Self::pinned();
        project.accept_a_run();
        project
    }

    /// Runs the recipe `small`, and makes the run its golden.
    pub fn accept_a_run(&self) {
        self.goldrun(&["run", "small"]).exits(0);
        self.goldrun(&["accept", "small", "--yes"]).exits(0);
    }

    /// Writes a file.
    pub fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    /// Writes a file.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The text of a file.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Unpacks the tutorial's training photos from their archive into class folders in `photos`: so many of each
    /// class, the first by name.
    pub fn unpack_photos(&self, archive: &Path, of_class: usize) {
        let mut archive = zip::ZipArchive::new(fs::File::open(archive).unwrap()).unwrap();
        for class in ["cats", "dogs"] {
            let inner = format!("cats_and_dogs_filtered/train/{class}/");
            let mut names: Vec<String> = archive
                .file_names()
                .map(|name| name.unwrap().into_owned())
                .filter(|name| name.starts_with(&inner) && !name.ends_with('/'))
                .collect();
            names.sort();
            let folder = self.path("photos").join(class);
            fs::create_dir_all(&folder).unwrap();
            for name in names.iter().take(of_class) {
                let path = folder.join(name.strip_prefix(&inner).unwrap());
                let mut photo = archive.by_name(name).unwrap();
                std::io::copy(&mut photo, &mut fs::File::create(path).unwrap()).unwrap();
            }
        }
    }

    /// The path of a file.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The binary, about to run in this project.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(&cargo_bin("goldrun"), arguments)
    }

    fn command_of(&self, binary: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("GOLDRUN_CACHE", self.path("cache"))
            .env_remove("GOLDRUN_ARTIFACTS")
            // Also where there is a CUDA device: what the CPU does is under test.
            .env("GOLDRUN_DEVICE", "cpu")
            .env_remove("RUST_LOG")
            .env_remove("CI")
            .env_remove("GITHUB_ACTIONS")
            .env_remove("GITHUB_STEP_SUMMARY")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR")
            .env_remove("CLICOLOR_FORCE")
            .env("COLUMNS", "120")
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary in this project.
    pub fn goldrun(&self, arguments: &[&str]) -> Ran {
        self.other_goldrun(&cargo_bin("goldrun"), arguments)
    }

    /// Runs another binary in this project.
    pub fn other_goldrun(&self, binary: &Path, arguments: &[&str]) -> Ran {
        Ran::of(self, &mut self.command_of(binary, arguments))
    }
}

/// What a command shows, through `script`, on a terminal to a person who types `keys`; none where there is no
/// `script`.
pub fn at_terminal(
    test: &str,
    project: &Project,
    arguments: &[&str],
    keys: &str,
) -> Option<String> {
    let plain = project.command(arguments);
    let words = std::iter::once(plain.get_program()).chain(plain.get_args());
    let line: Vec<String> = words
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let line = line.join(" ");
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(project.path("."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .env("TERM", "xterm");
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let Ok(mut child) = script.spawn() else {
        skipped(test, "no `script`");
        return None;
    };
    let mut typed = child.stdin.take().unwrap();
    typed.write_all(keys.as_bytes()).unwrap();
    // Kept open: the end of input would end the command.
    let output = child.wait_with_output().unwrap();
    drop(typed);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}");
    Some(shown)
}

/// What the binary did.
#[derive(Debug)]
pub struct Ran {
    arguments: String,
    code: Option<i32>,
    /// Standard output; the project's folder reads `[project]`.
    pub stdout: String,
    /// Standard error; the project's folder reads `[project]`.
    pub stderr: String,
}

impl Ran {
    /// Runs a command of a project.
    pub fn of(project: &Project, command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let clean = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            text.replace(&project.folder.path().display().to_string(), "[project]")
        };
        let arguments: Vec<_> = command
            .get_args()
            .map(|part| part.to_string_lossy())
            .collect();
        Self {
            arguments: arguments.join(" "),
            code: output.status.code(),
            stdout: clean(&output.stdout),
            stderr: clean(&output.stderr),
        }
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Asserts that standard output contains a text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no {text:?} in {self:#?}");
        self
    }

    /// Asserts that standard error contains a text.
    #[track_caller]
    pub fn warns(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in {self:#?}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Standard output, then standard error, for a snapshot.
    pub fn shown(&self) -> String {
        format!(
            "$ goldrun {}\n{}--- stderr, exit code {}\n{}",
            self.arguments,
            self.stdout,
            self.code.unwrap_or(-1),
            self.stderr
        )
    }
}

/// Made values from 0 to 1.
pub fn uniform(seed: u64, slot: u32, n: usize) -> Vec<f32> {
    let stream = Stream::new(seed, Purpose::Weights, slot);
    (0..n as u32)
        .map(|element| unit(stream.word(0, element)))
        .collect()
}

/// Made parameters with which values of every layer stay in the range of trained ones.
pub fn made_parameters(network: &Network, seed: u64) -> Parameters {
    let backbone = network
        .backbone_tensors()
        .iter()
        .enumerate()
        .map(|(place, spec)| {
            let values = uniform(seed, 100 + place as u32, spec.len());
            let scaled =
                |low: f32, high: f32| values.iter().map(|u| low + (high - low) * u).collect();
            let fan_in: usize = spec.shape[..spec.shape.len() - 1].iter().product();
            let bound = (6.0 / fan_in.max(1) as f32).sqrt();
            match spec.name.rsplit('/').next() {
                Some("kernel") if spec.shape[3] == 1 => scaled(-0.8, 0.8),
                Some("kernel") => scaled(-bound, bound),
                Some("gamma" | "moving_variance") => scaled(0.7, 1.3),
                _ => scaled(-0.2, 0.4),
            }
        })
        .collect();
    Parameters::with_new_head(network, backbone, seed)
}
