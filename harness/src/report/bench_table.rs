//! The table of `harness bench`.

use super::format_measurement;
use crate::systems::bench::BenchResults;
use comfy_table::{CellAlignment, Table, presets};

/// The measured figures, one per row.
#[must_use]
pub fn bench_table(results: &BenchResults) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED).set_header(["", "measured"]);
    let mut rows = vec![
        ("bare pump, events / second", results.pump_events_per_second),
        ("unchecked runs, events / second", results.unchecked_events_per_second),
        ("checked runs, events / second", results.checked_events_per_second),
        ("checked / bare pump", results.checked_to_pump),
        ("checked / unchecked", results.checked_to_unchecked),
        ("cost of an event, long log / short log", results.cost_ratio_long_log),
        ("restart, nanoseconds / recovered entry", results.nanoseconds_per_recovered_entry),
    ];
    if let Some(other) = results.other {
        table.set_header(["raft-core, and the system under test", "measured"]);
        rows.extend([
            ("system under test, unchecked runs, events / second", other.unchecked_events_per_second),
            ("system under test, checked runs, events / second", other.checked_events_per_second),
            ("system under test / raft-core, checked", other.checked_to_built_in),
        ]);
    }
    for (name, value) in rows {
        table.add_row([name.to_owned(), format_measurement(value)]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}
