//! Reads TOML with readable errors: which field, what it contains, and what is expected.
//!
//! `toml` parses the text into values with positions, and `serde_path_to_error` tracks which of them is being read. They
//! are deserialized here, so that errors keep their parts: `toml` would turn them into text in terms of Rust types.

use crate::support::suggest;
use crate::support::text::display_value;
use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_path_to_error::{Path, Segment};
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::{Token, TokenKind};

/// What is wrong in a text, and where.
#[derive(Debug)]
pub(super) struct TomlError {
    /// The byte range.
    pub(super) at: Range<usize>,
    pub(super) sentence: String,
}

/// Parses any TOML.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, TomlError> {
    let table = DeTable::parse(text).map_err(|error| syntax_error(text, &error))?;
    let root = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
    serde_path_to_error::deserialize(Value(root.get_ref()))
        .map_err(|error| locate(&root, error.path(), error.inner()))
}

/// What is wrong with a value or with the name of a field.
#[derive(Debug)]
enum ReadError {
    /// The field is unknown.
    Field(String),
    /// A value of another type than this.
    Type(String),
    /// A name without a value that must have one.
    NameAlone,
    /// Anything else, in a sentence that names the field if necessary.
    Other(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Field(sentence) | ReadError::Other(sentence) => f.write_str(sentence),
            ReadError::Type(expected) => write!(f, "expected {expected}"),
            ReadError::NameAlone => write!(f, "expected {NAME_WITH_VALUE}, not a name without a value"),
        }
    }
}

impl std::error::Error for ReadError {}

impl Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> ReadError {
        ReadError::Other(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> ReadError {
        match found {
            Unexpected::UnitVariant => ReadError::NameAlone,
            _ => ReadError::Type(expected.to_string()),
        }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> ReadError {
        ReadError::invalid_type(found, expected)
    }

    fn unknown_variant(typed: &str, known: &'static [&'static str]) -> ReadError {
        ReadError::Other(unknown_name("name", typed, known))
    }

    fn unknown_field(typed: &str, known: &'static [&'static str]) -> ReadError {
        ReadError::Field(unknown_name("field", typed, known))
    }
}

/// Adds position and field, which the path leads to.
fn locate(root: &Spanned<DeValue<'_>>, path: &Path, error: &ReadError) -> TomlError {
    let (mut value, mut name_at, mut field) = (root, root.span(), None);
    for segment in path {
        match (segment, value.get_ref()) {
            (Segment::Map { key } | Segment::Enum { variant: key }, DeValue::Table(table)) => {
                let Some((name, inner)) = table.get_key_value(key.as_str()) else { break };
                (value, name_at, field) = (inner, name.span(), Some(key));
            }
            (Segment::Seq { index }, DeValue::Array(values)) => {
                let Some(inner) = values.get(*index) else { break };
                value = inner;
            }
            // The name of a variant, or a part of a value.
            _ => {}
        }
    }
    let field = field.map(|field| format!("`{}`: ", display_value(field))).unwrap_or_default();
    let (at, sentence) = match error {
        ReadError::Field(sentence) => (name_at, sentence.clone()),
        ReadError::Other(sentence) => (value.span(), sentence.clone()),
        ReadError::Type(_) => (value.span(), format!("{field}{error}, not {}", describe(value.get_ref()))),
        ReadError::NameAlone => (value.span(), format!("{field}{error}")),
    };
    TomlError { at, sentence }
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

const INTEGER: &str = "a whole number";
const NON_NEGATIVE: &str = "a whole number from 0 on";
const BOOLEAN: &str = "`true` or `false`";
const TEXT: &str = "a text in quotes";
const TABLE: &str = "a table of fields";
const LIST: &str = "a list in brackets, such as [1, 2]";
const NAME: &str = "a name in quotes";
const NAME_ALONE: &str = "a name in quotes without a value";
const NAME_WITH_VALUE: &str = "a name with a value, such as { NAME = \"...\" }";

/// A value for a message.
fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text `{}`", display_value(text)),
        DeValue::Integer(number) => format!("`{}`", display_value(&number.to_string())),
        DeValue::Float(number) => format!("`{}`", display_value(number.as_str())),
        DeValue::Boolean(value) => format!("`{value}`"),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => TABLE.into(),
    }
}

