//! A few Rafts on a table: their letters, their disks, their clocks, the verbs, and the transcript.
//!
//! In the transcript `#` says why, `>` what the test does, and plain lines what the cluster does: `n1 -> n2` for
//! letters, `n1  verb` for what a server does itself, `index@term` everywhere, and only what changes. A letter that
//! cannot arrive says `lost`. Disks are instant until somebody calls them slow; then each write waits for `sync`.
//! The application keeps every command that it was given, and its snapshot is those commands, so that two states can be
//! compared. Every effect and every step is held against `watch.rs`; a clash panics, unless the table is lenient.

#![allow(dead_code, reason = "each area uses some of the verbs")]

pub mod disk;
pub mod watch;

use disk::Disk;
use raft_core::{
    ConfChange, ConfChangeOp, Config, Configuration, DirectoryId, Effect, Entry, Envelope, Index, Input,
    LogId, Message, NodeId, Payload, Raft, ReadConfirmation, ReplicaKey, RequestId, Response, Role, Snapshot,
    Term, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::{Display, Write as _};
use std::sync::Arc;
use watch::{Before, Disks, Watch};

/// A millisecond, in the nanoseconds of the core.
pub const MS: u64 = 1_000_000;

/// A few Rafts and everything between them.
#[derive(Clone)]
pub struct Table {
    pub servers: Vec<Server>,
    /// In flight, oldest first.
    pub letters: VecDeque<Envelope>,
    pub watch: Watch,
    /// Whether a clash is noted, and the story goes on.
    pub lenient: bool,
    /// Whether time passes for all at once, for each at its own rate. Otherwise every clock goes by itself.
    pub together: bool,
    /// True time since the beginning; nothing looks at it but the clocks.
    time: u64,
    /// The disks of lives that are over.
    graves: BTreeMap<ReplicaKey, Disk>,
    /// Links that lose what is sent now.
    cuts: BTreeSet<(u64, u64)>,
    /// Links whose letters wait until someone delivers them by name.
    holds: BTreeSet<(u64, u64)>,
    requests: Vec<Request>,
    transcript: String,
    quiet: bool,
}

/// One server: a Raft, unless it is down, and what belongs to its machine.
#[derive(Clone)]
pub struct Server {
    pub raft: Option<Raft>,
    pub disk: Disk,
    pub now: u64,
    pub incarnation: u64,
    pub state: State,
    /// Whether what happens to it waits for more, so that it takes one step for all of it.
    pub gathers: bool,
    /// What has happened to it, and waits.
    waiting: Vec<Input>,
    /// A copy of its state that it has made, to be handed over as a snapshot.
    image: Option<(Index, Vec<u8>)>,
    /// By how many millionths its clock is fast.
    pub rate: i64,
    /// What its clock said when time began, and what restarts have added.
    origin: u64,
    config: Config,
}

impl Server {
    fn peer(&self) -> ReplicaKey {
        ReplicaKey { id: self.config.id, directory_id: self.config.directory_id }
    }

    /// It runs no more, and what has happened to it nobody knows.
    fn die(&mut self) {
        self.raft = None;
        self.gathers = false;
        self.waiting.clear();
    }
}

/// A server's application, in memory: it keeps what it was given.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct State {
    /// After which entry it is.
    pub applied: Index,
    /// Every command that led to it.
    pub commands: Vec<String>,
}

impl State {
    fn apply(&mut self, index: Index, entry: &Entry) {
        assert_eq!(index, self.applied.next(), "an entry is applied out of turn");
        self.applied = index;
        if let Payload::Command(command) = &entry.payload {
            self.commands.push(String::from_utf8_lossy(command).into_owned());
        }
    }

