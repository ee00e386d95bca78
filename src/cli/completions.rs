//! `goldrun completions`: a script for a shell, from the definition of the command line.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use super::arguments::Arguments;
use super::exit::{Exit, Failure};
use super::output;

/// Writes the script for a shell.
pub fn completions(shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), "goldrun", &mut script);
    output::data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Good)
}
