//! Archives: unpacked once, held to their content, and refused where they are not safe.

use std::path::PathBuf;

use goldrun::artifacts::{Kind, Location, Obtained, Request};
use goldrun::recipe::{Artifact, Source};
use goldrun::record::Observer;

use super::archive::{self, Item, file, folder, tar_gz, zip};
use super::{Workplace, artifact, local, pinned, plain, sha256};
use crate::server::{Answer, Server};

fn photos() -> Vec<Item> {
    vec![
        folder("photos/"),
        file("photos/dogs/2.jpg", b"two"),
        folder("photos/none/"),
        file("photos/cats/1.jpg", b"one").deflated(),
        file("photos/README.txt", b"read me"),
    ]
}

fn root(obtained: &Obtained) -> PathBuf {
    match &obtained.location {
        Location::Folder(path) => path.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn zip_and_tar_gz_have_the_same_content() {
    let place = Workplace::new();
    let mut contents = Vec::new();
    for (name, bytes) in [("p.zip", zip(&photos())), ("also.zip", tar_gz(&photos()))] {
        let obtained = place.pictures(&local(&place.file(name, &bytes))).unwrap();
        let expected = [
            format!("{}  photos/README.txt", sha256(b"read me")),
            format!("{}  photos/cats/1.jpg", sha256(b"one")),
            format!("{}  photos/dogs/2.jpg", sha256(b"two")),
        ];
        assert_eq!(obtained.manifest, expected);
        assert_eq!(obtained.sha256, Some(sha256(&bytes)));
        let root = root(&obtained);
        assert_eq!(
            fs_err::read(root.join("photos/cats/1.jpg")).unwrap(),
            b"one"
        );
        assert!(
            !root.join("photos/none").exists(),
            "the content does not see empty folders"
        );
        contents.push(obtained.content);
    }
    assert_eq!(contents[0], contents[1]);
}

#[test]
fn an_archive_is_extracted_once_and_again_where_it_was_touched() {
    let mut place = Workplace::new();
    let artifact = local(&place.file("p.zip", &zip(&photos())));
    let first = root(&place.pictures(&artifact).unwrap());
    assert_eq!(root(&place.pictures(&artifact).unwrap()), first);
    let extractions = |place: &Workplace| {
        let text = format!("{:?}", place.events.lock().unwrap());
        text.matches("StageStarted { stage: Extract").count()
    };
    assert_eq!(extractions(&place), 1);
    fs_err::write(first.join("photos/cats/1.jpg"), b"uno").unwrap();
    let again = root(&place.pictures(&artifact).unwrap());
    assert_eq!(
        fs_err::read(again.join("photos/cats/1.jpg")).unwrap(),
        b"one"
    );
    fs_err::remove_file(first.join("photos/cats/1.jpg")).unwrap();
    let again = root(&place.pictures(&artifact).unwrap());
    assert_eq!(
        fs_err::read(again.join("photos/cats/1.jpg")).unwrap(),
        b"one"
    );
    assert_eq!(extractions(&place), 3);
    place.options.fresh = true;
    let fresh = place.pictures(&artifact).unwrap();
    assert_ne!(root(&fresh), first);
    let path = root(&fresh);
    let second = fresh.clone();
    drop(fresh);
    assert!(path.join("photos/cats/1.jpg").exists());
    drop(second);
    assert!(!path.exists());
    assert!(first.exists());
}

#[test]
fn a_half_done_extraction_is_not_taken_for_a_whole_one() {
    let place = Workplace::new();
    let artifact = local(&place.file("p.zip", &zip(&photos())));
    let first = root(&place.pictures(&artifact).unwrap());
    fs_err::remove_file(first.with_file_name("listing.json")).unwrap();
    fs_err::remove_file(first.join("photos/dogs/2.jpg")).unwrap();
    let again = root(&place.pictures(&artifact).unwrap());
    assert!(again.join("photos/dogs/2.jpg").exists());
}

#[test]
fn a_re_packed_archive_is_a_note() {
    let place = Workplace::new();
    let (published, mirrored) = (zip(&photos()), tar_gz(&photos()));
    let content = place
        .pictures(&local(&place.file("p.zip", &published)))
        .unwrap()
        .content;
    let server = Server::answering(vec![Answer::whole(&mirrored)]);
    let mut artifact = pinned(&[server.url("/p.zip")], &published);
    artifact.content = Some(content);
    let obtained = place.pictures(&artifact).unwrap();
    assert!(obtained.pinned);
    assert_eq!(obtained.notes.len(), 2, "{:?}", obtained.notes);
    assert!(
        obtained.notes[0].starts_with("re-packed, same content"),
        "{:?}",
        obtained.notes
    );
    assert!(
        obtained.notes[1].contains(" bytes instead of "),
        "{:?}",
        obtained.notes
    );
    assert_eq!(
        place
            .said()
            .iter()
            .filter(|text| text.contains("same content"))
            .count(),
        2
    );
    // Without the content pin it is another file.
    artifact.content = None;
    artifact.size = None;
    assert!(place.pictures(&artifact).is_err());
}

#[test]
fn other_content_says_what_differs() {
    let place = Workplace::new();
    let known = place
        .pictures(&local(&place.file("p.zip", &zip(&photos()))))
        .unwrap();
    let other = [
        file("photos/dogs/2.jpg", b"zwei"),
        file("photos/dogs/3.jpg", b"three"),
        file("photos/README.txt", b"read me"),
    ];
    let other = place.file("other.zip", &zip(&other));
    let mut wanted = artifact(Source::Path(fs_err::canonicalize(&other).unwrap()));
    wanted.content = Some(known.content.clone());
    // The byte pin holds, and yet the content does not: both must.
    wanted.sha256 = Some(sha256(fs_err::read(&other).unwrap()));
    let here = plain(&place.pictures(&wanted).unwrap_err(), &place);
    let elsewhere = Workplace::new();
    let sink = |_| ();
    let observer = Observer::new(&sink, &elsewhere.interrupted);
    let request = Request::new("thing", &wanted, Kind::Pictures).known_manifest(&known.manifest);
    let told = plain(
        &request.obtain(&elsewhere.options, &observer).unwrap_err(),
        &place,
    );
    assert_eq!(told, here);
    let there = plain(&elsewhere.pictures(&wanted).unwrap_err(), &elsewhere);
    let there = there.replace(
        &*fs_err::canonicalize(place.root.path())
            .unwrap()
            .to_string_lossy(),
        "ROOT",
    );
    insta::assert_snapshot!(format!("{here}\n\n{there}"));
}

/// Tries an archive and returns the refusal; nothing may be written beside the cache, nor be left in it.
fn refusal(bytes: &[u8], max_size: u64) -> String {
    let place = Workplace::new();
    let path = place.file("inner/bad.zip", bytes);
    let wanted = Artifact {
        max_size,
        ..local(&fs_err::canonicalize(path).unwrap())
    };
    let error = place.pictures(&wanted).unwrap_err();
    let mut beside: Vec<_> = fs_err::read_dir(place.root.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    beside.sort();
    assert_eq!(beside, ["cache", "inner"]);
    for bucket in ["extracted-v1", "temporary-v1"] {
        let folder = place.options.cache.join(bucket);
        for executable in fs_err::read_dir(folder).unwrap() {
            for entry in fs_err::read_dir(executable.unwrap().path()).unwrap() {
                let left = entry.unwrap().path();
                assert_eq!(
                    left.extension().unwrap_or_default(),
                    "lock",
                    "{} was left",
                    left.display()
                );
            }
        }
    }
    plain(&error, &place)
}

#[test]
fn unsafe_zips_are_refused() {
    let good = file("a/1.jpg", b"one");
    let with = |item: Item| refusal(&zip(&[good.clone(), item]), 1 << 20);
    let zeros = vec![0; 1 << 16];
    let texts = [
        with(file("/etc/1.jpg", b"")),
        with(file("a/../../1.jpg", b"")),
        with(file("a\\1.jpg", b"")),
        with(file("C:/1.jpg", b"")),
        with(file("b.jpg", b"/etc/passwd").mode(0o120_777)),
        with(file("pipe.jpg", b"").mode(0o010_644)),
        with(file("A/1.jpg", b"")),
        with(file("a/1.jpg", b"twice")),
        with(file("a/1.jpg/2.jpg", b"")),
        with(file("secret.jpg", b"").encrypted()),
        with(file("long.jpg", &zeros).deflated().declaring(10)),
        with(file("short.jpg", b"short").declaring(10)),
        refusal(&zip(&[file("bomb.jpg", &zeros).deflated()]), 1 << 15),
        refusal(b"<html>Sign in</html>", 1 << 20),
        refusal(&zip(&photos())[..100], 1 << 20),
    ];
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn unsafe_tars_are_refused() {
    let good = file("a/1.jpg", b"one");
    let with = |item: Item| refusal(&tar_gz(&[good.clone(), item]), 1 << 20);
    let whole = tar_gz(&[file("a/1.jpg", &vec![7; 1 << 16])]);
    let texts = [
        with(file("/etc/1.jpg", b"")),
        with(file("../1.jpg", b"")),
        with(file("a\\1.jpg", b"")),
        with(file("b.jpg", b"").kind(b'2', "/etc/passwd")),
        with(file("b.jpg", b"").kind(b'1', "a/1.jpg")),
        with(file("pipe.jpg", b"").kind(b'6', "")),
        with(file("a/1.JPG", b"")),
        with(file("a/1.jpg", b"twice")),
        refusal(&tar_gz(&[file("bomb.jpg", &vec![0; 1 << 16])]), 1 << 15),
        refusal(&whole[..whole.len() - 20], 1 << 20),
        refusal(&whole[..whole.len() - 8], 1 << 20),
    ];
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn a_flipped_byte_in_an_archive_is_seen() {
    let mut bytes = zip(&[file("a/1.jpg", b"one and only")]);
    let place = bytes
        .windows(3)
        .position(|window| window == b"one")
        .unwrap();
    bytes[place] ^= 1;
    assert!(refusal(&bytes, 1 << 20).contains("damaged"));
    let mut bytes = archive::tar_gz(&[file("a/1.jpg", b"one and only")]);
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    assert!(refusal(&bytes, 1 << 20).contains("damaged"));
}
