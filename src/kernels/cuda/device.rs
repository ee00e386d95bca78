//! The driver, a device and its context.

use std::fmt;
use std::sync::Arc;

use cudarc::driver::result;
use cudarc::driver::sys::{self, CUdevice_attribute, CUresult};

use super::Error;

/// A version of CUDA, as drivers state what they know: 1000 · major + 10 · minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub i32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 1000, self.0 % 1000 / 10)
    }
}

/// The CUDA whose PTX this binary holds (PTX 7.8).
pub const DRIVER_NEEDED: Version = Version(11080);
/// The first release of NVIDIA's driver that knows it.
pub const RELEASE_NEEDED: &str = "520";

/// Compute capability of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability {
    /// Before the point.
    pub major: i32,
    /// After it.
    pub minor: i32,
}

impl Capability {
    /// The least that kernels are built for.
    pub const NEEDED: Self = Self { major: 7, minor: 5 };
    /// The least that copies into shared memory beside computing.
    pub(super) const ASYNCHRONOUS_COPIES: Self = Self { major: 8, minor: 0 };
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What the driver says of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its compute capability.
    pub capability: Capability,
    /// Its memory in bytes.
    pub memory: u64,
    /// Its multiprocessors.
    pub multiprocessors: u32,
    /// Cycles of a multiprocessor in a second, at most.
    pub clock: f64,
}

impl Description {
    /// Operations of 32-bit floats that it can do in a second at most, a fused multiply-add as two.
    pub fn peak(&self) -> f64 {
        /// Operations of a fused multiply-add.
        const FMA: f64 = 2.0;
        // Units of a multiprocessor, as the CUDA C++ Programming Guide has them.
        let units = match (self.capability.major, self.capability.minor) {
            (7, _) | (8, 0) => 64.0,
            _ => 128.0,
        };
        FMA * units * f64::from(self.multiprocessors) * self.clock
    }
}

/// The newest CUDA that the driver knows; no driver is an error, an old one is not.
pub fn driver() -> Result<Version, Error> {
    // SAFETY: loading a library runs its initialisers; this is the driver that the machine's owner installed.
    if !unsafe { sys::is_culib_present() } {
        return Err(Error::NoDriver);
    }
    let mut version = 0;
    // SAFETY: the call writes one integer, and may come before cuInit.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }
        .result()
        .map_err(|error| Error::of("cuDriverGetVersion", error))?;
    Ok(Version(version))
}

/// Starts the driver, if it is there and new enough.
fn start() -> Result<(), Error> {
    let found = driver()?;
    if found < DRIVER_NEEDED {
        return Err(Error::OldDriver { found });
    }
    result::init().map_err(|error| Error::of("cuInit", error))
}

/// All devices that the driver shows.
pub fn devices() -> Result<Vec<Description>, Error> {
    start()?;
    let count = result::device::get_count().map_err(|e| Error::of("cuDeviceGetCount", e))?;
    (0..count)
        .map(|ordinal| {
            let device = result::device::get(ordinal).map_err(|e| Error::of("cuDeviceGet", e))?;
            describe(device)
        })
        .collect()
}

fn describe(device: sys::CUdevice) -> Result<Description, Error> {
    use CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_CLOCK_RATE as KILOHERTZ,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
        CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT as MULTIPROCESSORS,
    };
    let attribute = |which| {
        // SAFETY: the device comes from cuDeviceGet.
        unsafe { result::device::get_attribute(device, which) }
            .map_err(|error| Error::of("cuDeviceGetAttribute", error))
    };
    let capability = Capability {
        major: attribute(MAJOR)?,
        minor: attribute(MINOR)?,
    };
    let name = result::device::get_name(device).map_err(|e| Error::of("cuDeviceGetName", e))?;
    // SAFETY: as above.
    let memory = unsafe { result::device::total_mem(device) }
        .map_err(|error| Error::of("cuDeviceTotalMem", error))?;
    Ok(Description {
        name,
        capability,
        memory: memory as u64,
        multiprocessors: attribute(MULTIPROCESSORS)? as u32,
        clock: f64::from(attribute(KILOHERTZ)?) * 1e3,
    })
}

/// The primary context of a device, retained.
pub(super) struct Context {
    raw: sys::CUcontext,
    device: sys::CUdevice,
}

// SAFETY: a context may be used from any thread that makes it current.
unsafe impl Send for Context {}
// SAFETY: as above; the driver locks where it must.
unsafe impl Sync for Context {}

impl Context {
    /// Makes it the one that calls of this thread mean.
    fn make_current(&self) -> Result<(), Error> {
        // SAFETY: it is retained until it is dropped.
        unsafe { result::ctx::set_current(self.raw) }
            .map_err(|error| Error::of("cuCtxSetCurrent", error))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it was retained once. A device that is lost refuses this too, and nothing is left to do.
        let _ = unsafe { result::primary_ctx::release(self.device) };
    }
}

/// An open device: the first that the driver shows (`CUDA_VISIBLE_DEVICES` chooses).
#[derive(Clone)]
pub struct Device {
    pub(super) context: Arc<Context>,
    description: Arc<Description>,
    driver: Version,
}

impl Device {
    /// Opens the first device, if it can run our kernels.
    pub fn open() -> Result<Self, Error> {
        start()?;
        let count = result::device::get_count().map_err(|e| Error::of("cuDeviceGetCount", e))?;
        if count == 0 {
            return Err(Error::NoDevice);
        }
        let device = result::device::get(0).map_err(|e| Error::of("cuDeviceGet", e))?;
        let description = describe(device)?;
        if description.capability < Capability::NEEDED {
            return Err(Error::Capability {
                name: description.name,
                found: description.capability,
            });
        }
        // SAFETY: the device comes from cuDeviceGet.
        let raw = unsafe { result::primary_ctx::retain(device) }
            .map_err(|error| Error::of("cuDevicePrimaryCtxRetain", error))?;
        let opened = Self {
            context: Arc::new(Context { raw, device }),
            description: Arc::new(description),
            driver: driver()?,
        };
        opened.make_current()?;
        Ok(opened)
    }

    /// Makes it the device that calls of this thread mean; each thread that works with it begins so.
    pub fn make_current(&self) -> Result<(), Error> {
        self.context.make_current()
    }

    /// What the driver says of it.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The newest CUDA that its driver knows.
    pub fn driver(&self) -> Version {
        self.driver
    }

    /// Bytes of memory that are free.
    pub fn free_memory(&self) -> Result<u64, Error> {
        let (free, _) = result::mem_get_info().map_err(|e| Error::of("cuMemGetInfo", e))?;
        Ok(free as u64)
    }
}

/// True if a call failed because there is no memory left.
pub(super) fn is_out_of_memory(error: result::DriverError) -> bool {
    error.0 == CUresult::CUDA_ERROR_OUT_OF_MEMORY
}
