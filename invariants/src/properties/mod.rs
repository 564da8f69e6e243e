//! The properties, one file each. A file begins with what must hold, its source, the facts that it needs, how it
//! checks them, and its blind spots.
//!
//! A property sees each fact *before* it is applied to the state of the cluster. A property stores only what that state
//! does not hold.
//!
//! **Checks** are comparisons that could have failed, between facts of two occasions of which neither follows from
//! the other: two servers, a server and its disk, a server and a client, or one server at two times. If a new fact
//! must differ from all earlier ones of its kind (leaders by term, votes by term), the lookup in their table is one
//! check, or none while the table is empty. A property whose facts are not stated accepts everything and has zero
//! checks.
//!
#![doc = include_str!("../../docs/properties.md")]

pub mod election_safety;
pub mod elected_by_quorum;
pub mod one_vote_per_term;
pub mod ordered_candidacies;
pub mod monotonic_term;
pub mod log_matching;
pub mod leader_append_only;
pub mod current_term_commit;
pub mod leader_completeness;
pub mod committed_on_quorum;
pub mod follower_commit_safety;
pub mod leader_counts;
pub mod persist_before_reply;
pub mod recovered_promises;
pub mod as_written;
pub mod acked_immutable;
pub mod committed_immutable;
pub mod state_machine_safety;
pub mod snapshot_consistency;
pub mod read_safety;
pub mod confirmed_reads;
pub mod exactly_once;
pub mod membership_safety;
pub mod requested_membership;
pub mod no_disruption;
pub mod leader_hints;
pub mod rejection_reasons;
pub mod repair_ends;
pub mod bookkeeping;

pub use acked_immutable::AckedImmutable;
pub use as_written::AsWritten;
pub use bookkeeping::NothingKept;
pub use committed_immutable::CommittedImmutable;
pub use committed_on_quorum::CommittedOnQuorum;
pub use confirmed_reads::ConfirmedReads;
pub use current_term_commit::CurrentTermCommit;
pub use elected_by_quorum::ElectedByQuorum;
pub use election_safety::ElectionSafety;
pub use exactly_once::ExactlyOnce;
pub use follower_commit_safety::FollowerCommitSafety;
pub use leader_append_only::LeaderAppendOnly;
pub use leader_completeness::LeaderCompleteness;
pub use leader_counts::LeaderCounts;
pub use leader_hints::LeaderHints;
pub use log_matching::LogMatching;
pub use membership_safety::MembershipSafety;
pub use monotonic_term::MonotonicTerm;
pub use no_disruption::NoDisruption;
pub use one_vote_per_term::OneVotePerTerm;
pub use ordered_candidacies::OrderedCandidacies;
pub use persist_before_reply::PersistBeforeReply;
pub use read_safety::ReadSafety;
pub use recovered_promises::RecoveredPromises;
pub use rejection_reasons::RejectionReasons;
pub use repair_ends::RepairEnds;
pub use requested_membership::RequestedMembership;
pub use snapshot_consistency::SnapshotConsistency;
pub use state_machine_safety::StateMachineSafety;

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Fact, LogId};

/// Name and description of a property.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Property {
    /// The name.
    pub name: &'static str,
    /// What must hold, in one line.
    pub about: &'static str,
    /// Whether it holds only while a quorum of disks forgets nothing.
    pub rests_on_disks: bool,
}

/// Declares the struct of all properties and the lists that must name each of them.
macro_rules! properties {
    ($($field:ident: $property:ident, rests on disks: $rests_on_disks:literal,)+) => {
        /// All properties.
        pub const PROPERTIES: &[Property] =
            &[$(Property {
                name: $property::NAME,
                about: $property::ABOUT,
                rests_on_disks: $rests_on_disks,
            },)+];

        /// Every property; `None` if disabled.
        #[derive(Debug)]
        pub(crate) struct Properties { $(pub(crate) $field: Option<$property>,)+ }

        impl Properties {
            pub(crate) fn with_disabled(names: &[&str]) -> Properties {
                Properties { $($field: (!names.contains(&$property::NAME)).then($property::default),)+ }
            }

            pub(crate) fn checks(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(self.$field.as_ref().map(|property| ($property::NAME, property.checks)),)+].into_iter().flatten()
            }
        }
    };
}

