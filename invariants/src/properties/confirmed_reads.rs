//! **Confirmed reads**: a leader confirms a read only if no other leader can have committed more before it began.
//!
//! *Source*: linearizable reads: Raft paper, 8; thesis, 6.4 (rounds) and 6.4.1 (leases). *Facts*: the world's
//! `ReadArrived`, the leader's `ReadConfirmed`, `ReadServed`; compared with `Acknowledged`, `Voted`, `Answered`,
//! `Configured`, `Committed`, `Leads` and `Appended`; `LeasePromised`, and the world's `ClockChanged`.
//!
//! *Check*: a read starts with its first arrival at any server. When a leader of term t confirms it:
//!
//! - in any way: no leader of a higher term had committed an entry of its own before the start;
//! - in any way: the index is not before the first entry of t. Only with an entry of its own committed does a leader know
//!   what the leaders before it have committed (8);
//! - by a lease, where servers state the promise on which leases rest (`LeasePromised`): a quorum, as for a round, still
//!   keeps its promise at that moment, each counted from its last answer to the leader of t, on its own clock, and has
//!   neither voted nor campaigned in a higher term;
//! - by a round: since the start a quorum has let an answer to the leader of t leave, of one configuration that was in
//!   force at the leader since then: a majority of each half, learners never, the leader itself if it votes.
//!
//! A read must be served from a state that has applied the confirmed index: the lowest, if retries were confirmed as well.
//!
//! Allowed: an answer to another message than that of the round, because it shows as well that its server followed no
//! newer leader yet; a higher leader that was elected and has committed nothing, or only after the start.
//!
//! *Blind spots*: a follower's promise counts from the message that it answers, which comes before the answer, so a lease that
//! is longer by less than a round trip may pass. Where no promise is stated, a lease that outlasts it is found only once a
//! newer leader has committed. A read that no leader states to have confirmed is not judged. A vote counts as
//! an answer whoever got it. An answer counts for its server even if the disk was emptied since.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::{Conflict, NodeList};
use crate::fact::{Configuration, ConfirmedBy, Fact, Index, LogId, Node, RequestId, Term};
use crate::state::{FactOrigin, RequestMap, ServerState};

/// A leader confirms a read only if no other leader can have committed more before it began.
#[derive(Default, Debug)]
pub struct ConfirmedReads {
    pub(crate) checks: u64,
    /// The highest term whose leader has committed an entry of its own.
    newest_commit: Option<OwnCommit>,
    /// Never removed: a retry may still be confirmed by another leader.
    reads: RequestMap<Read>,
}

/// The first entry of its own term that a leader committed.
#[derive(Clone, Copy, Debug)]
struct OwnCommit {
    term: Term,
    index: Index,
    origin: FactOrigin,
}

#[derive(Clone, Copy, Debug)]
struct Read {
    /// The number of facts before its first arrival.
    start: u64,
    /// The newest commit at its start.
    newest_commit: Option<OwnCommit>,
    /// The lowest index at which it was confirmed.
    confirmed: Option<Index>,
}

impl ConfirmedReads {
    /// The name.
    pub const NAME: &str = "confirmed-reads";
    /// What must hold, in one line.
    pub const ABOUT: &str =
        "a leader confirms a read only if no other can have committed more before it began";

    pub(crate) fn record_leader_commit(
        &mut self,
        context: CheckContext<'_>,
        term: Term,
        index: Index,
    ) -> CheckResult {
        if self.newest_commit.is_none_or(|known| known.term < term)
            && context.node.term_at(index) == Some(term)
        {
            self.newest_commit = Some(OwnCommit { term, index, origin: FactOrigin::of(context.observed) });
        }
        Ok(())
    }

    pub(crate) fn record_arrival(&mut self, context: CheckContext<'_>, read: RequestId) -> CheckResult {
        let (start, newest_commit) = (context.cluster.facts, self.newest_commit);
        self.reads.insert(read, Read { start, newest_commit, confirmed: None });
        Ok(())
    }

    pub(crate) fn check_confirmation(
        &mut self,
        context: CheckContext<'_>,
        read: RequestId,
        term: Term,
        index: Index,
        by: ConfirmedBy,
    ) -> CheckResult {
        let Some(known) = self.reads.get_mut(read) else { return Ok(()) };
        known.confirmed = Some(known.confirmed.map_or(index, |earlier| earlier.min(index)));
        let Read { start, newest_commit, .. } = *known;
        let node = context.node.id;
        self.checks += 1;
        if let Some(OwnCommit { term: successor_term, index, origin }) =
            newest_commit.filter(|commit| commit.term > term)
        {
            let (successor, first) = (origin.node, origin.observed(Fact::Committed { index }));
            let conflict =
                Conflict::ReadConfirmedAfterSuccessor { node, read, term, successor, successor_term, index };
            return context.violation(Self::NAME, Some(first), conflict);
        }
        if let Some(entry_term) = context.node.term_at(index).filter(|&entry_term| entry_term < term) {
            let entry = LogId { index, term: entry_term };
            let conflict = Conflict::ReadConfirmedBeforeOwnCommit { node, read, term, entry };
            return context.violation(Self::NAME, None, conflict);
        }
        let is_judged = match by {
            ConfirmedBy::Round => true,
            ConfirmedBy::Lease => context.node.lease_promise > 0,
            ConfirmedBy::Log => false,
        };
        if !is_judged {
            return Ok(());
        }
        let supports = |voter: &ServerState| match by {
            ConfirmedBy::Lease => voter.promises_lease(term, context.observed.at),
            _ => voter.answers.last(term).is_some_and(|answer| answer.fact > start),
        };
        let supports = |voter| voter == node || context.cluster.server(voter).is_some_and(supports);
        let mut possible = context.node.in_force_since(start).peekable();
        let Some(&in_force) = possible.peek() else { return Ok(()) };
        if possible.any(|configuration| configuration.is_quorum(supports)) {
            return Ok(());
        }
        let (servers, configuration) = (NodeList(members_that(in_force, supports)), in_force.clone());
        if by == ConfirmedBy::Round {
            let conflict =
                Conflict::ReadConfirmedWithoutQuorum { node, read, term, answered: servers, configuration };
            return context.violation(Self::NAME, None, conflict);
        }
        let voters = in_force.halves().flatten().filter_map(|&voter| context.cluster.server(voter));
        let mut later = voters.filter_map(|voter| voter.highest_promise.as_ref());
        let broken = later.find(|(promised, _)| *promised > term).map(|(_, promise)| promise.clone());
        let conflict =
            Conflict::ReadConfirmedWithoutLease { node, read, term, promised: servers, configuration };
        context.violation(Self::NAME, broken, conflict)
    }

    pub(crate) fn check_serve(
        &mut self,
        context: CheckContext<'_>,
        read: RequestId,
        applied: Index,
    ) -> CheckResult {
        let Some(index) = self.reads.get(read).and_then(|known| known.confirmed) else { return Ok(()) };
        self.checks += 1;
        if applied >= index {
            return Ok(());
        }
        let conflict = Conflict::ReadServedTooEarly { node: context.node.id, read, applied, index };
        context.violation(Self::NAME, None, conflict)
    }
}

/// The voters of a configuration for which this holds, each once.
#[cold]
fn members_that(configuration: &Configuration, holds: impl Fn(Node) -> bool) -> Vec<Node> {
    let mut members: Vec<Node> =
        configuration.halves().flatten().copied().filter(|&node| holds(node)).collect();
    members.sort_unstable();
    members.dedup();
    members
}
