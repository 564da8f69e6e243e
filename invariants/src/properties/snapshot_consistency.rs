//! **A snapshot is what it stands for**: the state and the group after its last entry, which is committed; and taking
//! one over moves nobody backwards.
//!
//! *Source*: Raft paper, 7 and figure 13; thesis, 5.1 (what a snapshot contains) and 4.1 (the group in it). *Facts*:
//! `SnapshotTaken`, `SnapshotInstalled`, `Restored`, `Configured`, and what they are compared with: `Applied`,
//! `Committed`, `Appended`.
//!
//! *Reading*: only what is committed is put into a snapshot. The state in it, and the state that comes of it on another
//! server or after a restart, is the one that the first server to apply its last entry was in. The group in it, and the
//! one that a log begins with after it, is the one in force at that index in the committed log: it has the same members
//! with the same parts, in whatever order, and where both facts say by a digest what else is kept of it, the same digest.
//! A snapshot is installed only by who does not yet know everything in it to be committed (a late or doubled one is
//! dropped), and no state machine goes back within an incarnation.
//!
//! *Blind spots*: a state that nobody states to have applied. An installed snapshot's data before it is restored. That
//! what is installed is committed is asked by "log-matching", what it may cut by "acked-immutable" and
//! "committed-immutable". Nothing is asked of what is committed while no leader has committed anything.

use crate::check_context::{CheckContext, CheckResult, format_nodes};
use crate::fact::{Configuration, Digest, Index, LogId, Node};

/// A snapshot is what it stands for.
#[derive(Default, Debug)]
pub struct SnapshotConsistency {
    pub(crate) checks: u64,
}

impl SnapshotConsistency {
    /// Its name.
    pub const NAME: &str = "snapshot-consistency";
    /// In one line.
    pub const ABOUT: &str =
        "a snapshot holds the state and the group after its last entry, and moves nobody backwards";

    pub(crate) fn check_snapshot_taken(
        &mut self,
        scene: CheckContext<'_>,
        last: LogId,
        state: Digest,
        group: &Configuration,
    ) -> CheckResult {
        if scene.shadow.committed_log.last().index > 0 {
            self.checks += 1;
            if let Some((first, why)) = scene.explain_uncommitted(last) {
                let sentence = format!("n{} takes a snapshot up to {last} although {why}", scene.node.id);
                return scene.violation(Self::NAME, first, sentence);
            }
        }
        self.check_state(scene, last.index, state, "takes a snapshot of")?;
        self.check_same_configuration(scene, last.index, group, "takes a snapshot with")
    }

    pub(crate) fn check_install(
        &mut self,
        scene: CheckContext<'_>,
        last: LogId,
        group: &Configuration,
    ) -> CheckResult {
        self.checks += 1;
        let node = scene.node;
        if last.index <= node.commit_index {
            let sentence = format!(
                "n{} installs a snapshot up to {last} although it knows {} to be committed",
                node.id, node.commit_index
            );
            return scene.violation(Self::NAME, None, sentence);
        }
        self.check_same_configuration(scene, last.index, group, "installs a snapshot with")
    }

    pub(crate) fn check_restore(
        &mut self,
        scene: CheckContext<'_>,
        index: Index,
        state: Digest,
    ) -> CheckResult {
        let node = scene.node;
        if let Some(applied) = node.applied_index {
            self.checks += 1;
            if index < applied {
                let sentence =
                    format!("n{} goes back to the state after {index} from the one after {applied}", node.id);
                return scene.violation(Self::NAME, None, sentence);
            }
        }
        self.check_state(scene, index, state, "restores")
    }

    /// The group that a log begins with after a snapshot, as its server took it from there.
    pub(crate) fn check_configuration(
        &mut self,
        scene: CheckContext<'_>,
        index: Index,
        group: &Configuration,
    ) -> CheckResult {
        if index == 0 || index > scene.node.compacted {
            return Ok(());
        }
        self.check_same_configuration(scene, index, group, "begins its log with")
    }

    fn check_state(
        &mut self,
        scene: CheckContext<'_>,
        index: Index,
        state: Digest,
        does: &str,
    ) -> CheckResult {
        let Some(known) = scene.shadow.applications.find(index) else { return Ok(()) };
        self.checks += 1;
        if known.state == state {
            return Ok(());
        }
        let sentence = format!(
            "n{} {does} the state {state} after {index} although n{} was in {} after it",
            scene.node.id, known.origin.node, known.state
        );
        scene.violation(Self::NAME, Some(known.observed(index)), sentence)
    }

    fn check_same_configuration(
        &mut self,
        scene: CheckContext<'_>,
        index: Index,
        group: &Configuration,
        does: &str,
    ) -> CheckResult {
        if index > scene.shadow.committed_log.last().index {
            return Ok(());
        }
        let Some(known) = scene.shadow.configuration_at(index) else { return Ok(()) };
        self.checks += 1;
        if same_configuration(&known.configuration, group) {
            return Ok(());
        }
        let (mine, theirs) = (
            describe_configuration(group, &known.configuration),
            describe_configuration(&known.configuration, group),
        );
        let sentence = format!(
            "n{} {does} the group {mine} at {index} although {theirs}, carried by {}, is in force there",
            scene.node.id, known.id
        );
        scene.violation(Self::NAME, Some(known.observed()), sentence)
    }
}

/// Whether they have the same members with the same parts, and nothing else is said to differ.
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

/// A group with those who only listen; with its digest where only that tells it from the other one.
fn describe_configuration(group: &Configuration, other: &Configuration) -> String {
    let mut told = group.to_string();
    if !group.learners.is_empty() {
        told += &format!(" and the learners {}", format_nodes(group.learners.iter().copied()));
    }
    match group.digest {
        Some(digest) if same_members(group, other) => format!("{told} with the content {digest}"),
        _ => told,
    }
}
