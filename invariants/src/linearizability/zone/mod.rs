//! The exact check by zones, in near-linear time, for keys whose contents are unique.
//!
//! If a content has one producer, then in any order all operations that observed it follow that producer without
//! interruption, because the state must last from the first to the last of them. A compare-and-set is the last
//! operation that needs the old content and the producer of the new one; an append is the last operation of the
//! shorter list and the producer of the longer one. Such operations link contents to *chains*. A chain is contiguous
//! in any order, and the order within it is known. What is left is the order of the chains, which depends on two
//! times per chain, its *zone* (Gibbons and Korach 1997): see [`layout`].
//!
//! *Exact also with unknown outcomes.* An operation of unknown outcome whose product was observed did take effect,
//! and is treated as returning at [`Time::MAX`]. One whose product was not observed can be omitted from any order:
//! what follows it is legal in every state, or would have observed its product. The exception is an operation that
//! requires "any content but this": a failed compare-and-set that did not return the content. Keys with such an
//! operation are left to the search, as are keys on which a content was written twice. But a contradiction that does
//! not involve such an operation holds, because adding an operation that changes nothing cannot make a history
//! linearizable.

mod layout;
mod certificate;
mod extent;
mod registers;
mod event_log;
mod lists;

pub(crate) use certificate::Certificate;

use super::operation::{Call, Object};
use super::role::KeyCalls;
use crate::fact::Time;
use event_log::{EventLog, KeyEvents};
use lists::ListZoneChecker;
use registers::{RegisterContents, RegisterEvent, RegisterZoneChecker};

/// The verdict of the zones on one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ZoneVerdict {
    /// There is an order.
    Order,
    /// There is no order.
    Conflict,
    /// The check does not apply: contents are not unique, or the object is neither register nor list.
    NotUnique,
}

/// The check's memory, allocated once for all keys.
#[derive(Default, Debug)]
pub(crate) struct ZoneChecker {
    registers: RegisterZoneChecker,
    lists: ListZoneChecker,
}

impl ZoneChecker {
    pub(crate) fn judge(&mut self, calls: KeyCalls<'_>) -> ZoneVerdict {
        match calls.object() {
            Object::List => self.lists.judge(calls),
            Object::Register => self.registers.judge(calls),
            Object::Set | Object::Counter | Object::Queue | Object::Mutex => ZoneVerdict::NotUnique,
        }
    }

    /// The proof of a conflict. Decides the key once more: conflicts are rare, and most are never explained.
    pub(crate) fn certificate(&mut self, calls: KeyCalls<'_>) -> Option<Certificate> {
        match calls.object() {
            Object::List => self.lists.certificate(calls),
            Object::Register => self.registers.certificate(calls),
            Object::Set | Object::Counter | Object::Queue | Object::Mutex => None,
        }
    }
}

/// Checks all registers of a history in one pass over it. Each key's operations are logged in a compact form, so that
/// the key is later checked from contiguous memory. The log of a key with very many operations is folded into its
/// contents now and then, because all of it would not fit the cache.
#[derive(Default, Debug)]
pub(crate) struct Survey {
    keys: Vec<KeySurvey>,
    log: EventLog,
    registers: RegisterZoneChecker,
}

/// The survey of one key.
#[derive(Debug)]
struct KeySurvey {
    events: KeyEvents,
    /// The contents from the folded part of the log, if there is one.
    folded: Option<Box<RegisterContents>>,
    /// Whether the survey cannot decide the key: no register, or an anomaly.
    is_other: bool,
}

/// The log of a key is folded when it has so many events.
const MAX_UNFOLDED_EVENTS: usize = 1 << 12;

impl Survey {
    /// Adds one call. Keys have numbers, in order of first appearance.
    #[inline]
    pub(crate) fn add(&mut self, key: usize, call: &Call) {
        if key == self.keys.len() {
            let is_other = Object::of(call.operation.action) != Object::Register;
            self.keys.push(KeySurvey { events: KeyEvents::EMPTY, folded: None, is_other });
        }
        let survey = &mut self.keys[key];
        if !survey.is_other {
            survey.is_other = !self.log.push(&mut survey.events, RegisterEvent::of(call, Time::MAX));
            if survey.events.len() >= MAX_UNFOLDED_EVENTS {
                survey.fold_events(&mut self.log);
            }
        }
    }

    /// Whether the survey proves that a key has an order; false does not disprove it. To be called once per key.
    pub(crate) fn has_order(&mut self, key: usize) -> bool {
        let survey = &mut self.keys[key];
        if survey.folded.is_some() {
            survey.fold_events(&mut self.log);
        }
        match survey.folded.take() {
            _ if survey.is_other => false,
            Some(mut contents) => self.registers.has_order_of(&mut contents),
            None => self.registers.has_order(self.log.of(survey.events)),
        }
    }
}

impl KeySurvey {
    #[cold]
    fn fold_events(&mut self, log: &mut EventLog) {
        let contents = self.folded.get_or_insert_with(|| Box::new(RegisterContents::new()));
        self.is_other |= log.of(self.events).any(|event| contents.add(event).is_err());
        log.forget(&mut self.events);
    }
}
