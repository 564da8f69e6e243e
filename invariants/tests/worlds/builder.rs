//! A cluster of correct servers, driven by hand. Each method records the facts that a correct server and its
//! disk would record; [`Cluster::record`] takes any fact.

use invariants::{
    Checker, Configuration, Contract, Digest, Fact, Index, LogId, Node, Observed, PROPERTIES, RequestId,
    Term, Violation,
};

/// The node number of the client.
const CLIENT: Node = 100;

#[derive(Clone, Default)]
struct LogState {
    term: Term,
    vote: Option<Node>,
    /// From index 1 on, including the part that the snapshot replaces.
    log: Vec<(Term, u64)>,
    /// The index after which the log begins, and the last index of the snapshot.
    snapshot: (Index, Index),
}

impl LogState {
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
    memory: LogState,
    disk: LogState,
}

/// The facts so far, and the state of the servers.
pub(crate) struct Cluster {
    pub facts: Vec<Observed>,
    /// What these servers promise otherwise than the Raft paper.
    pub contract: Contract,
    servers: Vec<Server>,
}

impl Cluster {
    /// The same cluster of servers that promise otherwise than the Raft paper.
    pub(crate) fn under(mut self, contract: Contract) -> Cluster {
        self.contract = contract;
        self
    }

    /// This many servers, all voters, with empty disks.
    pub(crate) fn of(servers: u64) -> Cluster {
        let mut cluster = Cluster {
            facts: vec![],
            contract: Contract::PAPER,
            servers: vec![Server::default(); servers as usize + 1],
        };
        (1..=servers).for_each(|node| cluster.start(node));
        cluster
    }

    /// Records a fact.
    pub(crate) fn record(&mut self, node: Node, fact: Fact) {
        let step = self.facts.len() as u64 + 1;
        self.facts.push(Observed { at: step * 1_000_000, step, node, fact });
    }

    /// Starts from `memory`, which after a power loss holds what was durable.
    fn start(&mut self, node: Node) {
        let stored = self.servers[node as usize].memory.clone();
        let (base_index, last_index) = stored.snapshot;
        let (term, vote, base, last) = (stored.term, stored.vote, stored.id(base_index), stored.last());
        let digest = stored.log[base_index as usize..]
            .iter()
            .fold(Digest::EMPTY, |digest, &(term, content)| digest.then_entry(term, digest_of(content)));
        self.record(node, Fact::Started { term, vote, base, last, digest });
        let all_voters = self.all_voters();
        self.configures(node, base_index, all_voters);
        if last_index > 0 {
            self.record(node, Fact::Restored { index: last_index, state: stored.state(last_index) });
        }
        self.record(node, Fact::SavedRecovered);
        self.servers[node as usize].disk = self.servers[node as usize].memory.clone();
    }

    /// The configuration in which all servers are voters.
    pub(crate) fn all_voters(&self) -> Configuration {
        Configuration { voters: (1..self.servers.len() as Node).collect(), ..Configuration::default() }
    }

    pub(crate) fn configures(&mut self, node: Node, index: Index, configuration: Configuration) {
        self.record(node, Fact::Configured { index, configuration: Box::new(configuration) });
    }

    /// Adopts a term in memory.
    pub(crate) fn adopts_term(&mut self, node: Node, term: Term) {
        let memory = &mut self.servers[node as usize].memory;
        if memory.term < term {
            (memory.term, memory.vote) = (term, None);
            self.record(node, Fact::TermChanged { term });
        }
    }

    /// Votes in memory; sends nothing.
    pub(crate) fn votes_in_memory(&mut self, node: Node, term: Term, candidate: Node) {
        self.adopts_term(node, term);
        self.servers[node as usize].memory.vote = Some(candidate);
    }

    /// Votes in the right order: memory, disk, message.
    pub(crate) fn votes(&mut self, node: Node, term: Term, candidate: Node) {
        self.votes_in_memory(node, term, candidate);
        self.saves(node);
        self.record(node, Fact::Voted { term, candidate });
    }

    pub(crate) fn campaigns(&mut self, node: Node, term: Term) {
        self.votes_in_memory(node, term, node);
        self.saves(node);
        self.record(node, Fact::Campaigned { term });
    }

    /// Campaigns, gets these votes, becomes leader.
    pub(crate) fn wins(&mut self, node: Node, term: Term, voters: &[Node]) {
        self.campaigns(node, term);
        voters.iter().for_each(|&voter| self.votes(voter, term, node));
        self.record(node, Fact::Leads { term });
    }

    /// Appends in memory.
    pub(crate) fn appends(&mut self, node: Node, term: Term, content: u64) {
        let log = &mut self.servers[node as usize].memory.log;
        log.push((term, content));
        let index = log.len() as Index;
        self.record(node, Fact::Appended { index, term, entry: digest_of(content) });
    }

    /// Truncates in memory.
    pub(crate) fn truncates(&mut self, node: Node, after: Index) {
        self.servers[node as usize].memory.log.truncate(after as usize);
        self.record(node, Fact::Truncated { after });
    }

