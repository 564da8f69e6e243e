//! The command line for OmniPaxos: `cargo run --release -p harness-omnipaxos -- sweep --seeds 1000`.

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::cli::main_for::<harness_omnipaxos::OmniPaxos>()
}
