//! **Leader completeness**: what was committed in a term is in the logs of the leaders of all higher terms.
//!
//! *Source*: Raft paper, figure 3 and 5.4.3. *Facts*: `Leads`, `Committed`, `Appended`, `Truncated`.
//!
//! *Reading*: at `Leads(T)`, the furthest entry that leaders of terms below T have committed must be in the new leader's
//! log. At a leader's commit in term t, the entry must be in the log that each known leader of a higher term had when it
//! was elected. By log matching the one entry stands for everything before it.
//!
//! Both halves compare by *term*, not by time. A leader of T that wins by late votes when T+1 has already committed owes
//! nothing to T+1; a deposed leader may commit late if a majority had the entry before it voted in the higher term.
//!
//! *Blind spots*: looks only where logs are stated. A commit that no leader states is not known to be one.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Fact, Index, LogId, Term};
use crate::shadow::{FactOrigin, count_prefix};
use std::ops::Bound::{Excluded, Unbounded};

/// What is committed stays in the logs of all later leaders.
#[derive(Default, Debug)]
pub struct LeaderCompleteness {
    pub(crate) checks: u64,
    /// The furthest commit of each term's leader, by term.
    furthest_commits: Vec<FurthestCommit>,
}

/// Up to where the leaders of all terms so far have committed.
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
    /// Its name.
    pub const NAME: &str = "leader-completeness";
    /// In one line.
    pub const ABOUT: &str = "what a leader has committed is in the logs of the leaders of all higher terms";

    pub(crate) fn check_leader(&mut self, scene: CheckContext<'_>, term: Term) -> CheckResult {
        let lower = self.count_up_to_term(term.saturating_sub(1));
        let Some(row) = self.furthest_commits[..lower].last() else { return Ok(()) };
        self.checks += 1;
        if scene.node.log.contains(row.commit.id) {
            return Ok(());
        }
        let Commit { id, leader_term: by_leader_of, origin: seen } = row.commit;
        let sentence = format!(
            "n{} leads term {term} without {id}, which n{} committed as leader of term {by_leader_of}",
            scene.node.id, seen.node
        );
        scene.violation(Self::NAME, Some(seen.observed(Fact::Committed { index: id.index })), sentence)
    }

    pub(crate) fn check_leader_commit(
        &mut self,
        scene: CheckContext<'_>,
        led: Term,
        index: Index,
    ) -> CheckResult {
        let Some(term) = scene.node.log.term_at(index).filter(|_| index > 0) else { return Ok(()) };
        let id = LogId { index, term };
        // Mostly there is no higher term, and then this is one look at the end of the map.
        for (higher, leadership) in scene.shadow.leaderships.range((Excluded(led), Unbounded)) {
            self.checks += 1;
            if !scene.shadow.had_entry_when_elected(leadership, id) {
                let sentence = format!(
                    "n{} commits {id} as leader of term {led} although n{} leads term {higher} without it",
                    scene.node.id, leadership.origin.node
                );
                return scene.violation(Self::NAME, scene.shadow.leader_fact(*higher), sentence);
            }
        }
        self.record_commit(led, Commit { id, leader_term: led, origin: FactOrigin::of(scene.observed) });
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
        // A row speaks for all lower terms too. Rows above are passed only by a leader that commits late.
        for row in &mut self.furthest_commits[own..] {
            if row.commit.id.index >= commit.id.index {
                break;
            }
            row.commit = commit;
        }
    }

    /// How many rows are of this term or lower ones.
    fn count_up_to_term(&self, term: Term) -> usize {
        count_prefix(&self.furthest_commits, |row| row.term <= term)
    }
}
