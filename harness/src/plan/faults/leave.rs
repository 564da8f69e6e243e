//! The operator ends a joint configuration.

use super::{Begun, FaultHost, FaultType};
use crate::plan::OperatorCommand;
use std::convert::Infallible;
use std::fmt;

fault! {
    /// An operator command: leave the joint configuration.
    Leave "leave", formerly [], "the operator asks to leave the joint configuration", {}
}

impl FaultType for Leave {
    type Active = Infallible;

    fn describe(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Infallible>> {
        Some(Begun::Command(host.current_leader()?, OperatorCommand::Leave))
    }
}