    /// Saves everything in memory as one record. A record with a new snapshot replaces all earlier ones.
    pub(crate) fn saves(&mut self, node: Node) {
        let Server { memory, disk } = self.servers[node as usize].clone();
        let mut same = memory.log.iter().zip(&disk.log).take_while(|(left, right)| left == right).count();
        let mut after = (disk.log.len() > same).then_some(same as Index);
        let (base_index, last_index) = memory.snapshot;
        let is_new = memory.snapshot != disk.snapshot;
        if is_new {
            same = base_index as usize;
            after = Some(base_index);
        }
        self.record(node, Fact::Saved { term: memory.term, vote: memory.vote, after });
        if is_new {
            self.record(
                node,
                Fact::SavedSnapshot { base: memory.id(base_index), last: memory.id(last_index) },
            );
        }
        for (position, &(term, content)) in memory.log.iter().enumerate().skip(same) {
            self.record(
                node,
                Fact::SavedEntry { index: position as Index + 1, term, entry: digest_of(content) },
            );
        }
        self.servers[node as usize].disk = memory;
    }

    /// Copies the leader's log up to `index` in memory: truncates conflicting entries, appends missing ones.
    pub(crate) fn copies_log(&mut self, node: Node, leader: Node, index: Index) {
        let theirs = self.servers[leader as usize].memory.clone();
        self.adopts_term(node, theirs.term);
        let own = self.servers[node as usize].memory.log.clone();
        let theirs = &theirs.log[..index as usize];
        let same = own.iter().zip(theirs).take_while(|(left, right)| left == right).count();
        if same < own.len() && same < theirs.len() {
            self.truncates(node, same as Index);
        }
        theirs.iter().skip(same).for_each(|&(term, content)| self.appends(node, term, content));
    }

    /// Copies the leader's log up to `index`, saves it and acknowledges it.
    pub(crate) fn replicates(&mut self, node: Node, leader: Node, index: Index) {
        self.copies_log(node, leader, index);
        self.saves(node);
        let term = self.servers[leader as usize].memory.term;
        self.record(node, Fact::Acknowledged { term, index });
    }

    /// Takes a snapshot of its application after `index`, and compacts its log up to `base_index`.
    pub(crate) fn compacts(&mut self, node: Node, index: Index, base_index: Index) {
        let (last, state) = (self.id(node, index), self.state(node, index));
        let configuration = Box::new(self.all_voters());
        self.record(node, Fact::SnapshotTaken { last, state, configuration });
        self.servers[node as usize].memory.snapshot = (base_index, index);
        self.saves(node);
    }

    /// Installs the leader's snapshot up to `index` in memory, in place of its whole log.
    pub(crate) fn installs(&mut self, node: Node, leader: Node, index: Index) {
        let all_voters = self.all_voters();
        self.installs_with(node, leader, index, all_voters);
        self.commits(node, index);
    }

    /// Installs a snapshot with this configuration in it, and does not commit.
    pub(crate) fn installs_with(&mut self, node: Node, leader: Node, index: Index, group: Configuration) {
        let theirs = self.servers[leader as usize].memory.clone();
        self.adopts_term(node, theirs.term);
        let memory = &mut self.servers[node as usize].memory;
        memory.log = theirs.log[..index as usize].to_vec();
        memory.snapshot = (index, index);
        let configuration = Box::new(group.clone());
        self.record(node, Fact::SnapshotInstalled { last: theirs.id(index), configuration });
        self.configures(node, index, group);
    }

    /// Installs the leader's snapshot, saves it, acknowledges it and restores from it.
    pub(crate) fn installs_and_restores(&mut self, node: Node, leader: Node, index: Index) {
        self.installs(node, leader, index);
        self.saves(node);
        let term = self.servers[leader as usize].memory.term;
        self.record(node, Fact::Acknowledged { term, index });
        let state = self.state(node, index);
        self.record(node, Fact::Restored { index, state });
    }

    /// The log id at `index` in the log of `node`.
    pub(crate) fn id(&self, node: Node, index: Index) -> LogId {
        self.servers[node as usize].memory.id(index)
    }

    /// The digest of the state after `index`: the sum of all contents.
    pub(crate) fn state(&self, node: Node, index: Index) -> Digest {
        self.servers[node as usize].memory.state(index)
    }

    /// The digest of the log of `node` up to `index`.
    pub(crate) fn digest(&self, node: Node, index: Index) -> Digest {
        let log = &self.servers[node as usize].memory.log[..index as usize];
        log.iter().fold(Digest::EMPTY, |digest, &(term, content)| digest.then_entry(term, digest_of(content)))
    }

    pub(crate) fn commits(&mut self, node: Node, index: Index) {
        self.record(node, Fact::Committed { index });
    }

