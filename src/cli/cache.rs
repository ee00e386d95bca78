//! `goldrun cache`: what lies on disk, and removing what is no longer wanted.

use std::fmt::Write as _;

use serde::Serialize;

use super::arguments::{CacheCommand, Kept, Prune};
use super::exit::{Exit, Failure};
use super::output;
use super::runs;
use super::session::Session;
use crate::artifacts::cache::{self, Bucket, Keep, Pruned, Usage};
use crate::report::terminal::numbers::{bytes, count, counted};
use crate::report::terminal::table::{Side, Table};

/// What lies on disk, as data.
#[derive(Serialize)]
struct Sizes {
    cache: String,
    bytes: u64,
    buckets: Vec<Size>,
    runs: Runs,
}

/// What a bucket holds, as data.
#[derive(Serialize)]
struct Size {
    bucket: &'static str,
    entries: usize,
    bytes: u64,
}

/// The project's runs, which are no part of the cache.
#[derive(Serialize)]
struct Runs {
    folder: String,
    entries: usize,
    bytes: u64,
}

/// What was removed, as data.
#[derive(Serialize)]
struct Removed {
    cache: String,
    dry_run: bool,
    bytes: u64,
    buckets: Vec<Size>,
    bytes_left: u64,
    bytes_in_use: u64,
}

impl From<&Usage> for Size {
    fn from(usage: &Usage) -> Self {
        Self {
            bucket: usage.bucket.word(),
            entries: usage.entries,
            bytes: usage.bytes,
        }
    }
}

/// Shows or trims the cache.
pub fn cache(session: &Session, command: &CacheCommand) -> Result<Exit, Failure> {
    match command {
        CacheCommand::Size => size(session),
        CacheCommand::Prune(prune) => self::prune(session, prune),
    }
}

fn size(session: &Session) -> Result<Exit, Failure> {
    let root = &session.artifacts.cache;
    let usage = cache::usage(root)?;
    let total = usage.iter().map(|usage| usage.bytes).sum();
    let folder = session.runs();
    let runs = Runs {
        folder: folder.display().to_string(),
        entries: runs::count(&folder)?,
        bytes: cache::size(&folder),
    };
    if session.options.json {
        output::json(&Sizes {
            cache: root.display().to_string(),
            bytes: total,
            buckets: usage.iter().map(Size::from).collect(),
            runs,
        })?;
        return Ok(Exit::Good);
    }
    let text = format!(
        "{}\n\n{}\ncache: {}\nruns of this project, which are no part of it: {} in {}, {}\n",
        root.display(),
        table(session, &usage, true),
        bytes(total),
        counted(runs.entries as u64, "run"),
        session.shown(&folder),
        bytes(runs.bytes),
    );
    output::data(&text)?;
    Ok(Exit::Good)
}

fn prune(session: &Session, arguments: &Prune) -> Result<Exit, Failure> {
    let root = &session.artifacts.cache;
    let pruned = cache::prune(root, keep(&arguments.kept), arguments.dry_run)?;
    if session.options.json {
        output::json(&Removed {
            cache: root.display().to_string(),
            dry_run: arguments.dry_run,
            bytes: pruned.bytes(),
            buckets: pruned.gone.iter().map(Size::from).collect(),
            bytes_left: pruned.left,
            bytes_in_use: pruned.in_use,
        })?;
        return Ok(Exit::Good);
    }
    let mut text = String::new();
    if !pruned.gone.is_empty() {
        text = table(session, &pruned.gone, false) + "\n";
    }
    output::data(&(text + &told(&pruned, arguments.dry_run)))?;
    Ok(Exit::Good)
}

fn keep(kept: &Kept) -> Keep {
    match (kept.keep, kept.older_than) {
        (Some(most), _) => Keep::Bytes(most),
        (None, Some(days)) => Keep::Since(cache::days_ago(days)),
        (None, None) => Keep::Nothing,
    }
}

/// What was removed and what stays, in lines.
fn told(pruned: &Pruned, is_dry: bool) -> String {
    let verb = if is_dry { "would free" } else { "freed" };
    let mut text = format!(
        "{verb} {}, {} left\n",
        bytes(pruned.bytes()),
        bytes(pruned.left)
    );
    if pruned.in_use > 0 {
        let _ = writeln!(
            text,
            "{} of these stay because a goldrun runs",
            bytes(pruned.in_use)
        );
    }
    text
}

/// Buckets, a line each.
fn table(session: &Session, usage: &[Usage], is_explained: bool) -> String {
    let mut columns = vec![
        ("bucket", Side::Left),
        ("entries", Side::Right),
        ("size", Side::Right),
    ];
    if is_explained {
        columns.push(("what it is for", Side::Left));
    }
    let mut table = Table::new(&columns);
    for usage in usage {
        table.row(vec![
            usage.bucket.word().into(),
            count(usage.entries as u64).into(),
            bytes(usage.bytes).into(),
            purpose(usage.bucket).into(),
        ]);
    }
    table.render(session.style)
}

/// What a bucket is for.
const fn purpose(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Downloads => "files as servers sent them",
        Bucket::Extracted => "files of archives",
        Bucket::Derived => "decoded pixels, features of frozen layers",
        Bucket::Manifests => "what was in an artifact, to say what changed",
        Bucket::Executables => "which goldrun used the cache, and when",
        Bucket::Temporary => "what is being made",
        Bucket::Trash => "what is being removed",
    }
}
