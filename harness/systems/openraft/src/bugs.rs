//! Ways in which a host can lie to openraft, to be switched on by a plan: each breaks what openraft demands of its storage.

use harness::plan::Plan;
use harness::server::BugInfo;

/// A lie of the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HostBug {
    /// Entries are reported as durable before they are.
    AnswersBeforeSync,
    /// A vote is not written.
    ForgetsVote,
    /// A vote is reported as saved before it is durable.
    SendsBeforeSaving,
}

static INFOS: [BugInfo; 3] = [
    BugInfo {
        name: "answers-before-sync",
        id: "H1",
        at: "openraft/src/store.rs",
        breaks: "entries are reported as durable while their sync is under way",
        first: "persist-before-reply",
        consequence: "a power loss takes back what was acknowledged",
    },
    BugInfo {
        name: "forgets-vote",
        id: "H2",
        at: "openraft/src/store.rs",
        breaks: "a vote is kept in memory and not written",
        first: "persist-before-reply",
        consequence: "after a restart a server votes again",
    },
    BugInfo {
        name: "sends-before-saving",
        id: "H3",
        at: "openraft/src/store.rs",
        breaks: "a vote is reported as saved while its sync is under way",
        first: "persist-before-reply",
        consequence: "after a power loss a server votes again",
    },
];

const ALL: [HostBug; 3] = [HostBug::AnswersBeforeSync, HostBug::ForgetsVote, HostBug::SendsBeforeSaving];

impl HostBug {
    /// The lie that a plan switches on.
    pub(crate) fn of(plan: &Plan) -> Option<HostBug> {
        plan.enabled_bug(|name| INFOS.iter().position(|info| info.name == name).map(|index| ALL[index]))
    }

    /// All of them, for the command line.
    pub(crate) fn infos() -> Vec<&'static BugInfo> {
        INFOS.iter().collect()
    }
}
