//! Commands of the operator to a leader.

use invariants::Node;

/// One step of a membership change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MembershipOp {
    /// Make this server a voter.
    Voter(u64),
    /// Make this server a learner.
    Learner(u64),
    /// Remove this server.
    Remove(u64),
}

/// An operator's command. A system that does not support it rejects it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OperatorCommand {
    /// Transfer leadership to this server.
    Transfer(Node),
    /// Change the configuration.
    Change {
        /// The operations, in order.
        steps: Vec<MembershipOp>,
        /// Whether to stay in the joint phase until [`OperatorCommand::Leave`].
        by_joint: bool,
    },
    /// Leave the joint phase.
    Leave,
}
