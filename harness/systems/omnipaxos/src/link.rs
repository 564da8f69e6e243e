//! Connections over a network that loses, doubles and reorders messages, as TCP makes them.
//!
//! The library expects links with sessions: within a session messages arrive once and in order, and its user says when a
//! session was replaced by another (`reconnected`). Between each two servers there is one connection. The server with the
//! smaller number opens it, the other accepts it; both draw a number, so that packets of an older connection are known.
//! Packets are numbered, acknowledged with the next packet in the other direction or a little later, and repeated until
//! then. A connection on which nothing is acknowledged for a while is given up, with all that is under way on it.

use crate::entry::Command;
use crate::render;
use harness::server::{Host, LocalTime};
use invariants::Node;
use omnipaxos::messages::Message;
use rand::RngCore;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// The most packets that wait for those before them.
const MAX_EARLY: usize = 1_000;
/// The most packets that are repeated at once.
const MAX_REPEATED: usize = 32;

/// Both numbers of a connection: of the server that opened it, and of the one that accepted it.
pub type ConnectionId = (u64, u64);

/// A message between servers.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::large_enum_variant, reason = "nearly all packets are of the large variant")]
pub enum Packet<const SNAPSHOTS: bool> {
    /// The sender opens a connection of this number.
    Open(u64),
    /// The sender has accepted the connection.
    Accept(ConnectionId),
    /// The sender does not have this connection.
    Closed(ConnectionId),
    /// A part of a connection.
    Data {
        /// Which connection.
        id: ConnectionId,
        /// All packets of the receiver up to this number have arrived.
        acknowledged: u64,
        /// A message with its number, from 1; `None`: the packet only acknowledges.
        message: Option<(u64, Message<Command<SNAPSHOTS>>)>,
    },
    /// The operator wants the receiver to lead. Outside of any connection.
    TakeOver,
}

impl<const SNAPSHOTS: bool> fmt::Display for Packet<SNAPSHOTS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Packet::Open(_) => f.write_str("open"),
            Packet::Accept(_) => f.write_str("accept"),
            Packet::Closed(_) => f.write_str("closed"),
            Packet::Data { acknowledged, message: None, .. } => write!(f, "ack {acknowledged}"),
            Packet::Data { message: Some((number, message)), .. } => {
                write!(f, "#{number} {}", render::Line(message))
            }
            Packet::TakeOver => f.write_str("take over"),
        }
    }
}

type LinkHost<'a, const SNAPSHOTS: bool> = Host<'a, Packet<SNAPSHOTS>>;

/// How long a link waits, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// Until it acknowledges, if nothing else is sent meanwhile.
    pub acknowledge: u64,
    /// Until it repeats what was not acknowledged.
    pub repeat: u64,
    /// Until it gives the connection up.
    pub give_up: u64,
}

/// What has arrived.
#[derive(Debug)]
pub struct Arrived<const SNAPSHOTS: bool> {
    /// The connection has replaced an earlier one of this incarnation or of the other server's.
    pub reconnected: bool,
    /// Messages, in order.
    pub messages: Vec<Message<Command<SNAPSHOTS>>>,
}

impl<const SNAPSHOTS: bool> Arrived<SNAPSHOTS> {
    const fn nothing() -> Arrived<SNAPSHOTS> {
        Arrived { reconnected: false, messages: Vec::new() }
    }
}

/// One server's end of the connection with another.
#[derive(Debug)]
pub struct Link<const SNAPSHOTS: bool> {
    peer: Node,
    opens: bool,
    delays: Delays,
    state: State,
    /// Whether there was a connection before.
    was_connected: bool,
    /// The number of the last message sent; those that are not acknowledged.
    last_sent: u64,
    sent: VecDeque<(u64, Message<Command<SNAPSHOTS>>)>,
    /// All messages up to this number have arrived; those that wait for others.
    arrived: u64,
    early: BTreeMap<u64, Message<Command<SNAPSHOTS>>>,
    /// When to acknowledge; when to repeat; when to give up.
    acknowledge_at: Option<LocalTime>,
    repeat_at: Option<LocalTime>,
    give_up_at: Option<LocalTime>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Closed,
    Opening(u64),
    Connected(ConnectionId),
}

impl<const SNAPSHOTS: bool> Link<SNAPSHOTS> {
    /// The link to another server, without a connection.
    #[must_use]
    pub fn new(own: Node, peer: Node, delays: Delays) -> Link<SNAPSHOTS> {
        Link {
            peer,
            opens: own < peer,
            delays,
            state: State::Closed,
            was_connected: false,
            last_sent: 0,
            sent: VecDeque::new(),
            arrived: 0,
            early: BTreeMap::new(),
            acknowledge_at: None,
            repeat_at: None,
            give_up_at: None,
        }
    }

    /// When to call [`Link::on_timer`].
    #[must_use]
    pub fn deadline(&self) -> Option<LocalTime> {
        // Only one side opens; the other waits.
        let open_at = (self.opens && self.state == State::Closed).then_some(0);
        [open_at, self.acknowledge_at, self.repeat_at, self.give_up_at].into_iter().flatten().min()
    }

    /// Sends a message on the connection. Without one it is lost.
    pub fn send(&mut self, host: &mut LinkHost<'_, SNAPSHOTS>, message: Message<Command<SNAPSHOTS>>) {
        let State::Connected(id) = self.state else { return };
        self.last_sent += 1;
        self.sent.push_back((self.last_sent, message.clone()));
        self.send_data(host, id, Some((self.last_sent, message)));
        let Delays { repeat, give_up, .. } = self.delays;
        self.repeat_at.get_or_insert(host.now() + repeat);
        self.give_up_at.get_or_insert(host.now() + give_up);
    }

