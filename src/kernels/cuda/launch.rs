//! Launches of kernels.

use std::ffi::c_void;

use cudarc::driver::result;

use super::Error;
use super::memory::{Value, View};
use super::module::Function;
use super::stream::Stream;

/// Arguments that a kernel has at most.
const MOST_ARGUMENTS: usize = 16;
/// Bytes of a by-value argument at most, in words of 8.
const MOST_WORDS: usize = 2 * MOST_ARGUMENTS;

/// Most blocks along y and z, where images and slices lie.
pub const MOST_IMAGES: usize = 65_535;

/// Blocks of a grid along x, y and z.
pub(super) type Grid = [usize; 3];

/// Threads of a block where a kernel takes any number; no bit depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    /// Where a thread has little to do.
    pub elements: usize,
    /// Where a thread computes a long chain: few, so that there are many blocks.
    pub chains: usize,
}

impl Default for Threads {
    fn default() -> Self {
        Self {
            elements: 128,
            chains: 64,
        }
    }
}

/// A block of so many threads along x.
pub(super) const fn block(threads: usize) -> [u32; 3] {
    [threads as u32, 1, 1]
}

/// Arguments of a kernel, in its order.
#[derive(Default)]
pub(super) struct Arguments {
    words: [u64; MOST_WORDS],
    used: usize,
    /// Where each argument begins in `words`.
    first: [usize; MOST_ARGUMENTS],
    count: usize,
}

impl Arguments {
    fn push(mut self, word: u64) -> Self {
        self.first[self.count] = self.used;
        self.count += 1;
        self.words[self.used] = word;
        self.used += 1;
        self
    }

    /// An array.
    pub(super) fn view<T: Value>(self, view: View<T>) -> Self {
        self.push(view.address())
    }

    /// An array that may be left out.
    pub(super) fn optional<T: Value>(self, view: Option<View<T>>) -> Self {
        self.push(view.map_or(0, View::address))
    }

    /// A size or a number.
    ///
    /// # Panics
    /// If it is 2^31 or more.
    pub(super) fn int(self, number: usize) -> Self {
        let number = i32::try_from(number).expect("sizes of a kernel are below 2^31");
        // The low half comes first in memory: CUDA's hosts are little-endian.
        self.push(number as u64)
    }

    /// A number of 64 bits.
    pub(super) fn long(self, number: usize) -> Self {
        self.push(number as u64)
    }

    /// A word.
    pub(super) fn word(self, word: u32) -> Self {
        self.push(u64::from(word))
    }

    /// A float.
    pub(super) fn float(self, number: f32) -> Self {
        self.push(u64::from(number.to_bits()))
    }

    /// A structure of 32-bit members, by value.
    pub(super) fn members(mut self, members: &[u32]) -> Self {
        self.first[self.count] = self.used;
        self.count += 1;
        for pair in members.chunks(2) {
            let high = pair.get(1).copied().unwrap_or(0);
            self.words[self.used] = u64::from(pair[0]) | u64::from(high) << 32;
            self.used += 1;
        }
        self
    }
}

/// Puts a kernel into a stream.
///
/// # Panics
/// If the grid is larger than devices take.
pub(super) fn launch(
    stream: &Stream,
    function: &Function,
    grid: Grid,
    block: [u32; 3],
    arguments: &Arguments,
) -> Result<(), Error> {
    if grid.contains(&0) {
        return Ok(());
    }
    assert!(i32::try_from(grid[0]).is_ok(), "a grid of {grid:?}");
    assert!(grid[1].max(grid[2]) <= MOST_IMAGES, "a grid of {grid:?}");
    let Arguments {
        mut words,
        first,
        count,
        ..
    } = *arguments;
    let mut pointers = [std::ptr::null_mut::<c_void>(); MOST_ARGUMENTS];
    for (pointer, &first) in pointers.iter_mut().zip(&first[..count]) {
        *pointer = words[first..].as_mut_ptr().cast();
    }
    let [x, y, z] = grid.map(|blocks| blocks as u32);
    // SAFETY: the function is loaded; the driver copies the arguments before it returns, as many and as
    // large as the kernel's own declaration says, which the callers in this room follow. What the kernel
    // reads and writes is memory of the device.
    unsafe {
        result::launch_kernel(
            function.raw,
            (x, y, z),
            (block[0], block[1], block[2]),
            0,
            stream.raw(),
            &mut pointers[..count],
        )
    }
    .map_err(|error| Error::of("cuLaunchKernel", error))
}
