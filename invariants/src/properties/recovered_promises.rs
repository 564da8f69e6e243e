//! **Recovered promises**: a restart finds the vote, the acknowledged entries and the durable entries of its term.
//!
//! *Source*: Raft paper, figure 2 (`currentTerm`, `votedFor` and `log` are on stable storage, "updated before responding
//! to RPCs") and 5.1 to 5.3. *Facts*: `Started`; compared with `Voted`, `Campaigned`, `Acknowledged` and the disk's
//! `SavedEntry`, `SavedSnapshot`, `SavedRecovered`.
//!
//! *Check*: at a start in term t, about what happened since the disk was last emptied: if a vote or candidacy of term t
//! was sent, that vote is recovered. Each index that was acknowledged in term t is covered by the recovered snapshot, or
//! the recovered log holds the entry of the leader of t there. Each entry of term t that the disk has stated to be
//! durable is covered or there; this includes what a leader counted on its own disk.
//!
//! Allowed: everything when t is higher than the term of the promise, because a newer leader may have replaced the log;
//! at an index, an entry of a higher term than the leader's entry. Entries of older terms may go: a record that removes
//! them can survive a loss of power without ever being stated durable.
//!
//! *Blind spots*: promises of terms below the recovered one. A recovered term below a promise is for `monotonic-term`.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Fact, LogId, Node, Observed, Term};
use std::collections::BTreeMap;

/// A restart finds the vote, the acknowledged entries and the durable entries of its term.
#[derive(Default, Debug)]
pub struct RecoveredPromises {
    pub(crate) checks: u64,
    /// Of each server, the newest vote or candidacy that was sent since its disk was emptied: the term, the candidate,
    /// and the fact.
    votes: BTreeMap<Node, (Term, Node, Observed)>,
}

impl RecoveredPromises {
    /// The name.
    pub const NAME: &str = "recovered-promises";
    /// What must hold, in one line.
    pub const ABOUT: &str =
        "a restart finds the vote, the acknowledged entries and the durable entries of its term";

    pub(crate) fn record_vote(
        &mut self,
        context: CheckContext<'_>,
        term: Term,
        candidate: Node,
    ) -> CheckResult {
        let vote = || (term, candidate, context.observed.clone());
        let known = self.votes.entry(context.node.id).or_insert_with(vote);
        if known.0 < term {
            *known = vote();
        }
        Ok(())
    }

    pub(crate) fn record_wipe(&mut self, context: CheckContext<'_>) -> CheckResult {
        self.votes.remove(&context.node.id);
        Ok(())
    }

    pub(crate) fn check_start(
        &mut self,
        context: CheckContext<'_>,
        term: Term,
        vote: Option<Node>,
        base: LogId,
        last: LogId,
    ) -> CheckResult {
        self.check_vote(context, term, vote)?;
        let (cluster, node) = (context.cluster, context.node);
        let acked = node.furthest_ack.filter(|ack| ack.term == term);
        let saved = Some(node.durable.log.last()).filter(|saved| saved.term == term && saved.index > 0);
        self.checks += u64::from(acked.is_some()) + u64::from(saved.is_some());
        // What the snapshot covers is there.
        let acked = acked.filter(|ack| ack.index > base.index);
        let saved = saved.filter(|saved| saved.index > base.index);
        if acked.is_none() && saved.is_none() {
            return Ok(());
        }
        // A log that no server wrote is for `log-matching`.
        let Some(log) = cluster.recovered_log(node, last) else { return Ok(()) };
        if let Some(ack) = acked {
            let leaders = cluster.leaderships.term_in_log(&cluster.committed_log, term, ack.index);
            let found = log.term_at(ack.index);
            if found.is_none() || found < leaders {
                let conflict = Conflict::StartedWithoutAcked { node: node.id, term, acked: ack.index, last };
                let first = ack.origin.observed(Fact::Acknowledged { term, index: ack.index });
                return context.violation(Self::NAME, Some(first), conflict);
            }
        }
        match saved {
            Some(saved) if log.term_at(saved.index).is_none_or(|found| found < term) => {
                let conflict = Conflict::StartedWithoutSaved { node: node.id, term, saved, last };
                context.violation(Self::NAME, None, conflict)
            }
            _ => Ok(()),
        }
    }

    fn check_vote(&mut self, context: CheckContext<'_>, term: Term, vote: Option<Node>) -> CheckResult {
        let Some((voted_in, candidate, fact)) = self.votes.get(&context.node.id) else { return Ok(()) };
        if *voted_in != term {
            return Ok(());
        }
        self.checks += 1;
        if vote == Some(*candidate) {
            return Ok(());
        }
        let (node, candidate) = (context.node.id, *candidate);
        let conflict = Conflict::StartedWithoutVote { node, term, candidate, found: vote };
        context.violation(Self::NAME, Some(fact.clone()), conflict)
    }
}
