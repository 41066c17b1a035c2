//! The `colourstream` binary; see the library for the map.

use std::process::ExitCode;

fn main() -> ExitCode {
    colourstream::cli::main()
}
