//! The log against the list of all states that were ever written.

use super::*;
use crate::plan::faults::Damage;
use crate::support::rng::stream;
use crate::world::SyncTicket;
use proptest::prelude::*;
use rand::RngCore;

/// What a node recovers after some number of records.
#[derive(Clone, Default, PartialEq, Debug)]
struct State {
    term: u64,
    vote: Option<u64>,
    checkpoint: Option<WalCheckpoint>,
    /// After the compacted ones.
    entries: Vec<(u64, Vec<u8>)>,
}

impl State {
    fn compacted(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.compacted.index)
    }
}

impl From<RecoveredLog> for State {
    fn from(recovered: RecoveredLog) -> State {
        let entries = recovered
            .entries
            .into_iter()
            .map(|(term, kind, bytes)| {
                assert_eq!(kind, (term % 3) as u8, "the kind of an entry must survive recovery");
                (term, bytes.to_vec())
            })
            .collect();
        State { term: recovered.term, vote: recovered.vote, checkpoint: recovered.checkpoint, entries }
    }
}

/// One save.
#[derive(Clone, Debug)]
struct Save {
    term: u64,
    vote: Option<u64>,
    /// How many entries to truncate, if any.
    cut: Option<usize>,
    entries: Vec<Vec<u8>>,
}

/// A rewrite: how much of the log to compact, and how much of the rest is in the snapshot, in percent.
#[derive(Clone, Debug)]
struct Rewriting {
    base: u64,
    last: u64,
    /// The state of the application. A snapshot from a leader ends at some index beyond the log.
    data: Vec<u8>,
    installed: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Append(Save),
    Rewrite(Rewriting),
    Switch,
    BeginSync,
    /// Of those in flight, counted from the oldest.
    EndSync(usize),
    Crash,
    LosePower,
}

/// Everything that was ever written to one file.
#[derive(Clone, Debug)]
struct Written {
    /// By number of records.
    states: Vec<State>,
    /// For each record: its offset, and how much of the log was known to be durable when it was written.
    records: Vec<(u64, u64)>,
    /// How many records are durable.
    synced: usize,
    /// The offset of the first record, after the head.
    head: u64,
}

/// A sync in flight.
#[derive(Clone, Copy)]
struct Sync {
    ticket: SyncTicket,
    mark: SyncMark,
    /// The incarnation that started it, the number of switches before, and the number of records in the log.
    incarnation: u64,
    switches: u64,
    records: usize,
}

/// A log on its disk, with everything that was written to it.
struct Fixture {
    disk: Disk,
    wal: Wal,
    rng: RngStream,
    /// The current log.
    log: Written,
    /// The previous log, while it may come back.
    old: Option<Written>,
    /// The new file beside the log.
    new: Option<Written>,
    syncs: Vec<Sync>,
    incarnation: u64,
    switches: u64,
}

