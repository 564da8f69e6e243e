//! The command line of the harness; see [`harness::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::cli::main()
}
