//! The command line: `cargo run --release -p harness-openraft -- sweep`.

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::cli::main_for::<harness_openraft::Openraft>()
}
