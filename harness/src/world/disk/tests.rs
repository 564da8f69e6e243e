//! The disk against a stupid twin, which keeps a copy of every durable file and the list of the writes since.

use super::*;
use crate::rng::stream;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const FILES: [FileName; 3] = ["log", "state", "new"];

/// Which file has which name.
type Names = BTreeMap<FileName, usize>;

/// The twin's disk: every file that there ever was, and lists of names.
#[derive(Clone, Default, Debug)]
struct Twins {
    files: Vec<Twin>,
    /// What a loss of power cannot change.
    durable: Names,
    /// What names were after each change, with its number and whether it can be lost by itself.
    changes: Vec<(u64, bool, Names)>,
    witnesses: Vec<Witness>,
}

/// An append that went on with a file: its number, the file, and the files that were wholly durable when it was begun, each
/// with its newest write.
type Witness = (u64, usize, Vec<(usize, u64)>);

impl Twins {
    /// As the page cache shows them.
    fn names(&self) -> &Names {
        self.changes.last().map_or(&self.durable, |change| &change.2)
    }

    fn named(&self, name: FileName) -> Option<&Twin> {
        self.names().get(name).map(|file| &self.files[*file])
    }

    /// The file of this name, begun if there is none.
    fn file(&mut self, name: FileName, number: u64) -> &mut Twin {
        if !self.names().contains_key(name) {
            let mut names = self.names().clone();
            names.insert(name, self.files.len());
            self.files.push(Twin::default());
            if self.changes.is_empty() {
                self.durable = names;
            } else {
                self.changes.push((number, false, names));
            }
        }
        let file = self.names()[name];
        &mut self.files[file]
    }

    fn rename(&mut self, number: u64, from: FileName, to: Option<FileName>) {
        let mut names = self.names().clone();
        let file = names.remove(from).unwrap();
        if let Some(to) = to {
            names.insert(to, file);
        }
        self.changes.push((number, true, names));
    }

    /// One write of a file.
    fn write(&mut self, name: FileName, number: u64, op: Op) {
        self.file(name, number);
        let place = self.names()[name];
        let whole = (0..self.files.len()).filter(|file| self.files[*file].writes.is_empty());
        let whole = whole.map(|file| (file, self.files[file].newest)).collect();
        let appends = matches!(op, Op::Append(..));
        let untouched = self.files[place].push(number, op);
        if appends && untouched > 0 {
            self.witnesses.push((number, place, whole));
        }
    }

    fn settle(&mut self, durable: u64) {
        self.files.iter_mut().for_each(|file| file.settle(durable));
        let named: BTreeSet<usize> = self.names().values().copied().collect();
        for (number, by, whole) in std::mem::take(&mut self.witnesses) {
            if number > durable {
                self.witnesses.push((number, by, whole));
                continue;
            }
            for (file, newest) in
                whole.into_iter().filter(|(file, _)| named.contains(&by) && named.contains(file))
            {
                let file = &mut self.files[file];
                if file.writes.is_empty() && file.newest == newest {
                    file.guards.push(file.durable.len());
                }
            }
        }
        while self.changes.first().is_some_and(|change| change.0 <= durable) {
            self.durable = self.changes.remove(0).2;
        }
    }

    fn cache(&self, name: FileName) -> Vec<u8> {
        self.named(name).map(Twin::cache).unwrap_or_default()
    }

    fn has_unsynced(&self) -> bool {
        !self.changes.is_empty()
            || FILES.iter().filter_map(|name| self.named(name)).any(|file| !file.writes.is_empty())
    }

    /// What names may be after a loss of power. A file that was begun is not lost by itself.
    fn names_left(&self) -> Vec<Names> {
        let states = [&self.durable].into_iter().chain(self.changes.iter().map(|change| &change.2));
        let goes_on = self.changes.iter().map(|change| !change.1).chain([false]);
        states.zip(goes_on).filter(|(_, goes_on)| !goes_on).map(|(names, _)| names.clone()).collect()
    }

    /// Takes over what a loss of power has left, if there is an explanation.
    fn lose_power(&mut self, disk: &Disk) -> bool {
        let left = |names: &Names| {
            FILES.iter().all(|name| {
                disk.contains(name) == names.contains_key(name)
                    && names.get(name).is_none_or(|file| self.files[*file].explains(disk.read(name)))
            })
        };
        let Some(names) = self.names_left().into_iter().find(left) else { return false };
        for (name, file) in &names {
            let twin = &mut self.files[*file];
            if twin.writes.iter().any(|(_, op, _)| matches!(op, Op::Cut(_))) {
                twin.guards.clear();
            }
            twin.writes.clear();
            twin.durable = disk.read(name).to_vec();
        }
        self.changes.clear();
        self.durable = names;
        true
    }
}

