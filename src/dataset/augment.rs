//! Random changes of a training image.
//!
//! Each entry of the recipe draws from a stream of its own (its position is the stream's slot) at the
//! image's index, so the same image is changed alike whatever batch or thread it is in.

use crate::kernels::rotate::{self, Beside};
use crate::kernels::{Level, flip, preprocess};
use crate::random::{self, Purpose, Stream};
use crate::recipe::Augmentation;

/// Half of the images are mirrored.
const FLIP_PROBABILITY: f64 = 0.5;

/// One entry of `input.augment` in one epoch.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    augmentation: Augmentation,
    stream: Stream,
}

/// What is done to one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Nothing.
    Keep,
    /// Left and right are exchanged.
    Mirror,
    /// Rotation by the angle with this sine and cosine, counter-clockwise where positive.
    Rotate {
        /// Sine.
        sin: f32,
        /// Cosine.
        cos: f32,
    },
}

impl Step {
    /// The steps of an epoch, in the order in which they are applied.
    pub fn all(augment: &[Augmentation], seed: u64, phase: u32, epoch: u32) -> Vec<Self> {
        let steps = augment.iter().zip(0..).map(|(&augmentation, slot)| {
            let purpose = match augmentation {
                Augmentation::FlipHorizontal => Purpose::Flip,
                Augmentation::Rotation { .. } => Purpose::Rotation,
            };
            Self {
                augmentation,
                stream: Stream::new(seed, purpose, slot).at(phase, epoch),
            }
        });
        steps.collect()
    }

    /// True if it rotates every image.
    fn is_rotation(&self) -> bool {
        matches!(self.augmentation, Augmentation::Rotation { .. })
    }

    /// What happens to the image at `index`.
    pub fn change(&self, index: u32) -> Change {
        let word = self.stream.word(index, 0);
        match self.augmentation {
            Augmentation::FlipHorizontal if random::bernoulli(word, FLIP_PROBABILITY) => {
                Change::Mirror
            }
            Augmentation::FlipHorizontal => Change::Keep,
            Augmentation::Rotation { turn } => {
                let [sin, cos] = random::rotation(word, turn);
                Change::Rotate { sin, cos }
            }
        }
    }
}

/// What is done to one image in one pass over its values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pass {
    /// Left and right are exchanged first.
    pub mirrored: bool,
    /// Sine and cosine of the rotation after that, if it rotates.
    pub rotation: Option<[f32; 2]>,
}

/// The passes of one image: one for each rotation, which takes the flips before it, and one for flips after
/// the last. Every image has the same passes but for what each draws.
pub(super) fn passes(steps: &[Step], index: u32) -> impl Iterator<Item = Pass> {
    let mut mirrored = false;
    let last = steps.len().saturating_sub(1);
    steps.iter().enumerate().filter_map(move |(place, step)| {
        let rotation = match step.change(index) {
            Change::Keep => None,
            Change::Mirror => {
                mirrored = !mirrored;
                None
            }
            Change::Rotate { sin, cos } => Some([sin, cos]),
        };
        (rotation.is_some() || place == last).then(|| Pass {
            mirrored: std::mem::take(&mut mirrored),
            rotation,
        })
    })
}

/// Buffers for one thread that changes images.
#[derive(Default)]
pub struct Scratch {
    image: Vec<f32>,
    /// For the second of two rotations.
    spare: Vec<f32>,
}

impl Scratch {
    /// Empty buffers, which the first image makes as large as needed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Buffers for images of `len` values that are rotated at most once.
    pub fn for_images(len: usize) -> Self {
        Self {
            image: vec![0.0; len],
            spare: Vec::new(),
        }
    }
}

/// Changes of one image after another, with values from 0 to 255 or as the network sees them.
#[derive(Clone, Copy, Debug)]
pub struct Changing<'a> {
    /// In order.
    pub steps: &'a [Step],
    /// Instruction set; it changes no bit.
    pub level: Level,
    /// Height and width.
    pub size: [usize; 2],
    /// Values are scaled at the end, as by [`preprocess::scale`].
    pub scaled: bool,
}

