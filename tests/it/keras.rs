//! The native engine against values that Keras computed: `tests/fixtures/keras/README.md` has the format.

use std::path::Path;

use goldrun::artifacts::Location;
use goldrun::artifacts::weights;
use goldrun::engine::cpu::{CpuNetwork, Examples};
use goldrun::kernels::{Level, pool};
use goldrun::model::backbone::mobilenet_v2;
use goldrun::model::weights::fit;
use goldrun::model::{LayerKind, Network, Parameters, Trained};
use goldrun::random::{Purpose, Stream};
use goldrun::recipe::{Optimizer, Trainable};
use serde_json::Value;

use crate::support::{WEIGHTS, artifact};

const IMAGES: usize = 3;
/// What the issue of all this allows: of norms, of elements by the norm, of losses.
const TOLERANCE: f64 = 1e-4;
/// Of features, by the largest.
const FEATURE_TOLERANCE: f64 = 1e-4;

/// A fixture with its network on the weights that it was made with.
struct Reference {
    values: Value,
    network: Network,
    parameters: Parameters,
    pictures: Vec<f32>,
    labels: Vec<u32>,
}

impl Reference {
    fn new(fixture: &str, weights: &Path) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/keras")
            .join(fixture);
        let values: Value = serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap();
        let side = values["size"].as_u64().unwrap() as usize;
        let classes = values["classes"].as_u64().unwrap() as usize;
        let network = Network {
            layers: mobilenet_v2::layers(side, side, values["alpha"].as_f64().unwrap()),
            outputs: if classes == 2 { 1 } else { classes },
            dropout: 0.0,
        };
        let backbone = read(&network, weights);
        let seed = values["head_seed"].as_u64().unwrap();
        Self {
            parameters: Parameters::with_new_head(&network, backbone, seed),
            pictures: pictures(&values, side),
            labels: numbers(&values["labels"])
                .map(|label| label as u32)
                .collect(),
            network,
            values,
        }
    }

    fn pictures(&self) -> impl Iterator<Item = &[f32]> {
        self.pictures.chunks_exact(self.pictures.len() / IMAGES)
    }

    /// The network at the start of a phase, and what crosses its border.
    fn phase(&self, phase: &str, optimizer: &Optimizer) -> (CpuNetwork, Vec<f32>) {
        let trainable = match phase {
            "head" => Trainable::Head,
            _ => Trainable::FromIndex(self.values["first_trained_layer"].as_i64().unwrap()),
        };
        let trained = Trained::of(&self.network, &trainable).unwrap();
        let parameters = self.parameters.clone();
        let mut native = CpuNetwork::new(Level::detect(), &self.network, parameters, IMAGES);
        native.begin_phase(&trained, optimizer);
        let mut rows = vec![0.0; IMAGES * native.border_len()];
        for (picture, row) in self
            .pictures()
            .zip(rows.chunks_exact_mut(native.border_len()))
        {
            native.border(picture, row);
        }
        (native, rows)
    }

    /// One step: the mean loss before it, and the logits.
    fn step(&self, native: &mut CpuNetwork, rows: &[f32]) -> (f64, Vec<f32>) {
        let mut losses = [0.0; IMAGES];
        let mut logits = vec![0.0; IMAGES * self.network.outputs];
        let examples = Examples {
            labels: &self.labels,
            indices: &[0, 1, 2],
            dropout: &Stream::new(1, Purpose::Dropout, 0),
        };
        native.train_batch(rows, &examples, &mut losses, &mut logits);
        let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
        (sum / IMAGES as f64, logits)
    }

    fn features_and_masks_agree(&self) {
        let (native, _) = self.phase("head", &rmsprop(0.0));
        let [height, width, channels] = self.network.features();
        let mut features = vec![0.0; IMAGES * height * width * channels];
        let mut pooled = vec![0.0; IMAGES * channels];
        let images = features.chunks_exact_mut(height * width * channels);
        for ((picture, out), mean) in self
            .pictures()
            .zip(images)
            .zip(pooled.chunks_exact_mut(channels))
        {
            native.features(picture, out);
            pool::forward(Level::Scalar, out, height * width, mean);
        }
        for (name, ours) in [("features", &features), ("pooled", &pooled)] {
            let theirs = &self.values[name];
            let largest = theirs["largest"][0][1].as_f64().unwrap().abs();
            let worst = elements(theirs, ours);
            assert!(
                worst < FEATURE_TOLERANCE * largest,
                "{name}: {worst:e} of {largest}"
            );
            assert!(norm_error(theirs, ours) < TOLERANCE, "{name}");
        }

        let relus = self
            .network
            .layers
            .iter()
            .filter(|layer| layer.kind == LayerKind::Relu6);
        let counted = self.values["active"].as_array().unwrap();
        let mut ours = vec![0; counted.len()];
        for picture in self.pictures() {
            for (sum, mask) in ours.iter_mut().zip(native.masks(picture)) {
                *sum += mask.iter().filter(|is_active| **is_active).count() as u64;
            }
        }
        assert_eq!(relus.clone().count(), counted.len());
        let mut exact = 0;
        for ((layer, theirs), ours) in relus.zip(counted).zip(ours) {
            assert_eq!(theirs["layer"], *layer.name);
            let count = theirs["count"].as_u64().unwrap();
            if theirs["exact"].as_bool().unwrap() {
                assert_eq!(ours, count, "{}", layer.name);
                exact += 1;
            } else {
                assert!(ours.abs_diff(count) < 10, "{}: {ours} {count}", layer.name);
            }
        }
        assert!(exact > 8, "masks of {exact} trained layers only");
    }

    fn losses_and_gradients_agree(&self) {
        for phase in ["head", "fine"] {
            let (mut native, rows) = self.phase(phase, &rmsprop(0.0));
            let (loss, logits) = self.step(&mut native, &rows);
            let theirs = self.values["loss"].as_f64().unwrap();
            assert!(
                (loss / theirs - 1.0).abs() < TOLERANCE,
                "{phase}: {loss} {theirs}"
            );
            for (ours, theirs) in logits.iter().zip(numbers(&self.values["logits"])) {
                assert!(
                    (f64::from(*ours) - theirs).abs() < TOLERANCE,
                    "{ours} {theirs}"
                );
            }
            let ours = native.gradients();
            let wanted = self.values["gradients"][phase].as_array().unwrap();
            assert_eq!(ours.len(), wanted.len(), "variables of phase {phase}");
            for theirs in wanted {
                let name = theirs["name"].as_str().unwrap();
                let (_, ours) = ours.iter().find(|(known, _)| known == name).unwrap();
                let norm = theirs["norm"].as_f64().unwrap();
                assert!(
                    norm_error(theirs, ours) < TOLERANCE,
                    "{phase}: norm of {name}"
                );
                let worst = elements(theirs, ours);
                assert!(
                    worst < TOLERANCE * norm,
                    "{phase}: {name} {worst:e} of {norm:e}"
                );
            }
        }
    }

    fn ten_steps_agree(&self) {
        let runs = self.values["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 4, "Adam and RMSprop in two phases");
        for run in runs {
            let learning_rate = run["learning_rate"].as_f64().unwrap();
            let optimizer = match run["optimizer"].as_str().unwrap() {
                "adam" => Optimizer::Adam {
                    learning_rate,
                    beta_1: 0.9,
                    beta_2: 0.999,
                    epsilon: 1e-7,
                },
                _ => rmsprop(learning_rate),
            };
            let (mut native, rows) = self.phase(run["phase"].as_str().unwrap(), &optimizer);
            let losses: Vec<f64> = numbers(&run["losses"]).collect();
            assert_eq!(losses.len(), 11);
            assert!(losses[10] < losses[0], "a run that learns nothing");
            for (step, theirs) in losses.into_iter().enumerate() {
                let (ours, _) = self.step(&mut native, &rows);
                let what = format!("{} {} step {step}", run["phase"], run["optimizer"]);
                assert!(
                    (ours / theirs - 1.0).abs() < TOLERANCE,
                    "{what}: {ours} {theirs}"
                );
            }
        }
    }
}

