//! The one integration crate.

// A test that cannot go on should stop where it stands.
#![allow(clippy::unwrap_used)]
// What a test measured is worth a line.
#![allow(clippy::print_stdout)]
// Heads of answers and lists of bad recipes are put together where they are read.
#![allow(clippy::format_push_string)]

mod allocations;
mod artifacts;
mod ci;
mod cli;
mod commands;
mod cuda;
mod dataset;
mod decode;
mod docs;
mod drawn;
mod engine;
mod everywhere;
mod export;
mod features;
mod golden;
mod keras;
mod kernels;
mod layering;
mod memory;
mod new;
mod performance;
mod pictures;
mod planted;
mod predict;
mod ptx;
mod quickstart;
mod randomness;
mod recipes;
mod report;
mod reproduce;
mod resume;
mod schema;
mod selftest;
mod server;
mod shapes;
mod steps;
mod support;
mod vendor;
