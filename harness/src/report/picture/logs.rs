//! What each server's log holds at the end of the drawn part, in memory and on disk.

use super::source::Source;
use super::states::{cluster_after, role_name};
use super::{LaneId, LogEntry, ServerLog};
use crate::outcome::{EvidenceKind, Failure};
use invariants::{Index, ServerState};
use std::collections::BTreeSet;

/// The most indexes listed.
const SHOWN: u64 = 16;

/// The logs of all servers that have stated facts. All list the same indexes: the last ones, from the lowest one that the
/// clash is about.
pub(super) fn logs(source: &Source<'_>) -> Vec<ServerLog> {
    let cluster = cluster_after(source.before.iter().chain(source.events));
    let in_clash = source.failure.map(indexes_in_clash).unwrap_or_default();
    let ends = cluster.servers().iter().map(|server| server.last_index().max(server.durable_last_index()));
    let Some(end) = ends.max().filter(|end| *end > 0) else { return Vec::new() };
    let lowest = in_clash.first().copied().unwrap_or(end).min(end).saturating_sub(2);
    let first = lowest.min((end + 1).saturating_sub(SHOWN / 2)).max(1);
    let end = end.min(first + SHOWN - 1);
    let mut servers: Vec<&ServerState> = cluster.servers().iter().collect();
    servers.sort_by_key(|server| server.id);
    let log = |server: &ServerState| ServerLog {
        lane: LaneId::Server(server.id),
        role: role_name(server.role),
        term: server.term,
        omitted: first - 1,
        entries: (first..=end).filter_map(|index| entry(server, index, &in_clash)).collect(),
    };
    servers.into_iter().map(log).collect()
}

fn entry(server: &ServerState, index: Index, in_clash: &BTreeSet<Index>) -> Option<LogEntry> {
    let (term, durable) = (server.term_at(index), server.durable_term_at(index));
    (term.is_some() || durable.is_some()).then(|| LogEntry {
        index,
        term,
        durable,
        committed: index <= server.commit_index,
        in_clash: in_clash.contains(&index),
    })
}

/// The indexes that the sides of the clash are about.
fn indexes_in_clash(failure: &Failure) -> BTreeSet<Index> {
    let facts = failure.facts().into_iter().flat_map(|facts| facts.first.iter().chain([&facts.second]));
    let of_facts = facts.filter_map(|observed| observed.fact.index());
    let of_evidence = failure.evidence.iter().filter_map(|evidence| match &evidence.kind {
        EvidenceKind::Fact(fact) => fact.index(),
        other => other.index(),
    });
    of_facts.chain(of_evidence).filter(|index| *index > 0).collect()
}
