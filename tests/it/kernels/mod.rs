//! Every kernel at every SIMD level and on a CUDA device: against the vectors of docs/arithmetic.md, and against its definition.

mod definition;
pub(crate) mod gpu;
mod on_cuda;
mod parameters;
mod pixels;
mod properties;
mod vectors;

pub(crate) use goldrun::kernels::vectors::{Mode, data, splitmix};

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
