//! The state of the whole cluster, and how a fact changes it.

use super::applications::Applications;
use super::commits::Commits;
use super::entries::Entries;
use super::fact_origin::FactOrigin;
use super::leaderships::Leaderships;
use super::logged_configurations::{LoggedConfiguration, LoggedConfigurations};
use super::server::{Role, ServerState, truncate_before};
use super::term_runs::TermRuns;
use crate::contract::Contract;
use crate::fact::{Configuration, Fact, Index, LogId, Node, Observed, Term};
use std::collections::{BTreeMap, BTreeSet};

/// The state of the cluster after the facts so far.
#[derive(Default, Debug)]
pub struct ClusterState {
    /// What the system promises otherwise than the Raft paper.
    pub(crate) contract: Contract,
    /// All entries that any log ever held.
    pub(crate) entries: Entries,
    /// The leaders of all terms.
    pub(crate) leaderships: Leaderships,
    /// The entries that leaders have committed.
    pub(crate) committed_log: TermRuns,
    /// How that log grew.
    pub(crate) commits: Commits,
    /// What was first applied at each index.
    pub(crate) applications: Applications,
    /// Whether a disk has stated that anything is durable. Without such facts durability cannot be checked.
    pub(crate) disk_facts_seen: bool,
    /// Whether any vote or candidacy was ever stated.
    pub(crate) vote_facts_seen: bool,
    /// All configurations that any log ever held.
    configurations: LoggedConfigurations,
    /// The configuration stated for the highest index.
    newest_configuration: Option<(Index, Configuration)>,
    servers: Vec<ServerState>,
    /// The number of facts so far: it orders what happened within one event.
    pub(crate) facts: u64,
    /// Positions in `servers`, by server number.
    positions: BTreeMap<Node, usize>,
    /// Servers whose disk was wiped and that no later configuration has removed yet: since which index, and position.
    wiped_members: BTreeSet<(Index, usize)>,
}

impl ClusterState {
    /// Applies a fact. The facts of clients change nothing.
    pub fn apply(&mut self, observed: &Observed) {
        if observed.fact.is_about_server() {
            let position = self.get_or_insert(observed.node);
            self.apply_to(position, observed);
        }
    }

    /// A server, if it has stated a fact.
    #[must_use]
    pub fn server(&self, node: Node) -> Option<&ServerState> {
        self.find(node).map(|position| &self.servers[position])
    }

    /// All servers that have stated a fact.
    #[must_use]
    pub fn servers(&self) -> &[ServerState] {
        &self.servers
    }

    /// The position of a server, which is added at its first fact.
    pub(crate) fn get_or_insert(&mut self, node: Node) -> usize {
        self.find(node).unwrap_or_else(|| {
            self.servers.push(ServerState::new(node));
            self.positions.insert(node, self.servers.len() - 1);
            self.servers.len() - 1
        })
    }

    fn find(&self, node: Node) -> Option<usize> {
        // Servers mostly have the numbers from 1 and start in that order.
        let usual = usize::try_from(node).ok()?.wrapping_sub(1);
        match self.servers.get(usual) {
            Some(server) if server.id == node => Some(usual),
            _ => self.positions.get(&node).copied(),
        }
    }

    /// The server at a position.
    pub(crate) fn server_at(&self, position: usize) -> &ServerState {
        &self.servers[position]
    }

    /// The log with which a server starts, which ends with `last`. `None` if no server wrote that entry.
    pub(crate) fn recovered_log(&self, server: &ServerState, last: LogId) -> Option<TermRuns> {
        // The log in memory comes first: it is mostly the longest.
        log_ending_at(&self.entries, &[&server.log, &server.durable.log, &self.committed_log], last)
    }

    /// The term of which a server that states this commit index is the leader; `None` if it commits as a follower.
    pub(crate) fn committing_term(&self, server: &ServerState, index: Index) -> Option<Term> {
        committing_term(self.contract, &self.leaderships, &self.committed_log, server, index)
    }

    /// The configuration in force at `index` of the committed log, if known.
    pub(crate) fn configuration_at(&self, index: Index) -> Option<&LoggedConfiguration> {
        self.configurations.in_force(&self.committed_log, index)
    }

