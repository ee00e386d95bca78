//! `goldrun doctor`: what this machine has and what would be used.

mod cuda;

use std::path::Path;

use anyhow::anyhow;
use serde::Serialize;

use self::cuda::Cuda;
use super::arguments::DeviceName;
use super::exit::{Exit, Failure};
use super::output;
use super::session::{Session, level};
use crate::artifacts::cache;
use crate::golden::store::Store;
use crate::kernels::Level;
use crate::recipe;
use crate::report::terminal::numbers;
use crate::report::terminal::table::{Side, Table};

/// What was found, as data.
#[derive(Debug, Serialize)]
struct Findings {
    version: &'static str,
    cpu: String,
    simd_available: Vec<&'static str>,
    simd_used: &'static str,
    threads: usize,
    cuda: Cuda,
    device_used: String,
    project: String,
    cache: String,
    cache_bytes: u64,
    /// Why there can be no cache there.
    cache_problem: Option<String>,
    artifact_folders: Vec<String>,
    shipped_recipes: Vec<String>,
    shipped_goldens: Vec<String>,
}

/// Looks around.
pub fn doctor(session: &Session) -> Result<Exit, Failure> {
    let used = level(session.options.simd)?.unwrap_or_else(Level::detect);
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let cuda = Cuda::look(session.options.device);
    if let Some(problem) = cuda.problem()
        && session.options.device == DeviceName::Cuda
    {
        return Err(Failure::failed(anyhow!("{problem}")));
    }
    let is_wrong = cuda.is_wrong();
    let findings = Findings {
        version: env!("CARGO_PKG_VERSION"),
        cpu: cpu_name(),
        simd_available: Level::available().into_iter().map(Level::word).collect(),
        simd_used: used.word(),
        threads: session.options.threads.unwrap_or(available),
        device_used: cuda.device(),
        cuda,
        project: shown(&session.root),
        cache: shown(&session.artifacts.cache),
        cache_bytes: cache::size(&session.artifacts.cache),
        cache_problem: cache::problem(&session.artifacts.cache).map(|error| error.to_string()),
        artifact_folders: session
            .artifacts
            .folders
            .iter()
            .map(|folder| shown(folder))
            .collect(),
        shipped_goldens: Store::shipped_names().map(str::to_owned).collect(),
        shipped_recipes: recipe::shipped::names().map(str::to_owned).collect(),
    };
    if let Some(problem) = &findings.cache_problem {
        output::line(&format!("warning: {problem}"));
    }
    if session.options.json {
        output::json(&findings)?;
    } else {
        output::data(&text(&findings, session))?;
    }
    if is_wrong {
        return Err(Failure::failed(anyhow!(
            "the CUDA device computes other bits than docs/arithmetic.md says\n\
             hint: docs/cuda.md says what to do; `--device cpu` gives the right ones"
        )));
    }
    Ok(Exit::Good)
}

fn text(findings: &Findings, session: &Session) -> String {
    let mut table = Table::new(&[("what", Side::Left), ("found", Side::Left)]);
    let mut row = |what: &str, found: String| table.row(vec![what.into(), found.into()]);
    row("goldrun", findings.version.to_owned());
    row("cpu", findings.cpu.clone());
    row(
        "simd",
        format!(
            "{}, used: {}",
            findings.simd_available.join(", "),
            findings.simd_used
        ),
    );
    row("threads", findings.threads.to_string());
    for (what, found) in findings.cuda.rows() {
        row(what, found);
    }
    row("device", findings.device_used.clone());
    row("project", findings.project.clone());
    row(
        "cache",
        match findings.cache_problem {
            None => format!(
                "{} ({})",
                findings.cache,
                numbers::bytes(findings.cache_bytes)
            ),
            Some(_) => format!("{} (cannot be used)", findings.cache),
        },
    );
    for folder in &findings.artifact_folders {
        row("artifacts", folder.clone());
    }
    row("shipped recipes", findings.shipped_recipes.join(", "));
    row("shipped goldens", list_or_none(&findings.shipped_goldens));
    table.render(session.style)
}

/// A path as text, also where its name is none.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn list_or_none(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

/// The processor's name as Linux knows it.
fn cpu_name() -> String {
    let text = fs_err::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == "model name")
        .map_or_else(
            || std::env::consts::ARCH.to_owned(),
            |(_, name)| name.trim().to_owned(),
        )
}
