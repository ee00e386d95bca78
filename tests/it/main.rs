//! The one integration crate.

// A test that cannot go on should stop where it stands.
#![allow(clippy::unwrap_used)]

mod artifacts;
mod dataset;
mod decode;
mod drawn;
mod engine;
mod kernels;
mod layering;
mod randomness;
mod recipes;
mod server;
