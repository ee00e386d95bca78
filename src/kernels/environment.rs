//! The floating-point environment: rounding to nearest, subnormals kept.
//!
//! A thread inherits it from its creator, so a library that flushes subnormals would change bits unseen.

/// The environment is not the one that the arithmetic is defined in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "floating-point environment changed: control register {found:#x}, expected rounding to nearest with subnormals kept\nhint: something in this process sets flush-to-zero or another rounding; run goldrun by itself"
)]
pub struct Changed {
    /// The control register.
    pub found: u64,
}

/// Bits of MXCSR that are control and not sticky flags.
#[cfg(target_arch = "x86_64")]
const MXCSR_CONTROL: u32 = 0xFFC0;
/// All exceptions masked, rounding to nearest, neither FTZ nor DAZ.
#[cfg(target_arch = "x86_64")]
const MXCSR_EXPECTED: u32 = 0x1F80;

/// Checks the environment of the current thread; only reads it.
#[cfg(target_arch = "x86_64")]
pub fn check() -> Result<(), Changed> {
    let mut register = 0_u32;
    // SAFETY: stmxcsr only stores the register to the four bytes given.
    unsafe {
        std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut register, options(nostack));
    }
    judge(register)
}

#[cfg(target_arch = "x86_64")]
fn judge(register: u32) -> Result<(), Changed> {
    if register & MXCSR_CONTROL == MXCSR_EXPECTED {
        Ok(())
    } else {
        Err(Changed {
            found: u64::from(register),
        })
    }
}

/// Checks the environment of the current thread; only reads it.
#[cfg(target_arch = "aarch64")]
pub fn check() -> Result<(), Changed> {
    /// FZ (24) and RMode (22, 23).
    const CONTROL: u64 = 0b111 << 22;
    let register: u64;
    // SAFETY: mrs only reads the register.
    unsafe {
        std::arch::asm!("mrs {}, fpcr", out(reg) register, options(nomem, nostack));
    }
    if register & CONTROL == 0 {
        Ok(())
    } else {
        Err(Changed { found: register })
    }
}

/// Elsewhere there is nothing to check.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn check() -> Result<(), Changed> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn tests_run_in_the_defined_environment() {
        assert_eq!(super::check(), Ok(()));
    }

    /// The register itself must not be written: that is undefined behaviour in Rust.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn control_bits_are_judged_and_flags_are_not() {
        const FLUSH_TO_ZERO: u32 = 1 << 15;
        const DENORMALS_ARE_ZERO: u32 = 1 << 6;
        const ROUND_UP: u32 = 0b10 << 13;
        const STICKY_FLAGS: u32 = 0x3F;
        let expected = super::MXCSR_EXPECTED;
        assert_eq!(super::judge(expected | STICKY_FLAGS), Ok(()));
        for bit in [FLUSH_TO_ZERO, DENORMALS_ARE_ZERO, ROUND_UP] {
            let found = u64::from(expected | bit);
            assert_eq!(super::judge(expected | bit), Err(super::Changed { found }));
        }
    }
}
