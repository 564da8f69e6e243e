//! Random streams. Each component draws from a stream of its own, so removing one component leaves the draws of all
//! others unchanged.
#![doc = include_str!("../../docs/determinism.md")]

use rand::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The labels of all streams. They are a stored format: a changed label changes every seed and every stored plan. So
/// they keep their old spelling, and are never renamed.
pub mod label {
    /// A server's own generator.
    pub const NODE: &str = "node";
    /// The directory id of a new disk.
    pub const IDENTITY: &str = "identity";
    /// Where a monotonic clock starts in each incarnation.
    pub const CLOCK: &str = "clock";
    /// Sync times.
    pub const DISK_SYNC: &str = "disk sync";
    /// Which syncs take much longer.
    pub const DISK_TAIL: &str = "disk tail";
    /// Which unsynced writes a power loss loses.
    pub const DISK_DAMAGE: &str = "damage";
    /// Which synced bit flips.
    pub const DISK_BIT_ROT: &str = "rot";
    /// Which messages are lost or duplicated.
    pub const LINK_FATE: &str = "link fate";
    /// Delays of messages.
    pub const LINK_DELAY: &str = "link delay";
    /// Which messages take much longer.
    pub const LINK_TAIL: &str = "link tail";
    /// Which messages may be overtaken.
    pub const LINK_REORDERING: &str = "link overtaking";
    /// The order of held messages.
    pub const LINK_HOLD: &str = "link hold";
    /// A client's pauses.
    pub const CLIENT_THINK_TIME: &str = "client pause";
    /// A client's operations.
    pub const CLIENT_CALL: &str = "client call";
    /// Which server a client chooses without a known leader.
    pub const CLIENT_TARGET: &str = "client choice";
    /// A client's delays after rejections.
    pub const CLIENT_RETRY: &str = "client wait";
    /// When a client sends to a random server, and to which.
    pub const CLIENT_RANDOM_TARGET: &str = "client anywhere";
    /// Cluster size, fault phase and timeouts.
    pub const PLAN_CLUSTER: &str = "plan cluster";
    /// Check-quorum and initial voters.
    pub const PLAN_MEMBERSHIP: &str = "plan group";
    /// Optional features of the servers.
    pub const PLAN_RAFT: &str = "plan raft";
    /// The permanent fault.
    pub const PLAN_PERMANENT_FAULT: &str = "plan held";
    /// Compaction.
    pub const PLAN_COMPACTION: &str = "plan compaction";
    /// Links.
    pub const PLAN_NETWORK: &str = "plan network";
    /// Disks.
    pub const PLAN_DISK: &str = "plan disk";
    /// Clients.
    pub const PLAN_CLIENTS: &str = "plan clients";
    /// Session lifetimes, short timeouts and random targets.
    pub const PLAN_SESSIONS: &str = "plan sessions";
    /// Knobs of the system.
    pub const PLAN_SYSTEM: &str = "plan system";
    /// Which episodes a plan has.
    pub const PLAN_SWARM: &str = "plan swarm";
    /// Which operator episodes a plan has.
    pub const PLAN_OPERATOR: &str = "plan operator";
    /// One episode.
    pub const PLAN_EPISODE: &str = "plan episode";
    /// Bit rot.
    pub const PLAN_BIT_ROT: &str = "plan rot";
    /// Wiped disks.
    pub const PLAN_WIPE: &str = "plan wipe";
    /// Faults that are drawn after all others: each addition has a number of its own.
    pub const PLAN_ADDITION: &str = "plan addition";
    /// Which profile a plan has, and what the profile changes.
    pub const PLAN_PROFILE: &str = "plan profile";
    /// Settings that belong together: each shape has a number of its own.
    pub const PLAN_SHAPE: &str = "plan shape";
    /// How long the load of the healed phase is.
    pub const PLAN_LOAD: &str = "plan load";
    /// The donor of a mutated plan.
    pub const PLAN_DONOR: &str = "plan donor";
    /// Mutations of a plan.
    pub const PLAN_MUTATION: &str = "plan mutation";
    /// Which plans a guided sweep changes.
    pub const PLAN_GUIDE: &str = "plan guide";
    /// What the operator asks for in the healed phase.
    pub const OPERATIONS: &str = "operations";
    /// The disk benchmark.
    pub const BENCH: &str = "bench";
}

/// A generator with a fixed algorithm: stored plans depend on its output.
pub type RngStream = Xoshiro256PlusPlus;

/// The stream of this label and these numbers: reproducible, and independent of all other streams. The labels are in
/// [`label`].
#[must_use]
pub fn stream(seed: u64, label: &str, numbers: [u64; 2]) -> RngStream {
    RngStream::seed_from_u64(stream_key(seed, label, numbers))
}

/// Random draws by index: the draw for the n-th decision does not depend on how many other draws were made. An extra
/// draw in one place therefore changes nothing elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CounterRng(u64);

