//! The data of the test vectors of docs/arithmetic.md, and how results are hashed.

/// What made values look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Signed, with subnormals and both zeros.
    Signed,
    /// Like activations after ReLU6.
    Activation,
}

/// The finaliser of splitmix64.
pub fn splitmix(i: u64) -> u64 {
    let mut z = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// D(n, seed, mode).
pub fn data(n: usize, seed: u64, mode: Mode) -> Vec<f32> {
    (0..n as u64)
        .map(|i| {
            let z = splitmix(seed * 1_000_003 + i);
            let f = (z >> 40) as f32 * (1.0 / 16_777_216.0) - 0.5;
            if mode == Mode::Activation {
                let x = f * 14.0;
                let positive = if x > 0.0 { x } else { 0.0 };
                return if positive < 6.0 { positive } else { 6.0 };
            }
            match z % 53 {
                0 => f * f32::from_bits(0x0000_4000),
                1 => -0.0,
                2 => 0.0,
                3 => f * f32::from_bits(0x1A00_0000),
                _ => f,
            }
        })
        .collect()
}

/// FNV-1a over the bits.
pub fn hash(parts: &[&[f32]]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(0xCBF2_9CE4_8422_2325, |hash, value| {
            (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01B3)
        })
}
