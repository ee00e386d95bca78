//! Model files: safetensors with Keras' names, which describe themselves.
//!
//! The description is one JSON text under the key [`KEY`] of the file's metadata. One and not a key for each
//! of its parts, since the order of keys differs from process to process, and the same model is the same
//! bytes.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use fs_err as fs;
use safetensors::{Dtype, SafeTensors};

use super::parameters;
use super::{Description, Parameters, Tensor, TensorSpec};

/// Key of the description among a file's metadata.
pub const KEY: &str = "goldrun";

/// What a model file in a run's folder is called before and after its phase.
const NAME: [&str; 2] = ["model-phase-", ".safetensors"];

/// A model that can be used by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedModel {
    /// What it is.
    pub description: Description,
    /// The tensors of its network.
    pub parameters: Parameters,
}

/// A file that cannot be used as a model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read the model: {0}")]
    Io(#[from] std::io::Error),
    /// It is no safetensors file, or not a whole one.
    #[error(
        "{} is no whole model: {source}\n\
         hint: `goldrun run` leaves models in the run's folder, `goldrun export` writes them again", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        source: safetensors::SafeTensorError,
    },
    /// It says nothing of itself.
    #[error(
        "{} does not say what its classes are and how pictures get into it\n\
         hint: an older goldrun wrote it, or another program; run the recipe again", .0.display()
    )]
    Undescribed(PathBuf),
    /// What it says of itself is not what a run writes.
    #[error("{} does not describe a model: {what}\nhint: a newer goldrun may have written it", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Its tensors are not those of the network that it describes.
    #[error("{}: {what}\nhint: the file was changed; export or run anew", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// The file of a phase's model in a run's folder.
pub fn path(run: &Path, phase: usize) -> PathBuf {
    let [before, after] = NAME;
    run.join(format!("{before}{phase}{after}"))
}

/// Phases that a run's folder has models of, in order.
pub fn phases(run: &Path) -> Vec<usize> {
    let Ok(entries) = fs::read_dir(run) else {
        return vec![];
    };
    let [before, after] = NAME;
    let phase = |name: &str| name.strip_prefix(before)?.strip_suffix(after)?.parse().ok();
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut phases: Vec<usize> = names.filter_map(|name| phase(name.to_str()?)).collect();
    phases.sort_unstable();
    phases
}

impl SavedModel {
    /// Writes the file, which is whole or absent.
    pub fn write(&self, path: &Path) -> Result<(), parameters::Error> {
        let metadata = HashMap::from([(KEY.to_owned(), self.description.json())]);
        self.parameters.save(path, Some(metadata))
    }

    /// Reads a file; every value of its network is there and finite.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path)?;
        let format = |source| Error::Format {
            path: path.to_owned(),
            source,
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(format)?;
        let metadata = header.metadata().as_ref();
        let text = metadata
            .and_then(|metadata| metadata.get(KEY))
            .ok_or_else(|| Error::Undescribed(path.to_owned()))?;
        let description = Description::parse(text).map_err(|what| Error::Description {
            path: path.to_owned(),
            what,
        })?;
        let file = SafeTensors::deserialize(&bytes).map_err(format)?;
        let parameters = parameters_of(&description, &file).map_err(|what| Error::Tensors {
            path: path.to_owned(),
            what,
        })?;
        Ok(Self {
            description,
            parameters,
        })
    }
}

/// The network's tensors from a file that has them and no others.
fn parameters_of(description: &Description, file: &SafeTensors<'_>) -> Result<Parameters, String> {
    let mut found: BTreeMap<_, _> = file.tensors().into_iter().collect();
    let tensor = |spec: TensorSpec| {
        let name = &spec.name;
        let view = found
            .remove(name)
            .ok_or_else(|| format!("there is no tensor `{name}`"))?;
        if (view.dtype(), view.shape()) != (Dtype::F32, spec.shape.as_slice()) {
            return Err(format!(
                "`{name}` is {:?} of shape {:?}, expected F32 of shape {:?}",
                view.dtype(),
                view.shape(),
                spec.shape
            ));
        }
        let (words, _) = view.data().as_chunks::<4>();
        let values: Vec<f32> = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
        if let Some(element) = values.iter().position(|value| !value.is_finite()) {
            return Err(format!(
                "`{name}` holds {} at element {element}",
                values[element]
            ));
        }
        Ok(Tensor { spec, values })
    };
    let specs = description.network().tensors().into_iter();
    let tensors = specs.map(tensor).collect::<Result<_, _>>()?;
    match found.keys().next() {
        Some(name) => Err(format!("the network has no tensor `{name}`")),
        None => Ok(Parameters { tensors }),
    }
}
