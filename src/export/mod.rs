//! Export: a saved model in formats that other programs read.
//!
//! safetensors are what [`SavedModel::write`](crate::model::SavedModel::write) makes; [`onnx`] is here.

pub mod onnx;
