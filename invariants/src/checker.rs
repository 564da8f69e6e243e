//! Facts in, verdicts out: each fact goes to every property that it concerns, at once.
//!
//! The first clash is the verdict. A fact costs the same after a million others as after ten.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Fact, Observed};
use crate::former_names::current_property_name;
use crate::milestones::Milestones;
use crate::properties::*;
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
            fn with_disabled(names: &[&str]) -> Properties {
                Properties { $($field: (!names.contains(&$property::NAME)).then($property::default),)+ }
            }

            fn checks(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(self.$field.as_ref().map(|property| ($property::NAME, property.checks)),)+].into_iter().flatten()
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
    current_term_commit: CurrentTermCommit,
    committed_on_quorum: CommittedOnQuorum,
    follower_commit_safety: FollowerCommitSafety,
    leader_completeness: LeaderCompleteness,
    persist_before_reply: PersistBeforeReply,
    acked_immutable: AckedImmutable,
    committed_immutable: CommittedImmutable,
    state_machine_safety: StateMachineSafety,
    snapshot_consistency: SnapshotConsistency,
    read_safety: ReadSafety,
    exactly_once: ExactlyOnce,
    membership_safety: MembershipSafety,
    requested_membership: RequestedMembership,
    no_disruption: NoDisruption,
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
            properties: Properties::with_disabled(&[]),
            milestones: Milestones::default(),
        }
    }

    /// Asks all properties but these.
    pub fn with_disabled(names: &[&str]) -> Result<Checker, UnknownProperty> {
        let names: Vec<&str> = names.iter().map(|name| current_property_name(name)).collect();
        match names.iter().find(|name| PROPERTIES.iter().all(|property| property.name != **name)) {
            Some(&unknown) => Err(UnknownProperty { name: unknown.into() }),
            None => Ok(Checker { properties: Properties::with_disabled(&names), ..Checker::new() }),
        }
    }

    /// Takes the next fact. Facts come in the order of the run. After a violation the checker has seen its last fact: what
    /// it would say of later ones means nothing.
    pub fn observe(&mut self, observed: &Observed) -> Result<(), Box<Violation>> {
        match observed.fact {
            Fact::WriteAcknowledged { index, write } => {
                if let Some(reads) = &mut self.properties.read_safety {
                    reads.record_acked_write(observed, index, write);
                }
                self.milestones.record_client_fact(observed);
            }
            Fact::ReadAsked { read } => {
                if let Some(reads) = &mut self.properties.read_safety {
                    reads.record_read_request(read);
                }
            }
            _ => {
                // Properties and milestones see the shadow as it stood before the fact; then the fact becomes the past.
                let place = self.shadow.get_or_insert_node(observed.node);
                let node = self.shadow.node_at(place);
                if let Some(configurations) = &mut self.properties.membership_safety {
                    configurations.check_valid(CheckContext { shadow: &self.shadow, node, observed })?;
                }
                // Whoever is listed twice counts once.
                let once = observed.without_duplicates();
                let observed = once.as_ref().unwrap_or(observed);
                self.properties.check(CheckContext { shadow: &self.shadow, node, observed })?;
                self.milestones.record_server_fact(&self.shadow, node, observed);
                self.shadow.apply_fact(place, observed);
            }
        }
        Ok(())
    }

    /// How often each property that was asked has looked.
    pub fn checks(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.properties.checks()
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
    fn check(&mut self, scene: CheckContext<'_>) -> CheckResult {
        match scene.observed.fact {
            Fact::Started { term, base, last, digest, .. } => {
                ask!(self.no_disruption, record_failure, scene);
                ask!(self.monotonic_term, check_start, scene, term);
                ask!(self.log_matching, check_start, scene, base, last, digest);
            }
            Fact::TermChanged { term } => {
                ask!(self.monotonic_term, check_term_change, scene, term);
                ask!(self.no_disruption, check_term_change, scene, term);
            }
            Fact::Appended { index, term, entry } => {
                ask!(self.leader_append_only, check_append, scene, index, term);
                ask!(self.log_matching, check_append, scene, index, term, entry);
            }
            Fact::Truncated { after } => {
                ask!(self.leader_append_only, check_truncate, scene, after);
                ask!(self.acked_immutable, check_truncate, scene, after);
                ask!(self.committed_immutable, check_truncate, scene, after);
            }
            Fact::Leads { term } => {
                ask!(self.election_safety, check_leader, scene, term);
                ask!(self.one_vote_per_term, check_vote, scene, term, scene.node.id);
                ask!(self.elected_by_quorum, check_leader, scene, term);
                ask!(self.leader_completeness, check_leader, scene, term);
            }
            Fact::Committed { index } => match scene.node.leader_of {
                Some(led) => {
                    ask!(self.current_term_commit, check_leader_commit, scene, led, index);
                    ask!(self.committed_on_quorum, check_leader_commit, scene, led, index);
                    ask!(self.committed_immutable, check_commit, scene, index);
                    ask!(self.leader_completeness, check_leader_commit, scene, led, index);
                    ask!(self.requested_membership, check_commit, scene, index);
                }
                None => {
                    ask!(self.committed_immutable, check_commit, scene, index);
                    ask!(self.follower_commit_safety, check_follower_commit, scene, index);
                    ask!(self.requested_membership, check_commit, scene, index);
                }
            },
            Fact::Applied { index, entry, state, request, effect } => {
                if let Some(request) = request {
                    ask!(self.exactly_once, check_apply, scene, request, effect);
                }
                ask!(self.state_machine_safety, check_apply, scene, index, entry, state);
            }
            Fact::Voted { term, candidate } => {
                ask!(self.persist_before_reply, check_vote, scene, term, candidate);
                ask!(self.one_vote_per_term, check_vote, scene, term, candidate);
            }
            Fact::Campaigned { term } => {
                ask!(self.persist_before_reply, check_vote, scene, term, scene.node.id);
                ask!(self.one_vote_per_term, check_vote, scene, term, scene.node.id);
                ask!(self.membership_safety, check_campaign, scene, term);
                ask!(self.no_disruption, check_campaign, scene, term);
            }
            Fact::Acknowledged { term, index } => {
                ask!(self.persist_before_reply, check_ack, scene, term, index);
            }
            Fact::ReadServed { read, applied } => ask!(self.read_safety, check_read, scene, read, applied),
            Fact::SavedEntry { index, term, entry } => {
                ask!(self.log_matching, check_saved_entry, scene, index, term, entry)
            }
            Fact::SnapshotTaken { last, state, ref configuration } => {
                ask!(self.snapshot_consistency, check_snapshot_taken, scene, last, state, configuration);
            }
            Fact::SnapshotInstalled { last, ref configuration } => {
                ask!(self.leader_append_only, check_install, scene, last);
                ask!(self.log_matching, check_install, scene, last);
                ask!(self.snapshot_consistency, check_install, scene, last, configuration);
                ask!(self.requested_membership, check_install, scene, last.index, configuration);
                ask!(self.acked_immutable, check_truncate, scene, last.index);
                ask!(self.committed_immutable, check_truncate, scene, last.index);
            }
            Fact::Restored { index, state } => {
                ask!(self.snapshot_consistency, check_restore, scene, index, state)
            }
            Fact::SavedSnapshot { base, last } => {
                ask!(self.log_matching, check_saved_snapshot, scene, base, last)
            }
            Fact::Configured { index, ref configuration } => {
                ask!(self.snapshot_consistency, check_configuration, scene, index, configuration);
                ask!(self.membership_safety, check_configuration, scene, index, configuration);
                ask!(self.requested_membership, check_configuration, scene, index, configuration);
            }
            Fact::Founded { ref voters } => {
                ask!(self.requested_membership, record_initial_voters, scene, voters)
            }
            Fact::ChangeRequested { request, ref change } => {
                ask!(self.requested_membership, record_request, scene, request, change);
            }
            Fact::ChangeAnswered { request, answer } => {
                ask!(self.requested_membership, record_response, scene, request, answer);
            }
            Fact::Quiet => ask!(self.no_disruption, record_healed, scene),
            Fact::SteppedDown { .. } => ask!(self.no_disruption, record_step_down, scene),
            Fact::Crashed | Fact::PowerLost | Fact::Wiped => ask!(self.no_disruption, record_failure, scene),
            Fact::Saved { .. }
            | Fact::SavedRecovered
            | Fact::Restarted
            | Fact::WriteAcknowledged { .. }
            | Fact::ReadAsked { .. } => {}
        }
        Ok(())
    }
}
