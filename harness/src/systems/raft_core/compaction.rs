//! When to replace the beginning of the log by a snapshot: by entries, by bytes, by time, whichever comes first. "Every 5
//! minutes or 1,000 revisions" is `every = "5min"` and `entries = 1000`.

use crate::plan::CompactionConfig;
use crate::server::LocalTime;

/// What was applied since the newest snapshot, against what a plan allows.
pub(super) struct CompactionPolicy {
    config: Option<CompactionConfig>,
    entries: u64,
    bytes: u64,
    since: LocalTime,
}

impl CompactionPolicy {
    /// Nothing was applied since `now`.
    pub(super) fn new(plan: Option<CompactionConfig>, now: LocalTime) -> CompactionPolicy {
        CompactionPolicy { config: plan, entries: 0, bytes: 0, since: now }
    }

    /// One more entry was applied, with a command of so many bytes.
    pub(super) fn count_applied(&mut self, bytes: usize) {
        self.entries += 1;
        self.bytes += bytes as u64;
    }

    /// There is a snapshot of everything that was applied.
    pub(super) fn reset(&mut self, now: LocalTime) {
        (self.entries, self.bytes, self.since) = (0, 0, now);
    }

    /// Whether a snapshot is due, and how many entries shall stay before its end.
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

    /// What etcd does.
    const EVERY_FIVE_MINUTES_OR_THOUSAND: CompactionConfig =
        CompactionConfig { entries: 1_000, bytes: 0, every: SimDuration(300_000_000_000), trailing: 7 };

    #[test]
    fn whichever_comes_first() {
        let mut policy = CompactionPolicy::new(Some(EVERY_FIVE_MINUTES_OR_THOUSAND), 10);
        (0..999).for_each(|_| policy.count_applied(1 << 20));
        assert_eq!(policy.due(300_000_000_009), None);
        assert_eq!(policy.due(300_000_000_010), Some(7), "the time has come");
        policy.count_applied(0);
        assert_eq!(policy.due(11), Some(7), "so many entries");
        policy.reset(11);
        assert_eq!(policy.due(u64::MAX), None, "nothing was applied since");
    }

    #[test]
    fn bytes_alone_and_never() {
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
