//! `run --trace-digests`: the same digests everywhere, and `diff` of two names the step where they part.

use goldrun::record::steps::{Kind, StepDigests};

use crate::support::{Project, Ran};

/// Enough epochs of [`SMALL`](crate::support::SMALL) for checkpoints in its second phase.
const EPOCHS: [&str; 4] = ["--set", "phase.0.epochs=2", "--set", "phase.1.epochs=3"];
/// The epoch that is looked at, unless another is named.
const EPOCH: &str = "phase.1.epoch.1";

/// The file of a traced epoch.
struct Traced {
    /// Relative to the project.
    name: String,
    digests: StepDigests,
    /// What the run told.
    told: String,
}

/// What a run of the small recipe says of itself.
fn run(project: &Project, options: &[&str]) -> (serde_json::Value, String) {
    let ran = project
        .goldrun(&[&["run", "small", "--json"], &EPOCHS[..], options].concat())
        .exits(0);
    (ran.json(), ran.stderr)
}

/// A path of the project that a run tells.
fn path(value: &serde_json::Value) -> String {
    value.as_str().unwrap().replace("[project]/", "")
}

/// Traces an epoch of the small recipe.
fn trace(project: &Project, epoch: &str, options: &[&str]) -> Traced {
    let (json, told) = run(project, &[&["--trace-digests", epoch], options].concat());
    let name = path(&json["digests"]);
    Traced {
        digests: StepDigests::read(&project.read(&name)).unwrap(),
        name,
        told,
    }
}

fn diff(project: &Project, a: &Traced, b: &Traced) -> Ran {
    project.goldrun(&["diff", &a.name, &b.name])
}

#[test]
fn digests_are_the_same_everywhere_and_lead_to_the_epochs_own_end() {
    let project = Project::pinned();
    let (whole, _) = run(&project, &[]);
    // The checkpoints that are left are after the epoch.
    let from_start = trace(&project, EPOCH, &["--threads", "1", "--simd", "scalar"]);
    assert!(from_start.told.contains("begins at the start"));
    let from_checkpoint = trace(&project, EPOCH, &["--threads", "3"]);
    assert!(
        from_checkpoint
            .told
            .contains("begins after phase 1, epoch 0")
    );
    let fresh = trace(&project, EPOCH, &["--fresh"]);
    assert!(!fresh.told.contains("begins"));
    assert_eq!(from_start.digests.digests, from_checkpoint.digests.digests);
    for other in [&from_checkpoint, &fresh] {
        diff(&project, &from_start, other)
            .exits(0)
            .says("identical: ");
    }

    let traced = from_start.digests;
    assert_eq!(traced.steps(), 3);
    let count = |kind| {
        let of = traced.digests.iter().filter(|digest| digest.kind == kind);
        of.filter(|digest| digest.step.is_some()).count()
    };
    assert_eq!(count(Kind::Output), 40);
    assert_eq!(count(Kind::Gradient), count(Kind::Parameter));
    let list = project.read(&format!(
        "{}/parameters/{EPOCH}.txt",
        path(&whole["folder"])
    ));
    let last = traced
        .digests
        .iter()
        .filter(|digest| digest.step == Some(2));
    let last: Vec<String> = last
        .filter(|digest| digest.kind == Kind::Parameter)
        .map(|digest| format!("{}  {}", digest.digest, digest.name))
        .collect();
    assert!(last.len() > 50);
    for line in last {
        assert!(list.lines().any(|known| known == line), "{line}");
    }
}

#[test]
fn a_traced_run_is_no_record_and_may_be_resumed() {
    let project = Project::pinned();
    trace(&project, EPOCH, &[]);
    project.goldrun(&["accept", "small", "--yes"]).exits(2);
    let resumed = ["run", "small", "--resume"];
    project
        .goldrun(&[&resumed[..], &EPOCHS].concat())
        .exits(0)
        .warns("goes on with run ");
}

#[test]
fn the_first_step_and_what_it_made_is_named() {
    let project = Project::pinned();
    let golden = trace(&project, "phase.1.epoch.0", &[]);
    // The engine of another arithmetic sees other features from the start.
    let candle = trace(&project, "phase.1.epoch.0", &["--engine", "candle"]);
    diff(&project, &golden, &candle)
        .exits(1)
        .says("first parting: before step 0")
        .says("hint: parameters part in phase.0.epoch.0 already");
    let rate = "phase.1.optimizer.rmsprop.learning_rate=2e-4";
    let faster = trace(&project, "phase.1.epoch.0", &["--set", rate]);
    let ran = diff(&project, &golden, &faster)
        .exits(1)
        .says("differs: in step 0 (from 0), parameters of block_11_depthwise/kernel");
    let text = ran.stdout.replace(&golden.name, "GOLDEN");
    insta::assert_snapshot!(text.replace(&faster.name, "FASTER"));

    let ran = project
        .goldrun(&["diff", "--json", &golden.name, &faster.name])
        .exits(1);
    let json = ran.json();
    assert_eq!(json["epoch"], "phase.1.epoch.0");
    assert_eq!(json["first_step"]["step"], 0);
    let kinds = json["first_step"]["kinds"].as_array().unwrap();
    let differing: Vec<u64> = kinds
        .iter()
        .map(|kind| kind["differing"].as_u64().unwrap())
        .collect();
    assert_eq!(differing[..2], [0, 0]);
    assert!(differing[2] > 50);
}

#[test]
fn what_cannot_be_compared_or_traced_is_refused_clearly() {
    let project = Project::pinned();
    let first = trace(&project, "phase.0.epoch.0", &[]);
    let second = trace(&project, "phase.0.epoch.1", &[]);
    let text = project.read(&first.name);
    project.write("cut.txt", &text[..text.len() / 2]);
    let small = ["run", "small", "--trace-digests"];
    let refused = [
        vec!["diff", &first.name, &second.name],
        vec!["diff", &first.name, "cut.txt"],
        vec!["diff", "small", &first.name],
        [&small[..], &["phase.2.epoch.0"]].concat(),
        [&small[..], &["phase.1.epoch.1"]].concat(),
        [&small[..], &["phase.1"]].concat(),
        [&small[..], &["phase.1.epoch.0", "--resume"]].concat(),
    ];
    let said: Vec<String> = refused
        .iter()
        .map(|arguments| {
            let said = project.goldrun(arguments).exits(2).stderr;
            said.replace(&first.name, "FIRST")
                .replace(&second.name, "SECOND")
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}
