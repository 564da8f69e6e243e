//! The rows of a comparison: of one seed, or the medians of several.

use crate::measure::{Gap, Measures, median};
use crate::table::Row;
use std::collections::BTreeMap;

/// A figure that is not measured.
const NONE: &str = "-";

/// The rows of one seed or of several: the measures of both systems for each.
#[must_use]
pub fn rows(measured: &[[Measures; 2]]) -> Vec<Row> {
    let several = measured.len() > 1;
    let heading =
        if several { format!("medians of {} seeds", measured.len()) } else { "fault phase".to_owned() };
    let mut rows = vec![Row::Heading(heading)];
    let sides = |figure: &dyn Fn(&Measures) -> Option<f64>, show: fn(f64) -> String| {
        [0, 1].map(|side| {
            let values = measured.iter().filter_map(|pair| figure(&pair[side])).collect();
            median(values).map_or_else(|| NONE.to_owned(), show)
        })
    };
    let mut row = |label: &str, figure: &dyn Fn(&Measures) -> Option<f64>, show: fn(f64) -> String| {
        rows.push(Row::Values(label.to_owned(), sides(figure, show)));
    };
    row("operations called", &|of| Some(of.called as f64), count);
    row("writes answered", &|of| Some(of.writes as f64), count);
    row("reads answered", &|of| Some(of.reads as f64), count);
    row("leader changes, as stated", &|of| of.leader_changes.map(|changes| changes as f64), count);
    row("changes of the server that answers writes", &|of| Some(of.server_changes as f64), count);
    row("time to answer a write, median", &|of| of.write_latency.map(|time| time as f64), milliseconds);
    row("time to answer a read, median", &|of| of.read_latency.map(|time| time as f64), milliseconds);
    row("messages between servers per answered write", &|of| of.messages_per_write, fraction);
    row("bytes between servers per answered write", &|of| of.bytes_per_write, count);
    rows.push(Row::Heading("without faults".to_owned()));
    let mut row = |label: &str, figure: &dyn Fn(&Measures) -> Option<f64>, show: fn(f64) -> String| {
        rows.push(Row::Values(label.to_owned(), sides(figure, show)));
    };
    row("messages per second, idle", &|of| Some(of.quiet.idle_messages_per_second), fraction);
    row("more messages per answered write", &|of| of.quiet.messages_per_write, fraction);
    row("more messages per answered read", &|of| of.quiet.messages_per_read, fraction);
    row("answered reads per round of messages", &|of| of.quiet.reads_per_round, fraction);
    rows.push(Row::Heading("longest time without an answered write, after".to_owned()));
    if several {
        gaps_by_kind(measured, &mut rows)
    } else {
        gaps_of_one(measured, &mut rows)
    }
    rows.extend(broken(measured));
    rows
}

/// Each fault of one seed.
fn gaps_of_one(measured: &[[Measures; 2]], rows: &mut Vec<Row>) {
    let [left, right] = &measured[0];
    let by_number = |of: &Measures| -> BTreeMap<u64, Gap> {
        of.gaps.iter().map(|gap| (gap.number, gap.clone())).collect()
    };
    let sides = [by_number(left), by_number(right)];
    let all: BTreeMap<u64, &Gap> = left.gaps.iter().chain(&right.gaps).map(|gap| (gap.number, gap)).collect();
    for (number, Gap { at, kind, .. }) in all {
        let longest = |side: &BTreeMap<u64, Gap>| {
            side.get(&number).map_or_else(|| NONE.to_owned(), |gap| milliseconds(gap.longest as f64))
        };
        let seconds = *at as f64 / 1e9;
        let label = format!("fault {number}, {kind} at {seconds:.1} s");
        rows.push(Row::Values(label, [longest(&sides[0]), longest(&sides[1])]));
    }
}

/// The medians of each kind of fault in several seeds.
fn gaps_by_kind(measured: &[[Measures; 2]], rows: &mut Vec<Row>) {
    let mut kinds: BTreeMap<&str, [Vec<f64>; 2]> = BTreeMap::new();
    for pair in measured {
        for (side, of) in pair.iter().enumerate() {
            for gap in &of.gaps {
                kinds.entry(gap.kind).or_default()[side].push(gap.longest as f64);
            }
        }
    }
    for (kind, sides) in kinds {
        let faults = sides.iter().map(Vec::len).max().unwrap_or(0);
        let values = sides.map(|values| median(values).map_or_else(|| NONE.to_owned(), milliseconds));
        rows.push(Row::Values(format!("{kind} ({faults})"), values));
    }
}

/// How many runs break a property: their figures end there.
fn broken(measured: &[[Measures; 2]]) -> Vec<Row> {
    let sides = [0, 1].map(|side| {
        let mut properties: BTreeMap<&str, u64> = BTreeMap::new();
        measured
            .iter()
            .filter_map(|pair| pair[side].broken.as_deref())
            .for_each(|property| *properties.entry(property).or_default() += 1);
        let named: Vec<String> = properties
            .into_iter()
            .map(|(property, seeds)| {
                if seeds == 1 && measured.len() == 1 {
                    property.to_owned()
                } else {
                    format!("{property} {seeds}")
                }
            })
            .collect();
        if named.is_empty() { "nothing".to_owned() } else { named.join(", ") }
    });
    vec![Row::Heading("whole run".to_owned()), Row::Values("broken properties".to_owned(), sides)]
}

fn count(value: f64) -> String {
    format!("{value:.0}")
}

fn fraction(value: f64) -> String {
    format!("{value:.2}")
}

fn milliseconds(nanoseconds: f64) -> String {
    format!("{:.1} ms", nanoseconds / 1e6)
}
