//! Interrupted or not: a run that was killed goes on from its last checkpoint and ends with the same record.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fs_err as fs;
use goldrun::kernels::Level;
use goldrun::random::{Purpose, Stream};

use crate::cli::interrupt::{read_until, spawn};
use crate::support::{Project, Ran, skip_unless_required};

/// Enough epochs of [`SMALL`](crate::support::SMALL) for several checkpoints in each phase.
const EPOCHS: [&str; 4] = ["--set", "phase.0.epochs=3", "--set", "phase.1.epochs=9"];

/// A command on the small recipe.
fn small(command: &str, options: &[&str]) -> Vec<String> {
    let words = [command, "small"].into_iter();
    let words = words.chain(EPOCHS).chain(options.iter().copied());
    words.map(str::to_owned).collect()
}

fn goldrun(project: &Project, arguments: &[String]) -> Ran {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    project.goldrun(&arguments)
}

/// Folders of the runs of the only recipe that ran, the newest last.
fn runs(project: &Project, recipe: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(project.path("runs").join(recipe)).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

/// The facts of a run.
fn facts(run: &Path) -> serde_json::Value {
    let text = fs::read_to_string(run.join("record.json")).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    record["facts"].take()
}

/// Kills a run of the small recipe once it says that an epoch is over.
fn kill_after(project: &Project, epoch: &str, options: &[&str]) {
    let arguments = small("run", options);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = spawn(project, &arguments);
    let _lines = read_until(&mut child, epoch);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_run_goes_on_and_ends_as_one_that_was_not() {
    let whole = Project::pinned();
    goldrun(&whole, &small("run", &[])).exits(0);
    let expected = facts(&runs(&whole, "small")[0]);

    let project = Project::pinned();
    kill_after(
        &project,
        "epoch 2/",
        &["--threads", "1", "--simd", "scalar"],
    );
    kill_after(&project, "epoch ", &["--resume", "--threads", "3"]);
    goldrun(&project, &small("run", &["--resume", "--threads", "2"]))
        .exits(0)
        .warns("note: goes on with run ");
    let folders = runs(&project, "small");
    assert_eq!(folders.len(), 1, "{folders:?}");
    assert_eq!(facts(&folders[0]), expected);
    for file in ["model-phase-0.safetensors", "model-phase-1.safetensors"] {
        let model = |run: &Path| fs::read(run.join(file)).unwrap();
        let whole = model(&runs(&whole, "small")[0]);
        assert!(model(&folders[0]) == whole, "{file}");
    }
    let checkpoints = fs::read_dir(folders[0].join("checkpoints")).unwrap();
    assert_eq!(checkpoints.count(), 2);
}

#[test]
fn what_is_not_the_same_run_starts_anew() {
    let project = Project::pinned();
    kill_after(&project, "epoch 2/", &[]);
    let anew = "starts anew";
    goldrun(&project, &small("run", &["--resume", "--seed", "9"]))
        .exits(0)
        .warns(anew);
    project
        .goldrun(&["run", "small", "--resume"])
        .exits(0)
        .warns(anew);
    // Both have ended, and the first one still has not.
    goldrun(&project, &small("run", &["--resume"]))
        .exits(0)
        .warns("goes on with run");
    goldrun(&project, &small("run", &["--resume"]))
        .exits(0)
        .warns(anew);
    goldrun(&project, &small("run", &["--resume", "--fresh"])).exits(2);
}

#[test]
fn a_run_that_another_process_is_at_is_left_alone() {
    let project = Project::pinned();
    let long = ["run", "small", "--set", "phase.0.epochs=100"];
    let mut child = spawn(&project, &long);
    let _lines = read_until(&mut child, "epoch 2/");
    let mut other = spawn(&project, &[&long[..], &["--resume"]].concat());
    let _other_lines = read_until(&mut other, "note: no unfinished run");
    for process in [&mut child, &mut other] {
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before_it() {
    type Damage = fn(&mut Vec<u8>);
    let whole = Project::pinned();
    goldrun(&whole, &small("run", &[])).exits(0);
    let expected = facts(&runs(&whole, "small")[0]);
    let damages: [(&str, Damage); 4] = [
        ("truncated", |bytes| bytes.truncate(bytes.len() / 2)),
        ("empty", Vec::clear),
        ("header", |bytes| bytes[200] ^= 0x10),
        ("value", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
        }),
    ];
    for (what, damage) in damages {
        let project = Project::pinned();
        kill_after(&project, "epoch 3/", &[]);
        let folder = runs(&project, "small")[0].join("checkpoints");
        // The process was killed, maybe after it had written one more.
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|ending| ending == "safetensors")
            })
            .collect();
        files.sort();
        let newest = files.pop().unwrap();
        let mut bytes = fs::read(&newest).unwrap();
        damage(&mut bytes);
        fs::write(&newest, bytes).unwrap();
        goldrun(&project, &small("run", &["--resume"]))
            .exits(0)
            .warns("is damaged")
            .warns("goes on with run");
        assert_eq!(facts(&runs(&project, "small")[0]), expected, "{what}");
    }
}

