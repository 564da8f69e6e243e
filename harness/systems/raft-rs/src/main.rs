//! The command line of raft-rs under the harness.

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::cli::main_for::<harness_raft_rs::RaftRs>()
}
