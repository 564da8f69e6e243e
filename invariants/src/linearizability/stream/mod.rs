//! The online zone check, in bounded memory.
//!
//! This is the check by zones, one event at a time: each content belongs to a chain, a chain has a first return f and
//! a last invocation s, and no two chains may each have to precede the other. Time is the order of the events.
//!
//! *Why forgetting is sound.* Let W be the oldest invocation of all pending operations. Every operation that returns
//! later was invoked at W or after it. So
//!
//! - a content is forgotten once an operation that observed a later content of its chain returned before W: any later
//!   observation of the content was invoked after that, which is a contradiction;
//! - a chain C is forgotten, up to its two times, once there is a chain D with `f_C < s_D` and `f_D < W`: C precedes
//!   D, and a later observation of C would make D precede C as well. C is then *decided*;
//! - its two times are forgotten once every undecided chain begins after its last invocation.
//!
//! So an observation of a forgotten content is a violation in any case. The check cannot forget by itself a mutation
//! of unknown outcome that was not observed, which may take effect at any time. A caller that knows better calls
//! [`Stream::retire`]. Then there are a few live entries per pending operation, however long the history is.
//!
//! The check finds the same violations as the check of the whole history, and as early as possible. It does not
//! explain them: that takes a recorded history.

mod zones;
mod contradiction;
mod registers;
mod lists;

pub use contradiction::StreamContradiction;

use super::fixed_hash_map::FixedHashMap;
use super::operation::{Action, Content, Object, Operation, Response};
use crate::dense_map::DenseMap;
use crate::fact::RequestId;
use lists::ListStream;
use registers::RegisterStream;
use serde::Serialize;
use std::collections::VecDeque;
use std::fmt;
use zones::Tick;

/// Forgetting runs once per so many responses on a key.
const ANSWERS_PER_SWEEP: u32 = 16;

/// The verdict on the history so far.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamVerdict {
    /// Some order explains all responses.
    Linearizable,
    /// Not decided on some key: it is neither a register nor a list, its contents are not unique, a failed
    /// compare-and-set did not return the content, or something retired was observed.
    Unknown {
        /// The smallest such key.
        key: u64,
    },
}

/// No order explains the history so far.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StreamViolation {
    /// The operation whose response completed the violation.
    pub id: RequestId,
    /// Its request.
    pub operation: Operation,
    /// The response. `None`: it failed, so that it must never take effect.
    pub response: Option<Response>,
    /// What is wrong with that.
    pub contradiction: StreamContradiction,
}

impl fmt::Display for StreamViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StreamViolation { id, operation, response, contradiction } = self;
        write!(f, "k{} is not linearizable: {id} ({operation}) ", operation.key)?;
        match response {
            Some(response) => write!(f, "returned \"{response}\": {contradiction}"),
            None => write!(f, "failed: {contradiction}"),
        }
    }
}

#[derive(Clone, Debug)]
enum KeyState {
    Register(RegisterStream),
    /// Boxed, because it is much larger.
    List(Box<ListStream>),
    /// The check does not apply.
    Unsupported,
}

#[derive(Clone, Debug)]
struct StreamKey {
    state: KeyState,
    answers: u32,
    /// Whether a failed compare-and-set did not return the content.
    has_unknown_mismatch: bool,
    /// Whether an operation was retired.
    has_retired: bool,
}

/// A pending operation.
#[derive(Clone, Copy, Debug)]
struct OpenCall {
    called: Tick,
    /// The number of calls before it.
    number: u64,
    /// The number of its key.
    key: u32,
    operation: Operation,
}

/// Checks a history online.
#[derive(Clone, Debug)]
pub struct Stream {
    now: Tick,
    open: FixedHashMap<RequestId, OpenCall>,
    /// The calls from the oldest pending one on, and whether each is pending.
    calls: VecDeque<(Tick, bool)>,
    /// The number of calls before these.
    calls_before: u64,
    /// The number of each key, and by number its state.
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
    /// A stream without events.
    #[must_use]
    pub const fn new() -> Stream {
        Stream::with_sweep_interval(ANSWERS_PER_SWEEP)
    }

    /// A stream that forgets once per so many responses on a key: a smaller interval takes more time and less memory.
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

    /// A client invokes an operation. A retry of the same request is no new call.
    ///
    /// # Panics
    /// If the request is pending already.
    pub fn record_call(&mut self, id: RequestId, operation: Operation) {
        self.now += 1;
        let now = self.now;
        let key = *self.numbers.get_or_insert_with(operation.key, || {
            self.keys.push(StreamKey::new(Object::of(operation.action)));
            u32::try_from(self.keys.len() - 1).expect("fewer than 2^32 keys")
        });
        let number = self.calls_before + self.calls.len() as u64;
        self.calls.push_back((now, true));
        let is_new = self.open.insert(id, OpenCall { called: now, number, key, operation });
        assert!(is_new, "{id} was called twice");
        let key = &mut self.keys[key as usize];
        let is_new = match (&mut key.state, operation.action) {
            (KeyState::Register(register), Action::CompareAndSet { expect, value }) => {
                register.record_call(Content::Present(value), Some(expect), now)
            }
            (KeyState::Register(register), action) => match product(action) {
                Some(content) => register.record_call(content, None, now),
                None => true,
            },
            (KeyState::List(list), Action::Append(element)) => list.record_call(element, false, now),
            (KeyState::List(list), Action::Replace(element)) => list.record_call(element, true, now),
            (KeyState::List(_) | KeyState::Unsupported, _) => true,
        };
        if !is_new {
            key.state = KeyState::Unsupported;
        }
    }

