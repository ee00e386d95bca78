//! The operations as docs/arithmetic.md defines them, element by element and as plainly as possible.
//!
//! Nothing here is shared with the kernels, not even the geometry: taps are found by signed coordinates.

/// min6(max0(x)).
pub(super) fn relu6(x: f32) -> f32 {
    let positive = if x > 0.0 { x } else { 0.0 };
    if positive < 6.0 { positive } else { 6.0 }
}

/// `value` where 0 < y < 6, else +0.
pub(super) fn where_active(value: f32, y: f32) -> f32 {
    if y > 0.0 && y < 6.0 { value } else { 0.0 }
}

/// Chains over slices of `length` terms, each from +0, their results added in order.
fn sliced(terms: &[(f32, f32)], length: usize) -> f32 {
    let chain = |slice: &[(f32, f32)]| slice.iter().fold(0.0, |sum, &(a, b)| a.mul_add(b, sum));
    let mut slices = terms.chunks(length).map(chain);
    let first = slices.next().unwrap_or(0.0);
    slices.fold(first, |total, slice| total + slice)
}

/// As [`sliced`], of additions.
fn sliced_sum(terms: &[f32], length: usize) -> f32 {
    let chain = |slice: &[f32]| slice.iter().fold(0.0, |sum, &term| sum + term);
    let mut slices = terms.chunks(length).map(chain);
    let first = slices.next().unwrap_or(0.0);
    slices.fold(first, |total, slice| total + slice)
}

/// `[rows][k] · [k][n]`, chains from `start`.
pub(super) fn product(x: &[f32], w: &[f32], start: &[f32], k: usize) -> Vec<f32> {
    let n = start.len();
    let element = |row: &[f32], column: usize| {
        (0..k).fold(start[column], |sum, at| {
            row[at].mul_add(w[at * n + column], sum)
        })
    };
    x.chunks_exact(k)
        .flat_map(|row| (0..n).map(move |column| element(row, column)))
        .collect()
}

/// `[n][k]` of `[k][n]`.
pub(super) fn transposed(w: &[f32], n: usize) -> Vec<f32> {
    let k = w.len() / n;
    (0..n * k).map(|at| w[at % k * n + at / k]).collect()
}

/// `[k][n]`: Σ over rows of x · dz.
pub(super) fn product_weights(
    x: &[f32],
    dz: &[f32],
    k: usize,
    n: usize,
    slice_rows: usize,
) -> Vec<f32> {
    let rows = dz.len() / n;
    (0..k * n)
        .map(|at| {
            let terms: Vec<(f32, f32)> = (0..rows)
                .map(|row| (x[row * k + at / n], dz[row * n + at % n]))
                .collect();
            sliced(&terms, slice_rows)
        })
        .collect()
}

/// `[n]`: Σ over rows of dz.
pub(super) fn column_sums(dz: &[f32], n: usize, slice_rows: usize) -> Vec<f32> {
    (0..n)
        .map(|column| {
            let terms: Vec<f32> = dz.iter().skip(column).step_by(n).copied().collect();
            sliced_sum(&terms, slice_rows)
        })
        .collect()
}

/// A picture of 3×3 taps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub height: usize,
    pub width: usize,
    pub stride: usize,
}

impl Geometry {
    pub(super) fn outputs(self) -> (usize, usize) {
        (
            self.height.div_ceil(self.stride),
            self.width.div_ceil(self.stride),
        )
    }

    /// Keras' `correct_pad` before an axis for stride 2, 1 for stride 1.
    fn pad(self, len: usize) -> isize {
        let even_with_stride_2 = self.stride == 2 && len.is_multiple_of(2);
        isize::from(!even_with_stride_2)
    }

    /// The input pixel that tap (ky, kx) of output (oy, ox) reads, if inside.
    fn read(self, out: (usize, usize), tap: (usize, usize)) -> Option<usize> {
        let y = (out.0 * self.stride + tap.0) as isize - self.pad(self.height);
        let x = (out.1 * self.stride + tap.1) as isize - self.pad(self.width);
        let inside =
            (0..self.height as isize).contains(&y) && (0..self.width as isize).contains(&x);
        inside.then(|| y as usize * self.width + x as usize)
    }

