//! Checkpoints: what it takes to go on after an epoch, bit for bit (docs/arithmetic.md).
//!
//! A file is a safetensors file of the parameters and both moments of what the phase trains; its metadata hold
//! the record so far, who computed it, and a digest of everything else in it. A file that is not whole in
//! every bit is damaged, and the one before it is read instead.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use fs_err as fs;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::Error;
use crate::digest::Digest;
use crate::engine::{Moments, OptimizerState};
use crate::model::{Network, Parameters, Tensor, TensorSpec, Trained};
use crate::record::{EpochNumber, Record};
use crate::whole;

/// Folder of checkpoints in a run's folder.
const FOLDER: &str = "checkpoints";
/// Ending of a checkpoint's file.
const ENDING: &str = ".safetensors";
/// Newest checkpoints that are kept.
const KEPT: usize = 2;
/// Format of the file.
const FORMAT: &str = "1";
/// Key of the digest among the metadata.
const DIGEST: &str = "digest";
/// Keys of the other metadata.
const KEYS: [&str; 7] = [
    "format",
    "executable",
    "engine",
    "phase",
    "epoch",
    "steps",
    "record",
];

/// What tensors of a checkpoint are: the first part of their names.
const PARTS: [&str; 3] = ["parameters", "first", "second"];

/// Who computed a run: another may not go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computed {
    /// Digest of the executable.
    pub executable: String,
    /// Word of the engine.
    pub engine: String,
}

/// A run after an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The epoch that was done last.
    pub after: EpochNumber,
    /// All parameters.
    pub parameters: Parameters,
    /// The optimizer's state in this phase.
    pub state: OptimizerState,
    /// The record so far.
    pub record: Record,
}

/// What is wrong with a checkpoint's file.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is no safetensors file.
    #[error("{0}")]
    Format(#[from] safetensors::SafeTensorError),
    /// It does not hold what it should.
    #[error("{0}")]
    Content(String),
}

fn content(message: impl Into<String>) -> Damage {
    Damage::Content(message.into())
}

/// File of the checkpoint after an epoch.
fn path(run: &Path, after: EpochNumber) -> PathBuf {
    run.join(FOLDER)
        .join(format!("{}{ENDING}", after.address()))
}

/// Epochs that a run's folder has checkpoints of, the newest first.
pub fn epochs(run: &Path) -> Vec<EpochNumber> {
    let Ok(entries) = fs::read_dir(run.join(FOLDER)) else {
        return vec![];
    };
    let number = |name: &str| name.strip_suffix(ENDING)?.parse().ok();
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut epochs: Vec<EpochNumber> = names.filter_map(|name| number(name.to_str()?)).collect();
    epochs.sort_unstable();
    epochs.reverse();
    epochs
}

