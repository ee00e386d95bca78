//! Files and folders on this machine: paths, file urls, `--artifacts`.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use goldrun::artifacts::{Error, Location, copy};
use goldrun::recipe::{Artifact, Source};
use goldrun::record::Observer;

use super::{Workplace, artifact, local, pinned, plain, sha256, weight_file};
use crate::server::{Answer, Server};

fn by_url(url: String) -> Artifact {
    artifact(Source::Urls(vec![url]))
}

#[test]
fn paths_and_file_urls_are_used_where_they_are() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let path = place.file("a b/w.safetensors", &body);
    let url = format!("file://{}", path.display()).replace(' ', "%20");
    for artifact in [
        local(&path),
        by_url(path.display().to_string()),
        by_url(url),
    ] {
        let obtained = place.weights(&artifact).unwrap();
        assert!(!obtained.pinned);
        assert_eq!(obtained.location, Location::File(path.clone()));
        assert_eq!(obtained.sha256, Some(sha256(&body)));
        let expected = format!(
            "{}  50000  dense/kernel",
            sha256(&body[body.len() - 200_000..])
        );
        assert_eq!(obtained.manifest, [expected]);
    }
    assert!(place.said().is_empty(), "{:?}", place.said());
}

#[test]
fn what_is_missing_or_of_the_wrong_kind_is_named() {
    let place = Workplace::new();
    let root = fs_err::canonicalize(place.root.path()).unwrap();
    let archive = place.file("notes.txt", b"not an archive");
    let mut texts = vec![
        plain(
            &place.weights(&local(&root.join("nothing.h5"))).unwrap_err(),
            &place,
        ),
        plain(&place.weights(&local(&root)).unwrap_err(), &place),
        plain(
            &place
                .pictures(&local(&fs_err::canonicalize(archive).unwrap()))
                .unwrap_err(),
            &place,
        ),
    ];
    let shipped = artifact(Source::Shipped("weights/none.safetensors".to_owned()));
    texts.push(plain(&place.weights(&shipped).unwrap_err(), &place));
    let mut folder = local(&root);
    folder.sha256 = Some("0".repeat(64));
    texts.push(plain(&place.pictures(&folder).unwrap_err(), &place));
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn folders_of_artifacts_come_before_the_network() {
    let (mut place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::answering(vec![Answer::status(404)]);
    let copy = place.file("copies/w 1.h5", &body);
    place.options.folders = vec![
        place.root.path().join("empty"),
        place.root.path().join("copies"),
    ];
    let artifact = pinned(&[server.url("/x/w%201.h5")], &body);
    assert_eq!(
        place.weights(&artifact).unwrap().location,
        Location::File(copy)
    );
    assert!(server.requests().is_empty());
}

#[test]
fn a_copy_that_does_not_fit_is_passed_over_and_said_so() {
    let (mut place, body) = (Workplace::new(), weight_file(1.0));
    let server = Server::answering(vec![Answer::whole(&body)]);
    place.file("copies/w", &weight_file(2.0));
    place.options.folders = vec![place.root.path().join("copies")];
    let artifact = pinned(&[server.url("/w")], &body);
    place.options.offline = true;
    let Error::Artifact { error, .. } = place.weights(&artifact).unwrap_err() else {
        panic!()
    };
    let Error::Exhausted(errors) = *error else {
        panic!("{error}")
    };
    assert!(
        matches!(errors[..], [Error::Bytes { .. }, Error::Offline { .. }]),
        "{errors:?}"
    );
    place.options.offline = false;
    let obtained = place.weights(&artifact).unwrap();
    assert_eq!(obtained.sha256, Some(sha256(&body)));
    assert!(
        place.said()[0].starts_with("passed over: "),
        "{:?}",
        place.said()
    );
    place.options.offline = true;
    place.weights(&artifact).unwrap();
}

#[test]
fn what_changes_before_it_is_copied_is_not_copied_as_verified() {
    let (place, body) = (Workplace::new(), weight_file(1.0));
    let path = place.file("w.safetensors", &body);
    let artifact = local(&path);
    let obtained = place.weights(&artifact).unwrap();
    let to = place.root.path().join("copies");
    fs_err::create_dir(&to).unwrap();
    let interrupted = AtomicBool::new(false);
    let observer = Observer::new(&|_| {}, &interrupted);
    let copied = || copy("thing", &artifact, &obtained, &to, &observer);
    let [file] = &copied().unwrap()[..] else {
        panic!()
    };
    assert_eq!(
        (file.path.as_str(), &file.sha256),
        ("w.safetensors", &sha256(&body))
    );
    fs_err::remove_file(to.join("w.safetensors")).unwrap();
    fs_err::write(&path, weight_file(2.0)).unwrap();
    let text = copied().unwrap_err().to_string();
    assert!(
        text.contains("w.safetensors changed while it was copied"),
        "{text}"
    );
}

fn set_age(path: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    fs_err::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

/// Writes other bytes and leaves the time as it was.
fn rewrite(path: &Path, bytes: &[u8]) {
    let time = fs_err::metadata(path).unwrap().modified().unwrap();
    fs_err::write(path, bytes).unwrap();
    fs_err::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

#[test]
fn a_folder_is_its_pictures() {
    let place = Workplace::new();
    let one = place.file("photos/train/cats/1.jpg", b"one");
    place.file("photos/train/dogs/2.PNG", b"two");
    place.file("photos/train/dogs/notes.txt", b"not a picture");
    place.file("photos/train/dogs/.hidden.jpg", b"hidden");
    place.file("photos/.git/3.jpg", b"hidden");
    let artifact = local(&place.root.path().join("photos"));
    let obtained = place.pictures(&artifact).unwrap();
    let expected = [
        format!("{}  train/cats/1.jpg", sha256(b"one")),
        format!("{}  train/dogs/2.PNG", sha256(b"two")),
    ];
    assert_eq!(obtained.manifest, expected);
    assert_eq!(obtained.sha256, None);
    // The pin says what changed. Size and time are the old ones, but so young that they say nothing.
    let mut pinned = artifact;
    pinned.content = Some(obtained.content.clone());
    rewrite(&one, b"ONE");
    let text = place.pictures(&pinned).unwrap_err().to_string();
    assert!(text.contains("1 file changed: train/cats/1.jpg"), "{text}");
}

#[test]
fn an_unchanged_folder_is_not_read_again() {
    let mut place = Workplace::new();
    let one = place.file("photos/cats/1.jpg", b"one");
    set_age(&one, 60);
    let artifact = local(&place.root.path().join("photos"));
    let obtained = place.pictures(&artifact).unwrap();
    // Other bytes under the same size and time: only a fresh look sees them.
    rewrite(&one, b"ONE");
    assert_eq!(place.pictures(&artifact).unwrap().content, obtained.content);
    place.options.fresh = true;
    assert_ne!(place.pictures(&artifact).unwrap().content, obtained.content);
    place.options.fresh = false;
    assert_ne!(place.pictures(&artifact).unwrap().content, obtained.content);
}
