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
//! what is installed is committed is asked by "log-matching", what it may cut by "acknowledged-stays" and
//! "committed-stays". Nothing is asked of what is committed while no leader has committed anything.

use crate::fact::{Configuration, Digest, Index, LogId, Node};
use crate::scene::{Scene, Verdict, names};

/// A snapshot is what it stands for.
#[derive(Default, Debug)]
pub struct Snapshots {
    pub(crate) looked: u64,
}

impl Snapshots {
    /// Its name.
    pub const NAME: &str = "snapshots";
    /// In one line.
    pub const ABOUT: &str =
        "a snapshot holds the state and the group after its last entry, and moves nobody backwards";

    pub(crate) fn takes(
        &mut self,
        scene: Scene<'_>,
        last: LogId,
        state: Digest,
        group: &Configuration,
    ) -> Verdict {
        if scene.shadow.committed.last().index > 0 {
            self.looked += 1;
            if let Some((first, why)) = scene.not_committed(last) {
                let sentence = format!("n{} takes a snapshot up to {last} although {why}", scene.node.id);
                return scene.clash(Self::NAME, first, sentence);
            }
        }
        self.same_state(scene, last.index, state, "takes a snapshot of")?;
        self.same_group(scene, last.index, group, "takes a snapshot with")
    }

    pub(crate) fn installs(&mut self, scene: Scene<'_>, last: LogId, group: &Configuration) -> Verdict {
        self.looked += 1;
        let node = scene.node;
        if last.index <= node.committed {
            let sentence = format!(
                "n{} installs a snapshot up to {last} although it knows {} to be committed",
                node.id, node.committed
            );
            return scene.clash(Self::NAME, None, sentence);
        }
        self.same_group(scene, last.index, group, "installs a snapshot with")
    }

    pub(crate) fn restores(&mut self, scene: Scene<'_>, index: Index, state: Digest) -> Verdict {
        let node = scene.node;
        if let Some(applied) = node.applied {
            self.looked += 1;
            if index < applied {
                let sentence =
                    format!("n{} goes back to the state after {index} from the one after {applied}", node.id);
                return scene.clash(Self::NAME, None, sentence);
            }
        }
        self.same_state(scene, index, state, "restores")
    }

    /// The group that a log begins with after a snapshot, as its server took it from there.
    pub(crate) fn configures(&mut self, scene: Scene<'_>, index: Index, group: &Configuration) -> Verdict {
        if index == 0 || index > scene.node.base {
            return Ok(());
        }
        self.same_group(scene, index, group, "begins its log with")
    }

    fn same_state(&mut self, scene: Scene<'_>, index: Index, state: Digest, does: &str) -> Verdict {
        let Some(known) = scene.shadow.applications.find(index) else { return Ok(()) };
        self.looked += 1;
        if known.state == state {
            return Ok(());
        }
        let sentence = format!(
            "n{} {does} the state {state} after {index} although n{} was in {} after it",
            scene.node.id, known.seen.node, known.state
        );
        scene.clash(Self::NAME, Some(known.fact(index)), sentence)
    }

    fn same_group(&mut self, scene: Scene<'_>, index: Index, group: &Configuration, does: &str) -> Verdict {
        if index > scene.shadow.committed.last().index {
            return Ok(());
        }
        let Some(known) = scene.shadow.group_at(index) else { return Ok(()) };
        self.looked += 1;
        if is_same(&known.configuration, group) {
            return Ok(());
        }
        let (mine, theirs) = (told(group, &known.configuration), told(&known.configuration, group));
        let sentence = format!(
            "n{} {does} the group {mine} at {index} although {theirs}, carried by {}, is in force there",
            scene.node.id, known.id
        );
        scene.clash(Self::NAME, Some(known.fact()), sentence)
    }
}

/// Whether they have the same members with the same parts, and nothing else is said to differ.
fn is_same(one: &Configuration, other: &Configuration) -> bool {
    same_members(one, other) && !differ_inside(one, other)
}

fn same_members(one: &Configuration, other: &Configuration) -> bool {
    let same = |one: &[Node], other: &[Node]| {
        one.len() == other.len() && one.iter().all(|node| other.contains(node))
    };
    same(&one.voters, &other.voters) && same(&one.joint, &other.joint) && same(&one.learners, &other.learners)
}

fn differ_inside(one: &Configuration, other: &Configuration) -> bool {
    one.digest.zip(other.digest).is_some_and(|(one, other)| one != other)
}

/// A group with those who only listen; with its digest where only that tells it from the other one.
fn told(group: &Configuration, other: &Configuration) -> String {
    let mut told = group.to_string();
    if !group.learners.is_empty() {
        told += &format!(" and the learners {}", names(group.learners.iter().copied()));
    }
    match group.digest {
        Some(digest) if same_members(group, other) => format!("{told} with the content {digest}"),
        _ => told,
    }
}
