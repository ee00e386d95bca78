//! What a driver can refuse: each is one error with a hint, and nothing is recorded.

use std::collections::BTreeMap;

use fs_err as fs;

use super::runs::tiny;
use super::{on_stand_in, stand_in};
use crate::support::Project;

/// Codes of drivers: out of memory, an illegal address, which loses the device, and one without a name.
const CODES: [&str; 3] = ["2", "700", "999"];

/// Calls of a function that are each made to fail.
const FEW: u64 = 12;

const RUN: [&str; 5] = ["run", "small", "--device", "cuda", "--quiet"];

/// How often a run calls each function of the driver, and what it never frees.
fn calls(
    project: &Project,
    settings: &[(&str, &str)],
    folder: &std::path::Path,
) -> BTreeMap<String, String> {
    let file = project.path("calls.txt");
    let file = file.to_str().unwrap();
    let settings = [settings, &[("STAND_IN_CALLS", file)]].concat();
    on_stand_in(project, folder, &settings, &RUN).exits(0);
    let lines = fs::read_to_string(file).unwrap();
    let pairs = lines.lines().filter_map(|line| line.split_once(' '));
    pairs
        .map(|(name, count)| (name.to_owned(), count.to_owned()))
        .collect()
}

#[test]
fn nothing_is_left_behind() {
    let Some(folder) = stand_in::folder("nothing_is_left_behind") else {
        return;
    };
    let found = calls(&Project::pinned(), &[], &folder);
    assert!(found.len() > 20, "{found:?}");
    assert_eq!(found.get("leak:"), None);
}

/// Every call of the driver fails in turn; of functions that are called often the first and a middle call. (Calls
/// that only let go of things, and waits before that, are not asked what they say.)
#[test]
fn a_fault_in_any_call_is_one_clean_error() {
    let Some(folder) = stand_in::folder("a_fault_in_any_call_is_one_clean_error") else {
        return;
    };
    let project = Project::pinned();
    // Without graphs every launch is a call.
    let settings = [("GOLDRUN_CUDA_GRAPHS", "off")];
    let with_graphs = calls(&project, &[], &folder);
    let without = calls(&project, &settings, &folder);
    let records = || {
        let runs = fs::read_dir(project.path("runs/small")).unwrap();
        let runs = runs.map(|run| run.unwrap().path().join("record.json"));
        runs.filter(|record| record.exists()).count()
    };
    let mut faults = 0;
    for (graphs, calls) in [("on", with_graphs), ("off", without)] {
        for (name, count) in calls {
            // What only frees is not asked what it says.
            let is_end = ["Destroy", "Free", "Unload", "Release"];
            if is_end.iter().any(|end| name.contains(end)) {
                continue;
            }
            let count: u64 = count.parse().unwrap();
            let is_wait = name.contains("Synchronize");
            let numbers: Vec<u64> = if count <= FEW && !is_wait {
                (1..=count).collect()
            } else {
                vec![1, count / 2]
            };
            if graphs == "off" && name != "cuLaunchKernel" {
                continue;
            }
            for (number, code) in numbers
                .into_iter()
                .zip(CODES.into_iter().cycle().skip(faults))
            {
                let fail = format!("{name}:{number}:{code}");
                let settings = [
                    ("STAND_IN_FAIL", fail.as_str()),
                    ("GOLDRUN_CUDA_GRAPHS", graphs),
                ];
                let before = records();
                let ran = on_stand_in(&project, &folder, &settings, &RUN);
                assert!(ran.stderr.starts_with("error: "), "{fail}: {ran:#?}");
                let ran = ran.exits(4);
                assert!(!ran.stderr.contains("panicked"), "{fail}: {ran:#?}");
                assert!(ran.stderr.contains("\nhint: "), "{fail}: {ran:#?}");
                // The folder of a run that did not end has no record.
                assert_eq!(records(), before, "{fail}");
                faults += 1;
            }
        }
    }
    assert!(faults > 60, "{faults}");
}

/// What is known before training is no reason to fail where the CPU will do.
#[test]
fn unfit_devices_are_said_and_left() {
    let Some(folder) = stand_in::folder("unfit_devices_are_said_and_left") else {
        return;
    };
    let project = tiny();
    let unfit = [
        ("STAND_IN_DEVICES", "0"),
        ("STAND_IN_VERSION", "11060"),
        ("STAND_IN_CAPABILITY", "7.0"),
        ("STAND_IN_MEMORY", "100000000"),
        ("STAND_IN_FAIL", "cuModuleLoadData:1:218"),
        ("STAND_IN_FAIL", "cuInit:1:803"),
    ];
    let mut shown = vec![];
    for setting in unfit {
        let arguments = ["run", "tiny", "--device", "cuda"];
        let refused = on_stand_in(&project, &folder, &[setting], &arguments).exits(4);
        let first = refused.stderr.split("error: ").nth(1).unwrap();
        shown.push(format!("{setting:?}\nerror: {first}"));
        let arguments = ["check", "tiny", "--device", "auto"];
        on_stand_in(&project, &folder, &[setting], &arguments)
            .exits(0)
            .says("tiny: identical")
            .warns("note: computing on the CPU: ");
    }
    insta::assert_snapshot!(shown.join("\n"));
}

/// After the first picture went to the device there is no other way than to say so.
#[test]
fn a_fault_after_the_start_is_an_error_also_with_auto() {
    let Some(folder) = stand_in::folder("a_fault_after_the_start_is_an_error") else {
        return;
    };
    let project = tiny();
    let arguments = ["check", "tiny", "--device", "auto"];
    let settings = [("STAND_IN_FAIL", "cuGraphLaunch:2:700")];
    on_stand_in(&project, &folder, &settings, &arguments)
        .exits(4)
        .warns("error: the CUDA device was lost in cuGraphLaunch");
}
