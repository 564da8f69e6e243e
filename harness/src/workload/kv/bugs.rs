//! The bugs of the application.

raft_core::bugs! {
    /// Safety-critical lines of the application, named by what breaks without them.
    pub enum ApplicationBug {
        RetryAppliedTwice {
            id: "K01", name: "retry-applied-twice", at: "workload/kv.rs",
            breaks: "The application executes a retried request again",
            first: "exactly-once",
            consequence: "a request whose response was late takes effect twice: an amount is booked twice",
        }
        SessionTableNotInSnapshot {
            id: "K02", name: "session-table-not-in-snapshot", at: "workload/kv/image.rs",
            breaks: "The snapshot of the application omits the session table",
            first: "snapshot-consistency",
            consequence: "a restored server executes retries again: an amount is booked twice, or its state differs from the others for good",
        }
        SessionTimeNotInSnapshot {
            id: "K02b", name: "session-time-not-in-snapshot", at: "workload/kv/image.rs",
            breaks: "The snapshot of the application omits when each session was last used",
            first: "snapshot-consistency",
            consequence: "a restored server forgets sessions before the others do, and rejects their writes: its state differs for good",
        }
        OnlyHighestSequenceKept {
            id: "K03", name: "only-highest-sequence-kept", at: "workload/kv.rs",
            breaks: "A request below the highest sequence number of its session counts as executed",
            first: "exactly-once",
            consequence: "of two requests in flight, the one that another overtakes never has an effect, and gets no response",
        }
        AppliedIndexNotAtomic {
            id: "C07", name: "applied-index-not-atomic", at: "parts/application.rs",
            breaks: "A snapshot holds the effects of one entry more than it says",
            first: "snapshot-consistency",
            consequence: "a restored server executes that entry again: an amount is booked twice",
        }
        SessionExpiryByLocalClock {
            id: "K06", name: "session-expiry-by-local-clock", at: "workload/kv.rs",
            breaks: "Sessions expire by the local wall clock instead of log time",
            first: "state-machine-safety",
            consequence: "a server with a wrong clock rejects a write that the others execute: its state differs from theirs for good",
        }
    }
}
