//! Products of matrices on the device: pointwise convolutions, dense layers and their gradients.

use super::Error;
use super::launch::{Arguments, Threads, block, launch};
use super::memory::Floats;
use super::module::{Family, Function, Modules};
use super::stream::Stream;

/// How a kernel divides the outputs of a product; no bit depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    name: &'static str,
    /// Rows of outputs of a block.
    rows: usize,
    /// Columns of outputs of a block.
    columns: usize,
    /// Outputs of a thread, rows and columns.
    outputs: [usize; 2],
    /// `k` and `n` must be multiples of it: values that are copied together.
    multiple: usize,
}

impl Tile {
    const fn new(name: &'static str, [rows, columns]: [usize; 2], outputs: [usize; 2]) -> Self {
        Self {
            name,
            rows,
            columns,
            outputs,
            multiple: 4,
        }
    }

    const fn threads(&self) -> usize {
        (self.rows / self.outputs[0]) * (self.columns / self.outputs[1])
    }

    const fn blocks(&self, rows: usize, columns: usize) -> usize {
        rows.div_ceil(self.rows) * columns.div_ceil(self.columns)
    }

    /// The kernel's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// True if it can compute a product of inner size `k` with `n` columns.
    pub const fn fits(&self, k: usize, n: usize) -> bool {
        k.is_multiple_of(self.multiple) && n.is_multiple_of(self.multiple)
    }
}

const WIDE: Tile = Tile::new("pointwise_128x64_8x8", [128, 64], [8, 8]);
const TALL_32: Tile = Tile::new("pointwise_128x32_8x4", [128, 32], [8, 4]);
const MIDDLE: Tile = Tile::new("pointwise_64x32_4x4", [64, 32], [4, 4]);
const ROWS_80: Tile = Tile::new("pointwise_80x32_5x4", [80, 32], [5, 4]);
const SMALL: Tile = Tile::new("pointwise_32x32_2x4", [32, 32], [2, 4]);
const COLUMNS_48: Tile = Tile::new("pointwise_64x48_4x12", [64, 48], [4, 12]);
const COLUMNS_24: Tile = Tile::new("pointwise_128x24_8x12", [128, 24], [8, 12]);
const COLUMNS_16: Tile = Tile::new("pointwise_128x16_4x4", [128, 16], [4, 4]);
const ANY: Tile = Tile {
    multiple: 1,
    ..Tile::new("pointwise_any", [32, 32], [4, 4])
};

/// Tiles of products.
const TILES: [Tile; 9] = [
    WIDE, TALL_32, MIDDLE, ROWS_80, SMALL, COLUMNS_48, COLUMNS_24, COLUMNS_16, ANY,
];

/// Rows of outputs from which on blocks of 128 rows fill a large device.
const MANY_ROWS: usize = 25_000;
/// Rows of outputs from which on blocks of 80 rows do.
const SOME_ROWS: usize = 2_000;
/// Columns from which on blocks of 64 rows do where there are fewer rows.
const MANY_COLUMNS: usize = 384;

/// The tile of a product of so many rows, `[rows][k] · [k][n]`.
pub fn tile(rows: usize, k: usize, n: usize) -> Tile {
    let tile = match (rows, n) {
        (MANY_ROWS.., ..=16) => COLUMNS_16,
        (MANY_ROWS.., ..=24) => COLUMNS_24,
        (MANY_ROWS.., 48 | 144) => COLUMNS_48,
        (MANY_ROWS.., _) if n.next_multiple_of(64) > n.next_multiple_of(32) => TALL_32,
        (MANY_ROWS.., _) => WIDE,
        (_, MANY_COLUMNS..) => MIDDLE,
        (SOME_ROWS.., _) => ROWS_80,
        _ => SMALL,
    };
    if tile.fits(k, n) { tile } else { ANY }
}

const SLICES_32: Tile = Tile::new("pointwise_slices_32x32_4x4", [32, 32], [4, 4]);
const SLICES_32_64: Tile = Tile::new("pointwise_slices_32x64_4x8", [32, 64], [4, 8]);
const SLICES_64: Tile = Tile::new("pointwise_slices_64x64_8x4", [64, 64], [8, 4]);
const SLICES_96: Tile = Tile::new("pointwise_slices_96x32_12x4", [96, 32], [12, 4]);
const SLICES_ANY: Tile = Tile {
    multiple: 1,
    ..Tile::new("pointwise_slices_any", [32, 32], [4, 4])
};