properties! {
    election_safety: ElectionSafety, rests on disks: true,
    elected_by_quorum: ElectedByQuorum, rests on disks: true,
    one_vote_per_term: OneVotePerTerm, rests on disks: true,
    ordered_candidacies: OrderedCandidacies, rests on disks: false,
    monotonic_term: MonotonicTerm, rests on disks: true,
    log_matching: LogMatching, rests on disks: true,
    leader_append_only: LeaderAppendOnly, rests on disks: false,
    current_term_commit: CurrentTermCommit, rests on disks: true,
    committed_on_quorum: CommittedOnQuorum, rests on disks: true,
    follower_commit_safety: FollowerCommitSafety, rests on disks: true,
    leader_completeness: LeaderCompleteness, rests on disks: true,
    leader_counts: LeaderCounts, rests on disks: true,
    persist_before_reply: PersistBeforeReply, rests on disks: true,
    recovered_promises: RecoveredPromises, rests on disks: true,
    as_written: AsWritten, rests on disks: false,
    acked_immutable: AckedImmutable, rests on disks: true,
    committed_immutable: CommittedImmutable, rests on disks: true,
    state_machine_safety: StateMachineSafety, rests on disks: true,
    snapshot_consistency: SnapshotConsistency, rests on disks: true,
    read_safety: ReadSafety, rests on disks: true,
    confirmed_reads: ConfirmedReads, rests on disks: true,
    exactly_once: ExactlyOnce, rests on disks: true,
    membership_safety: MembershipSafety, rests on disks: true,
    requested_membership: RequestedMembership, rests on disks: true,
    no_disruption: NoDisruption, rests on disks: true,
    leader_hints: LeaderHints, rests on disks: false,
    rejection_reasons: RejectionReasons, rests on disks: true,
    repair_ends: RepairEnds, rests on disks: true,
    bookkeeping: NothingKept, rests on disks: true,
}

/// Calls a property, unless it is disabled, and returns its violation.
macro_rules! check {
    ($property:expr, $method:ident, $($argument:expr),*) => {
        if let Some(property) = &mut $property {
            property.$method($($argument),*)?;
        }
    };
}

