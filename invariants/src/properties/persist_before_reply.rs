//! **Persist before reply**: a server sends no promise before the state that it promises is on disk.
//!
//! *Source*: Raft paper, 5.1 to 5.3 and figure 2 ("updated on stable storage before responding to RPCs"); which
//! messages need not wait for a write: thesis, 10.2.1. *Facts*: `Voted`, `Campaigned`, `Acknowledged`, and the disk's
//! `Saved`, `SavedEntry`, `SavedSnapshot`, `SavedRecovered`.
//!
//! *Check*: when a vote is sent, the disk holds its term and the vote, or a higher term, in which it cannot be given
//! again; the same for a candidacy, which is a vote for oneself. When an acknowledgement is sent, the disk holds its
//! term or a higher one, and the acknowledged log as the leader of that term has it (if that leader is unknown: as
//! the server's log in memory has it). A snapshot counts for the entries that it covers. Once the disk holds a higher
//! term, a newer leader may have replaced that log; then it suffices that it was on disk at some time: an
//! acknowledgement that is sent late is no different from one that is delivered late.
//!
//! *Blind spots*: rejections and pre-votes promise nothing and are not facts. An acknowledgement of a past term for
//! entries that were on disk, were truncated, and were received again but not saved. Checks only where disks are
//! stated.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Index, LogId, Node, Term};

/// A server sends no promise before the state that it promises is durable.
#[derive(Default, Debug)]
pub struct PersistBeforeReply {
    pub(crate) checks: u64,
}

impl PersistBeforeReply {
    /// The name.
    pub const NAME: &str = "persist-before-reply";
    /// What must hold, in one line.
    pub const ABOUT: &str =
        "votes, candidacies and acknowledgements are sent only after what they promise is on disk";

    pub(crate) fn check_vote(
        &mut self,
        context: CheckContext<'_>,
        term: Term,
        candidate: Node,
    ) -> CheckResult {
        if !context.cluster.disk_facts_seen {
            return Ok(());
        }
        self.checks += 1;
        let (node, durable) = (context.node.id, &context.node.durable);
        if durable.term > term || (durable.term == term && durable.vote == Some(candidate)) {
            return Ok(());
        }
        let (saved_term, saved_vote) = (durable.term, durable.vote);
        let conflict = Conflict::VotedBeforeSave { node, term, candidate, saved_term, saved_vote };
        context.violation(Self::NAME, None, conflict)
    }

    pub(crate) fn check_ack(&mut self, context: CheckContext<'_>, term: Term, index: Index) -> CheckResult {
        if !context.cluster.disk_facts_seen {
            return Ok(());
        }
        self.checks += 1;
        let (node, durable) = (context.node.id, &context.node.durable);
        if durable.term < term {
            let conflict = Conflict::AckedBeforeTermSave { node, index, term, saved_term: durable.term };
            return context.violation(Self::NAME, None, conflict);
        }
        let cluster = context.cluster;
        let in_leaders_log = cluster.leaderships.term_in_log(&cluster.committed_log, term, index);
        let Some(promised) = in_leaders_log.or(context.node.log.term_at(index)) else { return Ok(()) };
        let was_durable = durable.term > term && context.node.ever_durable(promised) >= index;
        let entry = LogId { index, term: promised };
        let conflict = match durable.log.term_at(index) {
            Some(saved) if saved == promised => return Ok(()),
            _ if was_durable => return Ok(()),
            Some(saved) => {
                Conflict::AckedOtherEntry { node, entry, term, saved: LogId { index, term: saved } }
            }
            None => Conflict::AckedBeforeSave { node, entry, term, last: durable.log.last() },
        };
        context.violation(Self::NAME, context.cluster.leaderships.fact(term), conflict)
    }
}
