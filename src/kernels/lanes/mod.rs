//! A vector of f32: the few operations that the kernels are written in.
//!
//! Every operation is one IEEE-754 operation a lane, rounded once; `fma` is fused, nothing else is.

#[cfg(target_arch = "x86_64")]
mod x86;

/// A vector of [`Lanes::N`] values. Methods that take pointers need so many valid values behind them.
pub(super) trait Lanes: Copy {
    /// Lanes.
    const N: usize;
    /// Rows of a register tile of two vectors a row.
    const ROWS: usize;
    /// The next narrower vector, for what is left beside whole ones.
    type Half: Lanes;

    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(value: f32) -> Self;
    /// self · b + c, rounded once.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    unsafe fn sub(self, b: Self) -> Self;
    unsafe fn mul(self, b: Self) -> Self;
    unsafe fn div(self, b: Self) -> Self;
    unsafe fn sqrt(self) -> Self;
    /// min6(max0(self)): NaN and −0 become +0.
    unsafe fn relu6(self) -> Self;
    /// self where 0 < y < 6, else +0.
    unsafe fn where_active(self, y: Self) -> Self;

    /// The lower half of the lanes of one, the upper half of the other.
    #[inline(always)]
    unsafe fn halves(low: Self, high: Self) -> Self {
        let mut values = [[0.0; MOST_LANES]; 2];
        // SAFETY: there is room for every lane.
        unsafe {
            low.store(values[0].as_mut_ptr());
            high.store(values[1].as_mut_ptr());
            Self::load_halves(values[0].as_ptr(), values[1][Self::N / 2..].as_ptr())
        }
    }
    /// Half as many values as there are lanes from each address.
    #[inline(always)]
    unsafe fn load_halves(low: *const f32, high: *const f32) -> Self {
        let mut values = [0.0; MOST_LANES];
        for lane in 0..Self::N / 2 {
            // SAFETY: the caller's contract.
            unsafe {
                values[lane] = *low.add(lane);
                values[Self::N / 2 + lane] = *high.add(lane);
            }
        }
        // SAFETY: there is a value for every lane.
        unsafe { Self::load(values.as_ptr()) }
    }
    /// Half of the lanes to each address.
    #[inline(always)]
    unsafe fn store_halves(self, low: *mut f32, high: *mut f32) {
        let mut values = [0.0; MOST_LANES];
        // SAFETY: there is room for every lane, and the caller's contract.
        unsafe {
            self.store(values.as_mut_ptr());
            for lane in 0..Self::N / 2 {
                *low.add(lane) = values[lane];
                *high.add(lane) = values[Self::N / 2 + lane];
            }
        }
    }
}

/// Asks for the line of `at` before it is needed; any address will do.
#[inline(always)]
pub(super) fn prefetch(at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that every x86-64 has, and that never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks for the lines of `ROWS` rows of some vectors side by side, `stride` values apart.
#[inline(always)]
pub(super) fn prefetch_tile<L: Lanes, const VECTORS: usize, const ROWS: usize>(
    first: *const f32,
    stride: usize,
) {
    for row in 0..ROWS {
        for line in (0..VECTORS * L::N).step_by(LINE) {
            prefetch(first.wrapping_add(row * stride + line));
        }
    }
}

/// As [`prefetch`], for what is not needed soon: into the second-level cache.
#[inline(always)]
pub(super) fn prefetch_early(at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that every x86-64 has, and that never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Lanes of the widest vector.
pub(super) const MOST_LANES: usize = 16;
/// Values of a line of the caches.
pub(super) const LINE: usize = 16;

fn relu6(x: f32) -> f32 {
    let positive = if x > 0.0 { x } else { 0.0 };
    if positive < 6.0 { positive } else { 6.0 }
}

fn where_active(x: f32, y: f32) -> f32 {
    if y > 0.0 && y < 6.0 { x } else { 0.0 }
}

/// One value: what is left beside whole vectors.
impl Lanes for f32 {
    const N: usize = 1;
    const ROWS: usize = 6;
    type Half = f32;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's contract.
        unsafe { *from }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's contract.
        unsafe { *to = self }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        value
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        self + b
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        self - b
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        self * b
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        self / b
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    unsafe fn relu6(self) -> Self {
        relu6(self)
    }
    #[inline(always)]
    unsafe fn where_active(self, y: Self) -> Self {
        where_active(self, y)
    }
}

/// The reference: plain f32 in an array.
#[derive(Clone, Copy)]
pub(super) struct Plain([f32; PLAIN]);

const PLAIN: usize = 8;

impl Plain {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
    }
}

impl Lanes for Plain {
    const N: usize = PLAIN;
    const ROWS: usize = 6;
    type Half = f32;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's contract; an array of f32 is aligned as f32 is.
        Self(unsafe { *from.cast::<[f32; PLAIN]>() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as in `load`.
        unsafe { *to.cast::<[f32; PLAIN]>() = self.0 }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; PLAIN])
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        Self(std::array::from_fn(|lane| {
            self.0[lane].mul_add(b.0[lane], c.0[lane])
        }))
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        self.zip(b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        self.zip(b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        self.zip(b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        self.zip(b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        self.zip(self, |a, _| a.sqrt())
    }
    #[inline(always)]
    unsafe fn relu6(self) -> Self {
        self.zip(self, |a, _| relu6(a))
    }
    #[inline(always)]
    unsafe fn where_active(self, y: Self) -> Self {
        self.zip(y, where_active)
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

/// Calls `$column::<L, …>(place, …)` for every place of `$range`: whole vectors first, then narrower ones, then
/// value by value. Constant generic arguments of `$column` stand in brackets.
macro_rules! over_lanes {
    ($wide:ident, $range:expr, $column:ident $( [ $( $constant:tt ),* ] )? ( $( $arg:expr ),* $(,)? )) => {{
        let range: std::ops::Range<usize> = $range;
        let mut place = range.start;
        while place + $wide::N <= range.end {
            $column::<$wide $( $( , $constant )* )?>(place, $( $arg ),*);
            place += $wide::N;
        }
        while place + $wide::Half::N <= range.end {
            $column::<$wide::Half $( $( , $constant )* )?>(place, $( $arg ),*);
            place += $wide::Half::N;
        }
        while place < range.end {
            $column::<f32 $( $( , $constant )* )?>(place, $( $arg ),*);
            place += 1;
        }
    }};
}
pub(super) use over_lanes;
