//! Kernels on the device from arrays of the host to arrays of the host.

use goldrun::kernels::cuda::depthwise::InputGradient;
use goldrun::kernels::cuda::head::Mask;
use goldrun::kernels::cuda::memory::Floats;
use goldrun::kernels::cuda::pixels::{Change, Pass};
use goldrun::kernels::cuda::pointwise::{Product, Slices, Tile};
use goldrun::kernels::cuda::update::{self, BatchNorm, Gradients, Layer, Rule};
use goldrun::kernels::{depthwise, first_convolution};

use super::gpu::{Gpu, Room};

/// A product with what is done to its results.
#[derive(Clone, Copy)]
pub(super) struct Host<'a> {
    pub(super) x: &'a [f32],
    pub(super) w: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
    pub(super) addend: Option<&'a [f32]>,
    pub(super) mask: Option<&'a [f32]>,
    pub(super) relu6: bool,
    pub(super) k: usize,
}

pub(super) fn product(gpu: &Gpu, tile: Tile, host: &Host<'_>) -> Vec<f32> {
    let mut room = gpu.room();
    let n = host.w.len() / host.k;
    let rows = host.x.len() / host.k;
    let product = Product {
        x: room.put(host.x),
        w: room.put(host.w),
        bias: host.bias.map(|values| room.put(values)),
        addend: host.addend.map(|values| room.put(values)),
        relu6: host.relu6,
        mask: host.mask.map(|values| room.put(values)),
        y: room.floats(rows * n),
        k: host.k,
        n,
    };
    let pointwise = &gpu.kernels.pointwise;
    pointwise.product_by(room.stream(), tile, &product).unwrap();
    room.get(product.y)
}

/// Sums of slices in order, as an update adds them.
fn total(sums: &[f32], len: usize) -> Vec<f32> {
    let mut slices = sums.chunks_exact(len);
    let mut total = slices.next().unwrap().to_vec();
    for slice in slices {
        for (total, slice) in total.iter_mut().zip(slice) {
            *total += slice;
        }
    }
    total
}

pub(super) fn product_weights(
    gpu: &Gpu,
    tile: Tile,
    (x, dz): (&[f32], &[f32]),
    (k, n): (usize, usize),
    slice_rows: usize,
) -> Vec<f32> {
    let mut room = gpu.room();
    let slices = (dz.len() / n).div_ceil(slice_rows);
    let slices = Slices {
        x: room.put(x),
        dz: room.put(dz),
        sums: room.floats(slices * k * n),
        k,
        n,
        slice_rows,
    };
    let pointwise = &gpu.kernels.pointwise;
    pointwise.slices_by(room.stream(), tile, &slices).unwrap();
    total(&room.get(slices.sums), k * n)
}

pub(super) fn column_sums(gpu: &Gpu, dz: &[f32], n: usize, slice_rows: usize) -> Vec<f32> {
    let mut room = gpu.room();
    let slices = (dz.len() / n).div_ceil(slice_rows);
    let dz = room.put(dz);
    let sums = room.floats(slices * n);
    let pointwise = &gpu.kernels.pointwise;
    let done = pointwise.column_slices(room.stream(), dz, sums, n, slice_rows);
    done.unwrap();
    total(&room.get(sums), n)
}

pub(super) fn depthwise(
    gpu: &Gpu,
    shape: &depthwise::Shape,
    (x, w, bias): (&[f32], &[f32], &[f32]),
    relu6: bool,
) -> Vec<f32> {
    let mut room = gpu.room();
    let images = x.len() / shape.input_len();
    let [x, w, bias] = [x, w, bias].map(|values| room.put(values));
    let y = room.floats(images * shape.output_len());
    let depthwise = &gpu.kernels.depthwise;
    let done = depthwise.forward(room.stream(), shape, x, w, bias, relu6, y);
    done.unwrap();
    room.get(y)
}

pub(super) fn depthwise_input(
    gpu: &Gpu,
    shape: &depthwise::Shape,
    (dz, w): (&[f32], &[f32]),
    addend: Option<&[f32]>,
    mask: Option<&[f32]>,
) -> Vec<f32> {
    let mut room = gpu.room();
    let images = dz.len() / shape.output_len();
    let gradient = InputGradient {
        dz: room.put(dz),
        w: room.put(w),
        addend: addend.map(|values| room.put(values)),
        mask: mask.map(|values| room.put(values)),
        dx: room.floats(images * shape.input_len()),
    };
    let depthwise = &gpu.kernels.depthwise;
    let done = depthwise.input_gradient(room.stream(), shape, &gradient);
    done.unwrap();
    room.get(gradient.dx)
}

