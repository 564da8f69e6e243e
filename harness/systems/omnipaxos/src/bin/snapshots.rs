//! The command line for OmniPaxos with snapshots: `cargo run --release -p harness-omnipaxos --bin snapshots -- sweep`.

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::cli::main_for::<harness_omnipaxos::OmniPaxosSnapshots>()
}
