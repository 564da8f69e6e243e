//! Facts in, verdicts out: each fact goes to every property that it concerns, at once.
//!
//! The first clash is the verdict. A fact costs the same after a million others as after ten.

use crate::fact::{Fact, Observed};
use crate::milestones::Milestones;
use crate::properties::*;
use crate::scene::{Scene, Verdict};
use crate::shadow::Shadow;
use crate::violation::Violation;
use std::fmt;

/// A property as lists show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// In one line.
    pub about: &'static str,
}

/// Writes the struct of properties and what must name each of them once more, so that none is forgotten in a list.
macro_rules! properties {
    ($($field:ident: $property:ident,)+) => {
        /// All properties, in the order in which a fact is shown to them.
        pub const PROPERTIES: &[Property] =
            &[$(Property { name: $property::NAME, about: $property::ABOUT },)+];

        /// Each property, unless it is left out.
        #[derive(Debug)]
        struct Properties { $($field: Option<$property>,)+ }

        impl Properties {
            fn without(names: &[&str]) -> Properties {
                Properties { $($field: (!names.contains(&$property::NAME)).then($property::default),)+ }
            }

            fn looked(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(self.$field.as_ref().map(|property| ($property::NAME, property.looked)),)+].into_iter().flatten()
            }
        }
    };
}

properties! {
    election_safety: ElectionSafety,
    elected_by_quorum: ElectedByQuorum,
    one_vote_per_term: OneVotePerTerm,
    monotonic_term: MonotonicTerm,
    log_matching: LogMatching,
    leader_append_only: LeaderAppendOnly,
    own_term_commit: OwnTermCommit,
    durable_quorum: DurableQuorum,
    followers_commit: FollowersCommit,
    leader_completeness: LeaderCompleteness,
    promises_after_durability: PromisesAfterDurability,
    acknowledged_stays: AcknowledgedStays,
    committed_stays: CommittedStays,
    state_machine_safety: StateMachineSafety,
    snapshots: Snapshots,
    reads: Reads,
    exactly_once: ExactlyOnce,
    configurations: Configurations,
    requested_membership: RequestedMembership,
    outsiders: Outsiders,
}

/// A name that is no property's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownProperty {
    /// The name.
    pub name: String,
}

impl fmt::Display for UnknownProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = PROPERTIES.iter().map(|property| property.name).collect();
        write!(f, "There is no property called \"{}\"; there are {}.", self.name, known.join(", "))
    }
}

impl std::error::Error for UnknownProperty {}

/// Judges a stream of facts.
#[derive(Debug)]
pub struct Checker {
    shadow: Shadow,
    properties: Properties,
    milestones: Milestones,
}

impl Default for Checker {
    fn default() -> Self {
        Checker::new()
    }
}

impl Checker {
    /// Asks every property.
    #[must_use]
    pub fn new() -> Checker {
        Checker {
            shadow: Shadow::default(),
            properties: Properties::without(&[]),
            milestones: Milestones::default(),
        }
    }

    /// Asks all properties but these.
    pub fn without(names: &[&str]) -> Result<Checker, UnknownProperty> {
        match names.iter().find(|name| PROPERTIES.iter().all(|property| property.name != **name)) {
            Some(&unknown) => Err(UnknownProperty { name: unknown.into() }),
            None => Ok(Checker { properties: Properties::without(names), ..Checker::new() }),
        }
    }

    /// Takes the next fact. Facts come in the order of the run. After a violation the checker has seen its last fact: what
    /// it would say of later ones means nothing.
    pub fn observe(&mut self, observed: &Observed) -> Result<(), Box<Violation>> {
        match observed.fact {
            Fact::WriteAcknowledged { index, write } => {
                if let Some(reads) = &mut self.properties.reads {
                    reads.write_acknowledged(observed, index, write);
                }
                self.milestones.client(observed);
            }
            Fact::ReadAsked { read } => {
                if let Some(reads) = &mut self.properties.reads {
                    reads.asked(read);
                }
            }
            _ => {
                // Properties and milestones see the shadow as it stood before the fact; then the fact becomes the past.
                let place = self.shadow.place(observed.node);
                let node = self.shadow.at(place);
                if let Some(configurations) = &mut self.properties.configurations {
                    configurations.is_stated(Scene { shadow: &self.shadow, node, observed })?;
                }
                // Whoever is listed twice counts once.
                let once = observed.without_repeats();
                let observed = once.as_ref().unwrap_or(observed);
                self.properties.judge(Scene { shadow: &self.shadow, node, observed })?;
                self.milestones.server(&self.shadow, node, observed);
                self.shadow.fold(place, observed);
            }
        }
        Ok(())
    }

    /// How often each property that was asked has looked.
    pub fn looked(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.properties.looked()
    }

    /// What the run has reached.
    #[must_use]
    pub fn milestones(&self) -> &Milestones {
        &self.milestones
    }
}

/// Asks a property, unless it is left out, and passes a clash on.
macro_rules! ask {
    ($property:expr, $method:ident, $($argument:expr),+) => {
        if let Some(property) = &mut $property {
            property.$method($($argument),+)?;
        }
    };
}

