//! A reader for EDN, the notation in which Jepsen prints histories: all of EDN, and what Clojure's printer adds
//! (regular expressions, `##Inf`, numbers to other bases).
//!
//! Why our own: errors need line numbers, and a history of a million operations is read in one or two seconds. Of the
//! maintained crates, `clojure-reader` has positions only behind a feature that it calls unstable, does not know
//! `\u0041` in a string, and needs two crates for big numbers to read `3N`; `edn-format` has no positions; `edn-rs`
//! is deprecated. Only strings with escapes are copied.
//!
//! Values that are equal in Clojure are equal here: `3` and `3N`, `2/4` and `1/2`, `(1)` and `[1]`, sets and maps in
//! any order.

#![expect(clippy::disallowed_methods, reason = "the recording comes from outside")]

use super::display_value;
use std::borrow::Cow;
use std::fmt::{self, Write};

/// A value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Edn<'a> {
    /// `nil`
    Nil,
    /// `true`
    Bool(bool),
    /// `7`
    Number(i64),
    /// Any other number in a canonical form: `1.5`, `1/2`, `1.50M`, an integer that is too large for `Number`.
    OtherNumber(Cow<'a, str>),
    /// `\a`
    Char(char),
    /// `:read`, without its colon.
    Keyword(Cow<'a, str>),
    /// `"text"`
    Text(Cow<'a, str>),
    /// Anything else, verbatim.
    Symbol(Cow<'a, str>),
    /// `[1 2]`, `(1 2)`
    Vector(Vec<Edn<'a>>),
    /// `#{1 2}`, sorted.
    Set(Vec<Edn<'a>>),
    /// `{:a 1}`, sorted by key.
    Map(Vec<(Edn<'a>, Edn<'a>)>),
    /// `#tag value`, the tag without its `#`.
    Tagged(Box<(Cow<'a, str>, Edn<'a>)>),
}

/// Maximum nesting of a value.
pub(super) const MAX_DEPTH: u32 = 100;

/// Maximum number of members of a value: those of vectors, sets and maps at all depths.
pub(super) const MAX_MEMBERS: usize = 6_000_000;

impl<'a> Edn<'a> {
    /// A set, or `None` if a member occurs twice.
    pub(super) fn set(mut members: Vec<Edn<'a>>) -> Option<Edn<'a>> {
        members.sort_unstable();
        let is_set = members.windows(2).all(|pair| pair[0] != pair[1]);
        is_set.then_some(Edn::Set(members))
    }

    /// A map, or the first key that occurs twice.
    pub(super) fn map(mut pairs: Vec<(Edn<'a>, Edn<'a>)>) -> Result<Edn<'a>, Edn<'a>> {
        pairs.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        match pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(pair[0].0.clone()),
            None => Ok(Edn::Map(pairs)),
        }
    }

    /// The number of members at all depths; pairs of simple values do not count.
    pub(super) fn count_members(&self) -> usize {
        match self {
            Edn::Vector(members) | Edn::Set(members) => {
                let inside: usize = members.iter().map(Edn::count_members).sum();
                inside + if members.len() > 2 { members.len() } else { 0 }
            }
            Edn::Map(pairs) => {
                pairs.iter().map(|(key, value)| 2 + key.count_members() + value.count_members()).sum()
            }
            Edn::Tagged(tagged) => tagged.1.count_members(),
            _ => 0,
        }
    }
}

/// EDN notation.
impl fmt::Display for Edn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edn::Nil => f.write_str("nil"),
            Edn::Bool(truth) => write!(f, "{truth}"),
            Edn::Number(number) => write!(f, "{number}"),
            Edn::Keyword(keyword) => write!(f, ":{keyword}"),
            Edn::OtherNumber(word) | Edn::Symbol(word) => f.write_str(word),
            Edn::Char(character) => match CHARACTERS.iter().find(|(_, named)| named == character) {
                Some((name, _)) => write!(f, "\\{name}"),
                None => write!(f, "\\{character}"),
            },
            Edn::Text(text) => {
                f.write_char('"')?;
                for character in text.chars() {
                    match character {
                        '"' | '\\' => write!(f, "\\{character}")?,
                        '\n' => f.write_str("\\n")?,
                        '\t' => f.write_str("\\t")?,
                        '\r' => f.write_str("\\r")?,
                        control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
                        character => f.write_char(character)?,
                    }
                }
                f.write_char('"')
            }
            Edn::Vector(values) | Edn::Set(values) => {
                let (open, close) = if matches!(self, Edn::Set(_)) { ("#{", '}') } else { ("[", ']') };
                f.write_str(open)?;
                for (position, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if position == 0 { "" } else { " " })?;
                }
                f.write_char(close)
            }
            Edn::Tagged(tagged) => write!(f, "#{} {}", tagged.0, tagged.1),
            Edn::Map(pairs) => {
                f.write_char('{')?;
                for (position, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key} {value}", if position == 0 { "" } else { ", " })?;
                }
                f.write_char('}')
            }
        }
    }
}

