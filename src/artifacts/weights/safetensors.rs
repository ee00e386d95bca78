//! safetensors files: by name.

use safetensors::{Dtype, SafeTensors};

use super::Tensor;

/// The file opens with the length of its JSON header, eight bytes.
const HEADER_LENGTH_BYTES: usize = 8;

/// True if this may be a safetensors file: after the header's length there is JSON.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    bytes.get(HEADER_LENGTH_BYTES) == Some(&b'{')
}

/// The tensors, sorted by name.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Tensor>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut tensors = Vec::with_capacity(file.len());
    for (name, view) in file.tensors() {
        // A line of the manifest must be one line.
        if name.chars().any(char::is_control) {
            return Err(format!("tensor {name:?} has no usable name"));
        }
        if view.dtype() != Dtype::F32 {
            return Err(format!(
                "tensor `{name}` is {:?}, expected F32",
                view.dtype()
            ));
        }
        let (words, _) = view.data().as_chunks::<4>();
        let values = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
        tensors.push(Tensor {
            name,
            shape: view.shape().to_vec(),
            values,
        });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::{TensorView, serialize};

    use super::super::{Format, parse};
    use super::*;
    use crate::digest;

    fn file(tensors: &[(&str, Dtype, &[usize], &[u8])]) -> Vec<u8> {
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            (
                *name,
                TensorView::new(*dtype, shape.to_vec(), data).unwrap(),
            )
        });
        serialize(views, None).unwrap()
    }

    fn bytes(values: &[f32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }

    #[test]
    fn tensors_come_by_name_with_a_line_each() {
        let (one, two) = (bytes(&[1.0, -0.0]), bytes(&[3.5]));
        let file = file(&[
            ("b/kernel", Dtype::F32, &[2, 1], &one),
            ("a/bias", Dtype::F32, &[1], &two),
        ]);
        let weights = parse(&file, "w").unwrap();
        assert_eq!(weights.format, Format::Safetensors);
        assert_eq!(weights.tensors[0].name, "a/bias");
        assert_eq!(weights.tensors[1].shape, [2, 1]);
        assert_eq!(weights.tensors[1].values[1].to_bits(), (-0.0f32).to_bits());
        let expected = [
            format!("{}  1  a/bias", digest::of(&two)),
            format!("{}  2x1  b/kernel", digest::of(&one)),
        ];
        assert_eq!(weights.manifest(), expected);
    }

    #[test]
    fn other_types_names_and_files_are_refused() {
        let problem = |bytes: &[u8]| parse(bytes, "w").unwrap_err().to_string();
        let half = file(&[("a", Dtype::F16, &[1], &[0, 0])]);
        assert!(
            problem(&half).ends_with("tensor `a` is F16, expected F32"),
            "{}",
            problem(&half)
        );
        let broken = file(&[("a\nb", Dtype::F32, &[1], &[0; 4])]);
        assert!(problem(&broken).contains("no usable name"));
        assert!(problem(b"PK\x03\x04").contains("neither HDF5 nor safetensors"));
        let whole = file(&[("a", Dtype::F32, &[1], &[0; 4])]);
        assert!(parse(&whole[..whole.len() - 1], "w").is_err());
    }
}
