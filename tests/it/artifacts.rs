//! Artifacts end to end: real files, a real server, real processes.

pub mod archive;
mod download;
mod extract;
mod local;
mod processes;
mod real;
mod resume;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use goldrun::artifacts::{Error, Kind, Network, Obtained, Options, Request};
use goldrun::digest::of as sha256;
use goldrun::recipe::{Artifact, Source};
use goldrun::record::{Event, Observer};
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};

/// A cache of its own and everything that happens to it.
struct Workplace {
    root: tempfile::TempDir,
    options: Options,
    network: Network,
    events: Mutex<Vec<Event>>,
    interrupted: AtomicBool,
}

impl Workplace {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let options = Options {
            cache: root.path().join("cache"),
            folders: Vec::new(),
            offline: false,
            fresh: false,
        };
        Self {
            root,
            options,
            network: impatient(),
            events: Mutex::new(Vec::new()),
            interrupted: AtomicBool::new(false),
        }
    }

    fn obtain(&self, artifact: &Artifact, kind: Kind) -> Result<Obtained, Error> {
        let sink = |event| self.events.lock().unwrap().push(event);
        let observer = Observer::new(&sink, &self.interrupted);
        Request::new("thing", artifact, kind)
            .network(self.network.clone())
            .obtain(&self.options, &observer)
    }

    fn weights(&self, artifact: &Artifact) -> Result<Obtained, Error> {
        self.obtain(artifact, Kind::Weights)
    }

    fn pictures(&self, artifact: &Artifact) -> Result<Obtained, Error> {
        self.obtain(artifact, Kind::Pictures)
    }

    /// Writes a file beside the cache.
    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.root.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, bytes).unwrap();
        path
    }

    /// Notes and warnings so far.
    fn said(&self) -> Vec<String> {
        let text = |event: &Event| match event {
            Event::Note(text) | Event::Warning(text) => Some(text.clone()),
            _ => None,
        };
        self.events
            .lock()
            .unwrap()
            .iter()
            .filter_map(text)
            .collect()
    }

    /// Every file in the downloads, by name.
    fn downloads(&self) -> Vec<String> {
        let mut names = Vec::new();
        for entry in fs_err::read_dir(self.options.cache.join("downloads-v1")).unwrap() {
            for file in fs_err::read_dir(entry.unwrap().path()).unwrap() {
                names.push(file.unwrap().file_name().into_string().unwrap());
            }
        }
        names.sort();
        names
    }
}

/// Gives up soon, so that tests are fast.
fn impatient() -> Network {
    Network {
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_millis(300),
        pauses: vec![Duration::from_millis(5); 2],
    }
}

/// An artifact without pins.
fn artifact(source: Source) -> Artifact {
    Artifact {
        source,
        size: None,
        max_size: 1 << 32,
        sha256: None,
        content: None,
    }
}

/// An artifact at urls, with the pin of its bytes.
fn pinned(urls: &[String], bytes: &[u8]) -> Artifact {
    Artifact {
        sha256: Some(sha256(bytes)),
        size: Some(bytes.len() as u64),
        ..artifact(Source::Urls(urls.to_vec()))
    }
}

/// A local artifact without pins.
fn local(path: &Path) -> Artifact {
    artifact(Source::Path(path.to_path_buf()))
}

/// A weight file of about 200 kB; `first` makes it another one.
fn weight_file(first: f32) -> Vec<u8> {
    let mut values: Vec<f32> = (0u16..50_000).map(f32::from).collect();
    values[0] = first;
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let view = TensorView::new(Dtype::F32, vec![50_000], &bytes).unwrap();
    serialize([("dense/kernel", view)], None).unwrap()
}

/// The error's text with what differs from machine to machine replaced.
fn plain(error: &Error, workplace: &Workplace) -> String {
    let text = error.to_string();
    let root = fs_err::canonicalize(workplace.root.path()).unwrap();
    let mut text = text.replace(&*root.to_string_lossy(), "ROOT");
    while let Some(start) = text.find("127.0.0.1:") {
        let digits = text[start + 10..]
            .chars()
            .take_while(char::is_ascii_digit)
            .count();
        text.replace_range(start..start + 10 + digits, "SERVER");
    }
    text
}

/// The error itself, without the artifact around it.
fn inner(error: Error) -> Error {
    match error {
        Error::Artifact { error, .. } | Error::Unserved { error, .. } => inner(*error),
        other => other,
    }
}
