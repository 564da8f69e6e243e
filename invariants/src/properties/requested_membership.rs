//! **Who belongs to the group is what its operator asked for.**
//!
//! *Source*: Raft paper, 6; thesis 4 (a configuration is an entry that somebody asked for), 4.3 (a joint phase passes from
//! one to the next). *Facts*: `Founded`, `ChangeRequested`, `ChangeAnswered`, and what they are compared with:
//! `Configured`, `Committed`, `SnapshotInstalled`.
//!
//! *Reading*: a configuration that is committed is one of those that may be in force then: the founding one after the
//! changes that succeeded, and after any of those that have no answer yet or whose answer is unknown, in the joint phase or
//! behind it ([`PossibleConfigurations`]). It is compared once, when the first server knows it to be committed: who learns of
//! it later may do so when another has long taken its place. What no entry carries is the founding configuration, or empty on
//! a server that is to join. Order and repetition within a list mean nothing here. What is not committed may be cut, and is
//! not compared.
//!
//! *Blind spots*: while answers are unknown, more configurations are possible than one. Which disk generation of a server is
//! a member. Where more than a few hundred configurations are possible, only names are compared. Looks only where the world
//! says who founded the group.

use crate::fact::{ChangeAnswer, ConfChange, Configuration, Index, Node, Observed};
use crate::membership::PossibleConfigurations;
use crate::scene::{Scene, Verdict, names};

/// Who belongs to the group is what its operator asked for.
#[derive(Default, Debug)]
pub struct RequestedMembership {
    pub(crate) looked: u64,
    /// Once the world has said who founded the group.
    group: Option<Group>,
}

#[derive(Debug)]
struct Group {
    founding: PossibleConfigurations,
    possible: PossibleConfigurations,
    /// What the world said last.
    newest: Observed,
    /// Committed configurations up to this index were compared.
    compared: Index,
}

impl RequestedMembership {
    /// Its name.
    pub const NAME: &str = "requested-membership";
    /// In one line.
    pub const ABOUT: &str = "a committed configuration follows from the changes that were asked for";

    pub(crate) fn is_founded(&mut self, scene: Scene<'_>, voters: &[Node]) -> Verdict {
        self.group.get_or_insert_with(|| {
            let founding = PossibleConfigurations::founded_by(voters.iter().copied());
            Group { possible: founding.clone(), founding, newest: scene.observed.clone(), compared: 0 }
        });
        Ok(())
    }

    pub(crate) fn is_requested(&mut self, scene: Scene<'_>, request: u64, change: &ConfChange) -> Verdict {
        if let Some(group) = &mut self.group {
            group.possible.requested(request, change.clone(), |_| 0);
            group.newest = scene.observed.clone();
        }
        Ok(())
    }

    pub(crate) fn is_answered(&mut self, scene: Scene<'_>, request: u64, answer: ChangeAnswer) -> Verdict {
        if let Some(group) = &mut self.group {
            group.possible.answered(request, answer);
            group.newest = scene.observed.clone();
        }
        Ok(())
    }

    pub(crate) fn configures(&mut self, scene: Scene<'_>, index: Index, stated: &Configuration) -> Verdict {
        let Some(group) = &self.group else { return Ok(()) };
        if index > 0 {
            return if index <= scene.node.committed { self.compares(scene, index, stated) } else { Ok(()) };
        }
        if stated.voters.is_empty() && stated.joint.is_empty() && stated.learners.is_empty() {
            return Ok(());
        }
        self.looked += 1;
        if group.founding.contains(stated) {
            return Ok(());
        }
        let id = scene.node.id;
        let sentence = format!(
            "n{id} begins with the configuration {}, but the group was founded as {}",
            told(stated),
            possible(&group.founding)
        );
        scene.clash(Self::NAME, Some(group.newest.clone()), sentence)
    }

    pub(crate) fn commits(&mut self, scene: Scene<'_>, index: Index) -> Verdict {
        let Some(Group { compared, .. }) = self.group else { return Ok(()) };
        // Nearly always nothing is new.
        match scene.node.newest_configuration() {
            Some((newest, _)) if newest > compared => {}
            _ => return Ok(()),
        }
        let news = scene.node.configurations_between(compared, index);
        for (at, stated) in news {
            self.compares(scene, at, stated)?;
        }
        Ok(())
    }

    pub(crate) fn installs(&mut self, scene: Scene<'_>, index: Index, stated: &Configuration) -> Verdict {
        self.compares(scene, index, stated)
    }

    /// A committed configuration, unless it is known.
    fn compares(&mut self, scene: Scene<'_>, index: Index, stated: &Configuration) -> Verdict {
        let Some(group) = &mut self.group else { return Ok(()) };
        if index <= group.compared {
            return Ok(());
        }
        group.compared = index;
        self.looked += 1;
        if group.possible.contains(stated) {
            return Ok(());
        }
        let id = scene.node.id;
        let sentence = format!(
            "n{id} has committed the configuration {} at {index}, and nobody asked for it: possible is {}",
            told(stated),
            possible(&group.possible)
        );
        scene.clash(Self::NAME, Some(group.newest.clone()), sentence)
    }
}

/// The configurations that may be in force, as a person reads them.
fn possible(possible: &PossibleConfigurations) -> String {
    const SHOWN: usize = 4;
    let all = possible.configurations();
    let mut shown: Vec<String> = all.iter().take(SHOWN).map(told).collect();
    if all.len() > SHOWN {
        shown.push(format!("{} more", all.len() - SHOWN));
    }
    shown.join(" or ")
}

/// A configuration with its learners.
fn told(configuration: &Configuration) -> String {
    match configuration.learners.as_slice() {
        [] => configuration.to_string(),
        learners => format!("{configuration} and learner {}", names(learners.iter().copied())),
    }
}
