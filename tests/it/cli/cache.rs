//! `goldrun cache`.

use super::interrupt::{ended, interrupt, read_until, spawn};
use crate::support::Project;

#[test]
fn what_lies_on_disk_is_shown_with_what_it_is_for() {
    let project = Project::pinned();
    let empty = project.goldrun(&["cache", "prune", "--all"]).exits(0);
    project.goldrun(&["run", "small"]).exits(0);
    let size = project.goldrun(&["cache", "size"]).exits(0);
    let dry = project.goldrun(&["cache", "prune", "--all", "--dry-run"]);
    let kept = project.goldrun(&["cache", "prune", "--older-than", "1"]);
    let pruned = project.goldrun(&["cache", "prune", "--keep", "1kB"]);
    let wrong = project.goldrun(&["cache", "prune", "--keep", "much"]);
    let none = project.goldrun(&["cache", "prune"]);
    let shown = [empty, size, dry, kept, pruned, wrong, none].map(|ran| ran.shown());
    insta::with_settings!({ filters => [(r"in runs, [0-9.]+ [kM]B", "in runs, SIZE")] }, {
        insta::assert_snapshot!(shown.join("\n\n"));
    });
    assert!(project.path("runs/small").is_dir());

    let data = project
        .goldrun(&["cache", "size", "--json"])
        .exits(0)
        .json();
    assert_eq!(data["runs"]["entries"], 1);
    let derived = &data["buckets"][2];
    assert_eq!(
        (&derived["bucket"], &derived["entries"]),
        (&"derived".into(), &0.into())
    );
}

#[test]
fn what_a_run_uses_is_not_pruned() {
    let project = Project::pinned();
    let long = ["run", "small", "--set", "phase.0.epochs=10000"];
    let mut child = spawn(&project, &long);
    let _lines = read_until(&mut child, "epoch 1/");
    let pruned = project.goldrun(&["cache", "prune", "--all", "--json"]);
    let pruned = pruned.exits(0).json();
    assert_eq!(pruned["bytes"], 0);
    assert!(pruned["bytes_in_use"].as_u64().unwrap() > 80 * 32 * 32 * 3);
    interrupt(child.id());
    ended(&mut child);
    let pruned = project.goldrun(&["cache", "prune", "--all", "--json"]);
    let pruned = pruned.exits(0).json();
    assert_eq!(pruned["bytes_in_use"], 0);
    assert!(pruned["bytes"].as_u64().unwrap() > 80 * 32 * 32 * 3);
}
