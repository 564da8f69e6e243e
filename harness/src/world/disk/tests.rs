//! The disk against a simple model that keeps a copy of each durable file and the list of writes since.

use super::*;
use crate::support::rng::stream;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const FILES: [FileName; 3] = ["log", "state", "new"];

/// Files by name.
type Names = BTreeMap<FileName, usize>;

/// The model of a disk: every file that ever existed, and lists of names.
#[derive(Clone, Default, Debug)]
struct DiskModel {
    files: Vec<FileModel>,
    /// Names that a loss of power cannot change.
    durable: Names,
    /// The names after each change.
    changes: Vec<NameChangeModel>,
    witnesses: Vec<Witness>,
}

/// A change of names: its number, that of the sync of the directory that covers it, and the names after it.
#[derive(Clone, Debug)]
struct NameChangeModel {
    number: u64,
    directory_synced: Option<u64>,
    creates: bool,
    names: Names,
}

/// An append to a non-empty file: its number, the file, and the files that were wholly durable when it began,
/// each with its newest write.
type Witness = (u64, usize, Vec<(usize, u64)>);

impl DiskModel {
    /// Names as the page cache shows them.
    fn names(&self) -> &Names {
        self.changes.last().map_or(&self.durable, |change| &change.names)
    }

    fn named(&self, name: FileName) -> Option<&FileModel> {
        self.names().get(name).map(|file| &self.files[*file])
    }

    /// The file of this name; created if there is none.
    fn file(&mut self, name: FileName, number: u64) -> &mut FileModel {
        if !self.names().contains_key(name) {
            let mut names = self.names().clone();
            names.insert(name, self.files.len());
            self.files.push(FileModel::default());
            self.changes.push(NameChangeModel { number, directory_synced: None, creates: true, names });
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
        self.changes.push(NameChangeModel { number, directory_synced: None, creates: false, names });
    }

    fn sync_directory(&mut self, number: u64) {
        for change in &mut self.changes {
            change.directory_synced = change.directory_synced.or(Some(number));
        }
    }

    /// Whether a fact that was attached after this write holds: all names before it are durable.
    fn has_names_of(&self, number: u64) -> bool {
        self.changes.iter().all(|change| change.number > number)
    }

    /// One write to a file.
    fn write(&mut self, name: FileName, number: u64, op: Op) {
        self.file(name, number);
        let file = self.names()[name];
        let whole = (0..self.files.len()).filter(|file| self.files[*file].writes.is_empty());
        let whole = whole.map(|file| (file, self.files[file].newest)).collect();
        let appends = matches!(op, Op::Append(..));
        let untouched = self.files[file].push(number, op);
        if appends && untouched > 0 {
            self.witnesses.push((number, file, whole));
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
        while self.changes.first().and_then(|change| change.directory_synced).is_some_and(|by| by <= durable)
        {
            self.durable = self.changes.remove(0).names;
        }
    }

    fn cache(&self, name: FileName) -> Vec<u8> {
        self.named(name).map(FileModel::cache).unwrap_or_default()
    }

    fn has_unsynced(&self) -> bool {
        !self.changes.is_empty()
            || FILES.iter().filter_map(|name| self.named(name)).any(|file| !file.writes.is_empty())
    }

    /// The names that a loss of power may leave. A creation is not lost by itself once the directory was asked to sync.
    fn names_left(&self) -> Vec<Names> {
        let states = [&self.durable].into_iter().chain(self.changes.iter().map(|change| &change.names));
        let stays = |change: &NameChangeModel| change.creates && change.directory_synced.is_some();
        let goes_on = self.changes.iter().map(stays).chain([false]);
        states.zip(goes_on).filter(|(_, goes_on)| !goes_on).map(|(names, _)| names.clone()).collect()
    }

    /// Adopts what a loss of power has left. Returns whether it can be explained.
    fn lose_power(&mut self, disk: &Disk) -> bool {
        let left = |names: &Names| {
            FILES.iter().all(|name| {
                disk.contains(name) == names.contains_key(name)
                    && names.get(name).is_none_or(|file| self.files[*file].explains(disk.read(name)))
            })
        };
        let Some(names) = self.names_left().into_iter().find(left) else { return false };
        for (name, file) in &names {
            let file_model = &mut self.files[*file];
            if file_model.writes.iter().any(|(_, op, _)| matches!(op, Op::Cut(_))) {
                file_model.guards.clear();
            }
            file_model.writes.clear();
            file_model.durable = disk.read(name).to_vec();
        }
        self.changes.clear();
        self.durable = names;
        true
    }
}

/// The model of a file.
#[derive(Clone, Default, Debug)]
struct FileModel {
    durable: Vec<u8>,
    /// With their numbers, and how much of the file was durable when each began.
    writes: Vec<(u64, Op, usize)>,
    /// What durable appends since the last truncation guard.
    guards: Vec<usize>,
    /// The number of the newest write.
    newest: u64,
}

#[derive(Clone, Debug)]
enum Op {
    Append(usize, Vec<u8>),
    Cut(usize),
}

impl Op {
    /// Applies the write to the contents on disk, even if earlier writes were lost.
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Op::Cut(to) => file.resize(*to, 0),
            Op::Append(at, bytes) => {
                file.resize(file.len().max(at + bytes.len()), 0);
                file[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }

    fn offset(&self) -> usize {
        match self {
            Op::Append(at, _) => *at,
            Op::Cut(to) => *to,
        }
    }
}

impl FileModel {
    fn cache(&self) -> Vec<u8> {
        let mut file = self.durable.clone();
        self.writes.iter().for_each(|(_, op, _)| op.apply(&mut file));
        file
    }

    /// Returns how much of the file is durable and untouched by other writes.
    fn push(&mut self, number: u64, op: Op) -> usize {
        self.newest = number;
        let offsets = self.writes.iter().map(|(_, op, _)| op.offset());
        let untouched = offsets.chain([self.durable.len()]).min().unwrap();
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

    /// Whether some subset of the writes, the last of it torn in some way, leaves these contents.
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
                Op::Append(at, bytes) => {
                    (0..=bytes.len()).any(|survived| torn(&file, *at, bytes, survived, left))
                }
            }
        })
    }
}

