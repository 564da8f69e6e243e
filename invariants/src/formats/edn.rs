//! The part of Clojure's notation that histories are written in.

use std::fmt::{self, Write};

/// A value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Edn {
    /// `nil`.
    Nil,
    /// `7`
    Number(i64),
    /// `:read`, without its colon.
    Keyword(String),
    /// `"text"`
    Text(String),
    /// `[1 2]`
    Vector(Vec<Edn>),
    /// `{:a 1}`
    Map(Vec<(Edn, Edn)>),
    /// `#{1 2}`
    Set(Vec<Edn>),
    /// `#tag value`, with the tag as it is written.
    Tagged(String, Box<Edn>),
    /// Anything else, by its letters.
    Symbol(String),
}

impl Edn {
    /// What a map says under a keyword.
    pub(super) fn get(&self, name: &str) -> Option<&Edn> {
        let Edn::Map(pairs) = self else { return None };
        pairs
            .iter()
            .find(|(key, _)| matches!(key, Edn::Keyword(keyword) if keyword == name))
            .map(|(_, value)| value)
    }
}

/// As it is written.
impl fmt::Display for Edn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edn::Nil => f.write_str("nil"),
            Edn::Number(number) => write!(f, "{number}"),
            Edn::Keyword(keyword) => write!(f, ":{keyword}"),
            Edn::Symbol(symbol) => f.write_str(symbol),
            Edn::Text(text) => {
                f.write_char('"')?;
                for letter in text.chars() {
                    match letter {
                        '"' | '\\' => write!(f, "\\{letter}")?,
                        '\n' => f.write_str("\\n")?,
                        '\t' => f.write_str("\\t")?,
                        '\r' => f.write_str("\\r")?,
                        control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
                        letter => f.write_char(letter)?,
                    }
                }
                f.write_char('"')
            }
            Edn::Vector(values) | Edn::Set(values) => {
                let (open, close) = if matches!(self, Edn::Set(_)) { ("#{", '}') } else { ("[", ']') };
                f.write_str(open)?;
                for (place, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if place == 0 { "" } else { " " })?;
                }
                f.write_char(close)
            }
            Edn::Tagged(tag, value) => write!(f, "{tag} {value}"),
            Edn::Map(pairs) => {
                f.write_char('{')?;
                for (place, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key} {value}", if place == 0 { "" } else { ", " })?;
                }
                f.write_char('}')
            }
        }
    }
}

/// Reads one value and nothing else. The error says what is wrong with it.
pub(super) fn read(text: &str) -> Result<Edn, String> {
    let mut rest = text;
    let value = value(&mut rest, 0)?;
    match skipped(rest) {
        "" => Ok(value),
        more => Err(format!("there is more: {:?}", more.chars().take(20).collect::<String>())),
    }
}

/// Reads one value after the other, with the line in which each begins: one in each line that is not blank; or, where
/// the text is a vector or a list, its elements, wherever they stand. After an error in one of these nothing comes.
pub(super) fn values(text: &str) -> Values<'_> {
    let start = skipped(text);
    let close = match start.chars().next() {
        Some('[') => Some(']'),
        Some('(') => Some(')'),
        _ => None,
    };
    let rest = if close.is_some() { &start[1..] } else { text };
    Values { rest, line: 1 + lines_between(text, rest), close }
}

pub(super) struct Values<'a> {
    rest: &'a str,
    line: usize,
    /// What ends the vector or list.
    close: Option<char>,
}

/// How many lines end between a text and one of its ends.
fn lines_between(text: &str, end: &str) -> usize {
    text[..text.len() - end.len()].matches('\n').count()
}

impl Iterator for Values<'_> {
    type Item = (usize, Result<Edn, String>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = skipped(self.rest);
        self.line += lines_between(self.rest, start);
        let (line, mut rest) = (self.line, start);
        let told = match self.close {
            None if start.is_empty() => None,
            None => {
                let value;
                (value, rest) = start.split_once('\n').unwrap_or((start, ""));
                Some(read(value))
            }
            Some(close) => match start.strip_prefix(close) {
                Some(after) => {
                    (self.close, rest) = (None, "");
                    let is_end = skipped(after).is_empty();
                    (!is_end).then(|| Err(format!("there is more behind the closing {close:?}")))
                }
                None => Some(value(&mut rest, 0).inspect_err(|_| (self.close, rest) = (None, ""))),
            },
        };
        self.line += lines_between(start, rest);
        self.rest = rest;
        Some((line, told?))
    }
}

/// No history nests deeper.
const DEEPEST: u32 = 20;

/// What comes after white space, of which commas are a part.
fn skipped(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() || c == ',')
}

