//! A network with its parameters as ONNX operators, from pictures of values 0 to 255 to probabilities.
//!
//! Batch norm is folded into the convolutions by the kernels' own arithmetic: the weights in the file are
//! those that the native engine computes with. Only the order of sums is the reader's.

use crate::kernels::{Level, batch_norm};
use crate::model::operation::{BETA, Convolution, GAMMA, MOVING_MEAN, MOVING_VARIANCE};
use crate::model::{Operation, Parameters, SavedModel};

/// Name of the graph's input.
pub const INPUT: &str = "image";
/// Name of its output.
pub const OUTPUT: &str = "probabilities";

/// Half of the range of a pixel, and what is taken away then: x ÷ 127.5 − 1.
const PREPROCESSING: [f32; 2] = [127.5, 1.0];

/// Operators in an order in which each finds its inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The operators.
    pub nodes: Vec<Node>,
    /// Weights and other numbers.
    pub constants: Vec<Constant>,
    /// Pictures, `[images][height][width][3]`.
    pub input: Port,
    /// Probabilities, `[images][classes]`.
    pub output: Port,
}

/// An operator with one output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// ONNX' name of what it does.
    pub operator: &'static str,
    /// Names of the tensors that it takes.
    pub inputs: Vec<String>,
    /// Name of the tensor that it makes.
    pub output: String,
    /// What the operator should know.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A number.
    Integer(i64),
    /// Numbers.
    Integers(Vec<i64>),
}

/// A tensor that is in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Its name.
    pub name: String,
    /// Extents, the slowest first; none for a number alone.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<f32>,
}

/// A tensor that goes in or comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: &'static str,
    /// Extents, the slowest first.
    pub shape: Vec<Extent>,
}

/// An extent of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Always the same.
    Fixed(usize),
    /// As many as there are of this.
    Any(&'static str),
}

