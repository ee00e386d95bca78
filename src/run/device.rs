//! Which device computes, and the engine on it.

use super::{Device, EngineKind, Error, Request};
use crate::artifacts::cache::Cache;
use crate::dataset::Data;
use crate::engine::Engine;
use crate::engine::candle::CandleEngine;
use crate::engine::cpu::CpuEngine;
use crate::engine::cuda::CudaEngine;
use crate::kernels::{Level, cuda};
use crate::model::{Network, Parameters};
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
fn or_cpu<T>(
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

/// A CUDA device that computed a run.
pub(super) struct Used {
    pub name: String,
    /// The newest CUDA that its driver knows.
    pub driver: cuda::device::Version,
}

/// What an engine is made of, beside its parameters.
pub(super) struct Making<'a> {
    pub request: &'a Request,
    pub level: Level,
    pub network: &'a Network,
    pub data: &'a Data,
    pub cache: &'a Cache,
    pub observer: &'a Observer<'a>,
}

impl Making<'_> {
    /// The engine with these parameters, and its device where it is not the CPU.
    pub fn engine(
        &self,
        device: Option<Chosen>,
        parameters: Parameters,
    ) -> Result<(Box<dyn Engine>, Option<Used>), Error> {
        let Self {
            request,
            network,
            data,
            ..
        } = *self;
        if let Some(Chosen { device, kernels }) = device {
            let used = Used {
                name: device.description().name.clone(),
                driver: device.driver(),
            };
            let parameters = parameters.clone();
            let engine =
                CudaEngine::new(device, kernels, network, parameters, &request.recipe, data);
            if let Some(engine) = or_cpu(request, engine, self.observer)? {
                return Ok((Box::new(engine), Some(used)));
            }
        }
        let engine: Box<dyn Engine> = match request.engine {
            EngineKind::Native => Box::new(CpuEngine::new(
                self.level,
                network,
                parameters,
                request.recipe.input.batch_size as usize,
                self.cache.clone(),
            )),
            EngineKind::Candle => Box::new(CandleEngine::new(network, parameters)?),
        };
        Ok((engine, None))
    }
}
