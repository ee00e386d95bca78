//! The convolution on pictures, on the device.

use super::Error;
use super::launch::{Arguments, Threads, block, launch};
use super::memory::Floats;
use super::module::{Family, Function, Modules};
use super::stream::Stream;
use crate::kernels::first_convolution::{Shape, TAPS};

/// The kernels of this family.
pub struct FirstConvolution {
    forward: Function,
    slices: Function,
    threads: Threads,
}

impl FirstConvolution {
    pub(super) fn load(modules: &Modules, threads: Threads) -> Result<Self, Error> {
        let function = |name| modules.function(Family::FirstConvolution, name);
        Ok(Self {
            forward: function("first_convolution")?,
            slices: function("first_convolution_slices")?,
            threads,
        })
    }

    /// Forward for whole pictures, with ReLU6; `w` is `[27][n]`, `bias` `[n]`. `n` is a multiple of 8.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn forward(
        &self,
        stream: &Stream,
        shape: &Shape,
        x: Floats,
        w: Floats,
        bias: Floats,
        y: Floats,
    ) -> Result<(), Error> {
        let n = shape.out_channels;
        let images = images(shape, x, y);
        assert_eq!((w.len(), bias.len()), (TAPS * n, n));
        assert!(n.is_multiple_of(GROUP), "{n} channels");
        let pointers = Arguments::default().view(x).view(w).view(bias).view(y);
        let arguments = sizes(pointers, shape);
        let threads = self.threads.elements;
        let along = (shape.out_width * n / GROUP).div_ceil(threads);
        let grid = [along, shape.out_height, images];
        launch(stream, &self.forward, grid, block(threads), &arguments)
    }

    /// `sums[slice][27][n]`: the weight gradient by slices of whole images, each from +0.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn slices(
        &self,
        stream: &Stream,
        shape: &Shape,
        x: Floats,
        dz: Floats,
        sums: Floats,
        slice_images: usize,
    ) -> Result<(), Error> {
        let n = shape.out_channels;
        let images = images(shape, x, dz);
        let slices = images.div_ceil(slice_images);
        assert_eq!(sums.len(), slices * TAPS * n);
        let pointers = Arguments::default().view(x).view(dz).view(sums).int(images);
        let arguments = sizes(pointers, shape).int(slice_images);
        let threads = self.threads.chains;
        let grid = [n.div_ceil(threads), TAPS, slices];
        launch(stream, &self.slices, grid, block(threads), &arguments)
    }
}

/// Channels of a thread.
const GROUP: usize = 8;

/// Whole pictures of inputs and outputs.
fn images(shape: &Shape, x: Floats, y: Floats) -> usize {
    let images = x.len() / shape.input_len();
    assert_eq!(x.len(), images * shape.input_len());
    assert_eq!(y.len(), images * shape.output_len());
    images
}

fn sizes(arguments: Arguments, shape: &Shape) -> Arguments {
    arguments
        .int(shape.height)
        .int(shape.width)
        .int(shape.out_height)
        .int(shape.out_width)
        .int(shape.out_channels)
        .int(shape.pad_before())
}
