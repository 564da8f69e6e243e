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
pub mod monotonic_term;
pub mod log_matching;
pub mod leader_append_only;
pub mod current_term_commit;
pub mod leader_completeness;
pub mod committed_on_quorum;
pub mod follower_commit_safety;
pub mod persist_before_reply;
pub mod acked_immutable;
pub mod committed_immutable;
pub mod state_machine_safety;
pub mod snapshot_consistency;
pub mod read_safety;
pub mod exactly_once;
pub mod membership_safety;
pub mod requested_membership;
pub mod no_disruption;

pub use acked_immutable::AckedImmutable;
pub use committed_immutable::CommittedImmutable;
pub use committed_on_quorum::CommittedOnQuorum;
pub use current_term_commit::CurrentTermCommit;
pub use elected_by_quorum::ElectedByQuorum;
pub use election_safety::ElectionSafety;
pub use exactly_once::ExactlyOnce;
pub use follower_commit_safety::FollowerCommitSafety;
pub use leader_append_only::LeaderAppendOnly;
pub use leader_completeness::LeaderCompleteness;
pub use log_matching::LogMatching;
pub use membership_safety::MembershipSafety;
pub use monotonic_term::MonotonicTerm;
pub use no_disruption::NoDisruption;
pub use one_vote_per_term::OneVotePerTerm;
pub use persist_before_reply::PersistBeforeReply;
pub use read_safety::ReadSafety;
pub use requested_membership::RequestedMembership;
pub use snapshot_consistency::SnapshotConsistency;
pub use state_machine_safety::StateMachineSafety;