/// `[9][c]`, then the bias `[c]`.
pub(super) fn depthwise_weights(
    gpu: &Gpu,
    shape: &depthwise::Shape,
    (x, dz): (&[f32], &[f32]),
    slice_images: usize,
) -> Vec<f32> {
    let mut room = gpu.room();
    let c = shape.channels;
    let slices = (x.len() / shape.input_len()).div_ceil(slice_images);
    let on_device = [x, dz].map(|values| room.put(values));
    let sums = room.floats(slices * depthwise::TAPS * c);
    let [x_there, dz_there] = on_device;
    let kernel = &gpu.kernels.depthwise;
    let done = kernel.slices(room.stream(), shape, x_there, dz_there, sums, slice_images);
    done.unwrap();
    let weights = total(&room.get(sums), depthwise::TAPS * c);
    let rows = slice_images * shape.out_height * shape.out_width;
    [weights, column_sums(gpu, dz, c, rows)].concat()
}

pub(super) fn first_convolution(
    gpu: &Gpu,
    shape: &first_convolution::Shape,
    (x, w, bias): (&[f32], &[f32], &[f32]),
) -> Vec<f32> {
    let mut room = gpu.room();
    let images = x.len() / shape.input_len();
    let [x, w, bias] = [x, w, bias].map(|values| room.put(values));
    let y = room.floats(images * shape.output_len());
    let kernel = &gpu.kernels.first_convolution;
    kernel.forward(room.stream(), shape, x, w, bias, y).unwrap();
    room.get(y)
}

pub(super) fn first_convolution_weights(
    gpu: &Gpu,
    shape: &first_convolution::Shape,
    (x, dz): (&[f32], &[f32]),
    slice_images: usize,
) -> Vec<f32> {
    let mut room = gpu.room();
    let len = first_convolution::TAPS * shape.out_channels;
    let slices = (x.len() / shape.input_len()).div_ceil(slice_images);
    let [x, dz] = [x, dz].map(|values| room.put(values));
    let sums = room.floats(slices * len);
    let kernel = &gpu.kernels.first_convolution;
    let done = kernel.slices(room.stream(), shape, x, dz, sums, slice_images);
    done.unwrap();
    total(&room.get(sums), len)
}

/// Means of images.
pub(super) fn pool(gpu: &Gpu, x: &[f32], pixels: usize, c: usize) -> Vec<f32> {
    let mut room = gpu.room();
    let y = room.floats(x.len() / pixels);
    let x = room.put(x);
    gpu.kernels
        .head
        .pool(room.stream(), x, pixels, c, y)
        .unwrap();
    room.get(y)
}

pub(super) fn pool_gradient(
    gpu: &Gpu,
    g: &[f32],
    mask: Option<&[f32]>,
    pixels: usize,
    c: usize,
) -> Vec<f32> {
    let mut room = gpu.room();
    let dx = room.floats(g.len() * pixels);
    let mask = mask.map(|values| room.put(values));
    let g = room.put(g);
    let head = &gpu.kernels.head;
    let done = head.pool_gradient(room.stream(), g, mask, pixels, c, dx);
    done.unwrap();
    room.get(dx)
}

/// Dropout of rows, in place and not.
pub(super) fn dropout(
    gpu: &Gpu,
    mask: Mask,
    indices: &[u32],
    when: u32,
    x: &[f32],
) -> [Vec<f32>; 2] {
    let mut room = gpu.room();
    let inputs = x.len() / indices.len();
    let indices = room.put(indices);
    let when = room.put(&[when]);
    let y = room.floats(x.len());
    let x = room.put(x);
    let head = &gpu.kernels.head;
    for to in [y, x] {
        let done = head.dropout(room.stream(), mask, indices, when, inputs, x, to);
        done.unwrap();
    }
    [room.get(y), room.get(x)]
}

/// Losses and gradients of logits.
pub(super) fn loss(gpu: &Gpu, logits: &[f32], labels: &[u32], n: usize) -> [Vec<f32>; 2] {
    let mut room = gpu.room();
    let losses = room.floats(labels.len());
    let dlogits = room.floats(logits.len());
    let logits = room.put(logits);
    let labels = room.put(labels);
    let head = &gpu.kernels.head;
    let done = head.loss(room.stream(), logits, labels, n, losses, dlogits);
    done.unwrap();
    [room.get(losses), room.get(dlogits)]
}

/// One pass over pictures.
pub(super) fn change(
    gpu: &Gpu,
    from: &[f32],
    places: &[u32],
    changes: &[Change],
    size: [usize; 2],
    (rotates, scaled): (bool, bool),
) -> Vec<f32> {
    let mut room = gpu.room();
    let words: Vec<u32> = changes.iter().flat_map(Change::words).collect();
    let pass = Pass {
        from: room.put(from),
        places: Some(room.put(places)),
        changes: Some(room.put(&words)),
        to: room.floats(places.len() * size[0] * size[1] * 3),
        size,
        rotates,
        scaled,
    };
    gpu.kernels.pixels.change(room.stream(), &pass).unwrap();
    room.get(pass.to)
}

