//! ONNX: pictures in, probabilities out, as one file that needs nothing else.
//!
//! [`graph`] is the network as ONNX operators, [`message`] the bytes that they are written in. Numbers of
//! fields are those of `onnx/onnx.proto`, IR version 8.

pub mod graph;
mod message;

use self::graph::{Attribute, Constant, Extent, Graph, Node, Port};
use self::message::Message;
use crate::model::{SavedModel, saved};

/// Version of the file format; ONNX 1.10, 2021.
const IR_VERSION: i64 = 8;
/// Version of the operators; nothing newer is used, so that older programs read the file.
const OPERATORS: i64 = 13;

/// `TensorProto.DataType.FLOAT`.
const FLOAT: i64 = 1;
/// `AttributeProto.AttributeType.INT`.
const INTEGER: i64 = 2;
/// `AttributeProto.AttributeType.INTS`.
const INTEGERS: i64 = 7;

/// A model that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Readers of protocol buffers count bytes in 31 bits.
    #[error(
        "the model has {0} bytes of weights, and an ONNX file holds less than 2 GiB\nhint: export it as safetensors"
    )]
    TooLarge(u64),
}

/// The bytes of a model's file.
pub fn file(model: &SavedModel) -> Result<Vec<u8>, Error> {
    /// What a file has beside its weights, generously.
    const REST: u64 = 1 << 20;
    let values = model.parameters.tensors.iter();
    let bytes = values.map(|tensor| 4 * tensor.values.len() as u64).sum();
    if bytes > i32::MAX as u64 - REST {
        return Err(Error::TooLarge(bytes));
    }
    let graph = graph::of(model);
    let operators = Message::default().integer(2, OPERATORS);
    let description = Message::default()
        .text(1, saved::KEY)
        .text(2, &model.description.json());
    let message = Message::default()
        .integer(1, IR_VERSION)
        .text(2, env!("CARGO_PKG_NAME"))
        .text(3, env!("CARGO_PKG_VERSION"))
        .message(7, &written(&graph, &model.description.recipe))
        .message(8, &operators)
        .message(14, &description);
    Ok(message.into_bytes())
}

/// `GraphProto`.
fn written(graph: &Graph, name: &str) -> Message {
    let nodes = graph.nodes.iter();
    let message = nodes.fold(Message::default(), |message, node| {
        message.message(1, &written_node(node))
    });
    let message = graph
        .constants
        .iter()
        .fold(message.text(2, name), |message, constant| {
            message.message(5, &written_constant(constant))
        });
    message
        .message(11, &written_port(&graph.input))
        .message(12, &written_port(&graph.output))
}

/// `NodeProto`.
fn written_node(node: &Node) -> Message {
    let inputs = node.inputs.iter();
    let message = inputs.fold(Message::default(), |message, input| message.text(1, input));
    let message = message
        .text(2, &node.output)
        .text(3, &node.output)
        .text(4, node.operator);
    node.attributes
        .iter()
        .fold(message, |message, (name, attribute)| {
            let written = Message::default().text(1, name);
            let written = match attribute {
                Attribute::Integer(value) => written.integer(3, *value).integer(20, INTEGER),
                Attribute::Integers(values) => values
                    .iter()
                    .fold(written, |written, value| written.integer(8, *value))
                    .integer(20, INTEGERS),
            };
            message.message(5, &written)
        })
}

/// `TensorProto`.
fn written_constant(constant: &Constant) -> Message {
    let shape = constant.shape.iter();
    let message = shape.fold(Message::default(), |message, extent| {
        message.integer(1, *extent as i64)
    });
    let bytes: Vec<u8> = constant
        .values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    message
        .integer(2, FLOAT)
        .text(8, &constant.name)
        .bytes(9, &bytes)
}

/// `ValueInfoProto` of a tensor.
fn written_port(port: &Port) -> Message {
    let shape = port
        .shape
        .iter()
        .fold(Message::default(), |message, extent| {
            let extent = match extent {
                Extent::Fixed(extent) => Message::default().integer(1, *extent as i64),
                Extent::Any(name) => Message::default().text(2, name),
            };
            message.message(1, &extent)
        });
    let tensor = Message::default().integer(1, FLOAT).message(2, &shape);
    Message::default()
        .text(1, port.name)
        .message(2, &Message::default().message(1, &tensor))
}
