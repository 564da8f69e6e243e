//! A cluster of well-behaved servers, moved by hand. Each verb states the facts that a correct server and its disk would
//! state; `says` states whatever a test wants.

use invariants::{
    Checker, Configuration, Digest, Fact, Index, LogId, Node, Observed, RequestId, Term, Violation,
};

/// Clients have numbers of their own.
const CLIENT: Node = 100;

#[derive(Clone, Default)]
struct Stored {
    term: Term,
    vote: Option<Node>,
    /// From index 1 on, also where a snapshot stands in place of the beginning.
    log: Vec<(Term, u64)>,
    /// The index after which the log begins, and the last one that the snapshot covers.
    kept: (Index, Index),
}

impl Stored {
    fn id(&self, index: Index) -> LogId {
        let term = index.checked_sub(1).map_or(0, |position| self.log[position as usize].0);
        LogId { index, term }
    }

    fn last(&self) -> LogId {
        self.id(self.log.len() as Index)
    }

    fn state(&self, index: Index) -> Digest {
        digest_of(self.log[..index as usize].iter().map(|entry| entry.1).sum())
    }
}

#[derive(Clone, Default)]
struct Server {
    memory: Stored,
    disk: Stored,
}

/// The facts so far, and what the servers hold.
pub struct World {
    pub facts: Vec<Observed>,
    servers: Vec<Server>,
}

impl World {
    /// This many servers, all voters, that start with nothing.
    pub fn of(servers: u64) -> World {
        let mut world = World { facts: vec![], servers: vec![Server::default(); servers as usize + 1] };
        (1..=servers).for_each(|node| world.start(node));
        world
    }

    /// States a fact.
    pub fn says(&mut self, node: Node, fact: Fact) {
        let step = self.facts.len() as u64 + 1;
        self.facts.push(Observed { at: step * 1_000_000, step, node, fact });
    }

    /// Starts with what is in memory: a test that lost the power has put there what was left.
    fn start(&mut self, node: Node) {
        let stored = self.servers[node as usize].memory.clone();
        let (begins, covers) = stored.kept;
        let (term, vote, base, last) = (stored.term, stored.vote, stored.id(begins), stored.last());
        let digest = stored.log[begins as usize..]
            .iter()
            .fold(Digest::EMPTY, |digest, &(term, content)| digest.then_entry(term, digest_of(content)));
        self.says(node, Fact::Started { term, vote, base, last, digest });
        let everybody = self.everybody();
        self.configures(node, begins, everybody);
        if covers > 0 {
            self.says(node, Fact::Restored { index: covers, state: stored.state(covers) });
        }
        self.says(node, Fact::SavedRecovered);
        self.servers[node as usize].disk = self.servers[node as usize].memory.clone();
    }

    /// All servers, as voters.
    pub fn everybody(&self) -> Configuration {
        Configuration { voters: (1..self.servers.len() as Node).collect(), ..Configuration::default() }
    }

    pub fn configures(&mut self, node: Node, index: Index, configuration: Configuration) {
        self.says(node, Fact::Configured { index, configuration: Box::new(configuration) });
    }

    /// Adopts a term in memory.
    pub fn adopts(&mut self, node: Node, term: Term) {
        let memory = &mut self.servers[node as usize].memory;
        if memory.term < term {
            (memory.term, memory.vote) = (term, None);
            self.says(node, Fact::TermChanged { term });
        }
    }

    /// Gives its vote away in memory. Nothing leaves.
    pub fn chooses(&mut self, node: Node, term: Term, candidate: Node) {
        self.adopts(node, term);
        self.servers[node as usize].memory.vote = Some(candidate);
    }

    /// Votes, in the right order: memory, disk, letter.
    pub fn votes(&mut self, node: Node, term: Term, candidate: Node) {
        self.chooses(node, term, candidate);
        self.saves(node);
        self.says(node, Fact::Voted { term, candidate });
    }

    pub fn campaigns(&mut self, node: Node, term: Term) {
        self.chooses(node, term, node);
        self.saves(node);
        self.says(node, Fact::Campaigned { term });
    }

    /// Campaigns, is voted for, leads.
    pub fn wins(&mut self, node: Node, term: Term, voters: &[Node]) {
        self.campaigns(node, term);
        voters.iter().for_each(|&voter| self.votes(voter, term, node));
        self.says(node, Fact::Leads { term });
    }

