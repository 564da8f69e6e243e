//! **Repair ends**: once links lose and reorder nothing, a leader brings a follower up to date with little more than what it
//! lacks.
//!
//! *Source*: Raft paper, 5.3 (a rejection moves `nextIndex` back until the logs agree, "after which the follower's log is
//! consistent with the leader's") and 7. *Facts*: `Healed`, `EntriesSent`, `ChunkSent`; `Acknowledged`, `Voted`, `Answered`;
//! `Leads`, `Appended`, `Truncated`, `SnapshotInstalled`, `Started`.
//!
//! *Check*: from `Healed` on, for each leadership, follower and incarnation of the follower, where *missing* are the entries
//! of the leader that the follower lacks and those of the follower in conflict with them, at the first message, and what the
//! leader has appended since:
//!
//! - the rounds are at most missing + 10, where a round is a message with entries, with all that follow it until the follower
//!   has answered the leader;
//! - the entries in them are at most 3 times missing, plus 10 messages of the largest size so far;
//! - for each snapshot, the bytes sent are at most 3 times its size.
//!
//! Allowed: the repetition of a message whose answer takes longer than a heartbeat interval, and of a window of messages that a
//! late rejection makes the leader send again. `Healed` is to be stated when what was in flight or held has arrived, because
//! each late rejection is answered by a round.
//!
//! Entries are counted and not their bytes, because a message carries whole entries: who sends all of them three times sends
//! three times their bytes. A fact about the size of each entry would cost more than it shows.
//!
//! *Blind spots*: messages without entries; a leader that sends one large entry again and again while many small ones are
//! missing; a leader that changes its snapshot each time before the transfer ends. Not checked where links lose or reorder
//! messages.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Index, LogId, Node, Term};
use std::collections::{BTreeMap, BTreeSet};

/// Rounds, or messages of the largest size, beyond those that are needed.
const SPARE: u64 = 10;
/// How often everything that is missing may be sent.
const MOST_COPIES: u64 = 3;

/// A leader brings a follower up to date with little more than what it lacks.
#[derive(Default, Debug)]
pub struct RepairEnds {
    pub(crate) checks: u64,
    /// The servers whose links lose and reorder nothing.
    healed: BTreeSet<Node>,
    /// By leader and follower.
    repairs: BTreeMap<(Node, Node), Repair>,
}

/// What a leader has sent to a follower.
#[derive(Clone, Copy, Debug)]
struct Repair {
    term: Term,
    /// The incarnation of the follower.
    incarnation: u64,
    /// How many entries were missing or in conflict at the first message.
    missing: u64,
    /// The end of the leader's log then.
    last: Index,
    rounds: u64,
    /// The number of the fact that stated the follower's last answer when the newest round began.
    answer: u64,
    entries: u64,
    /// The most entries in one message.
    largest: u64,
    snapshot: LogId,
    /// How many bytes of that snapshot were sent.
    bytes: u64,
}

impl RepairEnds {
    /// The name.
    pub const NAME: &str = "repair-ends";
    /// What must hold, in one line.
    pub const ABOUT: &str =
        "after healing, a leader brings a follower up to date with little more than what it lacks";

    pub(crate) fn record_healed(&mut self, context: CheckContext<'_>) -> CheckResult {
        self.healed.insert(context.node.id);
        Ok(())
    }

    /// It answers nothing until it has started again.
    pub(crate) fn record_failure(&mut self, context: CheckContext<'_>) -> CheckResult {
        self.healed.remove(&context.node.id);
        Ok(())
    }

    pub(crate) fn check_entries(
        &mut self,
        context: CheckContext<'_>,
        term: Term,
        follower: Node,
        sent: u64,
    ) -> CheckResult {
        let Some(repair) = self.repair(context, term, follower) else { return Ok(()) };
        let answer = context.cluster.server(follower).and_then(|server| server.answers.last(term));
        let answer = answer.map_or(0, |answer| answer.fact);
        if repair.rounds == 0 || repair.answer != answer {
            (repair.rounds, repair.answer) = (repair.rounds + 1, answer);
        }
        repair.entries = repair.entries.saturating_add(sent);
        repair.largest = repair.largest.max(sent);
        let Repair { rounds, entries, largest, .. } = *repair;
        let missing = repair.missing.saturating_add(context.node.last_index().saturating_sub(repair.last));
        self.checks += 1;
        let node = context.node.id;
        if rounds > missing.saturating_add(SPARE) {
            let conflict = Conflict::RepairTakesRounds { node, term, follower, rounds, missing };
            return context.violation(Self::NAME, None, conflict);
        }
        let spare = largest.saturating_mul(SPARE);
        if entries > missing.saturating_mul(MOST_COPIES).saturating_add(spare) {
            let conflict = Conflict::RepairTakesEntries { node, term, follower, entries, missing };
            return context.violation(Self::NAME, None, conflict);
        }
        Ok(())
    }

    pub(crate) fn check_chunk(
        &mut self,
        context: CheckContext<'_>,
        term: Term,
        follower: Node,
        (last, sent, size): (LogId, u64, u64),
    ) -> CheckResult {
        let Some(repair) = self.repair(context, term, follower) else { return Ok(()) };
        if repair.snapshot != last {
            (repair.snapshot, repair.bytes) = (last, 0);
        }
        repair.bytes = repair.bytes.saturating_add(sent);
        let bytes = repair.bytes;
        self.checks += 1;
        if bytes <= size.saturating_mul(MOST_COPIES) {
            return Ok(());
        }
        let node = context.node.id;
        let conflict = Conflict::RepairTakesBytes { node, term, follower, bytes, last, size };
        context.violation(Self::NAME, None, conflict)
    }

    /// What this leader has sent to a follower so far; `None` if that is not judged.
    fn repair(&mut self, context: CheckContext<'_>, term: Term, follower: Node) -> Option<&mut Repair> {
        let leader = context.node;
        let server = context.cluster.server(follower)?;
        if !self.healed.contains(&leader.id) || !self.healed.contains(&follower) {
            return None;
        }
        let begin = || {
            let common = leader.log.common_with(&server.log);
            let (last, theirs) = (leader.last_index(), server.last_index());
            Repair {
                term,
                incarnation: server.incarnation,
                missing: (last - common).saturating_add(theirs - common),
                last,
                rounds: 0,
                answer: 0,
                entries: 0,
                largest: 0,
                snapshot: LogId::default(),
                bytes: 0,
            }
        };
        let repair = self.repairs.entry((leader.id, follower)).or_insert_with(begin);
        if (repair.term, repair.incarnation) != (term, server.incarnation) {
            *repair = begin();
        }
        Some(repair)
    }
}