impl Fixture {
    fn new(seed: u64) -> Fixture {
        let (mut disk, mut rng) = (Disk::new(), stream(seed, "desk", [0; 2]));
        let (wal, recovered) = Wal::open(&mut disk, &mut rng).expect("an empty disk cannot be damaged");
        assert_eq!(recovered, RecoveredLog::default());
        let log = Written { states: vec![State::default()], records: vec![], synced: 0, head: 0 };
        let (old, new) = (None, None);
        Fixture { disk, wal, rng, log, old, new, syncs: vec![], incarnation: 0, switches: 0 }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Append(save) => self.append(save),
            Step::Rewrite(rewriting) => self.rewrite(rewriting),
            Step::Switch if self.wal.is_rewrite_durable() => self.switch(),
            Step::Switch => {}
            Step::BeginSync => self.begin_sync(),
            Step::EndSync(index) if !self.syncs.is_empty() => self.end_sync(index % self.syncs.len()),
            Step::EndSync(_) => {}
            Step::Crash => {
                let log = self.log.clone();
                let found = self.reopen();
                assert_eq!(found, *log.states.last().unwrap(), "the page cache must survive a crash");
            }
            Step::LosePower => self.lose_power(),
        }
    }

    /// A loss of power leaves the log, or the old one if that may come back, after some number of records, at
    /// least those that were synced.
    fn lose_power(&mut self) {
        self.disk.lose_power(&mut self.rng);
        self.syncs.clear();
        let found = self.reopen();
        let old = self.old.take();
        let candidates = [Some(self.log.clone()), old];
        let left = candidates.into_iter().flatten().find_map(|mut written| {
            let of_this = |state: &State| state.checkpoint == found.checkpoint;
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
        self.log = left.unwrap_or_else(|| panic!("{found:?} was recovered, but never written"));
    }

    /// Waits until the log can be appended to.
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
        let mut state = self.log.states.last().expect("the list begins with the empty state").clone();
        let keeps = save.cut.map(|cut| state.entries.len() - cut % (state.entries.len() + 1));
        let after = keeps.map(|keeps| state.compacted() + keeps as u64);
        state.entries.truncate(keeps.unwrap_or(usize::MAX));
        state.entries.extend(save.entries.iter().map(|bytes| (save.term, bytes.clone())));
        (state.term, state.vote) = (save.term, save.vote);
        self.log.records.push((self.wal.end(), self.wal.durable()));
        let entries = save.entries.iter().map(|bytes| (save.term, (save.term % 3) as u8, bytes.as_slice()));
        let end = self.wal.append(&mut self.disk, save.term, save.vote, after, entries);
        self.disk.sync_directory();
        assert_eq!(end, self.disk.read(FILE).len() as u64);
        self.log.states.push(state);
    }

    fn rewrite(&mut self, rewriting: &Rewriting) {
        self.settle();
        let mut state = self.log.states.last().expect("the list begins with the empty state").clone();
        let (base, count) = (state.compacted(), state.entries.len() as u64);
        let cut = count * rewriting.base / 100;
        let last = cut + (count - cut) * rewriting.last / 100;
        let ahead = if rewriting.installed { count + rewriting.last } else { 0 };
        let id = |index: u64| LogId { index: base + index, term: index % 5 };
        let checkpoint = WalCheckpoint {
            compacted: id(if rewriting.installed { ahead } else { cut }),
            last: id(if rewriting.installed { ahead } else { last }),
            // Unique, so that the recovered file can be recognized.
            configuration: self.switches.to_le_bytes().to_vec().into(),
            compacted_configuration: (self.incarnation << 32 | self.log.records.len() as u64)
                .to_le_bytes()
                .to_vec()
                .into(),
            data: rewriting.data.clone().into(),
        };
        state.entries.drain(..if rewriting.installed { count } else { cut } as usize);
        let entries = state.entries.iter().map(|(term, bytes)| (*term, (term % 3) as u8, bytes));
        let file_id = self.rng.next_u64();
        self.wal.rewrite(&mut self.disk, file_id, (state.term, state.vote), &checkpoint, entries);
        state.checkpoint = Some(checkpoint);
        let head = self.disk.read(NEW_FILE).len() as u64;
        self.new = Some(Written { states: vec![state], records: vec![], synced: 0, head });
    }

    fn switch(&mut self) {
        self.wal.switch_to_new_file(&mut self.disk);
        let new = self.new.take().expect("a switch needs a new file");
        assert!(self.old.is_none(), "the log before the old one must not come back");
        self.old = Some(std::mem::replace(&mut self.log, new));
        self.switches += 1;
    }

    fn begin_sync(&mut self) {
        let (incarnation, switches, records) = (self.incarnation, self.switches, self.log.records.len());
        let (ticket, mark) = (self.disk.begin_sync(), self.wal.mark());
        self.syncs.push(Sync { ticket, mark, incarnation, switches, records });
    }

    fn end_sync(&mut self, index: usize) {
        let sync = self.syncs.remove(index);
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

    /// Boots a new incarnation. Returns what it recovers.
    fn reopen(&mut self) -> State {
        let (wal, recovered) =
            Wal::open(&mut self.disk, &mut self.rng).expect("without bit rot there is no damage");
        assert!(!self.disk.contains(NEW_FILE), "a new file that was not renamed must be removed");
        assert_eq!((wal.compacted, wal.last), (recovered.compacted(), recovered.last()));
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

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => save().prop_map(Step::Append),
        2 => rewriting().prop_map(Step::Rewrite),
        2 => Just(Step::Switch),
        3 => Just(Step::BeginSync),
        3 => (0..4_usize).prop_map(Step::EndSync),
        1 => Just(Step::Crash),
        1 => Just(Step::LosePower),
    ]
}

proptest! {
    /// Recovers everything that was synced, in a state that some number of records had produced.
    #[test]
    fn recovery_finds_a_prefix_with_all_synced_records(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut fixture = Fixture::new(seed);
        for step in &steps {
            fixture.step(step);
        }
        fixture.step(&Step::LosePower);
    }

    /// Bug S01: power fails again after recovery, before or after a first append, and the truncated tail must
    /// not come back.
    #[test]
    fn truncated_tail_does_not_come_back(
        seed in any::<u64>(),
        before in prop::collection::vec(step(), 0..30),
        small in prop::collection::vec(save(), 0..3),
    ) {
        let mut fixture = Fixture::new(seed);
        for step in &before {
            fixture.step(step);
        }
        fixture.step(&Step::LosePower);
        let recovered = fixture.log.records.len();
        fixture.step(&Step::LosePower);
        prop_assert_eq!(fixture.log.records.len(), recovered, "a second loss of power must not change the recovered records");
        for save in small {
            fixture.append(&save);
        }
        fixture.step(&Step::LosePower);
        fixture.step(&Step::LosePower);
    }

    /// Bug S02: bit rot where the disk allows it is always damage, never a shorter log.
    #[test]
    fn bit_rot_in_guarded_records_is_damage(
        how in prop::sample::select(vec![Damage::Bit, Damage::LostWrite, Damage::MisdirectedWrite, Damage::Sector]),
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 0..40),
        newest in save(),
    ) {
        let mut fixture = Fixture::new(seed);
        for step in &steps {
            fixture.step(step);
        }
        fixture.settle();
        fixture.sync();
        let guarded = fixture.wal.durable() > 0;
        fixture.append(&newest);
        fixture.sync();
        let is_damaged = fixture.disk.damage_synced_bytes(how, false, &mut fixture.rng);
        // Bytes that are written over by the same ones are as before.
        prop_assert!(is_damaged == guarded || !is_damaged && how != Damage::Bit);
        prop_assert_eq!(Wal::open(&mut fixture.disk, &mut fixture.rng).is_err(), is_damaged);
    }

    /// One bit flips anywhere. It is damage exactly if a later record covers it; the rest is the blind spot.
    #[test]
    fn flipped_bit_is_damage_or_ends_the_log(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 0..40),
        offset in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut fixture = Fixture::new(seed);
        for step in &steps {
            fixture.step(step);
        }
        let mut bytes = fixture.disk.read(FILE).to_vec();
        if bytes.is_empty() {
            return Ok(());
        }
        let offset = offset.index(bytes.len());
        bytes[offset] ^= 1_u8 << bit;
        let log = &fixture.log;
        let in_head = (offset as u64) < log.head;
        let hit = log.records.partition_point(|(start, _)| *start <= offset as u64);
        let (hit, start) = if in_head { (0, 0) } else { (hit - 1, log.records[hit - 1].0) };
        let later = if in_head { hit } else { hit + 1 };
        let covered = log.records[later..].iter().any(|(_, durable)| *durable > start);
        // A bad head is damage, unless its number was hit.
        let noticed = covered || in_head && !(16..24).contains(&offset);
        let mut disk = Disk::new();
        disk.append(FILE, |file| file.extend_from_slice(&bytes));
        match Wal::open(&mut disk, &mut fixture.rng) {
            Err(damaged) => {
                prop_assert!(noticed, "{}", damaged);
                prop_assert_eq!(damaged.offset, start);
            }
            Ok((_, recovered)) => {
                prop_assert!(!noticed, "the log must not get shorter without a report of damage");
                let left = if in_head { State::default() } else { log.states[hit].clone() };
                prop_assert_eq!(State::from(recovered), left);
                prop_assert_eq!(disk.read(FILE).len() as u64, start);
            }
        }
    }

    #[test]
    fn garbage_is_an_empty_log(bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..400)) {
        let mut disk = Disk::new();
        disk.append(FILE, |file| file.extend_from_slice(&bytes));
        let (wal, recovered) = Wal::open(&mut disk, &mut stream(0, "garbage", [0; 2])).expect("garbage without a valid record is not damage");
        prop_assert_eq!((wal.end(), recovered.records, recovered.truncated_bytes), (0, 0, bytes.len() as u64));
    }
}

#[test]
fn damage_report_names_the_record_that_proves_it() {
    let mut fixture = Fixture::new(1);
    let save = Save { term: 1, vote: Some(2), cut: None, entries: vec![b"x=1".to_vec()] };
    for _ in 0..3 {
        fixture.append(&save);
        fixture.sync();
    }
    let mut bytes = fixture.disk.read(FILE).to_vec();
    bytes[40] ^= 1;
    let mut disk = Disk::new();
    disk.append(FILE, |file| file.extend_from_slice(&bytes));
    let damaged = Wal::open(&mut disk, &mut fixture.rng).unwrap_err();
    assert_eq!(
        damaged.to_string(),
        "the log is damaged at byte 0: record 2 at byte 72 says that everything before byte 72 was durable"
    );
}

#[test]
#[should_panic(expected = "otherwise a truncated tail or the old log could come back")]
fn append_before_the_recovered_log_is_durable_panics() {
    let (mut disk, mut rng) = (Disk::new(), stream(0, "early", [0; 2]));
    let (mut wal, _) = Wal::open(&mut disk, &mut rng).unwrap();
    wal.append::<&[u8]>(&mut disk, 1, None, None, []);
}
