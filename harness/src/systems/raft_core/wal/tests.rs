//! The log against a list of all the states that were ever written.

use super::*;
use crate::rng::stream;
use crate::world::Ticket;
use proptest::prelude::*;

/// What a node would recover after some number of records.
#[derive(Clone, Default, PartialEq, Debug)]
struct State {
    term: u64,
    vote: Option<u64>,
    entries: Vec<(u64, Vec<u8>)>,
}

impl From<Recovered> for State {
    fn from(recovered: Recovered) -> State {
        let entries = recovered
            .entries
            .into_iter()
            .map(|(term, kind, bytes)| {
                assert_eq!(kind, (term % 3) as u8, "a kind comes back as it was written");
                (term, bytes.to_vec())
            })
            .collect();
        State { term: recovered.term, vote: recovered.vote, entries }
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

#[derive(Clone, Debug)]
enum Act {
    Append(Save),
    BeginSync,
    /// Of those in flight, counted from the oldest.
    EndSync(usize),
    Crash,
    LosePower,
}

/// A log on its disk, with all that was ever written to it.
struct Desk {
    disk: Disk,
    wal: Wal,
    chance: Stream,
    /// By number of records.
    states: Vec<State>,
    /// Of each record: where it starts, and how far the log was known durable when it was written.
    records: Vec<(u64, u64)>,
    /// This many records are durable.
    synced: usize,
    /// In flight: the disk's ticket, the log's end, the number of records; the incarnation that began it.
    syncs: Vec<(Ticket, u64, usize, u64)>,
    incarnation: u64,
}

impl Desk {
    fn new(seed: u64) -> Desk {
        let (mut disk, mut chance) = (Disk::new(), stream(seed, "desk", [0; 2]));
        let (wal, recovered) = Wal::open(&mut disk, &mut chance).expect("there is nothing to be damaged");
        assert_eq!(recovered, Recovered::default());
        let states = vec![State::default()];
        Desk { disk, wal, chance, states, records: vec![], synced: 0, syncs: vec![], incarnation: 0 }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Append(save) => self.append(save),
            Act::BeginSync => self.begin_sync(),
            Act::EndSync(place) if !self.syncs.is_empty() => self.end_sync(place % self.syncs.len()),
            Act::EndSync(_) => {}
            Act::Crash => {
                let records = self.records.len();
                assert_eq!(self.reopen(), records, "the page cache has survived");
            }
            Act::LosePower => {
                self.disk.lose_power(&mut self.chance);
                self.syncs.clear();
                let records = self.reopen();
                assert!(records >= self.synced, "{} records were synced, {records} recovered", self.synced);
                self.synced = records;
            }
        }
    }

    fn append(&mut self, save: &Save) {
        if !self.wal.is_settled() {
            self.sync();
        }
        let mut state = self.states.last().expect("there is always a first one").clone();
        let after = save.cut.map(|cut| state.entries.len() - cut % (state.entries.len() + 1));
        state.entries.truncate(after.unwrap_or(usize::MAX));
        state.entries.extend(save.entries.iter().map(|bytes| (save.term, bytes.clone())));
        (state.term, state.vote) = (save.term, save.vote);
        self.records.push((self.wal.end(), self.wal.durable()));
        let entries = save.entries.iter().map(|bytes| (save.term, (save.term % 3) as u8, bytes.as_slice()));
        let end =
            self.wal.append(&mut self.disk, save.term, save.vote, after.map(|after| after as u64), entries);
        assert_eq!(end, self.disk.read(FILE).len() as u64);
        self.states.push(state);
    }

    fn begin_sync(&mut self) {
        let ticket = self.disk.begin_sync();
        self.syncs.push((ticket, self.wal.end(), self.records.len(), self.incarnation));
    }

    fn end_sync(&mut self, place: usize) {
        let (ticket, end, records, incarnation) = self.syncs.remove(place);
        self.disk.end_sync(ticket, |_| {});
        self.synced = self.synced.max(records);
        if incarnation == self.incarnation {
            self.wal.durable_to(end);
        }
    }

    fn sync(&mut self) {
        self.begin_sync();
        self.end_sync(self.syncs.len() - 1);
    }

    /// Boots a new incarnation, which must find one of the states that were written. Returns how many records it found.
    fn reopen(&mut self) -> usize {
        let (wal, recovered) = Wal::open(&mut self.disk, &mut self.chance).expect("nothing rots here");
        (self.wal, self.incarnation) = (wal, self.incarnation + 1);
        let records = recovered.records as usize;
        self.records.truncate(records);
        self.states.truncate(records + 1);
        assert_eq!(State::from(recovered), self.states[records]);
        records
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

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => save().prop_map(Act::Append),
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
        let recovered = desk.records.len();
        desk.act(&Act::LosePower);
        prop_assert_eq!(desk.records.len(), recovered, "the same bytes are there, or the cut ones");
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
        desk.sync();
        let guarded = desk.wal.durable() > 0;
        desk.append(&newest);
        desk.sync();
        prop_assert_eq!(desk.disk.rot(&mut desk.chance), guarded);
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
        let hit = desk.records.partition_point(|(start, _)| *start <= place as u64) - 1;
        let start = desk.records[hit].0;
        let noticed = desk.records[hit + 1..].iter().any(|(_, durable)| *durable > start);
        let mut disk = Disk::new();
        disk.append(FILE, |file| file.extend_from_slice(&bytes));
        match Wal::open(&mut disk, &mut desk.chance) {
            Err(damaged) => {
                prop_assert!(noticed, "{}", damaged);
                prop_assert_eq!(damaged.offset, start);
            }
            Ok((_, recovered)) => {
                prop_assert!(!noticed, "silently shorter");
                prop_assert_eq!(State::from(recovered), desk.states[hit].clone());
                prop_assert_eq!(disk.read(FILE).len() as u64, start);
            }
        }
    }

    #[test]
    fn garbage_is_no_log(bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..400)) {
        let mut disk = Disk::new();
        disk.append(FILE, |file| file.extend_from_slice(&bytes));
        let (wal, recovered) = Wal::open(&mut disk, &mut stream(0, "garbage", [0; 2])).expect("nothing was promised");
        prop_assert_eq!((wal.end(), recovered.records, recovered.cut), (0, 0, bytes.len() as u64));
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
