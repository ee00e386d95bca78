//! SIMD levels, found at run time.

/// How wide the kernels compute. The bits do not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Plain Rust, compiled with FMA where the machine has it.
    Scalar,
    /// 8 lanes: AVX2 and FMA.
    Avx2,
    /// 16 lanes: AVX-512F.
    Avx512,
}

impl Level {
    /// All levels, narrowest first.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];

    /// The widest level that this machine has.
    pub fn detect() -> Self {
        Self::ALL
            .into_iter()
            .rev()
            .find(|level| level.is_available())
            .unwrap_or(Self::Scalar)
    }

    /// True if this machine has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f") && Self::Avx2.is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// The levels that this machine has.
    pub fn available() -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|level| level.is_available())
            .collect()
    }

    /// The word for it on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// Defines a safe function that runs an `unsafe fn body::<T: Lanes>` at the level it is given: on plain
/// arrays (compiled twice, with and without FMA), on AVX2 and on AVX-512 registers.
macro_rules! at_level {
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
pub(super) use at_level;
