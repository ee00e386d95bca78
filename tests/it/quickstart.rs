//! What the quickstart promises: a task that pixels alone do not solve, and transfer that does.

use goldrun::dataset::drawn;

use crate::support::Project;

/// `dataset.drawn.seed` of the recipe.
const SEED: u64 = 123;

#[test]
#[ignore = "trains the quickstart five times: just slow"]
fn every_seed_transfers() {
    for seed in ["1", "2", "3", "4", "5"] {
        let run = ["run", "quickstart", "--seed", seed, "--json"];
        let ran = Project::empty().goldrun(&run).exits(0).json();
        let figure = |address: &str| ran["facts"][address].as_f64().unwrap();
        let head_only = figure("phase.0.epoch.5.val_accuracy");
        let (validation, test) = (figure("final.val_accuracy"), figure("test.accuracy"));
        assert!(head_only >= 0.80, "seed {seed}: {head_only}");
        assert!(validation >= 0.88, "seed {seed}: {validation}");
        assert!(test >= 0.88, "seed {seed}: {test}");
        assert!(
            validation - head_only >= 0.045,
            "seed {seed}: {head_only} to {validation}"
        );
    }
}

/// Softmax regression on pixels, with a constant behind them.
struct Regression {
    weights: Vec<f32>,
}

impl Regression {
    /// Values of a picture, and the constant.
    const INPUTS: usize = drawn::SIZE * drawn::SIZE * 3 + 1;

    fn inputs(rgb: &[u8]) -> Vec<f32> {
        let pixels = rgb.iter().map(|value| f32::from(*value) / 127.5 - 1.0);
        pixels.chain([1.0]).collect()
    }

    /// Probability of each class.
    fn probabilities(&self, inputs: &[f32]) -> Vec<f32> {
        let logits: Vec<f32> = self
            .weights
            .chunks_exact(Self::INPUTS)
            .map(|weights| weights.iter().zip(inputs).map(|(w, x)| w * x).sum())
            .collect();
        let largest = logits
            .iter()
            .copied()
            .fold(f32::NEG_INFINITY, |a, b| if a > b { a } else { b });
        let powers: Vec<f32> = logits
            .iter()
            .map(|logit| libm::expf(logit - largest))
            .collect();
        let sum: f32 = powers.iter().sum();
        powers.iter().map(|power| power / sum).collect()
    }

    fn step(&mut self, inputs: &[f32], label: usize, rate: f32) {
        let probabilities = self.probabilities(inputs);
        for (class, weights) in self.weights.chunks_exact_mut(Self::INPUTS).enumerate() {
            let target = if class == label { 1.0 } else { 0.0 };
            let slope = rate * (probabilities[class] - target);
            for (weight, input) in weights.iter_mut().zip(inputs) {
                *weight -= slope * input;
            }
        }
    }

    fn accuracy(&self, examples: &[(usize, Vec<f32>)]) -> f64 {
        let right = examples.iter().filter(|(label, inputs)| {
            let probabilities = self.probabilities(inputs);
            let own = probabilities[*label];
            probabilities.iter().all(|other| own >= *other)
        });
        right.count() as f64 / examples.len() as f64
    }
}

#[test]
#[ignore = "seconds of arithmetic: just slow"]
fn pixels_alone_do_not_tell_the_heads_apart() {
    let examples = |slot: u32, count: u32| -> Vec<(usize, Vec<f32>)> {
        let draw = |number| {
            let (label, rgb) = drawn::picture(SEED, slot, number);
            (label as usize, Regression::inputs(&rgb))
        };
        (0..count).map(draw).collect()
    };
    let (train, test) = (examples(0, 1500), examples(2, 1000));
    let mut regression = Regression {
        weights: vec![0.0; drawn::CLASSES.len() * Regression::INPUTS],
    };
    for epoch in 1..=40_u8 {
        for (label, inputs) in &train {
            regression.step(inputs, *label, 1e-3 / f32::from(epoch));
        }
    }
    let (seen, unseen) = (regression.accuracy(&train), regression.accuracy(&test));
    println!("raw pixels: {seen:.3} of the training pictures, {unseen:.3} of the test's");
    assert!(seen > 0.6, "it learned nothing: {seen}");
    assert!(unseen < 0.45, "{unseen}");
}
