//! Gradients of the last step, for whoever wants to see them: no step needs them on the host.

use super::{CudaEngine, Phase};
use crate::kernels::cuda;
use crate::kernels::cuda::memory::Floats;
use crate::kernels::cuda::update::{BatchNorm, Layer};
use crate::kernels::{Level, batch_norm};

impl CudaEngine {
    /// Gradients of what the phase trains by tensor name, in the network's order, as the last step left them.
    pub(super) fn gradients_of(
        &mut self,
        phase: &Phase,
    ) -> Result<Vec<(String, Vec<f32>)>, cuda::Error> {
        let (layers, _) = phase.room.tail.updates(&self.whole.layers);
        let mut gradients = Vec::new();
        for layer in &layers {
            gradients.extend(self.gradients_of_layer(layer)?);
        }
        let places = phase.room.tail.moments(&self.whole.layers);
        let names = places.map(|place| self.parameters.tensors[place.tensor].spec.name.clone());
        Ok(names.zip(gradients).collect())
    }

    /// Those of the trained ones of kernel, gamma and beta. The steps keep the gradients of the folded kernel
    /// and of the bias, and the pieces of the sum for gamma's: the rest is as the update does it.
    fn gradients_of_layer(&mut self, layer: &Layer) -> Result<Vec<Vec<f32>>, cuda::Error> {
        let Some(sums) = layer.gradients else {
            return Ok(vec![]);
        };
        let [mut weight, bias, pieces] = self.fetch([sums.weight, sums.bias, sums.pieces])?;
        let mut gamma = vec![];
        if let Some(BatchNorm {
            old_scale,
            mean,
            inverse,
            ..
        }) = layer.norm
        {
            let [scale, mean, inverse] = self.fetch([old_scale, mean, inverse])?;
            let folded = weight.clone();
            batch_norm::scale_rows(Level::detect(), &folded, &scale, &mut weight);
            let (first, rest) = pieces.split_at(layer.n);
            gamma = first.to_vec();
            for piece in rest.chunks_exact(layer.n) {
                for (total, value) in gamma.iter_mut().zip(piece) {
                    *total += value;
                }
            }
            let channels = gamma.iter_mut().zip(&mean).zip(&bias).zip(&inverse);
            for (((total, mean), bias), inverse) in channels {
                *total = (-mean).mul_add(*bias, *total) * inverse;
            }
        }
        let all = [weight, gamma, bias].into_iter().zip(layer.trained);
        let trained = all.filter(|(_, is_trained)| *is_trained);
        Ok(trained.map(|(values, _)| values).collect())
    }

    /// Arrays of a layer from the device, which has done all that it was given.
    fn fetch<const N: usize>(&mut self, arrays: [Floats; N]) -> Result<[Vec<f32>; N], cuda::Error> {
        let mut first = 0;
        for array in arrays {
            self.values.download_at(&self.streams.main, array, first)?;
            first += array.len();
        }
        let mut rest = &*self.values.values()?;
        Ok(arrays.map(|array| {
            let (values, after) = rest.split_at(array.len());
            rest = after;
            values.to_vec()
        }))
    }
}
