//! Command line: arguments, output and exit codes; one file per command.
