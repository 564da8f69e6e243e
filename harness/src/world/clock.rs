//! A node's two clocks: the monotonic one that timers live by, and the one on the wall.

use invariants::Time;

/// Parts per million that make one.
const MILLION: i64 = 1_000_000;

/// A node's clocks, as functions of true time. Integers throughout: no two machines may differ in a last bit.
#[derive(Clone, Debug)]
pub struct Clock {
    /// True time from which on the present rate holds.
    since: Time,
    /// What the monotonic clock showed then.
    local_at_since: u64,
    /// Parts per million by which it is faster than true time.
    drift: i64,
    /// What the wall clock shows more than true time.
    wall: i64,
}

impl Clock {
    /// A clock at its proper rate that shows `shown` at `now`.
    #[must_use]
    pub const fn new(now: Time, shown: u64, wall: i64) -> Clock {
        Clock { since: now, local_at_since: shown, drift: 0, wall }
    }

    /// What the monotonic clock shows.
    #[must_use]
    pub const fn local(&self, now: Time) -> u64 {
        let passed = now - self.since;
        // Nearly every reading is of a clock that runs as it should: it shall not pay for a division.
        if self.drift == 0 {
            return self.local_at_since + passed;
        }
        self.local_at_since + (passed as u128 * self.rate() / MILLION as u128) as u64
    }

    /// The first true time at which the monotonic clock shows `local` or more; [`Time::MAX`] if that is never.
    ///
    /// Rounded up: a timer armed one nanosecond too early would find that it is not due, and be armed for the same
    /// instant again, for ever.
    #[must_use]
    pub fn global_of(&self, local: u64) -> Time {
        let Some(ahead) = local.checked_sub(self.local_at_since) else { return self.since };
        if self.drift == 0 {
            return self.since.saturating_add(ahead);
        }
        let passed = (u128::from(ahead) * MILLION as u128).div_ceil(self.rate());
        self.since.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// What the wall clock shows, nanoseconds.
    #[must_use]
    pub const fn wall(&self, now: Time) -> i64 {
        self.wall.saturating_add(now as i64)
    }

    /// From now on the monotonic clock is this much faster (below zero: slower) than true time.
    pub fn set_drift(&mut self, now: Time, drift: i64) {
        self.local_at_since = self.local(now);
        self.since = now;
        self.drift = drift.clamp(-MILLION / 2, MILLION / 2);
    }

    /// The monotonic clock jumps forward.
    pub fn jump(&mut self, now: Time, by: u64) {
        // However often it jumps, it never comes to the end of all time.
        let shown = self.local(now);
        self.local_at_since = shown.max(shown.saturating_add(by).min(u64::MAX / 4));
        self.since = now;
    }

    /// The wall clock jumps.
    pub fn jump_wall(&mut self, by: i64) {
        self.wall = self.wall.saturating_add(by);
    }

    /// How far the monotonic clock goes in a million units of true time.
    const fn rate(&self) -> u128 {
        (MILLION + self.drift) as u128
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What can happen to a clock, each after some time.
    #[derive(Clone, Debug)]
    enum Change {
        Drift(i64),
        Jump(u64),
    }

    fn changes() -> impl Strategy<Value = Vec<(u64, Change)>> {
        let change = prop_oneof![
            (-500_000..=500_000_i64).prop_map(Change::Drift),
            Just(Change::Drift(0)),
            (0..10_000_000_000_u64).prop_map(Change::Jump),
        ];
        prop::collection::vec((0..10_000_000_000_u64, change), 0..20)
    }

    proptest! {
        #[test]
        fn it_never_goes_back(changes in changes(), steps in prop::collection::vec(0..1_000_u64, 1..20)) {
            let (mut now, mut clock) = (0, Clock::new(0, 7, 0));
            let mut shown = clock.local(now);
            for (wait, change) in changes {
                now += wait;
                for step in &steps {
                    now += step;
                    prop_assert!(clock.local(now) >= shown);
                    shown = clock.local(now);
                }
                match change {
                    Change::Drift(drift) => clock.set_drift(now, drift),
                    Change::Jump(by) => clock.jump(now, by),
                }
                prop_assert!(clock.local(now) >= shown);
                shown = clock.local(now);
            }
        }

        #[test]
        fn a_time_is_reached_when_it_is_said_to_be(
            drift in -500_000..=500_000_i64, start in 0..1_u64 << 40, ahead in 0..1_u64 << 50,
        ) {
            let mut clock = Clock::new(start, 1_000, 0);
            clock.set_drift(start, drift);
            let due = clock.global_of(1_000 + ahead);
            prop_assert!(clock.local(due) >= 1_000 + ahead);
            prop_assert!(due == start || clock.local(due - 1) < 1_000 + ahead);
        }
    }

    #[test]
    fn what_lies_beyond_all_time_is_never_due() {
        let mut clock = Clock::new(0, 0, 0);
        assert_eq!(clock.global_of(u64::MAX), u64::MAX);
        clock.set_drift(5, -500_000);
        assert_eq!(clock.global_of(u64::MAX), u64::MAX);
    }
}
