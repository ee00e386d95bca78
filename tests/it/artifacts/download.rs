//! Downloads from a server that misbehaves.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use goldrun::artifacts::{Error, Location};
use goldrun::recipe::{Artifact, Source};
use goldrun::record::{Event, Stage};

use super::{Workplace, artifact, inner, pinned, plain, sha256, weight_file};
use crate::server::{Answer, Server};

#[test]
fn a_file_is_downloaded_once() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::answering(vec![Answer::whole(&body)]);
    let artifact = pinned(&[server.url("/a/w.safetensors")], &body);
    let first = place.weights(&artifact).unwrap();
    assert!(first.pinned);
    assert_eq!(first.sha256.as_deref(), Some(sha256(&body).as_str()));
    let Location::File(path) = &first.location else {
        panic!("{:?}", first.location)
    };
    assert_eq!(path.file_name().unwrap(), "w.safetensors");
    assert_eq!(fs_err::read(path).unwrap(), body);
    assert_eq!(
        place.downloads(),
        ["lock", "sha256", "url", "w.safetensors"]
    );
    let second = place.weights(&artifact).unwrap();
    assert_eq!(second.location, first.location);
    assert_eq!(server.requests().len(), 1);
    let events = place.events.lock().unwrap();
    let stage = Stage::Download("thing".to_owned());
    let total = Some(body.len() as u64);
    assert!(events.contains(&Event::StageStarted {
        stage: stage.clone(),
        total
    }));
    assert!(events.contains(&Event::StageProgress {
        stage,
        done: body.len() as u64
    }));
}

#[test]
fn another_length_is_refused_before_the_body() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::answering(vec![Answer::whole(&body).claiming(7).stall(0)]);
    let error = inner(
        place
            .weights(&pinned(&[server.url("/w")], &body))
            .unwrap_err(),
    );
    assert!(
        matches!(&error, Error::Size { got, .. } if got == "7"),
        "{error}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn too_many_bytes_are_refused_while_they_come() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::answering(vec![Answer::whole(&body).without_length()]);
    let mut artifact = pinned(&[server.url("/w")], &body);
    artifact.size = Some(1000);
    let error = inner(place.weights(&artifact).unwrap_err());
    assert!(
        matches!(&error, Error::Size { got, .. } if got == "more"),
        "{error}"
    );
    artifact.size = None;
    artifact.max_size = 1000;
    let error = inner(place.weights(&artifact).unwrap_err());
    assert!(
        matches!(&error, Error::TooLarge { limit: 1000, .. }),
        "{error}"
    );
    assert_eq!(place.downloads(), ["lock", "url"]);
}

#[test]
fn a_body_that_is_always_short_fails_after_some_tries() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::answering(vec![Answer::whole(&body).cut(10)]);
    let error = place
        .weights(&pinned(&[server.url("/w")], &body))
        .unwrap_err();
    let error = inner(error);
    assert!(matches!(error, Error::Network { tries: 3, .. }), "{error}");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn redirections_are_followed_but_not_for_ever() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::start({
        let body = body.clone();
        move |request| match request.target.as_str() {
            "/moved" => Answer::redirect("/w"),
            "/loop" => Answer::redirect("/loop"),
            _ => Answer::whole(&body),
        }
    });
    place
        .weights(&pinned(&[server.url("/moved")], &body))
        .unwrap();
    let error = inner(
        place
            .weights(&pinned(&[server.url("/loop")], &body))
            .unwrap_err(),
    );
    assert!(matches!(error, Error::Redirects { .. }), "{error}");
}

