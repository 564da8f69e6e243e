//! The key-value application of one server: applies commands, answers reads, takes and restores snapshots when the plan
//! says so, and states the facts about it.
//!
//! *In*: committed entries in order, images of snapshots, reads. *Out*: results, images, and the facts `Applied`,
//! `Restored`, `SnapshotTaken` and `ReadServed`. The state itself is [`Kv`], which can also be used alone: for a server
//! that is not stepped, or states no facts.

use super::compaction::CompactionPolicy;
use crate::plan::Trigger;
use crate::server::Host;
use crate::workload::kv::{self, ApplicationBug, ApplyResult, InvalidImage, Kv, KvConfig};
use crate::workload::{ClientResponse, Reply, Request};
use bytes::Bytes;
use invariants::{Configuration, Digest, LogId, RequestId, ServerFact};
use std::fmt::Display;

/// The application of one incarnation.
pub struct Application {
    kv: Kv,
    settings: KvConfig,
    policy: CompactionPolicy,
    applied: u64,
}

/// A snapshot that the plan asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DueSnapshot {
    /// The index of the last entry that it covers.
    pub index: u64,
    /// The state.
    pub image: Bytes,
    /// The log keeps the entries after this index, as far as it has them: at most `index`.
    pub keep_after: u64,
}

impl Application {
    /// The application of a new incarnation: nothing is applied.
    #[must_use]
    pub fn new<M: Clone + Display>(host: &Host<'_, M>) -> Application {
        let settings = KvConfig::from_plan(host.plan());
        let policy = CompactionPolicy::new(host.plan().compaction.clone(), host.now());
        Application { kv: Kv::new(settings), settings, policy, applied: 0 }
    }

    /// The index of the last entry that was applied or restored.
    #[must_use]
    pub const fn applied(&self) -> u64 {
        self.applied
    }

    /// The image of the current state.
    #[must_use]
    pub fn image(&self) -> Bytes {
        self.kv.to_bytes().into()
    }

    /// The request as a command for the log. It carries a timestamp of this server if sessions expire, and is as large as
    /// the plan says.
    #[must_use]
    pub fn command<M: Clone + Display>(&self, host: &Host<'_, M>, request: &Request) -> Vec<u8> {
        self.kv.command(request, host.wall_time())
    }

    /// A command that another server forwarded, for the leader: with a timestamp of this server, because log time follows
    /// the leader's clock. `None`: commands of this run have no timestamp.
    #[must_use]
    pub fn retimed<M: Clone + Display>(&self, host: &Host<'_, M>, command: &[u8]) -> Option<Vec<u8>> {
        kv::replace_timestamp(command, self.kv.timestamp(host.wall_time())?)
    }

    /// Applies the entry at `index`, the one after the last. `entry` is its content as facts state it. An entry without a
    /// command has an empty one.
    pub fn apply<M: Clone + Display>(
        &mut self,
        host: &mut Host<'_, M>,
        index: u64,
        entry: Digest,
        command: &[u8],
    ) -> ApplyResult {
        self.policy.count_applied(command.len());
        let result = self.kv.apply(index, command, host.wall_time());
        host.record_fact(ServerFact::Applied {
            index,
            entry,
            state: self.kv.digest(),
            request: result.id,
            effect: result.took_effect(),
            session: result.session,
        });
        if matches!(result.response, Some(ClientResponse::SessionExpired)) {
            host.fire_trigger(Trigger::SessionExpired);
        }
        self.applied = index;
        result
    }

    /// The cached response to a request that was applied, unless its client has received it.
    #[must_use]
    pub fn cached_response(&self, id: RequestId) -> Option<ClientResponse> {
        self.kv.cached_response(id)
    }

    /// Answers a read from the current state. Panics if the request is no read.
    pub fn read<M: Clone + Display>(&self, host: &mut Host<'_, M>, client: u64, request: &Request) {
        let operation = request.read_operation().expect("only reads are served without an entry");
        let applied = self.applied;
        host.record_fact(ServerFact::ReadServed { read: request.id, applied });
        let response = ClientResponse::Read { applied, response: self.kv.read(operation) };
        host.reply(client, Reply { id: request.id, response });
    }

