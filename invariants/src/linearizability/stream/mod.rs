//! The zones of a history while it goes on, in bounded memory.
//!
//! This is the check by zones, one event after the other: each content belongs to a chain, a chain has its first return and
//! its last call, and no two chains may each have to stand before the other. Time is the order of the events.
//!
//! *Why it may forget.* Let W be the oldest call of all operations that are open. Whoever returns later was called at W
//! or after. So
//!
//! - a content is forgotten once somebody has seen what was made of it and returned before W: whoever sees it later was
//!   called after that, which is a contradiction whatever else happens;
//! - a chain C is forgotten, up to its two numbers, once there is a chain D with `f_C < s_D` and `f_D < W`: C stands
//!   before D, and whoever sees C later makes it stand behind D as well;
//! - its two numbers are forgotten once all chains that are not decided begin after its last call.
//!
//! So a content that is seen again after it was forgotten is a violation in any case, and no memory of it is needed to
//! say so. What it cannot forget by itself is a mutation of unknown outcome that nobody has seen: it may happen at any
//! time. Whoever knows from elsewhere that it will not, says so: see [`Stream::retired`]. Live entries are then some per
//! open operation, however long the history is.
//!
//! It finds what the check of the whole history finds, as soon as it is there. It does not explain it: for that the
//! history has to be recorded.

mod zones;
mod registers;
mod lists;

use super::dense_map::DenseMap;
use super::fixed_hash_map::FixedHashMap;
use super::operation::{Action, Content, Object, Operation, Response};
use crate::fact::RequestId;
use lists::ListStream;
use registers::RegisterStream;
use serde::Serialize;
use std::collections::VecDeque;
use std::fmt;
use zones::{Tick, ZoneConflict};

/// So many answers on a key pass between two looks at what may be forgotten.
const ANSWERS_PER_SWEEP: u32 = 16;

/// What is wrong on a key.
#[derive(Clone, PartialEq, Eq, Debug)]
enum StreamFailure {
    /// Nothing, but this check does not understand it: a content was written twice.
    Repeated,
    /// A content that nobody would write, or that was forgotten.
    Missing(String),
    Violation(String),
}

impl From<ZoneConflict> for StreamFailure {
    fn from(clash: ZoneConflict) -> StreamFailure {
        StreamFailure::Violation(clash.to_string())
    }
}

/// What clients saw, as far as it went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamVerdict {
    /// There is an order that explains every answer.
    Linearizable,
    /// Another check must tell: this key is neither a register nor a list, or on it contents were written twice, or a failed compare-and-set did not tell what
    /// it found, or something was seen that had been retired.
    Unknown {
        /// The smallest such key.
        key: u64,
    },
}

/// No order explains what clients saw up to here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StreamViolation {
    /// The key.
    pub key: u64,
    /// The operation whose answer made it so.
    pub id: RequestId,
    /// What is wrong with it.
    pub sentence: String,
}

impl fmt::Display for StreamViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{} is not linearizable: {}", self.key, self.sentence)
    }
}

#[derive(Clone, Debug)]
enum KeyState {
    Register(RegisterStream),
    /// The larger by far, and so kept elsewhere.
    List(Box<ListStream>),
    /// Not understood.
    Unsupported,
}

#[derive(Clone, Debug)]
struct StreamKey {
    state: KeyState,
    answers: u32,
    /// Whether a failed compare-and-set told nothing.
    has_unknown_mismatch: bool,
    /// Whether something was retired.
    has_retired: bool,
}

/// An operation from call to answer.
#[derive(Clone, Copy, Debug)]
struct OpenCall {
    called: Tick,
    /// How many calls there had been.
    number: u64,
    /// The number of its key.
    key: u32,
    operation: Operation,
}

/// Judges a history while it goes on.
#[derive(Clone, Debug)]
pub struct Stream {
    now: Tick,
    open: FixedHashMap<RequestId, OpenCall>,
    /// The newest calls, from the oldest one that is open on, and whether they are.
    calls: VecDeque<(Tick, bool)>,
    /// How many calls there were before these.
    calls_before: u64,
    /// Numbers of keys, and what is known of each.
    numbers: DenseMap<u32>,
    keys: Vec<StreamKey>,
    max_live_per_key: usize,
    checks: u64,
    answers_per_sweep: u32,
}

impl Default for Stream {
    fn default() -> Stream {
        Stream::new()
    }
}

impl Stream {
    /// A stream that has seen nothing.
    #[must_use]
    pub const fn new() -> Stream {
        Stream::with_sweep_interval(ANSWERS_PER_SWEEP)
    }