/// Kills a run again and again: the time until the kill is drawn, so that it falls anywhere. How long it may be follows from
/// what the pieces before came to: other work on the machine makes them slower or faster as the test goes on.
#[test]
#[ignore = "kills the quickstart fifty times: just slow"]
fn fifty_kills_change_no_bit_of_the_quickstart() {
    const KILLS: u32 = 50;
    /// How many of them must go on from a checkpoint, and not begin anew, for the test to say anything.
    const RESUMED: usize = 10;
    let project = Project::empty();
    let levels = Level::available();
    let stream = Stream::new(6, Purpose::Weights, 0);
    let options = |kill: u32| -> [String; 4] {
        let threads = 1 + stream.word(kill, 1) % 3;
        let level = levels[stream.word(kill, 2) as usize % levels.len()];
        let words = ["--threads", &threads.to_string(), "--simd", level.word()];
        words.map(str::to_owned)
    };
    let mut longest = until_it_has_trained(&project);
    let (mut resumed, mut ended) = (0, 0);
    for kill in 0..KILLS {
        let options = options(kill);
        let mut arguments = vec!["run", "quickstart", "--resume"];
        arguments.extend(options.iter().map(String::as_str));
        let before = checkpoints(&project);
        let (piece_ended, said) = kill_within(
            &project,
            &arguments,
            longest.mul_f64(f64::from(stream.word(kill, 0)) / f64::from(u32::MAX)),
        );
        resumed += usize::from(said.contains("goes on with run"));
        if piece_ended {
            ended += 1;
            longest = longest.mul_f64(0.75);
        } else if checkpoints(&project) == before {
            longest = longest.mul_f64(1.1);
        }
    }
    println!(
        "{resumed} of {KILLS} pieces went on from a checkpoint, {ended} ended before their kill"
    );
    assert!(resumed >= RESUMED, "{resumed} of {KILLS} went on");
    assert!(ended < KILLS / 2, "{ended} of {KILLS} ended");
    project
        .goldrun(&["check", "quickstart", "--resume"])
        .exits(0)
        .says("quickstart: identical");
    // Those that ended before their kill are held to the same: the last one may have, and the check begun anew.
    let runs = runs(&project, "quickstart");
    let finished: Vec<&PathBuf> = runs
        .iter()
        .filter(|run| run.join("record.json").exists())
        .collect();
    let expected = facts(runs.last().unwrap());
    assert!(finished.iter().all(|run| facts(run) == expected));
    let is_resumed = |run: &&PathBuf| {
        let record = fs::read_to_string(run.join("record.json")).unwrap();
        record.contains("\"resumed\": ")
    };
    assert!(finished.iter().any(is_resumed));
}

