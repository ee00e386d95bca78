//! A CUDA device for the list of kernel cases: a real one, or the stand-in.

use std::sync::Once;

use goldrun::kernels::cuda::memory::{Value, View};
use goldrun::kernels::cuda::pointwise::Tile;
use goldrun::kernels::cuda::workbench::Workbench;
use goldrun::kernels::cuda::{Device, Kernels, Stream, Threads};
use goldrun::kernels::{Level, cuda};

use crate::support;

/// Set to `cuda`, cases run on the CUDA device alone: what the CPU gives was seen in another process.
pub(crate) const BACKENDS: &str = "GOLDRUN_BACKENDS";

/// Bytes of the arrays of a case at most.
const ROOM: u64 = 16 << 20;

/// The SIMD levels that cases run at.
pub(super) fn levels() -> Vec<Level> {
    if std::env::var(BACKENDS).is_ok_and(|backends| backends == "cuda") {
        vec![]
    } else {
        Level::available()
    }
}

/// A device with all kernels, in blocks of some size.
pub(super) struct Gpu {
    pub(super) kernels: Kernels,
    pub(super) threads: Threads,
    device: Device,
}

/// The arrays of a case.
pub(super) struct Room(Workbench);

impl Gpu {
    fn open(device: &Device, threads: Threads) -> Result<Self, cuda::Error> {
        Ok(Self {
            kernels: Kernels::with_threads(device, threads)?,
            threads,
            device: device.clone(),
        })
    }

    /// Each tile of products.
    pub(super) fn each_tile(&self) -> impl Iterator<Item = (&Self, Tile)> {
        self.kernels.pointwise.tiles().map(move |tile| (self, tile))
    }

    /// Each tile of weight gradients.
    pub(super) fn each_slices_tile(&self) -> impl Iterator<Item = (&Self, Tile)> {
        let tiles = self.kernels.pointwise.slices_tiles();
        tiles.map(move |tile| (self, tile))
    }

    /// Room for a case.
    pub(super) fn room(&self) -> Room {
        Room(Workbench::new(&self.device, ROOM).unwrap())
    }
}

impl Room {
    /// Where work is put.
    pub(super) fn stream(&self) -> &Stream {
        &self.0.stream
    }

    /// An array with these values.
    pub(super) fn put<T: Value>(&mut self, values: &[T]) -> View<T> {
        self.0.put(values).unwrap()
    }

    /// An array that is full of values that nobody expects.
    pub(super) fn floats(&mut self, len: usize) -> View<f32> {
        self.put(&vec![f32::NAN; len])
    }

    /// Sets the values of an array.
    pub(super) fn set<T: Value>(&self, view: View<T>, values: &[T]) {
        self.0.set(view, values).unwrap();
    }

    /// The values of an array, once all is done.
    pub(super) fn get<T: Value>(&self, view: View<T>) -> Vec<T> {
        self.0.get(view).unwrap()
    }

    /// An array without values.
    pub(super) fn array<T: Value>(&mut self, len: usize) -> View<T> {
        self.0.array(len)
    }
}

thread_local! {
    static GPUS: &'static [Gpu] = Box::leak(open().into_boxed_slice());
}

/// The device with blocks of three sizes; nothing where there is none.
fn open() -> Vec<Gpu> {
    const SIZES: [Threads; 2] = [
        Threads {
            elements: 32,
            chains: 32,
        },
        Threads {
            elements: 96,
            chains: 256,
        },
    ];
    let device = match Device::open() {
        Ok(device) => device,
        Err(error) => {
            static SAID: Once = Once::new();
            let name = "kernels on a CUDA device";
            SAID.call_once(|| support::skip_unless_required(name, "cuda", &error.sentence()));
            return vec![];
        }
    };
    std::iter::once(Threads::default())
        .chain(SIZES)
        .map(|threads| Gpu::open(&device, threads).unwrap())
        .collect()
}

/// The device, with blocks of each size.
pub(super) fn gpus() -> &'static [Gpu] {
    let gpus = GPUS.with(|gpus| *gpus);
    if let Some(gpu) = gpus.first() {
        gpu.device.make_current().unwrap();
    }
    gpus
}
