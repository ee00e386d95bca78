//! Global average pool.

use super::Level;
use super::dispatch::lanes_at_level;
use super::lanes::{Lanes, over_lanes};

/// Mean of one image `[pixels][c]` over its pixels: a chain of additions from +0, then a division.
///
/// # Panics
/// If lengths do not fit.
pub fn forward(level: Level, x: &[f32], pixels: usize, out: &mut [f32]) {
    assert_eq!(x.len(), pixels * out.len());
    run_forward(level, x, pixels, out);
}

lanes_at_level!(
    fn run_forward(x: &[f32], pixels: usize, out: &mut [f32]) = forward_body
);

#[inline(always)]
unsafe fn forward_body<L: Lanes>(x: &[f32], pixels: usize, out: &mut [f32]) {
    #[inline(always)]
    unsafe fn column<L: Lanes>(at: usize, x: &[f32], pixels: usize, out: &mut [f32]) {
        // SAFETY: `at` and the lanes after it lie inside a row.
        unsafe {
            let mut sum = L::splat(0.0);
            for pixel in x.chunks_exact(out.len()) {
                sum = sum.add(L::load(pixel.as_ptr().add(at)));
            }
            sum.div(L::splat(pixels as f32))
                .store(out.as_mut_ptr().add(at));
        }
    }
    // SAFETY: lengths were checked.
    unsafe { over_lanes!(L, 0..out.len(), column(x, pixels, out)) }
}

/// `g ÷ pixels` to each pixel of one image, kept where 0 < mask < 6.
///
/// # Panics
/// If lengths do not fit.
pub fn backward(level: Level, g: &[f32], pixels: usize, mask: Option<&[f32]>, out: &mut [f32]) {
    assert_eq!(out.len(), pixels * g.len());
    assert!(mask.is_none_or(|mask| mask.len() == out.len()));
    run_backward(level, g, pixels, mask, out);
}

lanes_at_level!(
    fn run_backward(g: &[f32], pixels: usize, mask: Option<&[f32]>, out: &mut [f32]) = backward_body
);

#[inline(always)]
unsafe fn backward_body<L: Lanes>(g: &[f32], pixels: usize, mask: Option<&[f32]>, out: &mut [f32]) {
    #[inline(always)]
    unsafe fn column<L: Lanes>(
        at: usize,
        g: &[f32],
        pixels: usize,
        mask: Option<&[f32]>,
        out: &mut [f32],
    ) {
        // SAFETY: `at` and the lanes after it lie inside a row.
        unsafe {
            let share = L::load(g.as_ptr().add(at)).div(L::splat(pixels as f32));
            for pixel in 0..pixels {
                let place = pixel * g.len() + at;
                let value = match mask {
                    Some(mask) => share.where_active(L::load(mask.as_ptr().add(place))),
                    None => share,
                };
                value.store(out.as_mut_ptr().add(place));
            }
        }
    }
    // SAFETY: lengths were checked.
    unsafe { over_lanes!(L, 0..g.len(), column(g, pixels, mask, out)) }
}
