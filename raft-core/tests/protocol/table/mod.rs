//! A small cluster on a table: Rafts, their messages, disks and clocks, the actions of a test, and a transcript.
//!
//! In the transcript `#` explains and `>` is an action of the test. All other lines are what the cluster does, and only
//! what changes: `n1 -> n2` for messages, `n1  verb` for local steps, `index@term` for log positions. A message that
//! cannot arrive says `lost`. A disk syncs at once until the test calls it slow; then each write waits for `sync`. The
//! application keeps every command that it applies and its snapshot is that list, so two states can be compared.
//!
//! Every effect and every step is checked against `checker.rs`, which rebuilds terms, logs, votes and configurations
//! from what it observes. This model of the cluster is a deliberate second opinion: it shares no code with
//! `invariants`, so that a mistake in one of the two shows as a difference. A violation panics, unless the table is
//! lenient.

pub(crate) mod disk;
pub(crate) mod checker;

use checker::{Before, Checker, Disks};
use disk::Disk;
use raft_core::{
    ConfChange, ConfChangeOp, Config, Configuration, DirectoryId, Effect, Entry, Envelope, Index, Input,
    LogId, Message, NodeId, Payload, Raft, ReadConfirmation, ReadKey, ReplicaKey, RequestId, Response, Role,
    Snapshot, Term, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::{Display, Write as _};
use std::sync::Arc;

/// One millisecond in nanoseconds, the unit of the core's clock.
pub(crate) const MS: u64 = 1_000_000;

/// A few Rafts and everything between them.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) servers: Vec<Server>,
    /// In flight, oldest first.
    pub(crate) messages: VecDeque<Envelope>,
    pub(crate) checker: Checker,
    /// Record violations and continue, instead of panicking.
    pub(crate) lenient: bool,
    /// Whether one clock drives all servers, each at its own rate. Otherwise each server's clock advances by itself.
    pub(crate) shared_time: bool,
    /// True time since the start. Only the servers' clocks are derived from it.
    time: u64,
    /// The contents of wiped disks, by their replica.
    old_disks: BTreeMap<ReplicaKey, Disk>,
    /// Links that lose whatever is sent now.
    cut_links: BTreeSet<(u64, u64)>,
    /// Links whose messages wait until the test delivers them by name.
    held_links: BTreeSet<(u64, u64)>,
    requests: Vec<Request>,
    /// Whether the server that is stepped led before: an answer of this step may be older than its end.
    led_before: bool,
    transcript: String,
    quiet: bool,
}

/// One server: a Raft, unless it is down, with its disk, clock and application.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) raft: Option<Raft>,
    pub(crate) disk: Disk,
    pub(crate) now: u64,
    pub(crate) incarnation: u64,
    pub(crate) state: State,
    /// Whether inputs are collected for one common step.
    pub(crate) is_batching: bool,
    /// The inputs collected so far.
    batched_inputs: Vec<Input>,
    /// A copy of its state, to be used for the next snapshot.
    copied_state: Option<(Index, Vec<u8>)>,
    /// By how many parts per million its clock is fast.
    pub(crate) rate: i64,
    /// What its clock showed at the start, plus the time that restarts added.
    clock_offset: u64,
    config: Config,
}

impl Server {
    fn replica(&self) -> ReplicaKey {
        ReplicaKey { id: self.config.id, directory_id: self.config.directory_id }
    }

    /// Stops the process: all state in memory is lost.
    fn stop(&mut self) {
        self.raft = None;
        self.is_batching = false;
        self.batched_inputs.clear();
    }
}

/// A server's application, in memory: the list of commands that it applied.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct State {
    /// The last applied index.
    pub(crate) applied: Index,
    /// Every applied command, in order.
    pub(crate) commands: Vec<String>,
}

impl State {
    fn apply(&mut self, index: Index, entry: &Entry) {
        assert_eq!(index, self.applied.next(), "entries must be applied in order");
        self.applied = index;
        if let Payload::Command(command) = &entry.payload {
            self.commands.push(String::from_utf8_lossy(command).into_owned());
        }
    }

    /// The bytes that a snapshot of this state holds.
    pub(crate) fn image(&self) -> Vec<u8> {
        self.commands.join(" ").into_bytes()
    }

