//! The same arithmetic on a CUDA device, with the same bits (docs/arithmetic.md, docs/cuda.md).
//!
//! A `.cu` file holds the kernels of a family and the `.rs` beside it launches them, after it has checked
//! that arrays are as long as the kernels take them to be. Nothing here is linked: the driver is looked for
//! when the program asks for a device, and the kernels are in the binary as PTX.

pub mod depthwise;
pub mod device;
mod error;
pub mod first_convolution;
pub mod head;
mod launch;
pub mod memory;
mod module;
mod pinned;
pub mod pixels;
pub mod pointwise;
mod stream;
pub mod update;
pub mod vectors;
pub mod workbench;

pub use device::Device;
pub use error::Error;
pub use launch::{MOST_IMAGES, Threads};
pub use pinned::Pinned;
pub use stream::{Event, Graph, Priority, Stream};

use std::thread::JoinHandle;

use module::Modules;

/// Kernels that are being loaded by a thread of their own: on a new machine the driver takes seconds.
pub struct Loading(JoinHandle<Result<Kernels, Error>>);

impl Loading {
    /// Begins.
    pub fn begin(device: &Device) -> Self {
        let device = device.clone();
        Self(std::thread::spawn(move || {
            device.make_current()?;
            Kernels::load(&device)
        }))
    }

    /// Waits for them.
    ///
    /// # Panics
    /// If that thread did.
    pub fn finish(self) -> Result<Kernels, Error> {
        let loaded = self.0.join();
        loaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// All kernels, loaded on a device.
pub struct Kernels {
    /// Products of matrices.
    pub pointwise: pointwise::Pointwise,
    /// Depthwise convolutions.
    pub depthwise: depthwise::Depthwise,
    /// The convolution on pictures.
    pub first_convolution: first_convolution::FirstConvolution,
    /// Pool, dropout, losses.
    pub head: head::Head,
    /// Optimizers and folding.
    pub update: update::Update,
    /// Pictures.
    pub pixels: pixels::Pixels,
}

impl Kernels {
    /// Loads all kernels; the driver compiles those that it has not in its cache.
    pub fn load(device: &Device) -> Result<Self, Error> {
        Self::with_threads(device, Threads::default())
    }

    /// The same with other blocks where a kernel takes any.
    pub fn with_threads(device: &Device, threads: Threads) -> Result<Self, Error> {
        let modules = Modules::load(device)?;
        Ok(Self {
            pointwise: pointwise::Pointwise::load(&modules, threads)?,
            depthwise: depthwise::Depthwise::load(&modules, threads)?,
            first_convolution: first_convolution::FirstConvolution::load(&modules, threads)?,
            head: head::Head::load(&modules, threads)?,
            update: update::Update::load(&modules)?,
            pixels: pixels::Pixels::load(&modules, threads)?,
        })
    }
}
