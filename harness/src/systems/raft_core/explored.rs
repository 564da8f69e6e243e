//! The real core with its disk as a [`Model`] to explore.
//!
//! A server is the core's value, its disk with the writes that are not durable yet, and a bounded history: what
//! properties compare with the past and neither the core nor its disk remembers. All steps are taken at one time; timers
//! fire whenever they are set.
//!
//! The history holds
//!
//! - the newest vote and the furthest acknowledgement that were sent, until a later term is durable: for
//!   `one-vote-per-term`, `acked-immutable` and `recovered-promises`;
//! - the terms that the server has led, each with the end of its log at the election: for `election-safety` and
//!   `leader-completeness`;
//! - the furthest entry that it has committed as leader: for all properties of committed entries;
//! - in scopes with reads, what was acknowledged to clients here, and what was acknowledged anywhere before each open
//!   read: for `read-safety`.
//!
//! The other properties compare facts of one step with the state before it, or with what is in the logs and on the disks.
//! What an earlier vote or acknowledgement of another server has caused is known from the message, which stays in the
//! network until it has no effect.

use super::explored_disk::Disk;
use super::explored_facts::FactWriter;
pub use super::explored_server::CoreServer;
use super::explored_server::{History, NOW, request};
use crate::explore::{Event, Input, Limit, Model, Push, Renaming, Scope, Step};
use invariants::{Digest, Fact};
use raft_core::canonical::Due;
use raft_core::{Bug, ConfChangeOp, Config, Envelope, NodeId, Raft, Recovered, SaveId, canonical};

/// The built-in system within a scope.
#[derive(Clone, Debug)]
pub struct CoreModel {
    scope: Scope,
    bug: Option<Bug>,
}

/// What may happen to a server besides a message. The number of an event is its code and an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Happening {
    Election,
    Heartbeat,
    Quorum,
    Lapse,
    Saved(usize),
    Crash(usize),
    Propose,
    Remove(usize),
    AddVoter(usize),
    AddLearner(usize),
    Replace(usize, usize),
    Read,
    Transfer(usize),
    TransferFails,
    Compact,
    DiskHangs,
    SaveFails,
}

impl Happening {
    fn code(self) -> u32 {
        let code = |kind: u32, argument: usize| kind | (argument as u32) << 8;
        match self {
            Happening::Election => 0,
            Happening::Heartbeat => 1,
            Happening::Quorum => 2,
            Happening::Lapse => 3,
            Happening::Saved(writes) => code(4, writes),
            Happening::Crash(survivors) => code(5, survivors),
            Happening::Propose => 6,
            Happening::Remove(server) => code(7, server),
            Happening::AddVoter(server) => code(8, server),
            Happening::AddLearner(server) => code(9, server),
            Happening::Replace(old, new) => code(10, old << 4 | new),
            Happening::Read => 11,
            Happening::Transfer(to) => code(12, to),
            Happening::TransferFails => 13,
            Happening::Compact => 14,
            Happening::DiskHangs => 15,
            Happening::SaveFails => 16,
        }
    }

    fn of(code: u32) -> Happening {
        let argument = (code >> 8) as usize;
        match code & 0xff {
            0 => Happening::Election,
            1 => Happening::Heartbeat,
            2 => Happening::Quorum,
            3 => Happening::Lapse,
            4 => Happening::Saved(argument),
            5 => Happening::Crash(argument),
            6 => Happening::Propose,
            7 => Happening::Remove(argument),
            8 => Happening::AddVoter(argument),
            9 => Happening::AddLearner(argument),
            10 => Happening::Replace(argument >> 4, argument & 15),
            11 => Happening::Read,
            12 => Happening::Transfer(argument),
            13 => Happening::TransferFails,
            14 => Happening::Compact,
            15 => Happening::DiskHangs,
            16 => Happening::SaveFails,
            _ => panic!("no event has the number {code}"),
        }
    }

