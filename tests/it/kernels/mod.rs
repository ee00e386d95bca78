//! Every kernel at every SIMD level: against the vectors of docs/arithmetic.md, and against its definition.

mod definition;
mod properties;
mod vectors;

/// The finaliser of splitmix64.
fn splitmix(i: u64) -> u64 {
    let mut z = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// Signed, with subnormals and both zeros.
    Signed,
    /// Like activations after ReLU6.
    Activation,
}

/// D(n, seed, mode) of docs/arithmetic.md.
fn data(n: usize, seed: u64, mode: Mode) -> Vec<f32> {
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

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
