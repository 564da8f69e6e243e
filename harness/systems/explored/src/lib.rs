//! noraft 0.7, unmodified, as a [`Model`]: all interleavings of a small cluster, and the properties of `invariants`.
//!
//! A server is the node of the library, which can be cloned, and a bounded history. Actions are executed at once and in the
//! order in which the library yields them, so writes are durable before messages leave. Its private fields are read from
//! its `Debug` text: a key may be slow, because each step is taken once.
//!
//! In scope are elections, heartbeats, replication and commands. Left out are snapshots, which noraft leaves to its host, and
//! changes of the membership.

mod facts;

use facts::FactWriter;
use harness::explore::{Event, Input, Limit, Limits, Model, Renaming, Step};
use invariants::{Digest, Fact, LogId};
use noraft::{Action, ClusterConfig, Log, LogEntries, LogEntry, LogPosition, Message, Node, NodeId, Term};
use std::fmt;

/// What may happen to a server besides a message.
const TIMEOUT: u32 = 0;
const PROPOSE: u32 = 1;
const RESTART: u32 = 2;

/// A cluster of noraft within a scope.
#[derive(Clone, Debug)]
pub struct Noraft {
    /// The number of servers, all of them voters.
    pub servers: usize,
    /// The highest term.
    pub terms: u64,
    /// How often each may happen.
    pub limits: Limits,
    /// Whether votes are forgotten in a crash: a host that breaks the contract of the library.
    pub forgets_votes: bool,
    /// Whether all votes are stated. noraft replaces its vote by the leader of the term, and grants a late request of that
    /// leader, even if it has voted for another. That is harmless, because the leader leads already; it is left out if this
    /// is false. A leader that such a vote elects violates `elected-by-quorum` then.
    pub states_all_votes: bool,
}

/// A server.
#[derive(Clone, Debug)]
pub struct Server {
    node: Node,
    history: History,
}

/// What properties compare with the past.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct History {
    /// The newest vote that was sent: its term and candidate.
    vote: Option<(u64, u64)>,
    /// The furthest acknowledgement that was sent: its term and index.
    acknowledged: Option<(u64, u64)>,
    /// The terms led, each with the end of the log at the election.
    led: Vec<(u64, LogId)>,
    /// The furthest entry committed as leader: its index, and the leader's term.
    committed: Option<(u64, u64)>,
}

/// A message to one server.
#[derive(Clone, Debug)]
pub struct Sent(Message);

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |position: LogPosition| format!("{}@{}", position.index.get(), position.term.get());
        let term = self.0.term().get();
        match &self.0 {
            Message::RequestVoteCall { last_position, .. } => {
                write!(f, "RequestVoteCall term {term} last {}", at(*last_position))
            }
            Message::RequestVoteReply { vote_granted, .. } => {
                write!(f, "RequestVoteReply {vote_granted} term {term}")
            }
            Message::AppendEntriesCall { commit_index, entries, .. } => {
                let (after, last) = (at(entries.prev_position()), at(entries.last_position()));
                write!(
                    f,
                    "AppendEntriesCall term {term} after {after} to {last} commit {}",
                    commit_index.get()
                )
            }
            Message::AppendEntriesReply { last_position, .. } => {
                write!(f, "AppendEntriesReply term {term} last {}", at(*last_position))
            }
        }
    }
}

fn id(server: usize) -> NodeId {
    NodeId::new(server as u64 + 1)
}

fn log_id(position: LogPosition) -> LogId {
    LogId { index: position.index.get(), term: position.term.get() }
}

/// The digest of an entry's content. A command has none: the library leaves it to its host.
fn entry_digest(entry: &LogEntry) -> Digest {
    match entry {
        LogEntry::Term(term) => Digest::of(b"term").then(term.get()),
        LogEntry::ClusterConfig(_) => Digest::of(b"configuration"),
        LogEntry::Command => Digest::of(b"command"),
    }
}

impl Noraft {
    fn initial_log(&self) -> Log {
        let voters = (0..self.servers).map(id).collect();
        let config = ClusterConfig { voters, ..ClusterConfig::new() };
        Log::new(config, LogEntries::new(LogPosition::ZERO))
    }

