//! Faults: when they strike, whom, and how they end.

use super::{Cluster, Control};
use crate::plan::{Ailment, Fault, FaultKind, Moment, Plan, Step, Target};
use crate::server::{Arrival, Deed, Server};
use crate::world::{Event, Kind, Weather};
use invariants::{Fact, Node};

/// For how long a server is down whose disk rots: it must read the disk again to see it.
const ROT_LASTS: u64 = 50_000_000;

/// The faults of a run.
pub(super) struct Faults {
    planned: Vec<Fault>,
    /// Planned faults that wait for their moment.
    armed: Vec<usize>,
    /// What ends each fault that struck; `None` once it has ended.
    undo: Vec<Option<Undo>>,
    /// How many faults hold each node down.
    down: Vec<u32>,
    /// Whose disk was emptied: one server's at most, for Raft promises nothing where several forget what they promised.
    wiped: Option<Node>,
    struck: [u64; FaultKind::ALL.len()],
}

/// How a fault ends.
enum Undo {
    Up(Vec<Node>),
    Resume(Node, u32),
    Mend(Vec<(usize, usize)>),
    Clear,
    Quicken(Node, u64),
    Unstall(Node),
    Steady(Node, i64),
    Sound(Node),
}

impl Faults {
    pub(super) fn new(plan: &Plan) -> Faults {
        Faults {
            planned: plan.faults.clone(),
            armed: Vec::new(),
            undo: Vec::new(),
            down: vec![0; plan.nodes as usize],
            wiped: None,
            struck: [0; FaultKind::ALL.len()],
        }
    }

    /// How often each kind struck.
    pub(super) fn struck(&self) -> Vec<(&'static str, u64)> {
        FaultKind::ALL.into_iter().map(|kind| kind.0).zip(self.struck).collect()
    }
}

