//! **Leader completeness**: an entry that was committed in a term is in the logs of the leaders of all higher terms.
//!
//! *Source*: Raft paper, figure 3 and 5.4.3; TLA+: `LeaderCompletenessInv` (etcd), `LeaderHasAllAckedValues`
//! (Vanlightly). *Facts*: `Leads`, `Committed`, `Appended`, `Truncated`.
//!
//! *Check*: at `Leads(T)` the last entry that leaders of terms below T have committed must be in the new leader's
//! log. At a commit in term t the entry must be in the log that each known leader of a higher term had at its
//! election. By log matching the one entry stands for everything before it.
//!
//! Both compare *terms*, not times. A leader of T that wins by late votes after T+1 has committed need not have the
//! entries of T+1. A deposed leader may commit late, if a majority had the entry before it voted in the higher term.
//!
//! *Blind spots*: a commit that no leader states. Checks only where logs are stated.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Fact, Index, LogId, Term};
use crate::state::{FactOrigin, count_prefix};

/// Committed entries are in the logs of all later leaders.
#[derive(Default, Debug)]
pub struct LeaderCompleteness {
    pub(crate) checks: u64,
    /// For each term with a commit, the furthest commit up to that term; sorted by term.
    furthest_commits: Vec<FurthestCommit>,
}

/// How far leaders have committed, up to a term.
#[derive(Clone, Copy, Debug)]
struct FurthestCommit {
    /// The term of this row.
    term: Term,
    /// The furthest commit of this or any lower term.
    commit: Commit,
}

#[derive(Clone, Copy, Debug)]
struct Commit {
    id: LogId,
    leader_term: Term,
    origin: FactOrigin,
}

impl LeaderCompleteness {
    /// The name.
    pub const NAME: &str = "leader-completeness";
    /// What must hold, in one line.
    pub const ABOUT: &str = "what a leader has committed is in the logs of the leaders of all higher terms";

    pub(crate) fn check_leader(&mut self, context: CheckContext<'_>, term: Term) -> CheckResult {
        let lower = self.count_up_to_term(term.saturating_sub(1));
        let Some(row) = self.furthest_commits[..lower].last() else { return Ok(()) };
        self.checks += 1;
        if context.node.log.contains(row.commit.id) {
            return Ok(());
        }
        let Commit { id, leader_term, origin } = row.commit;
        let conflict = Conflict::LeaderLacksCommitted {
            node: context.node.id,
            term,
            entry: id,
            committer: origin.node,
            committed_in: leader_term,
        };
        context.violation(Self::NAME, Some(origin.observed(Fact::Committed { index: id.index })), conflict)
    }

    pub(crate) fn check_leader_commit(
        &mut self,
        context: CheckContext<'_>,
        led: Term,
        index: Index,
    ) -> CheckResult {
        let Some(term) = context.node.log.term_at(index).filter(|_| index > 0) else { return Ok(()) };
        let id = LogId { index, term };
        let cluster = context.cluster;
        // Usually there is no higher term, and this is one lookup at the end of the map.
        for (higher, leadership) in cluster.leaderships.after(led) {
            self.checks += 1;
            if !leadership.had_entry_when_elected(&cluster.committed_log, id) {
                let conflict = Conflict::CommittedWithoutSuccessor {
                    node: context.node.id,
                    entry: id,
                    term: led,
                    successor: leadership.origin.node,
                    successor_term: higher,
                };
                return context.violation(Self::NAME, context.cluster.leaderships.fact(higher), conflict);
            }
        }
        self.record_commit(led, Commit { id, leader_term: led, origin: FactOrigin::of(context.observed) });
        Ok(())
    }

    fn record_commit(&mut self, led: Term, commit: Commit) {
        let until = self.count_up_to_term(led);
        let known = self.furthest_commits[..until].last().copied();
        if known.is_none_or(|row| row.term != led) {
            let commit = known.map_or(commit, |row| row.commit);
            self.furthest_commits.insert(until, FurthestCommit { term: led, commit });
        }
        let own = self.count_up_to_term(led) - 1;
        // A row also covers all lower terms. Rows above it change only if a deposed leader commits late.
        for row in &mut self.furthest_commits[own..] {
            if row.commit.id.index >= commit.id.index {
                break;
            }
            row.commit = commit;
        }
    }

    /// The number of rows of this term or lower ones.
    fn count_up_to_term(&self, term: Term) -> usize {
        count_prefix(&self.furthest_commits, |row| row.term <= term)
    }
}