    /// Applies a fact of the server at a position.
    pub(crate) fn apply_to(&mut self, position: usize, observed: &Observed) {
        let origin = FactOrigin::of(observed);
        self.facts += 1;
        let now = self.facts;
        let server = &mut self.servers[position];
        let led_before = server.leading_term();
        match observed.fact {
            Fact::Started { term, vote, base, last, .. } => {
                let known = [&server.log, &server.durable.log, &self.committed_log];
                // An entry that no server wrote is a violation. If that is not checked, assume the durable log.
                let log =
                    log_ending_at(&self.entries, &known, last).unwrap_or_else(|| server.durable.log.clone());
                server.start(term, vote, base.index, log);
            }
            Fact::TermChanged { term } => server.change_term(term),
            Fact::Appended { index, term, entry } => {
                if let Some(previous) = truncate_before(&mut server.log, index) {
                    self.entries.record(previous, term, entry, origin);
                    server.log.append(term);
                }
            }
            Fact::Truncated { after } => server.truncate(after),
            Fact::Leads { term } => {
                server.role = Role::Leader(term);
                let (incarnation, log) = (server.incarnation, &server.log);
                self.leaderships.record(term, origin, incarnation, log, &self.committed_log);
                server.record_promise(term, observed);
            }
            Fact::SteppedDown { .. } => server.role = Role::Follower,
            Fact::Crashed | Fact::PowerLost => server.stop(),
            Fact::Committed { index } => {
                let led =
                    committing_term(self.contract, &self.leaderships, &self.committed_log, server, index);
                server.commit_index = server.commit_index.max(index);
                if let Some(term) = led {
                    self.extend_committed(position, index, term, origin);
                }
            }
            Fact::Configured { index, ref configuration } => {
                // The configuration at the log's beginning came with a snapshot: an earlier entry may carry it.
                if let Some(term) =
                    server.log.term_at(index).filter(|_| index == 0 || index > server.compacted)
                {
                    self.configurations.record(LogId { index, term }, configuration, origin);
                }
                server.configure(index, configuration, now);
                if self.newest_configuration.as_ref().is_none_or(|newest| newest.0 <= index) {
                    self.newest_configuration = Some((index, (**configuration).clone()));
                }
                self.update_membership(index, configuration);
            }
            Fact::SnapshotInstalled { last, ref configuration } => {
                let known = [&self.committed_log, &server.log, &server.durable.log];
                let log = log_ending_at(&self.entries, &known, last).unwrap_or_else(|| {
                    // An entry that no server wrote is a violation. If that is not checked, keep what the log has.
                    let mut log = server.log.clone();
                    log.truncate(last.index);
                    log
                });
                server.install(log, last.index, configuration, now);
            }
            Fact::Applied { index, .. } => {
                self.applications.record(observed);
                server.applied_index = Some(index);
            }
            Fact::Restored { index, .. } => server.applied_index = Some(index),
            Fact::Voted { term, candidate } => {
                self.vote_facts_seen = true;
                server.record_vote(term, candidate, observed);
                server.newest_candidacy = server.newest_candidacy.max(term);
                server.record_answer(term, 0, now, observed.at);
            }
            Fact::Campaigned { term } => {
                self.vote_facts_seen = true;
                server.newest_candidacy = server.newest_candidacy.max(term);
                server.campaign(term, observed);
            }
            Fact::Acknowledged { term, index } => {
                server.acknowledge(term, index, observed);
                server.record_answer(term, index, now, observed.at);
            }
            Fact::Answered { term } => server.record_answer(term, 0, now, observed.at),
            Fact::LeasePromised { length } => server.lease_promise = length,
            Fact::ClockChanged { jump, rate } => server.clock.change(observed.at, jump, rate),
            Fact::Identified { identity } => server.identity = identity,
            Fact::Saved { term, vote, after } => {
                self.disk_facts_seen = true;
                server.save(term, vote, after);
            }
            Fact::SavedEntry { index, term, entry } => {
                self.disk_facts_seen = true;
                if let Some(previous) = truncate_before(&mut server.durable.log, index) {
                    self.entries.record(previous, term, entry, origin);
                    server.save_entry(index, term);
                }
            }
            Fact::SavedSnapshot { last, .. } => {
                self.disk_facts_seen = true;
                let is_new = !server.durable.log.contains(last);
                let known = [&self.committed_log, &server.log];
                let log = is_new.then(|| log_ending_at(&self.entries, &known, last)).flatten();
                server.save_snapshot(log);
            }
            Fact::SavedRecovered => {
                self.disk_facts_seen = true;
                server.save_recovered();
            }
            Fact::Wiped => {
                if let Some(since) = server.wiped_member_since() {
                    self.wiped_members.remove(&(since, position));
                }
                server.wipe(self.newest_configuration.as_ref());
                self.wiped_members.extend(server.wiped_member_since().map(|since| (since, position)));
            }
            Fact::SnapshotTaken { .. }
            | Fact::Damaged
            | Fact::ReadServed { .. }
            | Fact::ReadConfirmed { .. }
            | Fact::Counts { .. }
            | Fact::ReadArrived { .. }
            | Fact::Restarted
            | Fact::Quiet
            | Fact::Founded { .. }
            | Fact::SessionLifetime { .. }
            | Fact::ToldToCampaign { .. }
            | Fact::CampaignedByOrder { .. }
            | Fact::Redirected { .. }
            | Fact::CommandRejected { .. }
            | Fact::Healed
            | Fact::Kept { .. }
            | Fact::SizeKept { .. }
            | Fact::EntriesSent { .. }
            | Fact::ChunkSent { .. }
            | Fact::ChangeRequested { .. }
            | Fact::ChangeAnswered { .. }
            | Fact::WriteAcknowledged { .. }
            | Fact::ReadAsked { .. } => {}
        }
        let server = &self.servers[position];
        let leads_now = server.leading_term();
        if leads_now != led_before {
            self.leaderships.update_current(server.id, led_before, leads_now);
        }
    }