    /// One that looks for what may be forgotten after every so many answers on a key: fewer take more time and less
    /// memory.
    #[must_use]
    pub const fn with_sweep_interval(answers: u32) -> Stream {
        Stream {
            now: 0,
            open: FixedHashMap::new(),
            calls: VecDeque::new(),
            calls_before: 0,
            numbers: DenseMap::new(),
            keys: Vec::new(),
            max_live_per_key: 0,
            checks: 0,
            answers_per_sweep: answers,
        }
    }

    /// A client calls. A retry of the same request is no new call.
    pub fn record_call(&mut self, id: RequestId, operation: Operation) {
        self.now += 1;
        let now = self.now;
        let key = *self.numbers.get_or_insert_with(operation.key, || {
            self.keys.push(StreamKey::new(Object::of(operation.action)));
            u32::try_from(self.keys.len() - 1).expect("fewer than four thousand million keys")
        });
        let number = self.calls_before + self.calls.len() as u64;
        self.calls.push_back((now, true));
        let is_new = self.open.insert(id, OpenCall { called: now, number, key, operation });
        assert!(is_new, "{id} was called twice");
        let key = &mut self.keys[key as usize];
        let called = match (&mut key.state, operation.action) {
            (KeyState::Register(register), Action::CompareAndSet { expect, value }) => {
                register.record_call(Content::Present(value), Some(expect), now)
            }
            (KeyState::Register(register), action) => match product(action) {
                Some(content) => register.record_call(content, None, now),
                None => Ok(()),
            },
            (KeyState::List(list), Action::Append(element)) => list.record_call(element, false, now),
            (KeyState::List(list), Action::Replace(element)) => list.record_call(element, true, now),
            (KeyState::List(_) | KeyState::Unsupported, _) => Ok(()),
        };
        if called.is_err() {
            key.state = KeyState::Unsupported;
        }
    }

    /// A client is told the outcome of its request.
    ///
    /// # Errors
    /// Where no order explains it all any more. What comes after means nothing.
    pub fn record_response(
        &mut self,
        id: RequestId,
        response: &Response,
    ) -> Result<(), Box<StreamViolation>> {
        let OpenCall { called, key, operation, .. } = self.close(id);
        self.now += 1;
        self.checks += 1;
        let now = self.now;
        let watermark = self.calls.front().map_or(now, |&(called, _)| called);
        let key = &mut self.keys[key as usize];
        let flaw = match (&mut key.state, operation.action, response) {
            (KeyState::Unsupported, ..) => Ok(()),
            (
                KeyState::Register(register),
                Action::CompareAndSet { expect, value },
                Response::Mismatch(found),
            ) => {
                key.has_unknown_mismatch |= found.is_none();
                register.record_failure(Content::Present(value)).and_then(|()| match *found {
                    Some(found) if found == expect => Err(StreamFailure::Violation(
                        "it failed because it found what it expected".to_string(),
                    )),
                    Some(found) => register.record_seen(found, called, now),
                    None => Ok(()),
                })
            }
            (KeyState::Register(register), _, Response::Holds(content)) => {
                register.record_seen(*content, called, now)
            }
            (KeyState::Register(register), action, _) => match product(action) {
                Some(content) => register.record_seen(content, called, now),
                None => Ok(()),
            },
            (KeyState::List(list), Action::Append(element) | Action::Replace(element), _) => {
                list.record_append(element, called, now)
            }
            (KeyState::List(list), _, Response::List(elements)) => list.record_read(elements, called, now),
            (KeyState::List(_), ..) => Ok(()),
        };
        let sentence = match flaw {
            Ok(()) => {
                key.answers += 1;
                if key.answers.is_multiple_of(self.answers_per_sweep) {
                    let before = key.live_entries();
                    match &mut key.state {
                        KeyState::Register(register) => register.forget_before(watermark),
                        KeyState::List(list) => list.forget_before(watermark),
                        KeyState::Unsupported => {}
                    }
                    self.max_live_per_key = self.max_live_per_key.max(before);
                }
                return Ok(());
            }
            Err(StreamFailure::Missing(_)) if key.has_retired => {
                key.state = KeyState::Unsupported;
                return Ok(());
            }
            Err(StreamFailure::Repeated) => {
                key.state = KeyState::Unsupported;
                return Ok(());
            }
            Err(StreamFailure::Missing(content)) => {
                format!("{content} was never written, or was gone by the time of the call")
            }
            Err(StreamFailure::Violation(sentence)) => sentence,
        };
        let sentence = format!("{id} ({operation}) was told \"{response}\": {sentence}");
        Err(Box::new(StreamViolation { key: operation.key, id, sentence }))
    }

