//! The command line.

use clap::Parser;
use goldrun::kernels::Level;

/// Measures this machine and goldrun on it, on MobileNetV2.
#[derive(Parser)]
#[command(bin_name = "just bench")]
pub struct Options {
    /// The table as JSON, for later comparison
    #[arg(long)]
    pub json: bool,
    /// SIMD level of the kernels: scalar, avx2 or avx512 (the widest if not given)
    #[arg(long, value_parser = level, default_value = Level::detect().word())]
    pub level: Level,
    /// Only rows whose heading or name contains this
    #[arg(
        long,
        value_name = "WORD",
        default_value = "",
        hide_default_value = true
    )]
    pub filter: String,
    /// Width multiplier of the network
    #[arg(long, default_value_t = 1.0, value_parser = alpha)]
    pub alpha: f64,
    /// Height and width of pictures, a multiple of 32
    #[arg(long, default_value_t = 160, value_parser = size)]
    pub size: usize,
    /// Images of a step
    #[arg(long, default_value_t = 32, value_parser = batch)]
    pub batch: usize,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn level(word: &str) -> Result<Level, String> {
    let available = Level::available();
    let known: Vec<_> = available.iter().map(|level| level.word()).collect();
    available
        .iter()
        .find(|level| level.word() == word)
        .copied()
        .ok_or_else(|| format!("this machine has {}", known.join(", ")))
}

fn alpha(word: &str) -> Result<f64, String> {
    let alpha = word
        .parse()
        .ok()
        .filter(|alpha| (0.01..=16.0).contains(alpha));
    alpha.ok_or_else(|| "expected a number from 0.01 to 16".to_owned())
}

fn size(word: &str) -> Result<usize, String> {
    let size = word.parse().ok();
    size.filter(|size: &usize| size.is_multiple_of(32) && (32..=1024).contains(size))
        .ok_or_else(|| "expected a multiple of 32 from 32 to 1024".to_owned())
}

fn batch(word: &str) -> Result<usize, String> {
    let batch = word.parse().ok().filter(|batch| (1..=1024).contains(batch));
    batch.ok_or_else(|| "expected a number of images from 1 to 1024".to_owned())
}
