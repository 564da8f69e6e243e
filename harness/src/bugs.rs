//! The bugs that can be switched on: those of `raft-core`, and those of what stands around it.

pub use raft_core::bug::BugInfo;

raft_core::bugs! {
    /// A line outside the core that safety stands on, by what happens without it.
    pub enum HostBug {
        RetryAppliedTwice {
            id: "K01", name: "retry-applied-twice", at: "workload/kv.rs",
            breaks: "The application carries a request out again when its client tries again",
            first: "exactly-once",
            consequence: "a request that was answered late takes effect twice: an amount is booked twice",
        }
        SessionTableNotInSnapshot {
            id: "K02", name: "session-table-not-in-snapshot", at: "workload/kv/image.rs",
            breaks: "The image of the application leaves the sessions out",
            first: "snapshot-consistency",
            consequence: "a server that was restored carries retries out again: an amount is booked twice, or its copy of the data is another one for ever",
        }
        SessionExpiryByLocalClock {
            id: "K06", name: "session-expiry-by-local-clock", at: "workload/kv.rs",
            breaks: "Sessions end by the wall clock of the server that applies, not by log time",
            first: "state-machine-safety",
            consequence: "a clock that was set wrong makes one server refuse a write that the others carry out: its copy of the data is another one for ever",
        }
        InstallNotAtomic {
            id: "N06", name: "install-not-atomic", at: "disk_lane.rs",
            breaks: "The new log takes the old one's place before it is synced, and one sync is to cover both",
            first: "monotonic-term",
            consequence: "after a loss of power the log has its name and not its content: term, vote and log are gone",
        }
        PersistFailureIgnored {
            id: "P05", name: "persist-failure-ignored", at: "disk_lane.rs",
            breaks: "A sync that failed counts as one that ended well",
            first: "persist-before-reply",
            consequence: "what a full or failing disk never kept is acknowledged: a write is lost with the power",
        }
        CompactionRewriteLosesHardstate {
            id: "P06", name: "compaction-rewrite-loses-hardstate", at: "disk_lane.rs",
            breaks: "A log that is rewritten forgets term and vote",
            first: "monotonic-term",
            consequence: "after a restart the node votes again in a term in which it has voted: two leaders, writes lost",
        }
    }
}

/// All of them, in the order of the catalogue. Without the feature `bugs` there are none.
#[must_use]
pub fn all() -> Vec<&'static BugInfo> {
    if !cfg!(feature = "bugs") {
        return Vec::new();
    }
    let core = raft_core::Bug::ALL.iter().map(|bug| bug.info());
    let mut all: Vec<_> = core.chain(HostBug::ALL.iter().map(|bug| bug.info())).collect();
    all.sort_by_key(|bug| bug.id);
    all
}

/// The bug of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static BugInfo> {
    all().into_iter().find(|bug| bug.name == name)
}

/// The bug of an index that a plan switches on by name, if it is one of that index, as in
/// `enabled_bug(plan.bug.as_deref(), HostBug::named)`. Without the feature `bugs`: none.
pub fn enabled_bug<B>(name: Option<&str>, named: impl Fn(&str) -> Option<B>) -> Option<B> {
    name.filter(|_| cfg!(feature = "bugs")).and_then(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    fn kebab_case(variant: &impl Debug) -> String {
        let mut name = String::new();
        for letter in format!("{variant:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.extend(letter.to_lowercase());
        }
        name
    }

    #[test]
    fn a_bug_has_the_name_of_its_variant_and_an_id_of_its_own() {
        let core = raft_core::Bug::ALL.iter().map(|bug| (kebab_case(bug), bug.info()));
        let bugs: Vec<_> = core.chain(HostBug::ALL.iter().map(|bug| (kebab_case(bug), bug.info()))).collect();
        for (variant, bug) in &bugs {
            assert_eq!(bug.name, variant);
        }
        let ids: std::collections::BTreeSet<_> = bugs.iter().map(|(_, bug)| bug.id).collect();
        assert_eq!(ids.len(), bugs.len());
    }

    #[test]
    #[cfg_attr(not(feature = "bugs"), ignore = "bugs are switched off")]
    fn a_plan_switches_on_the_bug_of_the_index_that_has_its_name() {
        assert_eq!(enabled_bug(Some("install-not-atomic"), HostBug::named), Some(HostBug::InstallNotAtomic));
        assert_eq!(enabled_bug(Some("install-not-atomic"), raft_core::Bug::named), None);
        assert_eq!(enabled_bug(None, HostBug::named), None);
    }
}
