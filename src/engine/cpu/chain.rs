//! Operations that follow each other, run band by band.
//!
//! The wide outputs between a block's convolutions are larger than a second-level cache; a band of their
//! rows is not. So the last operation asks for a few rows at a time, each one before it computes the rows that
//! are asked of it, and what lies between is kept only as long as it is read. No element's sum knows of it.

use std::ops::Range;

use super::layer::Layer;
use crate::kernels::{Buffer, Level, zeros};
use crate::model::Operation;
use crate::model::operation::Convolution;

/// Bytes that a chain may keep between its operations: a part of a second-level cache, the rest is for
/// weights.
pub(super) const BAND_BYTES: usize = 256 * 1024;
/// Rows of its input that a row of a depthwise convolution reads.
const DEPTHWISE_ROWS: usize = 3;

/// Operations each of which, but the last, is read by the next one only.
#[derive(Debug)]
pub(super) struct Chain {
    /// Their places in the network.
    pub(super) operations: Range<usize>,
    links: Vec<Link>,
}

/// One operation of a chain.
#[derive(Clone, Copy, Debug)]
struct Link {
    kind: Convolution,
    /// Rows of its output, and values of a row.
    height: usize,
    row: usize,
    /// Rows that are computed at a time.
    rows: usize,
    /// Who reads it within the chain.
    reader: Reader,
}

/// Who reads the output of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// A depthwise convolution: rows are kept in a ring.
    Depthwise,
    /// A pointwise convolution: the rows that it asked for are kept.
    Pointwise,
    /// Whoever comes after the chain: the output is whole.
    Outside,
}

/// Buffers between the operations of any chain, and how far each has come.
#[derive(Default)]
pub(super) struct Bands {
    buffers: Vec<Buffer>,
    /// First row that is not computed yet.
    done: Vec<usize>,
    /// First row that the reader asked for.
    asked: Vec<usize>,
}

/// What a chain works on for one image.
pub(super) struct Input<'a> {
    /// Input of its first operation.
    pub(super) x: &'a [f32],
    /// What each of its operations adds to its result, by place in the chain.
    pub(super) residual: &'a (dyn Fn(usize) -> Option<&'a [f32]> + 'a),
}

impl Chain {
    /// The chain of `operations[places]`, which keeps `band_bytes` between them at most, but one row.
    pub(super) fn new(operations: &[Operation], places: Range<usize>, band_bytes: usize) -> Self {
        let chained = &operations[places.clone()];
        let height = chained.last().map_or(0, |last| last.output_shape[0]);
        // The most rows that fit, in equal bands; one row if none does.
        let mut links = links(chained, 1);
        for bands in 1..=height {
            let candidate = self::links(chained, height.div_ceil(bands));
            if bytes(&candidate) <= band_bytes {
                links = candidate;
                break;
            }
        }
        Self {
            operations: places,
            links,
        }
    }

    /// Room for the chain in `bands`.
    pub(super) fn reserve(&self, bands: &mut Bands) {
        let inner = self.links.len() - 1;
        if bands.done.len() < self.links.len() {
            bands.done.resize(self.links.len(), 0);
            bands.asked.resize(self.links.len(), 0);
            bands.buffers.resize(inner, zeros(0));
        }
        for (buffer, link) in bands.buffers.iter_mut().zip(&self.links[..inner]) {
            buffer.resize(buffer.len().max(link.rows * link.row), 0.0);
        }
    }

    /// Runs the chain for one image; `layers` are the network's.
    pub(super) fn forward<'a>(
        &'a self,
        level: Level,
        layers: &'a [Layer],
        bands: &'a mut Bands,
        input: Input<'a>,
        out: &'a mut [f32],
    ) {
        bands.done.fill(0);
        bands.asked.fill(0);
        let mut run = Run {
            chain: self,
            level,
            layers: &layers[self.operations.clone()],
            bands,
            input,
            out,
        };
        let last = self.links.len() - 1;
        run.advance(last, self.links[last].height);
    }
}

/// A chain at work.
struct Run<'a> {
    chain: &'a Chain,
    level: Level,
    layers: &'a [Layer],
    bands: &'a mut Bands,
    input: Input<'a>,
    out: &'a mut [f32],
}

impl Run<'_> {
    /// Computes the rows of operation `place` of the chain before row `end`.
    fn advance(&mut self, place: usize, end: usize) {
        let link = self.chain.links[place];
        while self.bands.done[place] < end {
            let first = self.bands.done[place];
            let mut rows = first..end.min(first + link.rows);
            if link.reader == Reader::Depthwise {
                // Up to the end of the ring.
                rows.end = rows.end.min((first / link.rows + 1) * link.rows);
            }
            if place > 0 {
                self.bands.asked[place - 1] = first;
                let read = self.layers[place].rows_read_by(&rows);
                self.advance(place - 1, read.end);
            }
            self.compute(place, rows.clone());
            self.bands.done[place] = rows.end;
        }
    }

    fn compute(&mut self, place: usize, rows: Range<usize>) {
        let link = self.chain.links[place];
        let layer = &self.layers[place];
        let count = rows.len();
        // Taken, so that another buffer can be read while it is written.
        let mut own = match link.reader {
            Reader::Outside => zeros(0),
            _ => std::mem::replace(&mut self.bands.buffers[place], zeros(0)),
        };
        let y = match link.reader {
            Reader::Outside => &mut self.out[rows.start * link.row..],
            Reader::Depthwise => &mut own[rows.start % link.rows * link.row..],
            Reader::Pointwise => &mut own[(rows.start - self.bands.asked[place]) * link.row..],
        };
        let y = &mut y[..count * link.row];
        let is_pointwise = link.kind == Convolution::Pointwise;
        let x = if place > 0 {
            let below = self.chain.links[place - 1];
            let held = if is_pointwise { count } else { below.rows };
            &self.bands.buffers[place - 1][..held * below.row]
        } else if is_pointwise {
            let row = layer.operation.input_len() / layer.operation.input_shape[0];
            &self.input.x[rows.start * row..][..count * row]
        } else {
            self.input.x
        };
        let residual =
            (self.input.residual)(place).map(|r| &r[rows.start * link.row..][..count * link.row]);
        layer.forward_rows(self.level, rows, x, residual, y);
        if link.reader != Reader::Outside {
            self.bands.buffers[place] = own;
        }
    }
}

/// The links of a chain whose last operation computes `rows` rows at a time.
fn links(operations: &[Operation], rows: usize) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::with_capacity(operations.len());
    for operation in operations.iter().rev() {
        let height = operation.output_shape[0];
        let (reader, rows) = match links.last() {
            None => (Reader::Outside, rows),
            Some(above) => match above.kind {
                Convolution::Depthwise { stride } => {
                    let span = (above.rows - 1) * stride + DEPTHWISE_ROWS;
                    (Reader::Depthwise, span.min(height))
                }
                _ => (Reader::Pointwise, above.rows),
            },
        };
        links.push(Link {
            kind: operation.kind,
            height,
            row: operation.output_len() / height,
            rows,
            reader,
        });
    }
    links.reverse();
    links
}

/// Bytes between the operations of a chain.
fn bytes(links: &[Link]) -> usize {
    let inner = &links[..links.len() - 1];
    inner.iter().map(|link| link.rows * link.row).sum::<usize>() * size_of::<f32>()
}
