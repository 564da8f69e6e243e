//! A wall clock jumps.

use super::{Begun, FaultHost, FaultType, Slot};
use crate::plan::Target;
use std::convert::Infallible;
use std::fmt;

fault! {
    /// A wall clock jumps, once.
    WallJump "wall-jump", formerly [], "a wall clock jumps", {
        /// The server of the clock.
        node: Target => Slot::Target,
        /// The length of the jump in milliseconds; negative: back.
        by: i64 => Slot::WallJump,
    }
}

impl FaultType for WallJump {
    type Active = Infallible;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {} by {}ms", self.node, self.by)
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Infallible>> {
        host.jump_wall_clock(host.resolve(self.node)?, self.by);
        Some(Begun::Once)
    }
}