    fn restored(snapshot: &Snapshot) -> State {
        let image = String::from_utf8_lossy(&snapshot.data).into_owned();
        State {
            applied: snapshot.last.index,
            commands: image.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

/// A client's request, and the server that it was sent to.
#[derive(Clone)]
struct Request {
    name: String,
    server_id: u64,
    incarnation: u64,
}

/// # Setup
impl Table {
    /// A cluster of `nodes` voters, without pre-vote and check-quorum.
    pub(crate) fn of(nodes: u64) -> Table {
        Table::with(nodes, |_| {})
    }

    /// A cluster of `nodes` voters with `change` applied to each server's [`Config`].
    pub(crate) fn with(nodes: u64, change: impl Fn(&mut Config)) -> Table {
        Table::with_initial_voters(nodes, nodes, change)
    }

    /// A cluster whose first `initial_voters` servers form the initial configuration. The others run with an empty log
    /// and belong to no configuration until they are added.
    pub(crate) fn with_initial_voters(
        initial_voters: u64,
        nodes: u64,
        change: impl Fn(&mut Config),
    ) -> Table {
        let servers = (1..=nodes).map(|id| {
            let mut config = Config {
                pre_vote: false,
                check_quorum: false,
                ..Config::new(NodeId(id), (1..=initial_voters).map(NodeId).collect())
            };
            change(&mut config);
            // Clocks of different machines are unrelated.
            let now = id * 1_000_000 * MS;
            Server {
                raft: None,
                disk: Disk::default(),
                now,
                incarnation: 0,
                state: State::default(),
                is_batching: false,
                batched_inputs: Vec::new(),
                copied_state: None,
                rate: 0,
                clock_offset: now,
                config,
            }
        });
        let servers: Vec<Server> = servers.collect();
        let mut table = Table {
            checker: Checker::of(initial_configuration(&servers[0].config)),
            servers,
            messages: VecDeque::new(),
            lenient: false,
            shared_time: false,
            time: 0,
            old_disks: BTreeMap::new(),
            cut_links: BTreeSet::new(),
            held_links: BTreeSet::new(),
            requests: Vec::new(),
            led_before: false,
            transcript: String::new(),
            quiet: true,
        };
        for id in 1..=nodes {
            table.boot(id);
        }
        // Let an election timeout pass, so that no server still protects a leader from before its start.
        for server in table.servers.iter_mut().filter(|server| server.config.check_quorum) {
            server.now += server.config.election_timeout;
            server.clock_offset = server.now;
        }
        table.quiet = false;
        table
    }

    /// Runs `setup` without recording it in the transcript.
    pub(crate) fn quietly(&mut self, setup: impl FnOnce(&mut Table)) {
        let before = std::mem::replace(&mut self.quiet, true);
        setup(self);
        self.quiet = before;
    }

    /// Adds an explanation of what follows to the transcript.
    pub(crate) fn describe(&mut self, why: &str) {
        if !self.transcript.is_empty() {
            self.log_line(&"");
        }
        for line in why.lines() {
            self.log_line(&format!("# {}", line.trim()));
        }
    }

    /// The transcript so far.
    pub(crate) fn transcript(&self) -> &str {
        self.transcript.trim_end()
    }
}

/// # Inspection
impl Table {
    pub(crate) fn server(&self, id: u64) -> &Server {
        &self.servers[id as usize - 1]
    }

    pub(crate) fn server_mut(&mut self, id: u64) -> &mut Server {
        &mut self.servers[id as usize - 1]
    }

    /// The Raft of a server that is up.
    pub(crate) fn raft(&self, id: u64) -> &Raft {
        self.server(id).raft.as_ref().unwrap_or_else(|| panic!("n{id} is down"))
    }

    pub(crate) fn is_up(&self, id: u64) -> bool {
        self.server(id).raft.is_some()
    }

    /// A server's id and current directory id.
    pub(crate) fn replica(&self, id: u64) -> ReplicaKey {
        self.server(id).replica()
    }

    pub(crate) fn nodes(&self) -> std::ops::RangeInclusive<u64> {
        1..=self.servers.len() as u64
    }

    /// Requests without a response whose server is still in the incarnation that received them.
    pub(crate) fn unanswered(&self) -> Vec<String> {
        let open = self.requests.iter().enumerate().filter(|(number, request)| {
            let server = self.server(request.server_id);
            server.incarnation == request.incarnation
                && server.raft.is_some()
                && !self.checker.is_answered(RequestId(*number as u64))
        });
        open.map(|(_, request)| request.name.clone()).collect()
    }

    /// The violated properties, each once, in the order of their first violation.
    #[cfg(feature = "bugs")]
    pub(crate) fn violated(&self) -> Vec<&'static str> {
        let mut properties = Vec::new();
        for violation in &self.checker.violations {
            if !properties.contains(&violation.property) {
                properties.push(violation.property);
            }
        }
        properties
    }

    /// Whether this server's log contains no configuration change.
    fn has_initial_configuration(&self, raft: &Raft) -> bool {
        raft.log().configuration_index() == raft.log().compacted().index
            && **raft.configuration() == self.checker.initial_configuration
    }

    /// Reports a violation of liveness with the text `otherwise` unless `has_progress`. To be called after enough time and
    /// deliveries.
    #[cfg(feature = "bugs")]
    pub(crate) fn require_progress(&mut self, has_progress: bool, otherwise: &str) {
        if !has_progress {
            self.checker.report("liveness", otherwise.to_owned());
        }
        self.report_violations();
    }

    /// Records the state of every server in the transcript.
    pub(crate) fn show(&mut self) {
        for id in self.nodes() {
            let line = match &self.server(id).raft {
                Some(raft) => {
                    let mut runs: Vec<(LogId, LogId)> = Vec::new();
                    let compacted = raft.log().compacted();
                    for index in (compacted.index.0 + 1..=raft.last().index.0).map(Index) {
                        let id = LogId {
                            index,
                            term: raft
                                .log()
                                .term_at(index)
                                .expect("an index between the compacted one and the last is in the log"),
                        };
                        match runs.last_mut() {
                            Some((_, last)) if last.term == id.term => *last = id,
                            _ => runs.push((id, id)),
                        }
                    }
                    let mut log = String::new();
                    if compacted.index > Index(0) {
                        write!(log, " after {compacted}").expect("writing to a String cannot fail");
                    }
                    for (first, last) in runs {
                        let end = if first == last { String::new() } else { format!("..{last}") };
                        write!(log, " {first}{end}").expect("writing to a String cannot fail");
                    }
                    let log = if log.is_empty() { " empty" } else { &log };
                    let group = match self.has_initial_configuration(raft) {
                        true => String::new(),
                        false => format!(", {}", configuration_text(raft)),
                    };
                    let (term, commit) = (raft.term(), raft.commit_index());
                    format!("n{id}  {}, term {term}, log{log}, commit {commit}{group}", role_text(raft))
                }
                None => format!("n{id}  is down"),
            };
            self.log_line(&line);
        }
    }
}

/// # Actions: time and clients
impl Table {
    /// Makes a server time out and win: everything in flight is delivered.
    pub(crate) fn elect(&mut self, id: u64) {
        self.log_action(&format!("elect n{id}"));
        self.fire(id);
        self.deliver_pending();
        assert!(self.raft(id).is_leader(), "n{id} was not elected\n{}", self.transcript);
    }

    /// Lets a server's election timeout expire.
    pub(crate) fn time_out(&mut self, id: u64) {
        self.log_action(&format!("time out n{id}"));
        assert!(!self.raft(id).is_leader(), "a leader does not time out");
        self.fire(id);
    }

    /// Makes a leader send its heartbeat.
    pub(crate) fn heartbeat(&mut self, id: u64) {
        self.log_action(&format!("heartbeat n{id}"));
        assert!(self.raft(id).is_leader(), "only leaders have heartbeats");
        self.fire(id);
    }

    /// Lets time pass for one server, its timers included.
    pub(crate) fn wait(&mut self, id: u64, milliseconds: u64) {
        self.log_action(&format!("wait n{id} {milliseconds} ms"));
        let end = self.server(id).now + milliseconds * MS;
        while self.raft(id).deadline().is_some_and(|due| due.0 <= end) {
            self.fire(id);
        }
        self.advance_clock_to(id, end);
    }

    /// Lets time pass for one server without firing its timers.
    pub(crate) fn pause(&mut self, id: u64, milliseconds: u64) {
        self.log_action(&format!("pause n{id} {milliseconds} ms"));
        self.advance_clock_to(id, self.server(id).now + milliseconds * MS);
    }

    /// Advances time until this server's clock shows `end`.
    fn advance_clock_to(&mut self, id: u64, end: u64) {
        if self.shared_time {
            let left = end.saturating_sub(self.server(id).now);
            self.elapse(left * 1_000_000 / (1_000_000 + self.server(id).rate) as u64);
            while self.server(id).now < end {
                self.elapse(1);
            }
        } else {
            let server = self.server_mut(id);
            server.now = server.now.max(end);
        }
    }

    /// Lets true time pass for all servers.
    pub(crate) fn elapse(&mut self, nanoseconds: u64) {
        self.time += nanoseconds;
        for server in &mut self.servers {
            if self.shared_time {
                let shown = u128::from(self.time) * (1_000_000 + server.rate) as u128 / 1_000_000;
                server.now = server.clock_offset + shown as u64;
            } else {
                server.now += nanoseconds;
            }
        }
    }

    /// Fires the timer when it is due, or at once if it is overdue.
    pub(crate) fn fire(&mut self, id: u64) {
        let due = self.raft(id).deadline().expect("a running server has a deadline").0;
        self.advance_clock_to(id, due);
        self.step(id, Input::Timer);
        let next = self.raft(id).deadline().expect("a running server has a deadline").0;
        assert!(
            self.server(id).is_batching || next > self.server(id).now,
            "n{id}'s timer is due again at once\n{}",
            self.transcript
        );
    }

    /// Proposes a command at a server.
    pub(crate) fn propose(&mut self, id: u64, command: &str) {
        self.log_action(&format!("propose n{id} {command}"));
        let request = self.request(id, command);
        self.checker.on_propose(command);
        self.step(id, Input::Propose { request, command: command.to_owned().into() });
    }

    /// Requests a read at a server.
    pub(crate) fn read(&mut self, id: u64, name: &str) {
        self.log_action(&format!("read n{id} {name}"));
        let request = self.request(id, name);
        self.checker.on_read_request(request);
        self.step(id, Input::Read { request, key: ReadKey::default() });
    }

    /// Requests a configuration change at a server.
    pub(crate) fn change(&mut self, id: u64, change: ConfChange) {
        let text = change_text(&change);
        self.log_action(&format!("change n{id} {text}"));
        let request = self.request(id, &text);
        self.step(id, Input::ConfChange { request, change });
    }

    /// Requests the configuration change that consists of these operations.
    pub(crate) fn change_steps(&mut self, id: u64, steps: &[ConfChangeOp]) {
        self.change(id, ConfChange::Auto(steps.to_vec()));
    }

    /// Requests a leadership transfer.
    pub(crate) fn transfer(&mut self, id: u64, to: u64) {
        let text = format!("transfer to n{to}");
        self.log_action(&format!("transfer n{id} to n{to}"));
        let request = self.request(id, &text);
        self.step(id, Input::Transfer { request, to: NodeId(to) });
    }

    /// Copies a server's state for a later `compact`.
    pub(crate) fn copy_state(&mut self, id: u64) {
        self.log_action(&format!("copy state n{id}"));
        let state = &self.server(id).state;
        self.server_mut(id).copied_state = Some((state.applied, state.image()));
    }

    /// Compacts a server's log with a snapshot of its state, or of the copy made by `copy_state`, and keeps `trailing`
    /// entries.
    pub(crate) fn compact(&mut self, id: u64, trailing: u64) {
        let server = self.server_mut(id);
        let now = (server.state.applied, server.state.image());
        let (index, image) = server.copied_state.take().unwrap_or(now);
        self.log_action(&format!("compact n{id} up to {index}, keep {trailing}"));
        let keep = Index(index.0.saturating_sub(trailing));
        self.compact_with(id, index, &image, keep);
    }

    /// Hands a server an arbitrary image as its state after `index`.
    pub(crate) fn compact_with(&mut self, id: u64, index: Index, image: &[u8], keep: Index) {
        let request = self.request(id, &format!("snapshot up to {index}"));
        self.step(id, Input::Compact { request, index, data: image.to_vec().into(), keep });
    }

    fn request(&mut self, id: u64, name: &str) -> RequestId {
        let incarnation = self.server(id).incarnation;
        self.requests.push(Request { name: name.to_owned(), server_id: id, incarnation });
        RequestId(self.requests.len() as u64 - 1)
    }
}

/// # Actions: messages
impl Table {
    /// Delivers the oldest message of a link.
    pub(crate) fn deliver(&mut self, from: u64, to: u64) {
        let position = self.oldest(from, to);
        self.deliver_at(position);
    }

    /// Delivers the oldest message of a link, if there is one.
    pub(crate) fn deliver_any(&mut self, from: u64, to: u64) {
        if self.messages.iter().any(|envelope| link(envelope) == (from, to)) {
            self.deliver(from, to);
        }
    }

    /// Delivers the newest message of a link.
    pub(crate) fn deliver_newest(&mut self, from: u64, to: u64) {
        let position = self.newest(from, to);
        self.deliver_at(position);
    }

    /// Delivers the message at this position of `messages`.
    pub(crate) fn deliver_at(&mut self, position: usize) {
        let envelope = self.messages.remove(position).expect("the position is that of a message in flight");
        self.log_action(&format!("deliver {} -> {}  {envelope}", envelope.from, envelope.to));
        self.receive(envelope);
    }

    /// Delivers a copy of a link's oldest message, which stays in flight.
    pub(crate) fn deliver_copy(&mut self, from: u64, to: u64) {
        let envelope = self.messages[self.oldest(from, to)].clone();
        self.log_action(&format!("deliver a copy n{from} -> n{to}  {envelope}"));
        self.receive(envelope);
    }

    /// Duplicates a link's oldest message.
    pub(crate) fn duplicate(&mut self, from: u64, to: u64) {
        let envelope = self.messages[self.oldest(from, to)].clone();
        self.log_action(&format!("duplicate n{from} -> n{to}  {envelope}"));
        self.messages.push_back(envelope);
    }

    /// Loses a link's oldest message.
    pub(crate) fn lose(&mut self, from: u64, to: u64) {
        let position = self.oldest(from, to);
        let envelope = self.messages.remove(position).expect("the position is that of a message in flight");
        self.log_action(&format!("lose n{from} -> n{to}  {envelope}"));
    }

    /// Puts a message in flight that no server of the table has sent.
    pub(crate) fn inject(&mut self, from: u64, to: u64, message: Message) {
        let (from, to) = (self.replica(from), self.replica(to));
        self.messages.push_back(Envelope { cluster: 0, from, to, message });
    }

    /// Delivers everything in flight that is not held, and what is sent in response, until nothing is left.
    pub(crate) fn deliver_all(&mut self) {
        self.log_action("deliver all");
        self.deliver_pending();
    }

    /// Holds a link: its messages, now and later, arrive only when they are delivered by name.
    pub(crate) fn hold(&mut self, from: u64, to: u64) {
        self.log_action(&format!("hold n{from} -> n{to}"));
        self.held_links.insert((from, to));
    }

    /// Ends the hold of a link.
    pub(crate) fn release(&mut self, from: u64, to: u64) {
        self.log_action(&format!("release n{from} -> n{to}"));
        self.held_links.remove(&(from, to));
    }

    /// Cuts a server off in both directions. What is in flight still arrives.
    pub(crate) fn cut(&mut self, id: u64) {
        self.log_action(&format!("cut n{id}"));
        for other in self.nodes().filter(|&other| other != id) {
            self.cut_links.extend([(id, other), (other, id)]);
        }
    }

    /// Cuts the link between two servers in both directions.
    pub(crate) fn cut_link(&mut self, a: u64, b: u64) {
        self.log_action(&format!("cut n{a} - n{b}"));
        self.cut_links.extend([(a, b), (b, a)]);
    }

    /// Loses everything in flight.
    pub(crate) fn lose_all(&mut self) {
        self.log_action("lose all");
        self.messages.clear();
    }

    /// Ends all cuts.
    pub(crate) fn heal(&mut self) {
        self.log_action("heal");
        self.cut_links.clear();
    }

    fn oldest(&self, from: u64, to: u64) -> usize {
        let position = self.messages.iter().position(|envelope| link(envelope) == (from, to));
        position.unwrap_or_else(|| panic!("nothing is in flight n{from} -> n{to}\n{}", self.transcript))
    }

    fn newest(&self, from: u64, to: u64) -> usize {
        let position = self.messages.iter().rposition(|envelope| link(envelope) == (from, to));
        position.unwrap_or_else(|| panic!("nothing is in flight n{from} -> n{to}\n{}", self.transcript))
    }

    fn deliver_pending(&mut self) {
        for _ in 0..10_000 {
            let Some(position) =
                self.messages.iter().position(|envelope| !self.held_links.contains(&link(envelope)))
            else {
                return;
            };
            let envelope = self.messages.remove(position).expect("just found");
            self.receive(envelope);
        }
        panic!("messages never end\n{}", self.transcript);
    }

    fn receive(&mut self, envelope: Envelope) {
        let (_, to) = link(&envelope);
        if self.is_up(to) {
            self.step(to, Input::Receive(envelope));
        }
    }
}

/// # Actions: disks
impl Table {
    /// From now on this server's writes wait for `sync`.
    pub(crate) fn slow_disk(&mut self, id: u64) {
        self.log_action(&format!("slow disk n{id}"));
        self.server_mut(id).disk.slow = true;
    }

    /// Makes a disk fast again: waiting writes are synced now, later ones at once.
    pub(crate) fn fast_disk(&mut self, id: u64) {
        self.log_action(&format!("fast disk n{id}"));
        self.server_mut(id).disk.slow = false;
        self.flush(id);
    }

    /// Syncs all waiting writes and reports it to the server once.
    pub(crate) fn sync(&mut self, id: u64) {
        let count = self.server(id).disk.pending.len();
        self.log_action(&format!("sync n{id}"));
        self.sync_up_to(id, count);
    }

    /// Syncs the oldest waiting write and reports it.
    pub(crate) fn sync_one(&mut self, id: u64) {
        let text = match self.server(id).disk.pending.front() {
            Some(pending) => writes_text(&pending.writes),
            None => panic!("n{id} has nothing to sync\n{}", self.transcript),
        };
        self.log_action(&format!("sync n{id}  {text}"));
        self.sync_up_to(id, 1);
    }

    /// Syncs the oldest `count` writes and reports it once.
    pub(crate) fn sync_oldest(&mut self, id: u64, count: usize) {
        self.log_action(&format!("sync n{id}, the oldest {count}"));
        self.sync_up_to(id, count);
    }

    /// The same without a line in the transcript.
    pub(crate) fn sync_up_to(&mut self, id: u64, count: usize) {
        let mut newest = None;
        for _ in 0..count {
            newest = self.server_mut(id).disk.sync_one().map(|pending| pending.id).or(newest);
        }
        if let Some(id_of_write) = newest {
            self.step(id, Input::Saved(id_of_write));
        }
    }

    /// Stops the process; the page cache stays.
    pub(crate) fn crash(&mut self, id: u64) {
        self.log_action(&format!("crash n{id}"));
        let server = self.server_mut(id);
        server.stop();
        server.disk.process_crash();
    }

    /// Stops the machine: what was not synced is lost.
    pub(crate) fn power_loss(&mut self, id: u64) {
        self.log_action(&format!("power loss n{id}"));
        self.power_loss_keeping(id, 0);
    }

    /// Stops the machine after its oldest `synced` writes became durable without being reported.
    pub(crate) fn power_loss_keeping(&mut self, id: u64, synced: usize) {
        self.server_mut(id).stop();
        let lost = self.server_mut(id).disk.power_loss(synced);
        for record in lost {
            self.log_line(&format!("n{id}  loses {record}"));
        }
    }

    /// Reports a failed write to the server.
    pub(crate) fn fail_disk(&mut self, id: u64) {
        self.log_action(&format!("disk error n{id}"));
        self.step(id, Input::SaveFailed);
    }

    /// Empties the disk of a server that is down. The server returns with another directory id.
    pub(crate) fn wipe(&mut self, id: u64) {
        let directory_id = DirectoryId(self.replica(id).directory_id.0 + 100);
        self.log_action(&format!("wipe n{id}; it returns with directory id {}", directory_id.0));
        assert!(!self.is_up(id), "only the disk of a stopped server can be wiped");
        let (replica, server) = (self.replica(id), self.server_mut(id));
        server.config.directory_id = directory_id;
        let slow = server.disk.slow;
        let disk = std::mem::take(&mut server.disk);
        server.disk.slow = slow;
        self.old_disks.insert(replica, disk);
    }

    /// Starts a new incarnation from what the disk holds.
    pub(crate) fn restart(&mut self, id: u64) {
        self.log_action(&format!("restart n{id}"));
        self.boot(id);
    }

    fn boot(&mut self, id: u64) {
        let server = self.server_mut(id);
        let recovered = server.disk.recover();
        let mut line = format!("n{id}  recovers term {}", recovered.term);
        if let Some(vote) = recovered.vote {
            write!(line, ", vote {vote}").expect("writing to a String cannot fail");
        }
        let compacted = disk::compacted(&recovered).index.0;
        if let Some(checkpoint) = &recovered.checkpoint {
            write!(line, ", snapshot up to {}", checkpoint.snapshot.last)
                .expect("writing to a String cannot fail");
        }
        if let Some(last) = recovered.entries.last() {
            write!(line, ", log up to {}@{}", compacted + recovered.entries.len() as u64, last.term)
                .expect("writing to a String cannot fail");
        }
        server.incarnation += 1;
        server.state = State::default();
        server.copied_state = None;
        // A restart takes time, and a monotonic clock need not continue where it stopped.
        server.now += 1_000 * MS;
        server.clock_offset += 1_000 * MS;
        // Each incarnation has its own random stream.
        let seed = server.config.seed + 1_000 * (server.incarnation - 1);
        let config = Config { seed, ..server.config.clone() };
        server.raft =
            Some(Raft::new(config, recovered, Timestamp(server.now)).expect("the configuration is valid"));
        self.log_line(&line);
        if !self.has_initial_configuration(self.raft(id)) {
            self.log_line(&format!("n{id}  uses configuration {}", configuration_text(self.raft(id))));
        }
        self.flush(id);
    }

    fn flush(&mut self, id: u64) {
        while self.is_up(id) && !self.server(id).disk.slow && !self.server(id).disk.pending.is_empty() {
            let count = self.server(id).disk.pending.len();
            self.sync_up_to(id, count);
        }
    }
}

/// # Execution
impl Table {
    /// Steps one server and executes the effects, or collects the input if the server is batching.
    pub(crate) fn step(&mut self, id: u64, input: Input) {
        if self.server(id).is_batching {
            return self.server_mut(id).batched_inputs.push(input);
        }
        self.step_all(id, vec![input]);
    }

    /// Collects this server's inputs from now on.
    pub(crate) fn start_batch(&mut self, id: u64) {
        self.log_action(&format!("batch n{id}"));
        self.server_mut(id).is_batching = true;
    }

    /// Takes one step with all collected inputs and returns their number.
    pub(crate) fn step_batch(&mut self, id: u64) -> usize {
        let inputs = std::mem::take(&mut self.server_mut(id).batched_inputs);
        let count = inputs.len();
        self.log_action(&format!("step n{id} with {count} inputs"));
        self.server_mut(id).is_batching = false;
        if count > 0 {
            self.step_all(id, inputs);
        }
        count
    }

    fn step_all(&mut self, id: u64, inputs: Vec<Input>) {
        let now = Timestamp(self.server(id).now);
        let mut effects = Vec::new();
        let mut raft = self.server_mut(id).raft.take().unwrap_or_else(|| panic!("n{id} is down"));
        let before = (role_text(&raft), raft.term());
        self.led_before = raft.is_leader();
        let (then, last) = (Before::of(&raft), raft.last());
        if inputs.len() == 1 {
            raft.step_all(now, inputs, &mut effects);
            self.check_step(id, &then, &raft);
        } else {
            let (mut many, mut of_many) = (raft.clone(), Vec::new());
            for input in inputs.clone() {
                let then = Before::of(&many);
                many.step(now, input, &mut of_many);
                self.check_step(id, &then, &many);
            }
            raft.step_all(now, inputs, &mut effects);
            self.compare_batch(id, (&raft, &effects), (&many, &of_many));
        }
        let (commit, group) = (then.commit, (then.configuration_index, then.group));
        self.log_role_change(id, &before, &raft);
        self.log_configuration_change(id, &group, &raft);
        for effect in effects {
            self.execute(id, &raft, last, effect);
        }
        if self.server(id).disk.slow
            && raft.commit_index() > commit
            && raft.last_applied() < raft.commit_index()
        {
            self.log_line(&format!(
                "n{id}  knows {} committed, has applied {}",
                raft.commit_index(),
                raft.last_applied()
            ));
        }
        self.server_mut(id).raft = Some(raft);
        self.report_violations();
        self.flush(id);
    }

    /// Lets the checker look at a step.
    fn check_step(&mut self, id: u64, then: &Before, raft: &Raft) {
        let mut disks: Disks<'_> = self.old_disks.iter().map(|(replica, disk)| (*replica, disk)).collect();
        disks.extend(self.servers.iter().map(|server| (server.replica(), &server.disk)));
        self.checker.on_step(self.server(id).incarnation, raft, then, &disks);
    }

    /// Checks that one step with many inputs is equivalent to many steps. It may differ only in fewer writes and fewer
    /// messages to followers.
    fn compare_batch(&self, id: u64, one: (&Raft, &[Effect]), many: (&Raft, &[Effect])) {
        let state_of = |raft: &Raft| {
            let end = (raft.commit_index(), raft.last_applied(), raft.is_halted());
            (raft.term(), raft.vote(), role_text(raft), raft.log().clone(), raft.snapshot().cloned(), end)
        };
        assert_eq!(
            state_of(one.0),
            state_of(many.0),
            "n{id}: one step and many steps must end in the same state\n{}",
            self.transcript
        );
        // A leader that checks its quorum before it sends pending messages may set an earlier deadline than necessary.
        let sooner = one.0.is_leader() && one.0.deadline() < many.0.deadline();
        assert!(
            sooner || one.0.deadline() == many.0.deadline(),
            "n{id}: one step and many steps must set the same deadline"
        );
        let [(done, writes), (expected, many_writes)] = [one.1, many.1].map(|effects| {
            let writes = effects.iter().filter(|effect| matches!(effect, Effect::Save { .. })).count();
            (application_effects(effects), writes)
        });
        assert_eq!(
            done, expected,
            "n{id}: one step and many steps must give the application the same effects\n{}",
            self.transcript
        );
        assert!(writes <= many_writes.min(1), "n{id} writes {writes} times in one step\n{}", self.transcript);
    }

    fn execute(&mut self, id: u64, raft: &Raft, last: LogId, effect: Effect) {
        let position = id as usize - 1;
        match effect {
            Effect::Save { id: number, record } => {
                if let Some(checkpoint) = &record.checkpoint {
                    let action = if checkpoint.installed {
                        "replaces its log up to"
                    } else {
                        "compacts its log up to"
                    };
                    self.log_line(&format!("n{id}  {action} {}", checkpoint.compacted));
                } else if record.after < last.index {
                    let term = raft.log().term_at(record.after).expect("a retained entry is in the log");
                    self.log_line(&format!("n{id}  truncates its log after {}@{term}", record.after));
                }
                let suffix = if self.servers[position].disk.slow { "    waits" } else { "" };
                self.log_line(&format!("n{id}  saves {record}{suffix}"));
                self.checker.on_save(NodeId(id), raft, &record);
                let pending = disk::Pending { id: number, writes: vec![record] };
                self.servers[position].disk.pending.push_back(pending);
            }
            Effect::Send(envelope) => {
                let (_, to) = link(&envelope);
                let lost = self.cut_links.contains(&(id, to)) || self.server(to).raft.is_none();
                let mark = if lost { "    lost" } else { "" };
                self.log_line(&format!("n{id} -> n{to}  {envelope}{mark}"));
                self.checker.on_send(&envelope, &self.servers[position].disk);
                if !lost {
                    self.messages.push_back(envelope);
                }
            }
            Effect::Restore(snapshot) => {
                self.log_line(&format!(
                    "n{id}  restores its state from the snapshot up to {}",
                    snapshot.last
                ));
                self.checker.on_restore(
                    NodeId(id),
                    &snapshot,
                    self.servers[position].state.applied,
                    &self.servers[position].disk,
                );
                self.servers[position].state = State::restored(&snapshot);
            }
            Effect::Apply { first, entries } => {
                for (index, entry) in (first.0..).map(Index).zip(entries.iter()) {
                    let command = match &entry.payload {
                        Payload::Noop => "noop".to_owned(),
                        Payload::Command(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                        Payload::Configuration(configuration) => configuration.to_string(),
                    };
                    self.log_line(&format!("n{id}  applies {index}@{} {command}", entry.term));
                    self.checker.on_apply(NodeId(id), index, entry, &self.servers[position].disk);
                    self.servers[position].state.apply(index, entry);
                }
            }
            // The checker of these tests judges the answer.
            Effect::ReadConfirmed { .. } => {}
            Effect::ReadNow { request, confirmation } => {
                let applied = self.servers[position].state.applied;
                let why = match confirmation {
                    ReadConfirmation::Quorum => "",
                    ReadConfirmation::Lease => " by its lease",
                    ReadConfirmation::Leader => " by its leader's read index",
                };
                self.log_line(&format!(
                    "n{id}  serves {} at {applied}{why}",
                    self.requests[request.0 as usize].name
                ));
                self.checker.on_read(NodeId(id), request, applied);
            }
            Effect::Respond { request, response } => {
                // The line about the save says this already.
                if response != Response::Compacted {
                    let name = &self.requests[request.0 as usize].name;
                    self.log_line(&format!("n{id}  responds to {name}: {response}"));
                }
                let applied = if let Response::Applied { index } = response { Some(index) } else { None };
                self.checker.on_response(NodeId(id), request, applied);
                if response == (Response::NotLeader { hint: Some(NodeId(id)) })
                    && !raft.is_leader()
                    && !self.led_before
                {
                    self.checker.report("leader-hints", format!("n{id} names itself"));
                }
                if let Response::NotLeader { .. } | Response::Rejected(_) = response {
                    self.checker.on_failure_response(NodeId(id), &self.requests[request.0 as usize].name);
                }
            }
        }
    }

    fn log_role_change(&mut self, id: u64, (was, term): &(String, Term), raft: &Raft) {
        let is = role_text(raft);
        let in_term = if *term == raft.term() { String::new() } else { format!(", term {}", raft.term()) };
        if *was != is {
            self.log_line(&format!("n{id}  {was} => {is}{in_term}"));
        } else if *term != raft.term() {
            self.log_line(&format!("n{id}  {is}{in_term}"));
        }
    }

    fn log_configuration_change(&mut self, id: u64, (at, group): &(Index, Arc<Configuration>), raft: &Raft) {
        let (now, compacted) = (raft.log().configuration_index(), raft.log().compacted().index);
        if (*at != now && now > compacted) || group != raft.log().configuration() {
            self.log_line(&format!("n{id}  uses configuration {}", configuration_text(raft)));
        }
    }

    fn report_violations(&mut self) {
        while self.checker.reported < self.checker.violations.len() {
            let violation = self.checker.violations[self.checker.reported].clone();
            self.checker.reported += 1;
            self.log_line(&format!("!! {}: {}", violation.property, violation.detail));
            assert!(self.lenient, "{}: {}\n{}", violation.property, violation.detail, self.transcript);
        }
    }

    fn log_action(&mut self, text: &str) {
        self.log_line(&format!("> {text}"));
    }

    fn log_line(&mut self, text: &dyn Display) {
        if !self.quiet {
            writeln!(self.transcript, "{text}").expect("writing to a String cannot fail");
        }
    }
}

/// What the application receives, entry by entry.
fn application_effects(effects: &[Effect]) -> Vec<Effect> {
    let flat = effects.iter().flat_map(|effect| match effect {
        Effect::Save { .. } | Effect::Send(_) => Vec::new(),
        Effect::Apply { first, entries } => {
            let each = (first.0..).map(Index).zip(entries.iter());
            each.map(|(first, entry)| Effect::Apply { first, entries: [entry.clone()].into_iter().collect() })
                .collect()
        }
        other => vec![other.clone()],
    });
    flat.collect()
}

/// The sender and the receiver of a message.
fn link(envelope: &Envelope) -> (u64, u64) {
    (envelope.from.id.0, envelope.to.id.0)
}

/// The configuration that the servers were set up with.
fn initial_configuration(config: &Config) -> Configuration {
    let initial_voters = Configuration::of(config.voters.iter().copied());
    Configuration { directory_ids: config.directory_ids.clone(), ..initial_voters }
}

fn role_text(raft: &Raft) -> String {
    match raft.role() {
        Role::Follower => match raft.leader() {
            Some(leader) => format!("follower({leader})"),
            None => "follower".to_owned(),
        },
        Role::PreCandidate { .. } => "pre-candidate".to_owned(),
        Role::Candidate { .. } => "candidate".to_owned(),
        Role::Leader(_) => "leader".to_owned(),
    }
}

/// The configuration in force, with its position in the log.
fn configuration_text(raft: &Raft) -> String {
    let index = raft.log().configuration_index();
    let id =
        LogId { index, term: raft.log().term_at(index).expect("the configuration's entry is in the log") };
    format!("{id} {}", raft.configuration())
}

fn change_text(change: &ConfChange) -> String {
    let list = |steps: &[ConfChangeOp]| {
        let texts = steps.iter().map(|step| match step {
            ConfChangeOp::AddVoter(node) => format!("voter {node}"),
            ConfChangeOp::AddLearner(node) => format!("learner {node}"),
            ConfChangeOp::Remove(node) => format!("remove {node}"),
            ConfChangeOp::SetDirectoryId(node, DirectoryId(directory_id)) => {
                format!("{node} with directory id {directory_id}")
            }
        });
        texts.collect::<Vec<_>>().join(", ")
    };
    match change {
        ConfChange::Auto(steps) => list(steps),
        ConfChange::ExplicitJoint(steps) => format!("joint: {}", list(steps)),
        ConfChange::LeaveJoint => "leave".to_owned(),
    }
}

fn writes_text(writes: &[raft_core::SaveRecord]) -> String {
    let texts: Vec<String> = writes.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "what was recovered".to_owned() } else { texts.join("; ") }
}