/// Whether `left` is `file` with the first `survived` of these bytes at `at`, followed by nothing or by garbage
/// up to the end of a sector.
fn torn(file: &[u8], at: usize, bytes: &[u8], survived: usize, left: &[u8]) -> bool {
    let mut clean = file.to_vec();
    Op::Append(at, bytes[..survived].to_vec()).apply(&mut clean);
    let end = (at + bytes.len()).min((at + survived) / 512 * 512 + 512);
    let mut garbage = file.to_vec();
    Op::Append(at, [&bytes[..survived], &vec![0; end - at - survived]].concat()).apply(&mut garbage);
    let sector = (at + survived).is_multiple_of(512) || survived == 0;
    clean == left
        || sector
            && garbage.len() == left.len()
            && garbage[..at + survived] == left[..at + survived]
            && garbage[end..] == left[end..]
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize, Vec<u8>),
    Cut(usize, prop::sample::Index),
    Rename(usize, usize),
    Remove(usize),
    SyncDirectory,
    Attach,
    BeginSync,
    EndSync(usize),
    LosePower,
    FlipBit,
    Wipe,
}

fn step() -> impl Strategy<Value = Step> {
    let file = 0..FILES.len();
    let bytes = prop_oneof![
        prop::collection::vec(1..=255_u8, 0..20),
        (1..=255_u8, 400..1100_usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    prop_oneof![
        8 => (file.clone(), bytes).prop_map(|(file, bytes)| Step::Append(file, bytes)),
        2 => (file.clone(), any::<prop::sample::Index>()).prop_map(|(file, to)| Step::Cut(file, to)),
        2 => (file.clone(), 1..FILES.len()).prop_map(|(from, by)| Step::Rename(from, (from + by) % FILES.len())),
        1 => file.prop_map(Step::Remove),
        3 => Just(Step::SyncDirectory),
        3 => Just(Step::Attach),
        4 => Just(Step::BeginSync),
        4 => (0..4_usize).prop_map(Step::EndSync),
        2 => Just(Step::LosePower),
        1 => Just(Step::FlipBit),
        1 => Just(Step::Wipe),
    ]
}

proptest! {
    #[test]
    fn disk_agrees_with_the_model(seed in any::<u64>(), steps in prop::collection::vec(step(), 0..60)) {
        let (mut disk, mut rng) = (Disk::new(), stream(seed, "disk", [0; 2]));
        let mut model = DiskModel::default();
        let (mut number, mut durable) = (0, 0);
        let mut syncs: Vec<(SyncTicket, Option<u64>)> = Vec::new();
        let mut facts: Vec<(u64, DiskFact)> = Vec::new();
        for (step_number, step) in steps.into_iter().enumerate() {
            match step {
                // The model tries all subsets: limit their number.
                Step::Append(file, _) | Step::Cut(file, _)
                    if model.named(FILES[file]).is_some_and(|file_model| file_model.writes.len() == 7) => {}
                Step::Append(file, bytes) => {
                    number += 1;
                    let at = disk.append(FILES[file], |to| to.extend_from_slice(&bytes)) as usize;
                    prop_assert_eq!(at, model.cache(FILES[file]).len());
                    model.write(FILES[file], number, Op::Append(at, bytes));
                }
                Step::Cut(file, to) => {
                    number += 1;
                    let to = to.index(model.cache(FILES[file]).len() + 1);
                    disk.truncate(FILES[file], to as u64);
                    model.write(FILES[file], number, Op::Cut(to));
                }
                Step::Rename(file, _) | Step::Remove(file) if model.named(FILES[file]).is_none() => {}
                Step::Rename(from, to) => {
                    number += 1;
                    disk.rename(FILES[from], FILES[to]);
                    model.rename(number, FILES[from], Some(FILES[to]));
                }
                Step::Remove(file) => {
                    number += 1;
                    disk.remove(FILES[file]);
                    model.rename(number, FILES[file], None);
                }
                Step::SyncDirectory => {
                    number += 1;
                    disk.sync_directory();
                    model.sync_directory(number);
                }
                Step::Attach => {
                    let fact = DiskFact::SavedEntry { index: step_number as u64, term: 1, entry: invariants::Digest::EMPTY };
                    disk.attach(fact.clone());
                    facts.push((number, fact));
                }
                Step::BeginSync => syncs.push((disk.begin_sync(), Some(number))),
                Step::EndSync(_) if syncs.is_empty() => {}
                Step::EndSync(index) => {
                    let (ticket, covers) = syncs.remove(index % syncs.len());
                    let mut stated = Vec::new();
                    disk.end_sync(ticket, |fact| stated.push(fact));
                    let mut should = Vec::new();
                    if let Some(covers) = covers {
                        durable = covers.max(durable);
                        model.settle(durable);
                        let holds = |fact: &(u64, DiskFact)| fact.0 <= durable && model.has_names_of(fact.0);
                        should = facts.iter().filter(|fact| holds(fact)).cloned().collect();
                        facts.retain(|fact| !holds(fact));
                    }
                    prop_assert_eq!(stated, should.into_iter().map(|fact| fact.1).collect::<Vec<_>>());
                }
                Step::LosePower => {
                    disk.lose_power(&mut rng);
                    prop_assert!(model.lose_power(&disk), "{:?} left {:?}", model, disk);
                    model.witnesses.clear();
                    durable = number;
                    syncs.iter_mut().for_each(|sync| sync.1 = None);
                    facts.clear();
                }
                Step::Wipe => {
                    disk.wipe();
                    model = DiskModel::default();
                    durable = number;
                    syncs.iter_mut().for_each(|sync| sync.1 = None);
                    facts.clear();
                }
                Step::FlipBit => {
                    let was_flipped = disk.damage_synced_bytes(Damage::Bit, false, &mut rng);
                    let mut flipped = 0;
                    let mut can_flip = false;
                    for name in FILES {
                        let Some(file) = model.names().get(name).copied() else { continue };
                        can_flip |= model.files[file].guarded() > 0;
                        for (offset, byte) in model.cache(name).into_iter().enumerate() {
                            let bits = byte ^ disk.read(name)[offset];
                            if bits != 0 {
                                prop_assert!(offset < model.files[file].guarded());
                                model.files[file].durable[offset] ^= bits;
                            }
                            flipped += bits.count_ones();
                        }
                    }
                    prop_assert_eq!(flipped, u32::from(was_flipped));
                    prop_assert_eq!(was_flipped, can_flip);
                }
            }
            for name in FILES {
                prop_assert_eq!(model.named(name).is_some(), disk.contains(name));
                prop_assert_eq!(&model.cache(name), disk.read(name));
            }
            prop_assert_eq!(disk.has_unsynced(), model.has_unsynced());
        }
    }
}

#[test]
fn loss_of_power_has_all_modelled_outcomes() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..2000 {
        let mut disk = Disk::new();
        disk.append("log", |file| file.extend_from_slice(&[b'a'; 600]));
        disk.sync_directory();
        let synced = disk.begin_sync();
        disk.end_sync(synced, |_| {});
        disk.truncate("log", 100);
        disk.append("log", |file| file.extend_from_slice(&[b'b'; 50]));
        disk.append("log", |file| file.extend_from_slice(&[b'c'; 1000]));
        disk.lose_power(&mut stream(seed, "loss", [0; 2]));
        assert!(!disk.has_unsynced(), "what is left after a loss of power is durable");
        let left = disk.read("log");
        let count = |byte| left.iter().filter(|there| **there == byte).count();
        let odd = left.iter().filter(|byte| !b"abc\0".contains(byte)).count();
        outcomes.insert(match (count(b'a'), count(b'b'), count(b'c')) {
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
    assert_eq!(outcomes.len(), 9, "{outcomes:#?}");
}

/// Creates a file, syncs its bytes and, if asked, its directory. Returns the facts that the disk states.
fn created_and_synced(disk: &mut Disk, syncs_directory: bool) -> Vec<DiskFact> {
    let mut stated = Vec::new();
    disk.append("log", |file| file.extend([1; 4]));
    if syncs_directory {
        disk.sync_directory();
    }
    disk.attach(saved(1));
    let sync = disk.begin_sync();
    disk.end_sync(sync, |fact| stated.push(fact));
    stated
}

/// The bad world: the bytes are synced and lost with the name. The near miss: the directory was synced, too.
#[test]
fn a_file_whose_directory_was_not_synced_is_lost_with_its_synced_bytes() {
    for syncs_directory in [false, true] {
        let mut lost = 0;
        for seed in 0..100 {
            let mut disk = Disk::new();
            let stated = created_and_synced(&mut disk, syncs_directory);
            assert_eq!(
                stated.is_empty(),
                !syncs_directory,
                "no bytes are durable in a file without a durable name"
            );
            assert_eq!(disk.has_unsynced(), !syncs_directory);
            disk.lose_power(&mut stream(seed, "directory", [0; 2]));
            assert_eq!(disk.read("log").len(), if disk.contains("log") { 4 } else { 0 });
            lost += u32::from(!disk.contains("log"));
        }
        match syncs_directory {
            true => assert_eq!(lost, 0),
            false => assert!((30..80).contains(&lost), "{lost} of 100"),
        }
    }
}

/// A sync that began before the directory was asked to sync says nothing about names, and a later one does.
#[test]
fn a_directory_is_synced_by_a_sync_that_begins_after_the_call() {
    let mut disk = Disk::new();
    let mut stated = Vec::new();
    disk.append("log", |file| file.push(1));
    disk.attach(saved(1));
    let before = disk.begin_sync();
    disk.sync_directory();
    let after = disk.begin_sync();
    disk.end_sync(before, |fact| stated.push(fact));
    assert_eq!(stated, []);
    disk.end_sync(after, |fact| stated.push(fact));
    assert_eq!(stated, [saved(1)]);
    // Later bytes need no more than their own sync.
    disk.append("log", |file| file.push(2));
    disk.attach(saved(2));
    let last = disk.begin_sync();
    disk.end_sync(last, |fact| stated.push(fact));
    assert_eq!(stated, [saved(1), saved(2)]);
}

/// The fact that a record with this term is durable.
fn saved(term: u64) -> DiskFact {
    DiskFact::Saved { term, vote: None, after: None }
}

#[test]
fn what_a_failed_sync_dropped_is_shown_and_never_durable_unless_written_again() {
    for writes_again in [false, true] {
        for seed in 0..50 {
            let mut disk = Disk::new();
            let mut stated = Vec::new();
            disk.append("log", |file| file.extend([1; 4]));
            disk.sync_directory();
            disk.attach(saved(1));
            let failed = disk.begin_sync();
            disk.drop_writes(failed);
            disk.append("log", |file| file.extend([2; 4]));
            disk.attach(saved(2));
            assert_eq!(disk.read("log"), [1, 1, 1, 1, 2, 2, 2, 2], "the page cache goes on showing it");
            if writes_again {
                disk.write_again("log", 0);
            }
            let next = disk.begin_sync();
            disk.end_sync(next, |fact| stated.push(fact));
            disk.lose_power(&mut stream(seed, "dropped", [0; 2]));
            // What was written after it is durable, and leaves a hole.
            let left: &[u8] =
                if writes_again { &[1, 1, 1, 1, 2, 2, 2, 2] } else { &[0, 0, 0, 0, 2, 2, 2, 2] };
            assert_eq!(disk.read("log"), left, "seed {seed}");
            let facts: &[DiskFact] = if writes_again { &[saved(1), saved(2)] } else { &[] };
            assert_eq!(stated, facts, "a fact after a dropped write does not hold");
        }
    }
}

/// The sync of a server that has crashed fails after the next incarnation has written all again.
#[test]
fn a_failed_sync_does_not_drop_what_was_written_again_since_it_began() {
    for begins_before in [true, false] {
        let mut disk = Disk::new();
        let mut stated = Vec::new();
        disk.append("log", |file| file.extend([1; 4]));
        disk.sync_directory();
        disk.attach(saved(1));
        let before = disk.begin_sync();
        disk.write_again("log", 0);
        let after = disk.begin_sync();
        disk.drop_writes(if begins_before { before } else { after });
        let last = disk.begin_sync();
        disk.end_sync(last, |fact| stated.push(fact));
        disk.lose_power(&mut stream(1, "rewritten", [0; 2]));
        let left: &[u8] = if begins_before { &[1; 4] } else { &[] };
        let facts: &[DiskFact] = if begins_before { &[saved(1)] } else { &[] };
        assert_eq!((disk.read("log"), &stated[..]), (left, facts), "{begins_before}");
    }
}

#[test]
fn nothing_after_the_cut_of_a_step_is_on_the_disk() {
    for effects in 0..4 {
        let mut disk = Disk::new();
        disk.append("log", |file| file.push(0));
        disk.set_fuse(effects);
        disk.append("log", |file| file.push(1));
        disk.rename("log", "new");
        disk.append("other", |file| file.push(3));
        assert_eq!(disk.is_cut(), effects < 3);
        assert_eq!(disk.read("new"), [0, 1], "the server's code goes on to the end of its step");
        disk.end_fuse();
        let expected: (&[u8], &[u8], &[u8]) = match effects {
            0 => (&[0], &[], &[]),
            1 => (&[0, 1], &[], &[]),
            2 => (&[], &[0, 1], &[]),
            _ => (&[], &[0, 1], &[3]),
        };
        assert_eq!((disk.read("log"), disk.read("new"), disk.read("other")), expected, "{effects} effects");
    }
}

#[test]
fn late_sync_states_no_fact_twice() {
    let mut disk = Disk::new();
    let mut stated = Vec::new();
    disk.append("log", |file| file.push(1));
    disk.sync_directory();
    disk.attach(saved(1));
    let first = disk.begin_sync();
    disk.append("log", |file| file.push(2));
    disk.attach(saved(2));
    let second = disk.begin_sync();
    disk.end_sync(second, |fact| stated.push(fact));
    disk.end_sync(first, |fact| stated.push(fact));
    assert_eq!(stated, [saved(1), saved(2)]);
}

#[test]
fn loss_of_power_cancels_syncs_in_flight() {
    let mut disk = Disk::new();
    disk.append("log", |file| file.push(1));
    let void = disk.begin_sync();
    disk.lose_power(&mut stream(0, "void", [0; 2]));
    disk.append("log", |file| file.push(2));
    disk.attach(DiskFact::SavedRecovered);
    disk.end_sync(void, |_| panic!("a cancelled sync must not state facts"));
    assert!(disk.has_unsynced());
}

#[test]
fn bits_flip_only_where_a_later_write_is_durable() {
    let mut disk = Disk::new();
    let mut rng = stream(0, "rot", [0; 2]);
    assert!(!disk.damage_synced_bytes(Damage::Bit, false, &mut rng), "an empty disk has no bit to flip");
    for round in 0..3 {
        disk.append("log", |file| file.extend_from_slice(&[0; 10]));
        let sync = disk.begin_sync();
        assert_eq!(disk.damage_synced_bytes(Damage::Bit, false, &mut rng), round > 1);
        disk.end_sync(sync, |_| {});
        assert_eq!(
            disk.damage_synced_bytes(Damage::Bit, false, &mut rng),
            round > 0,
            "the newest durable record guards those before it"
        );
    }
    assert_eq!(disk.read("log")[20..], [0; 10]);
}

/// A host that renames before it syncs: the name can survive without the bytes.
#[test]
fn rename_and_file_contents_are_lost_independently() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..500 {
        let mut disk = Disk::new();
        disk.append("log", |file| file.extend_from_slice(b"old"));
        disk.sync_directory();
        let synced = disk.begin_sync();
        disk.end_sync(synced, |_| {});
        disk.append("new", |file| file.extend_from_slice(b"new"));
        disk.sync_directory();
        disk.rename("new", "log");
        assert_eq!((disk.read("log"), disk.contains("new")), (&b"new"[..], false));
        disk.lose_power(&mut stream(seed, "loss", [0; 2]));
        outcomes.insert(match (disk.read("log"), disk.contains("new")) {
            (b"new", false) => "nothing is lost",
            (b"old", true) if disk.read("new") == b"new" => "the rename is lost",
            (b"old", true) => "both are lost",
            (_, false) => "the bytes are lost",
            _ => "something else",
        });
    }
    assert_eq!(outcomes.len(), 4, "{outcomes:#?}");
    assert!(!outcomes.contains("something else"));
}

#[test]
fn synced_rename_survives_and_the_replaced_file_is_gone() {
    for seed in 0..50 {
        let mut disk = Disk::new();
        disk.append("log", |file| file.extend_from_slice(b"old"));
        disk.append("new", |file| file.extend_from_slice(b"new"));
        disk.rename("new", "log");
        disk.sync_directory();
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

/// The files in which bits can flip, found in many tries.
fn files_with_flips(disk: &Disk) -> BTreeSet<FileName> {
    let mut files = BTreeSet::new();
    for seed in 0..100 {
        let mut flipped = disk.clone();
        if flipped.damage_synced_bytes(Damage::Bit, false, &mut stream(seed, "rot", [0; 2])) {
            files.extend(FILES.into_iter().filter(|file| flipped.read(file) != disk.read(file)));
        }
    }
    files
}

#[test]
fn bits_flip_in_each_guarded_file_however_short() {
    let mut disk = Disk::new();
    let synced = |disk: &mut Disk| {
        let sync = disk.begin_sync();
        disk.end_sync(sync, |_| {});
    };
    disk.append("state", |bytes| bytes.push(1));
    disk.append("log", |bytes| bytes.extend([2; 1_000]));
    assert_eq!(files_with_flips(&disk), BTreeSet::new());
    synced(&mut disk);
    assert_eq!(files_with_flips(&disk), BTreeSet::new(), "nothing was written after the sync");
    // An append to a new file guards nothing: that file may never be read.
    disk.append("new", |bytes| bytes.extend([3; 10]));
    synced(&mut disk);
    assert_eq!(files_with_flips(&disk), BTreeSet::new());
    disk.append("log", |bytes| bytes.extend([4; 1_000]));
    assert_eq!(files_with_flips(&disk), BTreeSet::new(), "a write that is not durable guards nothing");
    synced(&mut disk);
    assert_eq!(files_with_flips(&disk), BTreeSet::from(["log", "new", "state"]));
    // Nothing guards the newest batch of the log itself.
    for seed in 0..200 {
        let mut flipped = disk.clone();
        flipped.damage_synced_bytes(Damage::Bit, false, &mut stream(seed, "rot", [0; 2]));
        assert_eq!(flipped.read("log")[1_000..], disk.read("log")[1_000..]);
    }
    // Nothing guards what was written anew.
    disk.truncate("state", 0);
    disk.append("state", |bytes| bytes.push(5));
    synced(&mut disk);
    assert_eq!(files_with_flips(&disk), BTreeSet::from(["log", "new"]));
}

/// Without a limit the newest synced bytes go bad, too, and never those that are not durable.
#[test]
fn damage_without_a_limit_strikes_any_durable_byte() {
    let mut disk = Disk::new();
    disk.append("log", |bytes| bytes.extend([1; 4]));
    assert!(
        !disk.damage_synced_bytes(Damage::Bit, true, &mut stream(0, "rot", [0; 2])),
        "nothing is durable"
    );
    disk.sync_directory();
    let sync = disk.begin_sync();
    disk.end_sync(sync, |_| {});
    disk.append("log", |bytes| bytes.extend([2; 4]));
    let mut hit = BTreeSet::new();
    for seed in 0..200 {
        let mut damaged = disk.clone();
        let mut draws = stream(seed, "rot", [0; 2]);
        assert!(damaged.damage_synced_bytes(Damage::Bit, true, &mut draws));
        hit.extend((0..8).filter(|place| damaged.read("log")[*place] != disk.read("log")[*place]));
    }
    assert_eq!(hit, BTreeSet::from([0, 1, 2, 3]));
}

/// Each kind of damage changes guarded bytes only, and says truly whether it did.
#[test]
fn damage_stays_within_what_something_durable_guards() {
    for how in [Damage::Bit, Damage::LostWrite, Damage::MisdirectedWrite, Damage::Sector] {
        let mut changed = 0;
        for seed in 0..200 {
            let mut disk = Disk::new();
            for byte in 1..=3 {
                disk.append("log", |bytes| bytes.extend((0..700).map(|place| byte ^ place as u8)));
                let sync = disk.begin_sync();
                disk.end_sync(sync, |_| {});
            }
            let before = disk.read("log").to_vec();
            let is_damaged = disk.damage_synced_bytes(how, false, &mut stream(seed, "rot", [0; 2]));
            assert_eq!(is_damaged, disk.read("log") != before, "{how:?}, seed {seed}");
            assert_eq!(
                disk.read("log")[1_400..],
                before[1_400..],
                "{how:?}: nothing guards the newest batch"
            );
            let hit: Vec<usize> =
                (0..1_400).filter(|place| disk.read("log")[*place] != before[*place]).collect();
            let sectors: BTreeSet<usize> = hit.iter().map(|place| place / SECTOR as usize).collect();
            assert!(sectors.len() <= 1, "{how:?} strikes one sector");
            changed += u64::from(is_damaged);
        }
        assert!(changed > 150, "{how:?} changes the bytes of {changed} disks of 200");
    }
}
