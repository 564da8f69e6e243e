//! What must hold of facts: one file per property, opening with its source, the facts that it needs, how it reads them,
//! and what it cannot see.
//!
//! A property is shown each fact that concerns it *before* the shadow takes that fact in, so the shadow is the past and
//! the fact is the news. It keeps only what the shadow does not.
//!
//! **Looking.** `looked` counts comparisons that could have failed, between facts of two occasions of which neither
//! follows from the other: two servers, a server and a disk, a server and a client, one server at two times. Where each
//! new fact must differ from all of its kind (leaders by term, votes by term), it is compared with the table of all
//! earlier ones; that is one look, and none while the table is empty. A property that needs facts which nobody states
//! lets everything go and looks zero times.
//!
#![doc = include_str!("../../docs/properties.md")]

pub mod election_safety;
pub mod elected_by_quorum;
pub mod one_vote_per_term;
pub mod monotonic_term;
pub mod log_matching;
pub mod leader_append_only;
pub mod own_term_commit;
pub mod leader_completeness;
pub mod durable_quorum;
pub mod followers_commit;
pub mod promises_after_durability;
pub mod acknowledged_stays;
pub mod committed_stays;
pub mod state_machine_safety;
pub mod snapshots;
pub mod reads;
pub mod exactly_once;
pub mod configurations;
pub mod requested_membership;
pub mod outsiders;

pub use acknowledged_stays::AcknowledgedStays;
pub use committed_stays::CommittedStays;
pub use configurations::Configurations;
pub use durable_quorum::DurableQuorum;
pub use elected_by_quorum::ElectedByQuorum;
pub use election_safety::ElectionSafety;
pub use exactly_once::ExactlyOnce;
pub use followers_commit::FollowersCommit;
pub use leader_append_only::LeaderAppendOnly;
pub use leader_completeness::LeaderCompleteness;
pub use log_matching::LogMatching;
pub use monotonic_term::MonotonicTerm;
pub use one_vote_per_term::OneVotePerTerm;
pub use outsiders::Outsiders;
pub use own_term_commit::OwnTermCommit;
pub use promises_after_durability::PromisesAfterDurability;
pub use reads::Reads;
pub use requested_membership::RequestedMembership;
pub use snapshots::Snapshots;
pub use state_machine_safety::StateMachineSafety;
