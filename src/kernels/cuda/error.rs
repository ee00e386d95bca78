//! What can go wrong with a CUDA device.

use cudarc::driver::DriverError;
use cudarc::driver::sys::CUresult;

use super::device::{Capability, DRIVER_NEEDED, RELEASE_NEEDED, Version};

/// Bytes in a mebibyte.
const MIB: u64 = 1 << 20;

/// Why a CUDA device cannot be used, or failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The driver's library is not there.
    #[error(
        "no CUDA driver on this machine (libcuda.so.1 cannot be loaded)\n\
         hint: install NVIDIA's driver, {RELEASE_NEEDED} or later, or use `--device cpu`, which gives the same bits"
    )]
    NoDriver,
    /// The driver does not know our PTX.
    #[error(
        "the CUDA driver is too old: it knows CUDA {found}, and CUDA {DRIVER_NEEDED} is needed\n\
         hint: update NVIDIA's driver to {RELEASE_NEEDED} or later, or use `--device cpu`, which gives the same bits"
    )]
    OldDriver {
        /// The newest CUDA that it knows.
        found: Version,
    },
    /// There is a driver and no device.
    #[error(
        "the CUDA driver finds no device\n\
         hint: `nvidia-smi` lists devices, and CUDA_VISIBLE_DEVICES may hide them; `--device cpu` gives the same bits"
    )]
    NoDevice,
    /// The device is older than our kernels can be.
    #[error(
        "{name} has compute capability {found}, and {} is needed\n\
         hint: use `--device cpu`, which gives the same bits",
        Capability::NEEDED
    )]
    Capability {
        /// The device's name.
        name: String,
        /// What it has.
        found: Capability,
    },
    /// The device has too little memory for the work.
    #[error(
        "not enough memory on the CUDA device: at least {} MiB are needed and {} MiB are free\n\
         hint: end what else runs on the device, make `input.batch_size` smaller, or use `--device cpu`, which gives the same bits",
        needed.div_ceil(MIB), free / MIB
    )]
    Memory {
        /// Bytes that the smallest way to do it takes.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A batch is larger than a grid.
    #[error(
        "a batch of {images} images is more than a launch on a CUDA device takes, {}\n\
         hint: make `input.batch_size` smaller, or use `--device cpu`",
        super::MOST_IMAGES
    )]
    Batch {
        /// Images of the batch.
        images: usize,
    },
    /// A kernel is not in its PTX: the two are of different builds.
    #[error("kernel `{name}` is not in the PTX of this build ({family})")]
    Kernel {
        /// Its name.
        name: &'static str,
        /// The family whose PTX was loaded.
        family: &'static str,
    },
    /// The PTX inside this binary cannot be unpacked.
    #[error("the PTX of {family} inside this binary is damaged: {reason}")]
    Image {
        /// The family.
        family: &'static str,
        /// What unpacking says.
        reason: String,
    },
    /// Nothing more can be done with the device.
    #[error(
        "the CUDA device was lost in {call}: {reason}\n\
         hint: `dmesg` and `nvidia-smi` may say why; nothing was recorded, run it again or use `--device cpu`"
    )]
    Lost {
        /// What was asked of the driver.
        call: &'static str,
        /// What the driver says.
        reason: String,
    },
    /// The driver refused.
    #[error(
        "{call} failed: {reason}\nhint: `goldrun doctor --device cuda` tries the device; `--device cpu` gives the same bits"
    )]
    Call {
        /// What was asked of the driver.
        call: &'static str,
        /// What the driver says.
        reason: String,
    },
}

impl Error {
    /// What it says, without the hint.
    pub fn sentence(&self) -> String {
        let text = self.to_string();
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// The error of a driver call.
    pub(super) fn of(call: &'static str, error: DriverError) -> Self {
        let reason = reason(error);
        if error.0 == CUresult::CUDA_ERROR_NO_DEVICE {
            Self::NoDevice
        } else if is_lost(error.0) {
            Self::Lost { call, reason }
        } else {
            Self::Call { call, reason }
        }
    }
}

/// After these the driver refuses everything in this process.
fn is_lost(code: CUresult) -> bool {
    matches!(
        code,
        CUresult::CUDA_ERROR_DEINITIALIZED
            | CUresult::CUDA_ERROR_ECC_UNCORRECTABLE
            | CUresult::CUDA_ERROR_NVLINK_UNCORRECTABLE
            | CUresult::CUDA_ERROR_ILLEGAL_ADDRESS
            | CUresult::CUDA_ERROR_LAUNCH_TIMEOUT
            | CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED
            | CUresult::CUDA_ERROR_ASSERT
            | CUresult::CUDA_ERROR_HARDWARE_STACK_ERROR
            | CUresult::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | CUresult::CUDA_ERROR_MISALIGNED_ADDRESS
            | CUresult::CUDA_ERROR_INVALID_ADDRESS_SPACE
            | CUresult::CUDA_ERROR_INVALID_PC
            | CUresult::CUDA_ERROR_LAUNCH_FAILED
            | CUresult::CUDA_ERROR_UNKNOWN
    )
}

/// Name and text of an error, as far as the driver has them.
fn reason(error: DriverError) -> String {
    let text = |found: Result<&std::ffi::CStr, DriverError>| {
        found.ok().map(|text| text.to_string_lossy().into_owned())
    };
    let number = error.0 as u32;
    match (text(error.error_name()), text(error.error_string())) {
        (Some(name), Some(text)) => format!("{text} ({name}, {number})"),
        (Some(name), None) => format!("{name} ({number})"),
        _ => format!("error {number}"),
    }
}