    /// A client will take no answer to its request. It may have happened, or may happen yet.
    pub fn record_abandoned(&mut self, id: RequestId) {
        self.close(id);
    }

    /// A client knows that its request did not happen and never will: every copy of it was refused.
    ///
    /// # Errors
    /// Where somebody has seen what it would have written.
    pub fn record_failure(&mut self, id: RequestId) -> Result<(), Box<StreamViolation>> {
        let OpenCall { operation, key, .. } = self.close(id);
        let key = &mut self.keys[key as usize];
        let taken_back = match (&mut key.state, operation.action) {
            (KeyState::Register(register), action) => {
                product(action).map(|content| register.record_failure(content))
            }
            (KeyState::List(list), Action::Append(element) | Action::Replace(element)) => {
                Some(list.record_failure(element))
            }
            (KeyState::List(_) | KeyState::Unsupported, _) => None,
        };
        let Some(Err(StreamFailure::Violation(sentence))) = taken_back else { return Ok(()) };
        let sentence = format!("{id} ({operation}) failed: {sentence}");
        Err(Box::new(StreamViolation { key: operation.key, id, sentence }))
    }

    /// A mutation whose client gave up is of no further consequence: it did not happen and never will, or what it wrote is
    /// gone. A system that goes by sessions knows this when it has seen a later request of the session, or its end.
    /// Should the system be wrong, then the verdict is unknown; it is never "linearizable".
    pub fn retire(&mut self, operation: Operation) {
        let Some(&key) = self.numbers.get(operation.key) else { return };
        let key = &mut self.keys[key as usize];
        key.has_retired = true;
        match (&mut key.state, operation.action) {
            (KeyState::List(list), Action::Append(element) | Action::Replace(element)) => {
                list.retire(element)
            }
            (KeyState::Register(register), action) => {
                if let Some(content) = product(action) {
                    register.retire(content);
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, id: RequestId) -> OpenCall {
        let open = self.open.remove(id).unwrap_or_else(|| panic!("{id} is not open"));
        self.calls[(open.number - self.calls_before) as usize].1 = false;
        while self.calls.front().is_some_and(|&(_, is_open)| !is_open) {
            self.calls.pop_front();
            self.calls_before += 1;
        }
        open
    }

    /// The verdict on what has been seen so far, if nothing was found to be broken.
    #[must_use]
    pub fn verdict(&self) -> StreamVerdict {
        let unclear =
            |key: &StreamKey| key.has_unknown_mismatch || matches!(key.state, KeyState::Unsupported);
        match self.numbers.iter().find(|&(_, &number)| unclear(&self.keys[number as usize])) {
            Some((key, _)) => StreamVerdict::Unknown { key },
            None => StreamVerdict::Linearizable,
        }
    }

    /// How many answers were looked at.
    #[must_use]
    pub const fn checks(&self) -> u64 {
        self.checks
    }

    /// How many entries are remembered now: open operations, contents, zones.
    #[must_use]
    pub fn live_entries(&self) -> usize {
        self.open.len() + self.keys.iter().map(StreamKey::live_entries).sum::<usize>()
    }

    /// The most entries that any one key had when it was time to forget some.
    #[must_use]
    pub const fn max_live_per_key(&self) -> usize {
        self.max_live_per_key
    }
}

impl StreamKey {
    fn new(object: Object) -> StreamKey {
        let held = match object {
            Object::Register => KeyState::Register(RegisterStream::new()),
            Object::List => KeyState::List(Box::new(ListStream::new())),
            Object::Set | Object::Counter | Object::Queue | Object::Mutex => KeyState::Unsupported,
        };
        StreamKey { state: held, answers: 0, has_unknown_mismatch: false, has_retired: false }
    }

    fn live_entries(&self) -> usize {
        match &self.state {
            KeyState::Register(register) => register.live_entries(),
            KeyState::List(list) => list.live_entries(),
            KeyState::Unsupported => 0,
        }
    }
}

/// What an action on a register would write.
fn product(action: Action) -> Option<Content> {
    match action {
        Action::Put(value) | Action::CompareAndSet { value, .. } => Some(Content::Present(value)),
        Action::Delete(deletion) => Some(Content::Absent(deletion)),
        _ => None,
    }
}
