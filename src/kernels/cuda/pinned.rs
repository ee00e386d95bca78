//! Memory of the host that a device copies from and to.

use cudarc::driver::result;

use super::Error;
use super::device::Device;
use super::memory::{Value, View};
use super::stream::{Event, Stream};

/// Memory of the host that the device copies from and to beside other work.
///
/// It knows the last copy, so that nobody reads or changes values that are still on their way.
pub struct Pinned<T> {
    values: *mut T,
    len: usize,
    copied: Event,
    is_copying: bool,
}

impl<T: Value> Pinned<T> {
    /// Memory for `len` values, all zero.
    pub fn new(device: &Device, len: usize) -> Result<Self, Error> {
        let bytes = (len.max(1)) * size_of::<T>();
        // SAFETY: the memory is written below before anyone reads it.
        let memory = unsafe { result::malloc_host(bytes, 0) }
            .map_err(|error| Error::of("cuMemHostAlloc", error))?;
        let values: *mut T = memory.cast();
        // SAFETY: there is room for `len` values, for which all zero bits are valid; pages are aligned.
        unsafe { values.write_bytes(0, len) };
        // From here on dropping it frees it.
        let copied = Event::new(device).inspect_err(|_| {
            // SAFETY: it was allocated above and nobody else has it.
            let _ = unsafe { result::free_host(memory) };
        })?;
        Ok(Self {
            values,
            len,
            copied,
            is_copying: false,
        })
    }

    /// The values, once the last copy is done.
    pub fn values(&mut self) -> Result<&mut [T], Error> {
        if self.is_copying {
            self.copied.wait()?;
            self.is_copying = false;
        }
        // SAFETY: `len` values were allocated and set, and no copy is under way.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.values, self.len) })
    }

    /// Copies the first values to the device, after what is in the stream.
    ///
    /// # Panics
    /// If there are fewer values than `to` holds.
    pub fn upload(&mut self, stream: &Stream, to: View<T>) -> Result<(), Error> {
        assert!(to.len() <= self.len);
        // SAFETY: the values stay where they are, and unchanged until `copied`, which whoever asks for them
        // waits for, as does dropping them.
        unsafe {
            let from = std::slice::from_raw_parts(self.values, to.len());
            result::memcpy_htod_async(to.address(), from, stream.raw())
        }
        .map_err(|error| Error::of("cuMemcpyHtoDAsync", error))?;
        self.record(stream)
    }

    /// Copies from the device into the first values, after what is in the stream.
    ///
    /// # Panics
    /// If there are fewer values than `from` holds.
    pub fn download(&mut self, stream: &Stream, from: View<T>) -> Result<(), Error> {
        self.download_at(stream, from, 0)
    }

    /// As [`download`](Self::download), into the values from `first` on.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn download_at(
        &mut self,
        stream: &Stream,
        from: View<T>,
        first: usize,
    ) -> Result<(), Error> {
        assert!(first + from.len() <= self.len);
        // SAFETY: as in `upload`; nobody reads them before `copied`.
        unsafe {
            let to = std::slice::from_raw_parts_mut(self.values.add(first), from.len());
            result::memcpy_dtoh_async(to, from.address(), stream.raw())
        }
        .map_err(|error| Error::of("cuMemcpyDtoHAsync", error))?;
        self.record(stream)
    }

    fn record(&mut self, stream: &Stream) -> Result<(), Error> {
        self.is_copying = true;
        self.copied.record(stream)
    }
}

impl<T> Drop for Pinned<T> {
    fn drop(&mut self) {
        if self.is_copying {
            // The device may still write here. Where waiting fails the device is lost and writes no more.
            let _ = self.copied.wait();
        }
        // SAFETY: it was allocated once, and no copy is under way.
        let _ = unsafe { result::free_host(self.values.cast()) };
    }
}
