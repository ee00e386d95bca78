//! The layers of a network, each by itself.

use goldrun::kernels::cuda::depthwise::InputGradient;
use goldrun::kernels::cuda::memory::Floats;
use goldrun::kernels::cuda::pointwise::{Product, Slices, Tile, slices_tile, tile};
use goldrun::kernels::cuda::workbench::Workbench;
use goldrun::kernels::cuda::{Device, Error, Graph, Kernels};
use goldrun::kernels::depthwise::{Shape, TAPS};
use goldrun::kernels::first_convolution;
use goldrun::kernels::vectors::{Mode, data, hash};
use goldrun::model::operation::Convolution;
use goldrun::model::{Network, Operation};

use super::timed::Stopwatch;

/// Operations of a fused multiply-add.
const FMA: usize = 2;
/// Values whose bits are compared between tiles.
const COMPARED: usize = 1 << 20;
/// Bytes of the arrays of a layer at most.
const ROOM: u64 = 8 << 30;
/// Values that are copied to see how fast memory is.
const COPIED: usize = 1 << 26;
/// Values that are made; longer arrays repeat them.
const MADE: usize = 1 << 22;

/// The layers of a network for a number of images.
pub(crate) struct Layers<'a> {
    device: &'a Device,
    kernels: &'a Kernels,
    operations: Vec<Operation>,
    images: usize,
    watch: Stopwatch,
    limits: Limits,
}

/// What the device can do at most.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Operations of 32-bit floats in a second.
    pub(crate) operations: f64,
    /// Bytes of memory that are read or written in a second.
    pub(crate) bytes: f64,
}

impl Limits {
    /// The device's arithmetic by its data, and its memory by a copy.
    pub(crate) fn of(device: &Device) -> Result<Self, Error> {
        let mut bench = Workbench::new(device, 2 * 4 * COPIED as u64)?;
        let (from, to): (Floats, Floats) = (bench.array(COPIED), bench.array(COPIED));
        bench.stream.clear(from)?;
        let stream = &bench.stream;
        let seconds = Stopwatch::new(device)?.time(stream, || stream.copy(from, to))?;
        Ok(Self {
            operations: device.description().peak(),
            bytes: (2 * 4 * COPIED) as f64 / seconds,
        })
    }
}

/// Seconds of a node of a graph whose nodes wait for each other and do next to nothing.
pub(crate) fn seconds_of_a_node(device: &Device) -> Result<f64, Error> {
    /// Nodes of the graph.
    const NODES: usize = 1000;
    let mut bench = Workbench::new(device, 1 << 20)?;
    let value: Floats = bench.array(1);
    let stream = &bench.stream;
    let work = || (0..NODES).try_for_each(|_| stream.clear(value));
    let graph = Graph::record(device, stream, work)?;
    let seconds = Stopwatch::new(device)?.time(stream, || graph.launch(stream))?;
    Ok(seconds / NODES as f64)
}

/// One line of the table.
struct Line<'a> {
    layer: &'a str,
    what: &'a str,
    by: String,
    seconds: f64,
    operations: usize,
    bytes: usize,
}

impl<'a> Layers<'a> {
    pub(crate) fn new(
        device: &'a Device,
        kernels: &'a Kernels,
        network: &Network,
        images: usize,
        limits: Limits,
    ) -> Result<Self, Error> {
        Ok(Self {
            limits,
            device,
            kernels,
            operations: network.operations(),
            images,
            watch: Stopwatch::new(device)?,
        })
    }

    /// Times every layer; how many tiles gave other bits than the first.
    pub(crate) fn time_all(&self) -> Result<usize, Error> {
        println!(
            "\n{} images a launch; * is the tile that the engine takes",
            self.images
        );
        println!(
            "{:24} {:9} {:30} {:>9} {:>9} {:>9} {:>8}",
            "layer", "what", "by", "µs", "TFLOP/s", "GB/s", "of limit"
        );
        let mut different = 0;
        for operation in &self.operations {
            match operation.kind {
                Convolution::First => self.first(operation)?,
                Convolution::Depthwise { stride } => self.depthwise(operation, stride)?,
                Convolution::Pointwise => different += self.pointwise(operation)?,
            }
        }
        Ok(different)
    }

    fn bench(&self) -> Result<Workbench, Error> {
        Workbench::new(self.device, ROOM.min(self.device.free_memory()? / 2))
    }