    /// An operation returns.
    ///
    /// # Errors
    /// If no order explains the history any more. Later results are meaningless.
    ///
    /// # Panics
    /// If the request is not pending.
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
        let result = match (&mut key.state, operation.action, response) {
            (KeyState::Unsupported, ..) => Ok(()),
            (
                KeyState::Register(register),
                Action::CompareAndSet { expect, value },
                Response::Mismatch(found),
            ) => {
                key.has_unknown_mismatch |= found.is_none();
                register.record_failure(Content::Present(value)).and_then(|()| match *found {
                    Some(found) if found == expect => Err(StreamContradiction::FoundWhatItExpected {}),
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
        match result {
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
                Ok(())
            }
            Err(StreamContradiction::Missing { .. }) if key.has_retired => {
                key.state = KeyState::Unsupported;
                Ok(())
            }
            Err(contradiction) => {
                let response = Some(response.clone());
                Err(Box::new(StreamViolation { id, operation, response, contradiction }))
            }
        }
    }

    /// A client gives up. The outcome is unknown.
    pub fn record_abandoned(&mut self, id: RequestId) {
        self.close(id);
    }

    /// A client knows that its request never takes effect: every copy of it was rejected.
    ///
    /// # Errors
    /// If what it would have written was observed.
    pub fn record_failure(&mut self, id: RequestId) -> Result<(), Box<StreamViolation>> {
        let OpenCall { operation, key, .. } = self.close(id);
        let key = &mut self.keys[key as usize];
        let result = match (&mut key.state, operation.action) {
            (KeyState::Register(register), action) => {
                product(action).map_or(Ok(()), |content| register.record_failure(content))
            }
            (KeyState::List(list), Action::Append(element) | Action::Replace(element)) => {
                list.record_failure(element)
            }
            (KeyState::List(_) | KeyState::Unsupported, _) => Ok(()),
        };
        result.map_err(|contradiction| {
            Box::new(StreamViolation { id, operation, response: None, contradiction })
        })
    }

    /// Retires a mutation of unknown outcome that can be ignored from now on: it never takes effect, or its content
    /// has been replaced. A system with sessions knows this once it has seen a later request of the session, or its
    /// end. If that was wrong, the verdict is unknown, never "linearizable".
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
        let open = self.open.remove(id).unwrap_or_else(|| panic!("{id} returned, but is not pending"));
        self.calls[(open.number - self.calls_before) as usize].1 = false;
        while self.calls.front().is_some_and(|&(_, is_open)| !is_open) {
            self.calls.pop_front();
            self.calls_before += 1;
        }
        open
    }

    /// The verdict so far, if no violation was reported.
    #[must_use]
    pub fn verdict(&self) -> StreamVerdict {
        let unclear =
            |key: &StreamKey| key.has_unknown_mismatch || matches!(key.state, KeyState::Unsupported);
        match self.numbers.iter().find(|&(_, &number)| unclear(&self.keys[number as usize])) {
            Some((key, _)) => StreamVerdict::Unknown { key },
            None => StreamVerdict::Linearizable,
        }
    }

    /// The number of responses checked.
    #[must_use]
    pub const fn checks(&self) -> u64 {
        self.checks
    }

    /// The entries in memory now: pending operations, contents, zones.
    #[must_use]
    pub fn live_entries(&self) -> usize {
        self.open.len() + self.keys.iter().map(StreamKey::live_entries).sum::<usize>()
    }

    /// The most entries that a key had when it came to forgetting.
    #[must_use]
    pub const fn max_live_per_key(&self) -> usize {
        self.max_live_per_key
    }
}

impl StreamKey {
    fn new(object: Object) -> StreamKey {
        let state = match object {
            Object::Register => KeyState::Register(RegisterStream::new()),
            Object::List => KeyState::List(Box::new(ListStream::new())),
            Object::Set | Object::Counter | Object::Queue | Object::Mutex => KeyState::Unsupported,
        };
        StreamKey { state, answers: 0, has_unknown_mismatch: false, has_retired: false }
    }

    fn live_entries(&self) -> usize {
        match &self.state {
            KeyState::Register(register) => register.live_entries(),
            KeyState::List(list) => list.live_entries(),
            KeyState::Unsupported => 0,
        }
    }
}

/// The content that an action on a register writes.
fn product(action: Action) -> Option<Content> {
    match action {
        Action::Put(value) | Action::CompareAndSet { value, .. } => Some(Content::Present(value)),
        Action::Delete(deletion) => Some(Content::Absent(deletion)),
        _ => None,
    }
}
