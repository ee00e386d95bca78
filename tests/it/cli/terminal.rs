//! What a person at a terminal sees, through `script`, which gives a command a terminal of its own.

use std::time::Duration;

use fs_err as fs;

use crate::server::{Answer, Server};
use crate::support::{Project, SMALL, at_terminal};

#[track_caller]
fn assert_shows(shown: &str, texts: &[&str]) {
    for text in texts {
        assert!(shown.contains(text), "no {text:?} in {shown}");
    }
}

#[test]
fn a_download_shows_bytes_rate_and_what_is_left() {
    let project = Project::small();
    let weights = fs::read(project.path("recipes/weights/quickstart.safetensors")).unwrap();
    let size = weights.len();
    let pause = Duration::from_millis(200);
    let server = Server::answering(vec![Answer::whole(&weights).slow(size / 16, pause)]);
    let remote = SMALL.replace("\"small\"", "\"remote\"").replace(
        "path = \"weights/quickstart.safetensors\"",
        &format!(
            "urls = [\"{}\"]\nsize = {size}",
            server.url("/weights.safetensors")
        ),
    );
    project.write("recipes/remote.toml", &remote);
    let test = "a_download_shows_bytes_rate_and_what_is_left";
    let Some(shown) = at_terminal(test, &project, &["fetch", "remote"], "") else {
        return;
    };
    assert_shows(
        &shown,
        &["downloading weights", " kB/1.67 MB  ", "kB/s  ", "s left"],
    );
    assert_shows(&shown, &["downloaded weights in "]);
}

#[test]
#[ignore = "an epoch of seconds: just slow"]
fn a_long_epoch_shows_its_steps() {
    let project = Project::empty();
    let mut arguments = vec!["run", "quickstart", "--threads", "1", "--simd", "scalar"];
    // So many pictures that an epoch takes seconds, on any machine of these years.
    for set in [
        "phase.0.epochs=1",
        "phase.1.epochs=1",
        "dataset.drawn.train=9000",
    ] {
        arguments.extend(["--set", set]);
    }
    let test = "a_long_epoch_shows_its_steps";
    let Some(shown) = at_terminal(test, &project, &arguments, "") else {
        return;
    };
    assert_shows(&shown, &["epoch 2/2", "/282", "s left", "epoch 2/2  loss "]);
    let bars = shown.matches("/282  ").count();
    assert!(bars > 5, "{bars} pictures of a bar in {shown}");
}
