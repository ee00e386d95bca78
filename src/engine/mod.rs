//! Runs a model: the native engine on the CPU, and the oracle that it is held to.
//!
//! Neither batch, nor order of rows, nor number of threads can change a bit of what the native engine
//! returns; the `candle` engine is an independent implementation and promises closeness only.

pub mod candle;
pub mod cpu;