/// The error for a text that is not TOML.
fn syntax_error(text: &str, error: &toml::de::Error) -> TomlError {
    let at = error.span().unwrap_or(0..text.len());
    let tokens = Source::new(text).lex().filter(|token| token.kind() != TokenKind::Whitespace);
    let tokens: Vec<Token> = tokens.take_while(|token| token.span().start() < at.end).collect();
    let (before, from) = tokens.split_at(tokens.partition_point(|token| token.span().start() < at.start));
    let shown = |first: &Token, last: &Token| display_value(&text[first.span().start()..last.span().end()]);
    let is_word = |token: &&Token| {
        let first = text[token.span().start()..].chars().next();
        token.kind() == TokenKind::Atom && first.is_some_and(char::is_alphabetic)
    };
    let sentence = match (before, from.first().filter(is_word)) {
        _ if is_nested_too_deeply(&tokens) => "lists and tables are nested too deeply here".to_owned(),
        ([key @ .., assigned], Some(word)) if is_before_value(assigned.kind()) => {
            let length = key.iter().rev().take_while(|token| is_part_of_key(token.kind())).count();
            let field = match &key[key.len() - length..] {
                [first, .., last] | [first @ last] if assigned.kind() == TokenKind::Equals => {
                    format!("`{}`: ", shown(first, last))
                }
                _ => String::new(),
            };
            format!("{field}`{}` is not a value, expected a number, {TEXT}, or {BOOLEAN}", shown(word, word))
        }
        _ => error.message().to_owned(),
    };
    TomlError { at: error.span().unwrap_or(0..0), sentence }
}

const fn is_before_value(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Equals | TokenKind::Comma | TokenKind::LeftSquareBracket)
}

const fn is_part_of_key(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Atom | TokenKind::Dot | TokenKind::BasicString | TokenKind::LiteralString)
}

/// Whether the parser stops here because of its limits: 80 nested lists and tables, 80 parts of a key.
fn is_nested_too_deeply(tokens: &[Token]) -> bool {
    const LIMIT: usize = 80;
    let (mut open, mut dots) = (0_usize, 0);
    tokens.iter().any(|token| {
        match token.kind() {
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => open += 1,
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => open = open.saturating_sub(1),
            _ => {}
        }
        dots =
            if is_part_of_key(token.kind()) { dots + usize::from(token.kind() == TokenKind::Dot) } else { 0 };
        open > LIMIT || dots >= LIMIT
    })
}

/// A value of a text.
#[derive(Clone, Copy)]
struct Value<'a, 'i>(&'a DeValue<'i>);

impl<'de> IntoDeserializer<'de, ReadError> for Value<'_, '_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The fields of a table in text order.
fn fields<'de, 'a>(
    table: &'a DeTable<'_>,
) -> MapDeserializer<'de, impl Iterator<Item = (&'a str, Value<'a, 'a>)>, ReadError> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries.into_iter();
    MapDeserializer::new(entries.map(|(key, value)| (key.get_ref().as_ref(), Value(value.get_ref()))))
}

impl Value<'_, '_> {
    /// An integer within these bounds.
    fn integer(self, least: i128, largest: i128) -> Result<i128, ReadError> {
        let expected = if least == 0 { NON_NEGATIVE } else { INTEGER };
        let DeValue::Integer(number) = self.0 else { return Err(ReadError::Type(expected.into())) };
        match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) if (least..=largest).contains(&value) => Ok(value),
            Ok(value) if value < 0 && least == 0 => Err(ReadError::Type(expected.into())),
            _ => Err(ReadError::Type(format!("{INTEGER} from {least} to {largest}"))),
        }
    }
}

/// Implements the readers of types that a text has, each with its description.
macro_rules! types {
    ($($method:ident($variant:pat) $expected:ident,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match self.0 {
                $variant => self.deserialize_any(visitor),
                _ => Err(ReadError::Type($expected.into())),
            }
        }
    )*};
}

/// Implements the readers of integers.
macro_rules! integers {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            let value = self.integer(<$type>::MIN.into(), <$type>::MAX.into())?;
            visitor.$visit(<$type>::try_from(value).map_err(ReadError::custom)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_, '_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.0 {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(_) => match self.integer(i64::MIN.into(), u64::MAX.into())? {
                number if number < 0 => visitor.visit_i64(number as i64),
                number => visitor.visit_u64(number as u64),
            },
            DeValue::Float(number) => visitor.visit_f64(number.as_str().parse().map_err(ReadError::custom)?),
            DeValue::Boolean(value) => visitor.visit_bool(*value),
            DeValue::Datetime(_) => Err(Error::invalid_type(Unexpected::Other("a date"), &visitor)),
            DeValue::Array(values) => {
                visitor.visit_seq(SeqDeserializer::new(values.iter().map(|value| Value(value.get_ref()))))
            }
            DeValue::Table(table) => visitor.visit_map(fields(table)),
        }
    }

    /// A field that is skipped, such as one of another version, may have any value.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.0 {
            DeValue::String(name) => visitor.visit_enum(StrDeserializer::new(name)),
            DeValue::Table(table) if table.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(fields(table)))
            }
            _ => Err(ReadError::Type(NAME.into())),
        }
    }

    types! {
        deserialize_bool(DeValue::Boolean(_)) BOOLEAN,
        deserialize_string(DeValue::String(_)) TEXT,
        deserialize_seq(DeValue::Array(_)) LIST,
        deserialize_map(DeValue::Table(_)) TABLE,
    }

    /// Called only for the value of a name that has none.
    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ReadError> {
        Err(ReadError::Type(NAME_ALONE.into()))
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
        i128 u128 f32 f64 char str bytes byte_buf unit_struct tuple tuple_struct identifier
    }
}
