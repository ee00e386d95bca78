//! The table: printed row by row as it is measured, or as JSON at the end.

use serde::Serialize;

use crate::Bench;
use crate::trials::Timing;

/// A row; what does not apply is none.
#[derive(Clone, Serialize)]
pub struct Row {
    /// Heading under which it stands.
    pub section: &'static str,
    pub what: String,
    pub threads: usize,
    /// Milliseconds an image: best and median trial.
    pub ms: Option<f64>,
    pub median_ms: Option<f64>,
    /// Millions of floating-point operations an image.
    pub mflop: Option<f64>,
    /// Billions of floating-point operations a second.
    pub gflops: Option<f64>,
    /// Of the FMA peak that was measured between the trials.
    pub share: Option<f64>,
    /// Bytes a nanosecond.
    pub gigabytes: Option<f64>,
    /// One thread's time over this.
    pub speedup: Option<f64>,
}

impl Row {
    /// A row without figures.
    pub fn new(section: &'static str, what: impl Into<String>, threads: usize) -> Self {
        Self {
            section,
            what: what.into(),
            threads,
            ms: None,
            median_ms: None,
            mflop: None,
            gflops: None,
            share: None,
            gigabytes: None,
            speedup: None,
        }
    }

    /// The row with the time of calls that work on `images` images, each of `flop` operations.
    pub fn timed(self, timing: Timing, images: usize, flop: Option<usize>) -> Self {
        let image = |nanoseconds: f64| nanoseconds / images as f64;
        let gflops = flop.map(|flop| flop as f64 / image(timing.best));
        Self {
            threads: timing.threads,
            ms: Some(image(timing.best) / 1e6),
            median_ms: Some(image(timing.median) / 1e6),
            mflop: flop.map(|flop| flop as f64 / 1e6),
            gflops,
            share: gflops.map(|gflops| gflops / timing.peak),
            ..self
        }
    }
}

/// The table.
pub struct Table {
    filter: String,
    json: bool,
    head: Head,
    rows: Vec<Row>,
}

/// What was measured on what.
#[derive(Serialize)]
struct Head {
    cpu: String,
    threads: usize,
    level: &'static str,
    network: String,
    batch: usize,
}

/// Widths of the columns.
const WHAT: usize = 58;

impl Table {
    pub fn new(bench: &Bench) -> Self {
        let options = &bench.options;
        let threads = bench
            .pools
            .iter()
            .map(rayon::ThreadPool::current_num_threads);
        let head = Head {
            cpu: cpu(),
            threads: threads.max().unwrap_or(1),
            level: options.level.word(),
            network: format!(
                "MobileNetV2, alpha {}, {size}×{size} pixels",
                options.alpha,
                size = options.size
            ),
            batch: options.batch,
        };
        if !options.json {
            println!("{}, {} threads, {}", head.cpu, head.threads, head.level);
            println!("{}, batches of {}", head.network, head.batch);
            println!("best of many trials; share: of the FMA peak measured between these trials");
        }
        Self {
            filter: options.filter.to_lowercase(),
            json: options.json,
            head,
            rows: Vec::new(),
        }
    }

    /// True if the filter lets a row pass.
    pub fn wants(&self, row: &Row) -> bool {
        [row.section, &row.what]
            .iter()
            .any(|text| text.to_lowercase().contains(&self.filter))
    }

    /// Adds a row, and prints it unless all become JSON.
    pub fn add(&mut self, row: Row) {
        if !self.json {
            if self
                .rows
                .last()
                .is_none_or(|last| last.section != row.section)
            {
                println!(
                    "\n{:WHAT$} {:>2} {:>9} {:>9} {:>7} {:>10} {:>6}",
                    row.section, "T", "ms/image", "median", "MFLOP", "speed", "share"
                );
            }
            let text = line(&row);
            println!("{}", text.trim_end());
        }
        self.rows.push(row);
    }

    /// Prints the JSON, if that is asked for.
    pub fn finish(self) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            head: &'a Head,
            rows: &'a [Row],
        }
        anyhow::ensure!(
            !self.rows.is_empty(),
            "nothing here is called `{}`\nhint: `just bench` without --filter shows all names",
            self.filter
        );
        if self.json {
            let whole = Whole {
                head: &self.head,
                rows: &self.rows,
            };
            println!("{}", serde_json::to_string_pretty(&whole)?);
        }
        Ok(())
    }
}

fn line(row: &Row) -> String {
    let cell = |value: Option<f64>, decimals: usize, unit: &str| {
        value.map_or(String::new(), |value| format!("{value:.decimals$}{unit}"))
    };
    let speed = [
        cell(row.gflops, 1, " GF/s"),
        cell(row.gigabytes, 1, " GB/s"),
        cell(row.speedup, 2, " ×"),
    ];
    format!(
        "  {:width$} {:>2} {:>9} {:>9} {:>7} {:>10} {:>6}",
        row.what,
        row.threads,
        cell(row.ms, 4, ""),
        cell(row.median_ms, 4, ""),
        cell(row.mflop, 2, ""),
        speed.concat(),
        cell(row.share.map(|share| 100.0 * share), 1, " %"),
        width = WHAT - 2,
    )
}

fn cpu() -> String {
    let text = fs_err::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == "model name")
        .map_or(std::env::consts::ARCH, |(_, name)| name.trim())
        .to_owned()
}
