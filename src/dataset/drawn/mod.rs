//! Pictures drawn from a seed in integers, so that a recipe can do without a download.
//!
//! docs/quickstart.md is the specification, with vectors. Positions are in 1/8 pixel; `>>` is the
//! arithmetic shift and rounds down, as every division here does.

mod background;
mod draws;
mod figures;
mod scene;
mod shapes;

pub use figures::{CLASSES, THINGS};

use scene::Scene;

/// Height and width of a picture in pixels.
pub const SIZE: usize = 64;

/// Bytes of a picture: `SIZE` × `SIZE` × RGB.
pub const BYTES: usize = SIZE * SIZE * 3;

/// How hard a set is: the limits of what is drawn at random.
#[derive(Clone, Copy, Debug)]
struct Style {
    /// Largest shift of a figure's coordinates, in units of the figure.
    jitter: i64,
    /// Least difference between colours, modulo 256.
    contrast: i64,
    /// Most distractors under the figure.
    under: u32,
    /// Most distractors over the figure.
    over: u32,
    /// Largest noise on a pixel's channel.
    noise: u32,
    /// Least and greatest half-width of a figure in pixels.
    scale: [i64; 2],
}

const TARGET: Style = Style {
    jitter: 2,
    contrast: 80,
    under: 1,
    over: 0,
    noise: 10,
    scale: [21, 27],
};

const EASY: Style = Style {
    jitter: 2,
    contrast: 80,
    under: 0,
    over: 0,
    noise: 6,
    scale: [21, 27],
};

const HARD: Style = Style {
    jitter: 4,
    contrast: 64,
    under: 3,
    over: 2,
    noise: 24,
    scale: [17, 26],
};

/// Picture `number` of a split of the target set: its label, which is `number` modulo 5, and its
/// `BYTES` bytes, rows from the top, RGB.
///
/// `slot`: 0 train, 1 validation, 2 test.
///
/// # Panics
/// If there is no such slot.
pub fn picture(seed: u64, slot: u32, number: u32) -> (u32, Box<[u8]>) {
    assert!(slot < 3, "no target set has slot {slot}");
    let label = number % CLASSES.len() as u32;
    let scene = Scene::new(seed, slot, number, figures::head(label), &TARGET);
    (label, scene.render())
}

/// Picture `number` of a pre-training set: its label, which is `number` modulo 18, and its
/// `BYTES` bytes, rows from the top, RGB.
///
/// `slot`: 8 easy, 9 hard, 10 hard for validation.
///
/// # Panics
/// If there is no such slot.
pub fn pretraining_picture(seed: u64, slot: u32, number: u32) -> (u32, Box<[u8]>) {
    let style = match slot {
        8 => &EASY,
        9 | 10 => &HARD,
        _ => panic!("no pre-training set has slot {slot}"),
    };
    let label = number % THINGS.len() as u32;
    let scene = Scene::new(seed, slot, number, figures::thing(label), style);
    (label, scene.render())
}
