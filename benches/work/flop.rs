//! Floating-point operations of an image, from shapes alone. A fused multiply and add counts as two; batch
//! norm is folded away, ReLU6, sums of two branches and the head are not worth counting.

use goldrun::model::operation::Convolution;
use goldrun::model::{Network, Operation, Trained};

/// Of one operation: forward, gradient of its weights, or gradient of its input, which are all as many.
pub fn of(operation: &Operation) -> usize {
    let products = match operation.kind {
        Convolution::First => 9 * operation.input_shape[2],
        Convolution::Depthwise { .. } => 9,
        Convolution::Pointwise => operation.input_shape[2],
    };
    2 * products * operation.output_len()
}

/// Of the backbone forward.
pub fn forward(network: &Network) -> usize {
    network.operations().iter().map(of).sum()
}

/// Of what a phase trains, forward.
pub fn tail(network: &Network, trained: &Trained) -> usize {
    let operations = network.operations();
    operations[trained.frozen_operations..].iter().map(of).sum()
}

/// Of a step of training: forward, gradients of the trained weights, gradients that go further down.
pub fn step(network: &Network, trained: &Trained) -> usize {
    let operations = network.operations();
    let first = trained.frozen_operations;
    let further = operations[first..]
        .iter()
        .filter(|operation| operation.input.is_some_and(|input| input >= first));
    forward(network) + tail(network, trained) + further.map(of).sum::<usize>()
}