    /// A configuration was stated: it removes servers with a wiped disk that it does not list, and re-adds members
    /// that had been removed.
    fn update_membership(&mut self, index: Index, configuration: &Configuration) {
        let earlier: Vec<(Index, usize)> = self.wiped_members.range(..(index, 0)).copied().collect();
        for (since, position) in earlier {
            self.servers[position].update_membership(index, configuration);
            if self.servers[position].wiped_member_since().is_none() {
                self.wiped_members.remove(&(since, position));
            }
        }
        for member in configuration.members() {
            if let Some(position) = self.find(member) {
                self.servers[position].update_membership(index, configuration);
            }
        }
    }

    /// A leader's commit index extends the committed log up to that index.
    fn extend_committed(&mut self, position: usize, index: Index, term: Term, origin: FactOrigin) {
        let log = &self.servers[position].log;
        let end = index.min(log.last().index);
        // A leader that contradicts the committed log is a violation. If that is not checked, the first commit stays.
        if end > self.committed_log.last().index && log.contains(self.committed_log.last()) {
            self.committed_log.extend_from(log, end);
            self.commits.record(end, term, origin);
        }
    }
}

/// See [`ClusterState::committing_term`].
fn committing_term(
    contract: Contract,
    leaderships: &Leaderships,
    committed: &TermRuns,
    server: &ServerState,
    index: Index,
) -> Option<Term> {
    // What a leader has stated already, its successors tell it, too.
    if contract.states_commits_late && index > committed.last().index {
        let led = |term: &Term| leaderships.get(*term).is_some_and(|it| it.origin.node == server.id);
        return server.log.term_at(index).filter(led).or_else(|| server.leading_term());
    }
    server.leading_term()
}

/// The log that ends with `last`: by log matching its last entry determines the rest, so this walks back only to an
/// entry that one of the known logs holds. `None` if no server wrote the entry.
fn log_ending_at(entries: &Entries, known: &[&TermRuns], last: LogId) -> Option<TermRuns> {
    let (mut at, mut walked) = (last, Vec::new());
    let known = loop {
        if let Some(log) = known.iter().find(|log| log.contains(at)) {
            break *log;
        }
        let entry = entries.find(at)?;
        walked.push(at.term);
        at = LogId { index: at.index - 1, term: entry.prev_log_term };
    };
    let mut log = known.clone();
    log.truncate(at.index);
    walked.into_iter().rev().for_each(|term| log.append(term));
    Some(log)
}
