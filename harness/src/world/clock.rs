//! A node's two clocks: the monotonic clock, which drives timers, and the wall clock.

use invariants::Time;

/// One, in parts per million.
const MILLION: i64 = 1_000_000;

/// A node's clocks, as functions of true time. Only integers, so that all machines compute the same.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The true time since which the current rate holds.
    since: Time,
    /// The reading of the monotonic clock at `since`.
    local_at_since: u64,
    /// By how much it is faster than true time, in parts per million.
    drift: i64,
    /// By how much the wall clock is ahead of true time, in nanoseconds.
    wall: i64,
}

impl Clock {
    /// A clock without drift that shows `shown` at `now`.
    #[must_use]
    pub const fn new(now: Time, shown: u64, wall: i64) -> Clock {
        Clock { since: now, local_at_since: shown, drift: 0, wall }
    }

    /// The reading of the monotonic clock.
    #[must_use]
    pub const fn local(&self, now: Time) -> u64 {
        let passed = now - self.since;
        // Nearly all clocks have no drift: avoid the division for them.
        if self.drift == 0 {
            return self.local_at_since + passed;
        }
        self.local_at_since + (passed as u128 * self.rate() as u128 / MILLION as u128) as u64
    }

    /// The first true time at which the monotonic clock shows `local` or more; [`Time::MAX`] if never.
    ///
    /// Rounded up: a timer that fires a nanosecond early would not be due and would be armed for the same
    /// instant for ever.
    #[must_use]
    pub fn global_of(&self, local: u64) -> Time {
        let Some(ahead) = local.checked_sub(self.local_at_since) else { return self.since };
        if self.drift == 0 {
            return self.since.saturating_add(ahead);
        }
        let passed = (u128::from(ahead) * MILLION as u128).div_ceil(u128::from(self.rate()));
        self.since.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// The reading of the wall clock, in nanoseconds.
    #[must_use]
    pub const fn wall(&self, now: Time) -> i64 {
        self.wall.saturating_add(now as i64)
    }

    /// Sets by how much the monotonic clock is faster than true time, in parts per million; negative: slower.
    pub fn set_drift(&mut self, now: Time, drift: i64) {
        self.local_at_since = self.local(now);
        self.since = now;
        self.drift = drift.clamp(-MILLION / 2, MILLION / 2);
    }

    /// Moves the monotonic clock forward.
    pub fn jump(&mut self, now: Time, by: u64) {
        // Limited, so that repeated jumps never reach the end of the range.
        let shown = self.local(now);
        self.local_at_since = shown.max(shown.saturating_add(by).min(u64::MAX / 4));
        self.since = now;
    }

    /// Moves the wall clock.
    pub fn jump_wall(&mut self, by: i64) {
        self.wall = self.wall.saturating_add(by);
    }

    /// How far the monotonic clock advances in a million units of true time.
    #[must_use]
    pub const fn rate(&self) -> u64 {
        (MILLION + self.drift) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A change of a clock, after some time.
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
        fn monotonic_clock_never_goes_back(changes in changes(), steps in prop::collection::vec(0..1_000_u64, 1..20)) {
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
        fn global_of_is_the_first_time_with_that_reading(
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
    fn reading_beyond_the_range_is_never_due() {
        let mut clock = Clock::new(0, 0, 0);
        assert_eq!(clock.global_of(u64::MAX), u64::MAX);
        clock.set_drift(5, -500_000);
        assert_eq!(clock.global_of(u64::MAX), u64::MAX);
    }
}
