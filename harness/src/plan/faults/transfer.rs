//! The operator transfers leadership.

use super::{Begun, FaultHost, FaultType, Slot};
use crate::plan::{OperatorCommand, Target};
use std::convert::Infallible;
use std::fmt;

fault! {
    /// An operator command, not a failure: transfer leadership.
    Transfer "transfer", formerly [], "the operator asks for a leadership transfer", {
        /// The transfer target.
        to: Target => Slot::Target,
    }
}

impl FaultType for Transfer {
    type Active = Infallible;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " to {}", self.to)
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Infallible>> {
        let (leader, to) = (host.current_leader()?, host.resolve(self.to)?);
        Some(Begun::Command(leader, OperatorCommand::Transfer(to)))
    }
}
