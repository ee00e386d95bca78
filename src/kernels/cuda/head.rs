//! Pool, dropout and losses on the device.

use super::Error;
use super::launch::{Arguments, Threads, block, launch};
use super::memory::{Floats, Words};
use super::module::{Family, Function, Modules};
use super::stream::Stream;

/// Words of a block of the generator.
const WORDS: usize = 4;

/// What draws a dropout mask beside the images and the epoch (docs/randomness.md).
#[derive(Clone, Copy, Debug)]
pub struct Mask {
    /// An element is kept where the upper 24 bits of its word are not below.
    pub threshold: u32,
    /// What is kept is multiplied by it.
    pub scale: f32,
    /// The stream's key.
    pub key: [u32; 2],
    /// Its purpose and slot.
    pub what: u32,
}

/// The kernels of this family.
pub struct Head {
    pool: Function,
    pool_gradient: Function,
    dropout: Function,
    binary_loss: Function,
    softmax_loss: Function,
    threads: Threads,
}

impl Head {
    pub(super) fn load(modules: &Modules, threads: Threads) -> Result<Self, Error> {
        let function = |name| modules.function(Family::Head, name);
        Ok(Self {
            pool: function("pool")?,
            pool_gradient: function("pool_gradient")?,
            dropout: function("dropout")?,
            binary_loss: function("binary_loss")?,
            softmax_loss: function("softmax_loss")?,
            threads,
        })
    }

    /// Means of images `[pixels][c]` over their pixels.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn pool(
        &self,
        stream: &Stream,
        x: Floats,
        pixels: usize,
        c: usize,
        y: Floats,
    ) -> Result<(), Error> {
        let images = y.len() / c;
        assert_eq!((x.len(), y.len()), (images * pixels * c, images * c));
        let arguments = Arguments::default().view(x).view(y).int(pixels).int(c);
        let threads = self.threads.elements;
        let grid = [c.div_ceil(threads), images, 1];
        launch(stream, &self.pool, grid, block(threads), &arguments)
    }

    /// `g ÷ pixels` to each pixel, kept where `mask` is strictly between 0 and 6.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn pool_gradient(
        &self,
        stream: &Stream,
        g: Floats,
        mask: Option<Floats>,
        pixels: usize,
        c: usize,
        dx: Floats,
    ) -> Result<(), Error> {
        let images = g.len() / c;
        assert_eq!((g.len(), dx.len()), (images * c, images * pixels * c));
        assert!(mask.is_none_or(|mask| mask.len() == dx.len()));
        let arguments = Arguments::default()
            .view(g)
            .optional(mask)
            .view(dx)
            .int(pixels)
            .int(c);
        let threads = self.threads.elements;
        let grid = [c.div_ceil(threads), pixels, images];
        launch(
            stream,
            &self.pool_gradient,
            grid,
            block(threads),
            &arguments,
        )
    }

    /// Dropout of rows of `inputs` values; `indices` are those of the images, `when` is one word, phase and
    /// epoch. Forward and backward alike; `x` and `y` may be the same.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn dropout(
        &self,
        stream: &Stream,
        mask: Mask,
        indices: Words,
        when: Words,
        inputs: usize,
        x: Floats,
        y: Floats,
    ) -> Result<(), Error> {
        let images = indices.len();
        assert_eq!((x.len(), y.len()), (images * inputs, images * inputs));
        assert_eq!(when.len(), 1);
        let arguments = Arguments::default()
            .view(x)
            .view(y)
            .view(indices)
            .view(when)
            .int(inputs)
            .word(mask.threshold)
            .float(mask.scale)
            .word(mask.key[0])
            .word(mask.key[1])
            .word(mask.what);
        let threads = self.threads.elements;
        let grid = [inputs.div_ceil(WORDS).div_ceil(threads), images, 1];
        launch(stream, &self.dropout, grid, block(threads), &arguments)
    }

    /// Losses of logits `[images][outputs]` and their gradients for the mean over `n` images; one output is
    /// binary cross-entropy, more are softmax cross-entropy.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn loss(
        &self,
        stream: &Stream,
        logits: Floats,
        labels: Words,
        n: usize,
        losses: Floats,
        dlogits: Floats,
    ) -> Result<(), Error> {
        let images = labels.len();
        let outputs = logits.len() / images.max(1);
        assert_eq!(
            (logits.len(), dlogits.len()),
            (images * outputs, images * outputs)
        );
        assert_eq!(losses.len(), images);
        let arguments = Arguments::default()
            .view(logits)
            .view(labels)
            .view(losses)
            .view(dlogits)
            .int(images);
        let (function, arguments) = if outputs == 1 {
            (&self.binary_loss, arguments.int(n))
        } else {
            (&self.softmax_loss, arguments.int(outputs).int(n))
        };
        let threads = self.threads.chains;
        let grid = [images.div_ceil(threads), 1, 1];
        launch(stream, function, grid, block(threads), &arguments)
    }
}
