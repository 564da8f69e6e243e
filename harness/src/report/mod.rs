//! What people and programs read of runs and sweeps. Plain ASCII, eighty columns, no escape codes.

mod figures;
mod json;
mod page;
mod progress;
mod table;

pub use figures::figures;
pub use json::{FailureReport, MilestoneReport, NamedCount, PropertyReport, SweepReport};
pub use page::{expectation, timeline, verdict};
pub use progress::Progress;
pub use table::summary;

/// A number as a person reads it: `12,345,678`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A measured number as a person reads it: whole from a hundred on.
fn measured(number: f64) -> String {
    if number >= 100.0 { grouped(number.round() as u64) } else { format!("{number:.2}") }
}

/// What to type for one more look at a seed: everything that made it what it was.
fn command(verb: &str, seed: u64, bug: Option<&str>, without: &[String]) -> String {
    let mut line = format!("cargo run --release -- {verb} --seed {seed}");
    if let Some(bug) = bug {
        line += &format!(" --bug {bug}");
    }
    for property in without {
        line += &format!(" --without {property}");
    }
    line
}

#[cfg(test)]
mod tests;
