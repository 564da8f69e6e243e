//! The operator changes the membership.

use super::{Begun, FaultHost, FaultType, Slot};
use crate::plan::{MembershipOp, OperatorCommand, Target};
use std::convert::Infallible;
use std::fmt;

fault! {
    /// An operator command: change the membership.
    Change "change", formerly [], "the operator asks for a membership change", {
        /// Servers to make voters.
        voters: Vec<Target> = Vec::new() => Slot::Targets,
        /// Servers to make learners.
        learners: Vec<Target> = Vec::new() => Slot::Targets,
        /// Servers to remove.
        remove: Vec<Target> = Vec::new() => Slot::Targets,
        /// Whether to stay in the joint configuration until `leave`.
        by_joint: bool = false => Slot::Flag,
    }
}

impl FaultType for Change {
    type Active = Infallible;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [("voters", &self.voters), ("learners", &self.learners), ("remove", &self.remove)];
        for (name, nodes) in lists.into_iter().filter(|(_, nodes)| !nodes.is_empty()) {
            write!(f, " {name}")?;
            nodes.iter().try_for_each(|node| write!(f, " {node}"))?;
        }
        f.write_str(if self.by_joint { " and stay joint" } else { "" })
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Infallible>> {
        let leader = host.current_leader()?;
        let mut steps = Vec::new();
        let mut add = |targets: &[Target], op: fn(u64) -> MembershipOp| {
            steps.extend(targets.iter().flat_map(|target| host.resolve_all(*target)).map(op));
        };
        add(&self.voters, MembershipOp::Voter);
        add(&self.learners, MembershipOp::Learner);
        add(&self.remove, MembershipOp::Remove);
        Some(Begun::Command(leader, OperatorCommand::Change { steps, by_joint: self.by_joint }))
    }
}