    /// Appends in memory.
    pub fn appends(&mut self, node: Node, term: Term, content: u64) {
        let log = &mut self.servers[node as usize].memory.log;
        log.push((term, content));
        let index = log.len() as Index;
        self.says(node, Fact::Appended { index, term, entry: digest_of(content) });
    }

    /// Cuts in memory.
    pub fn cuts(&mut self, node: Node, after: Index) {
        self.servers[node as usize].memory.log.truncate(after as usize);
        self.says(node, Fact::Truncated { after });
    }

    /// Everything in memory becomes durable, as one record. With a new snapshot it takes the place of all former ones.
    pub fn saves(&mut self, node: Node) {
        let Server { memory, disk } = self.servers[node as usize].clone();
        let mut same = memory.log.iter().zip(&disk.log).take_while(|(left, right)| left == right).count();
        let mut after = (disk.log.len() > same).then_some(same as Index);
        let (begins, covers) = memory.kept;
        let is_new = memory.kept != disk.kept;
        if is_new {
            same = begins as usize;
            after = Some(begins);
        }
        self.says(node, Fact::Saved { term: memory.term, vote: memory.vote, after });
        if is_new {
            self.says(node, Fact::SavedSnapshot { base: memory.id(begins), last: memory.id(covers) });
        }
        for (position, &(term, content)) in memory.log.iter().enumerate().skip(same) {
            self.says(
                node,
                Fact::SavedEntry { index: position as Index + 1, term, entry: digest_of(content) },
            );
        }
        self.servers[node as usize].disk = memory;
    }

    /// Takes the leader's log up to `index` over in memory: cuts what conflicts, appends what is missing.
    pub fn takes(&mut self, node: Node, leader: Node, index: Index) {
        let theirs = self.servers[leader as usize].memory.clone();
        self.adopts(node, theirs.term);
        let own = self.servers[node as usize].memory.log.clone();
        let theirs = &theirs.log[..index as usize];
        let same = own.iter().zip(theirs).take_while(|(left, right)| left == right).count();
        if same < own.len() && same < theirs.len() {
            self.cuts(node, same as Index);
        }
        theirs.iter().skip(same).for_each(|&(term, content)| self.appends(node, term, content));
    }

    /// Takes it over, saves it and acknowledges it.
    pub fn follows(&mut self, node: Node, leader: Node, index: Index) {
        self.takes(node, leader, index);
        self.saves(node);
        let term = self.servers[leader as usize].memory.term;
        self.says(node, Fact::Acknowledged { term, index });
    }

    /// Takes a snapshot of its application after `index`, and lets go of its log up to `begins`.
    pub fn compacts(&mut self, node: Node, index: Index, begins: Index) {
        let (last, state) = (self.id(node, index), self.state(node, index));
        let configuration = Box::new(self.everybody());
        self.says(node, Fact::SnapshotTaken { last, state, configuration });
        self.servers[node as usize].memory.kept = (begins, index);
        self.saves(node);
    }

    /// Takes the leader's snapshot up to `index` over in memory, in place of all it had.
    pub fn installs(&mut self, node: Node, leader: Node, index: Index) {
        let everybody = self.everybody();
        self.installs_with(node, leader, index, everybody);
        self.commits(node, index);
    }

    /// The same with this group in it, and no further.
    pub fn installs_with(&mut self, node: Node, leader: Node, index: Index, group: Configuration) {
        let theirs = self.servers[leader as usize].memory.clone();
        self.adopts(node, theirs.term);
        let memory = &mut self.servers[node as usize].memory;
        memory.log = theirs.log[..index as usize].to_vec();
        memory.kept = (index, index);
        let configuration = Box::new(group.clone());
        self.says(node, Fact::SnapshotInstalled { last: theirs.id(index), configuration });
        self.configures(node, index, group);
    }

    /// Takes the leader's snapshot over, saves it, acknowledges it and restores from it.
    pub fn catches_up(&mut self, node: Node, leader: Node, index: Index) {
        self.installs(node, leader, index);
        self.saves(node);
        let term = self.servers[leader as usize].memory.term;
        self.says(node, Fact::Acknowledged { term, index });
        let state = self.state(node, index);
        self.says(node, Fact::Restored { index, state });
    }

