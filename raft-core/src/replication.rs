//! Log replication (5.3) and commitment (5.3, 5.4.2).

use crate::bug::Bug;
use crate::ids::{Index, Instant, LogId, NodeId, RequestId};
use crate::io::{Answer, Effect, Refusal};
use crate::log::{Entries, Entry, Payload};
use crate::membership::Configuration;
use crate::message::Message;
use crate::progress::{Pace, Progress};
use crate::raft::{Leader, Raft, Reads, Role};
use crate::saves::Promise;
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::VecDeque;

impl Raft {
    /// Leads from now on, and says so with an entry of its own term: only through one can it commit what it
    /// inherited (5.4.2).
    pub(crate) fn become_leader(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let last = self.log.last().index;
        self.leader = Some(self.config.id);
        self.role = Role::Leader(Leader {
            progress: Vec::new(),
            quorum_due: now.after(self.config.election_timeout),
            transfer: None,
            heartbeat_due: now.after(self.config.heartbeat_interval),
            proposals: VecDeque::new(),
            reads: Reads::default(),
        });
        self.append(Payload::Noop);
        self.count_on_members(now, last);
        self.replicate_to_all(now, effects);
    }

    pub(crate) fn propose(
        &mut self,
        now: Instant,
        request: RequestId,
        command: Bytes,
        effects: &mut Vec<Effect>,
    ) {
        if !self.leads() {
            let answer = Answer::NotLeader { hint: self.leader };
            return effects.push(Effect::Answer { request, answer });
        }
        if self.is_passing_on() {
            let answer = Answer::Refused(Refusal::TransferUnderWay);
            return effects.push(Effect::Answer { request, answer });
        }
        let index = self.append(Payload::Command(command));
        if let Role::Leader(leader) = &mut self.role {
            leader.proposals.push_back((index, request));
        }
        self.replicate_to_all(now, effects);
    }

    /// Adds an entry of the current term to the own log. A leader only ever appends (5.3).
    pub(crate) fn append(&mut self, payload: Payload) -> Index {
        let last = self.log.last().index;
        self.unsaved_after.get_or_insert(last);
        self.log.append(Entry { term: self.term, payload });
        last.next()
    }

    pub(crate) fn replicate_to_all(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for place in 0..self.followers() {
            self.replicate(now, place, effects);
        }
    }

    /// How many servers get the log from this one.
    fn followers(&self) -> usize {
        if let Role::Leader(leader) = &self.role { leader.progress.len() } else { 0 }
    }

    /// The place of a follower among those that get the log from this server.
    fn follower(&self, node: NodeId) -> Option<usize> {
        let Role::Leader(leader) = &self.role else { return None };
        leader.progress.iter().position(|progress| progress.node == node)
    }

    /// Gets along with the configuration in force: those who have come are taken for as far as `last`, those who are
    /// gone are forgotten, and of the others everything that is known stays.
    pub(crate) fn count_on_members(&mut self, now: Instant, last: Index) {
        let members = self.log.configuration().members();
        let id = self.config.id;
        let Role::Leader(leader) = &mut self.role else { return };
        leader.progress.retain(|progress| members.contains(&progress.node));
        for node in members.into_iter().filter(|&node| node != id) {
            if leader.progress.iter().all(|progress| progress.node != node) {
                leader.progress.push(Progress::new(node, last, now));
            }
        }
    }

    /// Sends one follower what it lacks, as far as its window allows.
    fn replicate(&mut self, now: Instant, place: usize, effects: &mut Vec<Effect>) {
        let last = self.log.last().index;
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[place];
        let to = progress.node;
        while progress.next <= last && progress.may_send(self.config.max_in_flight) {
            let end = Index(last.0.min(progress.next.0 + self.config.max_batch as u64 - 1));
            let previous = progress.next.previous();
            let message = Message::AppendEntries {
                term: self.term,
                previous: LogId { index: previous, term: self.log.term_at(previous).expect("in the log") },
                entries: self.log.entries(progress.next, end),
                commit: self.commit,
                round: leader.reads.round,
            };
            effects.push(Effect::Send { to, message });
            progress.sent_up_to(end);
            progress.sent = now;
        }
    }