impl Properties {
    /// Shows a server's fact to the properties that it concerns, the most telling first.
    fn judge(&mut self, scene: Scene<'_>) -> Verdict {
        match scene.observed.fact {
            Fact::Started { term, base, last, digest, .. } => {
                ask!(self.outsiders, falls, scene);
                ask!(self.monotonic_term, starts, scene, term);
                ask!(self.log_matching, starts, scene, base, last, digest);
            }
            Fact::TermChanged { term } => {
                ask!(self.monotonic_term, changes, scene, term);
                ask!(self.outsiders, changes, scene, term);
            }
            Fact::Appended { index, term, entry } => {
                ask!(self.leader_append_only, appends, scene, index, term);
                ask!(self.log_matching, appends, scene, index, term, entry);
            }
            Fact::Truncated { after } => {
                ask!(self.leader_append_only, truncates, scene, after);
                ask!(self.acknowledged_stays, truncates, scene, after);
                ask!(self.committed_stays, truncates, scene, after);
            }
            Fact::Leads { term } => {
                ask!(self.election_safety, leads, scene, term);
                ask!(self.one_vote_per_term, votes, scene, term, scene.node.id);
                ask!(self.elected_by_quorum, leads, scene, term);
                ask!(self.leader_completeness, leads, scene, term);
            }
            Fact::Committed { index } => match scene.node.leads {
                Some(led) => {
                    ask!(self.own_term_commit, leader_commits, scene, led, index);
                    ask!(self.durable_quorum, leader_commits, scene, led, index);
                    ask!(self.committed_stays, commits, scene, index);
                    ask!(self.leader_completeness, leader_commits, scene, led, index);
                    ask!(self.requested_membership, commits, scene, index);
                }
                None => {
                    ask!(self.committed_stays, commits, scene, index);
                    ask!(self.followers_commit, follower_commits, scene, index);
                    ask!(self.requested_membership, commits, scene, index);
                }
            },
            Fact::Applied { index, entry, state, request, effect } => {
                if let Some(request) = request {
                    ask!(self.exactly_once, applies, scene, request, effect);
                }
                ask!(self.state_machine_safety, applies, scene, index, entry, state);
            }
            Fact::Voted { term, candidate } => {
                ask!(self.promises_after_durability, votes, scene, term, candidate);
                ask!(self.one_vote_per_term, votes, scene, term, candidate);
            }
            Fact::Campaigned { term } => {
                ask!(self.promises_after_durability, votes, scene, term, scene.node.id);
                ask!(self.one_vote_per_term, votes, scene, term, scene.node.id);
                ask!(self.configurations, campaigns, scene, term);
                ask!(self.outsiders, campaigns, scene, term);
            }
            Fact::Acknowledged { term, index } => {
                ask!(self.promises_after_durability, acknowledges, scene, term, index);
            }
            Fact::ReadServed { read, applied } => ask!(self.reads, serves, scene, read, applied),
            Fact::SavedEntry { index, term, entry } => {
                ask!(self.log_matching, saves, scene, index, term, entry)
            }
            Fact::SnapshotTaken { last, state, ref configuration } => {
                ask!(self.snapshots, takes, scene, last, state, configuration);
            }
            Fact::SnapshotInstalled { last, ref configuration } => {
                ask!(self.leader_append_only, installs, scene, last);
                ask!(self.log_matching, installs, scene, last);
                ask!(self.snapshots, installs, scene, last, configuration);
                ask!(self.requested_membership, installs, scene, last.index, configuration);
                ask!(self.acknowledged_stays, truncates, scene, last.index);
                ask!(self.committed_stays, truncates, scene, last.index);
            }
            Fact::Restored { index, state } => ask!(self.snapshots, restores, scene, index, state),
            Fact::SavedSnapshot { base, last } => ask!(self.log_matching, saves_snapshot, scene, base, last),
            Fact::Configured { index, ref configuration } => {
                ask!(self.snapshots, configures, scene, index, configuration);
                ask!(self.configurations, configures, scene, index, configuration);
                ask!(self.requested_membership, configures, scene, index, configuration);
            }
            Fact::Founded { ref voters } => ask!(self.requested_membership, is_founded, scene, voters),
            Fact::ChangeRequested { request, ref change } => {
                ask!(self.requested_membership, is_requested, scene, request, change);
            }
            Fact::ChangeAnswered { request, answer } => {
                ask!(self.requested_membership, is_answered, scene, request, answer);
            }
            Fact::Quiet => ask!(self.outsiders, is_quiet, scene),
            Fact::SteppedDown { .. } => ask!(self.outsiders, steps_down, scene),
            Fact::Crashed | Fact::PowerLost | Fact::Wiped => ask!(self.outsiders, falls, scene),
            Fact::Saved { .. }
            | Fact::SavedRecovered
            | Fact::Restarted
            | Fact::WriteAcknowledged { .. }
            | Fact::ReadAsked { .. } => {}
        }
        Ok(())
    }
}