/// An error and its position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct EdnError {
    /// The position in the text, in bytes.
    pub(super) at: usize,
    pub(super) reason: String,
}

/// Reads one value that is the whole text. The error is a description.
pub(super) fn read(text: &str) -> Result<Edn<'_>, String> {
    let mut reader = EdnReader::new(text);
    let mut read = || {
        let value = reader.value()?;
        match reader.rest()? {
            "" => Ok(value),
            more => Err(reader.error(format!("there is more: {}", display_value(more)))),
        }
    };
    read().map_err(|error| error.reason)
}

/// Counts lines up to a position that only moves forward.
pub(super) struct LineCounter<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> LineCounter<'a> {
    pub(super) fn new(text: &'a str) -> LineCounter<'a> {
        LineCounter { text, at: 0, line: 1 }
    }

    /// The line of a position at or after the previous one.
    pub(super) fn line(&mut self, at: usize) -> usize {
        let between = &self.text.as_bytes()[self.at.min(at)..at];
        self.line += between.iter().filter(|&&byte| byte == b'\n').count();
        self.at = self.at.max(at);
        self.line
    }
}

/// The values of a text, each with the line in which it begins. If the text is one vector or list: its elements; if
/// it is a map with a `:history`: the elements of that. Ends after the first error.
pub(super) fn values(text: &str) -> EdnValues<'_> {
    let mut reader = EdnReader::new(text);
    // An error here is reported when the value is read.
    let container = reader.clone().container().ok().flatten();
    let close = container.map(|Container { at, .. }| if text.as_bytes()[at] == b'[' { b']' } else { b')' });
    reader.at = container.map_or(0, |Container { at, .. }| at + 1);
    let is_in_map = container.is_some_and(|container| container.is_in_map);
    EdnValues { reader, lines: LineCounter::new(text), close, is_in_map, is_over: false }
}

/// The vector or list that holds a history.
#[derive(Clone, Copy)]
struct Container {
    /// The position of its opening bracket.
    at: usize,
    /// Whether it is a value in a map.
    is_in_map: bool,
}

pub(super) struct EdnValues<'a> {
    reader: EdnReader<'a>,
    lines: LineCounter<'a>,
    /// The closing bracket of the vector or list.
    close: Option<u8>,
    is_in_map: bool,
    is_over: bool,
}

impl<'a> EdnValues<'a> {
    fn step(&mut self) -> Result<Option<(usize, Edn<'a>)>, EdnError> {
        let reader = &mut self.reader;
        let rest = reader.rest()?;
        let Some(&first) = rest.as_bytes().first() else {
            return if self.close.is_some() { Err(reader.unexpected_end()) } else { Ok(None) };
        };
        if Some(first) == self.close {
            reader.at += 1;
            self.close = None;
            if self.is_in_map {
                reader.rest_of_map()?;
            }
            return match reader.rest()? {
                "" => Ok(None),
                _ => Err(reader.error("there is more behind the end of the history")),
            };
        }
        let at = reader.at;
        let value = reader.value()?;
        Ok(Some((at, value)))
    }
}

