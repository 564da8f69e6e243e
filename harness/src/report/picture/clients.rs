//! Client operations, and the order that broke.

use super::source::Source;
use super::{ClientOperation, LaneId, Precedence};
use crate::outcome::{FailureCause, RunRecord, TraceEvent};
use crate::report::page::{operation_result, requests_in_clash};
use invariants::{Call, RequestId};
use std::collections::{BTreeMap, BTreeSet};

/// The most operations drawn, if the clash is about some of them.
const SHOWN: usize = 40;
/// The most drawn if it is about none.
const SHOWN_BESIDE: usize = 8;

/// The client of each session, as far as its requests show it.
pub(super) fn clients_of_sessions(record: &RunRecord) -> BTreeMap<u64, u64> {
    let clients = record.trace.iter().filter_map(|line| match line.event {
        TraceEvent::Request { client, id, .. } | TraceEvent::Reply { client, id, .. } => {
            Some((id.session, client))
        }
        _ => None,
    });
    clients.collect()
}

/// The operations of the clash and others on the same keys near them in time, or the latest ones if there are none; and
/// the precedences that together have no order.
pub(super) fn operations(
    source: &Source<'_>,
    sessions: &BTreeMap<u64, u64>,
) -> (Vec<ClientOperation>, Vec<Precedence>) {
    let history = &source.record.history;
    let in_clash =
        source.failure.map(|failure| requests_in_clash(failure, source.record)).unwrap_or_default();
    let (from, to) = source.span();
    let chosen = choose(history, &in_clash, from);
    let lane =
        |call: &Call| LaneId::Client(sessions.get(&call.id.session).copied().unwrap_or(call.id.session));
    let operation = |call: &&Call| ClientOperation {
        id: call.id.to_string(),
        lane: lane(call),
        key: format!("k{}", call.operation.key),
        text: call.operation.to_string(),
        called: call.called,
        returned: call.returned.as_ref().map(|(at, _)| *at).filter(|at| *at <= to),
        result: operation_result(call, source.record),
        in_clash: in_clash.contains(&call.id),
    };
    let operations = chosen.iter().map(operation).collect();
    let Some(FailureCause::History(explanation)) = source.failure.map(|failure| &failure.cause) else {
        return (operations, Vec::new());
    };
    let position = |index: usize| {
        let id: Option<RequestId> = explanation.operations.get(index).map(|call| call.id);
        chosen.iter().position(|call| Some(call.id) == id)
    };
    let forced = explanation.forced_order(None).into_iter().filter_map(|(edge, reason)| {
        Some(Precedence { before: position(edge.before)?, after: position(edge.after)?, reason })
    });
    (operations, forced.collect())
}

/// The operations to draw, by time of call.
fn choose<'a>(history: &'a [Call], in_clash: &BTreeSet<RequestId>, from: u64) -> Vec<&'a Call> {
    let is_in_clash = |call: &Call| in_clash.contains(&call.id);
    let of_clash = || history.iter().filter(|call| is_in_clash(call));
    let keys: BTreeSet<u64> = of_clash().map(|call| call.operation.key).collect();
    let last = of_clash().map(|call| call.called).max();
    let is_near = |call: &&Call| {
        is_in_clash(call)
            || (keys.is_empty() || keys.contains(&call.operation.key))
                && call.returned.as_ref().is_none_or(|(at, _)| *at >= from)
    };
    let mut chosen: Vec<&Call> = history.iter().filter(is_near).collect();
    // First those of the clash, then by distance in time to the last of them.
    chosen.sort_by_key(|call| {
        let distance = last.map_or(u64::MAX - call.called, |last| last.abs_diff(call.called));
        (!is_in_clash(call), distance)
    });
    chosen.truncate(if in_clash.is_empty() { SHOWN_BESIDE } else { SHOWN });
    chosen.sort_by_key(|call| (call.called, call.id));
    chosen
}
