//! sha256, as everything that is pinned, recorded or cached is named by it: in lower-case hex.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// A digest of what was added so far.
#[derive(Clone, Debug, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Adds bytes.
    pub fn add(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes);
    }

    /// Adds values as little-endian f32.
    pub fn add_values(&mut self, values: &[f32]) {
        /// Values turned into bytes at a time.
        const CHUNK: usize = 4096;
        let mut bytes = Vec::with_capacity(CHUNK * 4);
        for chunk in values.chunks(CHUNK) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
            self.0.update(&bytes);
        }
    }

    /// The 32 bytes.
    pub fn bytes(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// The 64 hex digits.
    pub fn hex(self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.bytes() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// sha256 of bytes, in hex.
pub fn of(bytes: impl AsRef<[u8]>) -> String {
    let mut digest = Digest::default();
    digest.add(bytes);
    digest.hex()
}

/// sha256 of values as little-endian f32, in hex.
pub fn of_values(values: &[f32]) -> String {
    let mut digest = Digest::default();
    digest.add_values(values);
    digest.hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_hashed_as_sha256sum_does() {
        // printf abc | sha256sum
        assert_eq!(
            of("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn vector_of_the_parameter_digest() {
        assert_eq!(
            of_values(&[1.0, -0.0, 0.1]),
            "e77731b67d6d3b743cfb0d82cb626ec7275a439b39236442b7d38729c87f3668"
        );
    }

    #[test]
    fn values_longer_than_a_chunk_are_one_stream() {
        let values: Vec<f32> = (0..10_000_u16).map(f32::from).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(of_values(&values), of(bytes));
    }
}
