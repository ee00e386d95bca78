//! The `goldrun` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    goldrun::cli::main()
}
