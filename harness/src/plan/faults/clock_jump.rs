//! A monotonic clock jumps.

use super::{Begun, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use std::convert::Infallible;
use std::fmt;

fault! {
    /// A monotonic clock jumps forward, once.
    ClockJump "clock-jump", formerly [], "a monotonic clock jumps forward", {
        /// The server of the clock.
        node: Target => Slot::Target,
        /// The length of the jump.
        by: SimDuration => Slot::ClockJump,
    }
}

impl FaultType for ClockJump {
    type Active = Infallible;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {} by {}", self.node, self.by)
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Infallible>> {
        host.jump_clock(host.resolve(self.node)?, self.by);
        Some(Begun::Once)
    }
}
