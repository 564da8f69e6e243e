//! A server around `raft-core`: carries out the three lanes of its effects, and states the facts.
//!
//! Facts are stated from what the core says and from what leaves this server: claims from its state before and after
//! each step, promises from the messages as they go, truths attached to the bytes that they speak of.

use super::application_lane::{ApplicationLane, Asker};
use super::disk_lane::DiskLane;
use super::entry::{configured, digest, entry};
use super::wal::{Damaged, Wal};
use crate::bugs::RETRY_APPLIED_TWICE;
use crate::plan;
use crate::server::{Arrival, Deed, Host, LocalTime, Server};
use crate::workload::kv;
use invariants::{Digest, Fact, LogId};
use raft_core::{
    Bug, Change, Config, Effect, Entry, Index, Input, Instant, Message, NodeId, Payload, Raft, Recovered,
    Step, Write,
};
use rand::RngCore;

type CoreHost<'a> = Host<'a, Message>;

/// A server of the built-in system.
pub enum Node {
    /// It takes part.
    Member(Box<Member>),
    /// What it had promised is damaged: it neither votes nor acknowledges, and says nothing.
    Damaged,
}

/// A server that takes part.
pub struct Member {
    raft: Raft,
    disk: DiskLane,
    application: ApplicationLane,
    /// Reused from step to step.
    effects: Vec<Effect>,
    /// What the core was last seen to be.
    seen: Seen,
}

/// What facts were stated about.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    term: u64,
    leads: bool,
    commit: u64,
    /// Where the log ends, as stated by `Appended` and `Truncated`.
    last: u64,
    /// The newest term in which it said that it campaigns.
    campaigned: u64,
}

impl Server for Node {
    type Message = Message;

    fn boot(host: &mut CoreHost<'_>) -> Node {
        match Member::boot(host) {
            Ok(member) => Node::Member(Box::new(member)),
            Err(damaged) => {
                host.refuse(&damaged.to_string());
                Node::Damaged
            }
        }
    }

    fn step(&mut self, host: &mut CoreHost<'_>, arrival: Arrival<Message>) {
        if let Node::Member(member) = self {
            member.arrive(host, arrival);
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        match self {
            Node::Member(member) => member.raft.deadline().map(|due| due.0),
            Node::Damaged => None,
        }
    }

    fn is_heartbeat(message: &Message) -> bool {
        matches!(message, Message::AppendEntries { entries, .. } if entries.is_empty())
    }
}

impl Member {
    fn boot(host: &mut CoreHost<'_>) -> Result<Member, Damaged> {
        let mut chance = host.rng().clone();
        // First, so that it does not depend on whether a log is begun or found.
        let seed = chance.next_u64();
        let (wal, recovered) = Wal::open(host.disk(), &mut chance)?;
        let plan = host.plan();
        let config = Config {
            id: NodeId(host.node()),
            voters: (1..=plan.founders()).map(NodeId).collect(),
            election_timeout: plan.raft.election_timeout.0,
            election_timeout_spread: plan.raft.election_timeout_spread.0,
            heartbeat_interval: plan.raft.heartbeat.0,
            pre_vote: plan.raft.pre_vote,
            check_quorum: plan.raft.check_quorum,
            max_batch: plan.raft.batch as usize,
            max_in_flight: plan.raft.window as usize,
            seed,
            bug: plan.bug.as_deref().and_then(|name| Bug::ALL.into_iter().find(|bug| bug.name() == name)),
        };
        let most_syncs = plan.raft.syncs as usize;
        let entries: Vec<Entry> = recovered.entries.into_iter().map(entry).collect();
        let last =
            LogId { index: entries.len() as u64, term: entries.last().map_or(0, |entry| entry.term.0) };
        let digest = entries
            .iter()
            .fold(Digest::EMPTY, |log, entry| log.then_entry(entry.term.0, digest(&entry.payload)));
        let (term, vote) = (recovered.term, recovered.vote);
        host.saw(Fact::Started { term, vote, base: LogId::default(), last, digest });
        host.note(|| format!("starts with term {term}, log up to {last}"));
        let recovered = Recovered { term: raft_core::Term(term), vote: vote.map(NodeId), entries };
        let raft = Raft::new(config, recovered, Instant(host.now()))
            .expect("a plan that was checked sets up servers that can work");
        for (index, configuration) in raft.log().configurations() {
            host.saw(configured(*index, configuration));
        }
        let mut disk = DiskLane::new(wal, most_syncs);
        host.disk().attach(Fact::SavedRecovered);
        disk.begin_sync(host);
        Ok(Member {
            seen: Seen { term, leads: false, commit: 0, last: last.index, campaigned: 0 },
            raft,
            disk,
            application: ApplicationLane::new(host.bug(RETRY_APPLIED_TWICE)),
            effects: Vec::new(),
        })
    }

