//! Memory of the device, and what lies where in it.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use cudarc::driver::result;

use super::Error;
use super::device::{Context, Device, is_out_of_memory};

/// Where values of an array may begin, in bytes: what the driver aligns allocations to.
const ALIGNMENT: u64 = 256;

/// Values of four bytes each.
pub trait Value: Copy + Default + 'static {}

impl Value for f32 {}
impl Value for u32 {}

/// Bytes of a value.
const VALUE: u64 = 4;

/// Memory of a device, allocated once.
pub struct Memory {
    address: u64,
    bytes: u64,
    /// Kept until this is gone.
    _context: Arc<Context>,
}

impl Memory {
    /// Allocates so many bytes.
    pub fn allocate(device: &Device, bytes: u64) -> Result<Self, Error> {
        // SAFETY: what is in it is read by nobody before it is written: the engine's plan says so.
        match unsafe { result::malloc_sync(bytes as usize) } {
            Ok(address) => Ok(Self {
                address,
                bytes,
                _context: Arc::clone(&device.context),
            }),
            Err(error) if is_out_of_memory(error) => Err(Error::Memory {
                needed: bytes,
                free: device.free_memory()?,
            }),
            Err(error) => Err(Error::of("cuMemAlloc", error)),
        }
    }

    /// What is to lie in it.
    pub fn plan(&self) -> Plan {
        Plan {
            first: self.address,
            next: self.address,
            end: self.address + self.bytes,
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Nobody uses it any more: work on it was waited for, or the device is lost and refuses this too.
        // SAFETY: it was allocated once, in this context.
        let _ = unsafe { result::free_sync(self.address) };
    }
}

/// What is to lie in a device's memory: one array after another.
///
/// What is made with a plan for no memory tells how much it takes, and must not be used.
#[derive(Clone, Debug)]
pub struct Plan {
    first: u64,
    next: u64,
    end: u64,
}

impl Plan {
    /// A plan for no memory, to see how much is needed.
    pub fn for_none() -> Self {
        Self {
            first: 0,
            next: 0,
            end: u64::MAX,
        }
    }

    /// A place for `len` values, which nothing else has.
    ///
    /// # Panics
    /// If the memory is not as large as an equal plan for none said.
    pub fn array<T: Value>(&mut self, len: usize) -> View<T> {
        let address = self.next;
        self.next += (len as u64 * VALUE).next_multiple_of(ALIGNMENT);
        assert!(
            self.next <= self.end,
            "more is planned than memory was allocated"
        );
        View {
            address,
            len,
            values: PhantomData,
        }
    }

    /// Bytes of all arrays.
    pub fn bytes(&self) -> u64 {
        self.next - self.first
    }
}

/// Values in a device's memory.
///
/// It may outlive its [`Memory`]; then the device faults, which is an error and touches nothing of the host.
#[derive(Debug)]
pub struct View<T> {
    address: u64,
    len: usize,
    values: PhantomData<T>,
}

/// 32-bit floats in a device's memory.
pub type Floats = View<f32>;
/// 32-bit words in a device's memory.
pub type Words = View<u32>;

impl<T> Clone for View<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<T> {}

impl<T: Value> View<T> {
    /// Number of values.
    pub fn len(self) -> usize {
        self.len
    }

    /// True if there are none.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Some of them.
    ///
    /// # Panics
    /// If they are not all there.
    #[must_use]
    pub fn part(self, range: Range<usize>) -> Self {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "{range:?} of {}",
            self.len
        );
        Self {
            address: self.address + range.start as u64 * VALUE,
            len: range.len(),
            values: PhantomData,
        }
    }

    /// The first `len` of them.
    #[must_use]
    pub fn first(self, len: usize) -> Self {
        self.part(0..len)
    }

    /// The same bits as other values.
    #[must_use]
    pub fn cast<U: Value>(self) -> View<U> {
        View {
            address: self.address,
            len: self.len,
            values: PhantomData,
        }
    }

    /// Address of the first one.
    pub(super) fn address(self) -> u64 {
        self.address
    }
}
