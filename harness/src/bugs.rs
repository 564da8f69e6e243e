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
/// A deposed leader says "not now" of what its successor may yet commit (`systems/raft_core/application_lane.rs`).
pub const STEPDOWN_REPORTED_AS_FAILURE: &str = "stepdown-reported-as-failure";
/// Sessions end by the wall clock of the server that applies, not by log time (`workload/kv.rs`).
pub const SESSION_EXPIRY_BY_LOCAL_CLOCK: &str = "session-expiry-by-local-clock";

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
            name: STEPDOWN_REPORTED_AS_FAILURE,
            id: "K05",
            first: "witness",
            consequence: "a client is told that nothing happened and asks under a new name, and both happen: an \
                          amount is booked twice",
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