impl<'a> Iterator for EdnValues<'a> {
    type Item = (usize, Result<Edn<'a>, String>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        match self.step() {
            Ok(Some((at, value))) => Some((self.lines.line(at), Ok(value))),
            Ok(None) => {
                self.is_over = true;
                None
            }
            Err(EdnError { at, reason }) => {
                self.is_over = true;
                Some((self.lines.line(at), Err(reason)))
            }
        }
    }
}

/// Reads values from a text.
#[derive(Clone)]
pub(super) struct EdnReader<'a> {
    text: &'a str,
    at: usize,
    /// The number of members of the current value so far.
    members: usize,
}

impl<'a> EdnReader<'a> {
    pub(super) fn new(text: &'a str) -> EdnReader<'a> {
        EdnReader { text, at: 0, members: 0 }
    }

    /// The rest of the text after white space, comments and discarded forms.
    pub(super) fn rest(&mut self) -> Result<&'a str, EdnError> {
        self.skip(0)?;
        Ok(&self.text[self.at..])
    }

    /// The next value.
    pub(super) fn value(&mut self) -> Result<Edn<'a>, EdnError> {
        self.members = 0;
        self.form(0)
    }

    fn error(&self, reason: impl Into<String>) -> EdnError {
        EdnError { at: self.at, reason: reason.into() }
    }

    fn unexpected_end(&self) -> EdnError {
        self.error("it ends too early")
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, depth: u32) -> Result<(), EdnError> {
        let bytes = self.text.as_bytes();
        loop {
            match self.peek() {
                Some(b' ' | b',' | b'\n' | b'\t' | b'\r' | 0x0b | 0x0c | 0x1c..=0x1f) => self.at += 1,
                Some(b';') => self.skip_line(),
                Some(b'#') if bytes.get(self.at + 1) == Some(&b'!') => self.skip_line(),
                Some(b'#') if bytes.get(self.at + 1) == Some(&b'_') => {
                    self.at += 2;
                    self.form(depth + 1)?;
                }
                Some(0x80..) => match self.text[self.at..].chars().next() {
                    Some(character) if character.is_whitespace() => self.at += character.len_utf8(),
                    _ => return Ok(()),
                },
                _ => return Ok(()),
            }
        }
    }

    fn skip_line(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.find('\n').unwrap_or(rest.len());
    }

    fn form(&mut self, depth: u32) -> Result<Edn<'a>, EdnError> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("it is nested more than {MAX_DEPTH} deep")));
        }
        self.skip(depth)?;
        let start = self.at;
        let Some(first) = self.peek() else { return Err(self.unexpected_end()) };
        match first {
            b'[' => Ok(Edn::Vector(self.members(b']', depth)?)),
            b'(' => Ok(Edn::Vector(self.members(b')', depth)?)),
            b'{' => self.map(None, start, depth),
            b'"' => Ok(Edn::Text(self.text_value()?)),
            b'\\' => self.character(),
            b'#' => self.dispatch(depth),
            b']' | b')' | b'}' => Err(self.error(format!("{:?} closes nothing", char::from(first)))),
            b':' => match self.word()? {
                ":" => Err(EdnError { at: start, reason: "a keyword has no name".into() }),
                word => Ok(Edn::Keyword(Cow::Borrowed(&word[1..]))),
            },
            b'^' | b'`' | b'~' | b'@' => {
                Err(self.error(format!("{:?} begins no value in EDN", char::from(first))))
            }
            _ => {
                let word = self.word()?;
                let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
                match word {
                    "nil" => Ok(Edn::Nil),
                    "true" => Ok(Edn::Bool(true)),
                    "false" => Ok(Edn::Bool(false)),
                    _ if digits.starts_with(|digit: char| digit.is_ascii_digit()) => {
                        number(word).ok_or_else(|| EdnError {
                            at: start,
                            reason: format!("{} is no number", display_value(word)),
                        })
                    }
                    _ => Ok(Edn::Symbol(Cow::Borrowed(word))),
                }
            }
        }
    }

    /// Reads a form that begins with `#`.
    fn dispatch(&mut self, depth: u32) -> Result<Edn<'a>, EdnError> {
        let start = self.at;
        self.at += 1;
        let Some(second) = self.peek() else { return Err(self.unexpected_end()) };
        match second {
            b'{' => {
                let members = self.members(b'}', depth)?;
                let twice = "a set has a member twice".to_string();
                Edn::set(members).ok_or(EdnError { at: start, reason: twice })
            }
            b':' => {
                self.at += 1;
                let namespace = self.word()?;
                self.skip(depth)?;
                if namespace.is_empty() || namespace.starts_with(':') || self.peek() != Some(b'{') {
                    return Err(EdnError {
                        at: start,
                        reason: "#: needs a name and a map, as in #:a{:b 1}".into(),
                    });
                }
                self.map(Some(namespace), start, depth)
            }
            b'#' => {
                self.at += 1;
                match self.word()? {
                    "Inf" => Ok(Edn::OtherNumber(Cow::Borrowed("##Inf"))),
                    "-Inf" => Ok(Edn::OtherNumber(Cow::Borrowed("##-Inf"))),
                    "NaN" => Ok(Edn::OtherNumber(Cow::Borrowed("##NaN"))),
                    word => {
                        Err(EdnError { at: start, reason: format!("##{} is no number", display_value(word)) })
                    }
                }
            }
            // A regular expression: only its quotes are escaped.
            b'"' => {
                let end = self.quote_end()?;
                let pattern = Edn::Text(Cow::Borrowed(&self.text[self.at + 1..end]));
                self.at = end + 1;
                Ok(Edn::Tagged(Box::new((Cow::Borrowed("\""), pattern))))
            }
            _ => match self.word()? {
                tag if tag.starts_with(char::is_alphabetic) => {
                    let value = self.form(depth + 1)?;
                    Ok(Edn::Tagged(Box::new((Cow::Borrowed(tag), value))))
                }
                tag => {
                    let reason = format!("#{} begins no value in EDN", display_value(tag));
                    Err(EdnError { at: start, reason })
                }
            },
        }
    }

    /// Reads the values up to a closing bracket.
    fn members(&mut self, close: u8, depth: u32) -> Result<Vec<Edn<'a>>, EdnError> {
        let start = self.at;
        self.at += 1;
        let mut members = Vec::new();
        loop {
            self.skip(depth)?;
            match self.peek() {
                Some(byte) if byte == close => {
                    self.at += 1;
                    return Ok(members);
                }
                None => return Err(EdnError { at: start, reason: "it ends too early".into() }),
                _ => {}
            }
            self.members += 1;
            if self.members > MAX_MEMBERS {
                let reason = format!("it has more than {MAX_MEMBERS} members");
                return Err(EdnError { at: start, reason });
            }
            members.push(self.form(depth + 1)?);
        }
    }

    /// Reads a map from its opening brace, with a namespace for its keys; `start` is the position of the whole form.
    fn map(&mut self, namespace: Option<&str>, start: usize, depth: u32) -> Result<Edn<'a>, EdnError> {
        let values = self.members(b'}', depth)?;
        if values.len() % 2 == 1 {
            return Err(EdnError { at: start, reason: "a map has a key without a value".into() });
        }
        let mut pairs = Vec::with_capacity(values.len() / 2);
        let mut values = values.into_iter();
        while let (Some(key), Some(value)) = (values.next(), values.next()) {
            pairs.push((
                if let Some(namespace) = namespace { with_namespace(namespace, key) } else { key },
                value,
            ));
        }
        Edn::map(pairs).map_err(|key| {
            let reason = format!("a map has the key {} twice", display_value(key));
            EdnError { at: start, reason }
        })
    }

    /// Reads a string from its opening quote.
    fn text_value(&mut self) -> Result<Cow<'a, str>, EdnError> {
        let start = self.at;
        let end = self.quote_end()?;
        let inside = &self.text[start + 1..end];
        self.at = end + 1;
        if !inside.contains('\\') {
            return Ok(Cow::Borrowed(inside));
        }
        unescape(inside).map(Cow::Owned).map_err(|reason| EdnError { at: start, reason })
    }

    /// The position of the closing quote.
    fn quote_end(&self) -> Result<usize, EdnError> {
        let bytes = self.text.as_bytes();
        let mut at = self.at + 1;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => return Ok(at),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        Err(self.error("a text does not end"))
    }

    fn character(&mut self) -> Result<Edn<'a>, EdnError> {
        let start = self.at;
        self.at += 1;
        let Some(first) = self.text[self.at..].chars().next() else { return Err(self.unexpected_end()) };
        self.at += first.len_utf8();
        self.word()?;
        let name = &self.text[start + 1..self.at];
        let mut characters = name.chars();
        let character = match (characters.next(), characters.as_str()) {
            (Some(character), "") => Some(character),
            (Some('u'), digits) if digits.len() == 4 => {
                u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
            }
            (Some('o'), digits) if digits.len() <= 3 => {
                u32::from_str_radix(digits, 8).ok().filter(|&code| code < 256).and_then(char::from_u32)
            }
            _ => CHARACTERS.iter().find(|(known, _)| *known == name).map(|&(_, character)| character),
        };
        let reason = || EdnError { at: start, reason: format!("\\{} is no character", display_value(name)) };
        character.map(Edn::Char).ok_or_else(reason)
    }

    /// Reads characters up to white space or a delimiter.
    fn word(&mut self) -> Result<&'a str, EdnError> {
        let start = self.at;
        loop {
            match self.peek() {
                None
                | Some(
                    b' '
                    | b','
                    | b'\n'
                    | b'\t'
                    | b'\r'
                    | 0x0b
                    | 0x0c
                    | 0x1c..=0x1f
                    | b'['
                    | b']'
                    | b'{'
                    | b'}'
                    | b'('
                    | b')'
                    | b'"'
                    | b';',
                ) => break,
                Some(0x80..) => {
                    let character = self.text[self.at..].chars().next();
                    match character {
                        Some(character) if !character.is_whitespace() => self.at += character.len_utf8(),
                        _ => break,
                    }
                }
                Some(_) => self.at += 1,
            }
        }
        Ok(&self.text[start..self.at])
    }

    /// The vector or list that is the whole text, or the value of `:history` in a map.
    fn container(mut self) -> Result<Option<Container>, EdnError> {
        self.skip(0)?;
        self.skip_tag()?;
        match self.peek() {
            Some(b'[' | b'(') => Ok(Some(Container { at: self.at, is_in_map: false })),
            Some(b'{') => {
                self.at += 1;
                loop {
                    self.skip(0)?;
                    if matches!(self.peek(), None | Some(b'}')) {
                        return Ok(None);
                    }
                    self.members = 0;
                    if self.form(1)? == Edn::Keyword(Cow::Borrowed("history")) {
                        self.skip(1)?;
                        self.skip_tag()?;
                        let container = Container { at: self.at, is_in_map: true };
                        return Ok(matches!(self.peek(), Some(b'[' | b'(')).then_some(container));
                    }
                    self.form(1)?;
                }
            }
            _ => Ok(None),
        }
    }

    fn skip_tag(&mut self) -> Result<(), EdnError> {
        let second = self.text.as_bytes().get(self.at + 1);
        if self.peek() == Some(b'#') && second.is_some_and(u8::is_ascii_alphabetic) {
            let before = self.at;
            self.at += 1;
            self.word()?;
            self.skip(0)?;
            if !matches!(self.peek(), Some(b'[' | b'(')) {
                self.at = before;
            }
        }
        Ok(())
    }

    /// Checks the rest of a map after the value of `:history`.
    fn rest_of_map(&mut self) -> Result<(), EdnError> {
        loop {
            self.skip(0)?;
            match self.peek() {
                None => return Err(self.unexpected_end()),
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => {}
            }
            self.members = 0;
            let at = self.at;
            if self.form(1)? == Edn::Keyword(Cow::Borrowed("history")) {
                return Err(EdnError { at, reason: "a map has the key :history twice".into() });
            }
            self.form(1)?;
        }
    }
}

