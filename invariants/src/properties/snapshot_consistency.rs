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

use crate::check_context::{CheckContext, CheckResult, format_nodes};
use crate::fact::{Configuration, Digest, Index, LogId, Node};

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
        if context.shadow.committed_log.last().index > 0 {
            self.checks += 1;
            if let Some((first, why)) = context.explain_uncommitted(last) {
                let sentence = format!("n{} takes a snapshot up to {last} although {why}", context.node.id);
                return context.violation(Self::NAME, first, sentence);
            }
        }
        self.check_state(context, last.index, state, "takes a snapshot of")?;
        self.check_same_configuration(context, last.index, configuration, "takes a snapshot with")
    }

    pub(crate) fn check_install(
        &mut self,
        context: CheckContext<'_>,
        last: LogId,
        configuration: &Configuration,
    ) -> CheckResult {
        self.checks += 1;
        let node = context.node;
        if last.index <= node.commit_index {
            let sentence = format!(
                "n{} installs a snapshot up to {last} although it already knows {} to be committed",
                node.id, node.commit_index
            );
            return context.violation(Self::NAME, None, sentence);
        }
        self.check_same_configuration(context, last.index, configuration, "installs a snapshot with")
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
                let sentence = format!(
                    "n{} goes back from the state after {applied} to the state after {index}",
                    node.id
                );
                return context.violation(Self::NAME, None, sentence);
            }
        }
        self.check_state(context, index, state, "restores")
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
        self.check_same_configuration(context, index, configuration, "begins its log with")
    }

    fn check_state(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        state: Digest,
        does: &str,
    ) -> CheckResult {
        let Some(known) = context.shadow.applications.find(index) else { return Ok(()) };
        self.checks += 1;
        if known.state == state {
            return Ok(());
        }
        let sentence = format!(
            "n{} {does} the state {state} after {index} although n{} was in {} after it",
            context.node.id, known.origin.node, known.state
        );
        context.violation(Self::NAME, Some(known.observed(index)), sentence)
    }

    fn check_same_configuration(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        configuration: &Configuration,
        does: &str,
    ) -> CheckResult {
        if index > context.shadow.committed_log.last().index {
            return Ok(());
        }
        let Some(known) = context.shadow.configuration_at(index) else { return Ok(()) };
        self.checks += 1;
        if same_configuration(&known.configuration, configuration) {
            return Ok(());
        }
        let (stated, expected) = (
            describe_configuration(configuration, &known.configuration),
            describe_configuration(&known.configuration, configuration),
        );
        let sentence = format!(
            "n{} {does} the configuration {stated} at {index} although {expected}, carried by {}, is in force there",
            context.node.id, known.id
        );
        context.violation(Self::NAME, Some(known.observed()), sentence)
    }
}

/// Whether they have the same members in the same roles, and no different digests.
fn same_configuration(one: &Configuration, other: &Configuration) -> bool {
    same_members(one, other) && !digests_differ(one, other)
}

fn same_members(one: &Configuration, other: &Configuration) -> bool {
    let same = |one: &[Node], other: &[Node]| {
        one.len() == other.len() && one.iter().all(|node| other.contains(node))
    };
    same(&one.voters, &other.voters) && same(&one.joint, &other.joint) && same(&one.learners, &other.learners)
}

fn digests_differ(one: &Configuration, other: &Configuration) -> bool {
    one.digest.zip(other.digest).is_some_and(|(one, other)| one != other)
}

/// A configuration with its learners, and with its digest if nothing else distinguishes it from `other`.
fn describe_configuration(configuration: &Configuration, other: &Configuration) -> String {
    let mut text = configuration.to_string();
    if !configuration.learners.is_empty() {
        text += &format!(" and the learners {}", format_nodes(configuration.learners.iter().copied()));
    }
    match configuration.digest {
        Some(digest) if same_members(configuration, other) => format!("{text} with the digest {digest}"),
        _ => text,
    }
}
