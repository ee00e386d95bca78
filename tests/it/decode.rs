//! One small file of every kind, and what it becomes.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use goldrun::dataset::decode::{Picture, decode, decode_any};
use goldrun::digest::Digest;
use goldrun::recipe::Orientation;
use rayon::prelude::*;

use crate::support::{PHOTOS, artifact};

/// sha256 of width and height as little-endian u32, then the RGB bytes.
const DIGESTS: [(&str, &str); 14] = [
    (
        "alpha.png",
        "91fd381f78e895bb8d7387a62ad59cb0a79db1cb69e255f5323bdb63643e28d5",
    ),
    (
        "animated.gif",
        "b710b5b2a3bd03e06ff97978744822f854d1320354ce3f154f4803a5a5232963",
    ),
    (
        "cmyk.jpg",
        "33846c820f0ce8e6c274f4fb9f7e5e4bbc730697ed8f84bef4cbf28d1986c8c6",
    ),
    (
        "grey.jpg",
        "44fc642571921aa8bf22f77edbaed6848a64fd7f83c0b226810f3e4d7447f984",
    ),
    (
        "grey.png",
        "67e0b086105adb03c679c6b1b873208e5c72124deea297e9c03d2988fed0fb59",
    ),
    (
        "grey16.png",
        "c559ba359969c3cc0ed1a4a5bcd01dbf05dda5b957e70daf0381d4108f0c809c",
    ),
    (
        "oriented.jpg",
        "e148cec504259757333beacdae7e317256e41063d65c745458099d77aee3d8bf",
    ),
    (
        "palette.png",
        "07908bab4f00613ca4f253e79e540cdba49b5ef52c2fc42b62b29b8ff8df4f85",
    ),
    (
        "progressive.jpg",
        "e148cec504259757333beacdae7e317256e41063d65c745458099d77aee3d8bf",
    ),
    (
        "really_a_png.jpg",
        "91fd381f78e895bb8d7387a62ad59cb0a79db1cb69e255f5323bdb63643e28d5",
    ),
    (
        "rgb.bmp",
        "91fd381f78e895bb8d7387a62ad59cb0a79db1cb69e255f5323bdb63643e28d5",
    ),
    (
        "rgb.jpg",
        "e148cec504259757333beacdae7e317256e41063d65c745458099d77aee3d8bf",
    ),
    (
        "rgb.png",
        "91fd381f78e895bb8d7387a62ad59cb0a79db1cb69e255f5323bdb63643e28d5",
    ),
    (
        "rgb16.png",
        "e331e4ce4690055ff4da039515f737b30f2234e4633507f6408931f0e1b87be9",
    ),
];

const DAMAGED: [&str; 3] = ["no_end.jpg", "text.png", "truncated.jpg"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images")
}

fn bytes(name: &str) -> Vec<u8> {
    fs_err::read(folder().join(name)).expect("the fixture is there")
}

fn picture(name: &str) -> Picture {
    decode(&bytes(name), Orientation::Ignore).unwrap_or_else(|reason| panic!("{name}: {reason}"))
}

fn update(digest: &mut Digest, picture: &Picture) {
    digest.add((picture.width as u32).to_le_bytes());
    digest.add((picture.height as u32).to_le_bytes());
    digest.add(&picture.rgb);
}

fn digest(picture: &Picture) -> String {
    let mut digest = Digest::default();
    update(&mut digest, picture);
    digest.hex()
}

#[test]
fn every_kind_has_its_digest() {
    let found: Vec<(&str, String)> = DIGESTS
        .iter()
        .map(|(name, _)| (*name, digest(&picture(name))))
        .collect();
    let expected: Vec<(&str, String)> = DIGESTS
        .iter()
        .map(|(name, digest)| (*name, (*digest).to_owned()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn no_fixture_is_forgotten() {
    let mut listed: Vec<&str> = DIGESTS
        .iter()
        .map(|(name, _)| *name)
        .chain(DAMAGED)
        .collect();
    listed.push("make.py");
    listed.sort_unstable();
    let mut found: Vec<String> = fs_err::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, listed);
}

/// The picture that the lossless files hold, as make.py draws it.
#[test]
fn lossless_files_hold_the_picture() {
    let (width, height) = (13, 10);
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            rgb.extend([20 * x, 25 * y, (x * y * 7) % 256].map(|value| value as u8));
        }
    }
    let expected = Picture { height, width, rgb };
    assert_eq!(picture("rgb.png"), expected);
    assert_eq!(picture("rgb.bmp"), expected);
    assert_eq!(
        picture("alpha.png"),
        expected,
        "alpha is dropped, not blended"
    );
    assert_eq!(picture("really_a_png.jpg"), expected, "the content decides");
}