fn rmsprop(learning_rate: f64) -> Optimizer {
    Optimizer::RmsProp {
        learning_rate,
        rho: 0.9,
        momentum: 0.0,
        epsilon: 1e-7,
    }
}

fn read(network: &Network, path: &Path) -> Vec<Vec<f32>> {
    let file = weights::read(&Location::File(path.to_path_buf())).unwrap();
    fit(network, file).unwrap()
}

/// All numbers of a list, or of a list of lists.
fn numbers(list: &Value) -> Box<dyn Iterator<Item = f64> + '_> {
    match list {
        Value::Array(items) => Box::new(items.iter().flat_map(numbers)),
        number => Box::new(number.as_f64().into_iter()),
    }
}

/// |‖ours‖ ÷ ‖theirs‖ − 1|.
fn norm_error(theirs: &Value, ours: &[f32]) -> f64 {
    let sum: f64 = ours.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    (sum.sqrt() / theirs["norm"].as_f64().unwrap() - 1.0).abs()
}

/// The largest difference of the stored elements.
fn elements(theirs: &Value, ours: &[f32]) -> f64 {
    let shape: f64 = numbers(&theirs["shape"]).product();
    assert_eq!(shape as usize, ours.len());
    let stored = ["largest", "strided"].map(|kind| theirs[kind].as_array().unwrap());
    assert!(!stored[0].is_empty() && !stored[1].is_empty());
    stored
        .into_iter()
        .flatten()
        .map(|element| {
            let index = element[0].as_u64().unwrap() as usize;
            (f64::from(ours[index]) - element[1].as_f64().unwrap()).abs()
        })
        .fold(0.0, f64::max)
}

