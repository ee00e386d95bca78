//! `--trace`: what a run's threads did, as a file that viewers read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::interrupt::{ended, interrupt, read_until, spawn};
use crate::support::{Project, Ran};

/// A span of a trace.
#[derive(Debug)]
struct Span {
    thread: String,
    /// Names of the spans that it lies in, the outermost first.
    within: Vec<String>,
    name: String,
    fields: Value,
}

/// A trace that was read.
struct Trace {
    threads: BTreeSet<String>,
    spans: Vec<Span>,
    /// How many spans have no end.
    open: usize,
}

impl Trace {
    /// Reads a trace as a viewer does; times that go back on a thread, an end without a begin, and threads
    /// without a name are failures.
    fn read(project: &Project, file: &str) -> Self {
        let events: Value = serde_json::from_str(&project.read(file)).unwrap();
        let mut threads = BTreeMap::new();
        let mut stacks: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        let mut latest: BTreeMap<u64, f64> = BTreeMap::new();
        let mut spans = Vec::new();
        for event in events.as_array().unwrap() {
            assert_eq!(event["pid"], 1);
            let text = |key: &str| event[key].as_str().unwrap().to_owned();
            if event["ph"] == "M" {
                if text("name") == "thread_name" {
                    let name = event["args"]["name"].as_str().unwrap().to_owned();
                    let known = threads.insert(event["tid"].as_u64().unwrap(), name);
                    assert_eq!(known, None, "a thread has one name");
                }
                continue;
            }
            let thread = event["tid"].as_u64().unwrap();
            let at = event["ts"].as_f64().unwrap();
            let before = latest.insert(thread, at).unwrap_or(0.0);
            assert!(before <= at, "{before} before {event}");
            let stack = stacks.entry(thread).or_default();
            if event["ph"] == "E" {
                assert!(stack.pop().is_some(), "nothing to end: {event}");
                continue;
            }
            assert_eq!(event["ph"], "B");
            assert!(text("cat").starts_with("goldrun::"), "{event}");
            spans.push(Span {
                thread: threads[&thread].clone(),
                within: stack.clone(),
                name: text("name"),
                fields: event["args"].clone(),
            });
            stack.push(text("name"));
        }
        Self {
            threads: threads.into_values().collect(),
            spans,
            open: stacks.values().map(Vec::len).sum(),
        }
    }

    fn of(&self, name: &'static str) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(move |span| span.name == name)
    }

    /// A field of all spans of a name.
    fn fields(&self, name: &'static str, field: &str) -> Vec<&Value> {
        self.of(name).map(|span| &span.fields[field]).collect()
    }
}

/// The facts of a run that was told as JSON.
fn facts(ran: &Ran) -> Value {
    ran.json()["facts"].clone()
}

