//! The facts that a step of noraft states: what is different after it, and what its messages promise.

use crate::{History, Sent, Server, entry_digest, log_id};
use harness::explore::Input;
use invariants::{Configuration, Digest, Fact};
use noraft::{LogIndex, Message};

/// The facts with which a node starts. All that it has is durable.
pub(crate) fn started(server: &Server, all_votes: bool) -> Vec<Fact> {
    let node = &server.node;
    let entries = node.log().entries();
    let digest = entries.iter_with_positions().fold(Digest::EMPTY, |digest, (position, entry)| {
        digest.then_entry(position.term.get(), entry_digest(&entry))
    });
    let configuration = Configuration {
        voters: node.config().voters.iter().map(|voter| voter.get()).collect(),
        ..Configuration::default()
    };
    vec![
        Fact::Started {
            term: node.current_term().get(),
            vote: stated_vote(server, all_votes),
            base: log_id(entries.prev_position()),
            last: log_id(entries.last_position()),
            digest,
        },
        Fact::Configured { index: 0, configuration: Box::new(configuration) },
        Fact::SavedRecovered,
    ]
}

/// The vote of the current term: as the node has it, or unless all votes are stated, the one that was sent.
fn stated_vote(server: &Server, all_votes: bool) -> Option<u64> {
    let term = server.node.current_term().get();
    let sent = server.history.vote.filter(|(sent, _)| !all_votes && *sent == term);
    sent.map(|(_, candidate)| candidate).or(server.node.voted_for().map(|vote| vote.get()))
}

/// One step of one server.
pub(crate) struct FactWriter<'a> {
    pub(crate) before: &'a Server,
    pub(crate) state: &'a mut Server,
    pub(crate) facts: &'a mut Vec<Fact>,
    pub(crate) all_votes: bool,
}

impl FactWriter<'_> {
    pub(crate) fn write(mut self, input: Input<'_, Sent>, sent: &[(usize, Message)]) {
        self.observe();
        if self.state.node.role().is_leader() {
            self.commit();
        }
        self.save();
        if !self.state.node.role().is_leader() {
            self.commit();
        }
        sent.iter().for_each(|(to, message)| self.promise(input, *to, message));
        let History { vote, acknowledged, .. } = &mut self.state.history;
        let durable = self.state.node.current_term().get();
        vote.take_if(|(term, _)| *term < durable);
        acknowledged.take_if(|(term, _)| *term < durable);
    }

    /// Changes of term and role.
    fn observe(&mut self) {
        let node = &self.state.node;
        let (term, was) = (node.current_term().get(), self.before.node.current_term().get());
        let (leads, led) = (node.role().is_leader(), self.before.node.role().is_leader());
        if led && !(leads && term == was) {
            self.facts.push(Fact::SteppedDown { term: was });
        }
        if term != was {
            self.facts.push(Fact::TermChanged { term });
        }
        if leads && !led {
            self.facts.push(Fact::Leads { term });
            let last = log_id(self.before.node.log().last_position());
            self.state.history.led.push((term, last));
        }
    }

    fn commit(&mut self) {
        let index = self.state.node.commit_index();
        if index == self.before.node.commit_index() {
            return;
        }
        self.facts.push(Fact::Committed { index: index.get() });
        if self.state.node.role().is_leader() {
            self.state.history.committed = Some((index.get(), self.state.node.current_term().get()));
        }
    }

    /// What has changed in the log and on the disk, which are the same.
    fn save(&mut self) {
        let (old, new) = (self.before.node.log().entries(), self.state.node.log().entries());
        let (old_last, new_last) = (old.last_position().index.get(), new.last_position().index.get());
        let is_same = |index: &u64| {
            let index = LogIndex::new(*index);
            old.get_term(index) == new.get_term(index)
        };
        let common = (1..=old_last.min(new_last)).take_while(is_same).last().unwrap_or(0);
        if common < old_last {
            self.facts.push(Fact::Truncated { after: common });
        }
        let entry_at = |index: u64| {
            let at = LogIndex::new(index);
            let entry = new.get_entry(at).expect("an entry up to the last");
            let term = new.get_term(at).expect("an entry has a term").get();
            (index, term, entry_digest(&entry))
        };
        let entries: Vec<_> = (common + 1..=new_last).map(entry_at).collect();
        let appended = |&(index, term, entry): &(u64, u64, Digest)| Fact::Appended { index, term, entry };
        self.facts.extend(entries.iter().map(appended));
        let promised = |server: &Server| (server.node.current_term(), stated_vote(server, self.all_votes));
        let (term, vote) = promised(self.state);
        if promised(self.before) == (term, vote) && common == old_last && entries.is_empty() {
            return;
        }
        let after = (common < old_last).then_some(common);
        self.facts.push(Fact::Saved { term: term.get(), vote, after });
        let saved = |&(index, term, entry): &(u64, u64, Digest)| Fact::SavedEntry { index, term, entry };
        self.facts.extend(entries.iter().map(saved));
    }

    /// What a message promises.
    fn promise(&mut self, input: Input<'_, Sent>, to: usize, message: &Message) {
        let (term, to) = (message.term().get(), to as u64 + 1);
        match message {
            Message::RequestVoteCall { from, .. } => {
                if self.state.history.vote != Some((term, from.get())) {
                    self.state.history.vote = Some((term, from.get()));
                    self.facts.push(Fact::Campaigned { term });
                }
            }
            Message::RequestVoteReply { vote_granted: true, .. }
                if stated_vote(self.state, self.all_votes) == Some(to) =>
            {
                self.state.history.vote = Some((term, to));
                self.facts.push(Fact::Voted { term, candidate: to });
            }
            Message::AppendEntriesReply { .. } => self.acknowledge(input, term),
            Message::RequestVoteReply { .. } | Message::AppendEntriesCall { .. } => {}
        }
    }

    /// A reply tells the end of the log. It acknowledges what the leader has asked for, if that is in the log.
    fn acknowledge(&mut self, input: Input<'_, Sent>, term: u64) {
        let Input::Message(Sent(Message::AppendEntriesCall { term: asked, entries, .. })) = input else {
            return;
        };
        if asked.get() == term && self.state.node.log().entries().contains(entries.last_position()) {
            let index = entries.last_position().index.get();
            self.state.history.acknowledged = self.state.history.acknowledged.max(Some((term, index)));
            self.facts.push(Fact::Acknowledged { term, index });
        }
    }
}