impl Properties {
    /// Passes a server's fact to the properties that it concerns, those with the most specific violations first.
    pub(crate) fn check(&mut self, context: CheckContext<'_>) -> CheckResult {
        match context.observed.fact {
            Fact::Started { term, vote, base, last, digest } => {
                check!(self.no_disruption, record_failure, context);
                check!(self.monotonic_term, check_start, context, term);
                check!(self.log_matching, check_start, context, base, last, digest);
                check!(self.recovered_promises, check_start, context, term, vote, base, last);
                check!(self.as_written, check_start, context, base, last, digest);
            }
            Fact::TermChanged { term } => {
                check!(self.monotonic_term, check_term_change, context, term);
                check!(self.no_disruption, check_term_change, context, term);
                check!(self.leader_hints, record_end, context);
            }
            Fact::Appended { index, term, entry } => {
                check!(self.leader_append_only, check_append, context, index, term);
                check!(self.log_matching, check_append, context, index, term, entry);
                check!(self.as_written, record_append, context, LogId { index, term }, entry);
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
                check!(self.leader_counts, record_leader, context);
            }
            Fact::Counts { term, follower, identity, match_index } => {
                check!(self.leader_counts, check_count, context, term, (follower, identity), match_index);
            }
            Fact::Committed { index } => match context.cluster.committing_term(context.node, index) {
                Some(led) => {
                    check!(self.current_term_commit, check_leader_commit, context, led, index);
                    check!(self.committed_on_quorum, check_leader_commit, context, led, index);
                    check!(self.committed_immutable, check_commit, context, index);
                    check!(self.leader_completeness, check_leader_commit, context, led, index);
                    check!(self.requested_membership, check_commit, context, index);
                    check!(self.confirmed_reads, record_leader_commit, context, led, index);
                }
                None => {
                    check!(self.committed_immutable, check_commit, context, index);
                    check!(self.follower_commit_safety, check_follower_commit, context, index);
                    check!(self.requested_membership, check_commit, context, index);
                }
            },
            Fact::Applied { index, entry, state, request, effect, session } => {
                if let Some(request) = request {
                    check!(self.exactly_once, check_apply, context, request, effect);
                }
                check!(self.exactly_once, check_session, context, index, request, session);
                check!(self.state_machine_safety, check_apply, context, index, entry, state);
                check!(self.as_written, record_apply, context, index, state);
            }
            Fact::Voted { term, candidate } => {
                check!(self.persist_before_reply, check_vote, context, term, candidate);
                check!(self.one_vote_per_term, check_vote, context, term, candidate);
                check!(self.recovered_promises, record_vote, context, term, candidate);
            }
            Fact::Campaigned { term } => {
                check!(self.persist_before_reply, check_vote, context, term, context.node.id);
                check!(self.one_vote_per_term, check_vote, context, term, context.node.id);
                check!(self.recovered_promises, record_vote, context, term, context.node.id);
                check!(self.membership_safety, check_campaign, context, term);
                check!(self.no_disruption, check_campaign, context, term);
                check!(self.ordered_candidacies, record_campaign, context, term);
            }
            Fact::ToldToCampaign { term, leader } => {
                check!(self.ordered_candidacies, record_order, context, term, leader);
            }
            Fact::CampaignedByOrder { term } => {
                check!(self.ordered_candidacies, check_campaign, context, term);
            }
            Fact::Kept { requests, promises, parts, ref followers } => {
                check!(self.bookkeeping, check_kept, context, [requests, promises, parts], followers);
            }
            Fact::SizeKept { before, after } => {
                check!(self.bookkeeping, check_size, context, before, after);
            }
            Fact::Healed => check!(self.repair_ends, record_healed, context),
            Fact::EntriesSent { term, follower, entries, first, identity } => {
                check!(self.leader_counts, check_sent, context, term, (follower, identity), first);
                check!(self.repair_ends, check_entries, context, term, follower, entries);
            }
            Fact::ChunkSent { term, follower, last, bytes, size } => {
                check!(self.repair_ends, check_chunk, context, term, follower, (last, bytes, size));
            }
            Fact::CommandRejected { reason, ref servers } => {
                let (node, counts) = (context.node.id, self.leader_counts.as_ref());
                let counted = |follower| counts.map_or(0, |counts| counts.counted_up_to(node, follower));
                check!(self.rejection_reasons, check_rejection, context, reason, servers, counted);
            }
            Fact::Redirected { leader } => check!(self.leader_hints, check_hint, context, leader),
            Fact::Acknowledged { term, index } => {
                check!(self.persist_before_reply, check_ack, context, term, index);
            }
            Fact::ReadServed { read, applied } => {
                check!(self.confirmed_reads, check_serve, context, read, applied);
                check!(self.read_safety, check_read, context, read, applied);
            }
            Fact::ReadArrived { read } => check!(self.confirmed_reads, record_arrival, context, read),
            Fact::ReadConfirmed { read, term, index, by } => {
                check!(self.confirmed_reads, check_confirmation, context, read, term, index, by);
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
                check!(self.snapshot_consistency, check_restore, context, index, state);
                check!(self.as_written, check_restore, context, index, state);
            }
            Fact::SavedSnapshot { base, last } => {
                check!(self.log_matching, check_saved_snapshot, context, base, last)
            }
            Fact::Configured { index, ref configuration } => {
                check!(self.snapshot_consistency, check_configuration, context, index, configuration);
                check!(self.membership_safety, check_configuration, context, index, configuration);
                check!(self.requested_membership, check_configuration, context, index, configuration);
                check!(self.leader_counts, record_configuration, context, configuration);
            }
            Fact::Founded { ref voters } => {
                check!(self.requested_membership, record_initial_voters, context, voters)
            }
            Fact::SessionLifetime { lifetime } => {
                check!(self.exactly_once, record_lifetime, context, lifetime);
            }
            Fact::ChangeRequested { request, ref change } => {
                check!(self.requested_membership, record_request, context, request, change);
            }
            Fact::ChangeAnswered { request, answer } => {
                check!(self.requested_membership, record_response, context, request, answer);
            }
            Fact::Quiet => check!(self.no_disruption, record_healed, context),
            Fact::SteppedDown { .. } => {
                check!(self.no_disruption, record_step_down, context);
                check!(self.leader_hints, record_end, context);
            }
            Fact::Crashed | Fact::PowerLost => {
                check!(self.no_disruption, record_failure, context);
                check!(self.repair_ends, record_failure, context);
            }
            Fact::Wiped => {
                check!(self.no_disruption, record_failure, context);
                check!(self.recovered_promises, record_wipe, context);
                check!(self.as_written, record_damage,);
            }
            Fact::Identified { identity } => check!(self.as_written, check_identity, context, identity),
            Fact::Damaged => check!(self.as_written, record_damage,),
            Fact::Saved { .. }
            | Fact::SavedRecovered
            | Fact::Restarted
            | Fact::LeasePromised { .. }
            | Fact::ClockChanged { .. }
            | Fact::Answered { .. }
            | Fact::WriteAcknowledged { .. }
            | Fact::ReadAsked { .. } => {}
        }
        Ok(())
    }
}