    /// n1 leads term 1 and has committed this many entries, which are durable on a bare majority with n1.
    pub(crate) fn with_committed(servers: u64, entries: u64) -> Cluster {
        let mut cluster = Cluster::of(servers);
        let majority: Vec<Node> = (2..=servers / 2 + 1).collect();
        cluster.wins(1, 1, &majority);
        (1..=entries).for_each(|content| cluster.appends(1, 1, content));
        cluster.saves(1);
        majority.iter().for_each(|&node| cluster.replicates(node, 1, entries));
        cluster.commits(1, entries);
        cluster
    }

    /// The process crashes and restarts with all that it had written.
    pub(crate) fn crashes_and_restarts(&mut self, node: Node) {
        self.record(node, Fact::Crashed);
        self.record(node, Fact::Restarted);
        self.start(node);
    }

    /// Loses power and restarts with what was durable.
    pub(crate) fn loses_power_and_restarts(&mut self, node: Node) {
        self.record(node, Fact::PowerLost);
        self.record(node, Fact::Restarted);
        self.servers[node as usize].memory = self.servers[node as usize].disk.clone();
        self.start(node);
    }

    /// Crashes, loses its disk and restarts empty.
    pub(crate) fn is_wiped_and_restarts(&mut self, node: Node) {
        self.record(node, Fact::Crashed);
        self.record(node, Fact::Wiped);
        self.record(node, Fact::Restarted);
        self.servers[node as usize] = Server::default();
        self.start(node);
    }

    /// Applies the entry at `index` of its log.
    pub(crate) fn applies(&mut self, node: Node, index: Index, request: Option<RequestId>, effect: bool) {
        let memory = &self.servers[node as usize].memory;
        let (entry, state) = (digest_of(memory.log[index as usize - 1].1), memory.state(index));
        self.record(node, Fact::Applied { index, entry, state, request, effect, session: None });
    }

    pub(crate) fn client_gets_ack(&mut self, index: Index, sequence: u64) {
        self.record(CLIENT, Fact::WriteAcknowledged { index, write: request(sequence) });
    }

    pub(crate) fn client_requests_read(&mut self, sequence: u64) {
        self.record(CLIENT, Fact::ReadAsked { read: request(sequence) });
    }

    /// Passes all facts to a checker.
    pub(crate) fn check(&self, checker: Checker) -> (Checker, Result<(), Box<Violation>>) {
        let mut checker = checker.with_contract(self.contract);
        let verdict = self.facts.iter().try_for_each(|fact| checker.observe(fact));
        (checker, verdict)
    }

    /// Asserts that this property is violated by the last fact and no earlier one, and by none if it is
    /// disabled.
    #[track_caller]
    pub(crate) fn violates(self, property: &str) -> Violation {
        let (_, verdict) = self.check(Checker::new());
        let violation = verdict.expect_err("the checker must report a violation");
        assert_eq!(violation.property, property, "{violation}");
        assert_eq!(Some(&violation.second), self.facts.last(), "{violation}");
        if let Some(first) = &violation.first {
            assert!(self.facts.contains(first), "{violation}\n{first:?} was not recorded");
        }
        let (_, verdict) = self.check(Checker::with_disabled(&[property]).expect("a property"));
        assert!(verdict.is_ok() || verdict.is_err_and(|violation| violation.property != property));
        *violation
    }

    /// The same where disks forget without a limit: what rests on them is not checked.
    #[track_caller]
    pub(crate) fn violates_beyond(self, property: &str) -> Violation {
        let (_, verdict) = self.check(beyond());
        let violation = verdict.expect_err("the checker must report a violation");
        assert_eq!(violation.property, property, "{violation}");
        assert_eq!(Some(&violation.second), self.facts.last(), "{violation}");
        *violation
    }

    /// Asserts that nothing is violated where disks forget without a limit, and that this property was checked so often.
    #[track_caller]
    pub(crate) fn passes_beyond(self, property: &str, checks: u64) {
        let (all, verdict) = self.check(beyond());
        verdict.unwrap_or_else(|violation| panic!("a false alarm: {violation}\n{violation:?}"));
        assert_eq!(checks_of(&all, property), checks);
    }

    /// Asserts that nothing is violated and that this property was checked.
    #[track_caller]
    pub(crate) fn passes(self, property: &str) {
        let (all, verdict) = self.check(Checker::new());
        verdict.unwrap_or_else(|violation| panic!("a false alarm: {violation}\n{violation:?}"));
        assert!(checks_of(&all, property) > 0, "{property} was never checked");
    }
}

fn beyond() -> Checker {
    let off = PROPERTIES.iter().filter(|property| property.rests_on_disks).map(|property| property.name);
    Checker::with_disabled(&off.collect::<Vec<_>>()).expect("these are names of properties")
}

pub(crate) fn checks_of(checker: &Checker, property: &str) -> u64 {
    checker.checks().find(|(name, _)| *name == property).expect("a property").1
}

/// A request of the only session in these tests.
pub(crate) fn request(sequence: u64) -> RequestId {
    RequestId { session: 9, sequence }
}

/// A digest that is legible in a message: digests print their upper half.
pub(crate) fn digest_of(content: u64) -> Digest {
    Digest(content << 32)
}