#[test]
fn a_trace_shows_what_each_thread_did_and_changes_no_bit() {
    let project = Project::pinned();
    let run = [
        "run",
        "small",
        "--json",
        "--threads",
        "2",
        "--set",
        "phase.1.epochs=2",
    ];
    let plain = project.goldrun(&[&run[..], &["--fresh"]].concat()).exits(0);
    let traced = project
        .goldrun(&[&run[..], &["--trace", "trace.json"]].concat())
        .exits(0)
        .warns("note: trace.json shows what each thread did; https://ui.perfetto.dev opens it");
    assert_eq!(facts(&traced), facts(&plain));

    let trace = Trace::read(&project, "trace.json");
    assert_eq!(trace.open, 0, "every span has an end");
    let threads: Vec<&str> = trace.threads.iter().map(String::as_str).collect();
    assert_eq!(threads, ["main", "worker 0", "worker 1"]);
    let busy: BTreeSet<&str> = trace
        .spans
        .iter()
        .map(|span| span.thread.as_str())
        .collect();
    assert_eq!(busy.len(), 3, "each has a span");

    assert_eq!(trace.fields("run", "recipe"), ["small"]);
    assert_eq!(trace.fields("artifact", "artifact"), ["weights"]);
    assert_eq!(trace.fields("verify", "artifact"), ["weights"]);
    assert_eq!(
        trace.fields("split", "split"),
        ["train", "validation", "test"]
    );
    assert_eq!(trace.fields("epoch", "phase"), [0, 1, 1]);
    assert_eq!(trace.fields("epoch", "epoch"), [0, 0, 1]);
    // Before training, after each epoch, at the end.
    assert_eq!(trace.of("evaluate").count(), 5);
    assert_eq!(trace.fields("evaluate", "split").last().unwrap(), &"test");
    for epoch in trace.of("epoch") {
        assert_eq!(epoch.within, ["training", "phase"]);
    }
    assert_eq!(trace.of("train").count(), 3);
    for stage in ["artifacts", "pictures", "model", "record"] {
        assert_eq!(trace.of(stage).count(), 1, "{stage}");
    }
    // Each picture is drawn by some worker.
    assert_eq!(trace.of("picture").count(), 40 + 20 + 20);
    for draw in trace.of("draw") {
        assert!(draw.thread.starts_with("worker "), "{draw:?}");
        assert_eq!(draw.within.last().unwrap(), "picture");
    }

    // Of the pixels that were kept none is drawn again.
    project
        .goldrun(&["check", "small", "--trace", "again.json", "--quiet"])
        .exits(5);
    let again = Trace::read(&project, "again.json");
    assert_eq!(again.of("draw").count(), 0);
    // Artifacts are verified as a whole, kept pixels row by row as they are read.
    assert_eq!(again.fields("verify", "artifact"), ["weights"]);
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_anything_is_run() {
    let project = Project::pinned();
    let refused: Vec<String> = ["nowhere/trace.json", "recipes", "/dev/null"]
        .iter()
        .map(|file| {
            let ran = project.goldrun(&["run", "small", "--trace", file]).exits(2);
            ran.shown()
        })
        .collect();
    assert!(!project.path("runs").exists());
    insta::assert_snapshot!(refused.join("\n"));
}

#[test]
fn commands_that_run_nothing_have_no_trace() {
    let project = Project::pinned();
    let ran = project.goldrun(&["show", "small", "--trace", "trace.json"]);
    ran.exits(2).warns("unexpected argument '--trace'");
}

#[test]
fn what_fails_leaves_its_trace_and_replaces_an_old_one() {
    let project = Project::pinned().file("trace.json", "old");
    let diverges = "phase.1.optimizer={sgd={learning_rate=1e30}}";
    let run = ["run", "small", "--trace", "trace.json", "--set", diverges];
    project.goldrun(&run).exits(4).warns("note: trace.json");
    let trace = Trace::read(&project, "trace.json");
    assert_eq!(trace.open, 0);
    assert_eq!(trace.of("epoch").count(), 2);
    assert_eq!(trace.of("record").count(), 0);
}

#[test]
fn ctrl_c_leaves_what_was_traced_so_far() {
    let project = Project::pinned();
    let endless = ["--set", "phase.0.epochs=10000", "--trace", "trace.json"];
    let mut child = spawn(&project, &[&["run", "small"], &endless[..]].concat());
    let _lines = read_until(&mut child, "epoch 1/");
    assert!(!project.path("trace.json").exists(), "it is not whole yet");
    interrupt(child.id());
    assert_eq!(ended(&mut child).code(), Some(130));
    let trace = Trace::read(&project, "trace.json");
    assert_eq!(trace.open, 0);
    assert!(trace.of("epoch").count() >= 1);
}

/// As in [`super::interrupt`]: nobody reads standard error, so that the run hangs and the process is ended.
#[test]
fn ctrl_c_leaves_the_trace_of_a_run_that_cannot_go_on() {
    let project = Project::pinned();
    let name = format!("phase.0.name=\"{}\"", "a".repeat(100_000));
    let run = ["run", "small", "--set", &name, "--trace", "trace.json"];
    let mut child = spawn(&project, &run);
    let _lines = read_until(&mut child, "before training");
    std::thread::sleep(std::time::Duration::from_millis(300));
    interrupt(child.id());
    assert_eq!(ended(&mut child).code(), Some(130));
    let trace = Trace::read(&project, "trace.json");
    // `run` on the main thread, `training` and `phase` on a worker.
    assert_eq!(trace.open, 3);
}