impl<S: Server> Cluster<S> {
    /// How often each kind of fault struck.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, u64)> {
        self.faults.struck()
    }

    /// The time of a planned fault has come: it strikes, or waits for its moment.
    pub(super) fn fault_is_due(&mut self, number: usize) {
        match self.faults.planned[number].on {
            None => self.strike(number, None),
            Some(moment) => {
                self.faults.armed.push(number);
                self.world.awaited |= 1 << moment as u8;
            }
        }
    }

    /// A moment has come: the fault that has waited longest for it strikes.
    pub(super) fn strike_at(&mut self, moment: Moment, there: Node) {
        let waits = |number: &usize| self.faults.planned[*number].on == Some(moment);
        let Some(first) = self.faults.armed.iter().position(waits) else { return };
        let number = self.faults.armed.remove(first);
        if !self.faults.armed.iter().any(waits_for(&self.faults.planned, moment)) {
            self.world.awaited &= !(1 << moment as u8);
        }
        self.strike(number, Some(there));
    }

    /// A fault strikes. One that finds nobody to strike is no fault.
    fn strike(&mut self, number: usize, there: Option<Node>) {
        let kind = self.faults.planned[number].kind.clone();
        let name = self.faults.undo.len() as u64;
        let find = |target: Target| self.find(target, there);
        let whom = if self.world.is_recording() { self.named(&kind, there) } else { String::new() };
        let mut deed = None;
        let (undo, lasts) = match &kind {
            FaultKind::Crash { node, lasts } => {
                let Some(node) = find(*node).filter(|node| self.is_up(*node)) else { return };
                self.fall(node, false);
                (Some(Undo::Up(vec![node])), lasts.0)
            }
            FaultKind::PowerLoss { nodes, lasts } => {
                let mut all: Vec<Node> = match nodes.is_empty() {
                    true => (1..=self.world.plan().nodes).collect(),
                    false => nodes.iter().filter_map(|target| find(*target)).collect(),
                };
                all.sort_unstable();
                all.dedup();
                if all.is_empty() {
                    return;
                }
                for node in &all {
                    self.fall(*node, true);
                }
                (Some(Undo::Up(all)), lasts.0)
            }
            FaultKind::Pause { node, lasts } => {
                let Some(node) = find(*node).filter(|node| self.is_up(*node)) else { return };
                let place = self.world.place_mut(node);
                place.pauses += 1;
                let undo = Undo::Resume(node, place.incarnation);
                self.order(Control::Pause(node));
                (Some(undo), lasts.0)
            }
            FaultKind::Cut { from, to, lasts } => {
                let (Some(from), Some(to)) = (find(*from), find(*to)) else { return };
                if from == to {
                    return;
                }
                (Some(self.cut(vec![(from as usize - 1, to as usize - 1)])), lasts.0)
            }
            FaultKind::Split { side, lasts } => {
                let side: Vec<Node> = side.iter().filter_map(|target| find(*target)).collect();
                let servers = 1..=self.world.plan().nodes;
                let pairs = servers.clone().flat_map(|from| servers.clone().map(move |to| (from, to)));
                let links: Vec<(usize, usize)> = pairs
                    .filter(|(from, to)| side.contains(from) != side.contains(to))
                    .map(|(from, to)| (from as usize - 1, to as usize - 1))
                    .collect();
                if links.is_empty() {
                    return;
                }
                (Some(self.cut(links)), lasts.0)
            }
            FaultKind::Weather { loss, duplication, reordering, delay, lasts } => {
                let (loss, duplication, reordering) = (*loss, *duplication, *reordering);
                self.world.net.set_in(name, Weather { loss, duplication, reordering, delay: delay.0 });
                (Some(Undo::Clear), lasts.0)
            }
            FaultKind::SlowDisk { node, factor, lasts } => {
                let Some(node) = find(*node) else { return };
                let factor = (*factor).clamp(1, 1_000);
                self.world.slow_disk(node, factor, true);
                (Some(Undo::Quicken(node, factor)), lasts.0)
            }
            FaultKind::StalledDisk { node, lasts } => {
                let Some(node) = find(*node) else { return };
                self.world.place_mut(node).stalls += 1;
                (Some(Undo::Unstall(node)), lasts.0)
            }
            FaultKind::ClockRate { node, drift, lasts } => {
                let Some(node) = find(*node) else { return };
                self.drift(node, *drift);
                (Some(Undo::Steady(node, *drift)), lasts.0)
            }
            FaultKind::ClockJump { node, by } => {
                let Some(node) = find(*node) else { return };
                let now = self.world.now();
                self.world.place_mut(node).clock.jump(now, by.0);
                self.rearm(node);
                (None, 0)
            }
            FaultKind::WallJump { node, by } => {
                let Some(node) = find(*node) else { return };
                self.world.place_mut(node).clock.jump_wall(by.saturating_mul(1_000_000));
                (None, 0)
            }
            FaultKind::Rot { node } => {
                let Some(node) =
                    find(*node).filter(|node| self.faults.wiped.is_none_or(|wiped| wiped == *node))
                else {
                    return;
                };
                let seed = self.world.plan().seed;
                if !self.world.place_mut(node).rot(seed, node) {
                    return;
                }
                self.fall(node, true);
                (Some(Undo::Up(vec![node])), ROT_LASTS)
            }
            FaultKind::DiskError { node, lasts } => {
                let Some(node) = find(*node) else { return };
                self.world.place_mut(node).refusals += 1;
                (Some(Undo::Sound(node)), lasts.0)
            }
            FaultKind::Wipe { node, lasts } => {
                let Some(node) = find(*node).filter(|node| self.can_spare(*node)) else { return };
                self.faults.wiped = Some(node);
                self.fall(node, false);
                if self.is_up(node) {
                    self.world.place_mut(node).doomed = true;
                } else {
                    self.world.wipe(node);
                }
                (Some(Undo::Up(vec![node])), lasts.0)
            }
            FaultKind::Transfer { to } => {
                let (Some(leader), Some(to)) = (self.reigning(), find(*to)) else { return };
                deed = Some((leader, Deed::Transfer(to)));
                (None, 0)
            }
            FaultKind::Change { voters, learners, remove, by_joint } => {
                let Some(leader) = self.reigning() else { return };
                let found = |targets: &[Target]| {
                    targets.iter().filter_map(|target| find(*target)).collect::<Vec<_>>()
                };
                let voters = found(voters).into_iter().map(Step::Voter);
                let learners = found(learners).into_iter().map(Step::Learner);
                let remove = found(remove).into_iter().map(Step::Remove);
                let steps = voters.chain(learners).chain(remove).collect();
                deed = Some((leader, Deed::Change { steps, by_joint: *by_joint }));
                (None, 0)
            }
            FaultKind::Leave => {
                let Some(leader) = self.reigning() else { return };
                deed = Some((leader, Deed::Leave));
                (None, 0)
            }
        };
        let which = kind.place();
        self.faults.struck[which] += 1;
        self.world.begin(Kind::Fault, which as u64, number as u64);
        self.world.note(0, || format!("fault {} strikes: {}{whom}", number + 1, kind.name()));
        if let Some(undo) = undo {
            self.faults.undo.push(Some(undo));
            let over = self.world.now().saturating_add(lasts);
            self.world.queue.push(over, Event::Over { number: name as u32 });
        }
        if let Some((leader, deed)) = deed {
            self.world.note(leader, || format!("the operator wants {deed:?}"));
            let request = self.world.commanded(leader, deed.change());
            self.step(leader, Arrival::Operator { request, deed });
            return self.world.admit();
        }
        self.happened();
    }

    /// Whom a fault is about to strike, in words.
    fn named(&self, kind: &FaultKind, there: Option<Node>) -> String {
        let found = kind.targets().into_iter().filter_map(|(_, target)| self.find(target, there));
        found.map(|node| format!(" n{node}")).collect()
    }

    /// Who leads in the highest term, is up and listens.
    fn reigning(&self) -> Option<Node> {
        let leader = self.find(Target::Leader, None)?;
        let place = self.world.place(leader);
        (place.standing.leads.is_some() && place.pauses == 0).then_some(leader)
    }

    /// A fault that struck is over, unless it was over before.
    pub(super) fn fault_is_over(&mut self, number: usize) {
        let Some(undo) = self.faults.undo[number].take() else { return };
        self.world.begin(Kind::Over, number as u64, 0);
        self.world.note(0, || format!("a fault is over: {}", undo.story()));
        match undo {
            Undo::Up(nodes) => {
                for node in nodes {
                    let down = &mut self.faults.down[node as usize - 1];
                    *down -= 1;
                    if *down == 0 {
                        self.order(Control::Restart(node));
                    }
                }
            }
            Undo::Resume(node, incarnation) => self.resume(node, incarnation),
            Undo::Mend(links) => links.into_iter().for_each(|(from, to)| self.world.net.mend(from, to)),
            Undo::Clear => self.world.net.clear(number as u64),
            Undo::Quicken(node, factor) => self.world.slow_disk(node, factor, false),
            Undo::Unstall(node) => {
                let place = self.world.place_mut(node);
                place.stalls -= 1;
                if place.stalls == 0 {
                    self.world.unstall_disk(node);
                }
            }
            Undo::Steady(node, drift) => self.drift(node, -drift),
            Undo::Sound(node) => {
                let place = self.world.place_mut(node);
                place.refusals -= 1;
                if place.refusals == 0 && place.failed {
                    self.start_anew(node);
                }
            }
        }
        self.happened();
    }

    /// Everything is as it should be again.
    pub(super) fn heal(&mut self) {
        for number in 0..self.faults.undo.len() {
            self.fault_is_over(number);
        }
        self.world.net.heal();
        self.faults.armed.clear();
        self.world.awaited = 0;
        self.world.come.clear();
    }

    /// One server stays ill, if the plan wants that.
    pub(super) fn hold(&mut self) {
        let Some(held) = self.world.plan().held else { return };
        let Some(node) = self.find(held.node, None) else { return };
        let others = (1..=self.world.plan().nodes).filter(|other| *other != node);
        let (here, others): (usize, Vec<usize>) =
            (node as usize - 1, others.map(|other| other as usize - 1).collect());
        match held.ailment {
            Ailment::Deaf => others.into_iter().for_each(|other| self.world.net.cut(other, here)),
            Ailment::Mute => others.into_iter().for_each(|other| self.world.net.cut(here, other)),
            Ailment::StalledDisk => self.world.place_mut(node).stalls += 1,
        }
        self.drift(node, held.drift);
        self.held = Some(node);
        self.world.note(0, || format!("n{node} stays ill: {:?}", held.ailment));
    }

    /// The leader's process dies, and starts again when an election should be over.
    pub(super) fn leader_falls(&mut self, leader: Node, lasts: u64) {
        let name = self.faults.undo.len() as u32;
        self.world.note(leader, || "falls once more".to_owned());
        self.fall(leader, false);
        self.faults.undo.push(Some(Undo::Up(vec![leader])));
        let over = self.world.now().saturating_add(lasts);
        self.world.queue.push(over, Event::Over { number: name });
    }

    /// Whom a fault strikes.
    fn find(&self, target: Target, there: Option<Node>) -> Option<Node> {
        let live = || (1..=self.world.plan().nodes).filter(|node| self.is_up(*node));
        // Of several that are equal the first, by its number.
        let first = |key: &dyn Fn(Node) -> u64| live().max_by_key(|node| (key(*node), u64::MAX - node));
        let standing = |node| self.world.standing(node);
        match target {
            Target::Node(node) => (1..=self.world.plan().nodes).contains(&node).then_some(node),
            Target::Leader => live()
                .filter(|node| standing(*node).leads.is_some())
                .max_by_key(|node| standing(*node).leads)
                .or_else(|| first(&|node| standing(node).term)),
            Target::Follower => live().find(|node| standing(*node).leads.is_none()),
            Target::Newest => first(&|node| standing(node).last),
            Target::There => there,
        }
    }

    /// Whether the group can do without all that this server has promised: no other disk has forgotten anything, and no
    /// group that may be in force needs its vote.
    fn can_spare(&self, node: Node) -> bool {
        let servers = || 1..=self.world.plan().nodes;
        let others = |other: Node| other != node;
        self.faults.wiped.is_none()
            && servers().filter(|other| others(*other)).all(|other| !self.world.place(other).rotten)
            && self.world.possible_configurations().all_have_quorum(|member| others(member.node))
    }

    /// A node goes down, or goes down deeper.
    fn fall(&mut self, node: Node, power: bool) {
        self.faults.down[node as usize - 1] += 1;
        let falls = |order: &Control| matches!(order, Control::Kill { node: other, .. } if *other == node);
        if self.is_up(node) && !self.orders.iter().any(falls) {
            self.order(Control::Kill { node, power });
        } else if power && !self.is_up(node) {
            // The process is dead already; its page cache was not.
            self.lose_power(node);
        }
    }

    /// A server that lives is restarted, unless it is about to be.
    fn start_anew(&mut self, node: Node) {
        let falls = |order: &Control| matches!(order, Control::Kill { node: other, .. } if *other == node);
        if self.is_up(node) && !self.orders.iter().any(falls) {
            self.order(Control::Kill { node, power: false });
            self.order(Control::Restart(node));
        }
    }

    /// What was not synced is at stake.
    pub(super) fn lose_power(&mut self, node: Node) {
        let seed = self.world.plan().seed;
        self.world.place_mut(node).lose_power(seed, node);
        self.world.observer.counts.power_losses += 1;
        self.world.saw(node, Fact::PowerLost);
    }

    /// A server goes on: it is told what its disk has done, its timer is due if it is due, and then comes what arrived
    /// meanwhile.
    fn resume(&mut self, node: Node, incarnation: u32) {
        let now = self.world.now();
        let place = self.world.place_mut(node);
        if !place.up || place.incarnation != incarnation || place.pauses == 0 {
            return;
        }
        place.pauses -= 1;
        if place.pauses > 0 {
            return;
        }
        let mut held = std::mem::take(&mut place.held);
        self.order(Control::Resume(node));
        for event in held.extract_if(.., |event| matches!(event, Event::Synced { .. })) {
            self.world.queue.push(now, event);
        }
        self.rearm(node);
        for event in held.drain(..) {
            self.world.queue.push(now, event);
        }
        self.world.place_mut(node).held = held;
    }

    fn cut(&mut self, links: Vec<(usize, usize)>) -> Undo {
        links.iter().for_each(|(from, to)| self.world.net.cut(*from, *to));
        Undo::Mend(links)
    }

    /// A clock's rate changes by so much, and with it when its node's timer is due.
    fn drift(&mut self, node: Node, by: i64) {
        let now = self.world.now();
        let place = self.world.place_mut(node);
        place.drift(now, by);
        self.rearm(node);
    }
}

impl Undo {
    fn story(&self) -> String {
        match self {
            Undo::Up(nodes) => {
                let names: String = nodes.iter().map(|node| format!("n{node} ")).collect();
                format!("{names}may start again")
            }
            Undo::Resume(node, _) => format!("n{node} goes on"),
            Undo::Mend(links) => format!("{} links are mended", links.len()),
            Undo::Clear => "the weather clears".to_owned(),
            Undo::Quicken(node, _) => format!("the disk of n{node} is quick again"),
            Undo::Unstall(node) => format!("the disk of n{node} goes on"),
            Undo::Steady(node, _) => format!("the clock of n{node} runs as before"),
            Undo::Sound(node) => format!("the disk of n{node} saves again"),
        }
    }
}

fn waits_for(planned: &[Fault], moment: Moment) -> impl Fn(&usize) -> bool {
    move |number| planned[*number].on == Some(moment)
}
