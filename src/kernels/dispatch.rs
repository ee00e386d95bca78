//! One body, compiled once for each instruction set.
//!
//! For kernels whose plain loop the compiler turns into vectors by itself. It neither reorders nor fuses
//! floating-point operations, so all copies give the same bits.

/// Calls a body, which must be `#[inline(always)]`, compiled for a [`Level`](super::Level).
///
/// ```text
/// at_level!(level, body(values: &mut [f32], factor: f32));
/// ```
/// Panics if the level is not there on this machine.
macro_rules! at_level {
    ($level:expr, $body:ident($($name:ident: $type:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn avx2($($name: $type),*) {
            $body($($name),*);
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f")]
        fn avx512($($name: $type),*) {
            $body($($name),*);
        }
        let level: $crate::kernels::Level = $level;
        assert!(level.is_available(), "{level:?} is not there on this machine");
        match level {
            // SAFETY: the level was just found to be there, with the features that it stands for.
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::Level::Avx2 => unsafe { avx2($($name),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::Level::Avx512 => unsafe { avx512($($name),*) },
            _ => $body($($name),*),
        }
    }};
}

pub(crate) use at_level;