/// A layer with its batch norm, on the host.
pub(super) struct Norm<'a> {
    pub(super) w: &'a [f32],
    pub(super) gamma: &'a [f32],
    pub(super) beta: &'a [f32],
    pub(super) mean: &'a [f32],
    pub(super) inverse: &'a [f32],
    pub(super) piece: usize,
}

/// A layer on the device.
pub(super) struct OnDevice<'a> {
    gpu: &'a Gpu,
    room: Room,
    pub(super) layer: Layer,
    /// Where its batch norm lies, if it has one.
    norm: Option<BatchNorm>,
    gradients: Gradients,
}

impl<'a> OnDevice<'a> {
    /// All of the layer is trained, in batches of one slice.
    pub(super) fn new(gpu: &'a Gpu, norm: &Norm<'_>) -> Self {
        let mut room = gpu.room();
        let n = norm.beta.len();
        let k = norm.w.len() / n;
        let folded = room.floats(k * n);
        let on_device = BatchNorm {
            gamma: room.put(norm.gamma),
            mean: room.put(norm.mean),
            inverse: room.put(norm.inverse),
            scale: room.floats(n),
            old_scale: room.floats(n),
            bias: room.floats(n),
            folded,
        };
        let mut layer = Layer {
            kernel: room.put(norm.w),
            beta: room.put(norm.beta),
            norm: Some(on_device),
            transposed: Some(room.floats(k * n)),
            gradients: None,
            k,
            n,
            piece: norm.piece,
            slice_images: 1,
            trained: [true; 3],
        };
        let gradients = Self::gradients_of(&mut room, &layer);
        layer.gradients = Some(gradients);
        Self {
            gpu,
            room,
            layer,
            norm: Some(on_device),
            gradients,
        }
    }

    /// A dense layer.
    pub(super) fn dense(gpu: &'a Gpu, w: &[f32], bias: &[f32]) -> Self {
        let mut room = gpu.room();
        let n = bias.len();
        let mut layer = Layer {
            kernel: room.put(w),
            beta: room.put(bias),
            norm: None,
            transposed: Some(room.floats(w.len())),
            gradients: None,
            k: w.len() / n,
            n,
            piece: 64,
            slice_images: 1,
            trained: [true, false, true],
        };
        let gradients = Self::gradients_of(&mut room, &layer);
        layer.gradients = Some(gradients);
        Self {
            gpu,
            room,
            layer,
            norm: None,
            gradients,
        }
    }

    fn gradients_of(room: &mut Room, layer: &Layer) -> Gradients {
        let Layer { k, n, .. } = *layer;
        Gradients {
            weight_sums: room.array(k * n),
            bias_sums: room.array(n),
            weight: room.floats(k * n),
            bias: room.floats(n),
            pieces: room.floats(layer.pieces_len()),
            states: room.put(&vec![0.0; layer.states_len()]),
        }
    }

    /// A step with these gradients of folded kernel and bias; with none it is folded.
    pub(super) fn step(&mut self, rule: Rule, rate: f32, gradients: Option<[&[f32]; 2]>) {
        let rates = self.room.put(&[rate]);
        let update = &self.gpu.kernels.update;
        let at = self.room.array(update::table_len(1));
        let mut words = vec![0; update::table_len(1)];
        let table = update::write_table(&[self.layer], &mut words, at);
        self.room.set(at, &words);
        let stream = self.room.stream();
        let Some([weight, bias]) = gradients else {
            update.step(stream, table, Rule::NONE, rates, 0).unwrap();
            return;
        };
        self.room.set(self.gradients.weight_sums, weight);
        self.room.set(self.gradients.bias_sums, bias);
        update.sum_slices(stream, table, 1).unwrap();
        update.step(stream, table, rule, rates, 0).unwrap();
    }

    pub(super) fn get(&self, view: Floats) -> Vec<f32> {
        self.room.get(view)
    }

    /// Folded kernel and bias.
    pub(super) fn folded(&self) -> Vec<f32> {
        let norm = self.norm.unwrap();
        [self.get(norm.folded), self.get(norm.bias)].concat()
    }

    /// Its gamma.
    pub(super) fn gamma(&self) -> Floats {
        self.norm.unwrap().gamma
    }

    /// First and second moments of kernel, gamma, beta.
    pub(super) fn states(&self) -> Vec<f32> {
        self.get(self.gradients.states)
    }
}
