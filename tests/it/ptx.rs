//! The committed PTX: made from its sources, within its budget, and with no operation that docs/arithmetic.md
//! does not name.

use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;
use goldrun::digest::Digest;

use crate::support;

/// Targets with the bytes that their PTX may take.
const TARGETS: [(&str, u64); 2] = [("sm_80", 1_500_000), ("sm_75", 1_000_000)];

fn kernels() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kernels/cuda")
}

/// Names of the files in a folder that end so, without the end.
fn names(folder: &Path, end: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            Some(name.strip_suffix(end)?.to_owned())
        })
        .collect();
    names.sort();
    names
}

/// Each PTX: target, family, text.
fn all() -> Vec<(&'static str, String, String)> {
    TARGETS
        .iter()
        .flat_map(|(target, _)| {
            let folder = kernels().join("ptx").join(target);
            names(&folder, ".ptx").into_iter().map(move |family| {
                let text = fs::read_to_string(folder.join(format!("{family}.ptx"))).unwrap();
                (*target, family, text)
            })
        })
        .collect()
}

#[test]
fn ptx_is_made_from_its_sources() {
    let port = fs::read(kernels().join("port.h")).unwrap();
    for (target, _) in TARGETS {
        let families = names(&kernels().join("ptx").join(target), ".ptx");
        assert_eq!(families, names(&kernels(), ".cu"), "{target}");
    }
    for (target, family, text) in all() {
        let mut lines = text.lines();
        let stated = lines.next().unwrap().strip_prefix("// sha256 ").unwrap();
        let made_with = lines.next().unwrap();
        let mut digest = Digest::default();
        digest.add(&port);
        digest.add(fs::read(kernels().join(format!("{family}.cu"))).unwrap());
        digest.add(format!("{made_with}\n"));
        assert_eq!(
            stated,
            digest.hex(),
            "{target}/{family}.ptx is not of its source: run `just ptx`"
        );
        for option in [
            "--fmad=false",
            "--prec-div=true",
            "--prec-sqrt=true",
            "--ftz=false",
        ] {
            assert!(made_with.contains(option), "{made_with}");
        }
    }
}

#[test]
fn ptx_is_small() {
    for (target, budget) in TARGETS {
        let bytes: u64 = all()
            .iter()
            .filter(|(of, ..)| *of == target)
            .map(|(.., text)| text.len() as u64)
            .sum();
        assert!(bytes < budget, "{target}: {bytes} bytes of {budget}");
    }
}

/// Arithmetic of 32-bit floats that is rounded once to nearest, or not at all.
const ALLOWED: [&str; 10] = [
    "add.rn.f32",
    "sub.rn.f32",
    "mul.rn.f32",
    "fma.rn.f32",
    "div.rn.f32",
    "sqrt.rn.f32",
    "min.f32",
    "max.f32",
    "neg.f32",
    "abs.f32",
];
/// What moves, compares and converts without rounding twice.
const MOVES: [&str; 6] = ["ld.", "st.", "mov.", "selp.", "setp.", "cvt."];
/// Forms that are nowhere, on floats or not.
const FORBIDDEN: [&str; 10] = [
    ".ftz", ".approx", ".full", ".f64", "atom.", "red.", "shfl", "vote", "wmma", "mma.",
];

/// Why an instruction is not allowed.
fn refusal(line: &str) -> Option<String> {
    let word = line
        .split_whitespace()
        .find(|word| !word.starts_with('@') && !word.starts_with('{'))
        .unwrap_or_default();
    if word.starts_with('.') || word.starts_with("//") || word.ends_with(':') {
        return None;
    }
    let has = |form: &&&str| {
        if form.starts_with('.') {
            word.contains(**form)
        } else {
            // `shared.` has `red.` in it.
            word.starts_with(**form) || word.contains(&format!(".{form}"))
        }
    };
    if let Some(form) = FORBIDDEN.iter().find(has) {
        return Some(format!("{form} in {}", line.trim()));
    }
    let is_float = word.contains(".f32");
    let is_known = ALLOWED.contains(&word.trim_end_matches(';'))
        || MOVES.iter().any(|prefix| word.starts_with(prefix));
    (is_float && !is_known).then(|| format!("{word} in {}", line.trim()))
}

#[test]
fn ptx_has_no_operation_without_defined_bits() {
    let mut operations = 0;
    for (target, family, text) in all() {
        for line in text.lines() {
            let refused = refusal(line);
            assert_eq!(refused, None, "{target}/{family}.ptx");
            operations += usize::from(line.contains(".rn.f32"));
        }
    }
    assert!(operations > 1000, "{operations}");
}

#[test]
fn each_forbidden_form_is_found() {
    for line in [
        "\tmul.f32 \t%f3, %f1, %f2;",
        "\tadd.f32 \t%f3, %f1, %f2;",
        "\t@%p1 mad.f32 \t%f3, %f1, %f2, %f4;",
        "\tfma.rn.ftz.f32 \t%f3, %f1, %f2, %f4;",
        "\tdiv.full.f32 \t%f3, %f1, %f2;",
        "\tdiv.approx.f32 \t%f3, %f1, %f2;",
        "\tsqrt.approx.f32 \t%f3, %f1;",
        "\tex2.approx.f32 \t%f3, %f1;",
        "\tadd.rz.f32 \t%f3, %f1, %f2;",
        "\tatom.global.add.f32 \t%f3, [%rd1], %f2;",
        "\tred.global.add.f32 \t[%rd1], %f2;",
        "\tshfl.sync.down.b32 \t%r1, %r2, 1, 31, -1;",
        "\tvote.sync.any.pred \t%p1, %p2, -1;",
        "\tadd.rn.f64 \t%fd1, %fd2, %fd3;",
        "\tcvt.f64.f32 \t%fd1, %f1;",
    ] {
        assert!(refusal(line).is_some(), "{line}");
    }
    for line in [
        "\tld.shared.v4.f32 \t{%f1, %f2, %f3, %f4}, [%r1];",
        "\t@%p1 fma.rn.f32 \t%f3, %f1, %f2, %f4;",
        "\tcvt.rn.f32.s32 \t%f1, %r1;",
        ".visible .entry shared(",
    ] {
        assert_eq!(refusal(line), None);
    }
}

/// The library that made the PTX: where `just nvrtc` puts it, or where `GOLDRUN_NVRTC` says.
fn nvrtc() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("GOLDRUN_NVRTC") {
        return Some(path.into());
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/nvrtc");
    let library = installed.join("nvidia/cuda_nvrtc/lib/libnvrtc.so.11.2");
    library.exists().then_some(library)
}

#[test]
fn ptx_is_what_its_compiler_makes_again() {
    let Some(library) = nvrtc() else {
        let why = "no NVRTC 11.8 (`just nvrtc` installs it)";
        support::skip_unless_required("ptx_is_what_its_compiler_makes_again", "nvrtc", why);
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/ptx/compile.py");
    let made = Command::new("python3")
        .arg(script)
        .arg(library)
        .arg(out.path())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    for (target, family, text) in all() {
        let again = out.path().join(target).join(format!("{family}.ptx"));
        assert!(
            fs::read_to_string(again).unwrap() == text,
            "{target}/{family}.ptx"
        );
    }
}
