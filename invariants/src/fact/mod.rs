//! Facts: statements about a run. They are all that properties see.
//!
//! A fact is a *claim* of a server about its own state, a *promise* that a server makes by sending a message, or a
//! *truth* that a server cannot state, which comes from the simulated disk, the simulated world or a client. Facts
//! hold plain numbers, so that any Raft can be checked.

mod digest;
mod configuration;
mod rejection;
mod session;
mod fold;

pub(crate) use configuration::same_nodes;
pub use configuration::{ConfChange, ConfChangeOp, ConfChangeResponse, Configuration, ConfigurationError};
pub use digest::Digest;
pub use rejection::RejectionReason;
pub use session::{SessionEnd, SessionOutcome, SessionUse};

use fold::Fold;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A server's number, from 1. In client facts: the client's number.
pub type Node = u64;
/// A Raft term. 0 is before the first election.
pub type Term = u64;
/// A log index. 0 is before the first entry.
pub type Index = u64;
/// Nanoseconds of true time since the run began.
pub type Time = u64;

/// Index and term of a log entry, displayed as `index@term`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogId {
    /// The index.
    pub index: Index,
    /// The term of the entry there; 0 before the first entry.
    pub term: Term,
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, self.term)
    }
}

/// Identifies a client request by its session and its number in that session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestId {
    /// The session.
    pub session: u64,
    /// The number within the session.
    pub sequence: u64,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}#{}", self.session, self.sequence)
    }
}

/// How a leader knows, when it confirms a read, that no other leader has committed more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfirmedBy {
    /// A quorum has answered it since the read began.
    Round,
    /// It holds a lease.
    Lease,
    /// The read is an entry of the log.
    Log,
}