/// Tiles of weight gradients: their rows are inputs, their columns outputs.
const SLICES_TILES: [Tile; 5] = [SLICES_32, SLICES_32_64, SLICES_64, SLICES_96, SLICES_ANY];

/// Columns from which on a weight gradient is large enough for tiles of 64 × 64.
const WIDE_GRADIENT: usize = 320;
/// Inputs up to which tiles of 32 × 64 fill a large device better.
const NARROW_GRADIENT: usize = 160;

/// The tile of a weight gradient `[k][n]`.
pub fn slices_tile(k: usize, n: usize) -> Tile {
    let tile = match (k, n) {
        (64.., WIDE_GRADIENT..) => SLICES_64,
        (..=NARROW_GRADIENT, 64..) => SLICES_32_64,
        (96.., ..=32) => SLICES_96,
        _ => SLICES_32,
    };
    if tile.fits(k, n) { tile } else { SLICES_ANY }
}

/// The tile instead of one that only devices from compute capability 8.0 on have.
fn plain(tile: Tile) -> Tile {
    match tile {
        ROWS_80 => MIDDLE,
        COLUMNS_48 | COLUMNS_24 | COLUMNS_16 => TALL_32,
        SLICES_96 => SLICES_32,
        other => other,
    }
}

/// Flags of the kernels, as pointwise.cu has them.
const BIAS: usize = 1;
const ADDEND: usize = 2;
const RELU6: usize = 4;
const MASK: usize = 8;

/// A product `[rows][k] · [k][n]` with what is done to its results.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// `[rows][k]`.
    pub x: Floats,
    /// `[k][n]`.
    pub w: Floats,
    /// `[n]`: where chains start; +0 without.
    pub bias: Option<Floats>,
    /// `[rows][n]`: added to the result.
    pub addend: Option<Floats>,
    /// ReLU6 after that.
    pub relu6: bool,
    /// `[rows][n]`: the result is kept where this is strictly between 0 and 6, and else +0.
    pub mask: Option<Floats>,
    /// `[rows][n]`: the result.
    pub y: Floats,
    /// Inner size.
    pub k: usize,
    /// Columns.
    pub n: usize,
}

impl Product {
    fn rows(&self) -> usize {
        self.y.len() / self.n
    }
}

/// A weight gradient by slices: `sums[slice][k][n]`, each a chain from +0 over the slice's rows.
#[derive(Clone, Copy, Debug)]
pub struct Slices {
    /// `[rows][k]`.
    pub x: Floats,
    /// `[rows][n]`.
    pub dz: Floats,
    /// `[slices][k][n]`.
    pub sums: Floats,
    /// Inputs.
    pub k: usize,
    /// Outputs.
    pub n: usize,
    /// Rows of a slice.
    pub slice_rows: usize,
}

/// The kernels of this family.
pub struct Pointwise {
    products: Vec<(Tile, Function)>,
    slices: Vec<(Tile, Function)>,
    column_slices: Function,
    threads: Threads,
}

impl Pointwise {
    pub(super) fn load(modules: &Modules, threads: Threads) -> Result<Self, Error> {
        Ok(Self {
            products: functions(modules, &TILES)?,
            slices: functions(modules, &SLICES_TILES)?,
            column_slices: modules.function(Family::Pointwise, "column_slices")?,
            threads,
        })
    }

    /// Tiles of products that the device has.
    pub fn tiles(&self) -> impl Iterator<Item = Tile> {
        self.products.iter().map(|(tile, _)| *tile)
    }

    /// Tiles of weight gradients that the device has.
    pub fn slices_tiles(&self) -> impl Iterator<Item = Tile> {
        self.slices.iter().map(|(tile, _)| *tile)
    }

