//! A cluster in memory: servers that deliver their messages directly and whose writes are durable at once.
//!
//! The loop is written once, over [`Server`], so raft-core and raft-rs run the same code around them. All
//! differences are in the two adapters. The choices:
//!
//! * Closed loop: the window says how many proposals are in flight. In a round each server in turn handles
//!   all its messages and then carries out its effects once, like a host that gathers its input. The leader
//!   is first, so a proposal is applied there one round after it was made.
//! * Writes become durable at once, together, at the end of a server's turn: the disk costs nothing, and both
//!   systems get group commit. Messages are moved, neither encoded nor copied.
//! * Commands are owned buffers that were made before the clock starts. A command counts once the leader
//!   applies it.
//! * No ticks, timers, heartbeats, faults or log output: the first server campaigns before the clock starts,
//!   and stays the leader. One thread.
//! * Limits are the same for both and are never reached: [`MAX_IN_FLIGHT`] messages to one follower,
//!   [`MAX_MESSAGE_BYTES`] in a message; uncommitted entries are not limited.
//! * At the end every server must hold every command: a loop that loses entries would measure nothing.

pub(crate) mod core;

/// The maximum number of messages with entries in flight to one follower.
pub(crate) const MAX_IN_FLIGHT: usize = 256;

/// The maximum bytes in one message: the largest window of the largest commands fits.
pub(crate) const MAX_MESSAGE_BYTES: u64 = 4 << 20;

/// One server of the cluster, of either implementation, with its host.
pub(crate) trait Server: Sized {
    /// A message between servers.
    type Envelope;

    /// One of `size` servers; `position` counts from 0.
    fn new(position: usize, size: usize) -> Self;

    /// Starts an election.
    fn campaign(&mut self);

    /// Proposes a command at the leader.
    fn propose(&mut self, command: Vec<u8>);

    /// Handles all messages of `inbox` and carries out the effects: writes are durable at once, messages go
    /// to the inbox of their receiver.
    fn take_turn(&mut self, inbox: &mut Vec<Self::Envelope>, inboxes: &mut [Vec<Self::Envelope>]);

    /// The number of commands applied.
    fn applied(&self) -> usize;

    /// The index of the last entry of its log.
    fn last_index(&self) -> u64;
}

/// The servers, and the messages in flight to each.
pub(crate) struct Cluster<S: Server> {
    servers: Vec<S>,
    inboxes: Vec<Vec<S::Envelope>>,
    /// The number of messages delivered so far.
    #[allow(dead_code, reason = "only the bench `proposals` reads it")]
    pub(crate) delivered: usize,
}

impl<S: Server> Cluster<S> {
    /// A cluster that is led by its first server.
    pub(crate) fn new(size: usize) -> Cluster<S> {
        let mut cluster = Cluster {
            servers: (0..size).map(|position| S::new(position, size)).collect(),
            inboxes: (0..size).map(|_| Vec::new()).collect(),
            delivered: 0,
        };
        cluster.settle();
        cluster.servers[0].campaign();
        cluster.settle();
        cluster
    }

    /// Proposes all of `commands`, at most `window` at a time, until all are applied.
    pub(crate) fn run(&mut self, commands: Vec<Vec<u8>>, window: usize) {
        let before = self.servers[0].applied();
        let wanted = before + commands.len();
        for (proposed, command) in (before..).zip(commands) {
            while proposed - self.servers[0].applied() >= window {
                self.round();
            }
            self.servers[0].propose(command);
        }
        while self.servers[0].applied() < wanted {
            self.round();
        }
    }

    /// Runs rounds until no message is in flight.
    pub(crate) fn settle(&mut self) {
        loop {
            self.round();
            if self.inboxes.iter().all(Vec::is_empty) {
                return;
            }
        }
    }

    /// Asserts that every server has all entries of the first.
    pub(crate) fn check(&self) {
        let last_index = self.servers[0].last_index();
        assert!(
            self.servers.iter().all(|server| server.last_index() == last_index),
            "every server must hold all entries"
        );
        assert!(
            last_index > self.servers[0].applied() as u64,
            "the log must hold every command and the leader's first entry"
        );
    }

    fn round(&mut self) {
        for (position, server) in self.servers.iter_mut().enumerate() {
            let mut inbox = std::mem::take(&mut self.inboxes[position]);
            self.delivered += inbox.len();
            server.take_turn(&mut inbox, &mut self.inboxes);
            self.inboxes[position] = inbox;
        }
    }
}

/// `count` commands of `bytes` bytes each.
pub(crate) fn commands(count: usize, bytes: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| vec![number as u8; bytes]).collect()
}