    fn pointwise(&self, operation: &Operation) -> Result<usize, Error> {
        let [_, _, k] = operation.input_shape;
        let [_, _, n] = operation.output_shape;
        let rows = self.images * operation.output_pixels();
        let pointwise = &self.kernels.pointwise;
        let mut bench = self.bench()?;
        let product = Product {
            x: filled(&mut bench, rows * k, 1, Mode::Activation)?,
            w: filled(&mut bench, k * n, 2, Mode::Signed)?,
            bias: Some(filled(&mut bench, n, 3, Mode::Signed)?),
            addend: None,
            relu6: operation.relu6,
            mask: None,
            y: bench.array(rows * n),
            k,
            n,
        };
        let line = |what, by, seconds| Line {
            layer: &operation.name,
            what,
            by,
            seconds,
            operations: FMA * rows * k * n,
            bytes: 4 * (rows * (k + n) + k * n),
        };
        let mut found = vec![];
        for with in pointwise.tiles().filter(|tile| tile.fits(k, n)) {
            let stream = &bench.stream;
            let launch = || pointwise.product_by(stream, with, &product);
            let seconds = self.watch.time(stream, launch)?;
            let bits = bench.get(product.y.first(product.y.len().min(COMPARED)))?;
            found.push(hash(&[&bits]));
            line("forward", marked(with, tile(rows, k, n)), seconds).print(self.limits);
        }
        let mut different = others(&found);
        let slice_rows = operation.slice_images() * operation.output_pixels();
        let slices = Slices {
            x: product.x,
            dz: filled(&mut bench, rows * n, 4, Mode::Signed)?,
            sums: bench.array(rows.div_ceil(slice_rows) * k * n),
            k,
            n,
            slice_rows,
        };
        let mut found = vec![];
        for with in pointwise.slices_tiles().filter(|tile| tile.fits(k, n)) {
            let stream = &bench.stream;
            let launch = || pointwise.slices_by(stream, with, &slices);
            let seconds = self.watch.time(stream, launch)?;
            let bits = bench.get(slices.sums.first(slices.sums.len().min(COMPARED)))?;
            found.push(hash(&[&bits]));
            line("weights", marked(with, slices_tile(k, n)), seconds).print(self.limits);
        }
        different += others(&found);
        Ok(different)
    }

    fn depthwise(&self, operation: &Operation, stride: usize) -> Result<(), Error> {
        let [height, width, c] = operation.input_shape;
        let shape = Shape::keras(height, width, c, stride);
        let (inputs, outputs) = (
            self.images * shape.input_len(),
            self.images * shape.output_len(),
        );
        let depthwise = &self.kernels.depthwise;
        let mut bench = self.bench()?;
        let x = filled(&mut bench, inputs, 1, Mode::Activation)?;
        let w = filled(&mut bench, TAPS * c, 2, Mode::Signed)?;
        let bias = filled(&mut bench, c, 3, Mode::Signed)?;
        let y: Floats = bench.array(outputs);
        let line = |what, seconds, bytes| Line {
            layer: &operation.name,
            what,
            by: String::new(),
            seconds,
            operations: FMA * TAPS * outputs,
            bytes,
        };
        let stream = &bench.stream;
        let launch = || depthwise.forward(stream, &shape, x, w, bias, true, y);
        let seconds = self.watch.time(stream, launch)?;
        line("forward", seconds, 4 * (inputs + outputs)).print(self.limits);
        let gradient = InputGradient {
            dz: y,
            w,
            addend: None,
            mask: Some(x),
            dx: bench.array(inputs),
        };
        let stream = &bench.stream;
        let launch = || depthwise.input_gradient(stream, &shape, &gradient);
        let seconds = self.watch.time(stream, launch)?;
        line("inputs", seconds, 4 * (2 * inputs + outputs)).print(self.limits);
        let slice_images = operation.slice_images();
        let sums = bench.array(self.images.div_ceil(slice_images) * TAPS * c);
        let stream = &bench.stream;
        let launch = || depthwise.slices(stream, &shape, x, y, sums, slice_images);
        let seconds = self.watch.time(stream, launch)?;
        line("weights", seconds, 4 * (inputs + outputs)).print(self.limits);
        Ok(())
    }

    fn first(&self, operation: &Operation) -> Result<(), Error> {
        let [height, width, _] = operation.input_shape;
        let [_, _, n] = operation.output_shape;
        let shape = first_convolution::Shape::keras(height, width, n);
        let (inputs, outputs) = (
            self.images * shape.input_len(),
            self.images * shape.output_len(),
        );
        let mut bench = self.bench()?;
        let x = filled(&mut bench, inputs, 1, Mode::Signed)?;
        let w = filled(&mut bench, first_convolution::TAPS * n, 2, Mode::Signed)?;
        let bias = filled(&mut bench, n, 3, Mode::Signed)?;
        let y = bench.array(outputs);
        let first = &self.kernels.first_convolution;
        let stream = &bench.stream;
        let launch = || first.forward(stream, &shape, x, w, bias, y);
        Line {
            layer: &operation.name,
            what: "forward",
            by: String::new(),
            seconds: self.watch.time(stream, launch)?,
            operations: FMA * first_convolution::TAPS * outputs,
            bytes: 4 * (inputs + outputs),
        }
        .print(self.limits);
        Ok(())
    }
}

impl Line<'_> {
    fn print(&self, limits: Limits) {
        let least =
            (self.operations as f64 / limits.operations).max(self.bytes as f64 / limits.bytes);
        println!(
            "{:24} {:9} {:30} {:9.1} {:9.2} {:9.0} {:7.0}%",
            self.layer,
            self.what,
            self.by,
            self.seconds * 1e6,
            self.operations as f64 / self.seconds / 1e12,
            self.bytes as f64 / self.seconds / 1e9,
            least / self.seconds * 1e2
        );
    }
}

fn marked(with: Tile, chosen: Tile) -> String {
    let mark = if with == chosen { " *" } else { "" };
    format!("{}{mark}", with.name())
}

/// How many differ from the first.
fn others(hashes: &[u64]) -> usize {
    hashes.iter().filter(|hash| **hash != hashes[0]).count()
}

/// An array of made values.
fn filled(bench: &mut Workbench, len: usize, seed: u64, mode: Mode) -> Result<Floats, Error> {
    let made = data(len.min(MADE), seed, mode);
    let view = bench.array::<f32>(len);
    for first in (0..len).step_by(MADE) {
        let part = view.part(first..len.min(first + MADE));
        bench.set(part, &made[..part.len()])?;
    }
    Ok(view)
}
