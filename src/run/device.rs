//! Which device computes.

use super::{Device, EngineKind, Error, Request};
use crate::kernels::cuda;
use crate::record::{Event, Observer};

/// A CUDA device whose kernels are being loaded while pictures are decoded.
pub(super) struct Chosen {
    pub device: cuda::Device,
    pub kernels: cuda::Loading,
}

impl Chosen {
    fn open() -> Result<Self, cuda::Error> {
        let device = cuda::Device::open()?;
        Ok(Self {
            kernels: cuda::Loading::begin(&device),
            device,
        })
    }
}

/// The CUDA device of a run; none where the CPU computes.
///
/// With `auto` an unfit device is a note and the CPU computes, since no bit depends on it.
pub(super) fn choose(request: &Request, observer: &Observer<'_>) -> Result<Option<Chosen>, Error> {
    match (request.device, request.engine) {
        (Device::Cpu, _) | (Device::Auto, EngineKind::Candle) => Ok(None),
        (Device::Cuda, EngineKind::Candle) => Err(Error::CandleOnCuda),
        (Device::Cuda, EngineKind::Native) => Ok(Some(Chosen::open()?)),
        (Device::Auto, EngineKind::Native) => or_cpu(request, Chosen::open(), observer),
    }
}

/// What a device gave; with `auto` an error is a note, and the CPU computes.
pub(super) fn or_cpu<T>(
    request: &Request,
    found: Result<T, cuda::Error>,
    observer: &Observer<'_>,
) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if request.device == Device::Auto => {
            observer.tell(Event::Note(format!(
                "computing on the CPU: {}",
                error.sentence()
            )));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
