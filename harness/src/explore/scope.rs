//! The scope of an exploration: what may happen, and how often.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What happens only so often in all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Limit {
    /// Election timers that fire.
    Timers,
    /// Commands that clients propose.
    Proposals,
    /// Crashes, in which writes that are not durable may be lost.
    Crashes,
    /// Membership changes that an operator requests.
    Changes,
    /// Reads that clients request.
    Reads,
    /// Leadership transfers that an operator requests.
    Transfers,
    /// Snapshots that servers take, each of which compacts the log.
    Snapshots,
    /// Writes that fail or hang.
    Disks,
}

impl Limit {
    /// All limits.
    pub const ALL: [Limit; 8] = [
        Limit::Timers,
        Limit::Proposals,
        Limit::Crashes,
        Limit::Changes,
        Limit::Reads,
        Limit::Transfers,
        Limit::Snapshots,
        Limit::Disks,
    ];

    /// How often it happened, in the packed counts of a state.
    #[must_use]
    pub const fn used(self, counts: u32) -> u32 {
        counts >> (4 * self as u32) & 15
    }

    /// The packed counts after it happened once more.
    #[must_use]
    pub const fn use_once(self, counts: u32) -> u32 {
        counts + (1 << (4 * self as u32))
    }
}

/// How often each may happen, at most 15 times.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Election timers that fire.
    pub timers: u32,
    /// Commands.
    pub proposals: u32,
    /// Crashes.
    pub crashes: u32,
    /// Membership changes.
    pub changes: u32,
    /// Reads.
    pub reads: u32,
    /// Transfers.
    pub transfers: u32,
    /// Snapshots.
    pub snapshots: u32,
    /// Writes that fail or hang.
    pub disks: u32,
}

impl Limits {
    /// How often it may happen.
    #[must_use]
    pub const fn of(&self, limit: Limit) -> u32 {
        match limit {
            Limit::Timers => self.timers,
            Limit::Proposals => self.proposals,
            Limit::Crashes => self.crashes,
            Limit::Changes => self.changes,
            Limit::Reads => self.reads,
            Limit::Transfers => self.transfers,
            Limit::Snapshots => self.snapshots,
            Limit::Disks => self.disks,
        }
    }
}

/// What may happen within an exploration of the built-in system.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Scope {
    /// The number of servers.
    pub servers: usize,
    /// How many of them, the first ones, are voters at the start; the others are no members.
    pub voters: usize,
    /// The highest term.
    pub terms: u64,
    /// How often each may happen.
    pub limits: Limits,
    /// Whether leaders send heartbeats.
    pub heartbeats: bool,
    /// Whether writes are durable some time after they were issued, and not at once.
    pub asynchronous: bool,
    /// Whether servers ask before they campaign.
    pub pre_vote: bool,
    /// Whether leaders check their quorum and voters that hear from a leader vote for no other.
    pub check_quorum: bool,
    /// The most entries of a message.
    pub batch: usize,
    /// Whether states that differ by the numbers of servers count once.
    pub symmetry: bool,
    /// Whether messages that change nothing leave the network.
    pub drop_dead: bool,
}

impl Default for Scope {
    fn default() -> Scope {
        Scope {
            servers: 3,
            voters: 3,
            terms: 2,
            limits: Limits { timers: 15, ..Limits::default() },
            heartbeats: false,
            asynchronous: true,
            pre_vote: false,
            check_quorum: false,
            batch: 64,
            symmetry: true,
            drop_dead: true,
        }
    }
}

impl Scope {
    /// The most servers: a state of the cluster has two numbers for each.
    pub const MAX_SERVERS: usize = 5;

    /// Checks that the scope can be explored.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn validate(&self) -> Result<(), String> {
        if !(1..=Scope::MAX_SERVERS).contains(&self.servers) {
            return Err(format!("servers must be 1 to {}", Scope::MAX_SERVERS));
        }
        if !(1..=self.servers).contains(&self.voters) {
            return Err(format!("voters must be 1 to {}, the number of servers", self.servers));
        }
        if !(1..=100).contains(&self.terms) {
            return Err("terms must be 1 to 100".into());
        }
        if self.batch == 0 {
            return Err("batch must be at least 1".into());
        }
        if Limit::ALL.iter().any(|limit| self.limits.of(*limit) > 15) {
            return Err("each limit must be 0 to 15".into());
        }
        Ok(())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        write!(f, "{}", plural(self.servers as u64, "server"))?;
        if self.voters != self.servers {
            write!(f, " ({})", plural(self.voters as u64, "voter"))?;
        }
        write!(f, ", {}", plural(self.terms, "term"))?;
        let names = ["timer", "proposal", "crash", "change", "read", "transfer", "snapshot", "disk fault"];
        for (limit, name) in Limit::ALL.into_iter().zip(names) {
            match (limit, self.limits.of(limit)) {
                (_, 0) | (Limit::Timers, 15) => {}
                (Limit::Crashes, count) if count > 1 => write!(f, ", {count} crashes")?,
                (_, count) => write!(f, ", {}", plural(count.into(), name))?,
            }
        }
        let options = [
            (self.heartbeats, "heartbeats"),
            (self.pre_vote, "pre-vote"),
            (self.check_quorum, "check-quorum"),
            (self.asynchronous, "asynchronous saves"),
            (!self.asynchronous, "instant saves"),
        ];
        options.iter().filter(|(on, _)| *on).try_for_each(|(_, name)| write!(f, ", {name}"))
    }
}
