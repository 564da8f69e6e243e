//! Reads TOML with readable errors: which field, what it contains, and what is expected.
//!
//! The crate `toml` parses the text into values with positions; this module deserializes those values itself, so that
//! errors keep their parts. `toml` would turn them into text in terms of Rust types.

use crate::support::suggest;
use crate::support::text::display_value;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong in a text.
#[derive(Debug)]
pub(super) struct TomlError {
    /// The byte range.
    pub(super) at: Option<Range<usize>>,
    /// The field, if the sentence does not name it.
    field: Option<String>,
    sentence: String,
    names_field: bool,
}

/// Parses any TOML.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, TomlError> {
    let table = DeTable::parse(text).map_err(|error| syntax_error(text, &error))?;
    let (table, at) = (table.get_ref(), table.span());
    let entries = entries_in_order(table);
    T::deserialize(Table { entries, at: at.clone() }).map_err(|error| error.with_context(&at, None))
}

impl fmt::Display for TomlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) if !self.names_field => write!(f, "`{field}`: {}", self.sentence),
            _ => f.write_str(&self.sentence),
        }
    }
}

impl std::error::Error for TomlError {}

impl TomlError {
    fn new(sentence: String, names_field: bool) -> TomlError {
        TomlError { at: None, field: None, sentence, names_field }
    }

    /// Adds position and field, unless they are already set.
    fn with_context(mut self, at: &Range<usize>, field: Option<&str>) -> TomlError {
        self.at.get_or_insert_with(|| at.clone());
        self.field = self.field.or_else(|| field.map(str::to_owned));
        self
    }
}