/// Kills a process of goldrun after a time, unless it has ended; whether it had, and what it said on standard error.
fn kill_within(project: &Project, arguments: &[&str], time: Duration) -> (bool, String) {
    let said = project.path("said");
    let mut command = project.command(arguments);
    command
        .stdout(Stdio::null())
        .stderr(fs::File::create(&said).unwrap().into_parts().0);
    let mut child = command.spawn().unwrap();
    std::thread::sleep(time);
    let ended = child.try_wait().unwrap().is_some();
    child.kill().unwrap();
    child.wait().unwrap();
    (ended, fs::read_to_string(said).unwrap())
}

/// Checkpoints of all runs of the quickstart, in order of their paths.
fn checkpoints(project: &Project) -> Vec<PathBuf> {
    if !project.path("runs/quickstart").exists() {
        return Vec::new();
    }
    let folders = runs(project, "quickstart").into_iter();
    let mut files: Vec<PathBuf> = folders
        .filter_map(|run| fs::read_dir(run.join("checkpoints")).ok())
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// How long a run takes, on one thread, until it has trained for a few epochs.
fn until_it_has_trained(project: &Project) -> Duration {
    let since = Instant::now();
    let once = ["run", "quickstart", "--threads", "1", "--seed", "1"];
    let mut child = spawn(project, &once);
    let _lines = read_until(&mut child, "epoch 3/");
    let took = since.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_dir_all(project.path("runs")).unwrap();
    took
}

/// Runs shell commands with mounts of their own in a project; none where the system does not let us.
fn with_mounts(test: &str, project: &Project, script: &str) -> Option<Ran> {
    let unshare = |user: &[&str], script: &str| {
        let mut command = Command::new("unshare");
        command.args(user).args(["--mount", "sh", "-c", script]);
        command
    };
    let probe = "mount -t tmpfs tmpfs /mnt";
    let ways: [&[&str]; 2] = [&[], &["--user", "--map-root-user"]];
    let works = |user: &&[&str]| {
        let mut command = unshare(user, probe);
        command.stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let Some(user) = ways.into_iter().find(works) else {
        skip_unless_required(test, "mounts", "no mounts of our own");
        return None;
    };
    let mut command = unshare(user, script);
    let goldrun = project.command(&[]);
    command
        .current_dir(project.path(""))
        .env("GOLDRUN", goldrun.get_program());
    for (key, value) in goldrun.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    Some(Ran::of(project, &mut command))
}

#[test]
fn a_full_disk_is_a_clear_error_and_what_was_there_stays_whole() {
    let project = Project::pinned();
    let set = EPOCHS.join(" ");
    // Room for a checkpoint or two, and not for all that a run keeps.
    let script = format!(
        "mkdir -p runs kept && mount -t tmpfs -o size=9m tmpfs runs && \
         $GOLDRUN run small {set}; code=$?; cp -r runs/small kept; \
         umount runs; exit $code"
    );
    let test = "a_full_disk_is_a_clear_error";
    let Some(ran) = with_mounts(test, &project, &script) else {
        return;
    };
    ran.exits(4)
        .warns("error: cannot write [project]/runs/small/")
        .warns("No space left on device");
    // What lies there is whole: put onto a disk with room, the run goes on.
    fs::rename(project.path("kept"), project.path("runs")).unwrap();
    goldrun(&project, &small("run", &["--resume"]))
        .exits(0)
        .warns("goes on with run");
    let whole = Project::pinned();
    goldrun(&whole, &small("run", &[])).exits(0);
    let expected = facts(&runs(&whole, "small")[0]);
    assert_eq!(facts(&runs(&project, "small")[0]), expected);
}

#[test]
fn a_folder_of_runs_that_cannot_be_written_is_a_clear_error() {
    let project = Project::pinned();
    project.goldrun(&["run", "small"]).exits(0);
    let before = facts(&runs(&project, "small")[0]);
    let script = "mount --bind runs runs && mount -o remount,bind,ro runs && $GOLDRUN run small";
    let test = "a_folder_of_runs_that_cannot_be_written";
    let Some(ran) = with_mounts(test, &project, script) else {
        return;
    };
    ran.exits(4).warns("error: ").warns("runs/small/");
    assert_eq!(facts(&runs(&project, "small")[0]), before);
}
