//! The table of `harness shrink --survey`.

use super::{pluralize, with_thousands};
use crate::findings::survey::SurveyRow;
use comfy_table::{CellAlignment, Table, presets};

/// The table and the medians of a survey.
#[must_use]
pub fn survey_table(rows: &[SurveyRow]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED);
    table.set_header([
        "bug",
        "seed",
        "property",
        "faults",
        "operations",
        "runs",
        "s",
        "lines",
        "same signature",
    ]);
    for row in rows {
        table.add_row([
            row.bug.to_owned(),
            row.seed.to_string(),
            row.signature.property.clone(),
            format!("{} -> {}", row.before.faults, row.after.faults),
            format!("{} -> {}", row.before.operations, row.after.operations),
            with_thousands(row.runs) + if row.is_minimal { "" } else { "+" },
            format!("{:.1}", row.elapsed.as_secs_f64()),
            row.timeline_lines.to_string(),
            if row.same_signature { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    for number in [1, 3, 4, 5, 6, 7] {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if rows.is_empty() {
        return "no bug caused a failure: nothing to shrink\n".into();
    }
    let of = |value: &dyn Fn(&SurveyRow) -> f64| median(rows.iter().map(value).collect());
    let share = |holds: &dyn Fn(&SurveyRow) -> bool| {
        let holding = rows.iter().filter(|row| holds(row)).count();
        format!("{:.1} %", 100.0 * holding as f64 / rows.len() as f64)
    };
    format!(
        "{table}\n\n{}; medians: {} faults, {} operations, {} runs, {:.1} s, {} lines\n{} have at most 40 lines, {} \
         keep their signature, {} are minimal\n",
        pluralize(rows.len() as u64, "plan", "plans"),
        of(&|row| row.after.faults as f64),
        of(&|row| row.after.operations as f64),
        of(&|row| row.runs as f64),
        of(&|row| row.elapsed.as_secs_f64()),
        of(&|row| row.timeline_lines as f64),
        share(&|row| row.timeline_lines <= 40),
        share(&|row| row.same_signature),
        share(&|row| row.is_minimal),
    )
}

/// The median.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() / 2 {
        middle if values.len().is_multiple_of(2) => f64::midpoint(values[middle - 1], values[middle]),
        middle => values[middle],
    }
}
