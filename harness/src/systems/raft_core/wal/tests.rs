//! The log against a list of all the states that were ever written.

use super::*;
use crate::rng::stream;
use crate::world::SyncTicket;
use proptest::prelude::*;
use rand::RngCore;

/// What a node would recover after some number of records.
#[derive(Clone, Default, PartialEq, Debug)]
struct State {
    term: u64,
    vote: Option<u64>,
    kept: Option<WalCheckpoint>,
    /// After the base.
    entries: Vec<(u64, Vec<u8>)>,
}

impl State {
    fn base(&self) -> u64 {
        self.kept.as_ref().map_or(0, |kept| kept.base.index)
    }
}

impl From<RecoveredLog> for State {
    fn from(recovered: RecoveredLog) -> State {
        let entries = recovered
            .entries
            .into_iter()
            .map(|(term, kind, bytes)| {
                assert_eq!(kind, (term % 3) as u8, "a kind comes back as it was written");
                (term, bytes.to_vec())
            })
            .collect();
        State { term: recovered.term, vote: recovered.vote, kept: recovered.checkpoint, entries }
    }
}

/// One save.
#[derive(Clone, Debug)]
struct Save {
    term: u64,
    vote: Option<u64>,
    /// How many entries are cut, if any are.
    cut: Option<usize>,
    entries: Vec<Vec<u8>>,
}

/// One rewriting: how much of the log is behind the base, and how much of the rest in the snapshot, in percent.
#[derive(Clone, Debug)]
struct Rewriting {
    base: u64,
    last: u64,
    /// The application's state; where it comes from a leader it ends the log, somewhere ahead.
    data: Vec<u8>,
    installed: bool,
}

#[derive(Clone, Debug)]
enum Act {
    Append(Save),
    Rewrite(Rewriting),
    Switch,
    BeginSync,
    /// Of those in flight, counted from the oldest.
    EndSync(usize),
    Crash,
    LosePower,
}

/// All that was ever written to one file.
#[derive(Clone, Debug)]
struct Written {
    /// By number of records.
    states: Vec<State>,
    /// Of each record: where it starts, and how far the log was known durable when it was written.
    records: Vec<(u64, u64)>,
    /// This many records are durable.
    synced: usize,
    /// Where the first record starts: behind the head.
    head: u64,
}

/// A sync in flight.
#[derive(Clone, Copy)]
struct Sync {
    ticket: SyncTicket,
    mark: SyncMark,
    /// The incarnation that began it, the number of switches before it, and the number of records in the log.
    incarnation: u64,
    switches: u64,
    records: usize,
}

/// A log on its disk, with all that was ever written to it.
struct Desk {
    disk: Disk,
    wal: Wal,
    chance: RngStream,
    /// The file that is called the log.
    log: Written,
    /// The file that was so before, while it may come back.
    old: Option<Written>,
    /// The file beside the log.
    new: Option<Written>,
    syncs: Vec<Sync>,
    incarnation: u64,
    switches: u64,
}

