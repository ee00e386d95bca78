//! docs/performance.md counts operations as the benchmarks do.

#[path = "../../benches/work/flop.rs"]
mod flop;

use goldrun::model::backbone::mobilenet_v2;
use goldrun::model::{Network, Trained};
use goldrun::recipe::Trainable;

fn network(size: usize, alpha: f64) -> (Network, Trained) {
    let network = Network {
        layers: mobilenet_v2::layers(size, size, alpha),
        outputs: 1,
        dropout: 0.2,
    };
    let trained = Trained::of(&network, &Trainable::FromIndex(100)).unwrap();
    (network, trained)
}

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
    fs_err::read_to_string(path).unwrap()
}

#[track_caller]
fn assert_says(line: &str) {
    assert!(page().contains(line), "docs/performance.md has not: {line}");
}

fn millions(operations: usize) -> f64 {
    operations as f64 / 1e6
}

#[test]
fn operations_of_every_alpha() {
    for alpha in ["0.35", "0.5", "0.75", "1.0", "1.3", "1.4"] {
        let (network, trained) = network(160, alpha.parse().unwrap());
        let forward = millions(flop::forward(&network));
        let step = millions(flop::step(&network, &trained));
        assert_says(&format!("\n| {alpha} | {forward:.1} | {step:.1} |\n"));
    }
}

#[test]
fn operations_of_the_tutorial() {
    let (network, trained) = network(160, 1.0);
    let (forward, tail) = (flop::forward(&network), flop::tail(&network, &trained));
    let step = flop::step(&network, &trained);
    let [prefix, inputs] = [forward - tail, step - forward - tail].map(millions);
    let [forward, tail, step] = [forward, tail, step].map(millions);
    assert_says(&format!(
        "\n| frozen, below layer 100 | {prefix:.1} | | | {prefix:.1} |\n"
    ));
    let trained = step - prefix;
    assert_says(&format!(
        "\n| trained, from layer 100 on | {tail:.1} | {tail:.1} | {inputs:.1} | {trained:.1} |\n"
    ));
    assert_says(&format!(
        "\n| fine-tuning step | {forward:.1} | {tail:.1} | {inputs:.1} | {step:.1} |\n"
    ));
    assert_says(&format!(
        "{forward:.1} million floating-point operations forward"
    ));
    assert_says(&format!(
        "{step:.1} million for its share of a fine-tuning step"
    ));

    // 2000 pictures to train on, 808 to validate, 192 to test; 10 and 11 epochs.
    let training = 2000.0 * (10.0 * forward + 11.0 * step);
    let validation = 808.0 * (forward + prefix + 11.0 * tail);
    let test = 192.0 * forward;
    let [all, training, validation, test] =
        [training + validation + test, training, validation, test].map(|million| million / 1e6);
    assert_says(&format!(
        "{all:.1} million million operations: training {training:.1}, validation {validation:.1}, the test {test:.1}."
    ));
}

#[test]
fn operations_grow_with_the_area() {
    let forward = |size| flop::forward(&network(size, 1.0).0) as f64;
    let [large, small] = [224, 96].map(|size| forward(size) / forward(160));
    assert_says(&format!(
        "224×224 costs {large:.2} times 160×160, and 96×96 costs {small:.2}."
    ));
}
