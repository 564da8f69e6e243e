//! Jepsen events as JSON objects, read as the EDN that they were made from: field names become keywords.

#![expect(clippy::disallowed_methods, reason = "the recording comes from outside")]

use super::edn::{Edn, LineCounter, MAX_MEMBERS, float};
use super::lines::json_error_reason;
use serde::de::{self, Deserialize, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

/// Whether a text begins with a JSON object that has a field.
pub(super) fn is_object(text: &str) -> bool {
    let Some(name) = text.strip_prefix('{').and_then(|inside| inside.trim_start().strip_prefix('"')) else {
        return false;
    };
    // The name ends at the first quote: no field that we know contains an escape.
    name.split_once('"').is_some_and(|(_, after)| after.trim_start().starts_with(':'))
}

/// The field names of the first object of a text, which may be in an array. For an incomplete object: those known
/// fields that its first line contains.
pub(super) fn first_fields(text: &str) -> Vec<String> {
    let start = text.trim_start();
    let object = start.strip_prefix('[').unwrap_or(start);
    let mut objects = Deserializer::from_str(object).into_iter::<BTreeMap<String, IgnoredAny>>();
    if let Some(Ok(fields)) = objects.next() {
        return fields.into_keys().collect();
    }
    let first = object.trim_start().lines().next().unwrap_or_default();
    let known = ["process", "type", "op", "session", "history"];
    known.iter().filter(|name| first.contains(&format!("\"{name}\""))).map(ToString::to_string).collect()
}

/// The values of a text, each with the line in which it begins: the elements of an array, those of the `history` of
/// an object, or a sequence of values. Ends after the first error.
pub(super) fn values(text: &str) -> impl Iterator<Item = (usize, Result<Edn<'_>, String>)> {
    let start = text.len() - text.trim_start().len();
    let open = match &text[start..] {
        rest if rest.starts_with('[') => Some(start),
        rest if rest.starts_with('{') => history_array(text, start),
        _ => None,
    };
    let is_array = open.is_some();
    let mut at = open.map_or(start, |open| open + 1);
    let mut lines = LineCounter::new(text);
    let (mut is_first, mut is_over) = (true, false);
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let rest = text[at..].trim_start();
        at = text.len() - rest.len();
        if is_array {
            // Elements are separated by commas; there is none before the end.
            let after = rest.strip_prefix(',').filter(|_| !is_first).map(str::trim_start);
            match (rest.chars().next(), after) {
                (Some(']'), _) => {
                    is_over = true;
                    return None;
                }
                (_, Some(after)) => at = text.len() - after.len(),
                _ if is_first => {}
                (next, _) => {
                    is_over = true;
                    let reason = match next {
                        None => "it ends too early".to_string(),
                        Some(_) => "there is no comma between two elements".to_string(),
                    };
                    return Some((lines.line(at), Err(reason)));
                }
            }
        } else if rest.is_empty() {
            return None;
        }
        is_first = false;
        let line = lines.line(at);
        let mut values = Deserializer::from_str(&text[at..]).into_iter::<Value<'_>>();
        match values.next()? {
            Ok(Value(value)) => {
                at += values.byte_offset();
                Some((line, Ok(value)))
            }
            Err(error) => {
                is_over = true;
                Some((line + error.line().saturating_sub(1), Err(json_error_reason(&error))))
            }
        }
    })
}

/// The position of the array that an object has as its `history`.
fn history_array(text: &str, start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        let name = text[at..].trim_start();
        let name = name.strip_prefix(',').map_or(name, str::trim_start);
        let mut names = Deserializer::from_str(name).into_iter::<Cow<'_, str>>();
        let is_history = names.next()?.ok()? == "history";
        let value = name[names.byte_offset()..].trim_start().strip_prefix(':')?.trim_start();
        at = text.len() - value.len();
        if is_history {
            return value.starts_with('[').then_some(at);
        }
        let mut values = Deserializer::from_str(value).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        at += values.byte_offset();
    }
}

/// A value by itself.
struct Value<'a>(Edn<'a>);

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Value<'de>, D::Error> {
        JsonVisitor { members: &Cell::new(0) }.deserialize(reader).map(Value)
    }
}

/// Reads a value and counts the members of its arrays and objects.
#[derive(Clone, Copy)]
struct JsonVisitor<'c> {
    members: &'c Cell<usize>,
}

impl JsonVisitor<'_> {
    fn count_member<E: de::Error>(self) -> Result<(), E> {
        self.members.set(self.members.get() + 1);
        if self.members.get() > MAX_MEMBERS {
            return Err(E::custom(format!("it has more than {MAX_MEMBERS} members")));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for JsonVisitor<'_> {
    type Value = Edn<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Edn<'de>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonVisitor<'_> {
    type Value = Edn<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Edn<'de>, E> {
        Ok(Edn::Nil)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Edn<'de>, E> {
        Ok(Edn::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Edn<'de>, E> {
        Ok(Edn::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Edn<'de>, E> {
        let large = |_| Edn::OtherNumber(Cow::Owned(number.to_string()));
        Ok(i64::try_from(number).map_or_else(large, Edn::Number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Edn<'de>, E> {
        Ok(float(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Edn<'de>, E> {
        Ok(Edn::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Edn<'de>, E> {
        Ok(Edn::Text(Cow::Owned(text.to_string())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Edn<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(element) = elements.next_element_seed(self)? {
            self.count_member()?;
            members.push(element);
        }
        Ok(Edn::Vector(members))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Edn<'de>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(name) = fields.next_key_seed(FieldName)? {
            self.count_member()?;
            pairs.push((Edn::Keyword(name), fields.next_value_seed(self)?));
        }
        Edn::map(pairs).map_err(|name| {
            let name = name.to_string();
            de::Error::custom(format!("an object has the field {} twice", name.trim_start_matches(':')))
        })
    }
}

/// The name of a field.
struct FieldName;

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Cow<'de, str>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for FieldName {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_string()))
    }
}