/// The key of a map with a namespace: `:b` becomes `:a/b`, and `:_/b` becomes `:b`.
fn with_namespace<'a>(namespace: &str, key: Edn<'a>) -> Edn<'a> {
    let inside = |name: Cow<'a, str>| -> Cow<'a, str> {
        match name.strip_prefix("_/") {
            Some(bare) => Cow::Owned(bare.to_string()),
            None if name.contains('/') => name,
            None => Cow::Owned(format!("{namespace}/{name}")),
        }
    };
    match key {
        Edn::Keyword(name) => Edn::Keyword(inside(name)),
        Edn::Symbol(name) => Edn::Symbol(inside(name)),
        other => other,
    }
}

/// Named characters.
const CHARACTERS: [(&str, char); 6] = [
    ("newline", '\n'),
    ("space", ' '),
    ("tab", '\t'),
    ("return", '\r'),
    ("backspace", '\u{8}'),
    ("formfeed", '\u{c}'),
];

fn unescape(inside: &str) -> Result<String, String> {
    let mut text = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some(escaped @ ('"' | '\\')) => text.push(escaped),
            Some('u') => {
                let mut unit = || {
                    let digits: String = characters.by_ref().take(4).collect();
                    let code = u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                    code.ok_or_else(|| format!("\\u{} is no character", display_value(digits)))
                };
                let first = unit()?;
                let is_half = (0xd800..0xdc00).contains(&first);
                let units = if is_half && characters.as_str().starts_with("\\u") {
                    characters.nth(1);
                    let digits: String = characters.by_ref().take(4).collect();
                    let second = u16::from_str_radix(&digits, 16)
                        .map_err(|_| format!("\\u{} is no character", display_value(&digits)))?;
                    vec![first, second]
                } else {
                    vec![first]
                };
                let character =
                    String::from_utf16(&units).map_err(|_| format!("\\u{first:04x} is no character"))?;
                text.push_str(&character);
            }
            Some(digit @ '0'..='7') => {
                let more =
                    characters.as_str().chars().take(2).take_while(|more| ('0'..='7').contains(more)).count();
                let digits: String = std::iter::once(digit).chain(characters.by_ref().take(more)).collect();
                let code = u32::from_str_radix(&digits, 8).ok().filter(|&code| code < 256);
                text.push(
                    code.and_then(char::from_u32).ok_or_else(|| format!("\\{digits} is no character"))?,
                );
            }
            // Dropping an unknown escape could make two different texts equal.
            Some(escaped) => {
                return Err(format!("\\{} is no escape that is known here", display_value(escaped)));
            }
            None => return Err("a text does not end".to_string()),
        }
    }
    Ok(text)
}

