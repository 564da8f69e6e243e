//! The figures of `harness bench`.

use super::format_measurement;
use crate::bench::BenchResults;
use comfy_table::{CellAlignment, Table, presets};

/// What a person reads of a measurement.
#[must_use]
pub fn bench_table(bench_table: &BenchResults) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED).set_header(["", "measured"]);
    let rows = [
        ("bare pump, events / second", bench_table.pump_events_per_second),
        ("unchecked runs, events / second", bench_table.unchecked_events_per_second),
        ("checked runs, events / second", bench_table.checked_events_per_second),
        ("checked / bare pump", bench_table.checked_to_pump),
        ("checked / unchecked", bench_table.checked_to_unchecked),
        ("cost of an event, long log / short log", bench_table.cost_ratio_long_log),
        ("restart, nanoseconds / recovered entry", bench_table.nanoseconds_per_recovered_entry),
    ];
    for (name, value) in rows {
        table.add_row([name.to_owned(), format_measurement(value)]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}
