//! A process crashes in the middle of a step.

use super::{Begun, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use std::convert::Infallible;
use std::fmt;

/// The most things that a server may still do before it crashes.
pub(in crate::plan) const MAX_EFFECTS: u64 = 1_000;

fault! {
    /// The server crashes between two things that one step does to the world: a process ends, or the power fails, between
    /// any two system calls. `effects` things are still carried out: messages, replies, writes, renames, syncs, applied
    /// entries. Nothing after them is, nor is it stated. A promise and the message that makes it are one thing.
    MidStepCrash "mid-step-crash", formerly [],
    "a process crashes between two things that one step does, after so many of them", {
        /// The server.
        node: Target => Slot::Target,
        /// How many things it still does.
        effects: u64 = 0 => Slot::Effects,
        /// Whether it loses power, and with it unsynced writes.
        power_loss: bool = false => Slot::Flag,
        /// Downtime.
        lasts: SimDuration => Slot::Lasts,
    }
}

impl FaultType for MidStepCrash {
    type Active = Infallible;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {} after {} effects", self.node, self.effects)?;
        f.write_str(if self.power_loss { " by power loss" } else { "" })
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Infallible>> {
        let node = host.resolve(self.node)?;
        host.crash_mid_step(node, self.effects, self.power_loss, self.lasts).then_some(Begun::Once)
    }
}