    fn send_data(
        &mut self,
        host: &mut LinkHost<'_, SNAPSHOTS>,
        id: ConnectionId,
        message: Option<(u64, Message<Command<SNAPSHOTS>>)>,
    ) {
        self.acknowledge_at = None;
        host.send(self.peer, Packet::Data { id, acknowledged: self.arrived, message });
    }

    /// Acknowledges, repeats, opens or gives up what is due.
    pub fn on_timer(&mut self, host: &mut LinkHost<'_, SNAPSHOTS>) {
        let now = host.now();
        let is_due = |at: Option<LocalTime>| at.is_some_and(|at| at <= now);
        if is_due(self.give_up_at) {
            self.disconnect(State::Closed);
        }
        match self.state {
            State::Closed if self.opens => self.open(host),
            State::Closed => {}
            State::Opening(number) => {
                if is_due(self.repeat_at) {
                    self.repeat_at = Some(now + self.delays.repeat);
                    host.send(self.peer, Packet::Open(number));
                }
            }
            State::Connected(id) => {
                if is_due(self.repeat_at) {
                    self.repeat_at = Some(now + self.delays.repeat);
                    let repeated: Vec<_> = self.sent.iter().take(MAX_REPEATED).cloned().collect();
                    repeated.into_iter().for_each(|message| self.send_data(host, id, Some(message)));
                }
                if is_due(self.acknowledge_at) {
                    self.send_data(host, id, None);
                }
            }
        }
    }

    fn open(&mut self, host: &mut LinkHost<'_, SNAPSHOTS>) {
        let number = host.rng().next_u64();
        self.disconnect(State::Opening(number));
        self.repeat_at = Some(host.now() + self.delays.repeat);
        host.send(self.peer, Packet::Open(number));
    }

    /// Forgets everything about the connection.
    fn disconnect(&mut self, state: State) {
        self.state = state;
        (self.last_sent, self.arrived) = (0, 0);
        self.sent.clear();
        self.early.clear();
        (self.acknowledge_at, self.repeat_at, self.give_up_at) = (None, None, None);
    }

    /// Begins a connection. Returns whether it replaces another.
    fn connect(&mut self, id: ConnectionId) -> bool {
        self.disconnect(State::Connected(id));
        std::mem::replace(&mut self.was_connected, true)
    }

    /// Handles a packet of the other server.
    pub fn receive(
        &mut self,
        host: &mut LinkHost<'_, SNAPSHOTS>,
        packet: Packet<SNAPSHOTS>,
    ) -> Arrived<SNAPSHOTS> {
        match packet {
            Packet::Open(number) => self.on_open(host, number),
            Packet::Accept(id) => {
                let reconnected = self.state == State::Opening(id.0) && self.connect(id);
                Arrived { reconnected, messages: Vec::new() }
            }
            Packet::Closed(id) => {
                if self.state == State::Connected(id) {
                    self.disconnect(State::Closed);
                    if self.opens {
                        self.open(host);
                    }
                }
                Arrived::nothing()
            }
            Packet::Data { id, acknowledged, message } => {
                // The packet has overtaken the one that accepts the connection.
                let reconnected = self.state == State::Opening(id.0) && self.connect(id);
                if self.state != State::Connected(id) {
                    host.send(self.peer, Packet::Closed(id));
                    return Arrived::nothing();
                }
                self.on_acknowledged(host.now(), acknowledged);
                let messages = message.map(|message| self.on_message(host.now(), message));
                Arrived { reconnected, messages: messages.unwrap_or_default() }
            }
            Packet::TakeOver => Arrived::nothing(),
        }
    }

    fn on_open(&mut self, host: &mut LinkHost<'_, SNAPSHOTS>, number: u64) -> Arrived<SNAPSHOTS> {
        if self.opens {
            return Arrived::nothing();
        }
        let (id, reconnected) = match self.state {
            State::Connected(id) if id.0 == number => (id, false),
            _ => {
                let id = (number, host.rng().next_u64());
                (id, self.connect(id))
            }
        };
        host.send(self.peer, Packet::Accept(id));
        Arrived { reconnected, messages: Vec::new() }
    }

    fn on_acknowledged(&mut self, now: LocalTime, acknowledged: u64) {
        let before = self.sent.len();
        while self.sent.front().is_some_and(|(number, _)| *number <= acknowledged) {
            self.sent.pop_front();
        }
        if self.sent.len() < before {
            let waits = !self.sent.is_empty();
            self.repeat_at = waits.then_some(now + self.delays.repeat);
            self.give_up_at = waits.then_some(now + self.delays.give_up);
        }
    }

    /// The messages that are in order now.
    fn on_message(
        &mut self,
        now: LocalTime,
        (number, message): (u64, Message<Command<SNAPSHOTS>>),
    ) -> Vec<Message<Command<SNAPSHOTS>>> {
        self.acknowledge_at.get_or_insert(now + self.delays.acknowledge);
        if number > self.arrived && self.early.len() < MAX_EARLY {
            self.early.insert(number, message);
        }
        let mut in_order = Vec::new();
        while let Some(message) = self.early.remove(&(self.arrived + 1)) {
            self.arrived += 1;
            in_order.push(message);
        }
        in_order
    }
}