    fn limit(self) -> Option<Limit> {
        match self {
            Happening::Election => Some(Limit::Timers),
            Happening::Crash(_) => Some(Limit::Crashes),
            Happening::Propose => Some(Limit::Proposals),
            Happening::Remove(_)
            | Happening::AddVoter(_)
            | Happening::AddLearner(_)
            | Happening::Replace(..) => Some(Limit::Changes),
            Happening::Read => Some(Limit::Reads),
            Happening::Transfer(_) => Some(Limit::Transfers),
            Happening::Compact => Some(Limit::Snapshots),
            Happening::DiskHangs | Happening::SaveFails => Some(Limit::Disks),
            Happening::Heartbeat
            | Happening::Quorum
            | Happening::Lapse
            | Happening::Saved(_)
            | Happening::TransferFails => None,
        }
    }
}

fn node(server: usize) -> NodeId {
    NodeId(server as u64 + 1)
}

impl CoreModel {
    /// The core within a scope, with a bug or without.
    ///
    /// # Errors
    /// The scope cannot be explored.
    pub fn new(scope: Scope, bug: Option<Bug>) -> Result<CoreModel, String> {
        scope.validate()?;
        Ok(CoreModel { scope, bug })
    }

    /// The symmetries of the scope, the identity first: voters change places, and so do the other servers.
    #[must_use]
    pub fn renamings(&self) -> Vec<Renaming> {
        let Scope { servers, voters, symmetry, .. } = self.scope;
        let group = |server: usize| usize::from(server >= voters);
        if symmetry { Renaming::all_within(servers, group) } else { vec![Renaming::identity(servers)] }
    }

    fn config(&self, server: usize) -> Config {
        let Scope { voters, pre_vote, check_quorum, batch, .. } = self.scope;
        Config {
            election_timeout_spread: 0,
            pre_vote,
            check_quorum,
            max_batch_entries: batch,
            seed: 0,
            bug: self.bug,
            ..Config::new(node(server), (0..voters).map(node).collect())
        }
    }

    fn server_of(server: &CoreServer) -> usize {
        server.raft.replica().id.0 as usize - 1
    }

    /// The order in which a leader lists its followers counts only where it may remove itself.
    fn is_ordered(&self) -> bool {
        self.scope.limits.changes > 0
    }

    fn words_of(renaming: &Renaming, servers: usize) -> canonical::Renaming {
        canonical::Renaming::new((0..servers).map(|server| node(renaming.of(server))).collect())
    }

    /// One event. Returns false if it cannot happen.
    fn happen(&self, writer: &mut FactWriter<'_>, happening: Happening, number: u32, known: u32) -> bool {
        let input = |limit| request(limit, number);
        match happening {
            Happening::Election => return writer.fire(Due::Election),
            Happening::Heartbeat => return writer.fire(Due::Heartbeat),
            Happening::TransferFails => return writer.fire(Due::Transfer),
            Happening::DiskHangs => return writer.fire(Due::Disk),
            Happening::Quorum => {
                let is_set = writer.fire(Due::Quorum);
                writer.server.raft.age_followers(NOW);
                return is_set;
            }
            Happening::Lapse => return writer.server.raft.forget_contact(),
            Happening::Saved(writes) => writer.complete_writes(writes),
            Happening::SaveFails => writer.fail_write(),
            Happening::Crash(survivors) => {
                let config = self.config(CoreModel::server_of(writer.server));
                writer.crash(config, survivors);
            }
            Happening::Propose => writer.propose(input(Limit::Proposals), number),
            Happening::Read => writer.read(input(Limit::Reads), number, known),
            Happening::Transfer(to) => {
                writer.step(raft_core::Input::Transfer { request: input(Limit::Transfers), to: node(to) });
            }
            Happening::Compact => writer.compact(input(Limit::Snapshots)),
            Happening::Remove(server) => {
                writer.change(input(Limit::Changes), vec![ConfChangeOp::Remove(node(server))]);
            }
            Happening::AddVoter(server) => {
                writer.change(input(Limit::Changes), vec![ConfChangeOp::AddVoter(node(server))]);
            }
            Happening::AddLearner(server) => {
                writer.change(input(Limit::Changes), vec![ConfChangeOp::AddLearner(node(server))]);
            }
            Happening::Replace(old, new) => {
                let ops = vec![ConfChangeOp::Remove(node(old)), ConfChangeOp::AddVoter(node(new))];
                writer.change(input(Limit::Changes), ops);
            }
        }
        true
    }