impl Desk {
    fn new(seed: u64) -> Desk {
        let (mut disk, mut chance) = (Disk::new(), stream(seed, "desk", [0; 2]));
        let (wal, recovered) = Wal::open(&mut disk, &mut chance).expect("there is nothing to be damaged");
        assert_eq!(recovered, RecoveredLog::default());
        let log = Written { states: vec![State::default()], records: vec![], synced: 0, head: 0 };
        let (old, new) = (None, None);
        Desk { disk, wal, chance, log, old, new, syncs: vec![], incarnation: 0, switches: 0 }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Append(save) => self.append(save),
            Act::Rewrite(rewriting) => self.rewrite(rewriting),
            Act::Switch if self.wal.is_rewrite_durable() => self.switch(),
            Act::Switch => {}
            Act::BeginSync => self.begin_sync(),
            Act::EndSync(place) if !self.syncs.is_empty() => self.end_sync(place % self.syncs.len()),
            Act::EndSync(_) => {}
            Act::Crash => {
                let log = self.log.clone();
                let found = self.reopen();
                assert_eq!(found, *log.states.last().unwrap(), "the page cache has survived");
            }
            Act::LosePower => self.lose_power(),
        }
    }

    /// What is left is the log, or the old one if that may come back: as some number of records had made it, and no
    /// fewer than were synced.
    fn lose_power(&mut self) {
        self.disk.lose_power(&mut self.chance);
        self.syncs.clear();
        let found = self.reopen();
        let old = self.old.take();
        let candidates = [Some(self.log.clone()), old];
        let left = candidates.into_iter().flatten().find_map(|mut written| {
            let of_this = |state: &State| state.kept == found.kept;
            let records = self.wal.record_number as usize;
            if !written.states.iter().all(of_this) || records >= written.states.len() {
                return None;
            }
            assert!(records >= written.synced, "{} records were synced, {records} recovered", written.synced);
            assert_eq!(found, written.states[records]);
            written.states.truncate(records + 1);
            written.records.truncate(records);
            written.synced = records;
            Some(written)
        });
        self.log = left.unwrap_or_else(|| panic!("{found:?} was never written"));
    }

    /// Waits until something may be appended.
    fn settle(&mut self) {
        while !self.wal.can_append() {
            if self.wal.is_rewrite_durable() {
                self.switch();
            }
            self.sync();
        }
    }

    fn append(&mut self, save: &Save) {
        self.settle();
        let mut state = self.log.states.last().expect("there is always a first one").clone();
        let keeps = save.cut.map(|cut| state.entries.len() - cut % (state.entries.len() + 1));
        let after = keeps.map(|keeps| state.base() + keeps as u64);
        state.entries.truncate(keeps.unwrap_or(usize::MAX));
        state.entries.extend(save.entries.iter().map(|bytes| (save.term, bytes.clone())));
        (state.term, state.vote) = (save.term, save.vote);
        self.log.records.push((self.wal.end(), self.wal.durable()));
        let entries = save.entries.iter().map(|bytes| (save.term, (save.term % 3) as u8, bytes.as_slice()));
        let end = self.wal.append(&mut self.disk, save.term, save.vote, after, entries);
        assert_eq!(end, self.disk.read(FILE).len() as u64);
        self.log.states.push(state);
    }

    fn rewrite(&mut self, rewriting: &Rewriting) {
        self.settle();
        let mut state = self.log.states.last().expect("there is always a first one").clone();
        let (base, count) = (state.base(), state.entries.len() as u64);
        let cut = count * rewriting.base / 100;
        let last = cut + (count - cut) * rewriting.last / 100;
        let ahead = if rewriting.installed { count + rewriting.last } else { 0 };
        let id = |index: u64| LogId { index: base + index, term: index % 5 };
        let kept = WalCheckpoint {
            base: id(if rewriting.installed { ahead } else { cut }),
            last: id(if rewriting.installed { ahead } else { last }),
            // No two are the same, so that it can be told what was found.
            configuration: self.switches.to_le_bytes().to_vec().into(),
            base_configuration: (self.incarnation << 32 | self.log.records.len() as u64)
                .to_le_bytes()
                .to_vec()
                .into(),
            data: rewriting.data.clone().into(),
        };
        state.entries.drain(..if rewriting.installed { count } else { cut } as usize);
        let entries = state.entries.iter().map(|(term, bytes)| (*term, (term % 3) as u8, bytes));
        let identity = self.chance.next_u64();
        self.wal.rewrite(&mut self.disk, identity, (state.term, state.vote), &kept, entries);
        state.kept = Some(kept);
        let head = self.disk.read(NEW_FILE).len() as u64;
        self.new = Some(Written { states: vec![state], records: vec![], synced: 0, head });
    }

    fn switch(&mut self) {
        self.wal.switch_to_new_file(&mut self.disk);
        let new = self.new.take().expect("a new file was written");
        assert!(self.old.is_none(), "the log before the old one may still come back");
        self.old = Some(std::mem::replace(&mut self.log, new));
        self.switches += 1;
    }

    fn begin_sync(&mut self) {
        let (incarnation, switches, records) = (self.incarnation, self.switches, self.log.records.len());
        let (ticket, mark) = (self.disk.begin_sync(), self.wal.mark());
        self.syncs.push(Sync { ticket, mark, incarnation, switches, records });
    }

    fn end_sync(&mut self, place: usize) {
        let sync = self.syncs.remove(place);
        self.disk.end_sync(sync.ticket, |_| {});
        if sync.switches == self.switches {
            self.log.synced = self.log.synced.max(sync.records);
            self.old = None;
        } else if let Some(old) = self.old.as_mut().filter(|_| sync.switches + 1 == self.switches) {
            old.synced = old.synced.max(sync.records);
        }
        if sync.incarnation == self.incarnation {
            self.wal.mark_durable(sync.mark);
        }
    }

    fn sync(&mut self) {
        self.begin_sync();
        self.end_sync(self.syncs.len() - 1);
    }

    /// Boots a new incarnation, which finds this.
    fn reopen(&mut self) -> State {
        let (wal, recovered) = Wal::open(&mut self.disk, &mut self.chance).expect("nothing rots here");
        assert!(!self.disk.contains(NEW_FILE), "what never became the log is removed");
        assert_eq!((wal.base, wal.last), (recovered.base(), recovered.last()));
        (self.wal, self.incarnation, self.new) = (wal, self.incarnation + 1, None);
        recovered.into()
    }
}

