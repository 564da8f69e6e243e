//! Facts: one [`Observed`] per line.
//!
//! ```json
//! {"at":1500000,"step":7,"node":2,"fact":"voted","term":3,"candidate":1}
//! {"at":1500000,"step":7,"node":2,"fact":"appended","index":4,"term":3,"entry":11400714819323198485}
//! {"at":1500000,"step":7,"node":2,"fact":"saved_snapshot","base":{"index":4,"term":3},"last":{"index":5,"term":3}}
//! ```
//!
//! `at` is true time in nanoseconds, `step` numbers the events of the run, `node` is who stated it. `fact` names one of
//! the variants of [`Fact`](crate::fact::Fact) in `snake_case`; its fields stand beside it. Digests are numbers. The
//! lines stand in the order in which the facts came true, so neither time nor steps run backwards.

use super::Misread;
use super::lines::lines;
use crate::fact::Observed;
use std::io::{self, Write};

/// Writes one line per fact.
///
/// # Errors
/// Those of `output`.
pub fn write<'a>(output: &mut impl Write, facts: impl IntoIterator<Item = &'a Observed>) -> io::Result<()> {
    for fact in facts {
        serde_json::to_writer(&mut *output, fact)?;
        output.write_all(b"\n")?;
    }
    Ok(())
}

/// Reads one fact per line, one after the other, so that a checker can take them as they come. A fact that came true
/// before the one above it is refused: properties take the order for granted, and would find broken what is not.
pub fn read(text: &str) -> impl Iterator<Item = Result<Observed, Misread>> {
    let expected = "a fact, as in {\"at\":1,\"step\":1,\"node\":1,\"fact\":\"leads\",\"term\":1}";
    // Time, step and line of the fact above.
    let mut above = (0, 0, 0);
    lines::<Observed>(text, expected).map(move |line| {
        let (line, fact) = line?;
        let (at, step, before) = above;
        let clash = |expected, now, then| {
            let reason = format!("it is {now} here, and was {then} in line {before}");
            Err(Misread { line, expected, reason })
        };
        if fact.at < at {
            return clash("time to run forward", fact.at, at);
        }
        if fact.step < step {
            return clash("steps to run forward", fact.step, step);
        }
        above = (fact.at, fact.step, line);
        Ok(fact)
    })
}
