//! What the network sees.

use serde::{Deserialize, Serialize};

use super::syntax::{
    Decode, Located, Node, Problem, Problems, Reader, Rule, Scalar, Value, read_word,
};

/// MobileNetV2 halves the picture five times.
const SIZE_STEP: u32 = 32;
const SIZE: Rule<u32> = Rule {
    must_be: "a multiple of 32 from 32 to 4096",
    holds: |&pixels| is_side(pixels),
};
const BATCH_SIZE: Rule<u32> = Rule {
    must_be: "a number of images from 1 to 65536",
    holds: |&images| (1..=65_536).contains(&images),
};
const TURN: Rule<f64> = Rule {
    must_be: "a part of a full turn: over 0, at most 1",
    holds: |&turn| turn > 0.0 && turn <= 1.0,
};
/// Each augmentation has a slot of the random streams; nobody needs more than this.
const MOST_AUGMENTATIONS: usize = 64;
const DEFAULT_BATCH_SIZE: u32 = 32;

/// True of a height or width that a recipe's pictures can have.
pub fn is_side(pixels: u32) -> bool {
    pixels.is_multiple_of(SIZE_STEP) && (SIZE_STEP..=4096).contains(&pixels)
}

/// What the network sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Height and width, pixels; multiples of 32.
    pub image_size: [u32; 2],
    /// Images a step.
    pub batch_size: u32,
    /// Applied to training images, in order; the position is the random stream's slot.
    pub augment: Vec<Augmentation>,
    /// What the mark of rotation in a photo does.
    pub orientation: Orientation,
}

/// What the EXIF orientation of a photo does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Orientation {
    /// Nothing, as in Keras.
    Ignore,
    /// The picture is turned upright.
    Apply,
}

/// A random change of a training image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Augmentation {
    /// Mirror left and right with probability one half.
    FlipHorizontal,
    /// Rotate by an angle uniform in ±`turn`, filling by reflection.
    Rotation {
        /// Largest angle, in turns.
        turn: f64,
    },
}

/// The `[input]` table as written.
#[derive(Debug)]
pub(super) struct InputFile {
    image_size: Option<Located<ImageSize>>,
    batch_size: Option<Located<u32>>,
    augment: Option<Located<Vec<Located<Augmentation>>>>,
    orientation: Option<Located<Orientation>>,
}

#[derive(Debug)]
struct ImageSize([u32; 2]);

impl Decode for InputFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let orientations = [
            ("ignore", Orientation::Ignore),
            ("apply", Orientation::Apply),
        ];
        let mut table = Reader::new(node, problems)?;
        let input = Self {
            image_size: table.required_nested("image_size", "`[height, width]` in pixels"),
            batch_size: table.value("batch_size", &BATCH_SIZE),
            augment: table.list("augment"),
            orientation: table.word("orientation", &orientations),
        };
        table.finish();
        Some(input)
    }
}

impl Decode for ImageSize {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Value::Array(sides) = &node.value else {
            let title = "`image_size` must be `[height, width]` in pixels";
            let label = format!("found {}", node.value.words());
            let mut problem = Problem::new(node.place, title, label);
            if let Some(side) = u32::read(&node.value).filter(SIZE.holds) {
                problem = problem.help(format!("a square picture is `[{side}, {side}]`"));
            }
            problems.add(problem);
            return None;
        };
        let [height, width] = sides.as_slice() else {
            let label = format!("found {} numbers", sides.len());
            let title = "`image_size` must be `[height, width]` in pixels";
            problems.add(Problem::new(node.place, title, label));
            return None;
        };
        let height = SIZE.read("the height", height, problems);
        let width = SIZE.read("the width", width, problems);
        Some(Self([height?.value, width?.value]))
    }
}

impl Decode for Augmentation {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let augmentation = table.kind(&[
            ("flip", |node, problems| {
                let words = [("horizontal", Self::FlipHorizontal)];
                read_word("`flip`", "\"horizontal\"", &words, node, problems)
            }),
            ("rotation", |node, problems| {
                let mut table = Reader::new(node, problems)?;
                let turn = table.required("turn", &TURN);
                // The only fill so far; written in recipes because Keras has others.
                table.word("fill", &[("reflect", ())]);
                table.finish();
                Some(Self::Rotation { turn: turn?.value })
            }),
        ]);
        table.finish();
        augmentation.map(|augmentation| augmentation.value)
    }
}

impl InputFile {
    /// Checks what one key alone cannot show.
    pub(super) fn check(&self, problems: &mut Problems) {
        if let Some(augment) = &self.augment
            && augment.value.len() > MOST_AUGMENTATIONS
        {
            let title = format!("`augment` can have {MOST_AUGMENTATIONS} entries at most");
            let label = format!("found {}", augment.value.len());
            problems.add(Problem::new(augment.place, title, label));
        }
    }

    /// The input.
    pub(super) fn decide(&self) -> Option<Input> {
        let augment = self.augment.as_ref();
        Some(Input {
            image_size: self.image_size.as_ref()?.value.0,
            batch_size: self
                .batch_size
                .as_ref()
                .map_or(DEFAULT_BATCH_SIZE, |size| size.value),
            augment: augment.map_or_else(Vec::new, |list| {
                list.value.iter().map(|entry| entry.value).collect()
            }),
            orientation: self
                .orientation
                .as_ref()
                .map_or(Orientation::Ignore, |orientation| orientation.value),
        })
    }
}

/// What is left out of the canonical form.
pub(super) const fn is_default_batch_size(batch_size: u32) -> bool {
    batch_size == DEFAULT_BATCH_SIZE
}
