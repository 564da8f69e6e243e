//! Facts: one [`Observed`] per line.
//!
//! ```json
//! {"at":1500000,"step":7,"node":2,"fact":"voted","term":3,"candidate":1}
//! {"at":1500000,"step":7,"node":2,"fact":"appended","index":4,"term":3,"entry":11400714819323198485}
//! {"at":1500000,"step":7,"node":2,"fact":"saved_snapshot","base":{"index":4,"term":3},"last":{"index":5,"term":3}}
//! ```
//!
//! `at` is true time in nanoseconds, `step` the number of the event, `node` the server that stated it. `fact` is a
//! variant of [`Fact`] in `snake_case`; the variant's fields follow. Digests are numbers. Facts are in the order in
//! which they became true, so neither time nor steps decrease. Fields that the fact does not have are rejected, since
//! they are probably misspelt.

use super::ParseError;
use super::display_value;
use super::lines::{parse_lines, strip_byte_order_mark};
use crate::fact::{Fact, Observed};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
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

/// Reads one fact per line, lazily. Rejects a fact whose time or step is lower than on the line before: properties
/// rely on the order.
#[expect(clippy::disallowed_methods, reason = "the recording comes from outside")]
pub fn read(text: &str) -> impl Iterator<Item = Result<Observed, ParseError>> {
    let expected = "a fact, as in {\"at\":1,\"step\":1,\"node\":1,\"fact\":\"leads\",\"term\":1}";
    // Time, step and line of the previous fact.
    let mut previous = (0, 0, 0);
    let texts = strip_byte_order_mark(text).lines().filter(|text| !text.trim().is_empty());
    parse_lines::<Observed>(text, expected).zip(texts).map(move |(line, text)| {
        let (line, fact) = line?;
        if let Some(reason) = unknown_field_error(text, &fact.fact) {
            return Err(ParseError { line, expected: "the fields of the fact", reason });
        }
        let (at, step, before) = previous;
        let decreases = |expected, now, then| {
            let reason = format!("it is {now} here, and was {then} in line {before}");
            Err(ParseError { line, expected, reason })
        };
        if fact.at < at {
            return decreases("time to run forward", fact.at, at);
        }
        if fact.step < step {
            return decreases("steps to run forward", fact.step, step);
        }
        previous = (fact.at, fact.step, line);
        Ok(fact)
    })
}

/// The fields that every fact has.
const COMMON_FIELDS: [&str; 4] = ["at", "step", "node", "fact"];

/// Minimum similarity of a name to be suggested for a misspelt one.
const MIN_SIMILARITY: f64 = 0.8;

/// The error for a field that is in the line but not in the fact that was read from it.
fn unknown_field_error(text: &str, fact: &Fact) -> Option<String> {
    let known = || COMMON_FIELDS.iter().chain(fact.fields()).copied();
    let Ok(Fields(fields)) = serde_json::from_str(text) else { return None };
    let Field(name) = fields.iter().find(|field| known().all(|known| known != field.0))?;
    let similarity = |known: &str| strsim::jaro_winkler(known, name);
    let nearest = known().max_by(|one, other| similarity(one).total_cmp(&similarity(other)));
    Some(match nearest.filter(|nearest| similarity(nearest) >= MIN_SIMILARITY) {
        Some(nearest) => {
            format!("there is no field \"{}\" in it; did you mean {nearest:?}?", display_value(name))
        }
        None => {
            let known: Vec<String> = known().map(|known| format!("{known:?}")).collect();
            format!("there is no field \"{}\" in it, only {}", display_value(name), known.join(", "))
        }
    })
}

/// The names of an object's fields, in their order.
struct Fields<'a>(Vec<Field<'a>>);

#[derive(serde::Deserialize)]
struct Field<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some((field, IgnoredAny)) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}