impl Changing<'_> {
    /// Puts into `out` what `read` gives, changed as the image at `index`.
    ///
    /// No change has a pass of its own where a rotation can do it beside.
    pub fn image<E>(
        &self,
        index: u32,
        read: impl FnOnce(&mut [f32]) -> Result<(), E>,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<(), E> {
        let Self { level, size, .. } = *self;
        let mut rotations = self.steps.iter().filter(|step| step.is_rotation()).count();
        let is_scaled_beside = self.scaled && rotations > 0;
        let Scratch { image, spare } = scratch;
        if rotations == 0 {
            read(out)?;
        } else {
            image.resize(out.len(), 0.0);
            read(image)?;
        }
        let mut mirrored = false;
        for step in self.steps {
            match step.change(index) {
                Change::Keep => {}
                Change::Mirror => mirrored = !mirrored,
                Change::Rotate { sin, cos } => {
                    rotations -= 1;
                    let is_last = rotations == 0;
                    let beside = Beside {
                        mirrored: std::mem::take(&mut mirrored),
                        scaled: self.scaled && is_last,
                    };
                    if is_last {
                        rotate::rotate(level, image, size, [sin, cos], beside, out);
                    } else {
                        spare.resize(out.len(), 0.0);
                        rotate::rotate(level, image, size, [sin, cos], beside, spare);
                        std::mem::swap(image, spare);
                    }
                }
            }
        }
        if mirrored {
            flip::horizontal(out, size);
        }
        if self.scaled && !is_scaled_beside {
            preprocess::scale(level, out);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_draw_from_the_slot_of_their_position() {
        let flip = Augmentation::FlipHorizontal;
        let rotation = Augmentation::Rotation { turn: 0.2 };
        let [first, second] = Step::all(&[flip, rotation], 123, 0, 0)[..] else {
            panic!("two entries, two steps");
        };
        let flips: String = (0..16)
            .map(|index| {
                if first.change(index) == Change::Mirror {
                    '1'
                } else {
                    '0'
                }
            })
            .collect();
        assert_eq!(flips, "0100100101101100");
        let angle = |sin, cos| Change::Rotate {
            sin: f32::from_bits(sin),
            cos: f32::from_bits(cos),
        };
        assert_eq!(second.change(0), angle(0xbf49_d097, 0x3f1d_8070));
        assert_eq!(second.change(1), angle(0xbe16_6365, 0x3f7d_3961));
    }

    #[test]
    fn passes_beside_a_rotation_give_the_bits_of_passes_of_their_own() {
        let [flip, turn] = [
            Augmentation::FlipHorizontal,
            Augmentation::Rotation { turn: 0.3 },
        ];
        let size = [5, 40];
        let picture: Vec<f32> = (0..5 * 40 * 3).map(|i| (i % 251) as f32).collect();
        let lists: [&[Augmentation]; 7] = [
            &[],
            &[flip],
            &[turn],
            &[flip, turn],
            &[turn, flip],
            &[flip, flip, turn, turn, flip],
            &[flip, turn, flip, turn, flip, turn],
        ];
        let mut scratch = Scratch::new();
        for (list, scaled) in lists.iter().flat_map(|list| [(list, false), (list, true)]) {
            let steps = Step::all(list, 123, 0, 0);
            for index in 0..16 {
                let level = Level::detect();
                let mut expected = picture.clone();
                for step in &steps {
                    match step.change(index) {
                        Change::Keep => {}
                        Change::Mirror => flip::horizontal(&mut expected, size),
                        Change::Rotate { sin, cos } => {
                            let image = expected.clone();
                            let beside = Beside::default();
                            rotate::rotate(level, &image, size, [sin, cos], beside, &mut expected);
                        }
                    }
                }
                if scaled {
                    preprocess::scale(level, &mut expected);
                }
                let changing = Changing {
                    steps: &steps,
                    level,
                    size,
                    scaled,
                };
                let read = |image: &mut [f32]| -> Result<(), ()> {
                    image.copy_from_slice(&picture);
                    Ok(())
                };
                let mut out = vec![f32::NAN; picture.len()];
                changing
                    .image(index, read, &mut scratch, &mut out)
                    .expect("it is read");
                let same = out.iter().zip(&expected);
                let same = same.into_iter().all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{list:?} {scaled} {index}");
            }
        }
    }
}