/// The graph of a model.
pub fn of(model: &SavedModel) -> Graph {
    let SavedModel {
        description,
        parameters,
    } = model;
    let network = description.network();
    let operations = network.operations();
    let mut build = Builder::default();
    let picture = build.preprocessing();
    let low = build.number("zero", 0.0);
    let high = build.number("six", 6.0);
    let mut made: Vec<String> = Vec::with_capacity(operations.len());
    for operation in &operations {
        let input = operation.input.map_or(&picture, |place| &made[place]);
        let mut last = build.convolution(operation, parameters, input);
        let name = &operation.name;
        if let Some(residual) = operation.residual {
            let inputs = [&made[residual], &last];
            last = build.node("Add", &inputs, format!("{name}/add"), vec![]);
        }
        if operation.relu6 {
            let inputs = [&last, &low, &high];
            last = build.node("Clip", &inputs, format!("{name}/relu6"), vec![]);
        }
        made.push(last);
    }
    let features = made.last().unwrap_or(&picture).clone();
    let [kernel, bias] = [2, 1].map(|from_end| {
        let tensor = &parameters.tensors[parameters.tensors.len() - from_end];
        let shape = tensor.spec.shape.clone();
        build.constant(&tensor.spec.name, shape, tensor.values.clone())
    });
    build.head(&features, &kernel, &bias, network.outputs);
    let [height, width] = description
        .image_size
        .map(|side| Extent::Fixed(side as usize));
    let images = Extent::Any("images");
    Graph {
        nodes: build.nodes,
        constants: build.constants,
        input: Port {
            name: INPUT,
            shape: vec![images, height, width, Extent::Fixed(3)],
        },
        output: Port {
            name: OUTPUT,
            shape: vec![images, Extent::Fixed(description.classes.len())],
        },
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    constants: Vec<Constant>,
}

impl Builder {
    /// Adds an operator; gives the name of its output.
    fn node(
        &mut self,
        operator: &'static str,
        inputs: &[&String],
        output: String,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> String {
        self.nodes.push(Node {
            operator,
            inputs: inputs.iter().map(|&input| input.clone()).collect(),
            output: output.clone(),
            attributes,
        });
        output
    }

    /// Adds a tensor; gives its name.
    fn constant(&mut self, name: &str, shape: Vec<usize>, values: Vec<f32>) -> String {
        let name = name.to_owned();
        self.constants.push(Constant {
            name: name.clone(),
            shape,
            values,
        });
        name
    }

    fn number(&mut self, name: &str, value: f32) -> String {
        self.constant(name, vec![], vec![value])
    }

    /// From what a picture file has to what the first convolution takes, channels first.
    fn preprocessing(&mut self) -> String {
        let [half_range, one] = PREPROCESSING;
        let half_range = self.number("half_range", half_range);
        let one = self.number("one", one);
        let divided = self.node(
            "Div",
            &[&INPUT.to_owned(), &half_range],
            "divided".into(),
            vec![],
        );
        let scaled = self.node("Sub", &[&divided, &one], "scaled".into(), vec![]);
        let order = Attribute::Integers(vec![0, 3, 1, 2]);
        self.node(
            "Transpose",
            &[&scaled],
            "picture".into(),
            vec![("perm", order)],
        )
    }

    /// A convolution with its batch norm folded in.
    fn convolution(
        &mut self,
        operation: &Operation,
        parameters: &Parameters,
        input: &String,
    ) -> String {
        let [_, _, outputs] = operation.output_shape;
        let [_, _, channels] = operation.input_shape;
        // Sizes are multiples of 32 and halved five times: what is padded has an even size, and Keras pads
        // it behind only.
        let (side, inputs, stride, padding) = match operation.kind {
            Convolution::First => (3, channels, 2, [0, 0, 1, 1]),
            Convolution::Pointwise => (1, channels, 1, [0; 4]),
            Convolution::Depthwise { stride: 2 } => (3, 1, 2, [0, 0, 1, 1]),
            Convolution::Depthwise { .. } => (3, 1, 1, [1; 4]),
        };
        let (kernel, bias) = folded(operation, parameters);
        let name = &operation.name;
        let kernel = self.constant(
            &format!("{name}/kernel"),
            vec![outputs, inputs, side, side],
            outputs_first(&kernel, side * side, inputs, outputs),
        );
        let bias = self.constant(&format!("{name}/bias"), vec![outputs], bias);
        let side = side as i64;
        let attributes = vec![
            ("group", Attribute::Integer((channels / inputs) as i64)),
            ("kernel_shape", Attribute::Integers(vec![side; 2])),
            ("pads", Attribute::Integers(padding.to_vec())),
            ("strides", Attribute::Integers(vec![stride; 2])),
        ];
        self.node("Conv", &[input, &kernel, &bias], name.clone(), attributes)
    }

    /// Pool, dense and probabilities; dropout does nothing here.
    fn head(&mut self, features: &String, kernel: &String, bias: &String, outputs: usize) {
        let rows = || vec![("axis", Attribute::Integer(1))];
        let pooled = self.node("GlobalAveragePool", &[features], "pooled".into(), vec![]);
        let flat = self.node("Flatten", &[&pooled], "flat".into(), rows());
        let logits = self.node("Gemm", &[&flat, kernel, bias], "logits".into(), vec![]);
        if outputs > 1 {
            self.node("Softmax", &[&logits], OUTPUT.into(), rows());
            return;
        }
        // Each by itself: 1 − p would lose the bits of a small one.
        let second = self.node("Sigmoid", &[&logits], "second".into(), vec![]);
        let negated = self.node("Neg", &[&logits], "negated".into(), vec![]);
        let first = self.node("Sigmoid", &[&negated], "first".into(), vec![]);
        self.node("Concat", &[&first, &second], OUTPUT.into(), rows());
    }
}

/// Kernel and bias with the batch norm folded in, in Keras' layout.
fn folded(operation: &Operation, parameters: &Parameters) -> (Vec<f32>, Vec<f32>) {
    let level = Level::Scalar;
    let values = |offset: usize| parameters.values(operation.kernel + offset);
    let raw = values(0);
    let mut scale = vec![0.0; operation.output_shape[2]];
    let inverse = batch_norm::inverse_deviation(values(MOVING_VARIANCE));
    batch_norm::scale(values(GAMMA), &inverse, &mut scale);
    let mut kernel = vec![0.0; raw.len()];
    batch_norm::scale_rows(level, raw, &scale, &mut kernel);
    let mut bias = vec![0.0; scale.len()];
    batch_norm::bias(level, values(MOVING_MEAN), &scale, values(BETA), &mut bias);
    (kernel, bias)
}

/// `[tap][input][output]` as `[output][input][tap]`.
fn outputs_first(kernel: &[f32], taps: usize, inputs: usize, outputs: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(kernel.len());
    for output in 0..outputs {
        for input in 0..inputs {
            turned.extend((0..taps).map(|tap| kernel[(tap * inputs + input) * outputs + output]));
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::description::Backbone;
    use crate::model::{Description, Tensor};
    use crate::recipe::Orientation;

    fn model(classes: &[&str]) -> SavedModel {
        let description = Description {
            recipe: "made".into(),
            fingerprint: String::new(),
            seed: 1,
            phase: 0,
            backbone: Backbone::MobileNetV2,
            alpha: 0.35,
            dropout: 0.2,
            image_size: [64, 96],
            orientation: Orientation::Ignore,
            classes: classes.iter().map(ToString::to_string).collect(),
        };
        let tensors = description.network().tensors().into_iter();
        let tensors = tensors.map(|spec| Tensor {
            values: vec![0.5; spec.len()],
            spec,
        });
        SavedModel {
            parameters: Parameters {
                tensors: tensors.collect(),
            },
            description,
        }
    }

    #[test]
    fn every_input_is_there_before_it_is_taken() {
        for classes in [&["a", "b"][..], &["a", "b", "c"]] {
            let graph = of(&model(classes));
            let constants = graph.constants.iter().map(|constant| &constant.name);
            let mut there: BTreeSet<&str> = constants.map(String::as_str).collect();
            assert_eq!(there.len(), graph.constants.len(), "names are unique");
            there.insert(INPUT);
            let mut taken = BTreeSet::new();
            for node in &graph.nodes {
                for input in &node.inputs {
                    assert!(there.contains(input.as_str()), "{node:?}");
                    taken.insert(input.as_str());
                }
                assert!(there.insert(&node.output), "{node:?}");
            }
            there.remove(OUTPUT);
            assert_eq!(taken, there, "everything is for something");
            for constant in &graph.constants {
                let len: usize = constant.shape.iter().product();
                assert_eq!(constant.values.len(), len, "{}", constant.name);
            }
        }
    }

    #[test]
    fn operators_are_those_of_the_network() {
        let count = |graph: &Graph, operator: &str| {
            let nodes = graph.nodes.iter();
            nodes.filter(|node| node.operator == operator).count()
        };
        let two = of(&model(&["a", "b"]));
        let counts = ["Conv", "Clip", "Add", "Gemm", "Sigmoid", "Softmax"];
        assert_eq!(
            counts.map(|operator| count(&two, operator)),
            [52, 35, 10, 1, 2, 0]
        );
        let three = of(&model(&["a", "b", "c"]));
        assert_eq!(
            ["Sigmoid", "Softmax"].map(|operator| count(&three, operator)),
            [0, 1]
        );
    }

    #[test]
    fn kernels_are_turned() {
        // Two taps, two inputs, three outputs.
        let kernel: Vec<f32> = (0..12_u8).map(f32::from).collect();
        let turned = outputs_first(&kernel, 2, 2, 3);
        assert_eq!(
            turned,
            [0.0, 6.0, 3.0, 9.0, 1.0, 7.0, 4.0, 10.0, 2.0, 8.0, 5.0, 11.0]
        );
    }
}
