//! The durable log, vote and snapshot of a server: one file of records.
//!
//! ```text
//! record   length of the body (4 bytes), CRC-32C of the body (4 bytes), body: JSON
//! ```
//!
//! A restart reads records up to the first that is not intact, removes the rest, and syncs what it has read: after a crash
//! of the process the page cache may hold more than the disk, and openraft takes all that it reads for durable.

use crate::bugs::HostBug;
use crate::message::{
    Command, Entry, LogId, Message, SnapshotMeta, Types, Vote, content_digest, fact_configuration,
    fact_log_id, fold,
};
use harness::engine::pump::tasks::NodeHandle;
use harness::server::Host;
use invariants::{Digest, DiskFact, ServerFact};
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::rc::Rc;

/// The file.
const JOURNAL: &str = "journal";
/// Bytes before the body of a record.
const HEAD: usize = 8;

/// A change of the durable state.
#[derive(Clone, Serialize, Deserialize)]
enum Record {
    Vote(Vote),
    Entries(Vec<Entry>),
    /// The log ends before this index.
    Truncate(u64),
    /// The log begins after this entry.
    Purge(LogId),
    Snapshot(Snapshot),
    /// Committed up to this entry.
    Commit(LogId),
}

/// A snapshot of the application.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub meta: SnapshotMeta,
    /// The image, in the form of a command.
    pub image: Command,
}

/// The state that the records add up to.
#[derive(Default)]
struct State {
    vote: Option<Vote>,
    entries: BTreeMap<u64, Entry>,
    purged: Option<LogId>,
    snapshot: Option<Snapshot>,
    committed: Option<LogId>,
    /// The log was truncated to end before this index, which is not written yet.
    unwritten_end: Option<u64>,
    /// The newest commit that another leader has told.
    told: Option<LogId>,
    /// The vote that this server leads by.
    leads: Option<Vote>,
}

/// The store of one incarnation; all clones are the same.
#[derive(Clone)]
pub(crate) struct Store {
    node: NodeHandle<Message>,
    bug: Option<HostBug>,
    state: Rc<RefCell<State>>,
}

impl State {
    fn apply(&mut self, record: Record) {
        match record {
            Record::Vote(vote) => self.vote = Some(vote),
            Record::Entries(entries) => {
                self.entries.extend(entries.into_iter().map(|entry| (entry.log_id().index, entry)));
            }
            Record::Truncate(end) => _ = self.entries.split_off(&end),
            Record::Purge(last) => {
                self.entries = self.entries.split_off(&(last.index + 1));
                self.purged = Some(last);
            }
            Record::Snapshot(snapshot) => {
                if let Some(last) = self.replacing(&snapshot) {
                    self.entries.clear();
                    self.purged = Some(last);
                }
                self.snapshot = Some(snapshot);
            }
            Record::Commit(last) => self.committed = Some(last),
        }
    }

    /// The last entry; before it was purged, if need be.
    fn last(&self) -> Option<LogId> {
        self.entries.values().next_back().map(RaftEntry::log_id).or(self.purged)
    }

    /// The last entry of a snapshot that replaces the log, because the log does not have it.
    fn replacing(&self, snapshot: &Snapshot) -> Option<LogId> {
        snapshot.meta.last_log_id.filter(|last| !self.contains(last) && self.purged < Some(*last))
    }

    /// Whether the log has this entry.
    fn contains(&self, id: &LogId) -> bool {
        self.entries.get(&id.index).is_some_and(|entry| entry.log_id() == *id)
    }

