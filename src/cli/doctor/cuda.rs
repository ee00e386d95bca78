//! What there is of CUDA, and whether it computes what it should.

use serde::Serialize;

use crate::cli::arguments::DeviceName;
use crate::kernels::cuda::vectors::{self, Finding};
use crate::kernels::cuda::{Device, Error, Kernels, device};
use crate::report::terminal::numbers;

/// What was seen of this engine so far, until a device has run it.
const STATE: &str = "proved under an emulator; not yet run on a GPU";

/// A device.
#[derive(Debug, Serialize)]
pub(super) struct Described {
    name: String,
    capability: String,
    memory_bytes: u64,
}

/// What was found, as data.
#[derive(Debug, Serialize)]
pub(super) struct Cuda {
    state: &'static str,
    /// The newest CUDA that the driver knows; none without a driver.
    driver: Option<String>,
    /// What is needed at least.
    driver_needed: String,
    devices: Vec<Described>,
    /// Why the first device cannot be used.
    problem: Option<String>,
    /// The name of the device that would be used, if one is and its kernels load.
    used: Option<String>,
    /// The vectors of docs/arithmetic.md that differ, and how many there are; only where the device was
    /// asked for.
    vectors: Option<Vectors>,
}

/// Vectors on the device.
#[derive(Debug, Serialize)]
pub(super) struct Vectors {
    total: usize,
    different: Vec<String>,
}

impl Cuda {
    /// Looks for a driver and devices, loads the kernels where a device would be used, and runs the vectors
    /// where one was asked for.
    pub(super) fn look(asked: DeviceName) -> Self {
        let devices = device::devices().unwrap_or_default();
        let mut found = Self {
            state: STATE,
            driver: device::driver().ok().map(|version| version.to_string()),
            driver_needed: device::DRIVER_NEEDED.to_string(),
            devices: devices
                .into_iter()
                .map(|device| Described {
                    name: device.name,
                    capability: device.capability.to_string(),
                    memory_bytes: device.memory,
                })
                .collect(),
            problem: None,
            used: None,
            vectors: None,
        };
        if asked == DeviceName::Cpu {
            return found;
        }
        match used(asked) {
            Ok((name, findings)) => {
                found.used = Some(name);
                found.vectors = findings.map(|findings| Vectors {
                    total: findings.len(),
                    different: findings
                        .into_iter()
                        .filter(|finding| !finding.is_equal)
                        .map(|finding| finding.name)
                        .collect(),
                });
            }
            Err(error) => found.problem = Some(error.to_string()),
        }
        found
    }

    /// Why it cannot be used although it was asked for.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// True if something was computed wrong.
    pub(super) fn is_wrong(&self) -> bool {
        self.vectors
            .as_ref()
            .is_some_and(|vectors| !vectors.different.is_empty())
    }

    /// The device that would be used.
    pub(super) fn device(&self) -> String {
        match (&self.used, &self.problem) {
            (Some(name), _) => format!("cuda ({name})"),
            (None, Some(problem)) => {
                format!("cpu: {}", problem.lines().next().unwrap_or_default())
            }
            (None, None) => "cpu".to_owned(),
        }
    }

    /// Rows of the table.
    pub(super) fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![(
            "cuda driver",
            match &self.driver {
                Some(version) => format!("CUDA {version}, needed: {}", self.driver_needed),
                None => "none".to_owned(),
            },
        )];
        for device in &self.devices {
            rows.push((
                "cuda device",
                format!(
                    "{}, compute capability {}, {}",
                    device.name,
                    device.capability,
                    numbers::bytes(device.memory_bytes)
                ),
            ));
        }
        if self.used.is_some() {
            rows.push(("cuda kernels", "loaded".to_owned()));
        }
        if let Some(vectors) = &self.vectors {
            let equal = vectors.total - vectors.different.len();
            let mut text = format!("{equal} of {} are equal", vectors.total);
            if let Some(first) = vectors.different.first() {
                text = format!("{text}, first to differ: {first}");
            }
            rows.push(("cuda vectors", text));
        }
        rows.push(("cuda engine", self.state.to_owned()));
        rows
    }
}

/// Name of the first device, once its kernels are loaded; what it made of the vectors where it was asked for.
fn used(asked: DeviceName) -> Result<(String, Option<Vec<Finding>>), Error> {
    let device = Device::open()?;
    let findings = if asked == DeviceName::Cuda {
        Some(vectors::check(&device)?)
    } else {
        Kernels::load(&device)?;
        None
    };
    Ok((device.description().name.clone(), findings))
}
