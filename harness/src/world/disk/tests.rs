//! The disk against a stupid twin, which keeps a copy of every durable file and the list of the writes since.

use super::*;
use crate::rng::stream;
use proptest::prelude::*;
use std::collections::BTreeSet;

const FILES: [FileName; 2] = ["log", "state"];

/// One file of the twin.
#[derive(Clone, Default, Debug)]
struct Twin {
    durable: Vec<u8>,
    /// With their numbers, and for each how much of the file was durable when it was begun.
    writes: Vec<(u64, Op, usize)>,
    /// What the durable appends since the last cut guard.
    guards: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Op {
    Append(usize, Vec<u8>),
    Cut(usize),
}

impl Op {
    /// In the file as it is on the platter, wherever earlier writes were lost.
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Op::Cut(to) => file.resize(*to, 0),
            Op::Append(at, bytes) => {
                file.resize(file.len().max(at + bytes.len()), 0);
                file[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }

    fn place(&self) -> usize {
        match self {
            Op::Append(at, _) => *at,
            Op::Cut(to) => *to,
        }
    }
}

impl Twin {
    fn cache(&self) -> Vec<u8> {
        let mut file = self.durable.clone();
        self.writes.iter().for_each(|(_, op, _)| op.apply(&mut file));
        file
    }

    fn push(&mut self, number: u64, op: Op) {
        let places = self.writes.iter().map(|(_, op, _)| op.place());
        let untouched = places.chain([self.durable.len()]).min().unwrap();
        self.writes.push((number, op, untouched));
    }

    fn settle(&mut self, durable: u64) {
        for (number, op, untouched) in std::mem::take(&mut self.writes) {
            if number > durable {
                self.writes.push((number, op, untouched));
                continue;
            }
            op.apply(&mut self.durable);
            match op {
                Op::Cut(_) => self.guards.clear(),
                Op::Append(..) => self.guards.push(untouched),
            }
        }
    }

    fn guarded(&self) -> usize {
        let cut = self.writes.iter().any(|(_, op, _)| matches!(op, Op::Cut(_)));
        self.guards.iter().copied().max().filter(|_| !cut).unwrap_or(0)
    }