    /// Speaks to every follower that has heard nothing for a heartbeat interval, if it is time to look for them.
    pub(crate) fn heartbeat(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if let Role::Leader(leader) = &self.role
            && leader.heartbeat_due > now
        {
            return;
        }
        let interval = self.config.heartbeat_interval;
        let mut oldest = now;
        for place in 0..self.followers() {
            let Role::Leader(leader) = &mut self.role else { return };
            let progress = &mut leader.progress[place];
            if progress.sent.after(interval) > now {
                oldest = oldest.min(progress.sent);
                continue;
            }
            if let Pace::Probing { waiting } = &mut progress.pace {
                *waiting = false; // The probe or its answer is lost, or late: again.
            }
            self.replicate(now, place, effects);
            let Role::Leader(leader) = &self.role else { return };
            if leader.progress[place].sent != now {
                self.speak(now, place, effects);
            }
        }
        let Role::Leader(leader) = &mut self.role else { return };
        leader.heartbeat_due = oldest.after(interval);
    }

    /// Says "I lead" to all others, whatever was sent before: for reads.
    pub(crate) fn speak_to_all(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for place in 0..self.followers() {
            self.speak(now, place, effects);
        }
    }

    /// Says "I lead".
    fn speak(&mut self, now: Instant, place: usize, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[place];
        let to = progress.node;
        progress.sent = now;
        // After what was sent last: a follower that lost it refuses, and that is how the leader learns.
        let previous = progress.next.previous();
        let message = Message::AppendEntries {
            term: self.term,
            previous: LogId { index: previous, term: self.log.term_at(previous).expect("in the log") },
            entries: Entries::NONE,
            commit: self.commit,
            round: leader.reads.round,
        };
        effects.push(Effect::Send { to, message });
    }

    /// An `AppendEntries` of a past term, or one that does not fit.
    pub(crate) fn refuse_append(&self, from: NodeId, previous: LogId, effects: &mut Vec<Effect>) {
        let hint = self.log.last_at_most(previous.index, previous.term);
        let message = Message::AppendEntriesRefused { term: self.term, previous: previous.index, hint };
        effects.push(Effect::Send { to: from, message });
    }

    /// The receiver's part of `AppendEntries` (figure 2), in the current term.
    #[expect(clippy::too_many_arguments, reason = "they are the message's fields")]
    pub(crate) fn on_append(
        &mut self,
        now: Instant,
        from: NodeId,
        previous: LogId,
        entries: &Entries,
        commit: Index,
        round: u64,
        effects: &mut Vec<Effect>,
    ) {
        if self.leads() {
            return; // Two leaders in one term: nothing that this one could do would mend that.
        }
        if self.leader != Some(from) || !matches!(self.role, Role::Follower) {
            self.become_follower(now, self.term, Some(from), effects);
        }
        self.heard = Some(now);
        self.reset_election_timer(now);
        if !self.log.contains(previous) {
            return self.refuse_append(from, previous, effects);
        }
        self.take(previous.index, entries);
        let matched = Index(previous.index.0 + entries.len() as u64);
        // Beyond `matched` nothing was compared with the leader's log: what stands there may be a stale tail (5.3).
        let verified = if self.bug(Bug::CommitPastVerifiedPrefix) { self.log.last().index } else { matched };
        // A new leader may know less than this server does: what is committed stays so (figure 2).
        let known = if self.bug(Bug::CommitIndexRegress) { Index(0) } else { self.commit };
        self.commit = known.max(commit.min(verified));
        // What was not compared is not acknowledged, however long the own log is.
        let matched = if self.bug(Bug::AckReportsOwnLastIndex) { self.log.last().index } else { matched };
        let message = Message::AppendEntriesResponse { term: self.term, matched, round };
        self.promise(Promise::Send(from, message), effects);
    }

