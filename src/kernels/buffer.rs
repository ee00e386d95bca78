//! Memory for values.

use aligned_vec::{AVec, avec};

/// Values that begin where a line of the caches does. The widest vector is a line long: in a buffer that begins
/// elsewhere every one of its loads and stores meets two, and a depthwise convolution takes up to twice as long.
pub type Buffer = AVec<f32>;

/// A buffer of `len` zeros.
pub fn zeros(len: usize) -> Buffer {
    avec![0.0; len]
}

/// A buffer of these values.
pub fn buffer(values: &[f32]) -> Buffer {
    let mut copy = zeros(values.len());
    copy.copy_from_slice(values);
    copy
}
