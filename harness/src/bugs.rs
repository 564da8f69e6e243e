//! The index of bugs that can be switched on: those of `raft-core`, and those of what stands around it.

/// A load-bearing line, by what happens without it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bug {
    /// The name that switches it on.
    pub name: &'static str,
    /// The short name under which catalogues of Raft bugs keep it.
    pub id: &'static str,
    /// The property that must notice first.
    pub first: &'static str,
    /// What a user would suffer.
    pub consequence: &'static str,
}

/// The application carries a request out again when its client tries again (`workload/kv.rs`).
pub const RETRY_APPLIED_TWICE: &str = "retry-applied-twice";
/// The image of the application leaves the sessions out (`workload/kv/image.rs`).
pub const SESSION_TABLE_NOT_IN_SNAPSHOT: &str = "session-table-not-in-snapshot";
/// Sessions end by the wall clock of the server that applies, not by log time (`workload/kv.rs`).
pub const SESSION_EXPIRY_BY_LOCAL_CLOCK: &str = "session-expiry-by-local-clock";
/// The new log takes the old one's place before it is synced, and one sync is to cover both (`disk_lane.rs`).
pub const INSTALL_NOT_ATOMIC: &str = "install-not-atomic";
/// A sync that failed counts as one that ended well (`disk_lane.rs`).
pub const PERSIST_FAILURE_IGNORED: &str = "persist-failure-ignored";
/// A log that is rewritten forgets term and vote (`disk_lane.rs`).
pub const COMPACTION_REWRITE_LOSES_HARDSTATE: &str = "compaction-rewrite-loses-hardstate";

/// All of them, in the order of the catalogue. Without the feature `bugs` there are none.
#[must_use]
pub fn all() -> Vec<Bug> {
    if !cfg!(feature = "bugs") {
        return Vec::new();
    }
    let core = raft_core::Bug::ALL.into_iter().map(|bug| Bug {
        name: bug.name(),
        id: bug.id(),
        first: bug.first(),
        consequence: bug.consequence(),
    });
    let around = [
        Bug {
            name: RETRY_APPLIED_TWICE,
            id: "K01",
            first: "exactly-once",
            consequence: "a request that was answered late takes effect twice: an amount is booked twice",
        },
        Bug {
            name: SESSION_TABLE_NOT_IN_SNAPSHOT,
            id: "K02",
            first: "snapshots",
            consequence: "a server that was restored carries retries out again: an amount is booked twice, or its \
                          copy of the data is another one for ever",
        },
        Bug {
            name: SESSION_EXPIRY_BY_LOCAL_CLOCK,
            id: "K06",
            first: "state-machine-safety",
            consequence: "a clock that was set wrong makes one server refuse a write that the others carry out: its \
                          copy of the data is another one for ever",
        },
        Bug {
            name: INSTALL_NOT_ATOMIC,
            id: "N06",
            first: "monotonic-term",
            consequence: "after a loss of power the log has its name and not its content: term, vote and log are gone",
        },
        Bug {
            name: PERSIST_FAILURE_IGNORED,
            id: "P05",
            first: "promises-after-durability",
            consequence: "what a full or failing disk never kept is acknowledged: a write is lost with the power",
        },
        Bug {
            name: COMPACTION_REWRITE_LOSES_HARDSTATE,
            id: "P06",
            first: "monotonic-term",
            consequence: "after a restart the node votes again in a term in which it has voted: two leaders, writes lost",
        },
    ];
    let mut all: Vec<Bug> = core.chain(around).collect();
    all.sort_by_key(|bug| bug.id);
    all
}

/// The bug of this name.
#[must_use]
pub fn find(name: &str) -> Option<Bug> {
    all().into_iter().find(|bug| bug.name == name)
}
