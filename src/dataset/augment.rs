//! Random changes of a training image.
//!
//! Each entry of the recipe draws from a stream of its own (its position is the stream's slot) at the
//! image's index, so the same image is changed alike whatever batch or thread it is in.

use crate::kernels::{Level, flip, rotate};
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

impl Change {
    /// Changes `image`, rows of RGB pixels; `spare` is of the same length and its content is lost.
    pub fn apply(self, level: Level, size: [usize; 2], image: &mut Vec<f32>, spare: &mut Vec<f32>) {
        match self {
            Self::Keep => {}
            Self::Mirror => flip::horizontal(image, size),
            Self::Rotate { sin, cos } => {
                rotate::rotate(level, image, size, [sin, cos], spare);
                std::mem::swap(image, spare);
            }
        }
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
}
