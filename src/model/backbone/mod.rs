//! Backbones: a table and a loop each.

pub mod mobilenet_v2;
