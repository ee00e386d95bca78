//! Drawn pictures: digests of the first of each set, so that no change of the drawing goes unseen.

use std::fmt::Write;

use goldrun::dataset::drawn;
use sha2::{Digest, Sha256};

/// Pictures of a set that the digest covers.
const PICTURES: u32 = 90;

fn digest(draw: impl Fn(u64, u32, u32) -> (u32, Box<[u8]>), slot: u32, classes: usize) -> String {
    let mut hasher = Sha256::new();
    for number in 0..PICTURES {
        let (label, pixels) = draw(1, slot, number);
        assert_eq!(label as usize, number as usize % classes);
        assert_eq!(pixels.len(), drawn::BYTES);
        hasher.update(&pixels);
    }
    let bytes = hasher.finalize();
    bytes[..8].iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn digests_of_all_sets() {
    let targets = drawn::CLASSES.len();
    let things = drawn::THINGS.len();
    let digests = [
        digest(drawn::picture, 0, targets),
        digest(drawn::picture, 1, targets),
        digest(drawn::picture, 2, targets),
        digest(drawn::pretraining_picture, 8, things),
        digest(drawn::pretraining_picture, 9, things),
        digest(drawn::pretraining_picture, 10, things),
    ];
    let expected = [
        "637e497f3e69b111",
        "d22cf98e513e22ba",
        "dc2e317d9da011d5",
        "8694960f63bcd2c4",
        "3f9fcf18d6f54942",
        "ec4dfb6f107794b4",
    ];
    assert_eq!(digests, expected);
}

#[test]
fn no_target_class_is_among_the_things_that_the_weights_saw() {
    for class in drawn::CLASSES {
        assert!(!drawn::THINGS.contains(&class), "{class}");
    }
}
