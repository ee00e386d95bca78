//! Vectors of x86-64. Every `unsafe` below is an intrinsic of the level's own feature, which the dispatch has
//! checked, or a load or store under the caller's contract.

// The intrinsics are a vocabulary; naming each would say nothing.
#![allow(clippy::undocumented_unsafe_blocks, clippy::wildcard_imports)]

use std::arch::x86_64::*;

use super::Lanes;

/// 8 lanes.
#[derive(Clone, Copy)]
pub struct Avx2(__m256);

impl Lanes for Avx2 {
    const N: usize = 8;
    const ROWS: usize = 6;
    type Half = f32;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { _mm256_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(unsafe { _mm256_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        Self(unsafe { _mm256_fmadd_ps(self.0, b.0, c.0) })
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Self(unsafe { _mm256_add_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        Self(unsafe { _mm256_sub_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        Self(unsafe { _mm256_mul_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        Self(unsafe { _mm256_div_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }
    #[inline(always)]
    unsafe fn relu6(self) -> Self {
        // The constant is the second operand: MAXPS and MINPS return it for NaN and equal zeros.
        Self(unsafe {
            _mm256_min_ps(
                _mm256_max_ps(self.0, _mm256_setzero_ps()),
                _mm256_set1_ps(6.0),
            )
        })
    }
    #[inline(always)]
    unsafe fn where_active(self, y: Self) -> Self {
        Self(unsafe {
            let above = _mm256_cmp_ps::<_CMP_GT_OQ>(y.0, _mm256_setzero_ps());
            let below = _mm256_cmp_ps::<_CMP_LT_OQ>(y.0, _mm256_set1_ps(6.0));
            _mm256_and_ps(_mm256_and_ps(above, below), self.0)
        })
    }
}

/// 16 lanes.
#[derive(Clone, Copy)]
pub struct Avx512(__m512);

impl Lanes for Avx512 {
    const N: usize = 16;
    const ROWS: usize = 12;
    type Half = Avx2;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { _mm512_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Self(unsafe { _mm512_add_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        Self(unsafe { _mm512_sub_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        Self(unsafe { _mm512_mul_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        Self(unsafe { _mm512_div_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }
    #[inline(always)]
    unsafe fn relu6(self) -> Self {
        Self(unsafe {
            _mm512_min_ps(
                _mm512_max_ps(self.0, _mm512_setzero_ps()),
                _mm512_set1_ps(6.0),
            )
        })
    }
    #[inline(always)]
    unsafe fn halves(low: Self, high: Self) -> Self {
        Self(unsafe { _mm512_mask_blend_ps(0xff00, low.0, high.0) })
    }
    #[inline(always)]
    unsafe fn load_halves(low: *const f32, high: *const f32) -> Self {
        Self(unsafe {
            let low = _mm512_castps256_ps512(_mm256_loadu_ps(low));
            let high = _mm256_castps_pd(_mm256_loadu_ps(high));
            _mm512_castpd_ps(_mm512_insertf64x4::<1>(_mm512_castps_pd(low), high))
        })
    }
    #[inline(always)]
    unsafe fn store_halves(self, low: *mut f32, high: *mut f32) {
        unsafe {
            let upper = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self.0));
            _mm256_storeu_ps(high, _mm256_castpd_ps(upper));
            _mm256_storeu_ps(low, _mm512_castps512_ps256(self.0));
        }
    }
    #[inline(always)]
    unsafe fn where_active(self, y: Self) -> Self {
        // As integers, the bits of 0 < y < 6 are those from 1 to one below 6's: one comparison, and a NaN,
        // a sign or a zero lies outside.
        Self(unsafe {
            let bits = _mm512_sub_epi32(_mm512_castps_si512(y.0), _mm512_set1_epi32(1));
            let end = _mm512_set1_epi32(6.0_f32.to_bits() as i32 - 1);
            _mm512_maskz_mov_ps(_mm512_cmplt_epu32_mask(bits, end), self.0)
        })
    }
}
