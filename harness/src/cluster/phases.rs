//! After the storm: everything heals, and progress is asked, one condition after the other.

use super::Cluster;
use crate::outcome::{Failure, PROGRESS};
use crate::server::Server;
use crate::world::Event;
use invariants::Node;

/// What is asked at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Only safety.
    Storm,
    /// A leader.
    Leader,
    /// That the fresh write with this place in the history is answered.
    Write(usize),
    /// That the fresh read with this place in the history is answered.
    Read(usize),
    /// That everybody has what the leader has.
    Convergence,
}

impl Phase {
    /// Which bound holds; the write and the read share theirs.
    const fn stage(self) -> u32 {
        match self {
            Phase::Storm => 0,
            Phase::Leader => 1,
            Phase::Write(_) | Phase::Read(_) => 2,
            Phase::Convergence => 3,
        }
    }
}

impl<S: Server> Cluster<S> {
    /// So much has happened that nobody can call it progress.
    #[cold]
    pub(super) fn never_rests(&mut self) {
        let (events, seconds) = (self.most_events, self.world.now() / 1_000_000_000);
        let sentence = format!("{events} events after {seconds} simulated seconds: the system never rests");
        self.world.observer.fail(Failure { property: PROGRESS.to_owned(), sentence, facts: None });
        self.world.alert = true;
    }

    /// The storm is over.
    pub(super) fn calm(&mut self) {
        self.world.note(0, || "the storm is over, everything heals".to_owned());
        self.heal();
        self.clients.rest();
        self.enter(Phase::Leader, self.world.plan().bounds.leader);
    }

    /// Looks whether what is asked has come true, and then asks for the next.
    pub(super) fn look_for_progress(&mut self) {
        if !self.orders.is_empty() {
            return;
        }
        let bounds = &self.world.plan().bounds;
        match self.phase {
            Phase::Storm => {}
            Phase::Leader => {
                if self.leader().is_some() {
                    let write = bounds.write;
                    let call = self.clients.probe(&mut self.world, true);
                    self.enter(Phase::Write(call), write);
                }
            }
            Phase::Write(call) => {
                if self.clients.history()[call].returned.is_some() {
                    // One bound for both: no new one begins.
                    self.phase = Phase::Read(self.clients.probe(&mut self.world, false));
                }
            }
            Phase::Read(call) => {
                if self.clients.history()[call].returned.is_some() {
                    self.enter(Phase::Convergence, bounds.convergence);
                }
            }
            Phase::Convergence => {
                if self.differing().is_none() {
                    self.finish();
                }
            }
        }
    }

    /// A bound has passed. If what it was for has not come true, that is a broken promise, unless too few take part for
    /// anything to be promised.
    pub(super) fn bound(&mut self, stage: u32) {
        if stage != self.phase.stage() {
            return;
        }
        if !self.can_progress() {
            return self.finish();
        }
        let sentence = match self.phase {
            Phase::Storm => unreachable!("the storm has no bound"),
            Phase::Leader => format!("{} all was healed, there is no leader", self.within()),
            Phase::Write(_) => format!("{} there was a leader, a fresh write is not answered", self.within()),
            Phase::Read(_) => format!("{} there was a leader, a fresh read is not answered", self.within()),
            Phase::Convergence => {
                let differing = self.differing().unwrap_or_else(|| "they differ".to_owned());
                format!("{} a fresh write and read were answered, {differing}", self.within())
            }
        };
        self.world.observer.fail(Failure { property: PROGRESS.to_owned(), sentence, facts: None });
        self.world.alert = true;
    }

    /// Asks for the next condition, within so many of the largest election timeouts and the time that missing entries
    /// need.
    fn enter(&mut self, phase: Phase, timeouts: u64) {
        self.phase = phase;
        let allowed = timeouts.saturating_mul(self.largest_timeout()).saturating_add(self.catching_up());
        let bound = self.world.now().saturating_add(allowed);
        self.world.queue.push(bound, Event::Bound { stage: phase.stage() });
    }

    fn finish(&mut self) {
        self.over = true;
        self.world.alert = true;
    }

    /// How long it may take until everybody has what the leader has: a write may need the one that lacks most. Where
    /// only one message is in flight, each batch takes a way there and back and a sync, and sometimes a heartbeat more
    /// because it was lost.
    fn catching_up(&self) -> u64 {
        let Some(leader) = self.leader() else { return 0 };
        let committed = |node: Node| self.world.standing(node).committed;
        let least = self.taking_part().map(committed).min().unwrap_or(0);
        let plan = self.world.plan();
        let batches = self.world.standing(leader).last.saturating_sub(least) / plan.raft.batch + 1;
        let (network, disk) = (&plan.network, &plan.disk);
        let way = network.delay.0 + network.delay_spread.0;
        batches * (2 * way + disk.sync.0 + disk.sync_spread.0 + plan.raft.heartbeat.0 / 4)
    }

    fn largest_timeout(&self) -> u64 {
        let raft = &self.world.plan().raft;
        raft.election_timeout.0 + raft.election_timeout_spread.0
    }

    /// Whether those who take part are a majority of every group that may be in force: without one, nothing is asked.
    fn can_progress(&self) -> bool {
        let group_can = |node: Node| match self.world.place(node).configuration() {
            Some(group) => group.is_quorum(|voter| self.world.place(voter).takes_part()),
            None => 2 * self.taking_part().count() > self.world.plan().nodes as usize,
        };
        self.taking_part().all(group_can)
    }

    /// Who lives and has not refused to take part.
    fn taking_part(&self) -> impl Iterator<Item = Node> {
        (1..=self.world.plan().nodes).filter(|node| self.world.place(*node).takes_part())
    }

    /// Who leads in the highest term.
    fn leader(&self) -> Option<Node> {
        let leads = |node: &Node| self.world.standing(*node).leads;
        self.taking_part().filter(|node| leads(node).is_some()).max_by_key(leads)
    }

    /// The first way in which somebody has not what the leader has.
    fn differing(&self) -> Option<String> {
        let Some(leader) = self.leader() else { return Some("there is no leader any more".to_owned()) };
        let has = self.world.standing(leader);
        if has.committed != has.last || has.applied != has.last {
            let (last, committed, applied) = (has.last, has.committed, has.applied);
            return Some(format!(
                "the leader n{leader} has a log up to {last}, committed {committed}, applied {applied}"
            ));
        }
        let differs = |node: &Node| {
            let other = self.world.standing(*node);
            (other.last, other.committed, other.applied) != (has.last, has.committed, has.applied)
        };
        let group = self.world.place(leader).configuration();
        let belongs = |node: &Node| {
            group.is_none_or(|group| {
                [&group.voters, &group.joint, &group.learners].into_iter().any(|nodes| nodes.contains(node))
            })
        };
        self.taking_part().filter(belongs).find(differs).map(|node| {
            let other = self.world.standing(node);
            format!(
                "n{node} has a log up to {}, committed {}, applied {}, and the leader n{leader} {}",
                other.last, other.committed, other.applied, has.last
            )
        })
    }

    fn within(&self) -> String {
        let bounds = &self.world.plan().bounds;
        let timeouts = match self.phase {
            Phase::Storm | Phase::Leader => bounds.leader,
            Phase::Write(_) | Phase::Read(_) => bounds.write,
            Phase::Convergence => bounds.convergence,
        };
        format!("{timeouts} largest election timeouts after")
    }
}
