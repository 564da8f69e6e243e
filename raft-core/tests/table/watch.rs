//! What must hold on the table whatever happens. The names are those of `Bug::first`.

use super::disk::Disk;
use raft_core::{
    Configuration, Entry, Envelope, Index, LogId, Message, NodeId, Payload, Raft, ReplicaKey, RequestId,
    SaveRecord, Snapshot, Term,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Something that must never be, and was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    pub property: &'static str,
    pub sentence: String,
}

/// The disk of each life that there ever was.
pub type Disks<'a> = BTreeMap<ReplicaKey, &'a Disk>;

/// How a server was before a step.
pub struct Before {
    pub commit: Index,
    pub led: bool,
    pub term: Term,
    pub group: Arc<Configuration>,
    pub configuration_index: Index,
    /// The end of its snapshot.
    pub snapshot: LogId,
}

impl Before {
    pub fn of(raft: &Raft) -> Before {
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

/// Whether a majority agrees, of each half while joint, by counting. Learners are nobody here.
fn agreed(group: &Configuration, agrees: impl Fn(NodeId) -> bool) -> bool {
    [&group.voters, &group.old_voters].into_iter().all(|half| {
        let yes = half.iter().filter(|&&voter| agrees(voter)).count();
        half.is_empty() || 2 * yes > half.len()
    })
}

/// Whether a node votes, in either half.
fn votes(group: &Configuration, node: NodeId) -> bool {
    group.voters.iter().chain(&group.old_voters).any(|&voter| voter == node)
}

/// The memory of everything that was promised and done.
#[derive(Clone, Default)]
pub struct Watch {
    /// The group as it was founded.
    pub founding: Configuration,
    pub violations: Vec<Violation>,
    /// How many of them were told.
    pub timeout_now_sent: usize,
    /// Who led which term in which incarnation, and the log that it had.
    leaders: BTreeMap<Term, (NodeId, u64, Vec<Term>)>,
    /// Whom a node's vote, once it had left, was for.
    votes: BTreeMap<(ReplicaKey, Term), NodeId>,
    /// How far a node's log, by its own words, equals the one of the leader of a term.
    acknowledged_to: BTreeMap<ReplicaKey, (Term, Index)>,
    /// The newest term in which a node promised something.
    promised: BTreeMap<ReplicaKey, Term>,
    /// What is committed, and in which term it was.
    committed: Vec<(Entry, Term)>,
    /// The payload of each entry and the term before it.
    entries: BTreeMap<(Index, Term), (Payload, Term)>,
    /// The newest write that a client knows of.
    acknowledged: Index,
    /// What a read must see at least.
    reads: BTreeMap<RequestId, Index>,
    answered: BTreeSet<RequestId>,
    /// How many of those who proposed a command were not told that nothing came of it.
    hopeful: BTreeMap<String, u64>,
    /// Every life that ever belonged to a group, whatever became of that.
    members: BTreeSet<ReplicaKey>,
}

impl Watch {
    /// Over a group that was founded like this.
    pub fn of(founding: Configuration) -> Watch {
        let members = founding.members().into_iter().map(|member| founding.replica(member)).collect();
        Watch { founding, members, ..Watch::default() }
    }

    /// The terms of a whole log: what was compacted away is what is committed.
    fn terms(&self, compacted: Index, kept: impl Iterator<Item = Term>) -> Vec<Term> {
        let gone = self.committed.iter().take(compacted.0 as usize).map(|(entry, _)| entry.term);
        gone.chain(kept).collect()
    }

    fn terms_of(&self, raft: &Raft) -> Vec<Term> {
        let compacted = raft.log().compacted().index;
        let kept = (compacted.0 + 1..=raft.last().index.0).map(Index);
        self.terms(compacted, kept.map(|index| raft.log().term_at(index).expect("in the log")))
    }

    pub fn clash(&mut self, property: &'static str, sentence: String) {
        self.violations.push(Violation { property, sentence });
    }

    /// A message leaves.
    pub fn sends(&mut self, envelope: &Envelope, disk: &Disk) {
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
                if !disk.voted(term, from.id) {
                    self.clash(
                        "persist-before-reply",
                        format!("{from} campaigns in term {term}, not durably"),
                    );
                }
                self.votes_for(from, term, from.id);
            }
            Message::RequestVoteResponse { term, granted: true } => {
                if !disk.voted(term, to) {
                    self.clash(
                        "persist-before-reply",
                        format!("{from} votes for {to} in term {term}, not durably"),
                    );
                }
                self.votes_for(from, term, to);
            }
            Message::AppendEntriesResponse { term, match_index, .. } => {
                let (newest, upto) = self.acknowledged_to.entry(from).or_insert((term, match_index));
                *upto = if *newest == term { match_index.max(*upto) } else { match_index };
                *newest = term;
                let entries = disk.durable.entries.iter().map(|entry| entry.term);
                let durable = self.terms(super::disk::compacted(&disk.durable).index, entries);
                let match_index = match_index.0 as usize;
                let holds = disk.durable.term == term
                    && durable.len() >= match_index
                    && self.leaders.get(&term).is_some_and(|(_, _, log)| {
                        log.len() >= match_index && durable[..match_index] == log[..match_index]
                    });
                if !holds {
                    self.clash(
                        "persist-before-reply",
                        format!(
                            "{from} acknowledges {match_index} in term {term} and does not have it durably"
                        ),
                    );
                }
            }
            _ => {}
        }
    }

