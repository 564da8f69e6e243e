//! The safety properties of the table, checked at every step. Their names are those of `Bug::first`, except
//! `apply-after-durability`, which is the table's own: a server applied what is not durable on its disk.
//!
//! The table reads the state of the cluster from the cores themselves. It is a second opinion on purpose: `invariants`
//! rebuilds that state from stated facts, and no mistake in facts or in their interpretation can hide here.

use super::disk::Disk;
use raft_core::{
    Configuration, Entry, Envelope, Index, LogId, Message, NodeId, Payload, Raft, ReplicaKey, RequestId,
    SaveRecord, Snapshot, Term,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A property that was violated, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Violation {
    pub(crate) property: &'static str,
    pub(crate) detail: String,
}

/// The disk of every replica, old ones included.
pub(crate) type Disks<'a> = BTreeMap<ReplicaKey, &'a Disk>;

/// A server's state before a step.
pub(crate) struct Before {
    pub(crate) commit: Index,
    pub(crate) led: bool,
    pub(crate) term: Term,
    pub(crate) group: Arc<Configuration>,
    pub(crate) configuration_index: Index,
    /// The last entry of its snapshot.
    pub(crate) snapshot: LogId,
}

impl Before {
    pub(crate) fn of(raft: &Raft) -> Before {
        Before {
            commit: raft.commit_index(),
            led: raft.is_leader(),
            term: raft.term(),
            group: Arc::clone(raft.log().configuration()),
            configuration_index: raft.log().configuration_index(),
            snapshot: raft.snapshot().map_or(LogId::default(), |snapshot| snapshot.last),
        }
    }
}

/// Whether a majority agrees, in both halves while joint, by plain counting. Learners do not count.
fn is_quorum(group: &Configuration, agrees: impl Fn(NodeId) -> bool) -> bool {
    [&group.voters, &group.old_voters].into_iter().all(|half| {
        let yes = half.iter().filter(|&&voter| agrees(voter)).count();
        half.is_empty() || 2 * yes > half.len()
    })
}

/// Whether a node is a voter in either half.
fn is_voter(group: &Configuration, node: NodeId) -> bool {
    group.voters.iter().chain(&group.old_voters).any(|&voter| voter == node)
}

/// Everything that was promised and done so far.
#[derive(Clone, Default)]
pub(crate) struct Checker {
    /// The configuration that the cluster started with.
    pub(crate) initial_configuration: Configuration,
    pub(crate) violations: Vec<Violation>,
    /// How many violations are in the transcript.
    pub(crate) reported: usize,
    /// The leader of each term, its incarnation, and the terms of its log.
    leaders: BTreeMap<Term, (NodeId, u64, Vec<Term>)>,
    /// The candidate of each vote that was sent.
    votes: BTreeMap<(ReplicaKey, Term), NodeId>,
    /// How far a node acknowledged to match the log of a term's leader.
    acknowledged_to: BTreeMap<ReplicaKey, (Term, Index)>,
    /// The latest term in which a node promised something.
    promised: BTreeMap<ReplicaKey, Term>,
    /// The committed entries, each with the term in which it was committed.
    committed: Vec<(Entry, Term)>,
    /// The payload of each entry and the term of the entry before it.
    entries: BTreeMap<(Index, Term), (Payload, Term)>,
    /// The latest write that a client knows of.
    acknowledged: Index,
    /// The index that a read must reflect at least.
    reads: BTreeMap<RequestId, Index>,
    responded: BTreeSet<RequestId>,
    /// For each command, how many of its proposals have not been reported as failed.
    possible_proposals: BTreeMap<String, u64>,
    /// Every replica that was ever a member of a configuration.
    members: BTreeSet<ReplicaKey>,
}

impl Checker {
    /// A checker for a cluster that starts with this configuration.
    pub(crate) fn of(initial_configuration: Configuration) -> Checker {
        let members = initial_configuration
            .members()
            .into_iter()
            .map(|member| initial_configuration.replica(member))
            .collect();
        Checker { initial_configuration, members, ..Checker::default() }
    }

    /// The terms of a whole log. Compacted entries are taken from what is committed.
    fn terms(&self, compacted: Index, retained: impl Iterator<Item = Term>) -> Vec<Term> {
        let compacted_terms = self.committed.iter().take(compacted.0 as usize).map(|(entry, _)| entry.term);
        compacted_terms.chain(retained).collect()
    }

    fn terms_of(&self, raft: &Raft) -> Vec<Term> {
        let compacted = raft.log().compacted().index;
        let retained = (compacted.0 + 1..=raft.last().index.0).map(Index);
        self.terms(
            compacted,
            retained.map(|index| {
                raft.log()
                    .term_at(index)
                    .expect("an index between the compacted one and the last is in the log")
            }),
        )
    }

    pub(crate) fn report(&mut self, property: &'static str, detail: String) {
        self.violations.push(Violation { property, detail });
    }

    /// A message is sent.
    pub(crate) fn on_send(&mut self, envelope: &Envelope, disk: &Disk) {
        let (from, to, message) = (envelope.from, envelope.to.id, &envelope.message);
        if matches!(
            message,
            Message::RequestVote { .. }
                | Message::RequestVoteResponse { granted: true, .. }
                | Message::AppendEntries { .. }
                | Message::AppendEntriesResponse { .. }
                | Message::InstallSnapshot { .. }
                | Message::InstallSnapshotResponse { .. }
        ) {
            let promised = self.promised.entry(from).or_default();
            *promised = message.term().max(*promised);
        }
        match *message {
            Message::RequestVote { term, .. } => {
                if !disk.has_durable_vote(term, from.id) {
                    self.report(
                        "persist-before-reply",
                        format!("{from} campaigns in term {term}, but its vote for itself is not durable"),
                    );
                }
                self.record_vote(from, term, from.id);
            }
            Message::RequestVoteResponse { term, granted: true } => {
                if !disk.has_durable_vote(term, to) {
                    self.report(
                        "persist-before-reply",
                        format!("{from} votes for {to} in term {term}, but the vote is not durable"),
                    );
                }
                self.record_vote(from, term, to);
            }
            Message::AppendEntriesResponse { term, match_index, .. } => {
                let (newest, up_to) = self.acknowledged_to.entry(from).or_insert((term, match_index));
                *up_to = if *newest == term { match_index.max(*up_to) } else { match_index };
                *newest = term;
                let entries = disk.durable.entries.iter().map(|entry| entry.term);
                let durable = self.terms(super::disk::compacted(&disk.durable).index, entries);
                let match_index = match_index.0 as usize;
                let held_links = disk.durable.term == term
                    && durable.len() >= match_index
                    && self.leaders.get(&term).is_some_and(|(_, _, log)| {
                        log.len() >= match_index && durable[..match_index] == log[..match_index]
                    });
                if !held_links {
                    self.report(
                        "persist-before-reply",
                        format!(
                            "{from} acknowledges {match_index} in term {term}, but its durable log does not match"
                        ),
                    );
                }
            }
            _ => {}
        }
    }

    fn record_vote(&mut self, voter: ReplicaKey, term: Term, candidate: NodeId) {
        // A replica that was never a member votes in the name of the initial member with its id.
        let voter =
            if self.members.contains(&voter) { voter } else { self.initial_configuration.replica(voter.id) };
        let first = *self.votes.entry((voter, term)).or_insert(candidate);
        if first != candidate {
            self.report(
                "one-vote-per-term",
                format!("{voter} votes for {candidate} and for {first} in term {term}"),
            );
        }
    }

    /// A write is issued: the log of `raft` changed.
    pub(crate) fn on_save(&mut self, node: NodeId, raft: &Raft, write: &SaveRecord) {
        if let Some(checkpoint) = &write.checkpoint
            && self
                .committed
                .get(checkpoint.compacted.index.previous().0 as usize)
                .is_none_or(|known| known.0.term != checkpoint.compacted.term)
            && checkpoint.compacted.index > Index(0)
        {
            self.report(
                "snapshot-consistency",
                format!("{node} compacts its log up to {}, which is not committed", checkpoint.compacted),
            );
        }
        let mut previous =
            raft.log().term_at(write.after).expect("a write starts inside the log or at its end");
        for (index, entry) in (write.after.0 + 1..).map(Index).zip(write.entries.iter()) {
            let known = self
                .entries
                .entry((index, entry.term))
                .or_insert_with(|| (entry.payload.clone(), previous))
                .clone();
            if let Payload::Configuration(group) = &entry.payload {
                self.members.extend(group.members().into_iter().map(|member| group.replica(member)));
            }
            if known != (entry.payload.clone(), previous) {
                self.report("log-matching", format!("{node} has a different entry {index}@{}", entry.term));
            }
            previous = entry.term;
        }
    }

    /// A step is complete, and its effects are known.
    pub(crate) fn on_step(&mut self, incarnation: u64, raft: &Raft, before: &Before, disks: &Disks<'_>) {
        let node = raft.replica().id;
        let commit = before.commit;
        if raft.is_leader() {
            let terms = self.terms_of(raft);
            match self.leaders.get_mut(&raft.term()) {
                Some((leader, known_incarnation, log))
                    if (*leader, *known_incarnation) == (node, incarnation) =>
                {
                    let known = log.len();
                    log.extend(terms.into_iter().skip(known));
                    if (raft.last().index.0 as usize) < known {
                        self.report("leader-append-only", format!("{node} leads and truncates its log"));
                    }
                }
                Some(&mut (leader, ..)) => {
                    self.report("election-safety", format!("{leader} and {node} lead term {}", raft.term()));
                }
                None => {
                    self.leaders.insert(raft.term(), (node, incarnation, terms));
                    self.check_election(node, raft, disks);
                }
            }
            if !before.led {
                self.check_leader_completeness(node, raft);
            }
            // A configuration at the compacted index is not a change made by this step.
            if raft.log().configuration_index() > before.configuration_index.max(raft.log().compacted().index)
            {
                self.check_configuration_change(node, raft, before);
            }
        }
        if let Some(snapshot) = raft.snapshot().filter(|snapshot| snapshot.last != before.snapshot) {
            if snapshot.last.index <= before.snapshot.index {
                let newer = before.snapshot;
                self.report(
                    "snapshot-consistency",
                    format!("{node} had a snapshot up to {newer}, and now has one up to {}", snapshot.last),
                );
            }
            self.check_snapshot(node, snapshot);
        }
        if let Some(&(term, up_to)) = self.acknowledged_to.get(&raft.replica())
            && term == raft.term()
            && raft.last().index < up_to
        {
            self.report(
                "acked-immutable",
                format!("{node} truncates its log to {} after it acknowledged {up_to}", raft.last()),
            );
        }
        if self.promised.get(&raft.replica()).is_some_and(|&promised| raft.term() < promised) {
            self.report(
                "monotonic-term",
                format!("{node} is in term {} after it promised something in a later term", raft.term()),
            );
        }
        if raft.commit_index() < commit {
            self.report(
                "committed-immutable",
                format!("{node} moves its commit index back to {}", raft.commit_index()),
            );
        }
        if raft.last().index < raft.commit_index() {
            let end = raft.last();
            if end.index < commit {
                self.report(
                    "committed-immutable",
                    format!("{node} truncates entries that it knows to be committed"),
                );
            } else {
                let detail = format!("{node} commits {}, and its log ends at {end}", raft.commit_index());
                self.report("follower-commit-safety", detail);
            }
            return;
        }
        if raft.commit_index() > commit {
            self.check_commit(node, raft, before, disks);
        }
    }

    /// A server leads a term for the first time.
    fn check_election(&mut self, node: NodeId, raft: &Raft, disks: &Disks<'_>) {
        let term = raft.term();
        let (own, group) = (raft.replica(), raft.configuration());
        let votes_for_itself = is_voter(group, node) && group.replica(node) == own;
        if votes_for_itself && !disks[&own].has_durable_vote(term, node) {
            self.report(
                "persist-before-reply",
                format!("{node} leads term {term}, but its vote for itself is not durable"),
            );
        }
        let has_vote_of = |voter: NodeId| {
            let voter = raft.configuration().replica(voter);
            match self.votes.get(&(voter, term)) {
                Some(&candidate) => candidate == node,
                None => voter == raft.replica() && raft.vote() == Some(node),
            }
        };
        if !is_quorum(raft.configuration(), has_vote_of) {
            let members = raft.configuration().members().into_iter();
            let voters: Vec<String> =
                members.filter(|&member| has_vote_of(member)).map(|v| v.to_string()).collect();
            let (voters, group) = (voters.join(", "), raft.configuration());
            self.report(
                "elected-by-quorum",
                format!("{node} leads term {term} with the votes of {voters} in configuration {group}"),
            );
        }
        let committed = raft.log().committed_configuration(raft.commit_index());
        if !is_voter(raft.configuration(), node) && !is_voter(committed, node) {
            self.report("membership-safety", format!("{node} leads term {term} without being a voter"));
        }
    }

    /// A leader has changed the configuration.
    fn check_configuration_change(&mut self, node: NodeId, raft: &Raft, before: &Before) {
        let at = raft.log().configuration_index();
        if before.configuration_index > raft.commit_index() {
            let open = before.configuration_index;
            self.report(
                "membership-safety",
                format!(
                    "{node} changes the configuration at {at} while the change at {open} is not committed"
                ),
            );
        }
        if raft.log().term_at(raft.commit_index()) != Some(raft.term()) {
            self.report(
                "membership-safety",
                format!(
                    "{node} changes the configuration at {at} before it has committed an entry of its term"
                ),
            );
        }
        let (old, new) = (&before.group, raft.configuration());
        let mut all_nodes = old.members();
        all_nodes.extend(new.members());
        all_nodes.sort_unstable();
        all_nodes.dedup();
        // Check each set that is a quorum of the old configuration against its complement, which must not be a quorum
        // of the new one.
        for set in 0..1_u32 << all_nodes.len() {
            let within = |node| {
                all_nodes.iter().position(|&other| other == node).is_some_and(|bit| set >> bit & 1 == 1)
            };
            if is_quorum(old, within) && is_quorum(new, |node| !within(node)) {
                self.report(
                    "membership-safety",
                    format!("{node} goes from {old} to {new}, which have disjoint quorums"),
                );
                return;
            }
        }
    }

    /// A new leader has everything that was committed in earlier terms.
    fn check_leader_completeness(&mut self, node: NodeId, raft: &Raft) {
        let log = self.terms_of(raft);
        let missing = (1..).map(Index).zip(&self.committed).find(|(index, (entry, term))| {
            *term < raft.term() && log.get(index.0 as usize - 1) != Some(&entry.term)
        });
        if let Some((index, (entry, _))) = missing {
            let id = LogId { index, term: entry.term };
            self.report(
                "leader-completeness",
                format!("{node} leads term {} without the committed {id}", raft.term()),
            );
        }
    }

    fn check_commit(&mut self, node: NodeId, raft: &Raft, before: &Before, disks: &Disks<'_>) {
        let log = raft.log();
        // A leader that removed itself stops leading in the step that commits the removal.
        let is_leader = raft.is_leader() || before.led && raft.term() == before.term;
        let id = LogId {
            index: raft.commit_index(),
            term: raft.log().term_at(raft.commit_index()).expect("committed entries are in the log"),
        };
        if is_leader {
            if id.term != raft.term() {
                self.report(
                    "current-term-commit",
                    format!("{node} leads term {} and commits {id} by counting", raft.term()),
                );
            }
            // Count in the configuration of the time of the commit: the same step may have ended a joint phase.
            let group = &before.group;
            let has = |voter: NodeId| {
                disks.get(&group.replica(voter)).is_some_and(|disk| disk.was_ever_durable(id))
            };
            if !is_quorum(group, has) {
                let have = disks.values().filter(|disk| disk.was_ever_durable(id)).count();
                self.report(
                    "committed-on-quorum",
                    format!("{node} commits {id}, which {have} servers have, in configuration {group}"),
                );
            }
        }
        // Compacted entries are checked as part of the snapshot.
        let known = before.commit.max(raft.log().compacted().index);
        for (position, entry) in
            (known.0 as usize..).zip(log.entries(known.next(), raft.commit_index()).iter())
        {
            match self.committed.get(position) {
                Some((known, _)) if known == entry => {}
                Some((known, _)) if !is_leader => {
                    let known = known.term;
                    self.report(
                        "follower-commit-safety",
                        format!("{node} commits {}@{}, and {known} is committed", position + 1, entry.term),
                    );
                }
                Some((known, _)) => {
                    let known = known.term;
                    self.report(
                        "state-machine-safety",
                        format!("{node} commits {}@{}, and {known} is committed", position + 1, entry.term),
                    );
                }
                None if is_leader => {
                    self.committed.push((entry.clone(), raft.term()));
                    if let Payload::Command(command) = &entry.payload {
                        self.check_not_denied(node, &String::from_utf8_lossy(command));
                    }
                }
                None => {
                    self.report(
                        "follower-commit-safety",
                        format!(
                            "{node} commits {}@{}, which no leader has committed",
                            position + 1,
                            entry.term
                        ),
                    );
                    return;
                }
            }
        }
    }

    /// An entry is applied.
    pub(crate) fn on_apply(&mut self, node: NodeId, index: Index, entry: &Entry, disk: &Disk) {
        let position = index.0 as usize - 1;
        if let Some((known, _)) = self.committed.get(position)
            && known != entry
        {
            self.report(
                "state-machine-safety",
                format!("{node} applies a different entry {index}@{}", entry.term),
            );
        }
        if disk.entry(index) != Some(entry) {
            self.report(
                "apply-after-durability",
                format!("{node} applies {index}@{}, which is not durable on it", entry.term),
            );
        }
    }

    /// Checks that a snapshot's state and configuration are those of the committed entries.
    fn check_snapshot(&mut self, node: NodeId, snapshot: &Snapshot) {
        let last = snapshot.last;
        let entries = self.committed.get(..last.index.0 as usize).unwrap_or_default();
        if entries.last().is_none_or(|(entry, _)| entry.term != last.term) {
            return self.report(
                "snapshot-consistency",
                format!("{node} has a snapshot up to {last}, which is not committed"),
            );
        }
        let (mut state, mut group) = (super::State::default(), &self.initial_configuration);
        for (index, (entry, _)) in (1..).map(Index).zip(entries) {
            state.apply(index, entry);
            if let Payload::Configuration(configuration) = &entry.payload {
                group = configuration;
            }
        }
        if *group != *snapshot.configuration {
            let detail = format!(
                "{node}'s snapshot up to {last} has configuration {} instead of {group}",
                snapshot.configuration
            );
            return self.report("snapshot-consistency", detail);
        }
        if state.image() != snapshot.data {
            self.report(
                "snapshot-consistency",
                format!("{node}'s snapshot up to {last} holds a different state"),
            );
        }
    }

    /// The application's state is replaced.
    pub(crate) fn on_restore(&mut self, node: NodeId, snapshot: &Snapshot, applied: Index, disk: &Disk) {
        let last = snapshot.last;
        self.check_snapshot(node, snapshot);
        if last.index < applied {
            self.report(
                "snapshot-consistency",
                format!("{node} restores its state from {last}, but has applied up to {applied}"),
            );
        }
        if disk.durable.checkpoint.as_ref().is_none_or(|checkpoint| checkpoint.snapshot != *snapshot) {
            self.report(
                "apply-after-durability",
                format!("{node} restores a snapshot up to {last} that is not durable"),
            );
        }
    }

    /// A client proposes a command.
    pub(crate) fn on_propose(&mut self, command: &str) {
        *self.possible_proposals.entry(command.to_owned()).or_default() += 1;
    }

    /// A client gets a response that its request failed.
    pub(crate) fn on_failure_response(&mut self, node: NodeId, command: &str) {
        let Some(possible_proposals) = self.possible_proposals.get_mut(command) else { return };
        *possible_proposals -= 1;
        let is_command =
            |entry: &Entry| matches!(&entry.payload, Payload::Command(bytes) if bytes == command.as_bytes());
        if self.committed.iter().any(|(entry, _)| is_command(entry)) {
            self.check_not_denied(node, command);
        }
    }

    /// A command is committed: at least one of its proposals must not have been reported as failed.
    fn check_not_denied(&mut self, node: NodeId, command: &str) {
        if self.possible_proposals.get(command) == Some(&0) {
            self.report(
                "witness",
                format!("{node} commits {command}, but its client has a failure response"),
            );
        }
    }

    /// A client requests a read.
    pub(crate) fn on_read_request(&mut self, request: RequestId) {
        self.reads.insert(request, self.acknowledged);
    }

    /// A read is served from a state that includes everything up to `applied`.
    pub(crate) fn on_read(&mut self, node: NodeId, request: RequestId, applied: Index) {
        let at_least = self.reads[&request];
        if applied < at_least {
            self.report(
                "read-safety",
                format!("{node} reads at {applied}, but a client knows of {at_least}"),
            );
        }
        self.on_response(node, request, None);
    }

    /// A request gets its response.
    pub(crate) fn on_response(&mut self, node: NodeId, request: RequestId, applied: Option<Index>) {
        self.acknowledged = self.acknowledged.max(applied.unwrap_or_default());
        if !self.responded.insert(request) {
            self.report("one-answer", format!("{node} responds to request {} twice", request.0));
        }
    }

    /// Whether a request got its response.
    pub(crate) fn is_answered(&self, request: RequestId) -> bool {
        self.responded.contains(&request)
    }
}