    /// States what was recovered.
    fn record_start(&self, host: &mut Host<'_, Message>) {
        let (term, vote) = self.term_and_vote();
        let id = |id: Option<LogId>| id.as_ref().map_or_else(Default::default, fact_log_id);
        let digest = self.entries.values().fold(Digest::EMPTY, |log, entry| {
            log.then_entry(fact_log_id(&entry.log_id()).term, content_digest(entry))
        });
        let (base, last) = (id(self.purged), id(self.last()));
        host.record_fact(ServerFact::Started { term, vote, base, last, digest });
        if let (Some(_), Some(snapshot)) = (self.purged, &self.snapshot) {
            let configuration = Box::new(fact_configuration(snapshot.meta.last_membership.membership()));
            host.record_fact(ServerFact::Configured { index: base.index, configuration });
        }
        self.entries.values().for_each(|entry| record_configuration(host, entry));
        let committed =
            self.committed.max(self.snapshot.as_ref().and_then(|snapshot| snapshot.meta.last_log_id));
        if let Some(committed) = committed.filter(|committed| Some(*committed) <= self.last()) {
            host.record_fact(ServerFact::Committed { index: fact_log_id(&committed).index });
        }
        host.disk().attach(DiskFact::SavedRecovered);
    }

    /// States what a record changes, before it is applied; its promises to the disk, once it is written.
    fn record_change(&mut self, host: &mut Host<'_, Message>, record: &Record) {
        match record {
            Record::Vote(vote) => {
                self.record_vote(host, vote);
                let leader = vote.leader_id;
                let (term, vote) = (fold(&leader), Some(leader.node_id));
                host.disk().attach(DiskFact::Saved { term, vote, after: None });
            }
            Record::Entries(entries) => {
                host.disk().attach(self.saved(None));
                for entry in entries {
                    let (id, content) = (fact_log_id(&entry.log_id()), content_digest(entry));
                    let invariants::LogId { index, term } = id;
                    host.record_fact(ServerFact::Appended { index, term, entry: content });
                    record_configuration(host, entry);
                    host.disk().attach(DiskFact::SavedEntry { index, term, entry: content });
                }
            }
            Record::Truncate(end) => {
                host.record_fact(ServerFact::Truncated { after: *end });
                host.disk().attach(self.saved(Some(*end)));
            }
            Record::Purge(last) => {
                let snapshot = self.snapshot.as_ref().and_then(|snapshot| snapshot.meta.last_log_id);
                self.attach_snapshot(host, Some(*last), snapshot.unwrap_or(*last));
            }
            Record::Snapshot(snapshot) => {
                if let Some(last) = self.replacing(snapshot) {
                    let configuration =
                        Box::new(fact_configuration(snapshot.meta.last_membership.membership()));
                    let id = fact_log_id(&last);
                    let index = id.index;
                    let installed =
                        ServerFact::SnapshotInstalled { last: id, configuration: configuration.clone() };
                    host.record_fact(installed);
                    host.record_fact(ServerFact::Configured { index, configuration });
                }
                if let Some(last) = snapshot.meta.last_log_id {
                    let base = self.replacing(snapshot).or(self.purged);
                    self.attach_snapshot(host, base, last);
                }
            }
            Record::Commit(last) => {
                // A leader also believes a late message of the leader before it, which is safe, but no commit of its own:
                // it is stated with the next.
                let is_told = self.leads.is_some_and(|vote| fold(&vote.leader_id) > fact_log_id(last).term)
                    && Some(*last) <= self.told;
                if !is_told {
                    host.record_fact(ServerFact::Committed { index: fact_log_id(last).index });
                }
            }
        }
    }

    fn attach_snapshot(&self, host: &mut Host<'_, Message>, base: Option<LogId>, last: LogId) {
        let base = base.as_ref().map_or_else(Default::default, fact_log_id);
        host.disk().attach(self.saved(None));
        host.disk().attach(DiskFact::SavedSnapshot { base, last: fact_log_id(&last) });
    }

    /// States a change of term and role.
    fn record_vote(&mut self, host: &mut Host<'_, Message>, vote: &Vote) {
        let term = fold(&vote.leader_id);
        if let Some(led) = self.leads.take_if(|led| led.leader_id != vote.leader_id) {
            host.record_fact(ServerFact::SteppedDown { term: fold(&led.leader_id) });
        }
        if term != self.term_and_vote().0 {
            host.record_fact(ServerFact::TermChanged { term });
        }
        if vote.committed && vote.leader_id.node_id == host.node() && self.leads.is_none() {
            self.leads = Some(*vote);
            host.record_fact(ServerFact::Leads { term });
        }
    }

