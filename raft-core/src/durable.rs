//! What a step writes, and what waits until it is durable: promises to other servers, and committed entries.

use crate::bug::Bug;
use crate::ids::{Index, Term, Timestamp};
use crate::io::{Effect, SaveRecord};
use crate::log::Entries;
use crate::membership::Configuration;
use crate::message::Message;
use crate::raft::{Raft, Rewrite, initial_configuration, push_in_place};
use crate::response::Response;
use crate::role::Role;
use crate::saves::Promise;
use crate::snapshot::Checkpoint;
use std::sync::Arc;

impl Raft {
    /// Issues one write for all changes of this step.
    pub(crate) fn save(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let last = self.log.last().index;
        // An adopted term must be durable like a vote: a response in it promises to serve no older one.
        let changed = self.saved != (self.term, self.vote)
            && !(self.saved.1 == self.vote && self.bug(Bug::TermAdoptedNotDurable));
        if let Some(rewrite) = self.pending_rewrite.take() {
            let (compacted, configuration) = (self.log.compacted(), self.configuration_at_base());
            let snapshot = self.snapshot.clone().expect("a rewrite must follow a snapshot");
            let entries = self.log.share(compacted.index.next(), last);
            self.unsaved_after = None;
            self.saved = (self.term, self.vote);
            let id = self.saves.issue(last, now);
            let installed = rewrite == Rewrite::Installed;
            let checkpoint = Some(Box::new(Checkpoint { snapshot, compacted, configuration, installed }));
            let record =
                SaveRecord { term: self.term, vote: self.vote, after: compacted.index, entries, checkpoint };
            effects.push(Effect::Save { id, record });
        } else if changed || self.unsaved_after.is_some() {
            let after = self.unsaved_after.take().unwrap_or(last);
            self.saved = (self.term, self.vote);
            let (term, vote) = (self.term, self.vote);
            // One write truncates and appends.
            if after < last && self.has_bug(Bug::TruncateThenAppendWindow) {
                let id = self.saves.issue(after, now);
                let record = SaveRecord { term, vote, after, entries: Entries::NONE, checkpoint: None };
                effects.push(Effect::Save { id, record });
            }
            let id = self.saves.issue(last, now);
            push_in_place(effects, || {
                let entries = self.log.share(after.next(), last);
                Effect::Save { id, record: SaveRecord { term, vote, after, entries, checkpoint: None } }
            });
        }
        self.saves.settle();
    }

    /// The configuration in force at the last compacted entry, which no entry of the log carries any more.
    fn configuration_at_base(&self) -> Arc<Configuration> {
        let (configuration, initial) = (&self.log.configurations()[0].1, initial_configuration(&self.config));
        if **configuration != initial && self.bug(Bug::PurgedMembershipLost) {
            return Arc::new(initial);
        }
        configuration.clone()
    }

    /// Defers a promise until everything issued so far is durable.
    pub(crate) fn send_when_durable(&mut self, promise: Promise, effects: &mut Vec<Effect>) {
        // With these bugs, messages leave before the write is durable. That breaks the contract of `io.rs`.
        let bug = match &promise {
            Promise::Send(_, Message::RequestVote { .. }) => Some(Bug::SelfVoteAfterRv),
            Promise::Send(_, Message::RequestVoteResponse { .. }) => Some(Bug::VoteReplyBeforeSync),
            Promise::Send(_, Message::AppendEntriesResponse { .. }) => Some(Bug::FollowerAckBeforeSync),
            Promise::Send(..) | Promise::OwnVote => None,
        };
        match promise {
            Promise::Send(to, message) if bug.is_some_and(|bug| !self.is_durable() && self.bug(bug)) => {
                effects.push(self.envelope(to, message));
            }
            promise => self.saves.defer(self.term, promise),
        }
    }

    /// Whether all that this server holds is durable: a promise made now leaves with this step.
    fn is_durable(&self) -> bool {
        let nothing_to_write = self.saved == (self.term, self.vote)
            && self.unsaved_after.is_none()
            && self.pending_rewrite.is_none();
        nothing_to_write && self.saves.oldest_in_flight().is_none()
    }

    /// Releases the promises whose writes are durable.
    #[inline]
    pub(crate) fn release_durable(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.saves.can_release() {
            self.release_promises(now, effects);
        }
    }

    fn release_promises(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let active = self.config.bug;
        let sends_late = || Bug::TermStampedLate.is_on(active);
        while let Some((term, promise)) = self.saves.release(self.term, sends_late) {
            match promise {
                Promise::Send(to, message) if term != self.term => {
                    let message = stamped(message, self.term);
                    effects.push(self.envelope(to, message));
                }
                Promise::Send(to, message) => push_in_place(effects, || self.envelope(to, message)),
                Promise::OwnVote => self.count_own_vote(now),
            }
        }
    }

    /// Applies entries that are committed and durable here: an application must never be ahead of its own
    /// log.
    #[inline]
    pub(crate) fn apply(&mut self, effects: &mut Vec<Effect>) {
        let mut durable = self.saves.durable_index();
        if self.commit_index > durable && self.bug(Bug::ApplyBeforeLocalDurable) {
            durable = self.log.last().index;
        }
        if self.restore_pending || self.commit_index.min(durable) > self.last_applied {
            self.apply_up_to(durable, effects);
        }
        // After most steps no request waits.
        if let Role::Leader(leader) = &self.role
            && !leader.reads.awaiting_apply.is_empty()
        {
            self.serve_reads(effects);
        }
        if !self.pending_forwards.is_empty() {
            self.complete_forwards(effects);
        }
    }

    fn apply_up_to(&mut self, durable: Index, effects: &mut Vec<Effect>) {
        if self.restore_pending
            && let Some(snapshot) = self.snapshot.as_ref().filter(|snapshot| snapshot.last.index <= durable)
        {
            self.restore_pending = false;
            self.last_applied = snapshot.last.index;
            effects.push(Effect::Restore(snapshot.clone()));
        }
        let upto = self.commit_index.min(durable);
        if upto > self.last_applied && !self.restore_pending {
            let first = self.last_applied.next();
            push_in_place(effects, || Effect::Apply { first, entries: self.log.share(first, upto) });
            self.last_applied = upto;
        }
        let applied = self.last_applied;
        if let Role::Leader(leader) = &mut self.role {
            while let Some(&(index, request)) =
                leader.proposals.front().filter(|&&(index, _)| index <= applied)
            {
                leader.proposals.pop_front();
                push_in_place(effects, || Effect::Respond { request, response: Response::Applied { index } });
            }
        }
    }
}

/// The promise in another term than its own: for a bug.
fn stamped(message: Message, now: Term) -> Message {
    match message {
        Message::RequestVote { last, transfer, .. } => Message::RequestVote { term: now, last, transfer },
        Message::RequestVoteResponse { granted, .. } => Message::RequestVoteResponse { term: now, granted },
        Message::AppendEntriesResponse { match_index, context, .. } => {
            Message::AppendEntriesResponse { term: now, match_index, context }
        }
        Message::InstallSnapshotResponse { last, received, end, context, .. } => {
            Message::InstallSnapshotResponse { term: now, last, received, end, context }
        }
        other => other,
    }
}