    /// What its log has at `index`.
    pub fn id(&self, node: Node, index: Index) -> LogId {
        self.servers[node as usize].memory.id(index)
    }

    /// The state after `index`: the sum of all contents.
    pub fn state(&self, node: Node, index: Index) -> Digest {
        self.servers[node as usize].memory.state(index)
    }

    pub fn commits(&mut self, node: Node, index: Index) {
        self.says(node, Fact::Committed { index });
    }

    /// n1 leads term 1 and has committed this many entries, which a bare majority, it included, has on disk.
    pub fn with_committed(servers: u64, entries: u64) -> World {
        let mut world = World::of(servers);
        let majority: Vec<Node> = (2..=servers / 2 + 1).collect();
        world.wins(1, 1, &majority);
        (1..=entries).for_each(|content| world.appends(1, 1, content));
        world.saves(1);
        majority.iter().for_each(|&node| world.follows(node, 1, entries));
        world.commits(1, entries);
        world
    }

    /// The process dies and comes back with what it had written.
    pub fn crashes_and_restarts(&mut self, node: Node) {
        self.says(node, Fact::Crashed);
        self.says(node, Fact::Restarted);
        self.start(node);
    }

    /// The power fails, and what comes back is what was on disk.
    pub fn loses_power_and_restarts(&mut self, node: Node) {
        self.says(node, Fact::PowerLost);
        self.says(node, Fact::Restarted);
        self.servers[node as usize].memory = self.servers[node as usize].disk.clone();
        self.start(node);
    }

    /// The disk is emptied under a dead server, which comes back with nothing.
    pub fn is_wiped_and_restarts(&mut self, node: Node) {
        self.says(node, Fact::Crashed);
        self.says(node, Fact::Wiped);
        self.says(node, Fact::Restarted);
        self.servers[node as usize] = Server::default();
        self.start(node);
    }

    /// Applies the entry that its log has at `index`.
    pub fn applies(&mut self, node: Node, index: Index, request: Option<RequestId>, effect: bool) {
        let memory = &self.servers[node as usize].memory;
        let (entry, state) = (digest_of(memory.log[index as usize - 1].1), memory.state(index));
        self.says(node, Fact::Applied { index, entry, state, request, effect });
    }

    pub fn client_sees_write(&mut self, index: Index, sequence: u64) {
        self.says(CLIENT, Fact::WriteAcknowledged { index, write: request(sequence) });
    }

    pub fn client_asks_to_read(&mut self, sequence: u64) {
        self.says(CLIENT, Fact::ReadAsked { read: request(sequence) });
    }

    /// Hands everything to a checker.
    pub fn judge(&self, mut checker: Checker) -> (Checker, Result<(), Box<Violation>>) {
        let verdict = self.facts.iter().try_for_each(|fact| checker.observe(fact));
        (checker, verdict)
    }

    /// This property notices, at the last fact and not before, and not where it is left out.
    #[track_caller]
    pub fn clashes(self, property: &str) -> Violation {
        let (_, verdict) = self.judge(Checker::new());
        let violation = verdict.expect_err("nobody noticed");
        assert_eq!(violation.property, property, "{violation}");
        assert_eq!(Some(&violation.second), self.facts.last(), "{violation}");
        if let Some(first) = &violation.first {
            assert!(self.facts.contains(first), "{violation}\nnobody has stated {first:?}");
        }
        let (_, verdict) = self.judge(Checker::with_disabled(&[property]).expect("a property"));
        assert!(verdict.is_ok() || verdict.is_err_and(|violation| violation.property != property));
        *violation
    }

    /// Nobody minds, and this property has looked.
    #[track_caller]
    pub fn passes(self, property: &str) {
        let (all, verdict) = self.judge(Checker::new());
        verdict.unwrap_or_else(|violation| panic!("a false alarm: {violation}\n{violation:?}"));
        assert!(looked(&all, property) > 0, "{property} never looked");
    }
}

pub fn looked(checker: &Checker, property: &str) -> u64 {
    checker.checks().find(|looked| looked.0 == property).expect("a property").1
}

/// A request of the one session that these tests have.
pub fn request(sequence: u64) -> RequestId {
    RequestId { session: 9, sequence }
}

/// A content that can be read in a sentence: digests print their upper half.
pub fn digest_of(content: u64) -> Digest {
    Digest(content << 32)
}
