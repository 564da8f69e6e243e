//! The drawn events as a log for ShiViz: each with the vector clock of its server or client.

use super::{LaneId, Picture};
use crate::support::text::display_line;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The expression with which ShiViz reads the log. It is the first line of the log.
pub const SHIVIZ_EXPRESSION: &str = r"(?<event>.*)\n(?<host>\S*) (?<clock>\{.*\})";

type Clock = BTreeMap<LaneId, u64>;

/// An event of one server or client.
#[derive(Default)]
struct LocalEvent {
    texts: Vec<String>,
    /// Where and in which event what it receives was sent.
    received: Vec<(LaneId, u64)>,
}

/// The log: the expression, an empty line as delimiter of executions, and two lines for each event.
#[must_use]
pub fn shiviz(picture: &Picture) -> String {
    let mut text = format!("{SHIVIZ_EXPRESSION}\n\n");
    let mut now: BTreeMap<LaneId, Clock> = BTreeMap::new();
    let mut at_event: BTreeMap<(u64, LaneId), Clock> = BTreeMap::new();
    // Events have the order of their numbers, so a sender's clock is known before its message arrives.
    for ((step, lane), event) in local_events(picture) {
        let clock = now.entry(lane).or_default();
        for (sender, cause) in event.received {
            for (other, count) in at_event.get(&(cause, sender)).into_iter().flatten() {
                let known = clock.entry(*other).or_default();
                *known = (*known).max(*count);
            }
        }
        *clock.entry(lane).or_default() += 1;
        at_event.insert((step, lane), clock.clone());
        let clock: Vec<String> = clock.iter().map(|(lane, count)| format!("\"{lane}\":{count}")).collect();
        writeln!(text, "{}\n{lane} {{{}}}", display_line(&event.texts.join("; ")), clock.join(","))
            .expect("writing to a String cannot fail");
    }
    text
}

/// The events of all lanes, by number and lane.
fn local_events(picture: &Picture) -> BTreeMap<(u64, LaneId), LocalEvent> {
    let mut events: BTreeMap<(u64, LaneId), LocalEvent> = BTreeMap::new();
    for arrow in &picture.arrows {
        let sent = events.entry((arrow.cause, arrow.from)).or_default();
        sent.texts.push(format!("sends {}: {}", arrow.to, arrow.text));
        if arrow.at.is_some() {
            let received = events.entry((arrow.step, arrow.to)).or_default();
            received.texts.push(format!("receives from {}: {}", arrow.from, arrow.text));
            received.received.push((arrow.from, arrow.cause));
        }
    }
    for mark in &picture.marks {
        for lane in &mark.lanes {
            events.entry((mark.step, *lane)).or_default().texts.insert(0, mark.text.clone());
        }
    }
    events
}
