//! Decides when a snapshot replaces the beginning of the log: after enough entries, bytes or time, whichever
//! is first. "Every 5 minutes or 1,000 entries" is `every = "5min"` and `entries = 1000`.

use crate::plan::CompactionConfig;
use crate::server::LocalTime;

/// What was applied since the newest snapshot, and the plan's limits.
pub(super) struct CompactionPolicy {
    config: Option<CompactionConfig>,
    entries: u64,
    bytes: u64,
    since: LocalTime,
}

impl CompactionPolicy {
    /// A policy for which nothing was applied since `now`.
    pub(super) fn new(config: Option<CompactionConfig>, now: LocalTime) -> CompactionPolicy {
        CompactionPolicy { config, entries: 0, bytes: 0, since: now }
    }

    /// Counts an applied entry with a command of this many bytes.
    pub(super) fn count_applied(&mut self, bytes: usize) {
        self.entries += 1;
        self.bytes += bytes as u64;
    }

    /// A snapshot of everything applied was made.
    pub(super) fn reset(&mut self, now: LocalTime) {
        (self.entries, self.bytes, self.since) = (0, 0, now);
    }

    /// Whether a snapshot is due: how many entries to keep before its end.
    pub(super) fn due(&self, now: LocalTime) -> Option<u64> {
        let CompactionConfig { entries, bytes, every, trailing } = self.config.as_ref()?;
        let reached = |limit: u64, has: u64| limit > 0 && has >= limit;
        let due = reached(*entries, self.entries)
            || reached(*bytes, self.bytes)
            || reached(every.0, now - self.since);
        (due && self.entries > 0).then_some(*trailing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SimDuration;

    /// The policy of etcd.
    const EVERY_FIVE_MINUTES_OR_THOUSAND: CompactionConfig =
        CompactionConfig { entries: 1_000, bytes: 0, every: SimDuration(300_000_000_000), trailing: 7 };

    #[test]
    fn the_first_limit_reached_triggers_a_snapshot() {
        let mut policy = CompactionPolicy::new(Some(EVERY_FIVE_MINUTES_OR_THOUSAND), 10);
        (0..999).for_each(|_| policy.count_applied(1 << 20));
        assert_eq!(policy.due(300_000_000_009), None);
        assert_eq!(policy.due(300_000_000_010), Some(7), "the time limit is reached");
        policy.count_applied(0);
        assert_eq!(policy.due(11), Some(7), "the entry limit is reached");
        policy.reset(11);
        assert_eq!(policy.due(u64::MAX), None, "nothing was applied since the snapshot");
    }

    #[test]
    fn byte_limit_works_alone_and_no_config_never_triggers() {
        let plan = CompactionConfig { entries: 0, bytes: 100, every: SimDuration(0), trailing: 0 };
        let mut policy = CompactionPolicy::new(Some(plan), 0);
        policy.count_applied(99);
        assert_eq!(policy.due(u64::MAX), None);
        policy.count_applied(1);
        assert_eq!(policy.due(0), Some(0));
        let mut never = CompactionPolicy::new(None, 0);
        never.count_applied(1 << 40);
        assert_eq!(never.due(u64::MAX), None);
    }
}