    /// What a snapshot of it holds.
    pub fn image(&self) -> Vec<u8> {
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

/// What a client asked for, and whom.
#[derive(Clone)]
struct Request {
    name: String,
    asked: u64,
    incarnation: u64,
}

/// # Set-up
impl Table {
    /// So many servers, without pre-vote and check-quorum.
    pub fn of(nodes: u64) -> Table {
        Table::with(nodes, |_| {})
    }

    /// So many servers, set up in another way.
    pub fn with(nodes: u64, change: impl Fn(&mut Config)) -> Table {
        Table::founded_by(nodes, nodes, change)
    }

    /// So many servers, of which the first `founders` found the group. The others run with an empty log and belong to
    /// no group until somebody makes them.
    pub fn founded_by(founders: u64, nodes: u64, change: impl Fn(&mut Config)) -> Table {
        let servers = (1..=nodes).map(|id| {
            let mut config = Config {
                pre_vote: false,
                check_quorum: false,
                ..Config::new(NodeId(id), (1..=founders).map(NodeId).collect())
            };
            change(&mut config);
            // Clocks of different machines have nothing to do with each other.
            let now = id * 1_000_000 * MS;
            Server {
                raft: None,
                disk: Disk::default(),
                now,
                incarnation: 0,
                state: State::default(),
                gathers: false,
                waiting: Vec::new(),
                image: None,
                rate: 0,
                origin: now,
                config,
            }
        });
        let servers: Vec<Server> = servers.collect();
        let mut table = Table {
            watch: Watch::of(founding(&servers[0].config)),
            servers,
            letters: VecDeque::new(),
            lenient: false,
            together: false,
            time: 0,
            graves: BTreeMap::new(),
            cuts: BTreeSet::new(),
            holds: BTreeSet::new(),
            requests: Vec::new(),
            transcript: String::new(),
            quiet: true,
        };
        for id in 1..=nodes {
            table.boot(id);
        }
        // They are up for so long that none of them keeps to a leader of before.
        for server in table.servers.iter_mut().filter(|server| server.config.check_quorum) {
            server.now += server.config.election_timeout;
            server.origin = server.now;
        }
        table.quiet = false;
        table
    }

    /// Sets something up that needs no telling.
    pub fn quietly(&mut self, setup: impl FnOnce(&mut Table)) {
        let before = std::mem::replace(&mut self.quiet, true);
        setup(self);
        self.quiet = before;
    }

    /// Why the following happens.
    pub fn story(&mut self, why: &str) {
        if !self.transcript.is_empty() {
            self.line(&"");
        }
        for line in why.lines() {
            self.line(&format!("# {}", line.trim()));
        }
    }

    /// What has happened so far.
    pub fn transcript(&self) -> &str {
        self.transcript.trim_end()
    }
}

/// # What is there
impl Table {
    pub fn server(&self, id: u64) -> &Server {
        &self.servers[id as usize - 1]
    }

    pub fn server_mut(&mut self, id: u64) -> &mut Server {
        &mut self.servers[id as usize - 1]
    }

    /// A server that runs.
    pub fn raft(&self, id: u64) -> &Raft {
        self.server(id).raft.as_ref().unwrap_or_else(|| panic!("n{id} is down"))
    }

    pub fn is_up(&self, id: u64) -> bool {
        self.server(id).raft.is_some()
    }

    /// Which life of a server there is now.
    pub fn peer(&self, id: u64) -> ReplicaKey {
        self.server(id).peer()
    }

    pub fn nodes(&self) -> std::ops::RangeInclusive<u64> {
        1..=self.servers.len() as u64
    }

    /// The requests to servers that still run, and that nobody has answered.
    pub fn unanswered(&self) -> Vec<String> {
        let open = self.requests.iter().enumerate().filter(|(number, request)| {
            let server = self.server(request.asked);
            server.incarnation == request.incarnation
                && server.raft.is_some()
                && !self.watch.has_answered(RequestId(*number as u64))
        });
        open.map(|(_, request)| request.name.clone()).collect()
    }

    /// The properties that were violated, each once, in the order of their first clash.
    pub fn violated(&self) -> Vec<&'static str> {
        let mut properties = Vec::new();
        for violation in &self.watch.violations {
            if !properties.contains(&violation.property) {
                properties.push(violation.property);
            }
        }
        properties
    }

    /// Whether nobody has ever changed the group, as far as this server can tell.
    fn is_as_founded(&self, raft: &Raft) -> bool {
        raft.log().configuration_index() == raft.log().compacted().index
            && **raft.configuration() == self.watch.founding
    }

    /// Enough was done and time enough has passed that this should be so.
    pub fn by_now(&mut self, is_so: bool, otherwise: &str) {
        if !is_so {
            self.watch.clash("progress", otherwise.to_owned());
        }
        self.judge();
    }

    /// Says how every server stands.
    pub fn show(&mut self) {
        for id in self.nodes() {
            let line = match &self.server(id).raft {
                Some(raft) => {
                    let mut runs: Vec<(LogId, LogId)> = Vec::new();
                    let compacted = raft.log().compacted();
                    for index in (compacted.index.0 + 1..=raft.last().index.0).map(Index) {
                        let id = LogId { index, term: raft.log().term_at(index).expect("in the log") };
                        match runs.last_mut() {
                            Some((_, last)) if last.term == id.term => *last = id,
                            _ => runs.push((id, id)),
                        }
                    }
                    let mut log = String::new();
                    if compacted.index > Index(0) {
                        write!(log, " after {compacted}").expect("strings are patient");
                    }
                    for (first, last) in runs {
                        let end = if first == last { String::new() } else { format!("..{last}") };
                        write!(log, " {first}{end}").expect("strings are patient");
                    }
                    let log = if log.is_empty() { " empty" } else { &log };
                    let group = match self.is_as_founded(raft) {
                        true => String::new(),
                        false => format!(", {}", configured(raft)),
                    };
                    let (term, commit) = (raft.term(), raft.commit_index());
                    format!("n{id}  {}, term {term}, log{log}, commit {commit}{group}", role(raft))
                }
                None => format!("n{id}  is down"),
            };
            self.line(&line);
        }
    }
}

/// # Verbs: time and clients
impl Table {
    /// A server times out, and wins: everything in flight is delivered.
    pub fn elect(&mut self, id: u64) {
        self.verb(&format!("elect n{id}"));
        self.fire(id);
        self.pass_letters();
        assert!(self.raft(id).is_leader(), "n{id} was not elected\n{}", self.transcript);
    }

