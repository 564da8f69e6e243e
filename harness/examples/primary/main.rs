//! The command line of a system: `cargo run -p harness --example primary -- sweep --seeds 1000`.

mod server;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::cli::main_for::<server::PrimarySystem>(env!("CARGO_PKG_NAME"))
}
