//! What a system promises otherwise than the Raft paper. The properties read it, so that they judge a system by its own
//! documentation.

/// When a configuration takes effect on a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TakesEffect {
    /// As soon as its entry is in the log (Raft paper, 6). The fact `Configured` is stated then.
    #[default]
    Appended,
    /// When its entry is applied, as in etcd/raft. The fact `Configured` is stated then.
    Applied,
}

/// Which steps from one configuration to the next are safe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ConfigurationSteps {
    /// One voter is added or removed, or a joint phase begins with exactly the old voters, or ends with exactly the new
    /// ones (thesis, 4.1 and 4.3).
    #[default]
    Joint,
    /// A configuration is a list of halves, each of which must agree. Neighbours share a half, or each is one half and
    /// they differ by one voter. Then every quorum of one has a member in every quorum of the other.
    SharedHalf,
}

/// What a system promises otherwise than the Raft paper. The default is the paper.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Contract {
    /// When a configuration takes effect.
    pub configurations: TakesEffect,
    /// Which steps between configurations are safe.
    pub steps: ConfigurationSteps,
    /// Whether a leader may lead its term again after a restart. The paper restarts it as a follower (5.2).
    pub leader_resumes: bool,
    /// Whether a server that is a learner, or outside the configuration, may campaign and lead. Votes count only from
    /// voters even so. The paper lets voters campaign only.
    pub outsider_leads: bool,
    /// Whether a leader may state what it has committed after it has stopped leading, because it decides a commit before it
    /// saves it. A server that is the first to commit an entry, of a term that it led, then commits it as the leader of that
    /// term.
    pub states_commits_late: bool,
    /// Whether a leader never sends an entry for which it counts the follower already. In the paper a rejection from before
    /// the newest success may move `nextIndex` below `matchIndex` (figure 2), which costs bandwidth only.
    pub sends_only_missing: bool,
}

impl Contract {
    /// The Raft paper.
    pub const PAPER: Contract = Contract {
        configurations: TakesEffect::Appended,
        steps: ConfigurationSteps::Joint,
        leader_resumes: false,
        outsider_leads: false,
        states_commits_late: false,
        sends_only_missing: false,
    };
}
