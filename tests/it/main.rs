//! The one integration crate.

mod kernels;
mod randomness;