/// Declares the facts, one row each: number and name, fields, and what the fact is about; grouped by who can state them.
/// Number and order of the fields are part of every digest. Digests are stored, so they never change.
macro_rules! facts {
    ($(
        $(#[$group_attribute:meta])+
        $group:ident {$(
            $(#[$fact_attribute:meta])+
            $number:literal $name:literal $fact:ident
            $({ $($(#[doc = $about_field:literal])+ $(#[serde($($form:tt)+)])? $field:ident: $type:ty,)+ })?
            $(about $($aspect:ident: $value:expr),+)?;
        )+}
    )+) => {
        /// What a fact says. [`Observed`] adds when it was stated and by which server.
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
        #[serde(tag = "fact", rename_all = "snake_case")]
        pub enum Fact {
            $($($(#[$fact_attribute])+ $fact $({
                    $($(#[doc = $about_field])+ $(#[serde($($form)+)])? $field: $type,)+
                })?,)+)+
        }

        $(
            $(#[$group_attribute])+
            #[derive(Clone, PartialEq, Eq, Debug)]
            pub enum $group {
                $($(#[$fact_attribute])+ $fact $({ $($(#[doc = $about_field])+ $field: $type,)+ })?,)+
            }

            impl From<$group> for Fact {
                #[inline]
                fn from(fact: $group) -> Fact {
                    match fact { $($group::$fact $({ $($field),+ })? => Fact::$fact $({ $($field),+ })?,)+ }
                }
            }
        )+

        impl Fact {
            /// The name, in words. The JSON form has underscores instead of spaces.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $($(Fact::$fact { .. } => $name,)+)+ }
            }

            /// The names of the fields, as in the JSON form.
            #[must_use]
            pub const fn fields(&self) -> &'static [&'static str] {
                match self { $($(Fact::$fact { .. } => &[$($(stringify!($field)),+)?],)+)+ }
            }

            /// Who can state it.
            #[must_use]
            const fn source(&self) -> Source {
                match self { $($(Fact::$fact { .. } => Source::$group,)+)+ }
            }

            /// The digest of a run followed by this fact of `node`.
            #[inline]
            #[must_use]
            pub fn digest(&self, before: Digest, node: Node) -> Digest {
                let head = |number: u64| before.then(node << 8 | number);
                match self {
                    $($(Fact::$fact { $($($field),+)? } => {
                        let digest = head($number);
                        $($(let digest = $field.fold(digest);)+)?
                        digest
                    })+)+
                }
            }

            /// What this fact is about.
            #[expect(unused_variables, reason = "most facts are about some of their fields only")]
            fn subject(&self) -> Subject {
                match self {
                    $($(Fact::$fact { $($($field),+)? } => Subject {
                        $($($aspect: Option::from($value),)+)?
                        ..Subject::default()
                    },)+)+
                }
            }
        }

        /// Who states a fact.
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[expect(clippy::enum_variant_names, reason = "each is called as the type of its facts")]
        enum Source { $($group,)+ }
    };
}

facts! {
    /// What a server can state: claims about its own state, and promises that it makes by sending a message. It may lie.
    ServerFact {
        /// Claim: an incarnation starts with this recovered state. `digest` folds the recovered log after `base` with
        /// [`Digest::then_entry`], starting from [`Digest::EMPTY`].
        1 "started" Started {
            /// The recovered term.
            term: Term,
            /// The recovered vote in that term.
            vote: Option<Node>,
            /// Where the recovered log begins: 0@0, or the entry up to which a snapshot replaces it.
            base: LogId,
            /// Where the recovered log ends.
            last: LogId,
            /// Digest of the recovered entries after `base`.
            digest: Digest,
        } about term: *term;
        /// Claim: the current term changed.
        2 "term changed" TermChanged {
            /// The new term.
            term: Term,
        } about term: *term;
        /// Claim: the log has a new last entry.
        3 "appended" Appended {
            /// Its index: the previous last index plus one.
            index: Index,
            /// Its term.
            term: Term,
            /// Its content.
            entry: Digest,
        } about index: *index;
        /// Claim: the log was truncated.
        4 "truncated" Truncated {
            /// The new last index.
            after: Index,
        } about index: after.saturating_add(1);
        /// Claim: this server became leader.
        5 "leads" Leads {
            /// The term that it leads.
            term: Term,
        } about term: *term;
        /// Claim: this server stopped leading.
        6 "stepped down" SteppedDown {
            /// The term that it led.
            term: Term,
        } about term: *term;
        /// Claim: this server's commit index changed.
        7 "committed" Committed {
            /// The new commit index.
            index: Index,
        } about index: *index;
        /// Claim: the state machine applied this entry.
        8 "applied" Applied {
            /// Its index: one more than the index last applied or restored in this incarnation; any for the first.
            index: Index,
            /// The entry's content.
            entry: Digest,
            /// Digest of the whole state after it: a sum over the state's items.
            state: Digest,
            /// Whether it changed the state; `false` if it was answered from the session table.
            effect: bool,
            /// The client request in the entry, if any.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            request: Option<RequestId>,
            /// How it uses a session, where that is stated.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            session: Option<SessionUse>,
        } about index: *index, request: *request;
        /// Claim: this configuration is in force from this entry on.
        9 "configured" Configured {
            /// The index of the entry that carries it; 0 for the first configuration, which no entry carries. For a log
            /// that begins after a snapshot: the index at which it begins.
            index: Index,
            /// The configuration.
            configuration: Box<Configuration>,
        } about index: *index;
        /// Claim: this server took a snapshot of its application.
        23 "snapshot taken" SnapshotTaken {
            /// The last entry that it covers.
            last: LogId,
            /// Digest of the state in it, recomputed from the items of the image.
            state: Digest,
            /// The configuration in it: the one in force at `last`.
            configuration: Box<Configuration>,
        };
        /// Claim: a leader's snapshot replaced the log, which now ends with the last entry that the snapshot covers.
        24 "snapshot installed" SnapshotInstalled {
            /// The last entry that it covers.
            last: LogId,
            /// The configuration in it: the one in force at `last`.
            configuration: Box<Configuration>,
        };
        /// Claim: the state machine was replaced with a snapshot's state. The next entry applied is `index + 1`.
        25 "restored" Restored {
            /// The index of the last entry that the snapshot covers.
            index: Index,
            /// Digest of the whole state, recomputed from the restored items.
            state: Digest,
        };
        /// Promise: a granted vote was sent.
        10 "voted" Voted {
            /// The term of the election.
            term: Term,
            /// The server that it was given to.
            candidate: Node,
        } about term: *term;
        /// Promise: a vote request was sent; the sender has voted for itself.
        11 "campaigned" Campaigned {
            /// The term that it campaigns in.
            term: Term,
        } about term: *term;
        /// Promise: a successful append response was sent to the leader of `term`.
        12 "acknowledged" Acknowledged {
            /// The term of the leader.
            term: Term,
            /// Up to this index the log equals the leader's and is durable here.
            index: Index,
        } about index: *index, term: *term;
        /// Promise: a read was answered.
        13 "read served" ReadServed {
            /// The read.
            read: RequestId,
            /// The applied index whose state it was answered from.
            applied: Index,
        } about request: *read;
        /// Promise: an answer to the leader of `term` was sent that is neither a [`Fact::Voted`] nor a
        /// [`Fact::Acknowledged`]: a refusal to append, or how much of a snapshot has arrived. Nothing need be durable.
        31 "answered" Answered {
            /// The term of the leader that it answers.
            term: Term,
        } about term: *term;
        /// Claim: this server, as leader of `term`, has confirmed a read: once `index` is applied it may be served, by this
        /// server or by the one that forwarded it.
        32 "read confirmed" ReadConfirmed {
            /// The read.
            read: RequestId,
            /// The term that this server leads.
            term: Term,
            /// The index that must be applied.
            index: Index,
            /// How this server knows that it still leads.
            by: ConfirmedBy,
        } about request: *read, term: *term;
        /// Claim: this server, as leader of `term`, counts a follower for all entries up to this index: it takes them for
        /// durable there and equal to its own. Stated when it changes.
        34 "counts" Counts {
            /// The term that this server leads.
            term: Term,
            /// The follower.
            follower: Node,
            /// The identity of the follower's disk, as in [`Fact::Identified`]; 0 where there is none.
            identity: u64,
            /// The index.
            match_index: Index,
        } about index: *match_index, term: *term;
        /// Claim: the identity of this server's disk, which an emptied disk loses. Stated at each start, if disks have one.
        35 "identified" Identified {
            /// The identity. Never 0.
            identity: u64,
        };
        /// Claim: an order to campaign at once has arrived at this server, whether it will obey or not.
        37 "told to campaign" ToldToCampaign {
            /// The term that the sender leads; if the operator gives the order, the server's own.
            term: Term,
            /// The sender; `None` if the operator gives the order.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            leader: Option<Node>,
        } about term: *term;
        /// Promise: a vote request was sent that says that this candidacy was ordered. Voters grant it although they hear
        /// from a leader. Stated after [`Fact::Campaigned`].
        38 "campaigned by order" CampaignedByOrder {
            /// The term that it campaigns in.
            term: Term,
        } about term: *term;
        /// Promise: for this long after each answer to a leader, on its own clock, this server campaigns and votes for others
        /// by order only. Stated at each start, if leases rest on it (thesis, 6.4.1).
        47 "lease promised" LeasePromised {
            /// How long, in nanoseconds.
            length: u64,
        };
        /// Claim: this server, as leader of `term`, sends entries to a follower, in one message.
        41 "entries sent" EntriesSent {
            /// The term that this server leads.
            term: Term,
            /// The follower.
            follower: Node,
            /// How many entries. Not 0.
            entries: u64,
            /// The index of the first of them; 0 if that is not stated.
            #[serde(default)]
            first: Index,
            /// The identity of the follower's disk, as in [`Fact::Identified`]; 0 where there is none.
            #[serde(default)]
            identity: u64,
        } about index: *first, term: *term;
        /// Claim: this server, as leader of `term`, sends a part of a snapshot to a follower. Stated only once links lose
        /// and reorder nothing.
        42 "chunk sent" ChunkSent {
            /// The term that this server leads.
            term: Term,
            /// The follower.
            follower: Node,
            /// The last entry that the snapshot covers.
            last: LogId,
            /// The bytes of the part.
            bytes: u64,
            /// The bytes of the whole snapshot.
            size: u64,
        } about term: *term;
    }

    /// What a disk states, once what was written before it is durable.
    DiskFact {
        /// Truth, stated by the disk: one record is durable. Its entries follow, each as a [`Fact::SavedEntry`].
        14 "saved" Saved {
            /// The durable term.
            term: Term,
            /// The durable vote in that term.
            vote: Option<Node>,
            /// The durable log is first truncated to this index; `None`: it is not truncated.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            after: Option<Index>,
        } about term: *term;
        /// Truth, stated by the disk: the durable log has a new last entry.
        15 "saved entry" SavedEntry {
            /// Its index.
            index: Index,
            /// Its term.
            term: Term,
            /// Its content.
            entry: Digest,
        } about index: *index;
        /// Truth, stated by the disk: a snapshot is durable, atomically with the [`Fact::Saved`] before it and the
        /// entries that follow. If the durable log contains `last`, its entries after `base` remain; otherwise the
        /// snapshot replaces it.
        26 "saved snapshot" SavedSnapshot {
            /// Where the durable log begins.
            base: LogId,
            /// The last entry that the snapshot covers: `base`, or a later one.
            last: LogId,
        };
        /// Truth, stated by the disk: everything that [`Fact::Started`] recovered is durable again.
        16 "saved recovered" SavedRecovered;
    }

    /// What the simulated world states about a server.
    WorldFact {
        /// Truth: the process crashed. The page cache survives.
        17 "crashed" Crashed;
        /// Truth: the power failed. Writes that were not synced may be lost.
        18 "power lost" PowerLost;
        /// Truth: a new incarnation is about to start.
        19 "restarted" Restarted;
        /// Truth: the disk was wiped.
        20 "wiped" Wiped;
        /// Truth, stated by the world: this server, its clock and its disk have no fault from now on. Messages between
        /// the servers that are quiet arrive soon, there is a leader, and no operator requests changes or transfers.
        /// Stated only if pre-vote or check-quorum is on.
        27 "quiet" Quiet;
        /// Truth, stated by the world: this server is an initial voter of the cluster.
        28 "founded" Founded {
            /// All initial voters.
            voters: Vec<Node>,
        };
        /// Truth, stated by the world: an operator asks this server for a membership change.
        29 "change requested" ChangeRequested {
            /// The number of the request, in the order in which requests are made.
            request: u64,
            /// The change.
            change: Box<ConfChange>,
        };
        /// Truth, stated by the world: this server responded to the operator. A server that crashes first never responds.
        30 "change answered" ChangeAnswered {
            /// The number of the request.
            request: u64,
            /// The response.
            answer: ConfChangeResponse,
        };
        /// Truth, stated by the world: a client's read arrives at this server. The first arrival at any server is the start
        /// of the read; retries arrive later.
        33 "read arrived" ReadArrived {
            /// The read.
            read: RequestId,
        } about request: *read;
        /// Truth, stated by the world: how long a session may be unused before it expires.
        36 "session lifetime" SessionLifetime {
            /// The time, in the unit of log time. 0: sessions never expire, and need no registration.
            lifetime: u64,
        };
        /// Truth, stated by the world: this server has sent a client to the server that it takes for the leader.
        39 "redirected" Redirected {
            /// That server.
            leader: Node,
        };
        /// Truth, stated by the world: until it crashes, no message from or to this server is lost or overtaken by another
        /// one on its link, and its disk works.
        40 "healed" Healed;
        /// Claim, passed on by the world: what this server has kept all the time while nothing happened. Stated at the end
        /// of that time.
        43 "kept" Kept {
            /// Requests that wait for anything.
            requests: u64,
            /// Promises that wait for the disk.
            promises: u64,
            /// Snapshots of which some parts have arrived, and not all.
            parts: u64,
            /// If it leads: the servers to which it sends its log at the end.
            followers: Vec<Node>,
        };
        /// Truth, stated by the world: durable bytes of this server's disk went bad. It may state at its next start that it
        /// recovered less than it promised; it must not take part with it.
        44 "damaged" Damaged;
        /// Truth, stated by the world: this server has rejected an operator's command, which has no effect, and has given
        /// this reason.
        45 "command rejected" CommandRejected {
            /// The reason.
            reason: RejectionReason,
            /// The target of a transfer, or the servers that a change would make voters.
            servers: Vec<Node>,
        };
        /// Truth, stated by the world: the clock of this server's node has jumped, or its rate changes from now on. Before
        /// the first such fact it has the rate of true time. A restart changes nothing.
        46 "clock changed" ClockChanged {
            /// By how many nanoseconds it has jumped forward.
            jump: u64,
            /// How far it advances in a million nanoseconds of true time.
            rate: u64,
        };
        /// Claim, passed on by the world: the size of everything else that this server keeps, in a unit of its own, while
        /// nothing happened. Stated at the end of that time.
        48 "size kept" SizeKept {
            /// The least size in the first quarter of that time.
            before: u64,
            /// The least size in the last quarter.
            after: u64,
        };
    }

    /// What a client states.
    ClientFact {
        /// Truth, stated by a client: its write was acknowledged.
        21 "write acknowledged" WriteAcknowledged {
            /// The log index that the response named.
            index: Index,
            /// The write.
            write: RequestId,
        } about index: *index, request: *write;
        /// Truth, stated by a client: it starts to read.
        22 "read asked" ReadAsked {
            /// The read.
            read: RequestId,
        } about request: *read;
    }
}

/// What a fact is about.
#[derive(Default)]
struct Subject {
    index: Option<Index>,
    term: Option<Term>,
    request: Option<RequestId>,
}

impl Fact {
    /// Whether a server, its disk or the world states it, and not a client.
    #[must_use]
    pub const fn is_about_server(&self) -> bool {
        !matches!(self.source(), Source::ClientFact)
    }

    /// The index that this fact is about.
    #[must_use]
    pub fn index(&self) -> Option<Index> {
        self.subject().index
    }

    /// The term that this fact is about. An entry's term is not: it goes with its index.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        self.subject().term
    }

    /// The client request that this fact is about.
    #[must_use]
    pub fn request(&self) -> Option<RequestId> {
        self.subject().request
    }

    /// The configuration in this fact and the index at which it is in force.
    pub(crate) fn configuration(&self) -> Option<(Index, &Configuration)> {
        match self {
            Fact::Configured { index, configuration } => Some((*index, configuration)),
            Fact::SnapshotTaken { last, configuration, .. }
            | Fact::SnapshotInstalled { last, configuration } => Some((last.index, configuration)),
            _ => None,
        }
    }
}

/// A fact with its time, event and server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Observed {
    /// True time, in nanoseconds since the run began.
    pub at: Time,
    /// The event of the run that stated it; facts of one event have the same step.
    pub step: u64,
    /// The server that stated it or that it is about; in client facts, the client's number.
    pub node: Node,
    /// What it says.
    #[serde(flatten)]
    pub fact: Fact,
}

impl Observed {
    /// A copy whose configuration lists each server once per list; `None` if there is no duplicate.
    pub(crate) fn without_duplicates(&self) -> Option<Observed> {
        let (_, configuration) = self.fact.configuration()?;
        let deduplicated = Box::new(configuration.without_duplicates()?);
        let mut observed = self.clone();
        match &mut observed.fact {
            Fact::Configured { configuration, .. }
            | Fact::SnapshotTaken { configuration, .. }
            | Fact::SnapshotInstalled { configuration, .. } => *configuration = deduplicated,
            _ => {}
        }
        Some(observed)
    }
}
