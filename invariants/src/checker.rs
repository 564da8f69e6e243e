//! The checker: passes each fact to every property that it concerns and stops at the first violation.
//!
//! The cost of a fact does not depend on the number of facts before it.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Fact, Observed};
use crate::former_names::current_property_name;
use crate::milestones::Milestones;
use crate::properties::*;
use crate::state::ClusterState;
use crate::violation::Violation;
use std::fmt;

/// Name and description of a property.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Property {
    /// The name.
    pub name: &'static str,
    /// What must hold, in one line.
    pub about: &'static str,
}

/// Declares the struct of all properties and the lists that must name each of them.
macro_rules! properties {
    ($($field:ident: $property:ident,)+) => {
        /// All properties.
        pub const PROPERTIES: &[Property] =
            &[$(Property { name: $property::NAME, about: $property::ABOUT },)+];

        /// Every property; `None` if disabled.
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

/// Error: no property has this name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownProperty {
    /// The unknown name.
    pub name: String,
}

impl fmt::Display for UnknownProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = PROPERTIES.iter().map(|property| property.name).collect();
        write!(f, "There is no property \"{}\"; the properties are {}.", self.name, known.join(", "))
    }
}

impl std::error::Error for UnknownProperty {}

/// Checks a stream of facts against all properties.
#[derive(Debug)]
pub struct Checker {
    cluster: ClusterState,
    properties: Properties,
    milestones: Milestones,
}

impl Default for Checker {
    fn default() -> Self {
        Checker::new()
    }
}

impl Checker {
    /// A checker of all properties.
    #[must_use]
    pub fn new() -> Checker {
        Checker {
            cluster: ClusterState::default(),
            properties: Properties::with_disabled(&[]),
            milestones: Milestones::default(),
        }
    }

    /// A checker of all properties but these. Accepts former names (see [`current_property_name`]).
    ///
    /// # Errors
    ///
    /// A name is not known.
    pub fn with_disabled(names: &[&str]) -> Result<Checker, UnknownProperty> {
        let names: Vec<&str> = names.iter().map(|name| current_property_name(name)).collect();
        match names.iter().find(|name| PROPERTIES.iter().all(|property| property.name != **name)) {
            Some(&unknown) => Err(UnknownProperty { name: unknown.into() }),
            None => Ok(Checker { properties: Properties::with_disabled(&names), ..Checker::new() }),
        }
    }

    /// Checks the next fact; facts come in the order of the run. Do not use the checker after a violation: its
    /// results are meaningless from then on.
    ///
    /// # Errors
    ///
    /// The fact violates a property.
    pub fn observe(&mut self, observed: &Observed) -> Result<(), Box<Violation>> {
        match observed.fact {
            Fact::WriteAcknowledged { index, write } => {
                if let Some(read_safety) = &mut self.properties.read_safety {
                    read_safety.record_acked_write(observed, index, write);
                }
                self.milestones.record_client_fact(observed);
            }
            Fact::ReadAsked { read } => {
                if let Some(read_safety) = &mut self.properties.read_safety {
                    read_safety.record_read_request(read);
                }
            }
            _ => {
                // Properties and milestones see the state before the fact.
                let position = self.cluster.get_or_insert(observed.node);
                let node = self.cluster.server_at(position);
                if let Some(membership_safety) = &mut self.properties.membership_safety {
                    membership_safety.check_valid(CheckContext { cluster: &self.cluster, node, observed })?;
                }
                // A server that is listed twice counts once.
                let deduplicated = observed.without_duplicates();
                let observed = deduplicated.as_ref().unwrap_or(observed);
                self.properties.check(CheckContext { cluster: &self.cluster, node, observed })?;
                self.milestones.record_server_fact(&self.cluster, node, observed);
                self.cluster.apply_to(position, observed);
            }
        }
        Ok(())
    }

    /// For each enabled property, the number of comparisons that could have failed. A property with zero checks has
    /// not passed: it had nothing to check.
    pub fn checks(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.properties.checks()
    }

    /// The state of the cluster after the facts so far.
    #[must_use]
    pub fn cluster(&self) -> &ClusterState {
        &self.cluster
    }

    /// The milestones reached so far.
    #[must_use]
    pub fn milestones(&self) -> &Milestones {
        &self.milestones
    }
}

/// Calls a property, unless it is disabled, and returns its violation.
macro_rules! check {
    ($property:expr, $method:ident, $($argument:expr),+) => {
        if let Some(property) = &mut $property {
            property.$method($($argument),+)?;
        }
    };
}