    fn output_places(self) -> Vec<(usize, usize)> {
        let (height, width) = self.outputs();
        (0..height * width)
            .map(|at| (at / width, at % width))
            .collect()
    }
}

fn taps() -> impl Iterator<Item = (usize, usize)> {
    (0..9).map(|tap| (tap / 3, tap % 3))
}

/// One image; `w` is `[9][c]`.
pub(super) fn depthwise(
    geometry: Geometry,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    has_relu6: bool,
) -> Vec<f32> {
    let c = bias.len();
    let mut y = Vec::new();
    for out in geometry.output_places() {
        for channel in 0..c {
            let mut sum = bias[channel];
            for tap in taps() {
                if let Some(pixel) = geometry.read(out, tap) {
                    sum = x[pixel * c + channel].mul_add(w[(tap.0 * 3 + tap.1) * c + channel], sum);
                }
            }
            y.push(if has_relu6 { relu6(sum) } else { sum });
        }
    }
    y
}

/// One image; every input pixel looks for the outputs that read it, tap by tap.
pub(super) fn depthwise_input(geometry: Geometry, dz: &[f32], w: &[f32], mask: &[f32]) -> Vec<f32> {
    let c = w.len() / 9;
    let outputs = geometry.output_places();
    let mut dx = Vec::new();
    for pixel in 0..geometry.height * geometry.width {
        for channel in 0..c {
            let mut sum = 0.0;
            for tap in taps() {
                let reader = outputs
                    .iter()
                    .position(|&out| geometry.read(out, tap) == Some(pixel));
                if let Some(output) = reader {
                    sum =
                        dz[output * c + channel].mul_add(w[(tap.0 * 3 + tap.1) * c + channel], sum);
                }
            }
            dx.push(where_active(sum, mask[pixel * c + channel]));
        }
    }
    dx
}

/// `[taps][colours][n]` of any 3×3 convolution, for each of `pairs` (input channel, output channel).
///
/// Slices are of images; within one, rows whose tap lies outside are skipped.
fn convolution_weights(
    geometry: Geometry,
    x: &[f32],
    dz: &[f32],
    (inputs, outputs): (usize, usize),
    slice_images: usize,
    pairs: &[(usize, usize)],
) -> Vec<f32> {
    let places = geometry.output_places();
    let image_len = geometry.height * geometry.width * inputs;
    let gradient_len = places.len() * outputs;
    let images: Vec<(&[f32], &[f32])> = x
        .chunks_exact(image_len)
        .zip(dz.chunks_exact(gradient_len))
        .collect();
    let mut gradients = Vec::new();
    for tap in taps() {
        for &(input, output) in pairs {
            let slices = images.chunks(slice_images).map(|slice| {
                let mut sum = 0.0;
                for (x, dz) in slice {
                    for (at, &out) in places.iter().enumerate() {
                        if let Some(pixel) = geometry.read(out, tap) {
                            sum = x[pixel * inputs + input].mul_add(dz[at * outputs + output], sum);
                        }
                    }
                }
                sum
            });
            gradients.push(slices.reduce(|total, slice| total + slice).unwrap_or(0.0));
        }
    }
    gradients
}

/// `[9][c]`, then the bias `[c]`.
pub(super) fn depthwise_weights(
    geometry: Geometry,
    c: usize,
    x: &[f32],
    dz: &[f32],
    slice_images: usize,
) -> Vec<f32> {
    let pairs: Vec<(usize, usize)> = (0..c).map(|channel| (channel, channel)).collect();
    let mut gradients = convolution_weights(geometry, x, dz, (c, c), slice_images, &pairs);
    let (height, width) = geometry.outputs();
    gradients.extend(column_sums(dz, c, slice_images * height * width));
    gradients
}

