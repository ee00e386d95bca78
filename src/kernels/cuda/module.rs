//! Kernels as PTX inside the binary, and loaded.
//!
//! The driver compiles PTX for the device it has and keeps the result in a cache of its own, so that only
//! the first run on a machine takes the seconds of it.

use std::ffi::CString;
use std::io::Read as _;
use std::sync::Arc;

use cudarc::driver::result;
use cudarc::driver::sys::{CUfunction, CUmodule};
use flate2::read::ZlibDecoder;

use super::Error;
use super::device::{Capability, Context, Device};

/// Kernels of one source file, packed, for each of the targets.
struct Packed {
    family: Family,
    /// For compute capability 8.0 and later.
    sm_80: &'static [u8],
    /// For 7.5: without copies beside computing.
    sm_75: &'static [u8],
}

/// Kernels of one source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Pointwise,
    Depthwise,
    FirstConvolution,
    Head,
    Update,
    Pixels,
}

macro_rules! packed {
    ($family:ident, $name:literal) => {
        Packed {
            family: Family::$family,
            sm_80: include_bytes!(concat!(env!("OUT_DIR"), "/sm_80/", $name, ".ptx.z")),
            sm_75: include_bytes!(concat!(env!("OUT_DIR"), "/sm_75/", $name, ".ptx.z")),
        }
    };
}

static FAMILIES: [Packed; 6] = [
    packed!(Pointwise, "pointwise"),
    packed!(Depthwise, "depthwise"),
    packed!(FirstConvolution, "first_convolution"),
    packed!(Head, "head"),
    packed!(Update, "update"),
    packed!(Pixels, "pixels"),
];

impl Family {
    const fn word(self) -> &'static str {
        match self {
            Self::Pointwise => "pointwise",
            Self::Depthwise => "depthwise",
            Self::FirstConvolution => "first_convolution",
            Self::Head => "head",
            Self::Update => "update",
            Self::Pixels => "pixels",
        }
    }
}

/// The PTX of a family for a device, as text.
fn unpack(packed: &Packed, capability: Capability) -> Result<CString, Error> {
    let image = if capability >= Capability::ASYNCHRONOUS_COPIES {
        packed.sm_80
    } else {
        packed.sm_75
    };
    let damaged = |reason: String| Error::Image {
        family: packed.family.word(),
        reason,
    };
    let mut text = Vec::new();
    ZlibDecoder::new(image)
        .read_to_end(&mut text)
        .map_err(|error| damaged(error.to_string()))?;
    CString::new(text).map_err(|error| damaged(error.to_string()))
}

/// A loaded module.
struct Module {
    raw: CUmodule,
    family: Family,
    _context: Arc<Context>,
}

// SAFETY: a module may be used from any thread whose context is current.
unsafe impl Send for Module {}
// SAFETY: as above; the driver locks where it must.
unsafe impl Sync for Module {}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: it was loaded once; work that uses it was waited for, or the device is lost.
        let _ = unsafe { result::module::unload(self.raw) };
    }
}

/// All kernels, loaded on a device.
#[derive(Clone)]
pub(super) struct Modules {
    modules: Arc<[Module]>,
    has_all_tiles: bool,
}

impl Modules {
    /// Loads all kernels; the driver compiles what it has not in its cache.
    pub(super) fn load(device: &Device) -> Result<Self, Error> {
        let modules: Result<Vec<Module>, Error> = FAMILIES
            .iter()
            .map(|packed| {
                let text = unpack(packed, device.description().capability)?;
                // SAFETY: the text ends with a zero byte.
                let raw = unsafe { result::module::load_data(text.as_ptr().cast()) }
                    .map_err(|error| Error::of("cuModuleLoadData", error))?;
                Ok(Module {
                    raw,
                    family: packed.family,
                    _context: Arc::clone(&device.context),
                })
            })
            .collect();
        Ok(Self {
            modules: modules?.into(),
            has_all_tiles: device.description().capability >= Capability::ASYNCHRONOUS_COPIES,
        })
    }

    /// True if products have all of their tiles; the PTX for older devices has some.
    pub(super) fn has_all_tiles(&self) -> bool {
        self.has_all_tiles
    }

    /// A kernel by its name.
    pub(super) fn function(&self, family: Family, name: &'static str) -> Result<Function, Error> {
        let missing = Error::Kernel {
            name,
            family: family.word(),
        };
        let module = self.modules.iter().find(|module| module.family == family);
        let (Some(module), Ok(text)) = (module, CString::new(name)) else {
            return Err(missing);
        };
        // SAFETY: the module is loaded.
        match unsafe { result::module::get_function(module.raw, text) } {
            Ok(raw) => Ok(Function {
                raw,
                _modules: self.clone(),
            }),
            Err(error) if error.0 == cudarc::driver::sys::CUresult::CUDA_ERROR_NOT_FOUND => {
                Err(missing)
            }
            Err(error) => Err(Error::of("cuModuleGetFunction", error)),
        }
    }
}

/// A kernel that can be launched.
pub(super) struct Function {
    pub(super) raw: CUfunction,
    /// Its module stays loaded.
    _modules: Modules,
}

// SAFETY: a kernel may be launched from any thread whose context is current.
unsafe impl Send for Function {}
