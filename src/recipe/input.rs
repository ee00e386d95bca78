//! What the network sees.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::syntax::{
    Decode, Inside, Located, Node, Problem, Problems, Range, Reader, Rule, Scalar, Value, read_word,
};

/// MobileNetV2 halves the picture five times.
const SIZE_STEP: u32 = 32;
const SIZE: Rule<u32> = Rule::number_of("pixels", Range::from(SIZE_STEP).to(4096).step(SIZE_STEP));
const SIDES: &str = "`[height, width]` in pixels";
const BATCH_SIZE: Rule<u32> = Rule::number_of("images", Range::from(1).to(65_536));
const TURN: Rule<f64> = Rule::new("a part of a full turn", Range::over(0.0).to(1.0));
/// Each augmentation has a slot of the random streams; nobody needs more than this.
const MOST_AUGMENTATIONS: usize = 64;
const DEFAULT_BATCH_SIZE: u32 = 32;
/// Keras'.
const DEFAULT_ORIENTATION: Orientation = Orientation::Ignore;

/// True of a height or width that a recipe's pictures can have.
pub fn is_side(pixels: u32) -> bool {
    SIZE.holds(&pixels)
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[schemars(rename_all = "snake_case")]
#[serde(rename_all = "lowercase")]
pub enum Orientation {
    /// Nothing, as in Keras.
    Ignore,
    /// The picture is turned upright.
    Apply,
}

/// A random change of a training image.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Augmentation {
    /// Mirrored left and right, every other image on average.
    #[schemars(rename = "flip", with = "Flip")]
    FlipHorizontal,
    /// Rotated about the centre, by an angle uniform in ±`turn`.
    #[schemars(with = "RotationFile")]
    Rotation {
        /// Largest angle, in turns.
        turn: f64,
    },
}

/// The `[input]` table as written.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct InputFile {
    /// Height and width. Every picture is resized to it.
    #[schemars(required, extend("x-type" = SIDES))]
    image_size: Option<Located<ImageSize>>,
    /// Images in a step.
    #[schemars(transform = &BATCH_SIZE, extend("default" = DEFAULT_BATCH_SIZE))]
    batch_size: Option<Located<u32>>,
    /// Random changes of training images, in order.
    #[schemars(length(max = MOST_AUGMENTATIONS), extend("default" = []))]
    augment: Option<Located<Vec<Located<Augmentation>>>>,
    /// What the EXIF mark of a photo's rotation does.
    #[schemars(extend("default" = DEFAULT_ORIENTATION.word()))]
    orientation: Option<Located<Orientation>>,
}

/// `[height, width]`
#[derive(Debug, JsonSchema)]
struct ImageSize(#[schemars(transform = Inside("items", &SIZE))] [u32; 2]);

/// The axis of a flip.
#[derive(Clone, Copy, JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Flip {
    /// Left becomes right.
    Horizontal,
}

/// A `rotation` as written.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RotationFile {
    /// Largest angle as a part of a full turn: 0.2 is up to 72° either way.
    #[schemars(required, transform = &TURN)]
    turn: Option<Located<f64>>,
    /// What comes in at the edges: the picture, mirrored.
    #[schemars(extend("default" = "reflect"))]
    #[expect(
        dead_code,
        reason = "there is one; written in recipes because Keras has others"
    )]
    fill: Option<Located<Fill>>,
}

/// What comes in at the edges.
#[derive(Clone, Copy, JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Fill {
    /// The picture, mirrored.
    Reflect,
}

impl Decode for InputFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let orientations = [Orientation::Ignore, Orientation::Apply].map(|one| (one.word(), one));
        let mut table = Reader::new(node, problems)?;
        let input = Self {
            image_size: table.required_nested("image_size", SIDES),
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
            let title = format!("`image_size` must be {SIDES}");
            let label = format!("found {}", node.value.words());
            let mut problem = Problem::new(node.place, title, label);
            if let Some(side) = u32::read(&node.value).filter(|side| SIZE.holds(side)) {
                problem = problem.help(format!("a square picture is `[{side}, {side}]`"));
            }
            problems.add(problem);
            return None;
        };
        let [height, width] = sides.as_slice() else {
            let label = format!("found {} numbers", sides.len());
            let title = format!("`image_size` must be {SIDES}");
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
                let words = [("horizontal", Flip::Horizontal)];
                match read_word("`flip`", "\"horizontal\"", &words, node, problems)? {
                    Flip::Horizontal => Some(Self::FlipHorizontal),
                }
            }),
            ("rotation", |node, problems| {
                let turn = RotationFile::decode(node, problems)?.turn?.value;
                Some(Self::Rotation { turn })
            }),
        ]);
        table.finish();
        augmentation.map(|augmentation| augmentation.value)
    }
}

impl Decode for RotationFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let rotation = Self {
            turn: table.required("turn", &TURN),
            fill: table.word("fill", &[("reflect", Fill::Reflect)]),
        };
        table.finish();
        Some(rotation)
    }
}

impl Orientation {
    const fn word(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Apply => "apply",
        }
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
                .map_or(DEFAULT_ORIENTATION, |orientation| orientation.value),
        })
    }
}

/// What is left out of the canonical form.
pub(super) const fn is_default_batch_size(batch_size: u32) -> bool {
    batch_size == DEFAULT_BATCH_SIZE
}
