//! One body, compiled once for each instruction set, and the choice between the copies at run time.
//!
//! [`lanes_at_level`] is for bodies that are written over a vector of [`lanes`](super::lanes), whose `fma` is
//! one instruction; [`loop_at_level`] for plain loops that the compiler turns into vectors by itself. It
//! neither reorders nor fuses floating-point operations, so all copies give the same bits.

/// Defines a safe function that runs an `unsafe fn body::<T: Lanes>` at the level it is given: on plain
/// arrays (compiled twice, with and without FMA), on AVX2 and on AVX-512 registers.
macro_rules! lanes_at_level {
    (fn $name:ident ( $( $arg:ident : $type:ty ),* $(,)? ) = $body:ident) => {
        #[allow(clippy::too_many_arguments)]
        fn $name(level: $crate::kernels::Level, $( $arg: $type ),*) {
            use $crate::kernels::lanes;
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "fma")]
            unsafe fn with_fma($( $arg: $type ),*) {
                // SAFETY: the caller's contract is the body's.
                unsafe { $body::<lanes::Plain>($( $arg ),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn with_avx2($( $arg: $type ),*) {
                // SAFETY: the caller's contract is the body's.
                unsafe { $body::<lanes::Avx2>($( $arg ),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            unsafe fn with_avx512($( $arg: $type ),*) {
                // SAFETY: the caller's contract is the body's.
                unsafe { $body::<lanes::Avx512>($( $arg ),*) }
            }
            assert!(level.is_available(), "{level:?} on a machine without it");
            // SAFETY: the level is available, so its instructions are; lengths were checked by the caller.
            unsafe {
                match level {
                    #[cfg(target_arch = "x86_64")]
                    $crate::kernels::Level::Avx512 => with_avx512($( $arg ),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::kernels::Level::Avx2 => with_avx2($( $arg ),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::kernels::Level::Scalar if is_x86_feature_detected!("fma") => {
                        with_fma($( $arg ),*)
                    }
                    _ => $body::<lanes::Plain>($( $arg ),*),
                }
            }
        }
    };
}

/// Calls a body, which must be `#[inline(always)]`, compiled for a [`Level`](super::Level), without FMA.
///
/// ```text
/// loop_at_level!(level, body(values: &mut [f32], factor: f32));
/// ```
/// Panics if the level is not there on this machine.
macro_rules! loop_at_level {
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

pub(super) use {lanes_at_level, loop_at_level};
