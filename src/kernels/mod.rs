//! The arithmetic: slices in, slices out, the same bits at every SIMD level (docs/arithmetic.md).
//!
//! Each operation is one body over `Lanes`; the scalar level runs it on plain arrays of f32, which
//! is the reference, the others on vector registers. Lanes, and the threads of the callers, divide outputs
//! and never a sum. Slices of a wrong length are a programming error and panic.

// A kernel takes its sizes and slices one by one: a struct for each would hide what is read and written.
#![allow(clippy::too_many_arguments)]
// Taps are counted: `ky`, `kx` index the kernel, the image and the tap at once.
#![allow(clippy::needless_range_loop)]

pub mod batch_norm;
mod block;
mod buffer;
pub mod cuda;
pub mod depthwise;
mod dispatch;
pub mod dropout;
pub mod elementary;
pub mod environment;
pub mod first_convolution;
pub mod flip;
mod lanes;
mod level;
pub mod loss;
pub mod optimizer;
pub mod pointwise;
pub mod pool;
pub mod preprocess;
pub mod resize;
pub mod rotate;
mod tiles;
pub mod vectors;

pub use block::{Block, Sum};
pub use buffer::{Buffer, buffer, zeros};
pub use level::Level;
pub use tiles::{Tiles, copy_columns};
