//! What must hold after every step.

use crate::ids::LogId;
use crate::progress::ProgressState;
use crate::raft::Raft;
use crate::role::Role;

impl Raft {
    /// What must hold after every step. With a bug switched on it may not hold; then the properties must
    /// catch it.
    pub(crate) fn assert_invariants(&self) {
        #[cfg(feature = "bugs")]
        if self.config.bug.is_some() {
            return;
        }
        let last = self.log.last();
        let compacted = self.log.compacted();
        assert!(
            compacted.index <= self.commit_index,
            "the log begins after {compacted}, beyond commit index {}",
            self.commit_index
        );
        let snapshot = self.snapshot.as_ref().map_or(LogId::default(), |snapshot| snapshot.last);
        assert!(
            compacted.index <= snapshot.index,
            "the log begins after {compacted}, beyond the end of the snapshot at {snapshot}"
        );
        assert!(
            snapshot.index <= self.commit_index,
            "the snapshot ends at {snapshot}, beyond commit index {}",
            self.commit_index
        );
        assert!(
            self.appended_for_others.is_empty(),
            "a step left forwarded proposals unanswered: {:?}",
            self.appended_for_others
        );
        assert!(self.pending_rewrite.is_none(), "a step left a rewrite unsaved");
        assert!(
            self.last_applied <= self.commit_index,
            "last applied {} is beyond commit index {}",
            self.last_applied,
            self.commit_index
        );
        assert!(
            self.commit_index <= last.index,
            "commit index {} is beyond the end of the log at {last}",
            self.commit_index
        );
        assert!(
            self.saves.durable_index() <= last.index,
            "durable index {} is beyond the end of the log at {last}",
            self.saves.durable_index()
        );
        assert!(
            self.last_applied <= self.saves.durable_index(),
            "last applied {} is beyond durable index {}",
            self.last_applied,
            self.saves.durable_index()
        );
        assert!(
            last.term <= self.term,
            "the last entry {last} is of a term after the current one, {}",
            self.term
        );
        assert!(self.saved == (self.term, self.vote), "a step left term or vote unsaved");
        match &self.role {
            Role::Leader(leader) => {
                assert!(
                    self.vote == Some(self.config.id),
                    "a leader must have voted for itself, not {:?}",
                    self.vote
                );
                assert!(
                    self.leader == Some(self.replica()),
                    "a leader must be its own leader, not {:?}",
                    self.leader
                );
                for progress in &leader.progress {
                    assert!(
                        progress.next_index > progress.match_index,
                        "next_index must be above match_index: {progress:?}"
                    );
                    assert!(!progress.pending_send, "a step left entries unsent: {progress:?}");
                    let is_snapshot = matches!(progress.state, ProgressState::Snapshot { .. });
                    assert!(
                        is_snapshot || progress.next_index > compacted.index,
                        "next_index must be after {compacted}: {progress:?}"
                    );
                    assert!(
                        progress.match_index <= last.index,
                        "match_index must be at most {last}: {progress:?}"
                    );
                }
            }
            Role::Candidate { .. } => {
                assert!(
                    self.vote == Some(self.config.id),
                    "a candidate must have voted for itself, not {:?}",
                    self.vote
                );
            }
            Role::Follower | Role::PreCandidate { .. } => {}
        }
    }
}