    /// As facts know the vote: a term and a candidate.
    fn term_and_vote(&self) -> (u64, Option<u64>) {
        let leader = self.vote.as_ref().map(|vote| vote.leader_id);
        leader.map_or((0, None), |leader| (fold(&leader), Some(leader.node_id)))
    }

    fn saved(&self, after: Option<u64>) -> DiskFact {
        let (term, vote) = self.term_and_vote();
        DiskFact::Saved { term, vote, after }
    }
}

impl Store {
    /// What is on the disk of the node. `None` if it cannot be synced.
    pub(crate) async fn recover(node: &NodeHandle<Message>) -> Option<Store> {
        let bytes = node.host(|host| host.disk().read(JOURNAL).to_vec()).unwrap_or_default();
        let (mut state, mut end) = (State::default(), 0);
        while let Some((record, length)) = parse(&bytes[end..]) {
            state.apply(record);
            end += length;
        }
        if end < bytes.len() {
            node.host(|host| host.disk().truncate(JOURNAL, end as u64));
        }
        // A failed sync may have dropped what this read, and the file may be new to the disk.
        node.host(|host| host.disk().write_again(JOURNAL, 0));
        node.host(|host| host.disk().sync_directory());
        node.host(|host| state.record_start(host));
        let store =
            Store { node: node.clone(), bug: HostBug::of(node.plan()), state: Rc::new(RefCell::new(state)) };
        store.sync().await.ok().map(|()| store)
    }

    /// The newest snapshot.
    pub(crate) fn snapshot(&self) -> Option<Snapshot> {
        self.state.borrow().snapshot.clone()
    }

    /// A restarted server whose vote says that it was elected leads again, at once.
    pub(crate) fn record_resumption(&self) {
        let mut state = self.state.borrow_mut();
        if let Some(vote) = state.vote {
            self.node.host(|host| state.record_vote(host, &vote));
        }
    }

    /// Another leader tells that this entry is committed.
    pub(crate) fn hear_commit(&self, last: Option<LogId>) {
        let mut state = self.state.borrow_mut();
        state.told = state.told.max(last);
    }

    /// States that a snapshot's entries are committed.
    pub(crate) fn record_committed(&self, last: &LogId) {
        self.node.record_fact(ServerFact::Committed { index: fact_log_id(last).index });
    }

    /// Makes a snapshot durable.
    ///
    /// A snapshot that was being built while a newer one was installed is not needed.
    pub(crate) async fn save_snapshot(&self, snapshot: Snapshot) -> io::Result<()> {
        if self.snapshot().is_some_and(|newest| newest.meta.last_log_id >= snapshot.meta.last_log_id) {
            return self.sync().await;
        }
        self.write(Record::Snapshot(snapshot));
        self.sync().await
    }

    fn write(&self, record: Record) {
        let own = self.node.node();
        let unwritten_end = match record {
            Record::Entries(_) | Record::Snapshot(_) => self.state.borrow_mut().unwritten_end.take(),
            // A leader installs no snapshot, and truncates nothing: what it truncated before is stated before.
            Record::Vote(Vote { leader_id, committed: true }) if leader_id.node_id == own => {
                self.state.borrow_mut().unwritten_end.take()
            }
            Record::Vote(_) | Record::Truncate(_) | Record::Purge(_) | Record::Commit(_) => None,
        };
        let replaces = matches!(&record, Record::Snapshot(snapshot) if self.state.borrow().replacing(snapshot).is_some());
        // A snapshot that replaces the log truncates it, too.
        if let Some(end) = unwritten_end.filter(|_| !replaces) {
            self.write(Record::Truncate(end));
        }
        let body = serde_json::to_vec(&record).expect("a record must have a JSON form");
        let mut state = self.state.borrow_mut();
        self.node.host(|host| {
            let is_first = !host.disk().contains(JOURNAL);
            host.disk().append(JOURNAL, |end| {
                end.extend((body.len() as u32).to_le_bytes());
                end.extend(crc32c::crc32c(&body).to_le_bytes());
                end.extend(&body);
            });
            // The first record creates the file: no sync of its bytes makes its name durable.
            if is_first {
                host.disk().sync_directory();
            }
            state.record_change(host, &record);
        });
        state.apply(record);
    }

