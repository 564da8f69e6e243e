//! The picture of a recorded history: the operations of a key as bars, the longest order that explains answers, and what
//! has no place in it.

use super::{ClientOperation, Lane, LaneId, Picture, Precedence, Side, Story};
use invariants::formats::ParsedHistory;
use invariants::linearizability::{Explanation, Report, Verdict, find_order};
use invariants::{Budget, Call, Time};
use std::collections::{BTreeMap, BTreeSet};

/// The most operations drawn.
const MAX_OPERATIONS: usize = 4_000;

/// The picture of a checked history. `title`: its file and verdict; `lines`: the explanation, as text. Drawn is the key
/// that the verdict is about; of a history in order, all keys. Of more operations than a page holds, those nearest to
/// the contradiction, or the last ones.
#[must_use]
pub fn history_picture(
    title: &str,
    history: &ParsedHistory,
    report: &Report,
    lines: Vec<String>,
    budget: Budget,
) -> Picture {
    let explanation = match &report.verdict {
        Verdict::Violation(explanation) => Some(&**explanation),
        Verdict::Linearizable | Verdict::Unknown { .. } => None,
    };
    let of_key: Vec<&Call> = match explanation {
        Some(explanation) => {
            history.calls.iter().filter(|call| call.operation.key == explanation.key).collect()
        }
        None => history.calls.iter().collect(),
    };
    let all = of_key.len();
    let drawn = nearest(of_key, explanation);
    let lanes = lanes(&drawn);
    let operations: Vec<ClientOperation> =
        drawn.iter().map(|call| operation(call, &lanes, history, explanation)).collect();
    let ends = drawn.iter().flat_map(|call| [Some(call.called), returned(call)]).flatten();
    let (from, to) = ends.fold((Time::MAX, 0), |(from, to), at| (from.min(at), to.max(at)));
    let position = |id| drawn.iter().position(|call| call.id == id);
    Picture {
        title: title.to_owned(),
        system: "a recorded history".to_owned(),
        verdict: match report.verdict {
            Verdict::Linearizable => "passed",
            Verdict::Violation(_) => "failed",
            Verdict::Unknown { .. } => "unknown",
        },
        story: explanation.map(|explanation| story(explanation, history, lines)),
        window: (drawn.len() < all).then(|| {
            format!(
                "{} of {all} operations are drawn: those nearest to the contradiction, or the last ones",
                drawn.len()
            )
        }),
        from: from.min(to),
        to,
        lanes: lanes.values().map(|id| Lane { id: *id, kind: "client" }).collect(),
        clash: explanation.map_or_else(Vec::new, |explanation| {
            let call = &explanation.stuck;
            vec![Side {
                mark: None,
                at: returned(call).unwrap_or(call.called),
                step: 0,
                lane: lanes.get(&call.id.session).copied(),
                text: describe(call, history),
            }]
        }),
        explained_order: explanation.map_or_else(Vec::new, |explanation| {
            explained_order(history, explanation, budget).into_iter().filter_map(position).collect()
        }),
        forced_order: explanation.map_or_else(Vec::new, |explanation| {
            let forced = explanation.forced_order(Some(&history.names)).into_iter();
            let edge = |(edge, reason): (&invariants::linearizability::OrderingEdge, String)| {
                let id = |index: usize| explanation.operations.get(index).and_then(|call| position(call.id));
                Some(Precedence { before: id(edge.before)?, after: id(edge.after)?, reason })
            };
            forced.filter_map(edge).collect()
        }),
        operations,
        ..Picture::empty()
    }
}

/// The operations nearest in time to the contradiction, or the last ones; by time of call.
fn nearest<'a>(mut calls: Vec<&'a Call>, explanation: Option<&Explanation>) -> Vec<&'a Call> {
    let ids: BTreeSet<_> =
        explanation.into_iter().flat_map(|it| &it.operations).map(|call| call.id).collect();
    let center = explanation.map_or(Time::MAX, |it| returned(&it.stuck).unwrap_or(it.stuck.called));
    calls.sort_by_key(|call| (!ids.contains(&call.id), call.called.abs_diff(center)));
    calls.truncate(MAX_OPERATIONS);
    calls.sort_by_key(|call| (call.called, call.id));
    calls
}

/// A lane for each session.
fn lanes(calls: &[&Call]) -> BTreeMap<u64, LaneId> {
    let sessions: BTreeSet<u64> = calls.iter().map(|call| call.id.session).collect();
    sessions.into_iter().map(|session| (session, LaneId::Client(session))).collect()
}

fn operation(
    call: &Call,
    lanes: &BTreeMap<u64, LaneId>,
    history: &ParsedHistory,
    explanation: Option<&Explanation>,
) -> ClientOperation {
    let names = &history.names;
    let place = explanation.and_then(|it| it.operations.iter().position(|other| other.id == call.id));
    let letter = place.map_or_else(String::new, |place| format!("{} ", Explanation::letter(place)));
    ClientOperation {
        id: call.id.to_string(),
        lane: lanes[&call.id.session],
        key: names.key(call.operation.key).to_string(),
        text: format!("{letter}{}", names.operation(&call.operation)),
        called: call.called,
        returned: returned(call),
        result: call
            .returned
            .as_ref()
            .map_or_else(|| "no response".to_owned(), |(_, response)| names.response(response).to_string()),
        in_clash: place.is_some(),
    }
}

fn returned(call: &Call) -> Option<Time> {
    call.returned.as_ref().map(|(at, _)| *at)
}

fn describe(call: &Call, history: &ParsedHistory) -> String {
    let operation = history.names.operation(&call.operation);
    match &call.returned {
        Some((_, response)) => {
            format!("{} {operation} returned {}", call.id, history.names.response(response))
        }
        None => format!("{} {operation} failed", call.id),
    }
}

fn story(explanation: &Explanation, history: &ParsedHistory, lines: Vec<String>) -> Story {
    let stuck = &explanation.stuck;
    let key = history.names.key(explanation.key);
    Story {
        property: "linearizability".to_owned(),
        promised:
            "some order of the operations explains all answers, and respects what returned before what was \
                   called"
                .to_owned(),
        observed: lines,
        broken_by: vec![describe(stuck, history)],
        when: format!(
            "at {}: until then, all answers on {key} could be put in an order",
            returned(stuck).unwrap_or(stuck.called)
        ),
        made_possible_by: Vec::new(),
    }
}

/// The operations of the key in an order that explains all answers before the contradiction; empty if the budget does not
/// suffice to find it.
fn explained_order(
    history: &ParsedHistory,
    explanation: &Explanation,
    budget: Budget,
) -> Vec<invariants::RequestId> {
    let end = returned(&explanation.stuck).unwrap_or(Time::MAX);
    let before = history.calls.iter().filter(|call| {
        call.operation.key == explanation.key && call.called < end && call.id != explanation.stuck.id
    });
    // What had not returned by then may have taken effect or not.
    let known =
        |call: &Call| Call { returned: call.returned.clone().filter(|(at, _)| *at < end), ..call.clone() };
    let calls: Vec<Call> = before.map(known).collect();
    let order = find_order(&calls, budget).ok().flatten().unwrap_or_default();
    order.into_iter().filter_map(|position| calls.get(position)).map(|call| call.id).collect()
}