#[test]
fn orientation_is_applied_only_where_asked() {
    let ignored = picture("oriented.jpg");
    assert_eq!(ignored, picture("rgb.jpg"));
    let applied = decode(&bytes("oriented.jpg"), Orientation::Apply).expect("it decodes");
    assert_eq!(
        [applied.height, applied.width],
        [ignored.width, ignored.height]
    );
    // A quarter clockwise: the first column, read upwards, becomes the first row.
    for x in 0..applied.width {
        let from = (ignored.height - 1 - x) * ignored.width * 3;
        assert_eq!(applied.rgb[x * 3..][..3], ignored.rgb[from..][..3]);
    }
}

#[test]
fn damaged_files_say_why() {
    let reasons: Vec<String> = DAMAGED
        .iter()
        .map(|name| {
            let reason = decode(&bytes(name), Orientation::Ignore).expect_err(name);
            format!("{name}: {reason}")
        })
        .collect();
    insta::assert_snapshot!(reasons.join("\n"));
}

/// A file that is cut anywhere is an error, or loses nothing that is seen.
#[test]
fn no_cut_file_gives_another_picture() {
    for (name, _) in DIGESTS {
        let whole = bytes(name);
        let expected = picture(name);
        for length in 0..whole.len() {
            if let Ok(found) = decode(&whole[..length], Orientation::Ignore) {
                assert_eq!(
                    found,
                    expected,
                    "{name} cut to {length} of {} bytes",
                    whole.len()
                );
            }
        }
    }
}

/// All 3000 photos of cats and dogs, in the order of their paths.
/// Keras reads none, so that a recipe with one would train on other pictures there.
#[test]
fn webp_is_for_predictions_and_no_recipe_s() {
    let expected = picture("rgb.png");
    let [height, width] = [expected.height, expected.width].map(|side| side as u32);
    let mut webp = Vec::new();
    image::codecs::webp::WebPEncoder::new_lossless(&mut webp)
        .encode(&expected.rgb, width, height, image::ExtendedColorType::Rgb8)
        .unwrap();
    assert_eq!(decode_any(&webp, Orientation::Ignore), Ok(expected.clone()));
    let refused = decode(&webp, Orientation::Ignore).unwrap_err();
    assert_eq!(refused, "it is none of BMP, GIF, JPEG and PNG");
    let refused = decode_any(b"RIFF....none", Orientation::Ignore).unwrap_err();
    assert_eq!(refused, "it is none of BMP, GIF, JPEG, PNG and WebP");
    for length in 0..webp.len() {
        if let Ok(found) = decode_any(&webp[..length], Orientation::Ignore) {
            assert_eq!(found, expected, "cut to {length} of {} bytes", webp.len());
        }
    }
    for (name, _) in DIGESTS {
        assert_eq!(
            decode_any(&bytes(name), Orientation::Ignore),
            Ok(picture(name))
        );
    }
}

#[test]
fn the_photos_have_their_digest() {
    let Some(path) = artifact("the_photos_have_their_digest", PHOTOS) else {
        return;
    };
    let mut archive = zip::ZipArchive::new(fs_err::File::open(path).expect("it is there"))
        .expect("it is an archive");
    let mut names: Vec<String> = archive
        .file_names()
        .map(|name| name.expect("a name").into_owned())
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|extension| extension == "jpg")
        })
        .collect();
    names.sort_unstable();
    assert_eq!(names.len(), 3000);
    let mut digest = Digest::default();
    for names in names.chunks(100) {
        let files: Vec<Vec<u8>> = names
            .iter()
            .map(|name| {
                let mut bytes = Vec::new();
                let mut file = archive.by_name(name).expect("it is listed");
                file.read_to_end(&mut bytes).expect("it can be read");
                bytes
            })
            .collect();
        let pictures: Vec<Picture> = files
            .par_iter()
            .map(|bytes| decode(bytes, Orientation::Ignore).expect("it decodes"))
            .collect();
        for picture in pictures {
            update(&mut digest, &picture);
        }
    }
    let found = digest.hex();
    assert_eq!(
        found,
        "f70f6e5f914ccc8bd39fc4ae6e1ec95ac907237840a613e6a5e3a4a12ec8b175"
    );
}
