//! Where, with what and how a record was made: its table `[made]`, which no comparison reads.

use std::time::Instant;

use super::Request;
use super::device::Used;
use super::inputs::Inputs;
use crate::artifacts::cache::executable_digest;
use crate::kernels::Level;
use crate::record::{MadeValue, Record, made};

/// Time of each stage of a run, and the highest use of memory until its end.
pub(super) struct Clock {
    lap: Instant,
    made: Vec<(String, MadeValue)>,
}

impl Clock {
    pub fn start() -> Self {
        Self {
            lap: Instant::now(),
            made: vec![],
        }
    }

    pub fn lap(&mut self, stage: &str) {
        let seconds = self.lap.elapsed().as_secs_f64();
        self.made
            .push((format!("seconds_{stage}"), MadeValue::Number(seconds)));
        let peak = peak_mib().map(|mib| (format!("peak_mib_{stage}"), MadeValue::Integer(mib)));
        self.made.extend(peak);
        self.lap = Instant::now();
    }

    pub fn made(self) -> Vec<(String, MadeValue)> {
        self.made
    }
}

/// Where, with what and how the record was made.
pub(super) fn of(
    request: &Request,
    level: Level,
    device: Option<&Used>,
    inputs: &Inputs<'_>,
) -> Vec<(String, MadeValue)> {
    let text = |key: &str, value: &str| (key.to_owned(), MadeValue::Text(value.to_owned()));
    let flag = |key: &str, value: bool| (key.to_owned(), MadeValue::Flag(value));
    let mut made = vec![
        text("goldrun", env!("CARGO_PKG_VERSION")),
        text("revision", env!("GOLDRUN_REVISION")),
        flag("dirty", env!("GOLDRUN_DIRTY") == "true"),
        text(made::EXECUTABLE, executable_digest()),
        text(made::DATE, &now()),
        text(made::ENGINE, request.engine.word()),
        text("simd", level.word()),
        text("system", std::env::consts::OS),
        text("architecture", std::env::consts::ARCH),
        (
            "threads".to_owned(),
            MadeValue::Integer(rayon::current_num_threads() as u64),
        ),
        flag(made::OVERRIDDEN, request.recipe.overridden),
        flag(made::UNPINNED, !inputs.unpinned().is_empty()),
        flag(made::FINISHED, true),
    ];
    if let Some(cpu) = proc_line("/proc/cpuinfo", "model name") {
        made.push(text("cpu", &cpu));
    }
    made.push(text("device", device.map_or("cpu", |used| &used.name)));
    if let Some(used) = device {
        made.push(text("driver", &format!("CUDA {}", used.driver)));
    }
    for input in inputs.each() {
        if let Some(sha256) = &input.obtained.sha256 {
            made.push(text(&format!("sha256_{}", input.role), sha256));
        }
    }
    made
}

/// This second: `2026-11-27T18:31:51Z`.
fn now() -> String {
    let seconds = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |now| now.to_string())
}

/// Key of how often a run was interrupted and went on; its times are those of the last piece.
const RESUMED: &str = "resumed";

/// Counts one more interruption that a run went on after.
pub(super) fn count_resumed(record: &mut Record) {
    let before = match record.made.get(RESUMED) {
        Some(MadeValue::Integer(times)) => *times,
        _ => 0,
    };
    let times = MadeValue::Integer(before + 1);
    record.made.insert(RESUMED.to_owned(), times);
}

/// The most memory that this process has had so far, where the system tells.
fn peak_mib() -> Option<u64> {
    let peak = proc_line("/proc/self/status", "VmHWM")?;
    let kibibytes: u64 = peak.split(' ').next()?.parse().ok()?;
    Some(kibibytes / 1024)
}

/// What follows the colon of the first line with this key; none where there is no such file.
fn proc_line(path: &str, key: &str) -> Option<String> {
    let text = fs_err::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}