/// The fixture's images as the network sees them.
fn pictures(values: &Value, side: usize) -> Vec<f32> {
    let seeds = numbers(&values["image_seeds"]);
    let sums = numbers(&values["image_bytes"]);
    let images: Vec<f32> = seeds
        .zip(sums)
        .flat_map(|(seed, sum)| {
            let bytes = image(seed as u64, side);
            let own: u64 = bytes.iter().map(|&byte| u64::from(byte)).sum();
            assert_eq!(own, sum as u64, "image {seed}");
            bytes
        })
        .map(|byte| f32::from(byte) / 127.5 - 1.0)
        .collect();
    assert_eq!(images.len(), IMAGES * side * side * 3);
    images
}

/// A smooth colour field with noise, as the fixtures' README defines it.
fn image(seed: u64, side: usize) -> Vec<u8> {
    const GRID: usize = 5;
    const NOISE: usize = GRID * GRID * 3;
    let stream = Stream::new(seed, Purpose::Drawing, 0);
    let byte = |element: usize| i64::from(stream.word(0, element as u32) >> 24);
    let grid = |y: usize, x: usize, c: usize| byte((y * GRID + x) * 3 + c);
    let place = |v: usize| ((v * 1024 / side) >> 8, ((v * 1024 / side) & 255) as i64);
    let mut bytes = Vec::with_capacity(side * side * 3);
    for y in 0..side {
        let (row, down) = place(y);
        for x in 0..side {
            let (column, right) = place(x);
            for c in 0..3 {
                let upper = grid(row, column, c) * (256 - right) + grid(row, column + 1, c) * right;
                let lower =
                    grid(row + 1, column, c) * (256 - right) + grid(row + 1, column + 1, c) * right;
                let smooth = (upper * (256 - down) + lower * down) >> 16;
                let noise = byte(NOISE + (y * side + x) * 3 + c) % 49 - 24;
                bytes.push((smooth + noise).clamp(0, 255) as u8);
            }
        }
    }
    bytes
}

fn agrees(fixture: &str, weights: &Path) {
    let reference = Reference::new(fixture, weights);
    reference.features_and_masks_agree();
    reference.losses_and_gradients_agree();
    reference.ten_steps_agree();
}

#[test]
fn quickstart_is_as_keras_computes_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    agrees(
        "quickstart.json",
        &root.join("recipes/weights/quickstart.safetensors"),
    );
}

#[test]
fn the_tutorials_network_is_as_keras_computes_it() {
    let test = "the_tutorials_network_is_as_keras_computes_it";
    let Some(weights) = artifact(test, WEIGHTS) else {
        return;
    };
    agrees("mobilenet_v2_224.json", &weights);
}