    /// A server hears no leader for as long as it is willing to wait.
    pub fn time_out(&mut self, id: u64) {
        self.verb(&format!("time out n{id}"));
        assert!(!self.raft(id).is_leader(), "a leader does not time out");
        self.fire(id);
    }

    /// A leader's heartbeat is due.
    pub fn heartbeat(&mut self, id: u64) {
        self.verb(&format!("heartbeat n{id}"));
        assert!(self.raft(id).is_leader(), "only leaders have heartbeats");
        self.fire(id);
    }

    /// Time passes for one server, its timers included.
    pub fn wait(&mut self, id: u64, milliseconds: u64) {
        self.verb(&format!("wait n{id} {milliseconds} ms"));
        let end = self.server(id).now + milliseconds * MS;
        while self.raft(id).deadline().is_some_and(|due| due.0 <= end) {
            self.fire(id);
        }
        self.pass_until(id, end);
    }

    /// Time passes for one server that is too busy to look at its timers.
    pub fn pause(&mut self, id: u64, milliseconds: u64) {
        self.verb(&format!("pause n{id} {milliseconds} ms"));
        self.pass_until(id, self.server(id).now + milliseconds * MS);
    }

    /// This server's clock goes on until it says so.
    fn pass_until(&mut self, id: u64, end: u64) {
        if self.together {
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

    /// Time passes, for all.
    pub fn elapse(&mut self, nanoseconds: u64) {
        self.time += nanoseconds;
        for server in &mut self.servers {
            if self.together {
                let shown = u128::from(self.time) * (1_000_000 + server.rate) as u128 / 1_000_000;
                server.now = server.origin + shown as u64;
            } else {
                server.now += nanoseconds;
            }
        }
    }

    /// The timer rings when it is due, or at once if that is past.
    pub fn fire(&mut self, id: u64) {
        let due = self.raft(id).deadline().expect("there is always a deadline").0;
        self.pass_until(id, due);
        self.step(id, Input::Timer);
        let next = self.raft(id).deadline().expect("there is always a deadline").0;
        assert!(
            self.server(id).gathers || next > self.server(id).now,
            "n{id}'s timer rings again at once\n{}",
            self.transcript
        );
    }

    /// A client asks a server to append a command.
    pub fn propose(&mut self, id: u64, command: &str) {
        self.verb(&format!("propose n{id} {command}"));
        let request = self.request(id, command);
        self.watch.proposes(command);
        self.step(id, Input::Propose { request, command: command.to_owned().into() });
    }

    /// A client asks a server to read.
    pub fn read(&mut self, id: u64, name: &str) {
        self.verb(&format!("read n{id} {name}"));
        let request = self.request(id, name);
        self.watch.asks(request);
        self.step(id, Input::Read { request });
    }

    /// Somebody asks a server to change the group.
    pub fn change(&mut self, id: u64, change: ConfChange) {
        let text = changes(&change);
        self.verb(&format!("change n{id} {text}"));
        let request = self.request(id, &text);
        self.step(id, Input::ConfChange { request, change });
    }

    /// Somebody asks a server to make these steps.
    pub fn change_steps(&mut self, id: u64, steps: &[ConfChangeOp]) {
        self.change(id, ConfChange::Auto(steps.to_vec()));
    }

    /// Somebody asks a server to pass leadership on.
    pub fn transfer(&mut self, id: u64, to: u64) {
        let text = format!("transfer to n{to}");
        self.verb(&format!("transfer n{id} to n{to}"));
        let request = self.request(id, &text);
        self.step(id, Input::Transfer { request, to: NodeId(to) });
    }

    /// A server makes a copy of its state, and goes on.
    pub fn copy_state(&mut self, id: u64) {
        self.verb(&format!("copy state n{id}"));
        let state = &self.server(id).state;
        self.server_mut(id).image = Some((state.applied, state.image()));
    }

    /// A server hands its state over as a snapshot, or the copy that it has made of it, and keeps so many entries.
    pub fn compact(&mut self, id: u64, trailing: u64) {
        let server = self.server_mut(id);
        let now = (server.state.applied, server.state.image());
        let (index, image) = server.image.take().unwrap_or(now);
        self.verb(&format!("compact n{id} up to {index}, keep {trailing}"));
        let keep = Index(index.0.saturating_sub(trailing));
        self.hand_over(id, index, &image, keep);
    }

    /// A server is handed this as the state after `index`, whatever it is.
    pub fn hand_over(&mut self, id: u64, index: Index, image: &[u8], keep: Index) {
        let request = self.request(id, &format!("snapshot up to {index}"));
        self.step(id, Input::Compact { request, index, data: image.to_vec().into(), keep });
    }

    fn request(&mut self, id: u64, name: &str) -> RequestId {
        let incarnation = self.server(id).incarnation;
        self.requests.push(Request { name: name.to_owned(), asked: id, incarnation });
        RequestId(self.requests.len() as u64 - 1)
    }
}

/// # Verbs: letters
impl Table {
    /// The oldest letter of a link arrives.
    pub fn deliver(&mut self, from: u64, to: u64) {
        let place = self.oldest(from, to);
        self.deliver_at(place);
    }

    /// The oldest letter of a link arrives, if there is one.
    pub fn deliver_any(&mut self, from: u64, to: u64) {
        if self.letters.iter().any(|envelope| link(envelope) == (from, to)) {
            self.deliver(from, to);
        }
    }

    /// The newest letter of a link arrives.
    pub fn deliver_newest(&mut self, from: u64, to: u64) {
        let place = self.newest(from, to);
        self.deliver_at(place);
    }

    /// A letter arrives.
    pub fn deliver_at(&mut self, place: usize) {
        let envelope = self.letters.remove(place).expect("a letter");
        self.verb(&format!("deliver {} -> {}  {envelope}", envelope.from, envelope.to));
        self.arrive(envelope);
    }

    /// The oldest letter of a link arrives, and will arrive again.
    pub fn deliver_copy(&mut self, from: u64, to: u64) {
        let envelope = self.letters[self.oldest(from, to)].clone();
        self.verb(&format!("deliver a copy n{from} -> n{to}  {envelope}"));
        self.arrive(envelope);
    }

    /// The oldest letter of a link will arrive twice.
    pub fn duplicate(&mut self, from: u64, to: u64) {
        let envelope = self.letters[self.oldest(from, to)].clone();
        self.verb(&format!("duplicate n{from} -> n{to}  {envelope}"));
        self.letters.push_back(envelope);
    }

    /// The oldest letter of a link is lost.
    pub fn lose(&mut self, from: u64, to: u64) {
        let place = self.oldest(from, to);
        let envelope = self.letters.remove(place).expect("a letter");
        self.verb(&format!("lose n{from} -> n{to}  {envelope}"));
    }

    /// A letter that nobody here has written is in flight.
    pub fn post(&mut self, from: u64, to: u64, message: Message) {
        let (from, to) = (self.peer(from), self.peer(to));
        self.letters.push_back(Envelope { cluster: 0, from, to, message });
    }

    /// Everything arrives that is in flight and not held, and what it brings about, and so on.
    pub fn deliver_all(&mut self) {
        self.verb("deliver all");
        self.pass_letters();
    }

    /// The letters of a link, now and later, arrive only when they are delivered by name.
    pub fn hold(&mut self, from: u64, to: u64) {
        self.verb(&format!("hold n{from} -> n{to}"));
        self.holds.insert((from, to));
    }

    /// The letters of a link flow again.
    pub fn release(&mut self, from: u64, to: u64) {
        self.verb(&format!("release n{from} -> n{to}"));
        self.holds.remove(&(from, to));
    }

    /// A server and all others do not reach each other. What is in flight still arrives.
    pub fn cut(&mut self, id: u64) {
        self.verb(&format!("cut n{id}"));
        for other in self.nodes().filter(|&other| other != id) {
            self.cuts.extend([(id, other), (other, id)]);
        }
    }

    /// Two servers do not reach each other.
    pub fn cut_link(&mut self, a: u64, b: u64) {
        self.verb(&format!("cut n{a} - n{b}"));
        self.cuts.extend([(a, b), (b, a)]);
    }

    /// What is in flight is lost.
    pub fn lose_all(&mut self) {
        self.verb("lose all");
        self.letters.clear();
    }

    /// Everybody reaches everybody.
    pub fn heal(&mut self) {
        self.verb("heal");
        self.cuts.clear();
    }

    fn oldest(&self, from: u64, to: u64) -> usize {
        let place = self.letters.iter().position(|envelope| link(envelope) == (from, to));
        place.unwrap_or_else(|| panic!("nothing is in flight n{from} -> n{to}\n{}", self.transcript))
    }

    fn newest(&self, from: u64, to: u64) -> usize {
        let place = self.letters.iter().rposition(|envelope| link(envelope) == (from, to));
        place.unwrap_or_else(|| panic!("nothing is in flight n{from} -> n{to}\n{}", self.transcript))
    }

    fn pass_letters(&mut self) {
        for _ in 0..10_000 {
            let Some(place) = self.letters.iter().position(|envelope| !self.holds.contains(&link(envelope)))
            else {
                return;
            };
            let envelope = self.letters.remove(place).expect("just found");
            self.arrive(envelope);
        }
        panic!("the letters never end\n{}", self.transcript);
    }

    fn arrive(&mut self, envelope: Envelope) {
        let (_, to) = link(&envelope);
        if self.is_up(to) {
            self.step(to, Input::Receive(envelope));
        }
    }
}

/// # Verbs: disks
impl Table {
    /// From now on this server's writes wait for `sync`.
    pub fn slow_disk(&mut self, id: u64) {
        self.verb(&format!("slow disk n{id}"));
        self.server_mut(id).disk.slow = true;
    }

    /// This server's disk is fast again: what waits is synced, and whatever follows at once.
    pub fn fast_disk(&mut self, id: u64) {
        self.verb(&format!("fast disk n{id}"));
        self.server_mut(id).disk.slow = false;
        self.flush(id);
    }

    /// All writes that wait are synced, and the server is told once.
    pub fn sync(&mut self, id: u64) {
        let count = self.server(id).disk.pending.len();
        self.verb(&format!("sync n{id}"));
        self.sync_up_to(id, count);
    }

    /// The oldest write that waits is synced, and the server is told.
    pub fn sync_one(&mut self, id: u64) {
        let text = match self.server(id).disk.pending.front() {
            Some(pending) => written(&pending.writes),
            None => panic!("n{id} has nothing to sync\n{}", self.transcript),
        };
        self.verb(&format!("sync n{id}  {text}"));
        self.sync_up_to(id, 1);
    }

    /// Some writes are synced, and the server is told once.
    pub fn sync_oldest(&mut self, id: u64, count: usize) {
        self.verb(&format!("sync n{id}, the oldest {count}"));
        self.sync_up_to(id, count);
    }

    /// So many of the oldest writes are synced, and the server is told once.
    pub fn sync_up_to(&mut self, id: u64, count: usize) {
        let mut newest = None;
        for _ in 0..count {
            newest = self.server_mut(id).disk.sync_one().map(|pending| pending.id).or(newest);
        }
        if let Some(id_of_write) = newest {
            self.step(id, Input::Saved(id_of_write));
        }
    }

    /// The process dies; the page cache stays.
    pub fn crash(&mut self, id: u64) {
        self.verb(&format!("crash n{id}"));
        let server = self.server_mut(id);
        server.die();
        server.disk.process_crash();
    }

    /// The machine dies, and what was not synced is gone.
    pub fn power_loss(&mut self, id: u64) {
        self.verb(&format!("power loss n{id}"));
        self.power_loss_but(id, 0);
    }

    /// The machine dies; so many of the oldest writes had reached the disk, although nobody was told.
    pub fn power_loss_but(&mut self, id: u64, kept: usize) {
        self.server_mut(id).die();
        let gone = self.server_mut(id).disk.power_loss(kept);
        for write in gone {
            self.line(&format!("n{id}  loses {write}"));
        }
    }

    /// The disk refuses a write, and the server is told.
    pub fn fail_disk(&mut self, id: u64) {
        self.verb(&format!("disk error n{id}"));
        self.step(id, Input::SaveFailed);
    }

    /// The disk of a server that is down is emptied. It comes back as another life.
    pub fn wipe(&mut self, id: u64) {
        let life = DirectoryId(self.peer(id).directory_id.0 + 100);
        self.verb(&format!("wipe n{id}, which will be in its life {}", life.0));
        assert!(!self.is_up(id), "a disk in use is not wiped");
        let (peer, server) = (self.peer(id), self.server_mut(id));
        server.config.directory_id = life;
        let slow = server.disk.slow;
        let disk = std::mem::take(&mut server.disk);
        server.disk.slow = slow;
        self.graves.insert(peer, disk);
    }

    /// A new incarnation starts from what the disk kept.
    pub fn restart(&mut self, id: u64) {
        self.verb(&format!("restart n{id}"));
        self.boot(id);
    }

    fn boot(&mut self, id: u64) {
        let server = self.server_mut(id);
        let recovered = server.disk.boot();
        let mut line = format!("n{id}  recovers term {}", recovered.term);
        if let Some(vote) = recovered.vote {
            write!(line, ", vote {vote}").expect("strings are patient");
        }
        let compacted = disk::compacted(&recovered).index.0;
        if let Some(kept) = &recovered.checkpoint {
            write!(line, ", snapshot up to {}", kept.snapshot.last).expect("strings are patient");
        }
        if let Some(last) = recovered.entries.last() {
            write!(line, ", log up to {}@{}", compacted + recovered.entries.len() as u64, last.term)
                .expect("strings are patient");
        }
        server.incarnation += 1;
        server.state = State::default();
        server.image = None;
        // A restart takes time, and a monotonic clock need not begin where it ended.
        server.now += 1_000 * MS;
        server.origin += 1_000 * MS;
        // No two incarnations draw the same numbers.
        let seed = server.config.seed + 1_000 * (server.incarnation - 1);
        let config = Config { seed, ..server.config.clone() };
        server.raft = Some(Raft::new(config, recovered, Timestamp(server.now)).expect("a good setup"));
        self.line(&line);
        if !self.is_as_founded(self.raft(id)) {
            self.line(&format!("n{id}  counts on {}", configured(self.raft(id))));
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

/// # The machine
impl Table {
    /// Steps one server and carries out what it wants; or what happens to it waits.
    pub fn step(&mut self, id: u64, input: Input) {
        if self.server(id).gathers {
            return self.server_mut(id).waiting.push(input);
        }
        self.step_all(id, vec![input]);
    }

    /// What happens to this server from now on waits.
    pub fn gather(&mut self, id: u64) {
        self.verb(&format!("gather n{id}"));
        self.server_mut(id).gathers = true;
    }

    /// The server takes one step for all that has happened to it since. Returns how much that was.
    pub fn step_gathered(&mut self, id: u64) -> usize {
        let inputs = std::mem::take(&mut self.server_mut(id).waiting);
        let count = inputs.len();
        self.verb(&format!("step n{id} with {count} at once"));
        self.server_mut(id).gathers = false;
        if count > 0 {
            self.step_all(id, inputs);
        }
        count
    }

    fn step_all(&mut self, id: u64, inputs: Vec<Input>) {
        let now = Timestamp(self.server(id).now);
        let mut effects = Vec::new();
        let mut raft = self.server_mut(id).raft.take().unwrap_or_else(|| panic!("n{id} is down"));
        let before = (role(&raft), raft.term());
        let (then, last) = (Before::of(&raft), raft.last());
        if inputs.len() == 1 {
            raft.step_all(now, inputs, &mut effects);
            self.watch_over(id, &then, &raft);
        } else {
            let (mut many, mut of_many) = (raft.clone(), Vec::new());
            for input in inputs.clone() {
                let then = Before::of(&many);
                many.step(now, input, &mut of_many);
                self.watch_over(id, &then, &many);
            }
            raft.step_all(now, inputs, &mut effects);
            self.compare(id, (&raft, &effects), (&many, &of_many));
        }
        let (commit, group) = (then.commit, (then.configuration_index, then.group));
        self.line_if_moved(id, &before, &raft);
        self.line_if_configured(id, &group, &raft);
        for effect in effects {
            self.carry_out(id, &raft, last, effect);
        }
        if self.server(id).disk.slow
            && raft.commit_index() > commit
            && raft.last_applied() < raft.commit_index()
        {
            self.line(&format!(
                "n{id}  knows {} committed, has applied {}",
                raft.commit_index(),
                raft.last_applied()
            ));
        }
        self.server_mut(id).raft = Some(raft);
        self.judge();
        self.flush(id);
    }

    /// The watch sees what a server did.
    fn watch_over(&mut self, id: u64, then: &Before, raft: &Raft) {
        let mut disks: Disks<'_> = self.graves.iter().map(|(peer, disk)| (*peer, disk)).collect();
        disks.extend(self.servers.iter().map(|server| (server.peer(), &server.disk)));
        self.watch.stepped(self.server(id).incarnation, raft, then, &disks);
    }

    /// One step for many things is as good as many steps, of which it spares the writes and the messages to followers.
    fn compare(&self, id: u64, one: (&Raft, &[Effect]), many: (&Raft, &[Effect])) {
        let standing = |raft: &Raft| {
            let end = (raft.commit_index(), raft.last_applied(), raft.is_halted());
            (raft.term(), raft.vote(), role(raft), raft.log().clone(), raft.snapshot().cloned(), end)
        };
        assert_eq!(standing(one.0), standing(many.0), "n{id} stands elsewhere\n{}", self.transcript);
        // A leader that looks for silence before it sends what it owes looks again sooner than it need.
        let sooner = one.0.is_leader() && one.0.deadline() < many.0.deadline();
        assert!(sooner || one.0.deadline() == many.0.deadline(), "n{id} waits for another time");
        let [(done, writes), (expected, many_writes)] = [one.1, many.1].map(|effects| {
            let writes = effects.iter().filter(|effect| matches!(effect, Effect::Save { .. })).count();
            (for_the_application(effects), writes)
        });
        assert_eq!(done, expected, "n{id} tells its application something else\n{}", self.transcript);
        assert!(writes <= many_writes.min(1), "n{id} writes {writes} times\n{}", self.transcript);
    }

    fn carry_out(&mut self, id: u64, raft: &Raft, last: LogId, effect: Effect) {
        let place = id as usize - 1;
        match effect {
            Effect::Save { id: number, record: write } => {
                if let Some(kept) = &write.checkpoint {
                    let does = if kept.installed { "begins its log anew" } else { "begins its log" };
                    self.line(&format!("n{id}  {does} after {}", kept.compacted));
                } else if write.after < last.index {
                    let term = raft.log().term_at(write.after).expect("what is kept is in the log");
                    self.line(&format!("n{id}  cuts back to {}@{term}", write.after));
                }
                let waiting_for = if self.servers[place].disk.slow { "    waits" } else { "" };
                self.line(&format!("n{id}  saves {write}{waiting_for}"));
                self.watch.saves(NodeId(id), raft, &write);
                let pending = disk::Pending { id: number, writes: vec![write] };
                self.servers[place].disk.pending.push_back(pending);
            }
            Effect::Send(envelope) => {
                let (_, to) = link(&envelope);
                let lost = self.cuts.contains(&(id, to)) || self.server(to).raft.is_none();
                let mark = if lost { "    lost" } else { "" };
                self.line(&format!("n{id} -> n{to}  {envelope}{mark}"));
                self.watch.sends(&envelope, &self.servers[place].disk);
                if !lost {
                    self.letters.push_back(envelope);
                }
            }
            Effect::Restore(snapshot) => {
                self.line(&format!("n{id}  takes the snapshot up to {} for its state", snapshot.last));
                self.watch.restores(
                    NodeId(id),
                    &snapshot,
                    self.servers[place].state.applied,
                    &self.servers[place].disk,
                );
                self.servers[place].state = State::restored(&snapshot);
            }
            Effect::Apply { first, entries } => {
                for (index, entry) in (first.0..).map(Index).zip(entries.iter()) {
                    let command = match &entry.payload {
                        Payload::Noop => "noop".to_owned(),
                        Payload::Command(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                        Payload::Configuration(configuration) => configuration.to_string(),
                    };
                    self.line(&format!("n{id}  applies {index}@{} {command}", entry.term));
                    self.watch.applies(NodeId(id), index, entry, &self.servers[place].disk);
                    self.servers[place].state.apply(index, entry);
                }
            }
            Effect::ReadNow { request, confirmation } => {
                let applied = self.servers[place].state.applied;
                let why = match confirmation {
                    ReadConfirmation::Quorum => "",
                    ReadConfirmation::Lease => " by its lease",
                    ReadConfirmation::Leader => " by its leader's word",
                };
                self.line(&format!(
                    "n{id}  serves {} at {applied}{why}",
                    self.requests[request.0 as usize].name
                ));
                self.watch.reads(NodeId(id), request, applied);
            }
            Effect::Respond { request, response: answer } => {
                // How the log begins anew says as much.
                if answer != Response::Compacted {
                    let name = &self.requests[request.0 as usize].name;
                    self.line(&format!("n{id}  answers {name}: {answer}"));
                }
                let applied = if let Response::Applied { index } = answer { Some(index) } else { None };
                self.watch.answers(NodeId(id), request, applied);
                if let Response::NotLeader { .. } | Response::Rejected(_) = answer {
                    self.watch.denies(NodeId(id), &self.requests[request.0 as usize].name);
                }
            }
        }
    }

    fn line_if_moved(&mut self, id: u64, (was, term): &(String, Term), raft: &Raft) {
        let is = role(raft);
        let in_term = if *term == raft.term() { String::new() } else { format!(", term {}", raft.term()) };
        if *was != is {
            self.line(&format!("n{id}  {was} => {is}{in_term}"));
        } else if *term != raft.term() {
            self.line(&format!("n{id}  {is}{in_term}"));
        }
    }

    fn line_if_configured(&mut self, id: u64, (at, group): &(Index, Arc<Configuration>), raft: &Raft) {
        let (now, compacted) = (raft.log().configuration_index(), raft.log().compacted().index);
        if (*at != now && now > compacted) || group != raft.log().configuration() {
            self.line(&format!("n{id}  counts on {}", configured(raft)));
        }
    }

    fn judge(&mut self) {
        while self.watch.timeout_now_sent < self.watch.violations.len() {
            let violation = self.watch.violations[self.watch.timeout_now_sent].clone();
            self.watch.timeout_now_sent += 1;
            self.line(&format!("!! {}: {}", violation.property, violation.sentence));
            assert!(self.lenient, "{}: {}\n{}", violation.property, violation.sentence, self.transcript);
        }
    }

    fn verb(&mut self, text: &str) {
        self.line(&format!("> {text}"));
    }

    fn line(&mut self, text: &dyn Display) {
        if !self.quiet {
            writeln!(self.transcript, "{text}").expect("strings are patient");
        }
    }
}

/// What an application is told, entry by entry.
fn for_the_application(effects: &[Effect]) -> Vec<Effect> {
    let timeout_now_sent = effects.iter().flat_map(|effect| match effect {
        Effect::Save { .. } | Effect::Send(_) => Vec::new(),
        Effect::Apply { first, entries } => {
            let each = (first.0..).map(Index).zip(entries.iter());
            each.map(|(first, entry)| Effect::Apply { first, entries: [entry.clone()].into_iter().collect() })
                .collect()
        }
        other => vec![other.clone()],
    });
    timeout_now_sent.collect()
}

/// From whom to whom a letter goes.
fn link(envelope: &Envelope) -> (u64, u64) {
    (envelope.from.id.0, envelope.to.id.0)
}

/// The group as it was founded.
fn founding(config: &Config) -> Configuration {
    let founders = Configuration::of(config.voters.iter().copied());
    Configuration { directory_ids: config.directory_ids.clone(), ..founders }
}

fn role(raft: &Raft) -> String {
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

/// The configuration in force, and where it stands.
fn configured(raft: &Raft) -> String {
    let index = raft.log().configuration_index();
    let id = LogId { index, term: raft.log().term_at(index).expect("in the log") };
    format!("{id} {}", raft.configuration())
}

fn changes(change: &ConfChange) -> String {
    let list = |steps: &[ConfChangeOp]| {
        let texts = steps.iter().map(|step| match step {
            ConfChangeOp::AddVoter(node) => format!("voter {node}"),
            ConfChangeOp::AddLearner(node) => format!("learner {node}"),
            ConfChangeOp::Remove(node) => format!("remove {node}"),
            ConfChangeOp::SetDirectoryId(node, DirectoryId(life)) => format!("{node} in its life {life}"),
        });
        texts.collect::<Vec<_>>().join(", ")
    };
    match change {
        ConfChange::Auto(steps) => list(steps),
        ConfChange::ExplicitJoint(steps) => format!("joint: {}", list(steps)),
        ConfChange::LeaveJoint => "leave".to_owned(),
    }
}

fn written(writes: &[raft_core::SaveRecord]) -> String {
    let texts: Vec<String> = writes.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "what was recovered".to_owned() } else { texts.join("; ") }
}