/// One picture of three colours; `w` is `[27][n]`; ReLU6.
pub(super) fn first_convolution(
    geometry: Geometry,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
) -> Vec<f32> {
    let n = bias.len();
    let mut y = Vec::new();
    for out in geometry.output_places() {
        for channel in 0..n {
            let mut sum = bias[channel];
            for tap in taps() {
                let Some(pixel) = geometry.read(out, tap) else {
                    continue;
                };
                for colour in 0..3 {
                    let row = (tap.0 * 3 + tap.1) * 3 + colour;
                    sum = x[pixel * 3 + colour].mul_add(w[row * n + channel], sum);
                }
            }
            y.push(relu6(sum));
        }
    }
    y
}

/// `[27][n]`.
pub(super) fn first_convolution_weights(
    geometry: Geometry,
    n: usize,
    x: &[f32],
    dz: &[f32],
    slice_images: usize,
) -> Vec<f32> {
    let pairs: Vec<(usize, usize)> = (0..3 * n).map(|at| (at / n, at % n)).collect();
    convolution_weights(geometry, x, dz, (3, n), slice_images, &pairs)
}

/// Folded kernel, then folded bias.
pub(super) fn fold(
    w: &[f32],
    gamma: &[f32],
    beta: &[f32],
    mean: &[f32],
    inverse: &[f32],
) -> Vec<f32> {
    let c = gamma.len();
    let scale = |channel: usize| gamma[channel] * inverse[channel];
    let kernel = w.iter().enumerate().map(|(at, &w)| w * scale(at % c));
    let bias = (0..c).map(|channel| (-mean[channel]).mul_add(scale(channel), beta[channel]));
    kernel.chain(bias).collect()
}

/// Gradient of the raw kernel, then of gamma.
pub(super) fn fold_gradients(
    folded: &[f32],
    w: &[f32],
    db: &[f32],
    mean: &[f32],
    inverse: &[f32],
    gamma: &[f32],
    piece: usize,
) -> Vec<f32> {
    let c = gamma.len();
    let kernel = folded
        .iter()
        .enumerate()
        .map(|(at, &gradient)| gradient * (gamma[at % c] * inverse[at % c]));
    let gammas = (0..c).map(|channel| {
        let terms: Vec<(f32, f32)> = (channel..w.len())
            .step_by(c)
            .map(|at| (folded[at], w[at]))
            .collect();
        (-mean[channel]).mul_add(db[channel], sliced(&terms, piece)) * inverse[channel]
    });
    kernel.chain(gammas).collect()
}

/// Mean over `[pixels][c]`.
pub(super) fn pool(x: &[f32], c: usize) -> Vec<f32> {
    let pixels = x.len() / c;
    column_sums(x, c, pixels)
        .iter()
        .map(|sum| sum / pixels as f32)
        .collect()
}

/// A step of Adam, the t-th: w, m, v.
pub(super) fn adam(state: [f32; 3], g: f32, alpha: f32) -> [f32; 3] {
    let [w, m, v] = state;
    let m = (g - m).mul_add((1.0 - 0.9_f64) as f32, m);
    let v = (g * g - v).mul_add((1.0 - 0.999_f64) as f32, v);
    [w - (m * alpha) / (v.sqrt() + 1e-7), m, v]
}

/// A step of RMSprop with ρ 0.9: w, v, M.
pub(super) fn rmsprop(state: [f32; 3], g: f32, rate: f32, momentum: f32) -> [f32; 3] {
    let [w, v, old] = state;
    let v = ((1.0 - 0.9_f64) as f32).mul_add(g * g, 0.9 * v);
    let step = (rate * g) / (v + 1e-7).sqrt();
    if momentum == 0.0 {
        return [w - step, v, old];
    }
    let velocity = momentum.mul_add(old, step);
    [w - velocity, v, velocity]
}

/// A step of gradient descent: w, M.
pub(super) fn sgd(state: [f32; 2], g: f32, rate: f32, momentum: f32, nesterov: bool) -> [f32; 2] {
    let [w, old] = state;
    let step = g * rate;
    if momentum == 0.0 {
        return [w - step, old];
    }
    let velocity = momentum * old - step;
    let change = if nesterov {
        momentum * velocity - step
    } else {
        velocity
    };
    [w + change, velocity]
}
