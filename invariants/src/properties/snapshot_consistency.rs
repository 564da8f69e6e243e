//! **Snapshot consistency**: a snapshot holds the state and the configuration at its last entry, which is committed;
//! installing or restoring one moves no server backwards.
//!
//! *Source*: Raft paper, 7 and figure 13; thesis, 5.1 (what a snapshot contains) and 4.1 (the configuration in it).
//! *Facts*: `SnapshotTaken`, `SnapshotInstalled`, `Restored`, `Configured`; compared with `Applied`, `Committed`,
//! `Appended`.
//!
//! *Check*: a snapshot covers only committed entries. Its state, and the state restored from it on any server, is the
//! one that the first server to apply its last entry had. Its configuration, and the one with which a log begins
//! after it, is the one in force at that index of the committed log: the same members in the same roles, in any
//! order, and the same digest if both state one. A server installs a snapshot only if it does not yet know everything
//! in it to be committed (late and duplicate snapshots are dropped). No state machine goes back within an
//! incarnation.
//!
//! *Blind spots*: a state at an index that no server states as applied; an installed snapshot's data before it is
//! restored. Nothing is compared with the committed log before the first commit of a leader. That an installed
//! snapshot is committed is checked by `log-matching`; what it may truncate, by `acked-immutable` and
//! `committed-immutable`.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::{ConfigurationStep, Conflict, SnapshotStep, StateStep};
use crate::fact::{Configuration, Digest, Index, LogId};

/// A snapshot holds the state and the configuration at its last entry.
#[derive(Default, Debug)]
pub struct SnapshotConsistency {
    pub(crate) checks: u64,
}

impl SnapshotConsistency {
    /// The name.
    pub const NAME: &str = "snapshot-consistency";
    /// What must hold, in one line.
    pub const ABOUT: &str =
        "a snapshot holds the state and the configuration at its last entry, and moves no server backwards";

    pub(crate) fn check_snapshot_taken(
        &mut self,
        context: CheckContext<'_>,
        last: LogId,
        state: Digest,
        configuration: &Configuration,
    ) -> CheckResult {
        if context.cluster.committed_log.last().index > 0 {
            self.checks += 1;
            if let Some((first, committed)) = context.committed_instead(last) {
                let (node, step) = (context.node.id, SnapshotStep::Take);
                let conflict = Conflict::SnapshotNotCommitted { node, step, entry: last, committed };
                return context.violation(Self::NAME, first, conflict);
            }
        }
        self.check_state(context, last.index, state, StateStep::Take)?;
        self.check_same_configuration(context, last.index, configuration, ConfigurationStep::Take)
    }

    pub(crate) fn check_install(
        &mut self,
        context: CheckContext<'_>,
        last: LogId,
        configuration: &Configuration,
    ) -> CheckResult {
        self.checks += 1;
        let node = context.node;
        if last.index <= node.known_committed() {
            let conflict = Conflict::InstalledKnownSnapshot {
                node: node.id,
                last,
                commit_index: node.known_committed(),
            };
            return context.violation(Self::NAME, None, conflict);
        }
        self.check_same_configuration(context, last.index, configuration, ConfigurationStep::Install)
    }

    pub(crate) fn check_restore(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        state: Digest,
    ) -> CheckResult {
        let node = context.node;
        if let Some(applied) = node.applied_index {
            self.checks += 1;
            if index < applied {
                let conflict = Conflict::StateWentBack { node: node.id, from: applied, to: index };
                return context.violation(Self::NAME, None, conflict);
            }
        }
        self.check_state(context, index, state, StateStep::Restore)
    }

    /// The configuration with which a log begins after a snapshot.
    pub(crate) fn check_configuration(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        configuration: &Configuration,
    ) -> CheckResult {
        if index == 0 || index > context.node.compacted {
            return Ok(());
        }
        self.check_same_configuration(context, index, configuration, ConfigurationStep::Start)
    }

    fn check_state(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        state: Digest,
        step: StateStep,
    ) -> CheckResult {
        let Some(known) = context.cluster.applications.find(index) else { return Ok(()) };
        self.checks += 1;
        if known.state == state {
            return Ok(());
        }
        let conflict = Conflict::SnapshotStateDiffers {
            node: context.node.id,
            step,
            state,
            index,
            other: known.origin.node,
            known: known.state,
        };
        context.violation(Self::NAME, Some(known.observed(index)), conflict)
    }

    fn check_same_configuration(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        configuration: &Configuration,
        step: ConfigurationStep,
    ) -> CheckResult {
        if index > context.cluster.committed_log.last().index {
            return Ok(());
        }
        let Some(known) = context.cluster.configuration_at(index) else { return Ok(()) };
        self.checks += 1;
        if same_configuration(&known.configuration, configuration) {
            return Ok(());
        }
        let conflict = Conflict::SnapshotConfigurationDiffers {
            node: context.node.id,
            step,
            configuration: configuration.clone(),
            index,
            known: known.configuration.clone(),
            carrier: known.id,
        };
        context.violation(Self::NAME, Some(known.observed()), conflict)
    }
}

/// Whether they have the same members in the same roles, and no different digests.
fn same_configuration(one: &Configuration, other: &Configuration) -> bool {
    one.has_same_members(other) && !digests_differ(one, other)
}

fn digests_differ(one: &Configuration, other: &Configuration) -> bool {
    one.digest.zip(other.digest).is_some_and(|(one, other)| one != other)
}
