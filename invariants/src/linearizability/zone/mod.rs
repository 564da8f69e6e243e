//! The exact check in near-linear time, where every content of a key is written once.
//!
//! If a content has one producer, everybody who saw it stands right behind that producer, for the state must last from
//! the first to the last of them. A compare-and-set is the last of those who need the old content and the producer of
//! the new one, and an append is the last of those who saw the shorter list: so such operations string contents
//! together to *chains*, each of which stands together in any order, and within which the order is known. What is left
//! to decide is the order of whole chains, and that is a matter of two numbers each: see [`layout`].
//!
//! *Why it is exact, whatever the outcomes.* An operation of unknown outcome whose product somebody saw did happen, and
//! then it is kept and returns at the end of time. One whose product nobody saw may be left out of any order: what
//! follows it is blind to the state, or had to see its product. Only who saw "something else than this" could profit
//! from it: a failed compare-and-set that did not tell what it found. Keys with one of those are left to the search, as
//! are keys on which a content was written twice. But a contradiction found without looking at such an operation
//! remains one, for leaving out an operation that changes nothing makes no history worse.

mod layout;
mod certificate;
mod registers;
mod event_log;
mod lists;

pub(crate) use certificate::{Certificate, OTHER_PLACEHOLDER};

use super::operation::{Call, Object};
use crate::fact::Time;
use event_log::{EventLog, KeyEvents};
use lists::ListZoneChecker;
use registers::{RegisterContents, RegisterEvent, RegisterZoneChecker};

/// What the zones of one key say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ZoneVerdict {
    /// There is an order.
    Order,
    /// There is none, and this is why.
    Conflict(Box<Certificate>),
    /// The key is none of those that this check understands.
    NotUnique,
}

/// The check's memory, kept between keys so that it is asked for once.
#[derive(Default, Debug)]
pub(crate) struct ZoneChecker {
    registers: RegisterZoneChecker,
    lists: ListZoneChecker,
}

impl ZoneChecker {
    /// Judges what happened to one key up to and including `until`: `mine` are its calls in `history`, by time.
    pub(crate) fn judge(&mut self, history: &[Call], mine: &[u32], until: Time) -> ZoneVerdict {
        match mine.first().map(|&call| Object::of(history[call as usize].operation.action)) {
            Some(Object::List) => self.lists.judge(history, mine, until),
            Some(Object::Register) | None => self.registers.judge(history, mine, until),
            Some(Object::Set | Object::Counter | Object::Queue | Object::Mutex) => ZoneVerdict::NotUnique,
        }
    }
}

/// The registers of a history, all keys at once, from reading it once. What is said of each key is noted in a few words,
/// so that a key can be judged from memory that lies together. Of a key with very many operations that is done now and
/// then: notes of all of them would not be read from a cache any more.
#[derive(Default, Debug)]
pub(crate) struct Survey {
    keys: Vec<KeySurvey>,
    notes: EventLog,
    registers: RegisterZoneChecker,
}

/// One key.
#[derive(Debug)]
struct KeySurvey {
    events: KeyEvents,
    /// What came of all that was noted before, if that was very much.
    folded: Option<Box<RegisterContents>>,
    /// Not a register, or one with a flaw: it takes a closer look.
    is_other: bool,
}

/// So many notes of one key are enough.
const MAX_UNFOLDED_EVENTS: usize = 1 << 12;

impl Survey {
    /// One more call. The keys have numbers, by first appearance.
    #[inline]
    pub(crate) fn add(&mut self, key: usize, call: &Call) {
        if key == self.keys.len() {
            let is_other = Object::of(call.operation.action) != Object::Register;
            self.keys.push(KeySurvey { events: KeyEvents::EMPTY, folded: None, is_other });
        }
        let surveyed = &mut self.keys[key];
        if !surveyed.is_other {
            surveyed.is_other = !self.notes.push(&mut surveyed.events, RegisterEvent::of(call, Time::MAX));
            if surveyed.events.len() >= MAX_UNFOLDED_EVENTS {
                surveyed.fold_events(&mut self.notes);
            }
        }
    }

    /// Whether there surely is an order of one key's operations. If not, there may be one all the same. To be asked
    /// once.
    pub(crate) fn has_order(&mut self, key: usize) -> bool {
        let surveyed = &mut self.keys[key];
        if surveyed.folded.is_some() {
            surveyed.fold_events(&mut self.notes);
        }
        match surveyed.folded.take() {
            _ if surveyed.is_other => false,
            Some(mut contents) => self.registers.has_order_of(&mut contents),
            None => self.registers.has_order(self.notes.of(surveyed.events)),
        }
    }
}

impl KeySurvey {
    #[cold]
    fn fold_events(&mut self, notes: &mut EventLog) {
        let contents = self.folded.get_or_insert_with(|| Box::new(RegisterContents::new()));
        self.is_other |= notes.of(self.events).any(|noted| contents.add(noted).is_err());
        notes.forget(&mut self.events);
    }
}

/// The calls of a key up to and including `until`, with their numbers.
fn calls<'a>(
    history: &'a [Call],
    mine: &'a [u32],
    until: Time,
) -> impl Iterator<Item = (u32, &'a Call)> + Clone {
    mine.iter()
        .map(|&number| (number, &history[number as usize]))
        .take_while(move |(_, call)| call.called <= until)
}
