//! The clock of a node, as the world states it.

use crate::fact::Time;

/// One, in parts per million.
const MILLION: u64 = 1_000_000;

/// How much time a node's clock has measured since the first fact, restarts included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeClock {
    /// The true time since which the rate holds.
    since: Time,
    /// What was measured until then.
    measured: u64,
    /// How far it advances in a million nanoseconds of true time.
    rate: u64,
}

impl Default for NodeClock {
    fn default() -> Self {
        NodeClock { since: 0, measured: 0, rate: MILLION }
    }
}

impl NodeClock {
    /// What it has measured at this true time, in nanoseconds.
    #[inline]
    pub(crate) const fn elapsed(&self, at: Time) -> u64 {
        let passed = at.saturating_sub(self.since);
        // Nearly all clocks have the rate of true time: avoid the division for them.
        if self.rate == MILLION {
            return self.measured.saturating_add(passed);
        }
        let passed = passed as u128 * self.rate as u128 / MILLION as u128;
        let measured = self.measured as u128 + passed;
        if measured > u64::MAX as u128 { u64::MAX } else { measured as u64 }
    }

    /// It jumps forward, and has this rate from now on.
    pub(crate) const fn change(&mut self, at: Time, jump: u64, rate: u64) {
        let measured = self.elapsed(at).saturating_add(jump);
        *self = NodeClock { since: at, measured, rate };
    }
}

#[cfg(test)]
mod tests {
    use super::NodeClock;

    #[test]
    fn time_passes_at_the_rate_of_the_clock() {
        let mut clock = NodeClock::default();
        assert_eq!(clock.elapsed(7_000_000), 7_000_000);
        clock.change(10_000_000, 0, 1_100_000);
        assert_eq!(clock.elapsed(20_000_000), 21_000_000);
        clock.change(20_000_000, 500, 900_000);
        assert_eq!(clock.elapsed(30_000_000), 30_000_500);
        clock.change(u64::MAX, u64::MAX, u64::MAX);
        assert_eq!(clock.elapsed(u64::MAX), u64::MAX);
    }
}
