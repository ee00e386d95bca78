//! Notes the git revision that goldrun is built from, for the provenance of records; and builds a faulty
//! goldrun where a test asks for one; packs the CUDA kernels.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// Kernels as PTX, a folder for each target.
const PTX: &str = "src/kernels/cuda/ptx";

fn main() {
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/refs/heads");
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-env-changed=GOLDRUN_PLANTED_FAULT");
    if std::env::var_os("GOLDRUN_PLANTED_FAULT").is_some() {
        println!("cargo:rustc-cfg=planted_fault");
    }
    pack_ptx().expect("the PTX of src/kernels/cuda/ptx is packed into the folder of the build");
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision =
        git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let is_dirty = git(&["status", "--porcelain", "--untracked-files=no"])
        .is_some_and(|changes| !changes.is_empty());
    println!("cargo:rustc-env=GOLDRUN_REVISION={revision}");
    println!("cargo:rustc-env=GOLDRUN_DIRTY={is_dirty}");
}

/// Compresses each PTX file into the build's folder, where the binary takes it from.
fn pack_ptx() -> std::io::Result<()> {
    let out = std::env::var_os("OUT_DIR").unwrap_or_default();
    for target in fs_err::read_dir(PTX)? {
        let target = target?;
        let packed = Path::new(&out).join(target.file_name());
        fs_err::create_dir_all(&packed)?;
        for file in fs_err::read_dir(target.path())? {
            let file = file?;
            let name = format!("{}.z", file.file_name().to_string_lossy());
            let mut encoder = ZlibEncoder::new(
                fs_err::File::create(packed.join(name))?,
                Compression::best(),
            );
            encoder.write_all(&fs_err::read(file.path())?)?;
            encoder.finish()?;
        }
    }
    Ok(())
}
