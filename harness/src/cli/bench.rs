//! The command `bench`.

use super::exit::SUCCESS;
use super::{CommandResult, arguments, print, print_json};
use crate::report;
use crate::systems::bench;

pub(super) fn bench(arguments: &arguments::BenchArgs) -> CommandResult {
    let results = bench::measure();
    match arguments.json {
        true => print_json(&results)?,
        false => print(&report::bench_table(&results))?,
    }
    Ok(SUCCESS)
}
