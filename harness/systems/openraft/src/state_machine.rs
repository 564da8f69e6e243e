//! The state machine: the key-value application of the harness, in memory, with snapshots in the store.
//!
//! openraft counts log entries from 0, the application from 1.

use crate::message::{
    Command, Entry, Executed, LogId, Message, SnapshotMeta, StoredMembership, Types, content_digest,
    fact_configuration, fact_log_id,
};
use crate::store::{self, Store};
use futures_util::{Stream, StreamExt};
use harness::engine::pump::tasks::NodeHandle;
use harness::workload::kv::{Kv, KvConfig};
use invariants::ServerFact;
use openraft::alias::SnapshotOf;
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// The application, and up to where it has applied the log.
pub(crate) struct Applied {
    pub kv: Kv,
    pub last: Option<LogId>,
    membership: StoredMembership,
}

/// The state machine of one incarnation; all clones are the same.
#[derive(Clone)]
pub(crate) struct StateMachine {
    node: NodeHandle<Message>,
    settings: KvConfig,
    store: Store,
    pub applied: Rc<RefCell<Applied>>,
}

/// The number of an entry as the application and clients know it.
pub(crate) fn index_of(log_id: &LogId) -> u64 {
    log_id.index + 1
}

impl StateMachine {
    /// The state of the newest snapshot.
    pub(crate) fn recover(node: &NodeHandle<Message>, store: &Store) -> StateMachine {
        let settings = KvConfig::from_plan(node.plan());
        let applied = Applied { kv: Kv::new(settings), last: None, membership: StoredMembership::default() };
        let applied = Rc::new(RefCell::new(applied));
        let machine = StateMachine { node: node.clone(), settings, store: store.clone(), applied };
        if let Some(snapshot) = store.snapshot() {
            let restored = restore(settings, &snapshot.meta, &snapshot.image);
            machine.replace(restored.expect("a snapshot whose checksum is right must be an image"));
        }
        machine
    }

    /// Replaces the state by that of a snapshot.
    fn replace(&self, applied: Applied) {
        let index = applied.last.as_ref().map_or(0, index_of);
        let state = applied.kv.recomputed_digest();
        self.node.record_fact(ServerFact::Restored { index, state });
        *self.applied.borrow_mut() = applied;
    }

    /// Applies an entry.
    fn execute(&self, entry: Entry) -> Executed {
        let (log_id, content) = (entry.log_id(), content_digest(&entry));
        let index = index_of(&log_id);
        let mut applied = self.applied.borrow_mut();
        applied.last = Some(log_id);
        let command = match entry.payload {
            EntryPayload::Normal(command) => command.0,
            EntryPayload::Membership(membership) => {
                applied.membership = StoredMembership::new(Some(log_id), membership);
                Vec::new()
            }
            EntryPayload::Blank => Vec::new(),
        };
        let result = applied.kv.apply(index, &command, 0);
        self.node.record_fact(ServerFact::Applied {
            index,
            entry: content,
            state: applied.kv.digest(),
            request: result.id,
            effect: result.took_effect(),
            session: result.session,
        });
        Executed(result.response)
    }

    /// The current state as a snapshot.
    fn take_snapshot(&self) -> store::Snapshot {
        let applied = self.applied.borrow();
        let meta = SnapshotMeta { last_log_id: applied.last, last_membership: applied.membership.clone() };
        store::Snapshot { meta, image: Command(applied.kv.to_bytes()) }
    }
}

fn restore(settings: KvConfig, meta: &SnapshotMeta, image: &Command) -> io::Result<Applied> {
    let kv = Kv::from_bytes(settings, &image.0).map_err(io::Error::other)?;
    Ok(Applied { kv, last: meta.last_log_id, membership: meta.last_membership.clone() })
}

/// Makes a snapshot that was taken durable.
pub(crate) struct SnapshotBuilder {
    snapshot: store::Snapshot,
    store: Store,
}

impl RaftSnapshotBuilder<Types> for SnapshotBuilder {
    type SnapshotData = Vec<u8>;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types, Vec<u8>>, io::Error> {
        self.store.save_snapshot(self.snapshot.clone()).await?;
        Ok(Snapshot { meta: self.snapshot.meta.clone(), snapshot: self.snapshot.image.0.clone() })
    }
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = Vec<u8>;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let applied = self.applied.borrow();
        Ok((applied.last, applied.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let executed = self.execute(entry);
            if let Some(responder) = responder {
                responder.send(executed);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        let snapshot = self.take_snapshot();
        if let (Some(last), Ok(read)) =
            (&snapshot.meta.last_log_id, restore(self.settings, &snapshot.meta, &snapshot.image))
        {
            self.node.record_fact(ServerFact::SnapshotTaken {
                last: fact_log_id(last),
                state: read.kv.recomputed_digest(),
                configuration: Box::new(fact_configuration(snapshot.meta.last_membership.membership())),
            });
        }
        SnapshotBuilder { snapshot, store: self.store.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, image: Vec<u8>) -> Result<(), io::Error> {
        let image = Command(image);
        let applied = restore(self.settings, meta, &image)?;
        self.store.save_snapshot(store::Snapshot { meta: meta.clone(), image }).await?;
        meta.last_log_id.iter().for_each(|last| self.store.record_committed(last));
        self.replace(applied);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<Types, Vec<u8>>>, io::Error> {
        Ok(self.store.snapshot().map(|snapshot| Snapshot { meta: snapshot.meta, snapshot: snapshot.image.0 }))
    }
}