#[test]
fn a_missing_file_is_not_asked_for_twice_and_the_mirror_has_its_turn() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::start({
        let body = body.clone();
        move |request| match request.target.as_str() {
            "/two/w" => Answer::whole(&body),
            _ => Answer::status(404),
        }
    });
    let urls = [
        server.url("/one/w"),
        server.url("/two/w"),
        server.url("/three/w"),
    ];
    place.weights(&pinned(&urls, &body)).unwrap();
    let targets: Vec<_> = server
        .requests()
        .into_iter()
        .map(|request| request.target)
        .collect();
    assert_eq!(targets, ["/one/w", "/two/w"]);
    assert!(
        place.said()[0].contains("passed over"),
        "{:?}",
        place.said()
    );
    // What a mirror brought counts for every order of the urls.
    let other_order = [server.url("/three/w"), server.url("/two/w")];
    place.weights(&pinned(&other_order, &body)).unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::answering(vec![Answer::status(503), Answer::whole(&body)]);
    place.weights(&pinned(&[server.url("/w")], &body)).unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_stalled_server_is_left_and_a_slow_one_is_not() {
    let body = weight_file(1.0);
    let place = Workplace::new();
    let whole = Answer::whole(&body).etag("\"v1\"").ranges();
    let server = Server::answering(vec![whole.clone().stall(100_000), whole.clone()]);
    place.weights(&pinned(&[server.url("/w")], &body)).unwrap();
    assert_eq!(server.requests()[1].range_start(), Some(100_000));
    assert!(
        place.said()[0].contains("nothing came for 0.3 seconds"),
        "{:?}",
        place.said()
    );
    // Longer than the timeout in all, but never silent for as long.
    let place = Workplace::new();
    let server = Server::answering(vec![whole.slow(20_000, Duration::from_millis(60))]);
    place.weights(&pinned(&[server.url("/w")], &body)).unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_flipped_byte_is_seen_and_nothing_is_kept() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let mut flipped = body.clone();
    flipped[150_000] ^= 1;
    let server = Server::answering(vec![Answer::whole(&flipped).etag("\"v1\"")]);
    let artifact = pinned(&[server.url("/w")], &body);
    let error = inner(place.weights(&artifact).unwrap_err());
    assert!(matches!(error, Error::Bytes { .. }), "{error}");
    assert_eq!(place.downloads(), ["lock", "url"]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn damage_in_the_cache_is_seen_and_mended() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::answering(vec![Answer::whole(&body)]);
    // Without pins, only what was seen at the download can tell.
    let artifact = artifact(Source::Urls(vec![server.url("/w")]));
    let obtained = place.weights(&artifact).unwrap();
    assert!(!obtained.pinned);
    let Location::File(path) = &obtained.location else {
        panic!("{:?}", obtained.location)
    };
    let mut bytes = body.clone();
    bytes[150_000] ^= 1;
    fs_err::write(path, bytes).unwrap();
    let again = place.weights(&artifact).unwrap();
    assert_eq!(again.sha256, Some(sha256(&body)));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn interrupting_takes_less_than_a_second_and_leaves_what_came() {
    let (mut place, body) = (Workplace::new(), weight_file(1.0));
    place.network.read_timeout = Duration::from_mins(1);
    let whole = Answer::whole(&body).etag("\"v1\"").ranges();
    let server = Server::answering(vec![whole.clone().stall(100_000), whole]);
    let artifact = pinned(&[server.url("/w")], &body);
    let took = std::thread::scope(|scope| {
        let running = scope.spawn(|| place.weights(&artifact));
        let came = |event: &Event| matches!(event, Event::StageStarted { .. });
        while !running.is_finished() && !place.events.lock().unwrap().iter().any(came) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(50));
        let asked = Instant::now();
        place.interrupted.store(true, Ordering::Relaxed);
        assert!(running.join().unwrap().unwrap_err().is_interrupted());
        asked.elapsed()
    });
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(place.downloads().contains(&"partial".to_owned()));
    place.interrupted.store(false, Ordering::Relaxed);
    place.weights(&artifact).unwrap();
    assert_eq!(server.requests()[1].range_start(), Some(100_000));
}

#[test]
fn interrupting_the_pause_between_tries_takes_less_than_a_second() {
    let (mut place, body) = (Workplace::new(), weight_file(1.0));
    place.network.pauses = vec![Duration::from_mins(1)];
    let server = Server::answering(vec![Answer::status(503)]);
    let artifact = pinned(&[server.url("/w")], &body);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| place.weights(&artifact));
        while !running.is_finished() && place.said().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let asked = Instant::now();
        place.interrupted.store(true, Ordering::Relaxed);
        assert!(running.join().unwrap().unwrap_err().is_interrupted());
        assert!(asked.elapsed() < Duration::from_secs(1));
    });
}

#[test]
fn two_at_once_download_once() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let slow = Answer::whole(&body).slow(20_000, Duration::from_millis(20));
    let server = Server::answering(vec![slow]);
    let artifact = pinned(&[server.url("/w")], &body);
    std::thread::scope(|scope| {
        let one = scope.spawn(|| place.weights(&artifact));
        let two = scope.spawn(|| place.weights(&artifact));
        assert_eq!(
            one.join().unwrap().unwrap().location,
            two.join().unwrap().unwrap().location
        );
    });
    assert_eq!(server.requests().len(), 1);
    let waiting = "waiting for another goldrun that downloads";
    assert!(
        place.said().iter().any(|text| text.starts_with(waiting)),
        "{:?}",
        place.said()
    );
}

#[test]
fn errors_read_as_the_person_who_caused_them() {
    let (mut place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::start({
        let body = body.clone();
        move |request| match request.target.as_str() {
            "/cut" => Answer::whole(&body).cut(10),
            "/busy" => Answer::status(503),
            "/text" => Answer::whole(b"<html>Sign in</html>"),
            "/other" => Answer::whole(&weight_file(2.0)),
            _ => Answer::status(404),
        }
    });
    let mut texts = Vec::new();
    let mut tell = |place: &Workplace, artifact: &Artifact| {
        texts.push(plain(&place.weights(artifact).unwrap_err(), place));
    };
    tell(&place, &pinned(&[server.url("/gone")], &body));
    tell(&place, &pinned(&[server.url("/busy")], &body));
    tell(&place, &pinned(&[server.url("/text")], &body));
    tell(
        &place,
        &pinned(&[server.url("/gone"), server.url("/other")], &body),
    );
    tell(&place, &artifact(Source::Urls(vec![server.url("/text")])));
    tell(
        &place,
        &artifact(Source::Urls(vec!["ftp://example.org/w.h5".to_owned()])),
    );
    tell(
        &place,
        &artifact(Source::Urls(vec!["http://127.0.0.1:1/w.h5".to_owned()])),
    );
    let mut small = pinned(&[server.url("/other")], &body);
    (small.size, small.max_size) = (None, 1000);
    tell(&place, &small);
    place.options.offline = true;
    tell(
        &place,
        &pinned(&[server.url("/a/w.h5"), server.url("/b/w.h5")], &body),
    );
    insta::assert_snapshot!(texts.join("\n\n"));
}