impl Error for TomlError {
    fn custom<T: fmt::Display>(message: T) -> TomlError {
        TomlError::new(message.to_string(), true)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> TomlError {
        TomlError::new(
            format!("expected {}, not {}", describe_expected(expected), describe_found(found)),
            false,
        )
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> TomlError {
        TomlError::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> TomlError {
        TomlError::new(format!("expected {}, not {length}", describe_expected(expected)), false)
    }

    fn unknown_variant(typed: &str, known: &'static [&'static str]) -> TomlError {
        TomlError::new(unknown_name("name", typed, known), true)
    }

    fn unknown_field(typed: &str, known: &'static [&'static str]) -> TomlError {
        TomlError::new(unknown_name("field", typed, known), true)
    }

    fn missing_field(field: &'static str) -> TomlError {
        TomlError::new(format!("missing field `{field}`"), true)
    }

    fn duplicate_field(field: &'static str) -> TomlError {
        TomlError::new(format!("duplicate field `{field}`"), true)
    }
}

/// Replaced names of fields and values. They are still read, but not suggested.
const OLD_NAMES: [&str; 12] = [
    "story",
    "still-there",
    "storm",
    "held",
    "ailment",
    "deaf",
    "mute",
    "founders",
    "syncs",
    "pause",
    "patience",
    "anywhere",
];

fn unknown_name(what: &str, typed: &str, known: &[&str]) -> String {
    let known: Vec<&str> = known.iter().copied().filter(|name| !OLD_NAMES.contains(name)).collect();
    let nearest = suggest::nearest(typed, known.iter().copied());
    let listed = |names: &[&str], between: &str| {
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(between)
    };
    let typed = display_value(typed);
    match nearest.is_empty() {
        true => format!("unknown {what} `{typed}`, expected one of {}", listed(&known, ", ")),
        false => format!("unknown {what} `{typed}`; did you mean {}?", listed(&nearest, " or ")),
    }
}

/// What serde expects, without names of Rust types.
fn describe_expected(expected: &dyn Expected) -> String {
    match expected.to_string().as_str() {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => NON_NEGATIVE.into(),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => BOOLEAN.into(),
        "a string" | "a borrowed string" => "a text in quotes".into(),
        "newtype variant" => "a name with a value, such as { NAME = \"...\" }".into(),
        "unit variant" => "a name in quotes without a value".into(),
        words if words.starts_with("struct ") || words == "a map" => TABLE.into(),
        words if words.starts_with("enum ") || words == "variant identifier" => NAME.into(),
        words if words.starts_with("tuple") || words == "a sequence" => LIST.into(),
        words => words.into(),
    }
}

const NON_NEGATIVE: &str = "a whole number from 0 on";
const BOOLEAN: &str = "`true` or `false`";
const TABLE: &str = "a table of fields";
const LIST: &str = "a list in brackets, such as [1, 2]";
const NAME: &str = "a name in quotes";

fn describe_found(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value:?}`"),
        Unexpected::Str(text) => format!("the text `{}`", display_value(text)),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map | Unexpected::StructVariant => "a table of fields".into(),
        Unexpected::UnitVariant => "a name without a value".into(),
        Unexpected::NewtypeVariant | Unexpected::TupleVariant => "a name with a value".into(),
        Unexpected::Other(words) => words.into(),
        other => other.to_string(),
    }
}

/// The error for a text that is not TOML.
fn syntax_error(text: &str, error: &toml::de::Error) -> TomlError {
    let at = error.span().unwrap_or(0..0);
    let (before, from) = text.split_at_checked(at.start).unwrap_or((text, ""));
    let line = before.rsplit('\n').next().unwrap_or_default().trim_end();
    let word = from.split(|c: char| c.is_whitespace() || ",]}#".contains(c)).next().unwrap_or_default();
    let is_word = word.starts_with(|c: char| c.is_alphabetic());
    let field = line.strip_suffix('=').map(|line| {
        let words = line.trim_end().rsplit(|c: char| c.is_whitespace() || "{,".contains(c));
        display_value(words.map(str::trim).next().unwrap_or_default())
    });
    let sentence = if error.message().contains("recurs") {
        // The parser's error for its recursion limit.
        "lists and tables are nested too deeply here".to_owned()
    } else if is_word && line.ends_with(['=', '[', ',']) {
        format!(
            "`{}` is not a value, expected a number, a text in quotes, or `true` or `false`",
            display_value(word)
        )
    } else {
        // The parser puts what it expected on a separate line.
        error.message().lines().map(str::trim).collect::<Vec<_>>().join(", ")
    };
    let names_field = !is_word;
    TomlError { at: Some(at), field, sentence, names_field }
}

/// The entries of a table in text order, reversed.
fn entries_in_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<Entry<'a, 'i>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries.reverse();
    entries
}

type Entry<'a, 'i> = (&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>);

/// The remaining fields of a table, the next one last.
struct Table<'a, 'i> {
    entries: Vec<Entry<'a, 'i>>,
    at: Range<usize>,
}

/// A value and its field.
#[derive(Clone)]
struct Value<'a, 'i> {
    value: &'a DeValue<'i>,
    at: Range<usize>,
    field: Option<&'a str>,
}

/// The values of a list.
struct List<'a, 'i> {
    values: std::slice::Iter<'a, Spanned<DeValue<'i>>>,
    field: Option<&'a str>,
}

impl<'de> Deserializer<'de> for Table<'_, '_> {
    type Error = TomlError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TomlError> {
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Table<'_, '_> {
    type Error = TomlError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, TomlError> {
        let Some((key, _)) = self.entries.last() else { return Ok(None) };
        let name: StrDeserializer<'_, TomlError> = key.get_ref().as_ref().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|error| error.with_context(&key.span(), None))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, TomlError> {
        let (key, value) = self.entries.pop().ok_or_else(|| TomlError::custom("the field has no value"))?;
        seed.deserialize(Value { value: value.get_ref(), at: value.span(), field: Some(key.get_ref()) })
            .map_err(|error| error.with_context(&value.span(), Some(key.get_ref())))
    }
}

impl<'de> SeqAccess<'de> for List<'_, '_> {
    type Error = TomlError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, TomlError> {
        let value = self.values.next();
        let read = |value: &Spanned<DeValue<'_>>| {
            seed.deserialize(Value { value: value.get_ref(), at: value.span(), field: self.field })
                .map_err(|error| error.with_context(&value.span(), self.field))
        };
        value.map(read).transpose()
    }
}

impl Value<'_, '_> {
    /// The error for a value of the wrong type.
    fn type_mismatch(&self, expected: &str) -> TomlError {
        let found = match self.value {
            DeValue::String(text) => describe_found(Unexpected::Str(text)),
            DeValue::Integer(number) => format!("`{}`", display_value(&number.to_string())),
            DeValue::Float(number) => format!("`{}`", display_value(number.as_str())),
            DeValue::Boolean(value) => describe_found(Unexpected::Bool(*value)),
            DeValue::Datetime(_) => "a date".into(),
            DeValue::Array(_) => describe_found(Unexpected::Seq),
            DeValue::Table(_) => describe_found(Unexpected::Map),
        };
        TomlError::new(format!("expected {expected}, not {found}"), false).with_context(&self.at, self.field)
    }

    /// The value as an integer within these bounds.
    fn integer(&self, least: i128, largest: i128) -> Result<i128, TomlError> {
        let expected = if least == 0 { NON_NEGATIVE } else { "a whole number" };
        let DeValue::Integer(number) = self.value else { return Err(self.type_mismatch(expected)) };
        match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) if (least..=largest).contains(&value) => Ok(value),
            Ok(value) if value < 0 && least == 0 => Err(self.type_mismatch(expected)),
            _ => Err(self.type_mismatch(&format!("a whole number from {least} to {largest}"))),
        }
    }
}

/// Implements the readers of all integer types.
macro_rules! integers {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TomlError> {
            let value = self.integer(<$type>::MIN.into(), <$type>::MAX.into())?;
            let value = <$type>::try_from(value).map_err(TomlError::custom)?;
            visitor.$visit(value).map_err(|error: TomlError| error.with_context(&self.at, self.field))
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_, '_> {
    type Error = TomlError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TomlError> {
        let (at, field) = (self.at.clone(), self.field);
        let read = match self.value {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(_) => match self.integer(i64::MIN.into(), u64::MAX.into())? {
                number if number < 0 => visitor.visit_i64(number as i64),
                number => match i64::try_from(number) {
                    Ok(number) => visitor.visit_i64(number),
                    Err(_) => visitor.visit_u64(number as u64),
                },
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(self.type_mismatch("a number")),
            },
            DeValue::Boolean(value) => visitor.visit_bool(*value),
            DeValue::Datetime(_) => Err(TomlError::invalid_type(Unexpected::Other("a date"), &visitor)),
            DeValue::Array(values) => visitor.visit_seq(List { values: values.iter(), field }),
            DeValue::Table(table) => {
                visitor.visit_map(Table { entries: entries_in_order(table), at: at.clone() })
            }
        };
        read.map_err(|error| error.with_context(&at, field))
    }

    /// A field that is skipped, such as one of another version, may have any value.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TomlError> {
        visitor.visit_unit()
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TomlError> {
        match self.value {
            DeValue::Boolean(_) => self.deserialize_any(visitor),
            _ => Err(self.type_mismatch(BOOLEAN)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TomlError> {
        match self.value {
            DeValue::Array(_) => self.deserialize_any(visitor),
            _ => Err(self.type_mismatch(LIST)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TomlError> {
        match self.value {
            DeValue::Table(_) => self.deserialize_any(visitor),
            _ => Err(self.type_mismatch(TABLE)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TomlError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TomlError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, TomlError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TomlError> {
        let (at, field) = (self.at.clone(), self.field);
        let read = match self.value {
            DeValue::String(name) => {
                let name: StrDeserializer<'_, TomlError> = name.as_ref().into_deserializer();
                visitor.visit_enum(name)
            }
            DeValue::Table(table) if table.len() == 1 => {
                visitor.visit_enum(Variant(Table { entries: entries_in_order(table), at: at.clone() }))
            }
            _ => Err(self.type_mismatch(NAME)),
        };
        read.map_err(|error| error.with_context(&at, field))
    }

    integers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

/// An enum variant with a value: a table of one field.
struct Variant<'a, 'i>(Table<'a, 'i>);

impl<'de> EnumAccess<'de> for Variant<'_, '_> {
    type Error = TomlError;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(mut self, seed: T) -> Result<(T::Value, Self), TomlError> {
        match self.0.next_key_seed(seed)? {
            Some(name) => Ok((name, self)),
            None => Err(TomlError::new(format!("expected {NAME}, not an empty table"), false)),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = TomlError;

    fn unit_variant(self) -> Result<(), TomlError> {
        Err(TomlError::invalid_type(Unexpected::NewtypeVariant, &"unit variant")
            .with_context(&self.0.at, None))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(mut self, seed: T) -> Result<T::Value, TomlError> {
        self.0.next_value_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(mut self, _: usize, visitor: V) -> Result<V::Value, TomlError> {
        let (_, value) = self.0.entries.pop().ok_or_else(|| TomlError::custom("the name has no value"))?;
        Value { value: value.get_ref(), at: value.span(), field: None }.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TomlError> {
        let (_, value) = self.0.entries.pop().ok_or_else(|| TomlError::custom("the name has no value"))?;
        Value { value: value.get_ref(), at: value.span(), field: None }.deserialize_map(visitor)
    }
}