    /// Waits until everything that is written by now is durable. A failure stops the server: openraft demands a disk that
    /// saves.
    async fn sync(&self) -> io::Result<()> {
        self.node.sync().await.map_err(|_| {
            self.node.host(|host| host.fail_stop("a sync failed"));
            io::Error::other("a sync failed")
        })
    }
}

/// States the configuration that an entry carries: it is in force as soon as it is in the log.
fn record_configuration(host: &mut Host<'_, Message>, entry: &Entry) {
    if let Some(membership) = entry.get_membership() {
        let configuration = Box::new(fact_configuration(&membership));
        host.record_fact(ServerFact::Configured { index: fact_log_id(&entry.log_id()).index, configuration });
    }
}

/// The first record, and its length with its head.
fn parse(bytes: &[u8]) -> Option<(Record, usize)> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let length = number(0)? as usize;
    let body = bytes.get(HEAD..HEAD.checked_add(length)?)?;
    let record = (crc32c::crc32c(body) == number(4)?).then(|| serde_json::from_slice(body).ok())??;
    Some((record, HEAD + length))
}

impl RaftLogReader<Types> for Store {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        Ok(self.state.borrow().entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.state.borrow().vote)
    }
}

impl RaftLogStorage<Types> for Store {
    type LogReader = Store;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let state = self.state.borrow();
        Ok(LogState { last_purged_log_id: state.purged, last_log_id: state.last() })
    }

    async fn get_log_reader(&mut self) -> Store {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        match self.bug {
            Some(HostBug::ForgetsVote) => {
                let mut state = self.state.borrow_mut();
                self.node.host(|host| state.record_vote(host, vote));
                state.vote = Some(*vote);
                return Ok(());
            }
            Some(HostBug::SendsBeforeSaving) => {
                self.write(Record::Vote(*vote));
                drop(self.node.sync());
                return Ok(());
            }
            Some(HostBug::AnswersBeforeSync) | None => {}
        }
        self.write(Record::Vote(*vote));
        self.sync().await
    }

    /// As openraft recommends, so that no restarted leader reads from a state that it has left behind.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let Some(last) = committed else { return Ok(()) };
        self.write(Record::Commit(last));
        self.sync().await
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.state.borrow().committed)
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.write(Record::Entries(entries.into_iter().collect()));
        if self.bug == Some(HostBug::AnswersBeforeSync) {
            drop(self.node.sync());
            flushed.io_completed(Ok(()));
            return Ok(());
        }
        // Several syncs may be in flight: each covers all records before it.
        let store = self.clone();
        self.node.spawn(async move { flushed.io_completed(store.sync().await) });
        Ok(())
    }

    /// Is written with the entries or the snapshot that follow. openraft truncates before it installs a snapshot, also
    /// entries that are committed and in the snapshot: so both become durable together.
    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let mut state = self.state.borrow_mut();
        let end = last.map_or(0, |last| last.index + 1);
        if !state.entries.split_off(&end).is_empty() {
            state.unwritten_end = Some(state.unwritten_end.map_or(end, |other| other.min(end)));
        }
        Ok(())
    }

    /// Need not be durable: a restart that finds purged entries again finds their snapshot, too.
    async fn purge(&mut self, last: LogId) -> Result<(), io::Error> {
        self.write(Record::Purge(last));
        Ok(())
    }
}
