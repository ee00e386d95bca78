//! The `goldrun` binary.
fn main() {}
