//! Facts: one [`Observed`] per line.
//!
//! ```json
//! {"at":1500000,"step":7,"node":2,"fact":"voted","term":3,"candidate":1}
//! {"at":1500000,"step":7,"node":2,"fact":"appended","index":4,"term":3,"entry":11400714819323198485}
//! {"at":1500000,"step":7,"node":2,"fact":"saved_snapshot","base":{"index":4,"term":3},"last":{"index":5,"term":3}}
//! ```
//!
//! `at` is true time in nanoseconds, `step` numbers the events of the run, `node` is who stated it. `fact` names one of
//! the variants of [`Fact`] in `snake_case`; its fields stand beside it. Digests are numbers. The
//! lines stand in the order in which the facts came true, so neither time nor steps run backwards. A field that the fact does
//! not have is refused: it is rather a misspelt one than one too many.

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

/// Reads one fact per line, one after the other, so that a checker can take them as they come. A fact that came true
/// before the one above it is refused: properties take the order for granted, and would find broken what is not.
pub fn read(text: &str) -> impl Iterator<Item = Result<Observed, ParseError>> {
    let expected = "a fact, as in {\"at\":1,\"step\":1,\"node\":1,\"fact\":\"leads\",\"term\":1}";
    // Time, step and line of the fact above.
    let mut above = (0, 0, 0);
    let texts = strip_byte_order_mark(text).lines().filter(|text| !text.trim().is_empty());
    parse_lines::<Observed>(text, expected).zip(texts).map(move |(line, text)| {
        let (line, fact) = line?;
        if let Some(reason) = unknown_field_error(text, &fact.fact) {
            return Err(ParseError { line, expected: "the fields of the fact", reason });
        }
        let (at, step, before) = above;
        let clash = |expected, now, then| {
            let reason = format!("it is {now} here, and was {then} in line {before}");
            Err(ParseError { line, expected, reason })
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

/// The fields of every fact, besides its own.
const COMMON_FIELDS: [&str; 4] = ["at", "step", "node", "fact"];

/// How alike two names must be for one to be offered for the other.
const MIN_SIMILARITY: f64 = 0.8;

/// What to say of a field that stands in a line and that the fact which was read from it does not have.
fn unknown_field_error(text: &str, fact: &Fact) -> Option<String> {
    let known = || COMMON_FIELDS.iter().chain(fact.fields()).copied();
    let Ok(Fields(fields)) = serde_json::from_str(text) else { return None };
    let Field(name) = fields.iter().find(|field| known().all(|known| known != field.0))?;
    let likeness = |known: &str| strsim::jaro_winkler(known, name);
    let nearest = known().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    Some(match nearest.filter(|nearest| likeness(nearest) >= MIN_SIMILARITY) {
        Some(nearest) => {
            format!("there is no field \"{}\" in it; did you mean {nearest:?}?", display_value(name))
        }
        None => {
            let known: Vec<String> = known().map(|known| format!("{known:?}")).collect();
            format!("there is no field \"{}\" in it, only {}", display_value(name), known.join(", "))
        }
    })
}

/// The names of an object's fields, as they stand.
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