fn save() -> impl Strategy<Value = Save> {
    let bytes = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..50),
        1 => prop::collection::vec(any::<u8>(), 300..900),
    ];
    let parts = (1..9_u64, prop::option::of(1..6_u64), prop::option::weighted(0.2, 0..4_usize));
    (parts, prop::collection::vec(bytes, 0..4)).prop_map(|((term, vote, cut), entries)| Save {
        term,
        vote,
        cut,
        entries,
    })
}

fn rewriting() -> impl Strategy<Value = Rewriting> {
    let percent = || prop_oneof![Just(0), Just(100), 0..=100_u64];
    let data =
        prop_oneof![prop::collection::vec(any::<u8>(), 0..40), prop::collection::vec(any::<u8>(), 400..900)];
    (percent(), percent(), data, prop::bool::weighted(0.3))
        .prop_map(|(base, last, data, installed)| Rewriting { base, last, data, installed })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => save().prop_map(Act::Append),
        2 => rewriting().prop_map(Act::Rewrite),
        2 => Just(Act::Switch),
        3 => Just(Act::BeginSync),
        3 => (0..4_usize).prop_map(Act::EndSync),
        1 => Just(Act::Crash),
        1 => Just(Act::LosePower),
    ]
}

proptest! {
    /// What was synced is recovered; what is recovered is what some number of records came to, and nothing else.
    #[test]
    fn recovery_finds_a_prefix_with_all_that_was_synced(
        seed in any::<u64>(),
        acts in prop::collection::vec(act(), 0..60),
    ) {
        let mut desk = Desk::new(seed);
        for act in &acts {
            desk.act(act);
        }
        desk.act(&Act::LosePower);
    }

    /// Bug S01: after recovery the power fails again, before or after a first append, and what was cut stays away.
    #[test]
    fn what_was_cut_does_not_come_back(
        seed in any::<u64>(),
        before in prop::collection::vec(act(), 0..30),
        small in prop::collection::vec(save(), 0..3),
    ) {
        let mut desk = Desk::new(seed);
        for act in &before {
            desk.act(act);
        }
        desk.act(&Act::LosePower);
        let recovered = desk.log.records.len();
        desk.act(&Act::LosePower);
        prop_assert_eq!(desk.log.records.len(), recovered, "the same bytes are there, or the cut ones");
        for save in small {
            desk.append(&save);
        }
        desk.act(&Act::LosePower);
        desk.act(&Act::LosePower);
    }

    /// Bug S02: rot where the disk lets it strike is always damage, never a shorter log.
    #[test]
    fn rot_in_what_was_synced_is_damage(
        seed in any::<u64>(),
        acts in prop::collection::vec(act(), 0..40),
        newest in save(),
    ) {
        let mut desk = Desk::new(seed);
        for act in &acts {
            desk.act(act);
        }
        desk.settle();
        desk.sync();
        let guarded = desk.wal.durable() > 0;
        desk.append(&newest);
        desk.sync();
        prop_assert_eq!(desk.disk.flip_synced_bit(&mut desk.chance), guarded);
        prop_assert_eq!(Wal::open(&mut desk.disk, &mut desk.chance).is_err(), guarded);
    }

    /// One bit flips anywhere. It is damage exactly if a later record knew of the place; the rest is the blind spot.
    #[test]
    fn a_flipped_bit_is_damage_or_ends_the_log(
        seed in any::<u64>(),
        acts in prop::collection::vec(act(), 0..40),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut desk = Desk::new(seed);
        for act in &acts {
            desk.act(act);
        }
        let mut bytes = desk.disk.read(FILE).to_vec();
        if bytes.is_empty() {
            return Ok(());
        }
        let place = place.index(bytes.len());
        bytes[place] ^= 1_u8 << bit;
        let log = &desk.log;
        let in_head = (place as u64) < log.head;
        let hit = log.records.partition_point(|(start, _)| *start <= place as u64);
        let (hit, start) = if in_head { (0, 0) } else { (hit - 1, log.records[hit - 1].0) };
        let later = if in_head { hit } else { hit + 1 };
        let told = log.records[later..].iter().any(|(_, durable)| *durable > start);
        // A head says itself that it was durable, unless that is where the bit is.
        let noticed = told || in_head && !(16..24).contains(&place);
        let mut disk = Disk::new();
        disk.append(FILE, |file| file.extend_from_slice(&bytes));
        match Wal::open(&mut disk, &mut desk.chance) {
            Err(damaged) => {
                prop_assert!(noticed, "{}", damaged);
                prop_assert_eq!(damaged.offset, start);
            }
            Ok((_, recovered)) => {
                prop_assert!(!noticed, "silently shorter");
                let left = if in_head { State::default() } else { log.states[hit].clone() };
                prop_assert_eq!(State::from(recovered), left);
                prop_assert_eq!(disk.read(FILE).len() as u64, start);
            }
        }
    }

    #[test]
    fn garbage_is_no_log(bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..400)) {
        let mut disk = Disk::new();
        disk.append(FILE, |file| file.extend_from_slice(&bytes));
        let (wal, recovered) = Wal::open(&mut disk, &mut stream(0, "garbage", [0; 2])).expect("nothing was promised");
        prop_assert_eq!((wal.end(), recovered.records, recovered.truncated_bytes), (0, 0, bytes.len() as u64));
    }
}

#[test]
fn damage_is_told_with_its_witness() {
    let mut desk = Desk::new(1);
    let save = Save { term: 1, vote: Some(2), cut: None, entries: vec![b"x=1".to_vec()] };
    for _ in 0..3 {
        desk.append(&save);
        desk.sync();
    }
    let mut bytes = desk.disk.read(FILE).to_vec();
    bytes[40] ^= 1;
    let mut disk = Disk::new();
    disk.append(FILE, |file| file.extend_from_slice(&bytes));
    let damaged = Wal::open(&mut disk, &mut desk.chance).unwrap_err();
    assert_eq!(
        damaged.to_string(),
        "the log is damaged at byte 0: record 2 at byte 72 says that everything before byte 72 was durable"
    );
}

#[test]
#[should_panic(expected = "a cut tail could come back")]
fn nothing_is_appended_before_what_was_recovered_is_durable() {
    let (mut disk, mut chance) = (Disk::new(), stream(0, "early", [0; 2]));
    let (mut wal, _) = Wal::open(&mut disk, &mut chance).unwrap();
    wal.append::<&[u8]>(&mut disk, 1, None, None, []);
}
