//! Downloads that go on where they were cut.

use goldrun::artifacts::Error;
use goldrun::recipe::Source;

use super::{Workplace, artifact, inner, pinned, sha256, weight_file};
use crate::server::{Answer, Request, Server};

#[test]
fn a_cut_download_is_resumed() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let whole = Answer::whole(&body).etag("\"v1\"").ranges();
    let server = Server::answering(vec![whole.clone().cut(100_000), whole]);
    place.weights(&pinned(&[server.url("/w")], &body)).unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].range_start(), Some(100_000));
    assert_eq!(requests[1].header("if-range"), Some("\"v1\""));
    assert!(
        place.said()[0].ends_with("trying again"),
        "{:?}",
        place.said()
    );
}

#[test]
fn a_server_without_ranges_sends_it_all_again() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let whole = Answer::whole(&body).etag("\"v1\"");
    let server = Server::answering(vec![whole.clone().cut(100_000), whole]);
    place.weights(&pinned(&[server.url("/w")], &body)).unwrap();
    assert_eq!(server.requests()[1].range_start(), Some(100_000));
}

#[test]
fn without_a_strong_etag_nothing_is_resumed() {
    for etag in [None, Some("W/\"v1\"")] {
        let (place, body) = (Workplace::new(), weight_file(1.0));
        let mut whole = Answer::whole(&body).careless_ranges();
        if let Some(etag) = etag {
            whole = whole.etag(etag);
        }
        let server = Server::answering(vec![whole.clone().cut(100_000), whole]);
        place.weights(&pinned(&[server.url("/w")], &body)).unwrap();
        assert_eq!(server.requests()[1].range_start(), None, "{etag:?}");
    }
}

#[test]
fn a_file_that_changed_meanwhile_is_not_mixed() {
    let (old, new) = (weight_file(1.0), weight_file(2.0));
    let first = Answer::whole(&old).etag("\"old\"").cut(100_000);
    // A good server sees by If-Range that the part is old; a careless one sends a part of the new file.
    for second in [
        Answer::whole(&new).etag("\"new\"").ranges(),
        Answer::whole(&new).etag("\"new\"").careless_ranges(),
    ] {
        let place = Workplace::new();
        let server = Server::answering(vec![first.clone(), second]);
        // No pin would tell that the two were mixed.
        let obtained = place
            .weights(&artifact(Source::Urls(vec![server.url("/w")])))
            .unwrap();
        assert_eq!(obtained.sha256, Some(sha256(&new)));
        assert_eq!(server.requests()[1].range_start(), Some(100_000));
    }
}

#[test]
fn a_damaged_part_is_not_trusted() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let whole = Answer::whole(&body).etag("\"v1\"").ranges();
    let cut = whole.clone().cut(100_000);
    let server = Server::answering(vec![cut.clone(), cut.clone().cut(0), cut.cut(0), whole]);
    let artifact = pinned(&[server.url("/w")], &body);
    assert!(matches!(
        inner(place.weights(&artifact).unwrap_err()),
        Error::Network { tries: 3, .. }
    ));
    let partial = partial(&place);
    let mut bytes = fs_err::read(&partial).unwrap();
    assert_eq!(bytes.len(), 100_000);
    bytes[50_000] ^= 1;
    fs_err::write(&partial, bytes).unwrap();
    place.weights(&artifact).unwrap();
    let starts: Vec<_> = server.requests().iter().map(Request::range_start).collect();
    assert_eq!(starts[3..], [Some(100_000), None]);
}

#[test]
fn a_part_that_is_whole_needs_no_server() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let cut = Answer::whole(&body).etag("\"v1\"").cut(100_000);
    let server = Server::answering(vec![cut, Answer::status(404)]);
    let artifact = pinned(&[server.url("/w")], &body);
    place.weights(&artifact).unwrap_err();
    fs_err::write(partial(&place), &body).unwrap();
    place.weights(&artifact).unwrap();
    assert_eq!(server.requests().len(), 2);
}

/// Where the only download's part is.
fn partial(place: &Workplace) -> std::path::PathBuf {
    let folder = fs_err::read_dir(place.options.cache.join("downloads-v1"))
        .unwrap()
        .next();
    folder.unwrap().unwrap().path().join("partial")
}
