//! Drawn pictures against the vectors of docs/quickstart.md, so that no change of the drawing goes unseen.

use std::fmt::Write as _;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use goldrun::dataset::drawn;
use goldrun::digest::{self, Digest};
use safetensors::SafeTensors;

const DOCUMENT: &str = include_str!("../../docs/quickstart.md");

/// Seed of the documented vectors.
const SEED: u64 = 1;

fn draw(set: &str, number: u32) -> (u32, Box<[u8]>) {
    match set {
        "train" => drawn::picture(SEED, 0, number),
        "validation" => drawn::picture(SEED, 1, number),
        "test" => drawn::picture(SEED, 2, number),
        "easy" => drawn::pretraining_picture(SEED, 8, number),
        "hard" => drawn::pretraining_picture(SEED, 9, number),
        "hard-validation" => drawn::pretraining_picture(SEED, 10, number),
        other => panic!("docs/quickstart.md names no set {other}"),
    }
}

/// The lines of the document that begin with `word`, split, without it.
fn vectors(word: &str) -> Vec<Vec<&'static str>> {
    let lines = DOCUMENT.lines().map(|line| line.split(' '));
    lines
        .filter_map(|mut fields| (fields.next() == Some(word)).then(|| fields.collect()))
        .collect()
}

#[test]
fn documented_pictures() {
    let pictures = vectors("picture");
    assert_eq!(pictures.len(), 14, "docs/quickstart.md lost pictures");
    for fields in pictures {
        let [set, number, label, first, digest] = fields[..] else {
            panic!("{fields:?} is not set, number, label, first pixels, digest");
        };
        let (found, pixels) = draw(set, number.parse().unwrap());
        assert_eq!(found.to_string(), label, "label of {set} {number}");
        assert_eq!(pixels.len(), drawn::BYTES);
        let begins: String = pixels[..9].iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(begins, first, "first pixels of {set} {number}");
        assert_eq!(digest::of(&pixels), digest, "{set} {number}");
    }
}

#[test]
fn documented_sets() {
    let sets = vectors("set");
    assert_eq!(sets.len(), 6, "docs/quickstart.md lost sets");
    for fields in sets {
        let [set, count, digest] = fields[..] else {
            panic!("{fields:?} is not set, count, digest");
        };
        let mut hasher = Digest::default();
        for number in 0..count.parse().unwrap() {
            hasher.add(draw(set, number).1);
        }
        assert_eq!(hasher.hex(), digest, "{set}");
    }
}

#[test]
fn another_seed_gives_other_pictures() {
    assert_ne!(drawn::picture(1, 0, 0), drawn::picture(2, 0, 0));
    assert_ne!(drawn::picture(1, 0, 0), drawn::picture(1 << 32 | 1, 0, 0));
    assert_ne!(drawn::picture(1, 0, 0), drawn::picture(1, 1, 0));
}

#[test]
fn no_target_class_is_among_the_things_that_the_weights_saw() {
    for class in drawn::CLASSES {
        assert!(!drawn::THINGS.contains(&class), "{class}");
    }
}

/// `recipes/weights/quickstart.safetensors`, as docs/quickstart.md describes it.
#[test]
fn shipped_weights_are_small_and_sane() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/recipes/weights/quickstart.safetensors"
    );
    let bytes = fs_err::read(path).unwrap();
    assert!(bytes.len() < 2_000_000);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors = file.tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let mut lines = String::new();
    let mut numbers = 0;
    for (name, tensor) in &tensors {
        let shape: Vec<String> = tensor.shape().iter().map(ToString::to_string).collect();
        let digest = digest::of(tensor.data());
        writeln!(lines, "{digest}  {}  {name}", shape.join("x")).unwrap();
        for value in tensor.data().as_chunks().0 {
            let value = f32::from_le_bytes(*value);
            assert!(value.is_finite(), "{name} holds {value}");
            let sane = !name.ends_with("moving_variance") || (1e-4..100.0).contains(&value);
            assert!(sane, "{name} holds {value}");
            numbers += 1;
        }
    }
    assert_eq!((tensors.len(), numbers), (260, 410_208));
    let mut digest = Digest::default();
    digest.add(lines);
    let digest = BASE64_STANDARD.encode(digest.bytes());
    assert!(
        DOCUMENT.contains(&format!("t1:{digest}")),
        "docs/quickstart.md does not name t1:{digest}"
    );
}
