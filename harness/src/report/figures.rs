//! The figures of `harness bench`.

use super::measured;
use crate::bench::Figures;
use comfy_table::{CellAlignment, Table, presets};

/// What a person reads of a measurement.
#[must_use]
pub fn figures(figures: &Figures) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED).set_header(["", "measured"]);
    let rows = [
        ("bare pump, events / second", figures.pump_events_per_second),
        ("unchecked runs, events / second", figures.unchecked_events_per_second),
        ("checked runs, events / second", figures.checked_events_per_second),
        ("checked / bare pump", figures.checked_to_pump),
        ("checked / unchecked", figures.checked_to_unchecked),
        ("cost of an event, long log / short log", figures.cost_ratio_long_log),
        ("restart, nanoseconds / recovered entry", figures.nanoseconds_per_recovered_entry),
    ];
    for (name, value) in rows {
        table.add_row([name.to_owned(), measured(value)]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}