impl Checkpoint {
    /// Writes it into a run's folder and removes those that are not needed any more.
    pub fn write(&self, run: &Path, computed: &Computed) -> Result<(), Error> {
        let folder = run.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let path = path(run, self.after);
        let mut metadata = self.metadata(computed)?;
        let tensors = self.tensors();
        let views: Vec<(String, TensorView<'_>)> = tensors
            .iter()
            .map(|(name, shape, values)| {
                let bytes = bytemuck::cast_slice(values);
                let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
                view.map(|view| (name.clone(), view))
            })
            .collect::<Result<_, _>>()
            .map_err(std::io::Error::other)?;
        let bytes = views
            .iter()
            .map(|(name, view)| (name.as_str(), view.data()));
        metadata.insert(DIGEST.to_owned(), digest(&metadata, bytes));
        let metadata: HashMap<String, String> = metadata.into_iter().collect();
        let file = safetensors::serialize(views, Some(metadata)).map_err(std::io::Error::other)?;
        whole::write(&path, &file)?;
        for old in epochs(run).into_iter().skip(KEPT) {
            fs::remove_file(self::path(run, old))?;
        }
        Ok(())
    }

    fn metadata(&self, computed: &Computed) -> Result<BTreeMap<String, String>, Error> {
        let record = serde_json::to_string(&self.record).map_err(std::io::Error::from)?;
        let values = [
            FORMAT.to_owned(),
            computed.executable.clone(),
            computed.engine.clone(),
            self.after.phase.to_string(),
            self.after.epoch.to_string(),
            self.state.steps.to_string(),
            record,
        ];
        Ok(KEYS.map(str::to_owned).into_iter().zip(values).collect())
    }

    /// Names, shapes and values of all tensors.
    fn tensors(&self) -> Vec<(String, Vec<usize>, &[f32])> {
        let [parameters, first, second] = PARTS;
        let all = &self.parameters.tensors;
        let named = |part: &str, spec: &TensorSpec, values| {
            (format!("{part}/{}", spec.name), spec.shape.clone(), values)
        };
        let raw = all
            .iter()
            .map(|tensor| named(parameters, &tensor.spec, tensor.values.as_slice()));
        let moments = self.state.moments.iter().flat_map(|moments| {
            let spec = &all[moments.tensor].spec;
            [
                named(first, spec, moments.first.as_slice()),
                named(second, spec, moments.second.as_slice()),
            ]
        });
        raw.chain(moments).collect()
    }

    /// Reads the checkpoint after an epoch from a run's folder; `trained` says what each phase trains.
    pub fn read(
        run: &Path,
        after: EpochNumber,
        network: &Network,
        trained: &[Trained],
    ) -> Result<(Self, Computed), Damage> {
        let file = fs::read(path(run, after))?;
        let (_, header) = SafeTensors::read_metadata(&file)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let mut metadata: BTreeMap<String, String> = metadata.into_iter().collect();
        let said = metadata.remove(DIGEST).unwrap_or_default();
        let found = SafeTensors::deserialize(&file)?;
        let tensors: BTreeMap<String, TensorView<'_>> = found.tensors().into_iter().collect();
        let bytes = tensors
            .iter()
            .map(|(name, view)| (name.as_str(), view.data()));
        if digest(&metadata, bytes) != said {
            return Err(content("its digest is another one"));
        }
        let text = |key: &str| {
            metadata
                .get(key)
                .ok_or_else(|| content(format!("no `{key}`")))
        };
        if text("format")? != FORMAT {
            return Err(content("its format is another one"));
        }
        let number = |key: &str| {
            let number = text(key)?.parse::<u64>();
            number.map_err(|_| content(format!("`{key}` is no number")))
        };
        let is_after =
            number("phase")? == after.phase as u64 && number("epoch")? == u64::from(after.epoch);
        let trained = trained.get(after.phase).filter(|_| is_after);
        let trained = trained.ok_or_else(|| content("it is of another epoch"))?;
        let values = |part: &str, spec: &TensorSpec| values(&tensors, part, spec);
        let specs = network.tensors();
        let parameters = specs.iter().map(|spec| {
            let values = values(PARTS[0], spec)?;
            Ok(Tensor {
                spec: spec.clone(),
                values,
            })
        });
        let of_trained = specs.iter().enumerate().zip(&trained.tensors);
        let moments =
            of_trained
                .filter(|(_, is_trained)| **is_trained)
                .map(|((tensor, spec), _)| {
                    Ok(Moments {
                        tensor,
                        first: values(PARTS[1], spec)?,
                        second: values(PARTS[2], spec)?,
                    })
                });
        let checkpoint = Self {
            after,
            parameters: Parameters {
                tensors: parameters.collect::<Result<_, Damage>>()?,
            },
            state: OptimizerState {
                steps: number("steps")?,
                moments: moments.collect::<Result<_, Damage>>()?,
            },
            record: serde_json::from_str(text("record")?)
                .map_err(|error| content(error.to_string()))?,
        };
        let computed = Computed {
            executable: text("executable")?.clone(),
            engine: text("engine")?.clone(),
        };
        Ok((checkpoint, computed))
    }
}

fn values(
    tensors: &BTreeMap<String, TensorView<'_>>,
    part: &str,
    spec: &TensorSpec,
) -> Result<Vec<f32>, Damage> {
    let name = format!("{part}/{}", spec.name);
    let fits = |view: &&TensorView<'_>| view.dtype() == Dtype::F32 && view.shape() == spec.shape;
    let view = tensors.get(&name).filter(fits);
    let view = view.ok_or_else(|| content(format!("no tensor `{name}` of the right shape")))?;
    Ok(bytemuck::pod_collect_to_vec(view.data()))
}

/// Digest of all tensors, in the order of their names, and of all metadata but the digest itself.
fn digest<'a>(
    metadata: &BTreeMap<String, String>,
    tensors: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> String {
    let mut digest = Digest::default();
    let mut part = |bytes: &[u8]| {
        digest.add((bytes.len() as u64).to_le_bytes());
        digest.add(bytes);
    };
    for (key, value) in metadata {
        part(key.as_bytes());
        part(value.as_bytes());
    }
    let tensors: BTreeMap<&str, &[u8]> = tensors.collect();
    for (name, bytes) in tensors {
        part(name.as_bytes());
        part(bytes);
    }
    digest.hex()
}
