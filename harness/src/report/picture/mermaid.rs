//! The causal slice as a Mermaid sequence diagram, which issues and CI summaries render.

use super::{Arrow, LaneId, Mark, Picture};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The most lines: a longer diagram is not read.
const MAX_LINES: usize = 60;
/// The most characters of a text.
const MAX_TEXT: usize = 90;

/// A line of the diagram.
enum Item<'a> {
    Message(&'a Arrow),
    Event(&'a Mark),
}

impl Item<'_> {
    const fn is_clash(&self) -> bool {
        matches!(self, Item::Event(Mark { in_clash: true, .. }))
    }

    fn lanes(&self) -> Vec<LaneId> {
        match self {
            Item::Message(arrow) => vec![arrow.from, arrow.to],
            Item::Event(mark) => mark.lanes.clone(),
        }
    }
}

/// The last messages and events of the slice that fit into 60 lines, and all sides of the clash.
#[must_use]
pub fn mermaid(picture: &Picture) -> String {
    let arrows = picture.arrows.iter().filter(|arrow| arrow.in_slice);
    let marks = picture.marks.iter().filter(|mark| mark.in_slice);
    // In an event, the message comes before what it leads to.
    let mut items: Vec<((u64, u8), Item<'_>)> =
        arrows.map(|arrow| ((arrow.step, 0), Item::Message(arrow))).collect();
    items.extend(marks.map(|mark| ((mark.step, 1), Item::Event(mark))));
    items.sort_by_key(|(key, _)| *key);
    // The head, a line for each lane, and one for what is left out.
    let sides = items.iter().filter(|(_, item)| item.is_clash()).count();
    let room = MAX_LINES.saturating_sub(2 + picture.lanes.len() + sides);
    let skipped = (items.len() - sides).saturating_sub(room);
    let mut others = 0;
    let shown: Vec<Item<'_>> = items
        .into_iter()
        .map(|(_, item)| item)
        .filter(|item| {
            others += usize::from(!item.is_clash());
            item.is_clash() || others > skipped
        })
        .collect();
    let servers = picture.lanes.iter().map(|lane| lane.id).filter(|lane| matches!(lane, LaneId::Server(_)));
    let lanes: BTreeSet<LaneId> = servers.chain(shown.iter().flat_map(Item::lanes)).collect();
    let mut text = String::from("sequenceDiagram\n");
    lanes.iter().for_each(|lane| line(&mut text, format_args!("participant {lane}")));
    let all = span(lanes.iter());
    if skipped > 0 {
        line(&mut text, format_args!("Note over {all}: {skipped} messages and events before are left out"));
    }
    for item in shown {
        match item {
            Item::Message(Arrow { from, to, text: message, .. }) => {
                line(&mut text, format_args!("{from}->>{to}: {}", escape(message)));
            }
            Item::Event(mark) => {
                let sign = if mark.in_clash { "CLASH: " } else { "" };
                let over = if mark.lanes.is_empty() { all.clone() } else { span(mark.lanes.iter()) };
                line(&mut text, format_args!("Note over {over}: {sign}{}", escape(&mark.text)));
            }
        }
    }
    text
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "    {content}").expect("writing to a String cannot fail");
}

/// The first and the last lane: a note lies over all between them.
fn span<'a>(mut lanes: impl DoubleEndedIterator<Item = &'a LaneId>) -> String {
    match (lanes.next(), lanes.next_back()) {
        (Some(first), Some(last)) => format!("{first},{last}"),
        (Some(only), None) => only.to_string(),
        (None, _) => String::new(),
    }
}

/// Text of a message or note. What is neither a letter, a digit nor harmless becomes an entity, and so does the first
/// letter of the keyword `end`.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    let short: String = text.chars().take(MAX_TEXT).collect();
    let mut word = String::new();
    for c in short.chars().chain([' ']) {
        if c.is_alphanumeric() {
            word.push(c);
            continue;
        }
        if word.eq_ignore_ascii_case("end") {
            word.replace_range(..1, &format!("#{};", u32::from(word.as_bytes()[0])));
        }
        escaped.push_str(&std::mem::take(&mut word));
        match c {
            ' ' | '.' | ',' | '(' | ')' | '@' | '=' | '_' | '/' | '-' => escaped.push(c),
            _ if c.is_control() => escaped.push(' '),
            _ => write!(escaped, "#{};", u32::from(c)).expect("writing to a String cannot fail"),
        }
    }
    let dots = if text.chars().nth(MAX_TEXT).is_some() { " .." } else { "" };
    format!("{}{dots}", escaped.trim_end())
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn hostile_text_becomes_entities() {
        assert_eq!(escape("a; b # end \"c\""), "a#59; b #35; #101;nd #34;c#34;");
        assert_eq!(escape("END of\nfriend"), "#69;ND of friend");
        assert_eq!(escape("<img src=x>"), "#60;img src=x#62;");
        assert_eq!(escape("appends 3@2"), "appends 3@2");
        assert_eq!(escape(&"x".repeat(91)), "x".repeat(90) + " ..");
    }
}