    fn changes(&self, server: &CoreServer, add: &mut impl FnMut(Happening)) {
        let configuration = server.raft.configuration();
        for other in 0..self.scope.servers {
            if configuration.is_voter(node(other)) {
                add(Happening::Remove(other));
                add(Happening::AddLearner(other));
                let outside = (0..self.scope.servers).filter(|new| !configuration.is_voter(node(*new)));
                outside.for_each(|new| add(Happening::Replace(other, new)));
            } else {
                add(Happening::AddVoter(other));
                match configuration.is_member(node(other)) {
                    true => add(Happening::Remove(other)),
                    false => add(Happening::AddLearner(other)),
                }
            }
        }
    }
}

impl Model for CoreModel {
    type State = CoreServer;
    type Message = Envelope;

    fn servers(&self) -> usize {
        self.scope.servers
    }

    fn start(&self, server: usize) -> Step<CoreModel> {
        let config = self.config(server);
        let raft = Raft::new(config, Recovered::default(), NOW).expect("the settings of a scope must work");
        let mut state =
            CoreServer { raft, disk: Disk::default(), history: History::default(), applied: Digest::EMPTY };
        let mut writer = FactWriter::new(&mut state, self.scope.limits.reads > 0);
        writer.start();
        // An empty disk is durable.
        writer.step(raft_core::Input::Saved(SaveId(0)));
        writer.facts.push(Fact::SavedRecovered);
        let (messages, facts) = (Vec::new(), writer.facts);
        // A new cluster has heard from no leader.
        state.raft.forget_contact();
        Step { state, messages, facts }
    }

    fn events(&self, server: &CoreServer, events: &mut Vec<Event>) {
        let limits = &self.scope.limits;
        let mut add = |happening: Happening| {
            let limit = happening.limit();
            if limit.is_none_or(|limit| limits.of(limit) > 0) {
                events.push(Event { code: happening.code(), limit });
            }
        };
        (0..=server.disk.unsynced()).for_each(|survivors| add(Happening::Crash(survivors)));
        if server.raft.is_halted() {
            return;
        }
        let writes = if self.scope.asynchronous { server.raft.writes_in_flight().len() } else { 0 };
        (1..=writes).for_each(|writes| add(Happening::Saved(writes)));
        if writes > 0 {
            add(Happening::SaveFails);
        }
        let status = &server.raft;
        if limits.snapshots > 0 && status.last_applied().0 > 0 {
            add(Happening::Compact);
        }
        if !status.is_leader() {
            if status.term().0 < self.scope.terms {
                add(Happening::Election);
            }
            if self.scope.pre_vote || self.scope.check_quorum {
                add(Happening::Lapse);
            }
            return;
        }
        if self.scope.heartbeats {
            add(Happening::Heartbeat);
        }
        if self.scope.check_quorum {
            add(Happening::Quorum);
        }
        if writes > 0 {
            add(Happening::DiskHangs);
        }
        add(Happening::Propose);
        add(Happening::Read);
        if limits.transfers > 0 {
            let own = CoreModel::server_of(server);
            let others = (0..self.scope.servers).filter(|other| *other != own);
            others.for_each(|to| add(Happening::Transfer(to)));
            add(Happening::TransferFails);
        }
        if limits.changes > 0 {
            self.changes(server, &mut add);
        }
    }

    fn step(&self, server: &CoreServer, input: Input<'_, Envelope>) -> Option<Step<CoreModel>> {
        let mut state = server.clone();
        let mut writer = FactWriter::new(&mut state, self.scope.limits.reads > 0);
        match input {
            Input::Message(envelope) => writer.step(raft_core::Input::Receive(envelope.clone())),
            Input::Event { code, number, known } => {
                if !self.happen(&mut writer, Happening::of(code), number, known) {
                    return None;
                }
            }
        }
        if !self.scope.asynchronous {
            writer.complete_all_writes();
        }
        let (sent, facts) = (writer.sent, writer.facts);
        state.forget_past();
        if state.raft.term().0 > self.scope.terms {
            return None;
        }
        let messages = sent.into_iter().map(|envelope| (envelope.to.id.0 as usize - 1, envelope));
        Some(Step { state, messages: messages.collect(), facts })
    }