/// Parses a number as Clojure does; `None` if it is not one.
fn number(word: &str) -> Option<Edn<'_>> {
    let (sign, digits) = match word.as_bytes()[0] {
        b'-' => ("-", &word[1..]),
        b'+' => ("", &word[1..]),
        _ => ("", word),
    };
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits(digits) {
        // In Clojure a number that begins with 0 is octal.
        return if digits.len() > 1 && digits.starts_with('0') {
            radix_integer(sign, digits, 8)
        } else {
            Some(decimal_integer(sign, digits))
        };
    }
    if let Some(digits) = digits.strip_suffix('N').filter(|digits| all_digits(digits)) {
        return Some(decimal_integer(sign, digits));
    }
    if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return radix_integer(sign, digits.strip_suffix('N').unwrap_or(digits), 16);
    }
    if let Some((base, digits)) = digits.split_once(['r', 'R']) {
        let base = base.parse().ok().filter(|base| (2..=36).contains(base))?;
        return radix_integer(sign, digits, base);
    }
    if let Some((above, below)) = digits.split_once('/') {
        if !all_digits(above) || !all_digits(below) {
            return None;
        }
        return Some(match (above.parse::<u128>(), below.parse::<u128>()) {
            (_, Ok(0)) => return None,
            (Ok(above), Ok(below)) => {
                let common = common_divisor(above, below);
                match (above / common, below / common) {
                    (above, 1) => decimal_integer(sign, &above.to_string()),
                    (above, below) => Edn::OtherNumber(Cow::Owned(format!("{sign}{above}/{below}"))),
                }
            }
            _ => Edn::OtherNumber(Cow::Owned(format!("{sign}{above}/{below}"))),
        });
    }
    let (decimal, is_exact) = match digits.strip_suffix('M') {
        Some(decimal) => (decimal, true),
        None => (digits, false),
    };
    let plain =
        decimal.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    let value: f64 = decimal.parse().ok().filter(|_| plain)?;
    if is_exact {
        return Some(Edn::OtherNumber(Cow::Owned(format!("{sign}{digits}"))));
    }
    Some(float(if sign.is_empty() { value } else { -value }))
}