    /// Whether some subset of the writes, the last of it torn in some way, leaves this.
    fn explains(&self, left: &[u8]) -> bool {
        (0..1_u32 << self.writes.len()).any(|subset| {
            let mut file = self.durable.clone();
            let survivors: Vec<_> =
                (0..self.writes.len()).filter(|n| subset >> n & 1 == 1).map(|n| &self.writes[n].1).collect();
            let Some((last, others)) = survivors.split_last() else { return file == left };
            others.iter().for_each(|op| op.apply(&mut file));
            match last {
                Op::Cut(_) => {
                    last.apply(&mut file);
                    file == left
                }
                Op::Append(at, bytes) => (0..=bytes.len()).any(|kept| torn(&file, *at, bytes, kept, left)),
            }
        })
    }
}

/// Whether `left` is `file` with `kept` of these bytes at `at`, then nothing, or garbage up to the end of a sector.
fn torn(file: &[u8], at: usize, bytes: &[u8], kept: usize, left: &[u8]) -> bool {
    let mut clean = file.to_vec();
    Op::Append(at, bytes[..kept].to_vec()).apply(&mut clean);
    let end = (at + bytes.len()).min((at + kept) / 512 * 512 + 512);
    let mut garbage = file.to_vec();
    Op::Append(at, [&bytes[..kept], &vec![0; end - at - kept]].concat()).apply(&mut garbage);
    let sector = (at + kept).is_multiple_of(512) || kept == 0;
    clean == left
        || sector
            && garbage.len() == left.len()
            && garbage[..at + kept] == left[..at + kept]
            && garbage[end..] == left[end..]
}

#[derive(Clone, Debug)]
enum Act {
    Append(usize, Vec<u8>),
    Cut(usize, prop::sample::Index),
    Attach,
    BeginSync,
    EndSync(usize),
    LosePower,
    Rot,
    Wipe,
}

fn act() -> impl Strategy<Value = Act> {
    let file = 0..FILES.len();
    let bytes = prop_oneof![
        prop::collection::vec(1..=255_u8, 0..20),
        (1..=255_u8, 400..1100_usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    prop_oneof![
        8 => (file.clone(), bytes).prop_map(|(file, bytes)| Act::Append(file, bytes)),
        2 => (file, any::<prop::sample::Index>()).prop_map(|(file, to)| Act::Cut(file, to)),
        3 => Just(Act::Attach),
        4 => Just(Act::BeginSync),
        4 => (0..4_usize).prop_map(Act::EndSync),
        2 => Just(Act::LosePower),
        1 => Just(Act::Rot),
        1 => Just(Act::Wipe),
    ]
}

proptest! {
    #[test]
    fn a_disk_does_what_its_stupid_twin_does(seed in any::<u64>(), acts in prop::collection::vec(act(), 0..60)) {
        let (mut disk, mut chance) = (Disk::new(), stream(seed, "disk", [0; 2]));
        let mut twins = [Twin::default(), Twin::default()];
        let (mut number, mut durable) = (0, 0);
        let mut syncs: Vec<(Ticket, Option<u64>)> = Vec::new();
        let mut truths: Vec<(u64, Fact)> = Vec::new();
        for (step, act) in acts.into_iter().enumerate() {
            match act {
                // Subsets are tried one by one: not too many.
                Act::Append(file, _) | Act::Cut(file, _) if twins[file].writes.len() == 7 => {}
                Act::Append(file, bytes) => {
                    number += 1;
                    let at = disk.append(FILES[file], |to| to.extend_from_slice(&bytes)) as usize;
                    prop_assert_eq!(at, twins[file].cache().len());
                    twins[file].push(number, Op::Append(at, bytes));
                }
                Act::Cut(file, to) => {
                    number += 1;
                    let to = to.index(twins[file].cache().len() + 1);
                    disk.truncate(FILES[file], to as u64);
                    twins[file].push(number, Op::Cut(to));
                }
                Act::Attach => {
                    let truth = Fact::Committed { index: step as u64 };
                    disk.attach(truth.clone());
                    truths.push((number, truth));
                }
                Act::BeginSync => syncs.push((disk.begin_sync(), Some(number))),
                Act::EndSync(_) if syncs.is_empty() => {}
                Act::EndSync(place) => {
                    let (ticket, covers) = syncs.remove(place % syncs.len());
                    let mut stated = Vec::new();
                    disk.end_sync(ticket, |truth| stated.push(truth));
                    let mut should = Vec::new();
                    if let Some(covers) = covers {
                        durable = covers.max(durable);
                        twins.iter_mut().for_each(|twin| twin.settle(durable));
                        should = truths.iter().filter(|truth| truth.0 <= durable).cloned().collect();
                        truths.retain(|truth| truth.0 > durable);
                    }
                    prop_assert_eq!(stated, should.into_iter().map(|truth| truth.1).collect::<Vec<_>>());
                }
                Act::LosePower | Act::Wipe => {
                    if let Act::Wipe = act {
                        disk.wipe();
                        twins = Default::default();
                    } else {
                        disk.lose_power(&mut chance);
                    }
                    for (twin, file) in twins.iter_mut().zip(FILES) {
                        prop_assert!(twin.explains(disk.read(file)), "{:?} left {:?}", twin, disk.read(file));
                        if twin.writes.iter().any(|(_, op, _)| matches!(op, Op::Cut(_))) {
                            twin.guards.clear();
                        }
                        twin.writes.clear();
                        twin.durable = disk.read(file).to_vec();
                    }
                    durable = number;
                    syncs.iter_mut().for_each(|sync| sync.1 = None);
                    truths.clear();
                }
                Act::Rot => {
                    let struck = disk.rot(&mut chance);
                    let mut flipped = 0;
                    for (twin, file) in twins.iter_mut().zip(FILES) {
                        for (place, byte) in twin.cache().into_iter().enumerate() {
                            let bits = byte ^ disk.read(file)[place];
                            if bits != 0 {
                                prop_assert!(place < twin.guarded());
                                twin.durable[place] ^= bits;
                            }
                            flipped += bits.count_ones();
                        }
                    }
                    prop_assert_eq!(flipped, u32::from(struck));
                    prop_assert_eq!(struck, twins.iter().any(|twin| twin.guarded() > 0));
                }
            }
            for (twin, file) in twins.iter().zip(FILES) {
                prop_assert_eq!(&twin.cache(), disk.read(file));
            }
            prop_assert_eq!(disk.has_unsynced(), twins.iter().any(|twin| !twin.writes.is_empty()));
        }
    }
}

#[test]
fn every_kind_of_loss_happens() {
    let mut seen = BTreeSet::new();
    for seed in 0..2000 {
        let mut disk = Disk::new();
        disk.append("log", |file| file.extend_from_slice(&[b'a'; 600]));
        let synced = disk.begin_sync();
        disk.end_sync(synced, |_| {});
        disk.truncate("log", 100);
        disk.append("log", |file| file.extend_from_slice(&[b'b'; 50]));
        disk.append("log", |file| file.extend_from_slice(&[b'c'; 1000]));
        disk.lose_power(&mut stream(seed, "loss", [0; 2]));
        assert!(!disk.has_unsynced(), "what the platter has is durable");
        let left = disk.read("log");
        let count = |byte| left.iter().filter(|there| **there == byte).count();
        let odd = left.iter().filter(|byte| !b"abc\0".contains(byte)).count();
        seen.insert(match (count(b'a'), count(b'b'), count(b'c')) {
            (600, 0, 0) => "all is lost, and the cut is undone",
            (100, 50, 1000) => "nothing is lost",
            (100, 50, 0) if left.len() == 150 => "the newest write is lost",
            (100, 0, 1000) if left.len() == 1150 => "a hole is left",
            (_, 50, 0) if left.len() == 600 && odd == 0 => "old bytes are back behind new ones",
            (.., 1..1000) if odd > 300 => "a sector holds garbage",
            (.., 362 | 874) if odd == 0 => "the newest write is torn at a sector",
            (.., 1..1000) if odd == 0 => "the newest write is torn at a byte",
            _ => "something else",
        });
    }
    assert_eq!(seen.len(), 9, "{seen:#?}");
}

#[test]
fn a_sync_that_ends_late_states_nothing_twice() {
    let mut disk = Disk::new();
    let mut stated = Vec::new();
    disk.append("log", |file| file.push(1));
    disk.attach(Fact::Crashed);
    let first = disk.begin_sync();
    disk.append("log", |file| file.push(2));
    disk.attach(Fact::PowerLost);
    let second = disk.begin_sync();
    disk.end_sync(second, |fact| stated.push(fact));
    disk.end_sync(first, |fact| stated.push(fact));
    assert_eq!(stated, [Fact::Crashed, Fact::PowerLost]);
}

#[test]
fn a_sync_in_flight_when_the_power_failed_is_void() {
    let mut disk = Disk::new();
    disk.append("log", |file| file.push(1));
    let void = disk.begin_sync();
    disk.lose_power(&mut stream(0, "void", [0; 2]));
    disk.append("log", |file| file.push(2));
    disk.attach(Fact::SavedRecovered);
    disk.end_sync(void, |_| panic!("nobody is told"));
    assert!(disk.has_unsynced());
}

#[test]
fn what_can_be_told_from_a_torn_tail_may_rot_and_nothing_else() {
    let mut disk = Disk::new();
    let mut chance = stream(0, "rot", [0; 2]);
    assert!(!disk.rot(&mut chance), "there is nothing");
    for round in 0..3 {
        disk.append("log", |file| file.extend_from_slice(&[0; 10]));
        let sync = disk.begin_sync();
        assert_eq!(disk.rot(&mut chance), round > 1);
        disk.end_sync(sync, |_| {});
        assert_eq!(disk.rot(&mut chance), round > 0, "the newest record speaks of those before it");
    }
    assert_eq!(disk.read("log")[20..], [0; 10]);
}