    /// Takes the actions of the last call. Returns the messages.
    fn act(&self, node: &mut Node) -> Vec<(usize, Message)> {
        let own = node.id().get() as usize - 1;
        let mut messages = Vec::new();
        for action in std::mem::take(node.actions_mut()) {
            match action {
                Action::BroadcastMessage(message) => {
                    let others = (0..self.servers).filter(|server| *server != own);
                    messages.extend(others.map(|server| (server, message.clone())));
                }
                Action::SendMessage(to, message) => messages.push((to.get() as usize - 1, message)),
                Action::InstallSnapshot(_) => unreachable!("no log is compacted"),
                // What is to be saved is durable at once: it is read from the node.
                Action::SetElectionTimeout
                | Action::SaveCurrentTerm
                | Action::SaveVotedFor
                | Action::AppendLogEntries(_) => {}
            }
        }
        messages
    }

    fn restarted(&self, server: &Server) -> Node {
        let node = &server.node;
        let vote = node.voted_for().filter(|_| !self.forgets_votes);
        let mut restarted = Node::restart(node.id(), node.current_term(), vote, node.log().clone());
        self.act(&mut restarted);
        restarted
    }
}

impl Model for Noraft {
    type State = Server;
    type Message = Sent;

    fn servers(&self) -> usize {
        self.servers
    }

    fn start(&self, server: usize) -> Step<Noraft> {
        let mut node = Node::restart(id(server), Term::ZERO, None, self.initial_log());
        self.act(&mut node);
        let state = Server { node, history: History::default() };
        let facts = facts::started(&state, self.states_all_votes);
        Step { state, messages: Vec::new(), facts }
    }

    fn events(&self, server: &Server, events: &mut Vec<Event>) {
        let mut add = |code, limit: Limit| {
            if self.limits.of(limit) > 0 {
                events.push(Event { code, limit: Some(limit) });
            }
        };
        add(RESTART, Limit::Crashes);
        if server.node.role().is_leader() {
            // The timer of a leader sends heartbeats.
            add(PROPOSE, Limit::Proposals);
            events.push(Event { code: TIMEOUT, limit: None });
        } else if server.node.current_term().get() < self.terms {
            add(TIMEOUT, Limit::Timers);
        }
    }

    fn step(&self, server: &Server, input: Input<'_, Sent>) -> Option<Step<Noraft>> {
        let mut state = server.clone();
        let mut facts = Vec::new();
        match input {
            Input::Message(Sent(message)) => {
                state.node.handle_message(message).expect("no log has a snapshot that conflicts");
            }
            Input::Event { code: TIMEOUT, .. } => state.node.handle_election_timeout(),
            Input::Event { code: PROPOSE, .. } => _ = state.node.propose_command(),
            Input::Event { .. } => {
                state.node = self.restarted(server);
                facts.extend([Fact::PowerLost, Fact::Restarted]);
                facts.extend(facts::started(&state, self.states_all_votes));
                return Some(Step { state, messages: Vec::new(), facts });
            }
        }
        let sent = self.act(&mut state.node);
        if state.node.current_term().get() > self.terms {
            return None;
        }
        let all_votes = self.states_all_votes;
        FactWriter { before: server, state: &mut state, facts: &mut facts, all_votes }.write(input, &sent);
        let messages = sent.into_iter().map(|(to, message)| (to, Sent(message))).collect();
        Some(Step { state, messages, facts })
    }

    fn key(&self, server: &Server, _renaming: &Renaming, words: &mut Vec<u32>) {
        let Server { node, history } = server;
        let mut text = format!("{node:?}");
        // The metrics count for ever, and decide nothing. They are the last field.
        let metrics = format!("{:?} }}", node.metrics());
        text.truncate(text.len() - metrics.len());
        push_text(&text, words);
        push_text(&format!("{history:?}"), words);
    }

    fn message_key(&self, message: &Sent, _renaming: &Renaming, words: &mut Vec<u32>) {
        push_text(&format!("{:?}", message.0), words);
    }

    fn view(&self, server: &Server, words: &mut Vec<u32>) {
        let Server { node, history } = server;
        let vote = node.voted_for();
        let commit_index = node.commit_index();
        let (term, leads, log) = (node.current_term(), node.role().is_leader(), node.log().entries());
        push_text(&format!("{term:?} {vote:?} {leads} {commit_index:?} {log:?} {history:?}"), words);
    }

    fn describe(&self, event: u32, number: u32) -> String {
        match event {
            TIMEOUT => "its timer fires".into(),
            PROPOSE => format!("a client proposes command {}", number + 1),
            _ => "it loses power and starts again".into(),
        }
    }
}

/// A text as words: its length, and four bytes each.
fn push_text(text: &str, words: &mut Vec<u32>) {
    words.push(text.len() as u32);
    let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    words.extend(text.as_bytes().chunks(4).map(word));
}