    fn key(&self, server: &CoreServer, renaming: &Renaming, words: &mut Vec<u32>) {
        let renaming = CoreModel::words_of(renaming, self.scope.servers);
        let CoreServer { raft, disk, history, applied: _ } = server;
        raft.canonical_words(NOW, self.is_ordered(), &renaming, words);
        disk.words(&renaming, words);
        history.words(&renaming, words);
    }

    fn message_key(&self, envelope: &Envelope, renaming: &Renaming, words: &mut Vec<u32>) {
        envelope.canonical_words(&CoreModel::words_of(renaming, self.scope.servers), words);
    }

    fn view(&self, server: &CoreServer, words: &mut Vec<u32>) {
        let renaming = canonical::Renaming::identity(self.scope.servers);
        let CoreServer { raft, disk, history, applied } = server;
        let log = raft.log();
        let first = log.compacted().index;
        words.extend(
            [raft.term().0, u64::from(raft.is_leader()), first.0, raft.commit_index().0].map(|it| it as u32),
        );
        words.extend([raft.last_applied().0 as u32, applied.0 as u32]);
        for entry in &log.entries(first.next(), log.last().index)[..] {
            words.extend([entry.term.0 as u32, super::entry::payload_digest(&entry.payload).0 as u32]);
        }
        disk.words(&renaming, words);
        history.words(&renaming, words);
    }

    fn known(&self, server: &CoreServer) -> u32 {
        server.history.known as u32
    }

    fn renamed(&self, envelope: &Envelope, renaming: &Renaming) -> Option<Envelope> {
        Some(envelope.renamed(&CoreModel::words_of(renaming, self.scope.servers)))
    }

    fn beyond(&self) -> Option<CoreModel> {
        Some(CoreModel { scope: Scope { terms: u64::MAX, ..self.scope }, bug: self.bug })
    }

    fn is_productive(&self, server: &CoreServer) -> bool {
        let raft = &server.raft;
        raft.is_leader() && raft.log().term_at(raft.commit_index()) == Some(raft.term())
    }

    fn push(&self, server: &CoreServer, push: Push) -> Option<u32> {
        let raft = &server.raft;
        let happening = match push {
            Push::Repair if raft.is_halted() => Happening::Crash(server.disk.unsynced()),
            Push::Repair => match raft.writes_in_flight().len() {
                0 => return None,
                writes => Happening::Saved(writes),
            },
            Push::Wait if raft.is_leader() => return None,
            Push::Wait => Happening::Lapse,
            Push::Campaign if raft.is_leader() => return None,
            Push::Campaign => Happening::Election,
            Push::Repeat if raft.is_leader() => Happening::Heartbeat,
            Push::Repeat => return None,
        };
        Some(happening.code())
    }

    fn describe(&self, code: u32, number: u32) -> String {
        match Happening::of(code) {
            Happening::Election => "its election timer fires".into(),
            Happening::Heartbeat => "its heartbeat timer fires".into(),
            Happening::Quorum => "it checks its quorum".into(),
            Happening::Lapse => "it has not heard from a leader for an election timeout".into(),
            Happening::Saved(1) => "its oldest write is durable".into(),
            Happening::Saved(writes) => format!("its {writes} oldest writes are durable"),
            Happening::Crash(0) => {
                "it loses power and starts again, without writes that were not durable".into()
            }
            Happening::Crash(survivors) => {
                format!(
                    "it loses power and starts again, with the {survivors} oldest writes that were not durable"
                )
            }
            Happening::Propose => format!("a client proposes command {}", number + 1),
            Happening::Remove(server) => format!("the operator removes {}", node(server)),
            Happening::AddVoter(server) => format!("the operator makes {} a voter", node(server)),
            Happening::AddLearner(server) => format!("the operator makes {} a learner", node(server)),
            Happening::Replace(old, new) => {
                format!("the operator replaces {} by {}", node(old), node(new))
            }
            Happening::Read => format!("a client requests read {}", number + 1),
            Happening::Transfer(to) => format!("the operator transfers leadership to {}", node(to)),
            Happening::TransferFails => "its transfer takes too long".into(),
            Happening::Compact => "it takes a snapshot and compacts its log".into(),
            Happening::DiskHangs => "its oldest write hangs for an election timeout".into(),
            Happening::SaveFails => "its oldest write fails".into(),
        }
    }
}
