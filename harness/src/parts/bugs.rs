//! The bugs of the durable log: lines that it lacks on request, and promises that it breaks.

use crate::server::Catalogue;

raft_core::bugs! {
    /// Safety-critical lines of the durable log, named by what breaks without them.
    pub enum LogBug {
        InstallNotAtomic {
            id: "N06", name: "install-not-atomic", at: "durable_log.rs",
            breaks: "A new log file replaces the old one before it is synced; one later sync covers both",
            first: "monotonic-term",
            consequence: "after a power loss the log file exists without its content: term, vote and log are lost",
        }
        PersistFailureIgnored {
            id: "P05", name: "persist-failure-ignored", at: "durable_log.rs",
            breaks: "A failed sync counts as successful",
            first: "persist-before-reply",
            consequence: "writes that a full or failing disk did not save are acknowledged: a power loss loses them",
        }
        CompactionRewriteLosesHardstate {
            id: "P06", name: "compaction-rewrite-loses-hardstate", at: "durable_log.rs",
            breaks: "A rewritten log omits term and vote",
            first: "monotonic-term",
            consequence: "after a restart the node votes twice in one term: two leaders, lost writes",
        }
        AppendCompletionAba {
            id: "P04", name: "append-completion-aba", at: "durable_log.rs",
            breaks: "A sync that began before the log was replaced counts for the new file",
            first: "monotonic-term",
            consequence: "after a power loss the log file exists without its content: term, vote and log are lost",
        }
        TornTailResurrected {
            id: "S01", name: "torn-tail-resurrected", at: "durable_log.rs",
            breaks: "A recovered log is appended to before its truncation is durable",
            first: "log-matching",
            consequence: "after a power loss old entries are back behind newer ones",
        }
        ChecksumFailureTreatedAsTornTail {
            id: "S02", name: "checksum-failure-treated-as-torn-tail", at: "durable_log.rs",
            breaks: "Damage in durable records is truncated like a torn tail",
            first: "monotonic-term",
            consequence: "the server forgets votes and acknowledged entries: two leaders, writes lost",
        }
        ChecksumNotVerified {
            id: "S07", name: "checksum-not-verified", at: "durable_log.rs",
            breaks: "A log whose durable records are damaged is read without its checksums",
            first: "log-matching",
            consequence: "a server holds, sends and applies entries that no leader wrote: replicas diverge",
        }
        StaleSegmentAfterSnapshot {
            id: "S06", name: "stale-segment-after-snapshot", at: "durable_log.rs",
            breaks: "Entries of the log count from the end of the snapshot, wherever they begin",
            first: "log-matching",
            consequence: "old entries get new indexes: replicas diverge",
        }
        IoCompletionsOutOfOrder {
            id: "Z03", name: "io-completions-out-of-order", at: "durable_log.rs",
            breaks: "A sync counts for what was written before it ended, not before it began",
            first: "persist-before-reply",
            consequence: "writes that a power loss takes back were acknowledged",
        }
        VoteInTwoWrites {
            id: "Z24", name: "vote-in-two-writes", at: "durable_log.rs",
            breaks: "The vote is written before its term, in a record of its own",
            first: "recovered-promises",
            consequence: "a power loss between the two leaves the old term with another vote: two leaders in it",
        }
        FsyncRetried {
            id: "Z25", name: "fsync-retried", at: "durable_log.rs",
            breaks: "After a failed sync the log syncs again, and believes the result",
            first: "persist-before-reply",
            consequence: "writes that the disk has dropped are acknowledged",
        }
        DirectoryNotSynced {
            id: "Z26", name: "directory-not-synced", at: "durable_log.rs",
            breaks: "A renamed log counts as durable before its name is",
            first: "persist-before-reply",
            consequence: "after a power loss the old log is back: term, vote and entries are lost",
        }
        DroppedWritesTrusted {
            id: "Z27", name: "dropped-writes-trusted", at: "durable_log.rs",
            breaks: "Recovery syncs what it has read, and does not write it again",
            first: "persist-before-reply",
            consequence: "what a failed sync dropped is acknowledged after a restart: a power loss loses it",
        }
        LogRemovedBeforeRename {
            id: "Z28", name: "log-removed-before-rename", at: "durable_log.rs",
            breaks: "The old log is removed before the new one gets its name",
            first: "monotonic-term",
            consequence: "a server that crashes between the two has no log: it forgets votes and acknowledged entries",
        }
        NewLogDirectoryNotSynced {
            id: "Z26b", name: "new-log-directory-not-synced", at: "durable_log.rs",
            breaks: "The log file is created and synced, and its directory is not",
            first: "persist-before-reply",
            consequence: "a power loss takes the file with all that is synced in it: votes and acknowledged entries are lost",
        }
    }
}

raft_core::bugs! {
    /// Promises of a host to its Raft that the durable log breaks.
    pub enum HostLie {
        AnswersBeforeSync {
            id: "H01", name: "answers-before-sync", at: "durable_log.rs",
            breaks: "A save is reported as durable when it is written",
            first: "persist-before-reply",
            consequence: "votes and acknowledgements count that a power loss takes back: two leaders, lost writes",
        }
        ForgetsVote {
            id: "H02", name: "forgets-vote", at: "durable_log.rs",
            breaks: "A save omits the vote",
            first: "persist-before-reply",
            consequence: "after a restart the server votes again in the same term: two leaders, lost writes",
        }
        SendsBeforeSaving {
            id: "H03", name: "sends-before-saving", at: "durable_log.rs",
            breaks: "Messages that depend on a save leave before it is durable",
            first: "persist-before-reply",
            consequence: "others rely on votes and entries that a power loss takes back: two leaders, lost writes",
        }
    }
}

/// All bugs of the durable log, for [`Server::CATALOGUES`](crate::server::Server::CATALOGUES) of a server that uses it
/// and [`HeldUntilSaved`](super::HeldUntilSaved).
pub const CATALOGUES: [Catalogue; 2] = [LogBug::CATALOGUE, HostLie::CATALOGUE];
