//! Keras' legacy HDF5 weights: a group per layer, in the order of the root's `layer_names`, and in each
//! the arrays of its `weight_names` (`keras/src/legacy/saving/legacy_h5_format.py`).

use hdf5_reader::group::Group;
use hdf5_reader::{Datatype, Hdf5File};

use super::Tensor;

/// Where a whole model's file keeps its weights; a file of weights keeps them in the root.
const MODEL_GROUP: &str = "model_weights";

/// Bytes of a 32-bit float.
const FLOAT_BYTES: u8 = 4;

/// The tensors in the file's own order.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Tensor>, String> {
    let file = Hdf5File::from_bytes(bytes).map_err(|error| error.to_string())?;
    let mut root = file.root_group().map_err(|error| error.to_string())?;
    let mut layers = names(&root, "layer_names")?;
    if layers.is_none() {
        root = root.group(MODEL_GROUP).map_err(|_| not_keras())?;
        layers = names(&root, "layer_names")?;
    }
    let layers = layers.ok_or_else(not_keras)?;
    let mut tensors = Vec::new();
    for layer in layers {
        let group = descend(&root, &layer)?;
        let weights = names(&group, "weight_names")?
            .ok_or_else(|| format!("layer `{layer}` has no attribute `weight_names`"))?;
        for weight in weights {
            tensors.push(tensor(&group, &layer, &weight)?);
        }
    }
    Ok(tensors)
}

fn not_keras() -> String {
    "it is HDF5 but has no attribute `layer_names`, as Keras' legacy weights have".to_owned()
}

/// A list of names in an attribute. A long one is cut into `name0`, `name1`, … because HDF5 limits the
/// size of an attribute.
fn names(group: &Group, attribute: &str) -> Result<Option<Vec<String>>, String> {
    if let Some(names) = strings(group, attribute)? {
        return Ok(Some(names));
    }
    let mut all = Vec::new();
    let mut chunks = 0;
    while let Some(names) = strings(group, &format!("{attribute}{chunks}"))? {
        all.extend(names);
        chunks += 1;
    }
    Ok((chunks > 0).then_some(all))
}

fn strings(group: &Group, attribute: &str) -> Result<Option<Vec<String>>, String> {
    let attributes = group.attributes().map_err(|error| error.to_string())?;
    let Some(found) = attributes.iter().find(|found| found.name == attribute) else {
        return Ok(None);
    };
    // A layer without weights has an empty list, which h5py stores as floats.
    if found.num_elements().map_err(|error| error.to_string())? == 0 {
        return Ok(Some(Vec::new()));
    }
    let names = found.read_strings();
    names
        .map(Some)
        .map_err(|error| format!("attribute `{attribute}`: {error}"))
}

/// The group at a path of names joined by `/`.
fn descend(group: &Group, path: &str) -> Result<Group, String> {
    let mut group = group.clone();
    for part in path.split('/') {
        group = group
            .group(part)
            .map_err(|_| format!("group `{path}` is missing"))?;
    }
    Ok(group)
}

fn tensor(group: &Group, layer: &str, path: &str) -> Result<Tensor, String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let holder = if folder.is_empty() {
        group.clone()
    } else {
        descend(group, folder)?
    };
    let missing = |_| format!("layer `{layer}` has no weight `{path}`");
    let array = holder.dataset(file).map_err(missing)?;
    let name = tensor_name(layer, path);
    if !matches!(
        array.dtype(),
        Datatype::FloatingPoint {
            size: FLOAT_BYTES,
            ..
        }
    ) {
        return Err(format!(
            "tensor `{name}` is {:?}, expected 32-bit float",
            array.dtype()
        ));
    }
    let problem = |error: hdf5_reader::error::Error| format!("tensor `{name}`: {error}");
    let values = array.read_array::<f32>().map_err(problem)?;
    let shape = values.shape().to_vec();
    let (values, _) = values.into_raw_vec_and_offset();
    Ok(Tensor {
        name,
        shape,
        values,
    })
}

/// `layer/weight` from a weight's path, such as `Conv1/kernel:0` or just `kernel`.
fn tensor_name(layer: &str, path: &str) -> String {
    let path = path.split_once(':').map_or(path, |(path, _)| path);
    let mut parts = path.rsplit('/');
    let weight = parts.next().unwrap_or(path);
    format!("{}/{weight}", parts.next().unwrap_or(layer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_layer_and_weight() {
        assert_eq!(tensor_name("Conv1", "Conv1/kernel:0"), "Conv1/kernel");
        assert_eq!(tensor_name("Conv1", "kernel"), "Conv1/kernel");
        assert_eq!(
            tensor_name("base", "base/bn_Conv1/gamma:0"),
            "bn_Conv1/gamma"
        );
    }

    #[test]
    fn a_broken_file_is_an_error() {
        let mut bytes = super::super::HDF5_SIGNATURE.to_vec();
        assert!(parse(&bytes).is_err());
        bytes.extend([0; 512]);
        assert!(parse(&bytes).is_err());
    }
}
