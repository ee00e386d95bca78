//! Depthwise convolutions on the device.

use super::Error;
use super::launch::{Arguments, Threads, block, launch};
use super::memory::Floats;
use super::module::{Family, Function, Modules};
use super::stream::Stream;
use crate::kernels::depthwise::{Shape, TAPS};

/// Channels of a thread.
const CHANNELS: usize = 4;
/// Output pixels of a thread, for strides 1 and 2.
const PIXELS: [usize; 2] = [4, 2];
/// Input pixels of a thread, where the gradient of the input is computed.
const INPUT_PIXELS: usize = 4;
/// Rows of the kernel.
const SIDE: usize = 3;

/// Arrays of the gradient of an input.
#[derive(Clone, Copy, Debug)]
pub struct InputGradient {
    /// Gradient of the output before its ReLU6.
    pub dz: Floats,
    /// `[9][c]`.
    pub w: Floats,
    /// What reaches the input by another way, added to the result.
    pub addend: Option<Floats>,
    /// The sum is kept where this is strictly between 0 and 6, and else +0.
    pub mask: Option<Floats>,
    /// The result.
    pub dx: Floats,
}

/// The kernels of this family.
pub struct Depthwise {
    forward: [Function; 2],
    input: [Function; 2],
    /// Stride 2 with padding before the image.
    input_odd: Function,
    slices: [Function; 2],
    threads: Threads,
}

impl Depthwise {
    pub(super) fn load(modules: &Modules, threads: Threads) -> Result<Self, Error> {
        let function = |name| modules.function(Family::Depthwise, name);
        Ok(Self {
            forward: [function("depthwise_s1")?, function("depthwise_s2")?],
            input: [
                function("depthwise_input_s1")?,
                function("depthwise_input_s2")?,
            ],
            input_odd: function("depthwise_input_s2_odd")?,
            slices: [
                function("depthwise_slices_s1")?,
                function("depthwise_slices_s2")?,
            ],
            threads,
        })
    }

    /// Forward for whole images; `w` is `[9][c]`, `bias` `[c]`. `c` is a multiple of 4.
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
        relu6: bool,
        y: Floats,
    ) -> Result<(), Error> {
        let c = shape.channels;
        let images = images(shape, x, y);
        assert_eq!((w.len(), bias.len()), (TAPS * c, c));
        let pixels = PIXELS[shape.stride - 1];
        let arguments = sizes(
            Arguments::default().view(x).view(w).view(bias).view(y),
            shape,
        )
        .int(shape.pad_before)
        .int(usize::from(relu6));
        let threads = self.threads.elements;
        let grid = grid(
            threads,
            shape.out_width.div_ceil(pixels),
            c,
            shape.out_height,
            images,
        );
        launch(
            stream,
            &self.forward[shape.stride - 1],
            grid,
            block(threads),
            &arguments,
        )
    }

    /// Gradient of the input.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn input_gradient(
        &self,
        stream: &Stream,
        shape: &Shape,
        gradient: &InputGradient,
    ) -> Result<(), Error> {
        let InputGradient {
            dz,
            w,
            addend,
            mask,
            dx,
        } = *gradient;
        let c = shape.channels;
        let images = images(shape, dx, dz);
        assert_eq!(w.len(), TAPS * c);
        for beside in [addend, mask] {
            assert!(beside.is_none_or(|beside| beside.len() == dx.len()));
        }
        let function = match (shape.stride, shape.pad_before) {
            (2, 1) => &self.input_odd,
            (stride, _) => &self.input[stride - 1],
        };
        let pointers = Arguments::default()
            .view(dz)
            .view(w)
            .optional(addend)
            .optional(mask)
            .view(dx);
        let threads = self.threads.elements;
        let grid = grid(
            threads,
            shape.width.div_ceil(INPUT_PIXELS),
            c,
            shape.height,
            images,
        );
        launch(
            stream,
            function,
            grid,
            block(threads),
            &sizes(pointers, shape),
        )
    }

    /// `sums[slice][9][c]`: the weight gradient by slices of whole images, each from +0.
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
        let c = shape.channels;
        let images = images(shape, x, dz);
        let slices = images.div_ceil(slice_images);
        assert_eq!(sums.len(), slices * TAPS * c);
        let pointers = Arguments::default().view(x).view(dz).view(sums).int(images);
        let arguments = sizes(pointers, shape)
            .int(shape.pad_before)
            .int(slice_images);
        let threads = self.threads.chains;
        let grid = [c.div_ceil(threads), SIDE, slices];
        let block = block(threads);
        launch(
            stream,
            &self.slices[shape.stride - 1],
            grid,
            block,
            &arguments,
        )
    }
}

/// Whole images of inputs and outputs.
fn images(shape: &Shape, x: Floats, y: Floats) -> usize {
    let images = x.len() / shape.input_len();
    assert_eq!(x.len(), images * shape.input_len());
    assert_eq!(y.len(), images * shape.output_len());
    assert!(
        shape.channels.is_multiple_of(CHANNELS),
        "{} channels",
        shape.channels
    );
    images
}

fn sizes(arguments: Arguments, shape: &Shape) -> Arguments {
    arguments
        .int(shape.height)
        .int(shape.width)
        .int(shape.out_height)
        .int(shape.out_width)
        .int(shape.channels)
}

/// Threads for strips of pixels and groups of channels along x, rows along y, images along z.
fn grid(threads: usize, strips: usize, channels: usize, rows: usize, images: usize) -> [usize; 3] {
    [
        (strips * channels / CHANNELS).div_ceil(threads),
        rows,
        images,
    ]
}