    /// Computes a product, with the tile that suits it.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn product(&self, stream: &Stream, product: &Product) -> Result<(), Error> {
        let tile = tile(product.rows(), product.k, product.n);
        self.product_by(stream, available(&self.products, tile), product)
    }

    /// Computes a product with a tile that fits it.
    ///
    /// # Panics
    /// If it does not, or lengths do not fit.
    pub fn product_by(&self, stream: &Stream, tile: Tile, product: &Product) -> Result<(), Error> {
        let Product { x, w, y, k, n, .. } = *product;
        let rows = product.rows();
        assert!(tile.fits(k, n), "{} and {k}, {n}", tile.name);
        assert_eq!((x.len(), w.len(), y.len()), (rows * k, k * n, rows * n));
        assert!(product.bias.is_none_or(|bias| bias.len() == n));
        for beside in [product.addend, product.mask] {
            assert!(beside.is_none_or(|beside| beside.len() == y.len()));
        }
        let flag = |is_set: bool, flag: usize| if is_set { flag } else { 0 };
        let flags = flag(product.bias.is_some(), BIAS)
            | flag(product.addend.is_some(), ADDEND)
            | flag(product.relu6, RELU6)
            | flag(product.mask.is_some(), MASK);
        let arguments = Arguments::default()
            .view(x)
            .view(w)
            .optional(product.bias)
            .optional(product.addend)
            .optional(product.mask)
            .view(y)
            .int(rows)
            .int(k)
            .int(n)
            .int(flags);
        let function = function(&self.products, tile);
        let grid = [tile.blocks(rows, n), 1, 1];
        launch(stream, function, grid, block(tile.threads()), &arguments)
    }

    /// Sums of a weight gradient, with the tile that suits it.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn slices(&self, stream: &Stream, slices: &Slices) -> Result<(), Error> {
        let tile = slices_tile(slices.k, slices.n);
        self.slices_by(stream, available(&self.slices, tile), slices)
    }

    /// Sums of a weight gradient, with a tile that fits.
    ///
    /// # Panics
    /// If it does not, or lengths do not fit.
    pub fn slices_by(&self, stream: &Stream, tile: Tile, slices: &Slices) -> Result<(), Error> {
        let Slices {
            x,
            dz,
            sums,
            k,
            n,
            slice_rows,
        } = *slices;
        let rows = dz.len() / n;
        let count = rows.div_ceil(slice_rows);
        assert!(tile.fits(k, n), "{} and {k}, {n}", tile.name);
        assert_eq!(
            (x.len(), dz.len(), sums.len()),
            (rows * k, rows * n, count * k * n)
        );
        let arguments = Arguments::default()
            .view(x)
            .view(dz)
            .view(sums)
            .int(rows)
            .int(k)
            .int(n)
            .int(slice_rows);
        let function = function(&self.slices, tile);
        let grid = [tile.blocks(k, n), count, 1];
        launch(stream, function, grid, block(tile.threads()), &arguments)
    }

    /// `sums[slice][n]`: sums of the columns of `dz`, `[rows][n]`, by slices of rows, each from +0.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn column_slices(
        &self,
        stream: &Stream,
        dz: Floats,
        sums: Floats,
        n: usize,
        slice_rows: usize,
    ) -> Result<(), Error> {
        let rows = dz.len() / n;
        let count = rows.div_ceil(slice_rows);
        assert_eq!((dz.len(), sums.len()), (rows * n, count * n));
        let arguments = Arguments::default()
            .view(dz)
            .view(sums)
            .int(rows)
            .int(n)
            .int(slice_rows);
        let threads = self.threads.chains;
        let grid = [n.div_ceil(threads), count, 1];
        launch(
            stream,
            &self.column_slices,
            grid,
            block(threads),
            &arguments,
        )
    }
}

/// The kernels of tiles, as far as the device has them.
fn functions(modules: &Modules, tiles: &[Tile]) -> Result<Vec<(Tile, Function)>, Error> {
    let has = |tile: &&Tile| modules.has_all_tiles() || plain(**tile) == **tile;
    let tiles = tiles.iter().filter(has);
    tiles
        .map(|&tile| Ok((tile, modules.function(Family::Pointwise, tile.name)?)))
        .collect()
}

/// The tile, or what stands for it on the device.
fn available(functions: &[(Tile, Function)], tile: Tile) -> Tile {
    let is_there = functions.iter().any(|(known, _)| *known == tile);
    if is_there { tile } else { plain(tile) }
}

fn function(functions: &[(Tile, Function)], tile: Tile) -> &Function {
    let found = functions.iter().find(|(known, _)| *known == tile);
    &found.expect("a tile that the device has").1
}