    /// Replaces the state by that of a snapshot whose last entry is at `index`.
    pub fn restore<M: Clone + Display>(&mut self, host: &mut Host<'_, M>, index: u64, image: &[u8]) {
        let (kv, state) = read_image(self.settings, image);
        self.kv = kv;
        self.applied = index;
        self.policy.reset(host.now());
        host.record_fact(ServerFact::Restored { index, state });
    }

    /// The snapshot that is due, if one is. It counts as taken.
    pub fn snapshot_if_due<M: Clone + Display>(&mut self, host: &Host<'_, M>) -> Option<DueSnapshot> {
        let trailing = self.policy.due(host.now())?;
        let due = self.snapshot(host);
        Some(DueSnapshot { keep_after: due.index.min(self.applied.saturating_sub(trailing)), ..due })
    }

    /// A snapshot now, because another server needs a newer one. The log keeps what it has.
    #[must_use]
    pub fn snapshot<M: Clone + Display>(&mut self, host: &Host<'_, M>) -> DueSnapshot {
        self.policy.reset(host.now());
        // The state and the index that it belongs to are taken together.
        let is_late = self.applied > 1 && ApplicationBug::AppliedIndexNotAtomic.is_on(self.settings.bug);
        let index = self.applied - u64::from(is_late);
        DueSnapshot { index, image: self.kv.to_bytes().into(), keep_after: 0 }
    }

    /// States the contents of a new snapshot, as they are read from its image. `configuration` is the one in it.
    pub fn record_snapshot<M: Clone + Display>(
        &self,
        host: &mut Host<'_, M>,
        last: LogId,
        image: &[u8],
        configuration: Configuration,
    ) {
        let (_, state) = read_image(self.settings, image);
        host.record_fact(ServerFact::SnapshotTaken { last, state, configuration: Box::new(configuration) });
    }
}

/// The state in an image, and its digest. An invalid image does not panic: it gives the empty state under a
/// digest of its own, which no server has that applied the log. So the checker blames the server that made
/// the image.
fn read_image(settings: KvConfig, image: &[u8]) -> (Kv, Digest) {
    match Kv::from_bytes(settings, image) {
        Ok(kv) => {
            let state = kv.recomputed_digest();
            (kv, state)
        }
        Err(InvalidImage) => {
            let bytes = image.iter().fold(Digest::EMPTY, |digest, byte| digest.then(u64::from(*byte)));
            (Kv::new(settings), bytes.then(image.len() as u64))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Options;
    use crate::plan;
    use crate::world::World;

    /// The property that is broken if a server applies an entry and then makes or restores a snapshot with
    /// this image of the state.
    fn broken_property(image: impl Fn(&Kv) -> Vec<u8>, restores: bool) -> Option<String> {
        let plan = plan::generate(0);
        let mut world = World::<u64>::new(
            &plan,
            &Options::default(),
            crate::plan::Supports::ALL,
            invariants::Contract::PAPER,
        );
        let host = &mut Host::new(&mut world, 1);
        let mut application = Application::new(host);
        host.record_fact(ServerFact::Started {
            term: 0,
            vote: None,
            base: LogId::default(),
            last: LogId::default(),
            digest: Digest::EMPTY,
        });
        application.apply(host, 1, Digest::EMPTY, &[]);
        let image = image(&application.kv);
        match restores {
            true => application.restore(host, 1, &image),
            false => {
                let last = LogId { index: 1, term: 1 };
                let configuration = Configuration { voters: vec![1], ..Configuration::default() };
                application.record_snapshot(host, last, &image, configuration);
            }
        }
        world.observer.failure.take().map(|failure| failure.property)
    }

    #[test]
    fn invalid_image_breaks_snapshot_consistency() {
        for restores in [true, false] {
            assert_eq!(broken_property(Kv::to_bytes, restores), None);
            let corrupt: [fn(&Kv) -> Vec<u8>; 3] = [
                |_| Vec::new(),
                |kv| [kv.to_bytes(), vec![0]].concat(),
                |kv| kv.to_bytes().iter().map(|byte| byte ^ 0x80).collect(),
            ];
            for image in corrupt {
                assert_eq!(
                    broken_property(image, restores).as_deref(),
                    Some("snapshot-consistency"),
                    "restores: {restores}"
                );
            }
        }
    }
}
