//! The roles of a fault's fields. Validation, shrinking and mutation work on roles and know no kinds.

use super::{Damage, Release, Shape};
use crate::plan::{Probability, SimDuration, Target};

/// A field of a fault by its role.
pub(crate) enum Slot<'a> {
    /// A node that it needs.
    Target(&'a mut Target),
    /// Any number of nodes.
    Targets(&'a mut Vec<Target>),
    /// Its duration.
    Lasts(&'a mut SimDuration),
    /// How often something fails.
    Probability(&'a mut Probability),
    /// How long a message may be delayed.
    Delay(&'a mut SimDuration),
    /// How many times longer a sync takes.
    SyncFactor(&'a mut u64),
    /// Parts per million by which a monotonic clock is too fast. Bounded by the leases of the plan.
    ClockRate(&'a mut i64),
    /// How far a monotonic clock jumps. Impossible with leases.
    ClockJump(&'a mut SimDuration),
    /// Milliseconds by which a wall clock jumps.
    WallJump(&'a mut i64),
    /// How many things a server still does before it crashes.
    Effects(&'a mut u64),
    /// Whether something more happens.
    Flag(&'a mut bool),
    /// What ends it early.
    Release(&'a mut Release),
    /// How synced bytes go bad.
    Damage(&'a mut Damage),
    /// How many bytes a disk still takes.
    Bytes(&'a mut u64),
    /// Which links work.
    Shape(&'a mut Shape),
}

impl Slot<'_> {
    /// Whether it says how strong the fault is.
    pub(crate) const fn is_strength(&self) -> bool {
        !matches!(self, Slot::Target(_) | Slot::Targets(_) | Slot::Lasts(_))
    }

    /// Makes the fault weaker. Returns whether there is a weaker one.
    pub(crate) fn weaken(self) -> bool {
        match self {
            Slot::Target(_) | Slot::Targets(_) | Slot::Lasts(_) => return false,
            Slot::Probability(probability) => probability.0 = 0,
            Slot::Delay(delay) => delay.0 /= 2,
            Slot::SyncFactor(factor) => *factor = (*factor / 2).max(1),
            Slot::Effects(0) => return false,
            Slot::Effects(effects) => *effects /= 2,
            Slot::ClockRate(by) | Slot::WallJump(by) => *by /= 2,
            Slot::ClockJump(by) => by.0 = (by.0 / 2).max(1),
            Slot::Flag(flag) => return std::mem::take(flag),
            // No shape is weaker than another.
            Slot::Shape(_) => return false,
            Slot::Damage(damage) => return std::mem::take(damage) != Damage::Bit,
            Slot::Bytes(0) => return false,
            Slot::Bytes(bytes) => *bytes /= 2,
            Slot::Release(release) => return std::mem::take(release) != Release::Time,
        }
        true
    }
}
