//! Arrays that come from the host and go back there, for looking at single kernels.

use super::Pinned;
use super::memory::{Memory, Plan, Value, View};
use super::{Device, Error, Stream};

/// Arrays on a device, and a stream to work on them.
pub struct Workbench {
    /// Where work is put.
    pub stream: Stream,
    plan: Plan,
    _memory: Memory,
    device: Device,
}

impl Workbench {
    /// Room for arrays of so many bytes in all.
    pub fn new(device: &Device, bytes: u64) -> Result<Self, Error> {
        let memory = Memory::allocate(device, bytes)?;
        Ok(Self {
            stream: Stream::new(device, super::Priority::Usual)?,
            plan: memory.plan(),
            _memory: memory,
            device: device.clone(),
        })
    }

    /// An array without values.
    ///
    /// # Panics
    /// If there is no room for it, here and below.
    pub fn array<T: Value>(&mut self, len: usize) -> View<T> {
        self.plan.array(len)
    }

    /// An array with these values.
    pub fn put<T: Value>(&mut self, values: &[T]) -> Result<View<T>, Error> {
        let view = self.plan.array(values.len());
        self.set(view, values)?;
        Ok(view)
    }

    /// Sets the values of an array.
    ///
    /// # Panics
    /// If it has another length.
    pub fn set<T: Value>(&self, view: View<T>, values: &[T]) -> Result<(), Error> {
        let mut pinned = Pinned::new(&self.device, values.len())?;
        pinned.values()?.copy_from_slice(values);
        pinned.upload(&self.stream, view)
    }

    /// The values of an array, once all is done.
    pub fn get<T: Value>(&self, view: View<T>) -> Result<Vec<T>, Error> {
        let mut pinned = Pinned::new(&self.device, view.len())?;
        pinned.download(&self.stream, view)?;
        Ok(pinned.values()?.to_vec())
    }
}