/// One file of the twin.
#[derive(Clone, Default, Debug)]
struct Twin {
    durable: Vec<u8>,
    /// With their numbers, and for each how much of the file was durable when it was begun.
    writes: Vec<(u64, Op, usize)>,
    /// What the durable appends since the last cut guard.
    guards: Vec<usize>,
    /// The number of its newest write.
    newest: u64,
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

    /// Returns how much of the file is durable and untouched by other writes.
    fn push(&mut self, number: u64, op: Op) -> usize {
        self.newest = number;
        let places = self.writes.iter().map(|(_, op, _)| op.place());
        let untouched = places.chain([self.durable.len()]).min().unwrap();
        self.writes.push((number, op, untouched));
        untouched
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
    Rename(usize, usize),
    Remove(usize),
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
        2 => (file.clone(), any::<prop::sample::Index>()).prop_map(|(file, to)| Act::Cut(file, to)),
        2 => (file.clone(), 1..FILES.len()).prop_map(|(from, by)| Act::Rename(from, (from + by) % FILES.len())),
        1 => file.prop_map(Act::Remove),
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
        let mut twins = Twins::default();
        let (mut number, mut durable) = (0, 0);
        let mut syncs: Vec<(SyncTicket, Option<u64>)> = Vec::new();
        let mut truths: Vec<(u64, Fact)> = Vec::new();
        for (step, act) in acts.into_iter().enumerate() {
            match act {
                // Subsets are tried one by one: not too many.
                Act::Append(file, _) | Act::Cut(file, _)
                    if twins.named(FILES[file]).is_some_and(|twin| twin.writes.len() == 7) => {}
                Act::Append(file, bytes) => {
                    number += 1;
                    let at = disk.append(FILES[file], |to| to.extend_from_slice(&bytes)) as usize;
                    prop_assert_eq!(at, twins.cache(FILES[file]).len());
                    twins.write(FILES[file], number, Op::Append(at, bytes));
                }
                Act::Cut(file, to) => {
                    number += 1;
                    let to = to.index(twins.cache(FILES[file]).len() + 1);
                    disk.truncate(FILES[file], to as u64);
                    twins.write(FILES[file], number, Op::Cut(to));
                }
                Act::Rename(file, _) | Act::Remove(file) if twins.named(FILES[file]).is_none() => {}
                Act::Rename(from, to) => {
                    number += 1;
                    disk.rename(FILES[from], FILES[to]);
                    twins.rename(number, FILES[from], Some(FILES[to]));
                }
                Act::Remove(file) => {
                    number += 1;
                    disk.remove(FILES[file]);
                    twins.rename(number, FILES[file], None);
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
                        twins.settle(durable);
                        should = truths.iter().filter(|truth| truth.0 <= durable).cloned().collect();
                        truths.retain(|truth| truth.0 > durable);
                    }
                    prop_assert_eq!(stated, should.into_iter().map(|truth| truth.1).collect::<Vec<_>>());
                }
                Act::LosePower => {
                    disk.lose_power(&mut chance);
                    prop_assert!(twins.lose_power(&disk), "{:?} left {:?}", twins, disk);
                    twins.witnesses.clear();
                    durable = number;
                    syncs.iter_mut().for_each(|sync| sync.1 = None);
                    truths.clear();
                }
                Act::Wipe => {
                    disk.wipe();
                    twins = Twins::default();
                    durable = number;
                    syncs.iter_mut().for_each(|sync| sync.1 = None);
                    truths.clear();
                }
                Act::Rot => {
                    let struck = disk.flip_synced_bit(&mut chance);
                    let mut flipped = 0;
                    let mut can = false;
                    for name in FILES {
                        let Some(file) = twins.names().get(name).copied() else { continue };
                        can |= twins.files[file].guarded() > 0;
                        for (place, byte) in twins.cache(name).into_iter().enumerate() {
                            let bits = byte ^ disk.read(name)[place];
                            if bits != 0 {
                                prop_assert!(place < twins.files[file].guarded());
                                twins.files[file].durable[place] ^= bits;
                            }
                            flipped += bits.count_ones();
                        }
                    }
                    prop_assert_eq!(flipped, u32::from(struck));
                    prop_assert_eq!(struck, can);
                }
            }
            for name in FILES {
                prop_assert_eq!(twins.named(name).is_some(), disk.contains(name));
                prop_assert_eq!(&twins.cache(name), disk.read(name));
            }
            prop_assert_eq!(disk.has_unsynced(), twins.has_unsynced());
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
    assert!(!disk.flip_synced_bit(&mut chance), "there is nothing");
    for round in 0..3 {
        disk.append("log", |file| file.extend_from_slice(&[0; 10]));
        let sync = disk.begin_sync();
        assert_eq!(disk.flip_synced_bit(&mut chance), round > 1);
        disk.end_sync(sync, |_| {});
        assert_eq!(
            disk.flip_synced_bit(&mut chance),
            round > 0,
            "the newest record speaks of those before it"
        );
    }
    assert_eq!(disk.read("log")[20..], [0; 10]);
}

/// A careless host renames before it syncs: the name can survive what it stands for.
#[test]
fn a_rename_and_the_bytes_of_its_file_are_lost_one_without_the_other() {
    let mut seen = BTreeSet::new();
    for seed in 0..500 {
        let mut disk = Disk::new();
        disk.append("log", |file| file.extend_from_slice(b"old"));
        let synced = disk.begin_sync();
        disk.end_sync(synced, |_| {});
        disk.append("new", |file| file.extend_from_slice(b"new"));
        disk.rename("new", "log");
        assert_eq!((disk.read("log"), disk.contains("new")), (&b"new"[..], false));
        disk.lose_power(&mut stream(seed, "loss", [0; 2]));
        seen.insert(match (disk.read("log"), disk.contains("new")) {
            (b"new", false) => "nothing is lost",
            (b"old", true) if disk.read("new") == b"new" => "the rename is lost",
            (b"old", true) => "both are lost",
            (_, false) => "the bytes are lost",
            _ => "something else",
        });
    }
    assert_eq!(seen.len(), 4, "{seen:#?}");
    assert!(!seen.contains("something else"));
}

#[test]
fn a_rename_that_was_synced_stays_and_what_it_replaced_is_gone() {
    for seed in 0..50 {
        let mut disk = Disk::new();
        disk.append("log", |file| file.extend_from_slice(b"old"));
        disk.append("new", |file| file.extend_from_slice(b"new"));
        disk.rename("new", "log");
        let sync = disk.begin_sync();
        disk.end_sync(sync, |_| {});
        assert!(!disk.has_unsynced());
        disk.append("new", |file| file.extend_from_slice(b"newer"));
        disk.rename("new", "log");
        disk.remove("log");
        disk.lose_power(&mut stream(seed, "loss", [0; 2]));
        assert_ne!(disk.read("log"), b"old");
    }
}

/// Bytes of which files can rot, in many tries.
fn struck(disk: &Disk) -> BTreeSet<FileName> {
    let mut struck = BTreeSet::new();
    for seed in 0..100 {
        let mut rotten = disk.clone();
        if rotten.flip_synced_bit(&mut stream(seed, "rot", [0; 2])) {
            struck.extend(FILES.into_iter().filter(|file| rotten.read(file) != disk.read(file)));
        }
    }
    struck
}

#[test]
fn rot_strikes_each_file_whose_loss_can_be_noticed_however_short_it_is() {
    let mut disk = Disk::new();
    let synced = |disk: &mut Disk| {
        let sync = disk.begin_sync();
        disk.end_sync(sync, |_| {});
    };
    disk.append("state", |bytes| bytes.push(1));
    disk.append("log", |bytes| bytes.extend([2; 1_000]));
    assert_eq!(struck(&disk), BTreeSet::new());
    synced(&mut disk);
    assert_eq!(struck(&disk), BTreeSet::new(), "nothing was written since");
    // A file beside them says nothing about them: it may never be read.
    disk.append("new", |bytes| bytes.extend([3; 10]));
    synced(&mut disk);
    assert_eq!(struck(&disk), BTreeSet::new());
    disk.append("log", |bytes| bytes.extend([4; 1_000]));
    assert_eq!(struck(&disk), BTreeSet::new(), "what may be gone itself is no witness");
    synced(&mut disk);
    assert_eq!(struck(&disk), BTreeSet::from(["log", "new", "state"]));
    // The newest batch of the log itself has no witness.
    for seed in 0..200 {
        let mut rotten = disk.clone();
        rotten.flip_synced_bit(&mut stream(seed, "rot", [0; 2]));
        assert_eq!(rotten.read("log")[1_000..], disk.read("log")[1_000..]);
    }
    // What is written anew has none either.
    disk.truncate("state", 0);
    disk.append("state", |bytes| bytes.push(5));
    synced(&mut disk);
    assert_eq!(struck(&disk), BTreeSet::from(["log", "new"]));
}