impl Properties {
    /// Passes a server's fact to the properties that it concerns, those with the most specific violations first.
    fn check(&mut self, context: CheckContext<'_>) -> CheckResult {
        match context.observed.fact {
            Fact::Started { term, base, last, digest, .. } => {
                check!(self.no_disruption, record_failure, context);
                check!(self.monotonic_term, check_start, context, term);
                check!(self.log_matching, check_start, context, base, last, digest);
            }
            Fact::TermChanged { term } => {
                check!(self.monotonic_term, check_term_change, context, term);
                check!(self.no_disruption, check_term_change, context, term);
            }
            Fact::Appended { index, term, entry } => {
                check!(self.leader_append_only, check_append, context, index, term);
                check!(self.log_matching, check_append, context, index, term, entry);
            }
            Fact::Truncated { after } => {
                check!(self.leader_append_only, check_truncate, context, after);
                check!(self.acked_immutable, check_truncate, context, after);
                check!(self.committed_immutable, check_truncate, context, after);
            }
            Fact::Leads { term } => {
                check!(self.election_safety, check_leader, context, term);
                check!(self.one_vote_per_term, check_vote, context, term, context.node.id);
                check!(self.elected_by_quorum, check_leader, context, term);
                check!(self.leader_completeness, check_leader, context, term);
            }
            Fact::Committed { index } => match context.node.leading_term() {
                Some(led) => {
                    check!(self.current_term_commit, check_leader_commit, context, led, index);
                    check!(self.committed_on_quorum, check_leader_commit, context, led, index);
                    check!(self.committed_immutable, check_commit, context, index);
                    check!(self.leader_completeness, check_leader_commit, context, led, index);
                    check!(self.requested_membership, check_commit, context, index);
                }
                None => {
                    check!(self.committed_immutable, check_commit, context, index);
                    check!(self.follower_commit_safety, check_follower_commit, context, index);
                    check!(self.requested_membership, check_commit, context, index);
                }
            },
            Fact::Applied { index, entry, state, request, effect } => {
                if let Some(request) = request {
                    check!(self.exactly_once, check_apply, context, request, effect);
                }
                check!(self.state_machine_safety, check_apply, context, index, entry, state);
            }
            Fact::Voted { term, candidate } => {
                check!(self.persist_before_reply, check_vote, context, term, candidate);
                check!(self.one_vote_per_term, check_vote, context, term, candidate);
            }
            Fact::Campaigned { term } => {
                check!(self.persist_before_reply, check_vote, context, term, context.node.id);
                check!(self.one_vote_per_term, check_vote, context, term, context.node.id);
                check!(self.membership_safety, check_campaign, context, term);
                check!(self.no_disruption, check_campaign, context, term);
            }
            Fact::Acknowledged { term, index } => {
                check!(self.persist_before_reply, check_ack, context, term, index);
            }
            Fact::ReadServed { read, applied } => {
                check!(self.read_safety, check_read, context, read, applied)
            }
            Fact::SavedEntry { index, term, entry } => {
                check!(self.log_matching, check_saved_entry, context, index, term, entry)
            }
            Fact::SnapshotTaken { last, state, ref configuration } => {
                check!(self.snapshot_consistency, check_snapshot_taken, context, last, state, configuration);
            }
            Fact::SnapshotInstalled { last, ref configuration } => {
                check!(self.leader_append_only, check_install, context, last);
                check!(self.log_matching, check_install, context, last);
                check!(self.snapshot_consistency, check_install, context, last, configuration);
                check!(self.requested_membership, check_install, context, last.index, configuration);
                check!(self.acked_immutable, check_truncate, context, last.index);
                check!(self.committed_immutable, check_truncate, context, last.index);
            }
            Fact::Restored { index, state } => {
                check!(self.snapshot_consistency, check_restore, context, index, state)
            }
            Fact::SavedSnapshot { base, last } => {
                check!(self.log_matching, check_saved_snapshot, context, base, last)
            }
            Fact::Configured { index, ref configuration } => {
                check!(self.snapshot_consistency, check_configuration, context, index, configuration);
                check!(self.membership_safety, check_configuration, context, index, configuration);
                check!(self.requested_membership, check_configuration, context, index, configuration);
            }
            Fact::Founded { ref voters } => {
                check!(self.requested_membership, record_initial_voters, context, voters)
            }
            Fact::ChangeRequested { request, ref change } => {
                check!(self.requested_membership, record_request, context, request, change);
            }
            Fact::ChangeAnswered { request, answer } => {
                check!(self.requested_membership, record_response, context, request, answer);
            }
            Fact::Quiet => check!(self.no_disruption, record_healed, context),
            Fact::SteppedDown { .. } => check!(self.no_disruption, record_step_down, context),
            Fact::Crashed | Fact::PowerLost | Fact::Wiped => {
                check!(self.no_disruption, record_failure, context)
            }
            Fact::Saved { .. }
            | Fact::SavedRecovered
            | Fact::Restarted
            | Fact::WriteAcknowledged { .. }
            | Fact::ReadAsked { .. } => {}
        }
        Ok(())
    }
}