/// A floating-point number in its canonical form.
pub(super) fn float<'a>(value: f64) -> Edn<'a> {
    // Zero and negative zero are equal.
    let value = if value == 0.0 { 0.0 } else { value };
    match value {
        f64::INFINITY => Edn::OtherNumber(Cow::Borrowed("##Inf")),
        f64::NEG_INFINITY => Edn::OtherNumber(Cow::Borrowed("##-Inf")),
        value => Edn::OtherNumber(Cow::Owned(format!("{value:?}"))),
    }
}

/// A decimal integer.
fn decimal_integer<'a>(sign: &str, digits: &str) -> Edn<'a> {
    let digits = match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let signed = format!("{sign}{digits}");
    signed.parse().map_or_else(|_| Edn::OtherNumber(Cow::Owned(signed)), Edn::Number)
}

/// An integer to another base, if it fits in 64 bits.
fn radix_integer<'a>(sign: &str, digits: &str, base: u32) -> Option<Edn<'a>> {
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(digits, base).ok()?;
    let value = if sign.is_empty() { value } else { -value };
    Some(i64::try_from(value).map_or_else(|_| Edn::OtherNumber(Cow::Owned(value.to_string())), Edn::Number))
}

fn common_divisor(mut one: u128, mut other: u128) -> u128 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyword(name: &str) -> Edn<'_> {
        Edn::Keyword(Cow::Borrowed(name))
    }

    #[test]
    fn values_are_read() {
        let map = read("{:process 3, :f :append :value [1 nil \"a\\\"b\"], :time -7 :x true}").unwrap();
        let Edn::Map(pairs) = &map else { panic!("{map}") };
        let get = |name| pairs.iter().find(|(key, _)| *key == keyword(name)).map(|(_, value)| value);
        assert_eq!(get("process"), Some(&Edn::Number(3)));
        assert_eq!(get("f"), Some(&keyword("append")));
        let list = vec![Edn::Number(1), Edn::Nil, Edn::Text("a\"b".into())];
        assert_eq!(get("value"), Some(&Edn::Vector(list)));
        assert_eq!(get("time"), Some(&Edn::Number(-7)));
        assert_eq!(get("x"), Some(&Edn::Bool(true)));
        assert_eq!(get("y"), None);
    }

    #[test]
    fn values_are_written_as_they_are_read() {
        for text in [
            "#{1 #x/Y {:a #{}}}",
            "#inst \"2020\"",
            "{:a [1 -2 nil], \"b\\n\\\"\\\\\" x}",
            "\"\\u0007\u{e9}\"",
            "[]",
            ":k",
            "1.5",
            "[\\a \\newline \\space \\[ \\u]",
            "[1.5M 1/3 ##Inf ##-Inf ##NaN]",
        ] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        assert_eq!(read("\"\\u0041\\r\\101\\ud83d\\ude00\""), Ok(Edn::Text("A\rA\u{1f600}".into())));
    }

    #[test]
    fn values_that_are_equal_in_clojure_are_equal() {
        for (one, other) in [
            ("3", "3N"),
            ("3", "+3"),
            ("255", "0xff"),
            ("8", "010"),
            ("5", "2r101"),
            ("2/4", "1/2"),
            ("4/2", "2"),
            ("1.50", "1.5"),
            ("1e3", "1000.0"),
            ("0.0", "-0.0"),
            ("(1 2)", "[1 2]"),
            ("#{1 2}", "#{2 1}"),
            ("{:a 1 :b 2}", "{:b 2, :a 1}"),
            ("#:a{:b 1 :_/c 2 :d/e 3}", "{:a/b 1 :c 2 :d/e 3}"),
            ("\\u0041", "\\A"),
            ("\\o101", "\\A"),
            ("123456789012345678901234567890N", "123456789012345678901234567890"),
            ("[1 #_2 3] ; four", "[1 3]"),
            ("[1 #_ #_ 2 3 4]", "[1 4]"),
            ("[#_{:a ; \"\n 2}1]", "[1]"),
            ("{:a 1 #_ #_ :b 2}", "{:a 1}"),
            ("#!x\n1", "1"),
        ] {
            assert_eq!(read(one), read(other), "{one} {other}");
            assert!(read(one).is_ok(), "{one}: {:?}", read(one));
        }
        let different = [
            "1", "1.0", "1M", "1.0M", "\"1\"", "\\1", ":1", "true", "\"true\"", "[1]", "#{1}", "1/2",
            "#\"1\"",
        ];
        for one in different {
            for other in different {
                assert_eq!(read(one).unwrap() == read(other).unwrap(), one == other, "{one} {other}");
            }
        }
    }

    #[test]
    fn values_are_read_one_after_the_other() {
        let listed = |text: &str| -> Vec<String> {
            let listed = values(text).map(|(line, value)| match value {
                Ok(value) => format!("{line}: {value}"),
                Err(error) => format!("{line}! {error}"),
            });
            listed.collect()
        };
        assert_eq!(listed("\n1\n\n{:a\n2}\n"), ["2: 1", "4: {:a 2}"]);
        assert_eq!(listed("\n1\n\n{:a\n2\n"), ["2: 1", "4! it ends too early"]);
        assert_eq!(listed("\n[1 {:a\n2}, 3\n\n4]\n"), ["2: 1", "2: {:a 2}", "3: 3", "5: 4"]);
        assert_eq!(listed("(1\n)\n2"), ["1: 1", "3! there is more behind the end of the history"]);
        assert_eq!(listed("[1\n{:a"), ["1: 1", "2! it ends too early"]);
        assert_eq!(listed("; [9]\n#x.Y [1\n 2] ; 3"), ["2: 1", "3: 2"]);
        assert_eq!(listed("{:a [7]\n:history #x/y\n[1\n2] :b 3}"), ["3: 1", "4: 2"]);
        assert_eq!(listed("{:history [1]\n:history 3}"), ["1: 1", "2! a map has the key :history twice"]);
        assert_eq!(listed("1 #_2\n#_3 4;5"), ["1: 1", "2: 4"]);
        assert_eq!(listed(" [ ] "), [""; 0]);
        assert_eq!(listed(" \n "), [""; 0]);
    }

    #[test]
    fn errors_describe_what_is_wrong() {
        for (text, wrong) in [
            ("", "it ends too early"),
            ("[1 2", "it ends too early"),
            ("]", "']' closes nothing"),
            ("[1 2)", "')' closes nothing"),
            ("{:a}", "a map has a key without a value"),
            ("{:a 1 :b 2 :a 1}", "a map has the key :a twice"),
            ("[{(1) 1 [1] 2}]", "a map has the key [1] twice"),
            ("#:a{:b 1 :a/b 2}", "a map has the key :a/b twice"),
            ("#{1 2 1}", "a set has a member twice"),
            ("\"a", "a text does not end"),
            ("\"a\\", "a text does not end"),
            ("\"\\q\"", "\\q is no escape that is known here"),
            ("\"\\ud800\"", "\\ud800 is no character"),
            ("\"\\u12\"", "\\u12 is no character"),
            ("\\abc", "\\abc is no character"),
            ("1 2", "there is more: 2"),
            ("12abc", "12abc is no number"),
            ("1/0", "1/0 is no number"),
            (":", "a keyword has no name"),
            ("#", "it ends too early"),
            ("#_", "it ends too early"),
            ("#<Foo>", "#<Foo> begins no value in EDN"),
            ("^{:a 1} b", "'^' begins no value in EDN"),
        ] {
            assert_eq!(read(text), Err(wrong.to_string()), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_rejected() {
        for open in ["[", "(", "#{", "{", "#_", "#_[", "#a ", "#a{:b ", "{:history "] {
            let text = open.repeat(1_000_000);
            assert!(read(&text).is_err(), "{open}");
            assert!(values(&text).any(|(_, value)| value.is_err()), "{open}");
        }
    }
}
