//! Whole epochs of a run of drawn pictures, as `goldrun run` does them.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use goldrun::artifacts;
use goldrun::model::{Parameters, layer_names};
use goldrun::recipe;
use goldrun::record::{Event, Observer};
use goldrun::run::{self, Device, EngineKind};

use crate::table::{Row, Table};
use crate::trials::Timing;
use crate::work::{fine_tuned, flop, parameters};
use crate::{Bench, machine};

const TRAINED: usize = 256;
const VALIDATED: usize = 64;
/// Epochs of a phase, of which the best counts; the first one also computes what later ones read.
const EPOCHS: u32 = 3;

const RECIPE: &str = r#"
format = 1
name   = "bench"
title  = "What the benchmark runs"
seed   = 1
artifact.weights.path = "weights.safetensors"
input.augment = [{ flip = "horizontal" }, { rotation = { turn = 0.2, fill = "reflect" } }]

[[phase]]
name  = "feature extraction"
train = "head"
optimizer.adam = { learning_rate = 1e-4 }

[[phase]]
name  = "fine-tuning"
train = { from = 100 }
optimizer.rmsprop = { learning_rate = 1e-5 }
"#;

pub fn measure(bench: &Bench, table: &mut Table) -> anyhow::Result<()> {
    let all = bench
        .pools
        .last()
        .map_or(1, rayon::ThreadPool::current_num_threads);
    let rows = ["feature extraction", "fine-tuning"].map(|phase| {
        Row::new(
            "epochs",
            format!("{phase}: {TRAINED} pictures, {VALIDATED} validated"),
            all,
        )
    });
    if !rows.iter().any(|row| table.wants(row)) {
        return Ok(());
    }
    let epochs = run(bench, all)?;

    let network = &bench.network;
    let trained = fine_tuned(network)?;
    // What is frozen is computed once for the pictures of validation, in the first epoch.
    let flops = [
        TRAINED * flop::forward(network),
        TRAINED * flop::step(network, &trained) + VALIDATED * flop::tail(network, &trained),
    ];
    for ((phase, row), flop) in rows.into_iter().enumerate().zip(flops) {
        let of_phase = epochs.iter().filter(|epoch| epoch.phase == phase);
        let mut seconds: Vec<f64> = of_phase.clone().map(|epoch| epoch.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let peak = of_phase.map(|epoch| epoch.peak);
        let timing = Timing {
            threads: all,
            best: 1e9 * seconds[0],
            median: 1e9 * seconds[seconds.len() / 2],
            peak: peak.fold(0.0, |best, peak| if peak > best { peak } else { best }),
        };
        if table.wants(&row) {
            table.add(row.timed(timing, TRAINED, Some(flop / TRAINED)));
        }
    }
    Ok(())
}

/// An epoch, with the peak right after it.
struct Epoch {
    phase: usize,
    seconds: f64,
    peak: f64,
}

fn run(bench: &Bench, threads: usize) -> anyhow::Result<Vec<Epoch>> {
    let options = &bench.options;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bench.toml");
    fs_err::write(&file, RECIPE)?;
    let backbone = bench.network.backbone_tensors().len();
    let mut tensors = parameters(&bench.network).tensors;
    tensors.truncate(backbone);
    Parameters { tensors }.save(&folder.path().join("weights.safetensors"), None)?;

    let size = options.size;
    let loaded = recipe::load(
        &recipe::Request {
            root: folder.path().to_path_buf(),
            recipe: file.display().to_string(),
            set: vec![
                format!(
                    "dataset.drawn={{ train = {TRAINED}, validation = {VALIDATED}, test = 1 }}"
                ),
                format!("input.image_size=[{size}, {size}]"),
                format!("input.batch_size={}", options.batch),
                format!(
                    "model.mobilenet_v2={{ alpha = {:?}, weights = \"weights\" }}",
                    options.alpha
                ),
                format!("phase.0.epochs={EPOCHS}"),
                format!("phase.1.epochs={EPOCHS}"),
            ],
            seed: None,
        },
        layer_names,
    )?;
    let request = run::Request {
        recipe: loaded.recipe,
        artifacts: artifacts::Options {
            cache: folder.path().join("cache"),
            folders: vec![],
            offline: true,
            fresh: true,
        },
        engine: EngineKind::Native,
        threads: Some(threads),
        level: Some(options.level),
        device: Device::Cpu,
        resume: false,
        traced: None,
        fault: None,
        runs: folder.path().join("runs"),
    };
    let epochs = Mutex::new(Vec::new());
    let sink = |event: Event| {
        if let Event::EpochFinished { phase, seconds, .. } = event {
            let peak = machine::peak(options.level);
            if let Ok(mut epochs) = epochs.lock() {
                epochs.push(Epoch {
                    phase,
                    seconds,
                    peak,
                });
            }
        }
    };
    let interrupted = AtomicBool::new(false);
    run::run(&request, &Observer::new(&sink, &interrupted))?;
    Ok(epochs.into_inner()?)
}