fn value(rest: &mut &str, depth: u32) -> Result<Edn, String> {
    *rest = skipped(rest);
    let first = rest.chars().next().ok_or("it ends too early")?;
    match first {
        _ if depth > DEEPEST => Err("it is nested too deeply".to_string()),
        '[' | '(' => Ok(Edn::Vector(until(rest, if first == '[' { ']' } else { ')' }, depth)?)),
        '{' => {
            let values = until(rest, '}', depth)?;
            if values.len() % 2 == 1 {
                return Err("a map has a key without a value".to_string());
            }
            let mut values = values.into_iter();
            let mut pairs = Vec::new();
            while let (Some(key), Some(value)) = (values.next(), values.next()) {
                pairs.push((key, value));
            }
            Ok(Edn::Map(pairs))
        }
        '"' => text(rest),
        '#' if rest[1..].starts_with('{') => {
            *rest = &rest[1..];
            Ok(Edn::Set(until(rest, '}', depth)?))
        }
        '#' if rest[1..].starts_with(|c: char| c.is_ascii_alphabetic()) => {
            let Edn::Symbol(tag) = atom(rest) else { return Err("a tag is no symbol".to_string()) };
            Ok(Edn::Tagged(tag, Box::new(value(rest, depth + 1)?)))
        }
        ']' | ')' | '}' => Err(format!("{first:?} closes nothing")),
        _ => Ok(atom(rest)),
    }
}

/// The values up to a closing bracket.
fn until(rest: &mut &str, close: char, depth: u32) -> Result<Vec<Edn>, String> {
    *rest = &rest[1..];
    let mut values = Vec::new();
    loop {
        *rest = skipped(rest);
        if let Some(after) = rest.strip_prefix(close) {
            *rest = after;
            return Ok(values);
        }
        values.push(value(rest, depth + 1)?);
    }
}

fn text(rest: &mut &str) -> Result<Edn, String> {
    let mut content = String::new();
    let mut letters = rest[1..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => {
                *rest = &rest[at + 2..];
                return Ok(Edn::Text(content));
            }
            '\\' => match letters.next() {
                Some((_, 'n')) => content.push('\n'),
                Some((_, 't')) => content.push('\t'),
                Some((_, 'r')) => content.push('\r'),
                Some((_, escaped @ ('"' | '\\'))) => content.push(escaped),
                Some((_, 'u')) => {
                    let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    let letter = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    content.push(letter.ok_or_else(|| format!("\\u{digits} is no letter"))?);
                }
                // Two texts must not become one because an escape is not known here.
                Some((_, escaped)) => return Err(format!("\\{escaped} is no escape that is known here")),
                None => break,
            },
            _ => content.push(letter),
        }
    }
    Err("a text does not end".to_string())
}

fn atom(rest: &mut &str) -> Edn {
    let ends = |c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '{' | '}' | '(' | ')' | '"');
    let end = rest.find(ends).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after;
    match (word, word.strip_prefix(':')) {
        (_, Some(keyword)) => Edn::Keyword(keyword.to_string()),
        ("nil", _) => Edn::Nil,
        _ => word.parse().map_or_else(|_| Edn::Symbol(word.to_string()), Edn::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        let map = read("{:process 3, :f :append :value [1 nil \"a\\\"b\"], :time -7 :x true}").unwrap();
        assert_eq!(map.get("process"), Some(&Edn::Number(3)));
        assert_eq!(map.get("f"), Some(&Edn::Keyword("append".into())));
        let list = vec![Edn::Number(1), Edn::Nil, Edn::Text("a\"b".into())];
        assert_eq!(map.get("value"), Some(&Edn::Vector(list)));
        assert_eq!(map.get("time"), Some(&Edn::Number(-7)));
        assert_eq!(map.get("y"), None);
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
        ] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        assert_eq!(read("\"\\u0041\\r\""), Ok(Edn::Text("A\r".into())));
    }

    #[test]
    fn values_are_read_one_after_the_other() {
        let told = |text: &str| -> Vec<String> {
            let told = values(text).map(|(line, value)| match value {
                Ok(value) => format!("{line}: {value}"),
                Err(wrong) => format!("{line}! {wrong}"),
            });
            told.collect()
        };
        assert_eq!(told("\n1\n\n{:a\n2\n"), ["2: 1", "4! it ends too early", "5: 2"]);
        assert_eq!(told("\n[1 {:a\n2}, 3\n\n4]\n"), ["2: 1", "2: {:a 2}", "3: 3", "5: 4"]);
        assert_eq!(told("(1\n)\n2"), ["1: 1", "2! there is more behind the closing ')'"]);
        assert_eq!(told("[1\n{:a"), ["1: 1", "2! it ends too early"]);
        assert_eq!(told(" [ ] "), [""; 0]);
        assert_eq!(told(" \n "), [""; 0]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, wrong) in [
            ("", "it ends too early"),
            ("[1 2", "it ends too early"),
            ("]", "']' closes nothing"),
            ("{:a}", "a map has a key without a value"),
            ("\"a", "a text does not end"),
            ("\"\\q\"", "\\q is no escape that is known here"),
            ("\"\\ud800\"", "\\ud800 is no letter"),
            ("1 2", "there is more: \"2\""),
        ] {
            assert_eq!(read(text), Err(wrong.to_string()), "{text}");
        }
        assert!(read(&"[".repeat(1000)).is_err());
    }
}
