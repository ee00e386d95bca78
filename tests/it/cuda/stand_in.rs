//! A driver that computes on the CPU: built from `tests/stand_in` and the kernels' sources, and found by the
//! unmodified binary through `LD_LIBRARY_PATH`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;

use fs_err as fs;
use goldrun::digest::Digest;

use crate::support;

/// Families of kernels, a source file each.
pub const FAMILIES: [&str; 6] = [
    "depthwise",
    "first_convolution",
    "head",
    "pixels",
    "pointwise",
    "update",
];

/// Exactly what a kernel says: nothing fused. The widest instructions, because it is slow enough.
const FLAGS: [&str; 6] = [
    "-std=c++17",
    "-O2",
    "-march=native",
    "-ffp-contract=off",
    "-fPIC",
    "-Wno-unknown-pragmas",
];

/// Sources of the stand-in itself.
const OWN: [&str; 2] = ["driver.cpp", "emulator.cpp"];

/// A fault in a source file: the first text is replaced by the second.
#[derive(Clone, Copy)]
pub struct Fault {
    pub family: &'static str,
    pub from: &'static str,
    pub to: &'static str,
}

/// The folder with the stand-in; none where there is no g++, which is said.
pub fn folder(test: &str) -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let has_compiler = Command::new("g++").arg("--version").output().is_ok();
        has_compiler.then(|| build(None))
    });
    if built.is_none() {
        support::skip_unless_required(test, "emu", "no g++ to build the stand-in for a driver");
    }
    built.clone()
}

/// A stand-in with a fault in a kernel.
///
/// # Panics
/// If the text is not in the source.
pub fn faulty(fault: Fault) -> PathBuf {
    build(Some(fault))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn kernels() -> PathBuf {
    root().join("src/kernels/cuda")
}

/// The source of a family with its entries registered, as one file.
fn source(family: &str, fault: Option<Fault>) -> String {
    let mut text = fs::read_to_string(kernels().join(format!("{family}.cu"))).unwrap();
    if let Some(fault) = fault.filter(|fault| fault.family == family) {
        assert!(
            text.contains(fault.from),
            "{} is not in {family}.cu",
            fault.from
        );
        text = text.replace(fault.from, fault.to);
    }
    let ptx = kernels().join(format!("ptx/sm_80/{family}.ptx"));
    let ptx = fs::read_to_string(ptx).unwrap();
    let entries = ptx
        .lines()
        .filter_map(|line| line.strip_prefix(".visible .entry "))
        .map(|line| line.trim_end_matches('('));
    let registered: String = entries
        .map(|name| format!("EMU_KERNEL({name})\n"))
        .collect();
    format!("#include \"emulator.h\"\n{text}\n{registered}")
}

/// Builds what was not built before; the folder is named by what it is made of.
fn build(fault: Option<Fault>) -> PathBuf {
    let stand_in = root().join("tests/stand_in");
    let sources: Vec<(String, String)> = FAMILIES
        .iter()
        .map(|family| (format!("{family}.cpp"), source(family, fault)))
        .chain(OWN.map(|name| {
            let text = fs::read_to_string(stand_in.join(name)).unwrap();
            (name.to_owned(), text)
        }))
        .collect();
    let mut digest = Digest::default();
    for header in ["emulator.h", "module.h", "queue.h", "state.h"] {
        digest.add(fs::read(stand_in.join(header)).unwrap());
    }
    digest.add(fs::read(kernels().join("port.h")).unwrap());
    digest.add(FLAGS.join(" "));
    for (name, text) in &sources {
        digest.add(format!("{name}\n{text}"));
    }
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stand_in");
    let built = all.join(&digest.hex()[..16]);
    if built.exists() {
        return built;
    }
    fs::create_dir_all(&all).unwrap();
    let beside = tempfile::tempdir_in(&all).unwrap();
    let compile = |(name, text): &(String, String)| -> Child {
        let path = beside.path().join(name);
        fs::write(&path, text).unwrap();
        Command::new("g++")
            .args(FLAGS)
            .arg("-I")
            .arg(&stand_in)
            .arg("-I")
            .arg(kernels())
            .arg("-c")
            .arg(&path)
            .arg("-o")
            .arg(path.with_extension("o"))
            .spawn()
            .unwrap()
    };
    let running: Vec<Child> = sources.iter().map(compile).collect();
    for mut compiler in running {
        assert!(
            compiler.wait().unwrap().success(),
            "the stand-in does not compile"
        );
    }
    let objects = sources
        .iter()
        .map(|(name, _)| beside.path().join(name).with_extension("o"));
    let linked = Command::new("g++")
        .args(["-shared", "-o"])
        .arg(beside.path().join("libcuda.so.1"))
        .args(objects)
        .arg("-lpthread")
        .status()
        .unwrap();
    assert!(linked.success(), "the stand-in does not link");
    // Another process may have been faster; what it built is the same.
    let _ = fs::rename(beside.keep(), &built);
    assert!(built.join("libcuda.so.1").is_file());
    built
}