    /// Takes entries over into the log after `previous`, which matches.
    fn take(&mut self, previous: Index, entries: &Entries) {
        let index = |place: usize| Index(previous.0 + 1 + place as u64);
        let mut skip = 0;
        // What stands already is left alone. Only a conflict cuts (5.3): a late message must not take back what a
        // newer one has brought and this server has acknowledged.
        while let Some(entry) = entries.get(skip) {
            match self.log.term_at(index(skip)) {
                Some(term) if term == entry.term || self.bug(Bug::NoTruncateOnConflict) => skip += 1,
                Some(_) => {
                    self.truncate(index(skip).previous());
                    break;
                }
                None => break,
            }
        }
        let end = index(entries.len()).previous();
        if self.bug(Bug::TruncateOnMatchingAppend) && self.log.last().index > end {
            self.truncate(end);
        }
        if skip < entries.len() {
            let after = self.log.last().index;
            self.unsaved_after = Some(self.unsaved_after.map_or(after, |unsaved| unsaved.min(after)));
            self.log.append_rest(entries, skip);
        }
    }

    fn truncate(&mut self, index: Index) {
        self.log.truncate(index);
        self.saves.cut(index);
        self.unsaved_after = Some(self.unsaved_after.map_or(index, |unsaved| unsaved.min(index)));
    }

    pub(crate) fn on_append_response(
        &mut self,
        now: Instant,
        from: NodeId,
        matched: Index,
        round: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(place) = self.follower(from) else { return };
        let sent_all = self.bug(Bug::MatchFromSentIndex);
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[place];
        // What the follower says it has, not what it was sent: that may be lost.
        let matched = if sent_all { progress.next.previous().max(matched) } else { matched };
        progress.accepted(matched);
        progress.round = progress.round.max(round);
        progress.heard = now;
        self.advance_commit(now, effects);
        self.confirm_reads(now, effects);
        // A commit may have changed the group, or ended this leadership.
        if let Some(place) = self.follower(from) {
            self.replicate(now, place, effects);
        }
        self.tell_if_caught_up(from, effects);
    }

    pub(crate) fn on_append_refused(
        &mut self,
        now: Instant,
        from: NodeId,
        previous: Index,
        hint: LogId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(place) = self.follower(from) else { return };
        // Below the hint the follower has terms up to the hint's; this log's last entry with at most that term is
        // the last place where the two can agree.
        let agree = self.log.last_at_most(hint.index, hint.term).index;
        let Role::Leader(leader) = &mut self.role else { return };
        leader.progress[place].heard = now;
        if leader.progress[place].refused(previous, agree) {
            self.replicate(now, place, effects);
        }
    }

    /// Commits what a majority has, durably (5.3): of each half while joint, and of voters only (6).
    pub(crate) fn advance_commit(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &self.role else { return };
        let has = |node: NodeId| {
            if node == self.config.id {
                return self.saves.durable_index();
            }
            let follower = leader.progress.iter().find(|progress| progress.node == node);
            follower.map_or(Index(0), |progress| progress.matched)
        };
        let group = self.who_commits();
        let Some(index) = group.reached(has).filter(|&index| index > self.commit) else { return };
        // An entry of an earlier term that a majority has may still be overwritten by a leader that never saw it;
        // an entry of this term may not, and carries along what stands before it (5.4.2, figure 8).
        if self.log.term_at(index) == Some(self.term) || self.bug(Bug::CommitPriorTermByCount) {
            self.commit = index;
            self.after_commit(now, effects);
        }
    }

    /// Who must have an entry before it is committed: the group in force, as it is.
    fn who_commits(&self) -> Cow<'_, Configuration> {
        let group = self.log.configuration();
        if self.bug(Bug::JointCommitOneSide) {
            return Cow::Owned(Configuration::of(group.voters.iter().copied()));
        }
        if self.bug(Bug::LearnerCountedInQuorum) {
            return Cow::Owned(Configuration::of(group.members()));
        }
        Cow::Borrowed(group)
    }
}
