//! Every random number of a run: Philox4x32-10 of (seed, purpose, phase, epoch, slot, index).
//!
//! No draw depends on another: batch size, number of threads and resuming move nothing.
//! Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011; streams in docs/randomness.md.

/// What a number is drawn for. Never renumber; add at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Order of training images in an epoch.
    TrainingOrder = 1,
    /// Order in which a source is cut into splits.
    SplitOrder = 2,
    /// Horizontal flip.
    Flip = 3,
    /// Rotation angle.
    Rotation = 4,
    /// Dropout mask.
    Dropout = 5,
    /// Initial weights.
    Weights = 6,
    /// Drawn images.
    Drawing = 7,
}

/// One stream: everything but the index and the element.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: [u32; 2],
    when: u32,
    what: u32,
}

/// Phases are counted below this.
pub const PHASE_LIMIT: u32 = 1 << 12;
/// Epochs within a phase are counted below this.
pub const EPOCH_LIMIT: u32 = 1 << 20;
/// Slots are counted below this.
pub const SLOT_LIMIT: u32 = 1 << 24;

impl Stream {
    /// The stream of `purpose` and `slot` outside any phase.
    ///
    /// # Panics
    /// If the slot is outside its field.
    pub fn new(seed: u64, purpose: Purpose, slot: u32) -> Self {
        assert!(slot < SLOT_LIMIT, "slot {slot} outside its field");
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            when: 0,
            what: (purpose as u32) << 24 | slot,
        }
    }

    /// The same stream in an epoch, counted from 0 within its phase.
    ///
    /// # Panics
    /// If phase or epoch are outside their fields; recipes are checked for it when they are resolved.
    #[must_use]
    pub fn at(self, phase: u32, epoch: u32) -> Self {
        assert!(phase < PHASE_LIMIT, "phase {phase} outside its field");
        assert!(epoch < EPOCH_LIMIT, "epoch {epoch} outside its field");
        Self {
            when: phase << 20 | epoch,
            ..self
        }
    }

    /// The counter's word for phase and epoch.
    pub fn when(&self) -> u32 {
        self.when
    }

    /// The counter's word for purpose and slot.
    pub fn what(&self) -> u32 {
        self.what
    }

    /// The key.
    pub fn seed(&self) -> [u32; 2] {
        self.key
    }

    /// Four words: block `block` of the draw at `index`.
    pub fn block(&self, index: u32, block: u32) -> [u32; 4] {
        philox([block, index, self.when, self.what], self.key)
    }

    /// Element `element` of a longer draw at `index`.
    pub fn word(&self, index: u32, element: u32) -> u32 {
        self.block(index, element / 4)[element as usize % 4]
    }

    /// Key of `index` in a random order: words 1 and 0 of its first block, word 1 above.
    ///
    /// Each key stands alone, so leaving an index out moves no other one.
    pub fn key(&self, index: u32) -> u64 {
        let words = self.block(index, 0);
        u64::from(words[1]) << 32 | u64::from(words[0])
    }

    /// The numbers 0..n in random order: sorted by [`key`](Self::key), ties by number.
    pub fn order(&self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        self.sort(&mut order);
        order
    }

    /// Puts indices into the order that [`order`](Self::order) would give them among all others.
    pub fn sort(&self, indices: &mut [u32]) {
        indices.sort_by_cached_key(|&index| (self.key(index), index));
    }
}

/// A number in [0, 1) with 24 bits, exact.
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// True with probability `p` in [0, 1].
pub fn bernoulli(word: u32, p: f64) -> bool {
    f64::from(word >> 8) < (p * 16_777_216.0).round()
}

/// Integer threshold of a rate: an element is kept iff `(word >> 8) >= threshold`.
pub fn dropout_threshold(rate: f64) -> u32 {
    (rate * 16_777_216.0).round() as u32
}

/// What an element that dropout keeps is multiplied by.
pub fn dropout_scale(rate: f64) -> f32 {
    (1.0 / (1.0 - rate)) as f32
}

/// Sine and cosine of a rotation by an angle uniform in ±`turn` turns.
pub fn rotation(word: u32, turn: f64) -> [f32; 2] {
    let u = f64::from(unit(word));
    let theta = ((2.0 * u - 1.0) * turn) * std::f64::consts::TAU;
    [libm::sin(theta) as f32, libm::cos(theta) as f32]
}

/// Glorot-uniform weights of a tensor with `n` elements (Glorot and Bengio 2010).
pub fn glorot_uniform(stream: &Stream, fan_in: usize, fan_out: usize, n: usize) -> Vec<f32> {
    let limit = (6.0 / (fan_in + fan_out) as f64).sqrt() as f32;
    (0..n)
        .map(|element| unit(stream.word(0, element as u32)).mul_add(2.0 * limit, -limit))
        .collect()
}

const ROUNDS: usize = 10;
const KEY_STEP: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const MULTIPLIER: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];

/// The generator, Philox4x32-10: four random words of a counter and a key.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..ROUNDS {
        if round > 0 {
            key[0] = key[0].wrapping_add(KEY_STEP[0]);
            key[1] = key[1].wrapping_add(KEY_STEP[1]);
        }
        let a = u64::from(counter[0]) * MULTIPLIER[0];
        let b = u64::from(counter[2]) * MULTIPLIER[1];
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_random123() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox([!0; 4], [!0; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }
}
