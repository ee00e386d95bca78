//! Runs this program under callgrind.

use std::process::{Command, Stdio};

use anyhow::Context;
use goldrun::kernels::Level;

/// Why nothing can be counted here, if so.
pub fn missing() -> Option<&'static str> {
    if !Level::Avx2.is_available() {
        return Some("no AVX2 on this machine");
    }
    let version = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    (!version.is_ok_and(|status| status.success())).then_some("no valgrind")
}

/// Instructions inside `counted_work` when this program does `work`.
pub fn count(work: &str) -> anyhow::Result<u64> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*counted_work*"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(std::env::current_exe()?)
        .args(["--work", work])
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "valgrind could not run {work} ({}):\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let text = fs_err::read_to_string(&file)?;
    let count: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .and_then(|count| count.trim().parse().ok())
        .with_context(|| format!("callgrind's file for {work} has no line `totals: COUNT`"))?;
    anyhow::ensure!(
        count > 0,
        "nothing of {work} was counted: callgrind did not see the function `counted_work`"
    );
    Ok(count)
}
