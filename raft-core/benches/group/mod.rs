//! A group in memory: a few servers, their letters delivered directly, their writes durable at once.
//!
//! The loop is written once, over [`Server`], so that raft-core and raft-rs run literally the same code around them;
//! what differs stands in the two adapters and nowhere else. The choices, so that nobody has to guess:
//!
//! * Closed loop: as many proposals are kept in flight as the window says. One round lets every server in turn take all
//!   letters that it was sent, and then carry out what it wants done, once: a host that gathers what has come since it
//!   last looked. The leader is the first, so a proposal is applied at the leader in the round after the one in which it
//!   was made.
//! * Writes are durable at once, together, at the end of a server's turn: the disk costs nothing, and both get the
//!   group commit that a host would do. Letters are neither encoded nor copied: values change hands.
//! * Commands are owned buffers that were made before the clock starts. What is measured is what the Raft does with
//!   them; a command counts once the leader was told to apply it.
//! * No ticks, no timers, no heartbeats, no faults, no log output: the first server is told to campaign before the clock
//!   starts, and leads for ever. One thread.
//! * Limits are the same for both and never the bottleneck: [`MOST_IN_FLIGHT`] messages to one follower, and
//!   [`MOST_IN_A_MESSAGE`] for the size of one; nothing limits what is uncommitted.
//! * At the end every server must hold every command. A loop that loses entries would measure nothing.

pub mod core;

/// The most messages with entries on their way to one follower.
pub const MOST_IN_FLIGHT: usize = 256;

/// The most bytes in one message: the largest window of the largest commands fits.
pub const MOST_IN_A_MESSAGE: u64 = 4 << 20;

/// One server of the group, of whichever Raft, with its host.
pub trait Server: Sized {
    /// What servers send each other.
    type Envelope;

    /// One of `size` servers; `place` counts from 0.
    fn new(place: usize, size: usize) -> Self;

    /// Campaigns now.
    fn campaign(&mut self);

    /// Proposes a command, at the leader.
    fn propose(&mut self, command: Vec<u8>);

    /// Takes all that came in, and carries out what it wants done: its writes are durable at once, its letters go to the
    /// inbox of whom they are for.
    fn work(&mut self, inbox: &mut Vec<Self::Envelope>, inboxes: &mut [Vec<Self::Envelope>]);

    /// How many commands it was told to apply.
    fn applied(&self) -> usize;

    /// How many entries its log has.
    fn held(&self) -> u64;
}

/// The servers, and what is on its way to each.
pub struct Group<S: Server> {
    servers: Vec<S>,
    inboxes: Vec<Vec<S::Envelope>>,
    /// Letters delivered so far.
    #[allow(dead_code, reason = "only who measures time looks")]
    pub delivered: usize,
}

impl<S: Server> Group<S> {
    /// A group that is led by its first server.
    pub fn new(size: usize) -> Group<S> {
        let mut group = Group {
            servers: (0..size).map(|place| S::new(place, size)).collect(),
            inboxes: (0..size).map(|_| Vec::new()).collect(),
            delivered: 0,
        };
        group.settle();
        group.servers[0].campaign();
        group.settle();
        group
    }

    /// Proposes all of `commands`, never more than `window` at a time, and waits until all are applied.
    pub fn run(&mut self, commands: Vec<Vec<u8>>, window: usize) {
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

    /// Goes on until nobody has anything to say.
    pub fn settle(&mut self) {
        loop {
            self.round();
            if self.inboxes.iter().all(Vec::is_empty) {
                return;
            }
        }
    }

    /// Asserts that every server holds what the first one does.
    pub fn check(&self) {
        let held = self.servers[0].held();
        assert!(self.servers.iter().all(|server| server.held() == held), "a server lacks entries");
        assert!(held > self.servers[0].applied() as u64, "every command, and the leader's own first entry");
    }

    fn round(&mut self) {
        for (place, server) in self.servers.iter_mut().enumerate() {
            let mut inbox = std::mem::take(&mut self.inboxes[place]);
            self.delivered += inbox.len();
            server.work(&mut inbox, &mut self.inboxes);
            self.inboxes[place] = inbox;
        }
    }
}

/// This many commands of this many bytes.
pub fn commands(count: usize, bytes: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| vec![number as u8; bytes]).collect()
}