impl CounterRng {
    /// The draws of this label and these numbers.
    #[must_use]
    pub fn new(seed: u64, label: &str, numbers: [u64; 2]) -> CounterRng {
        CounterRng(stream_key(seed, label, numbers))
    }

    /// The draw for the decision of this index.
    #[inline]
    #[must_use]
    pub const fn at(self, count: u64) -> u64 {
        // The SplitMix64 sequence at index `count`: a step of an odd constant, then the finaliser.
        mix(self.0.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

/// Brings items into a random order (Fisher and Yates).
pub(crate) fn shuffle<T>(items: &mut [T], rng: &mut RngStream) {
    for last in (1..items.len()).rev() {
        items.swap(last, scale(rng.next_u64(), u64::BITS, last as u128 + 1) as usize);
    }
}

/// Maps a uniform draw of so many bits to a number below `count`; its bias is negligible. All ranges are drawn by
/// this, except the damage to disks: `rand` draws it, with other results for the same stream.
#[inline]
pub(crate) fn scale(draw: u64, bits: u32, count: u128) -> u64 {
    ((u128::from(draw) * count) >> bits) as u64
}

/// The start of a stream's sequence.
fn stream_key(seed: u64, label: &str, numbers: [u64; 2]) -> u64 {
    let mut state = mix(seed ^ 0x6a09_e667_f3bc_c908);
    for byte in label.bytes() {
        state = mix(state ^ u64::from(byte));
    }
    for number in numbers {
        state = mix(state ^ number);
    }
    state
}

/// The finaliser of SplitMix64: a bijection in which each input bit affects each output bit.
const fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads this file")]
mod tests {
    use super::{CounterRng, label, stream};
    use rand::RngCore;

    #[test]
    fn stream_labels_keep_their_spelling() {
        let labels = [
            (label::NODE, "node"),
            (label::IDENTITY, "identity"),
            (label::CLOCK, "clock"),
            (label::DISK_SYNC, "disk sync"),
            (label::DISK_TAIL, "disk tail"),
            (label::DISK_DAMAGE, "damage"),
            (label::DISK_BIT_ROT, "rot"),
            (label::LINK_FATE, "link fate"),
            (label::LINK_DELAY, "link delay"),
            (label::LINK_TAIL, "link tail"),
            (label::LINK_REORDERING, "link overtaking"),
            (label::LINK_HOLD, "link hold"),
            (label::CLIENT_THINK_TIME, "client pause"),
            (label::CLIENT_CALL, "client call"),
            (label::CLIENT_TARGET, "client choice"),
            (label::CLIENT_RETRY, "client wait"),
            (label::CLIENT_RANDOM_TARGET, "client anywhere"),
            (label::PLAN_CLUSTER, "plan cluster"),
            (label::PLAN_MEMBERSHIP, "plan group"),
            (label::PLAN_RAFT, "plan raft"),
            (label::PLAN_PERMANENT_FAULT, "plan held"),
            (label::PLAN_COMPACTION, "plan compaction"),
            (label::PLAN_NETWORK, "plan network"),
            (label::PLAN_DISK, "plan disk"),
            (label::PLAN_CLIENTS, "plan clients"),
            (label::PLAN_SESSIONS, "plan sessions"),
            (label::PLAN_SYSTEM, "plan system"),
            (label::PLAN_SWARM, "plan swarm"),
            (label::PLAN_OPERATOR, "plan operator"),
            (label::PLAN_EPISODE, "plan episode"),
            (label::PLAN_BIT_ROT, "plan rot"),
            (label::PLAN_WIPE, "plan wipe"),
            (label::PLAN_ADDITION, "plan addition"),
            (label::PLAN_SHAPE, "plan shape"),
            (label::PLAN_LOAD, "plan load"),
            (label::PLAN_PROFILE, "plan profile"),
            (label::PLAN_DONOR, "plan donor"),
            (label::PLAN_MUTATION, "plan mutation"),
            (label::PLAN_GUIDE, "plan guide"),
            (label::OPERATIONS, "operations"),
            (label::BENCH, "bench"),
        ];
        for (label, stored) in labels {
            assert_eq!(label, stored, "stored plans depend on this label");
        }
        let distinct: std::collections::BTreeSet<_> = labels.iter().map(|(label, _)| label).collect();
        assert_eq!(distinct.len(), labels.len(), "two streams must not share a label");
        let declared = include_str!("rng.rs").matches(": &str = \"").count();
        assert_eq!(labels.len(), declared, "each label of the table must be pinned here");
    }

    #[test]
    fn streams_keep_their_draws() {
        assert_eq!(stream(7, label::NODE, [3, 1]).next_u64(), 7_554_298_806_843_536_391);
        assert_eq!(CounterRng::new(7, label::LINK_DELAY, [1, 2]).at(5), 12_114_156_581_637_205_076);
    }
}
