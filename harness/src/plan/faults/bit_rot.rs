//! Synced bytes of a disk go bad.

use super::{Begun, Damage, Down, FaultHost, FaultType, Slot, is_default};
use crate::plan::{SimDuration, Target};
use std::fmt;

/// How long the server is then down: it must read the disk again to notice.
const DOWNTIME: SimDuration = SimDuration::millis(50);

fault! {
    /// Synced bytes go bad, and the disk does not say so: a bit flips, a write was lost or went to the wrong place, a sector
    /// cannot be read. The server restarts, and must notice. Only where something durable shows the loss, unless the plan has
    /// [`unlimited_damage`](crate::plan::Plan::unlimited_damage).
    /// (Bairavasundaram et al., An Analysis of Data Corruption in the Storage Stack, FAST 2008; Alagappan et al., Protocol-
    /// Aware Recovery for Consensus-Based Storage, FAST 2018.)
    BitRot "bit-rot", formerly ["rot"], "synced bytes go bad, which shows when the server restarts", {
        /// The server of the disk.
        node: Target => Slot::Target,
        /// How they go bad.
        #[serde(skip_serializing_if = "is_default")]
        how: Damage = Damage::Bit => Slot::Damage,
        /// Whether it is left out where the undamaged disks of a configuration that may be in force would be no quorum.
        #[serde(skip_serializing_if = "is_default")]
        within_quorum: bool = false => Slot::Flag,
    }
}

impl FaultType for BitRot {
    type Active = Down;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}{}", self.node, self.how.words())
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Down>> {
        let node = host.resolve(self.node)?;
        if !host.damage(node, self.how, self.within_quorum) {
            return None;
        }
        host.take_down(node, true);
        Some(Begun::Until(Down(vec![node]), DOWNTIME))
    }
}
