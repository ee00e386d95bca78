//! Weight files as lists of named tensors, in the file's own order.

mod keras_h5;
mod safetensors;

use tracing::trace_span;

use super::content::Scheme;
use super::{Error, Location};
use crate::digest;

/// The first bytes of every HDF5 file.
const HDF5_SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// What kind of file the tensors are from, which says how they are matched to a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Keras' legacy HDF5: by order.
    KerasH5,
    /// safetensors: by name.
    Safetensors,
}

/// A weight file's tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightFile {
    /// The kind of file.
    pub format: Format,
    /// The tensors: in the order of `layer_names` and `weight_names`, or by name.
    pub tensors: Vec<Tensor>,
}

/// An array of numbers with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// `layer/weight`, such as `Conv1/kernel`, without a `:0`.
    pub name: String,
    /// Extents, the slowest first.
    pub shape: Vec<usize>,
    /// As many values as the shape says, row-major.
    pub values: Vec<f32>,
}

/// Reads a weight file: Keras' legacy HDF5 or safetensors, by its content.
///
/// Every tensor must be 32-bit float.
pub fn read(location: &Location) -> Result<WeightFile, Error> {
    match location {
        Location::File(path) => parse(&fs_err::read(path)?, &path.display().to_string()),
        Location::Shipped(bytes) => parse(bytes, "the shipped file"),
        Location::Folder(path) => Err(Error::WrongKind {
            from: path.display().to_string(),
            found: "a folder",
            expected: "a weight file",
        }),
    }
}

/// Reads a weight file from its bytes; `from` names it in errors.
pub(super) fn parse(bytes: &[u8], from: &str) -> Result<WeightFile, Error> {
    let _span = trace_span!("parse weights", bytes = bytes.len()).entered();
    let tensors = if bytes.starts_with(HDF5_SIGNATURE) {
        keras_h5::parse(bytes).map(|tensors| (Format::KerasH5, tensors))
    } else if safetensors::looks_like(bytes) {
        safetensors::parse(bytes).map(|tensors| (Format::Safetensors, tensors))
    } else {
        Err("it is neither HDF5 nor safetensors".to_owned())
    };
    let (format, tensors) = tensors.map_err(|problem| Error::Weights {
        from: from.to_owned(),
        problem,
    })?;
    Ok(WeightFile { format, tensors })
}

impl WeightFile {
    /// The lines that the `t1:` digest is made of: hex sha256 of the little-endian values, two spaces,
    /// the shape, and for safetensors two spaces and the name.
    pub fn manifest(&self) -> Vec<String> {
        self.tensors
            .iter()
            .map(|tensor| self.line(tensor))
            .collect()
    }

    /// The content digest, `t1:…`.
    pub fn digest(&self) -> String {
        Scheme::Tensors.digest(&self.manifest())
    }

    fn line(&self, tensor: &Tensor) -> String {
        let extents: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
        let line = format!(
            "{}  {}",
            digest::of_values(&tensor.values),
            extents.join("x")
        );
        match self.format {
            Format::KerasH5 => line,
            Format::Safetensors => format!("{line}  {}", tensor.name),
        }
    }
}
