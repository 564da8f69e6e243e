//! Messages are held, and arrive late.

use super::{Begun, End, FaultHost, FaultType, HoldRule, Release, Slot, is_default};
use crate::plan::{SimDuration, Target};
use invariants::Node;
use std::fmt;

fault! {
    /// The network loses no message from one server to another, but delivers none, either: all that are sent meanwhile
    /// arrive once the fault ends. This is what a full queue does, a route that flaps, or a connection that the system
    /// retries for minutes. The receiver may have restarted, and the sender may lead no more.
    HeldMessages "held-messages", formerly [],
    "messages from one server to another are held, and arrive late, in order or not", {
        /// The sender.
        from: Target => Slot::Target,
        /// The receiver.
        to: Target => Slot::Target,
        /// Whether the other direction is held, too.
        both_ways: bool = false => Slot::Flag,
        /// Whether they arrive in another order than they were sent.
        shuffled: bool = false => Slot::Flag,
        /// Whether only the first message is held, and later ones overtake it.
        #[serde(skip_serializing_if = "is_default")]
        single: bool = false => Slot::Flag,
        /// Within which time they arrive once they are released; 0: all at once.
        #[serde(skip_serializing_if = "SimDuration::is_zero")]
        spread: SimDuration = SimDuration(0) => Slot::Delay,
        /// What releases them earlier.
        until: Release = Release::Time => Slot::Release,
        /// Duration; the longest, if something else releases them.
        lasts: SimDuration => Slot::Lasts,
    }
}

/// Links whose messages are held.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct HeldLinks {
    /// The number of the hold in the world.
    number: u64,
    until: Release,
    /// Elections that have passed.
    elections: u64,
}

impl HeldLinks {
    /// A leader was elected: whether that releases the messages.
    pub(crate) const fn count_election(&mut self) -> bool {
        self.elections += 1;
        match self.until {
            Release::Election => true,
            Release::TwoElections => self.elections == 2,
            Release::Time | Release::Restart => false,
        }
    }

    /// Whether elections release them.
    pub(crate) const fn waits_for_elections(&self) -> bool {
        matches!(self.until, Release::Election | Release::TwoElections)
    }

    /// Whether a restart releases them.
    pub(crate) fn waits_for_restart(&self) -> bool {
        self.until == Release::Restart
    }
}

impl FaultType for HeldMessages {
    type Active = HeldLinks;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HeldMessages { from, to, both_ways, shuffled, single, spread, until, .. } = self;
        let way = if *both_ways { "between" } else { "from" };
        let and = if *both_ways { "and" } else { "to" };
        write!(f, " {way} {from} {and} {to}")?;
        f.write_str(if *single { ", one" } else { "" })?;
        f.write_str(if *shuffled { ", shuffled" } else { "" })?;
        if *spread > SimDuration(0) {
            write!(f, ", spread over {spread}")?;
        }
        f.write_str(match until {
            Release::Time => "",
            Release::Election => ", until a leader is elected",
            Release::TwoElections => ", until two leaders are elected",
            Release::Restart => ", until a server restarts",
        })
    }

    fn invalid_field(&self) -> Option<(&'static str, &'static str)> {
        (self.from == self.to).then_some(("to", "is the same as `from`: a server has no link to itself"))
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<HeldLinks>> {
        let (from, to): (Node, Node) = (host.resolve(self.from)?, host.resolve(self.to)?);
        let back = self.both_ways.then_some((to, from));
        let links = [Some((from, to)), back].into_iter().flatten().collect();
        (from != to).then(|| {
            let rule = HoldRule { shuffled: self.shuffled, single: self.single, spread: self.spread };
            let number = host.hold_messages(links, rule);
            Begun::Until(HeldLinks { number, until: self.until, elections: 0 }, self.lasts)
        })
    }
}

impl End for HeldLinks {
    fn end(self, host: &mut dyn FaultHost) {
        host.release_messages(self.number);
    }
}

impl fmt::Display for HeldLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("held messages are released")
    }
}
