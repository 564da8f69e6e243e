//! What the log holds: commands, and the images of the application that replace a prefix of them.

use bytes::Bytes;
use harness::workload::kv::{Kv, KvConfig};
use omnipaxos::storage::{Entry, Snapshot};
use serde::{Deserialize, Serialize};

/// An entry of the log. `SNAPSHOTS`: whether the library synchronises logs by snapshots, which it decides by this type.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Command<const SNAPSHOTS: bool> {
    /// Tells the server that proposed it which request it belongs to.
    pub token: [u8; 16],
    /// The command of the application.
    pub bytes: Bytes,
}

impl<const SNAPSHOTS: bool> Entry for Command<SNAPSHOTS> {
    type Snapshot = Image<SNAPSHOTS>;
}

/// What replaces entries: the state of the application, or the commands that follow such a state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Image<const SNAPSHOTS: bool> {
    /// The state after `applied` entries.
    State {
        /// How many entries it contains.
        applied: u64,
        /// How long a session may be unused; it decides which of them commands expire.
        session_lifetime: u64,
        /// The image of the application.
        kv: Bytes,
    },
    /// Commands after some state, in the order of the log.
    Commands(Vec<Command<SNAPSHOTS>>),
}

impl<const SNAPSHOTS: bool> Image<SNAPSHOTS> {
    /// The state of an empty application: with it every log begins, so that all commands have a state to follow.
    #[must_use]
    pub fn initial(session_lifetime: u64) -> Image<SNAPSHOTS> {
        let kv = Kv::new(settings(session_lifetime)).to_bytes().into();
        Image::State { applied: 0, session_lifetime, kv }
    }
}

/// The settings of the application.
fn settings(session_lifetime: u64) -> KvConfig {
    KvConfig { session_lifetime, ..KvConfig::default() }
}

impl<const SNAPSHOTS: bool> Snapshot<Command<SNAPSHOTS>> for Image<SNAPSHOTS> {
    fn create(entries: &[Command<SNAPSHOTS>]) -> Image<SNAPSHOTS> {
        Image::Commands(entries.to_vec())
    }

    fn merge(&mut self, delta: Image<SNAPSHOTS>) {
        match (&mut *self, delta) {
            (Image::State { applied, session_lifetime, kv }, Image::Commands(commands)) => {
                let mut state = Kv::from_bytes(settings(*session_lifetime), kv)
                    .expect("an image of the application must be readable");
                for command in commands {
                    *applied += 1;
                    state.apply(*applied, &command.bytes, 0);
                }
                *kv = state.to_bytes().into();
            }
            (Image::Commands(commands), Image::Commands(more)) => commands.extend(more),
            (_, state @ Image::State { .. }) => *self = state,
        }
    }

    fn use_snapshots() -> bool {
        SNAPSHOTS
    }
}