    fn arrive(&mut self, host: &mut CoreHost<'_>, arrival: Arrival<Message>) {
        let input = match arrival {
            Arrival::Timer => Input::Timer,
            Arrival::Message { from, message } => Input::Message { from: NodeId(from), message },
            Arrival::Request { client, request } => {
                let number = self.application.admit(Asker::Client(client, request));
                if request.operation.action.is_read() {
                    Input::Read { request: number }
                } else {
                    let mut command = Vec::with_capacity(64);
                    kv::encode(&request, &mut command);
                    Input::Propose { request: number, command: command.into() }
                }
            }
            Arrival::Operator(deed) => {
                let request = self.application.admit(Asker::Operator);
                match deed {
                    Deed::Transfer(to) => Input::Transfer { request, to: NodeId(to) },
                    Deed::Change { steps, by_joint } => {
                        let steps: Vec<Step> = steps.into_iter().map(step).collect();
                        let change = if by_joint { Change::Joint(steps) } else { Change::Steps(steps) };
                        Input::Change { request, change }
                    }
                    Deed::Leave => Input::Change { request, change: Change::Leave },
                }
            }
            Arrival::Synced(token) => match self.disk.end_sync(host, token) {
                Some(id) => Input::Saved(id),
                None => return,
            },
        };
        self.raft.step(Instant(host.now()), input, &mut self.effects);
        self.carry_out(host);
    }

    /// Carries out what the core wants done. Saves come first, so that what they append is stated before anything that
    /// rests on it; between the lanes the order is free.
    fn carry_out(&mut self, host: &mut CoreHost<'_>) {
        self.state_role(host);
        let mut effects = std::mem::take(&mut self.effects);
        // What a leader commits stood in its log before, and what it appends now may follow from that; what others
        // commit may have come with the same message.
        if self.raft.leads() {
            self.state_commit(host);
        }
        for effect in &effects {
            if let Effect::Save { id, write } = effect {
                host.note(|| format!("saves {write}"));
                let cut = self.state_log(host, write);
                self.disk.write(host, *id, write, cut);
            }
        }
        self.disk.sync_if_behind(host);
        self.state_commit(host);
        let leads = self.raft.leads();
        for effect in effects.drain(..) {
            match effect {
                Effect::Save { .. } => {}
                Effect::Send { to, message } => {
                    self.state_promise(host, to.0, &message);
                    host.send(to.0, message);
                }
                Effect::Apply { first, entries } => self.application.apply(host, first, &entries, leads),
                Effect::ReadNow { request } => self.application.read(host, request),
                Effect::Answer { request, answer } => self.application.answer(host, request, answer),
            }
        }
        self.application.step_is_over();
        self.effects = effects;
    }

    /// States how far everything is committed, as far as this server knows.
    fn state_commit(&mut self, host: &mut CoreHost<'_>) {
        let index = self.raft.commit().0;
        if index != self.seen.commit {
            self.seen.commit = index;
            host.saw(Fact::Committed { index });
        }
    }

    /// States what has become of term and role.
    fn state_role(&mut self, host: &mut CoreHost<'_>) {
        let (term, leads) = (self.raft.term().0, self.raft.leads());
        let before = self.seen;
        if (before.term, before.leads) == (term, leads) {
            return;
        }
        if before.leads && before.term == term {
            // It commits that it belongs to the group no more, and leaves: the commit is the last that it does as leader.
            self.state_commit(host);
        }
        (self.seen.term, self.seen.leads) = (term, leads);
        if before.leads {
            host.saw(Fact::SteppedDown { term: before.term });
            host.note(|| format!("leader => follower, term {term}"));
        }
        if term != before.term {
            host.saw(Fact::TermChanged { term });
        }
        if leads {
            if self.seen.campaigned != term {
                // Alone in its group it asks nobody, and counts itself all the same.
                self.seen.campaigned = term;
                host.saw(Fact::Campaigned { term });
            }
            host.saw(Fact::Leads { term });
            host.note(|| format!("candidate => leader, term {term}"));
        }
    }

    /// States what a write does to the log. Returns whether it cuts it.
    fn state_log(&mut self, host: &mut CoreHost<'_>, write: &Write) -> bool {
        let cut = write.after.0 < self.seen.last;
        if cut {
            host.saw(Fact::Truncated { after: write.after.0 });
        }
        for (index, entry) in (write.after.0 + 1..).zip(&*write.entries) {
            host.saw(Fact::Appended { index, term: entry.term.0, entry: digest(&entry.payload) });
            if let Payload::Configuration(configuration) = &entry.payload {
                host.saw(configured(Index(index), configuration));
            }
        }
        self.seen.last = write.after.0 + write.entries.len() as u64;
        cut
    }

    /// States what a message promises, as it leaves.
    fn state_promise(&mut self, host: &mut CoreHost<'_>, to: u64, message: &Message) {
        match *message {
            Message::RequestVote { term, .. } if self.seen.campaigned != term.0 => {
                self.seen.campaigned = term.0;
                host.saw(Fact::Campaigned { term: term.0 });
            }
            Message::RequestVoteResponse { term, granted: true } => {
                host.saw(Fact::Voted { term: term.0, candidate: to });
            }
            Message::AppendEntriesResponse { term, matched, .. } => {
                host.saw(Fact::Acknowledged { term: term.0, index: matched.0 });
            }
            _ => {}
        }
    }
}

fn step(step: plan::Step) -> Step {
    match step {
        plan::Step::Voter(node) => Step::Voter(NodeId(node)),
        plan::Step::Learner(node) => Step::Learner(NodeId(node)),
        plan::Step::Remove(node) => Step::Remove(NodeId(node)),
    }
}