    fn votes_for(&mut self, voter: ReplicaKey, term: Term, candidate: NodeId) {
        // Whom nobody has taken in votes in the name of the one who belongs to the group.
        let voter = if self.members.contains(&voter) { voter } else { self.founding.replica(voter.id) };
        let first = *self.votes.entry((voter, term)).or_insert(candidate);
        if first != candidate {
            self.clash(
                "one-vote-per-term",
                format!("{voter} votes for {candidate} and for {first} in term {term}"),
            );
        }
    }

    /// A write is issued: the log of `raft` changed.
    pub fn saves(&mut self, node: NodeId, raft: &Raft, write: &SaveRecord) {
        if let Some(kept) = &write.checkpoint
            && self
                .committed
                .get(kept.compacted.index.previous().0 as usize)
                .is_none_or(|known| known.0.term != kept.compacted.term)
            && kept.compacted.index > Index(0)
        {
            self.clash(
                "snapshot-consistency",
                format!("{node} begins its log after {}, which is not committed", kept.compacted),
            );
        }
        let mut previous = raft.log().term_at(write.after).expect("a write follows what the log has");
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
                self.clash("log-matching", format!("{node} has another {index}@{}", entry.term));
            }
            previous = entry.term;
        }
    }

    /// A step is over, and its effects are known.
    pub fn stepped(&mut self, incarnation: u64, raft: &Raft, before: &Before, disks: &Disks<'_>) {
        let node = raft.replica().id;
        let commit = before.commit;
        if raft.is_leader() {
            let terms = self.terms_of(raft);
            match self.leaders.get_mut(&raft.term()) {
                Some((leader, life, log)) if (*leader, *life) == (node, incarnation) => {
                    let known = log.len();
                    log.extend(terms.into_iter().skip(known));
                    if (raft.last().index.0 as usize) < known {
                        self.clash("leader-append-only", format!("{node} leads and cuts its log"));
                    }
                }
                Some(&mut (leader, ..)) => {
                    self.clash("election-safety", format!("{leader} and {node} lead term {}", raft.term()));
                }
                None => {
                    self.leaders.insert(raft.term(), (node, incarnation, terms));
                    self.elected(node, raft, disks);
                }
            }
            if !before.led {
                self.complete(node, raft);
            }
            // Where the log is compacted, the group stands at its beginning.
            if raft.log().configuration_index() > before.configuration_index.max(raft.log().compacted().index)
            {
                self.configures(node, raft, before);
            }
        }
        if let Some(snapshot) = raft.snapshot().filter(|snapshot| snapshot.last != before.snapshot) {
            if snapshot.last.index <= before.snapshot.index {
                let newer = before.snapshot;
                self.clash(
                    "snapshot-consistency",
                    format!("{node} had one up to {newer}, and now one up to {}", snapshot.last),
                );
            }
            self.is_true(node, snapshot);
        }
        if let Some(&(term, upto)) = self.acknowledged_to.get(&raft.replica())
            && term == raft.term()
            && raft.last().index < upto
        {
            self.clash(
                "acked-immutable",
                format!("{node} cuts its log back to {} and acknowledged {upto}", raft.last()),
            );
        }
        if self.promised.get(&raft.replica()).is_some_and(|&promised| raft.term() < promised) {
            self.clash(
                "monotonic-term",
                format!("{node} is in term {} and promised in a later one", raft.term()),
            );
        }
        if raft.commit_index() < commit {
            self.clash(
                "committed-immutable",
                format!("{node} takes its commit index back to {}", raft.commit_index()),
            );
        }
        if raft.last().index < raft.commit_index() {
            let end = raft.last();
            if end.index < commit {
                self.clash("committed-immutable", format!("{node} cuts what it knows to be committed"));
            } else {
                let sentence = format!("{node} commits {}, and its log ends at {end}", raft.commit_index());
                self.clash("follower-commit-safety", sentence);
            }
            return;
        }
        if raft.commit_index() > commit {
            self.commits(node, raft, before, disks);
        }
    }

    /// Somebody leads a term for the first time.
    fn elected(&mut self, node: NodeId, raft: &Raft, disks: &Disks<'_>) {
        let term = raft.term();
        let voted = |voter: NodeId| {
            let voter = raft.configuration().replica(voter);
            match self.votes.get(&(voter, term)) {
                Some(&candidate) => candidate == node,
                None => voter == raft.replica() && disks[&voter].voted(term, node),
            }
        };
        if !agreed(raft.configuration(), voted) {
            let members = raft.configuration().members().into_iter();
            let voters: Vec<String> =
                members.filter(|&member| voted(member)).map(|v| v.to_string()).collect();
            let (voters, group) = (voters.join(", "), raft.configuration());
            self.clash("elected-by-quorum", format!("{node} leads term {term} with {voters} of {group}"));
        }
        let committed = raft.log().committed_configuration(raft.commit_index());
        if !votes(raft.configuration(), node) && !votes(committed, node) {
            self.clash("membership-safety", format!("{node} leads term {term}, and does not vote"));
        }
    }

    /// A leader has changed the group.
    fn configures(&mut self, node: NodeId, raft: &Raft, before: &Before) {
        let at = raft.log().configuration_index();
        if before.configuration_index > raft.commit_index() {
            let open = before.configuration_index;
            self.clash(
                "membership-safety",
                format!("{node} changes the group at {at}, and {open} is not committed"),
            );
        }
        if raft.log().term_at(raft.commit_index()) != Some(raft.term()) {
            self.clash(
                "membership-safety",
                format!("{node} changes the group at {at}, and does not know which change is committed"),
            );
        }
        let (old, new) = (&before.group, raft.configuration());
        let mut everybody = old.members();
        everybody.extend(new.members());
        everybody.sort_unstable();
        everybody.dedup();
        // Every set that decides by the one, against all others, which may decide by the other.
        for set in 0..1_u32 << everybody.len() {
            let within = |node| {
                everybody.iter().position(|&other| other == node).is_some_and(|bit| set >> bit & 1 == 1)
            };
            if agreed(old, within) && agreed(new, |node| !within(node)) {
                self.clash(
                    "membership-safety",
                    format!("{node} goes from {old} to {new}, which can decide apart"),
                );
                return;
            }
        }
    }

    /// A new leader has everything that was committed in earlier terms.
    fn complete(&mut self, node: NodeId, raft: &Raft) {
        let log = self.terms_of(raft);
        let lacks = (1..).map(Index).zip(&self.committed).find(|(index, (entry, term))| {
            *term < raft.term() && log.get(index.0 as usize - 1) != Some(&entry.term)
        });
        if let Some((index, (entry, _))) = lacks {
            let id = LogId { index, term: entry.term };
            self.clash(
                "leader-completeness",
                format!("{node} leads term {} without the committed {id}", raft.term()),
            );
        }
    }

    fn commits(&mut self, node: NodeId, raft: &Raft, before: &Before, disks: &Disks<'_>) {
        let log = raft.log();
        // A leader that has removed itself stops leading with the very step that commits it.
        let is_leader = raft.is_leader() || before.led && raft.term() == before.term;
        let id = LogId {
            index: raft.commit_index(),
            term: raft.log().term_at(raft.commit_index()).expect("committed entries are in the log"),
        };
        if is_leader {
            if id.term != raft.term() {
                self.clash(
                    "current-term-commit",
                    format!("{node} leads term {} and commits {id} by counting", raft.term()),
                );
            }
            // What the leader counted on when it committed: a joint phase may have ended by that very step.
            let group = &before.group;
            let has = |voter: NodeId| disks.get(&group.replica(voter)).is_some_and(|disk| disk.ever_had(id));
            if !agreed(group, has) {
                let have = disks.values().filter(|disk| disk.ever_had(id)).count();
                self.clash("committed-on-quorum", format!("{node} commits {id}, which {have} have, of {group}"));
            }
        }
        // Up to the base the snapshot is looked at.
        let known = before.commit.max(raft.log().compacted().index);
        for (place, entry) in (known.0 as usize..).zip(log.entries(known.next(), raft.commit_index()).iter())
        {
            match self.committed.get(place) {
                Some((known, _)) if known == entry => {}
                Some((known, _)) if !is_leader => {
                    let known = known.term;
                    self.clash(
                        "follower-commit-safety",
                        format!("{node} commits {}@{}, and {known} is committed", place + 1, entry.term),
                    );
                }
                Some((known, _)) => {
                    let known = known.term;
                    self.clash(
                        "state-machine-safety",
                        format!("{node} commits {}@{}, and {known} is committed", place + 1, entry.term),
                    );
                }
                None if is_leader => {
                    self.committed.push((entry.clone(), raft.term()));
                    if let Payload::Command(command) = &entry.payload {
                        self.hoped(node, &String::from_utf8_lossy(command));
                    }
                }
                None => {
                    self.clash(
                        "follower-commit-safety",
                        format!("{node} commits {}@{}, which no leader has", place + 1, entry.term),
                    );
                    return;
                }
            }
        }
    }

    /// An entry is applied.
    pub fn applies(&mut self, node: NodeId, index: Index, entry: &Entry, disk: &Disk) {
        let place = index.0 as usize - 1;
        if let Some((known, _)) = self.committed.get(place)
            && known != entry
        {
            self.clash("state-machine-safety", format!("{node} applies another {index}@{}", entry.term));
        }
        if disk.entry(index) != Some(entry) {
            self.clash(
                "apply-after-durability",
                format!("{node} applies {index}@{} not durably", entry.term),
            );
        }
    }

    /// A snapshot holds what the committed entries say, and the group as they made it.
    fn is_true(&mut self, node: NodeId, snapshot: &Snapshot) {
        let last = snapshot.last;
        let entries = self.committed.get(..last.index.0 as usize).unwrap_or_default();
        if entries.last().is_none_or(|(entry, _)| entry.term != last.term) {
            return self.clash("snapshot-consistency", format!("{node} has one up to {last}, which is not committed"));
        }
        let (mut state, mut group) = (super::State::default(), &self.founding);
        for (index, (entry, _)) in (1..).map(Index).zip(entries) {
            state.apply(index, entry);
            if let Payload::Configuration(configuration) = &entry.payload {
                group = configuration;
            }
        }
        if *group != *snapshot.configuration {
            let sentence =
                format!("{node}'s, up to {last}, says {}, and {group} it was", snapshot.configuration);
            return self.clash("snapshot-consistency", sentence);
        }
        if state.image() != snapshot.data {
            self.clash("snapshot-consistency", format!("{node}'s, up to {last}, holds another state"));
        }
    }

    /// The application's state is replaced.
    pub fn restores(&mut self, node: NodeId, snapshot: &Snapshot, applied: Index, disk: &Disk) {
        let last = snapshot.last;
        self.is_true(node, snapshot);
        if last.index < applied {
            self.clash("snapshot-consistency", format!("{node} goes back from {applied} to {last}"));
        }
        if disk.durable.checkpoint.as_ref().is_none_or(|kept| kept.snapshot != *snapshot) {
            self.clash(
                "apply-after-durability",
                format!("{node} takes a snapshot up to {last} that is not durable"),
            );
        }
    }

    /// A client wants a command to be carried out.
    pub fn proposes(&mut self, command: &str) {
        *self.hopeful.entry(command.to_owned()).or_default() += 1;
    }

    /// A client is told that nothing came of what it asked for.
    pub fn denies(&mut self, node: NodeId, command: &str) {
        let Some(hopeful) = self.hopeful.get_mut(command) else { return };
        *hopeful -= 1;
        let is_it =
            |entry: &Entry| matches!(&entry.payload, Payload::Command(bytes) if bytes == command.as_bytes());
        if self.committed.iter().any(|(entry, _)| is_it(entry)) {
            self.hoped(node, command);
        }
    }

    /// A command is committed: whoever asked for it must not have been told otherwise, all of them.
    fn hoped(&mut self, node: NodeId, command: &str) {
        if self.hopeful.get(command) == Some(&0) {
            self.clash(
                "witness",
                format!("{node} commits {command}, and its client was told that it will not"),
            );
        }
    }

    /// A client asks to read.
    pub fn asks(&mut self, request: RequestId) {
        self.reads.insert(request, self.acknowledged);
    }

    /// A read is answered from a state with everything up to `applied`.
    pub fn reads(&mut self, node: NodeId, request: RequestId, applied: Index) {
        let at_least = self.reads[&request];
        if applied < at_least {
            self.clash("read-safety", format!("{node} reads at {applied}, and a client knows of {at_least}"));
        }
        self.answers(node, request, None);
    }

    /// A request is answered.
    pub fn answers(&mut self, node: NodeId, request: RequestId, applied: Option<Index>) {
        self.acknowledged = self.acknowledged.max(applied.unwrap_or_default());
        if !self.answered.insert(request) {
            self.clash("one-answer", format!("{node} answers request {} twice", request.0));
        }
    }

    /// Whether a request was answered.
    pub fn has_answered(&self, request: RequestId) -> bool {
        self.answered.contains(&request)
    }
}
