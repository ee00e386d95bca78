//! 1×1 convolution, dense layer, and their gradients: matrix products whose every element is one chain.
//!
//! Weights are packed in panels of one or two vectors, so that a tile of rows × panel stays in registers
//! while it walks down its chains; the rest of the last panel is zeros that are computed and thrown away.

mod finish;
mod forward;
mod gradient;
mod packed;
mod tile;

pub use forward::{Epilogue, forward, forward_columns};
pub use gradient::{bias_gradient, weight_gradient};
pub use packed::PackedWeights;

use super::lanes::{Lanes, MOST_LANES};

/// Most vectors side by side in a tile.
const MOST_VECTORS: usize = 2;

/// Columns of the widest panel.
const MOST_COLUMNS: usize = MOST_VECTORS * MOST_LANES;

/// Rows of a tile of `vectors` vectors a row: as many sums as registers hold beside the operands.
const fn tile_rows<L: Lanes>(vectors: usize) -> usize {
    if vectors == MOST_VECTORS || L::ROWS == MOST_ROWS {
        L::ROWS
    } else {
        2 * L::ROWS
    }
}

/// Most rows of a tile at any level.
const MOST_ROWS: usize = 12;

/// The next tile of `left` rows: equal tiles instead of full ones and a crumb.
const fn balanced(left: usize, most: usize) -> usize {
    left.div_ceil(left.div_ceil(most))
}

/// Calls a method generic in its number of rows with that number.
macro_rules! with_rows {
    ($count:expr, $most:expr, $tile:ident . $run:ident :: < $lanes:ty, $vectors:tt > ( $( $arg:expr ),* )) => {
        $crate::kernels::pointwise::with_rows!(
            @choose $count, $most, $tile, $run, $lanes, $vectors, ( $( $arg ),* ),
            [1 2 3 4 5 6], [1 2 3 4 5 6 7 8 9 10 11 12]
        )
    };
    (@choose $count:expr, $most:expr, $tile:ident, $run:ident, $lanes:ty, $vectors:tt, $args:tt,
     $few:tt, $all:tt) => {
        // Constant for a level, so that no tile is compiled which the level has no registers for.
        if $most <= 6 {
            $crate::kernels::pointwise::with_rows!(@match $count, $tile, $run, $lanes, $vectors, $args, $few)
        } else {
            $crate::kernels::pointwise::with_rows!(@match $count, $tile, $run, $lanes, $vectors, $args, $all)
        }
    };
    (@match $count:expr, $tile:ident, $run:ident, $lanes:ty, $vectors:tt, $args:tt, [$( $rows:literal )*]) => {
        match $count {
            $( $rows => $crate::kernels::pointwise::with_rows!(@call $tile, $run, $lanes, $vectors, $rows, $args), )*
            _ => unreachable!("more rows than a tile has"),
        }
    };
    (@call $tile:ident, $run:ident, $lanes:ty, $vectors:tt, $rows:literal, ( $( $arg:expr ),* )) => {
        $tile.$run::<$lanes, $vectors, $rows>( $( $arg ),* )
    };
}
use with_rows;
