//! Several processes, and what only the environment of a process decides.
//!
//! [`child`] is a test that does nothing unless this module starts it in a process of its own.

use std::process::{Command, Output};
use std::time::Duration;

use goldrun::artifacts::cache::{ROOT_VARIABLE, default_root};
use goldrun::recipe::Source;

use super::{Workplace, artifact, weight_file};
use crate::server::{Answer, Server};

/// The url that a child obtains weights from.
const URL: &str = "GOLDRUN_TEST_CHILD_URL";

#[test]
fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    let mut place = Workplace::new();
    place.options.cache = default_root();
    match place.weights(&artifact(Source::Urls(vec![url]))) {
        Ok(obtained) => println!("obtained {}", obtained.content),
        Err(error) => println!("failed {error}"),
    }
    println!("said {:?}", place.said());
}

/// A command that runs [`child`] on its own.
fn command(url: &str, cache: &Workplace) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "artifacts::processes::child",
        "--nocapture",
        "--test-threads=1",
    ]);
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env_remove(name);
    }
    command
        .env(URL, url)
        .env(ROOT_VARIABLE, &cache.options.cache);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn two_processes_download_once() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::answering(vec![
        Answer::whole(&body).slow(20_000, Duration::from_millis(30)),
    ]);
    let url = server.url("/w");
    let outputs = std::thread::scope(|scope| {
        let run = || said(&command(&url, &place).output().unwrap());
        let (one, two) = (scope.spawn(run), scope.spawn(run));
        [one.join().unwrap(), two.join().unwrap()]
    });
    assert!(
        outputs.iter().all(|output| output.contains("obtained t1:")),
        "{outputs:?}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn without_certificates_only_https_fails() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::answering(vec![Answer::whole(&body)]);
    let none = place.file("none.pem", b"");
    let run = |url: &str| {
        let mut command = command(url, &place);
        command
            .env("SSL_CERT_FILE", &none)
            .env("SSL_CERT_DIR", place.root.path().join("nowhere"));
        said(&command.output().unwrap())
    };
    let output = run("https://127.0.0.1:9/w.h5");
    assert!(
        output.contains("no CA certificates on this machine"),
        "{output}"
    );
    assert!(
        output.contains("hint: install the package `ca-certificates`"),
        "{output}"
    );
    let output = run(&server.url("/w"));
    assert!(output.contains("obtained t1:"), "{output}");
}

#[test]
fn proxies_are_taken_from_the_environment() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::answering(vec![Answer::whole(&body)]);
    let mut command = command("http://weights.invalid/w", &place);
    let output = said(&command.env("http_proxy", server.url("")).output().unwrap());
    assert!(output.contains("obtained t1:"), "{output}");
    assert_eq!(server.requests()[0].target, "http://weights.invalid/w");
}
