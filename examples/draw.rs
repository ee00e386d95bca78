//! Writes drawn pictures as raw bytes, for scripts that train on them elsewhere.
//!
//! `cargo run --release --example draw -- SET COUNT PATH [SEED]`, SET one of `train`,
//! `validation`, `test`, `easy`, `hard`, `hard-validation`; the seed is 1 if not given. Picture k
//! takes 64 × 64 × 3 bytes, rows from the top, RGB; its label is k modulo the number of classes
//! (5 of the first three sets, 18 of the others).

use std::io::{BufWriter, Write as _};

use anyhow::{Context as _, bail};
use goldrun::dataset::drawn;

/// Draws picture `number` of a slot with a seed: its label and its bytes.
type Draw = fn(u64, u32, u32) -> (u32, Box<[u8]>);

const USAGE: &str = "usage: draw train|validation|test|easy|hard|hard-validation COUNT PATH [SEED]";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (set, count, path, seed) = match arguments.as_slice() {
        [set, count, path] => (set, count, path, "1"),
        [set, count, path, seed] => (set, count, path, seed.as_str()),
        _ => bail!(USAGE),
    };
    let (draw, slot): (Draw, u32) = match set.as_str() {
        "train" => (drawn::picture as _, 0),
        "validation" => (drawn::picture as _, 1),
        "test" => (drawn::picture as _, 2),
        "easy" => (drawn::pretraining_picture as _, 8),
        "hard" => (drawn::pretraining_picture as _, 9),
        "hard-validation" => (drawn::pretraining_picture as _, 10),
        other => bail!("no set is called {other}\n{USAGE}"),
    };
    let count: u32 = count.parse().with_context(|| format!("count {count}"))?;
    let seed: u64 = seed.parse().with_context(|| format!("seed {seed}"))?;
    let mut file = BufWriter::new(fs_err::File::create(path)?);
    for number in 0..count {
        let (_, pixels) = draw(seed, slot, number);
        file.write_all(&pixels)?;
    }
    file.flush()?;
    Ok(())
}
