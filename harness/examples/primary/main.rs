//! The command line of a system: `cargo run -p harness --example primary -- sweep --seeds 1000`.

#[expect(unreachable_pub, reason = "it is the library of a package in the documentation")]
mod server;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::cli::main_for::<server::PrimarySystem>()
}
