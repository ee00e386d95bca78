//! The stored counts, and what is allowed between them and those of now.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, anyhow};
use goldrun::report::terminal::numbers;
use serde::{Deserialize, Serialize};

/// How far a count may be off, either way, as a part of what is stored. An unnoticed gain is lost unnoticed.
const TOLERANCE: f64 = 0.02;

const HEAD: &str = "# What `just instructions` compares with, written by `just instructions --accept`. It changes only in a
# commit that says why. One thread, AVX2, MobileNetV2 with alpha 1.0 at 160 pixels: an image forward, and a
# fine-tuning step of six images from layer 100 on.

";

/// Counts of instructions, and what compiled them.
#[derive(Deserialize, Serialize)]
pub struct Counts {
    rustc: String,
    /// By what was counted.
    pub instructions: BTreeMap<String, u64>,
}

impl Counts {
    /// No counts yet, of this compiler.
    pub fn new() -> anyhow::Result<Self> {
        let output = Command::new("rustc").arg("--version").output()?;
        let version = String::from_utf8(output.stdout)?;
        Ok(Self {
            rustc: version.trim().to_owned(),
            instructions: BTreeMap::new(),
        })
    }

    /// Those in the file.
    pub fn stored() -> anyhow::Result<Self> {
        let path = path();
        let text = fs_err::read_to_string(&path).map_err(|error| {
            anyhow!("{error}\nhint: `just instructions --accept` makes the file")
        })?;
        toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Makes these the stored ones.
    pub fn store(&self) -> anyhow::Result<()> {
        fs_err::write(path(), HEAD.to_owned() + &toml::to_string(self)?)?;
        for (work, count) in &self.instructions {
            println!("{work:16} {:>15}", numbers::count(*count));
        }
        println!("stored in benches/instructions.toml: commit it alone, and say why it changed");
        Ok(())
    }

    /// Prints stored and new counts; an error if they are too far apart.
    pub fn compare(&self, now: &Self) -> anyhow::Result<()> {
        println!(
            "{:16} {:>15} {:>15} {:>10}",
            "instructions", "stored", "now", "difference"
        );
        let mut off = Vec::new();
        for (work, &count) in &now.instructions {
            let stored = self.instructions.get(work).copied();
            let stored = stored.with_context(|| {
                format!("no count of {work} is stored\nhint: `just instructions --accept`")
            })?;
            let difference = count as f64 / stored as f64 - 1.0;
            println!(
                "{work:16} {:>15} {:>15} {:>+8.2} %",
                numbers::count(stored),
                numbers::count(count),
                100.0 * difference
            );
            if difference.abs() > TOLERANCE {
                off.push(work.as_str());
            }
        }
        if self.rustc != now.rustc {
            println!(
                "note: stored with {}, counted with {}",
                self.rustc, now.rustc
            );
        }
        anyhow::ensure!(
            off.is_empty(),
            "{}: off by more than {} %\n\
             hint: if that is meant, `just instructions --accept`, and commit the file alone with the reason",
            off.join(" and "),
            100.0 * TOLERANCE
        );
        Ok(())
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.toml")
}
