//! Ctrl-C.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStderr, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::support::Project;

#[test]
fn ctrl_c_ends_a_run_within_a_second_with_130() {
    let project = Project::pinned();
    let long = ["run", "small", "--set", "phase.0.epochs=10000"];
    let mut child = spawn(&project, &long);
    // Until the first epoch has gone by, so that training goes on.
    let _lines = read_until(&mut child, "epoch 1/");
    let pressed = Instant::now();
    interrupt(child.id());
    let status = ended(&mut child);
    assert!(
        pressed.elapsed() < Duration::from_secs(1),
        "{:?}",
        pressed.elapsed()
    );
    assert_eq!(status.code(), Some(130));
}

/// Nobody reads standard error, as in a terminal that was stopped, and a long line waits in it: the stage
/// that writes it cannot stop by itself.
#[test]
fn ctrl_c_ends_a_run_that_cannot_go_on() {
    let project = Project::pinned();
    let name = format!("phase.0.name=\"{}\"", "a".repeat(100_000));
    let mut child = spawn(&project, &["check", "small", "--set", &name]);
    let _lines = read_until(&mut child, "before training");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(child.try_wait().unwrap(), None, "it waits for a reader");
    let pressed = Instant::now();
    interrupt(child.id());
    assert_eq!(ended(&mut child).code(), Some(130));
    assert!(
        pressed.elapsed() < Duration::from_secs(1),
        "{:?}",
        pressed.elapsed()
    );
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let project = Project::pinned();
    let name = format!("phase.0.name=\"{}\"", "a".repeat(100_000));
    let mut child = spawn(&project, &["run", "small", "--set", &name]);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(child.try_wait().unwrap(), None, "it waits for a reader");
    let pressed = Instant::now();
    interrupt(child.id());
    std::thread::sleep(Duration::from_millis(100));
    interrupt(child.id());
    assert_eq!(ended(&mut child).code(), Some(130));
    assert!(
        pressed.elapsed() < Duration::from_millis(500),
        "{:?}",
        pressed.elapsed()
    );
}

/// Starts goldrun in a project; what it says can be read.
pub fn spawn(project: &Project, arguments: &[&str]) -> Child {
    let mut command = project.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Reads what a process says until a line starts so; gives the rest, unread. Dropping that closes it.
pub fn read_until(child: &mut Child, start: &str) -> Lines<BufReader<ChildStderr>> {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = lines.by_ref().map_while(Result::ok);
    assert!(said.any(|line| line.starts_with(start)));
    lines
}

/// Waits for the end of a process; one that does not end is a failure and not a test that hangs.
pub fn ended(child: &mut Child) -> ExitStatus {
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if since.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Presses Ctrl-C for a process.
pub fn interrupt(process: u32) {
    let kill = std::process::Command::new("kill")
        .args(["-INT", &process.to_string()])
        .status();
    assert!(kill.unwrap().success());
}
