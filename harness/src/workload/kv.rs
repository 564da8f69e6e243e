//! The application that is replicated: registers and lists by key, with exactly-once sessions.
//!
//! Its commands are strings of bytes in the log; the empty one is a leader's no-op. Its digest is a sum over all items
//! (contents, list elements, session marks, kept responses), kept as they come and go, so that it costs the same
//! however much there is; [`Kv::recomputed_digest`] looks at every item instead, for restores and as its twin.

use super::Request;
use bytes::BufMut;
use invariants::{Action, Content, Digest, Operation, RequestId, Response};
use raft_core::session::{Applied, Sessions};

/// Keys are small and dense: both kinds of content are kept in a table by key.
const MOST_KEYS: u64 = 1 << 20;

/// The key-value application of one server.
#[derive(Clone, PartialEq, Debug)]
pub struct Kv {
    data: Data,
    /// What each request came to, and the index of the entry that it had its effect in.
    sessions: Sessions<(u64, Response)>,
    /// The sum over all items of `sessions`.
    sessions_digest: u64,
    /// Bug K01, `retry-applied-twice`: entries are applied without a look at the sessions.
    without_sessions: bool,
}

/// What one entry came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The request in it; `None` for a no-op.
    pub id: Option<RequestId>,
    /// Whether it was carried out now. A retry that was answered from the sessions was not.
    pub effect: bool,
    /// The index at which the request had its effect, now or when it was first applied, and what it came to. `None`
    /// for a no-op, and for a request whose client has had its answer.
    pub written: Option<(u64, Response)>,
}

impl Kv {
    /// Nothing stored. `without_sessions` switches on bug K01, `retry-applied-twice`.
    #[must_use]
    pub fn new(without_sessions: bool) -> Kv {
        Kv { data: Data::default(), sessions: Sessions::new(), sessions_digest: 0, without_sessions }
    }

    /// Applies the command of the entry at `index`.
    pub fn apply(&mut self, index: u64, command: &[u8]) -> Outcome {
        if command.is_empty() {
            return Outcome { id: None, effect: false, written: None };
        }
        let Request { id, acknowledged, operation } =
            decode(command).expect("a committed entry holds no command that was ever encoded");
        let Kv { data, sessions, sessions_digest, without_sessions } = self;
        if *without_sessions {
            return Outcome { id: Some(id), effect: true, written: Some((index, data.carry_out(operation))) };
        }
        let RequestId { session, sequence } = id;
        let mark = sessions.acknowledge(session, acknowledged, |sequence, kept| {
            *sessions_digest = sessions_digest.wrapping_sub(kept_item(session, sequence, &kept));
        });
        if acknowledged > mark {
            let moved = mark_item(session, acknowledged).wrapping_sub(mark_item(session, mark));
            *sessions_digest = sessions_digest.wrapping_add(moved);
        }
        let applied = sessions.apply(session, sequence, acknowledged, || (index, data.carry_out(operation)));
        let (effect, written) = match applied {
            Applied::Fresh(kept) => {
                *sessions_digest = sessions_digest.wrapping_add(kept_item(session, sequence, kept));
                (true, Some(kept.clone()))
            }
            Applied::Repeated(kept) => (false, Some(kept.clone())),
            Applied::Forgotten => (false, None),
        };
        Outcome { id: Some(id), effect, written }
    }

    /// Answers a read from the state as it is.
    #[must_use]
    pub fn read(&self, operation: Operation) -> Response {
        match operation.action {
            Action::Get => Response::Holds(self.data.register(operation.key)),
            Action::List => Response::List(self.data.list(operation.key).to_vec()),
            action => panic!("{action:?} is no read and has to go through the log"),
        }
    }

    /// The whole state, as a sum over its items.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        Digest(self.data.digest.wrapping_add(self.sessions_digest))
    }

    /// The same sum, with a look at every item.
    #[must_use]
    pub fn recomputed_digest(&self) -> Digest {
        let registers =
            self.data.registers.iter().zip(0..).map(|(content, key)| register_item(key, *content));
        let lists = self.data.lists.iter().zip(0..).flat_map(|(list, key)| {
            list.iter().zip(0..).map(move |(element, place)| element_item(key, place, *element))
        });
        let sessions = self.sessions.items().flat_map(|(number, session)| {
            let kept = session.responses().map(move |(sequence, kept)| kept_item(number, sequence, kept));
            kept.chain([mark_item(number, session.acknowledged())])
        });
        Digest(registers.chain(lists).chain(sessions).fold(0, u64::wrapping_add))
    }
}

/// The contents, without sessions.
#[derive(Clone, Default, PartialEq, Debug)]
struct Data {
    /// By key; those beyond the end hold [`Content::INITIAL`].
    registers: Vec<Content>,
    /// By key; those beyond the end are empty.
    lists: Vec<Vec<u64>>,
    /// The sum over all items of both.
    digest: u64,
}

impl Data {
    fn register(&self, key: u64) -> Content {
        self.registers.get(key as usize).copied().unwrap_or(Content::INITIAL)
    }

    fn list(&self, key: u64) -> &[u64] {
        self.lists.get(key as usize).map_or(&[], Vec::as_slice)
    }

    fn carry_out(&mut self, Operation { key, action }: Operation) -> Response {
        assert!(key < MOST_KEYS, "key {key} is not among the small and dense ones that are stored here");
        match action {
            Action::Get => Response::Holds(self.register(key)),
            Action::List => Response::List(self.list(key).to_vec()),
            Action::Put(value) => self.set(key, Content::Present(value)),
            Action::Delete(tombstone) => self.set(key, Content::Absent(tombstone)),
            Action::CompareAndSet { expect, value } => match self.register(key) {
                held if held == expect => self.set(key, Content::Present(value)),
                held => Response::Mismatch(Some(held)),
            },
            Action::Append(element) => {
                let list = entry(&mut self.lists, key, Vec::new());
                self.digest = self.digest.wrapping_add(element_item(key, list.len() as u64, element));
                list.push(element);
                Response::Done
            }
            Action::Replace(element) => {
                let list = entry(&mut self.lists, key, Vec::new());
                for (place, &held) in (0..).zip(&*list) {
                    self.digest = self.digest.wrapping_sub(element_item(key, place, held));
                }
                self.digest = self.digest.wrapping_add(element_item(key, 0, element));
                *list = vec![element];
                Response::Done
            }
        }
    }

    fn set(&mut self, key: u64, content: Content) -> Response {
        let held = entry(&mut self.registers, key, Content::INITIAL);
        self.digest =
            self.digest.wrapping_sub(register_item(key, *held)).wrapping_add(register_item(key, content));
        *held = content;
        Response::Done
    }
}

/// The place of `key` in a table that grows as keys come.
fn entry<T: Clone>(table: &mut Vec<T>, key: u64, empty: T) -> &mut T {
    let place = key as usize;
    if table.len() <= place {
        table.resize(place + 1, empty);
    }
    &mut table[place]
}

// What each item adds to the sum. What nobody ever wrote adds nothing, however large the tables are.

fn register_item(key: u64, content: Content) -> u64 {
    if content == Content::INITIAL { 0 } else { item(1, key).then(of_content(content)).0 }
}

fn element_item(key: u64, place: u64, element: u64) -> u64 {
    item(2, key).then(place).then(element).0
}

fn mark_item(session: u64, acknowledged: u64) -> u64 {
    if acknowledged == 0 { 0 } else { item(3, session).then(acknowledged).0 }
}

fn kept_item(session: u64, sequence: u64, (index, response): &(u64, Response)) -> u64 {
    let kept = item(4, session).then(sequence).then(*index);
    match response {
        Response::Done => kept.then(0).0,
        Response::Holds(content) => kept.then(1).then(of_content(*content)).0,
        Response::Mismatch(None) => kept.then(2).0,
        Response::Mismatch(Some(content)) => kept.then(3).then(of_content(*content)).0,
        Response::List(list) => list.iter().fold(kept.then(4), |kept, element| kept.then(*element)).0,
    }
}

fn item(kind: u64, key: u64) -> Digest {
    Digest::EMPTY.then(kind << 56 ^ key)
}

fn of_content(content: Content) -> u64 {
    match content {
        Content::Absent(tombstone) => Digest::EMPTY.then(0).then(tombstone).0,
        Content::Present(value) => Digest::EMPTY.then(1).then(value).0,
    }
}

/// Writes a request as the command of an entry: some ten to forty bytes.
pub fn encode(request: &Request, to: &mut impl BufMut) {
    let Request { id, acknowledged, operation: Operation { key, action } } = *request;
    let (kind, words): (u8, [u64; 2]) = match action {
        Action::Get => (0, [0; 2]),
        Action::Put(value) => (1, [value, 0]),
        Action::Delete(tombstone) => (2, [tombstone, 0]),
        Action::CompareAndSet { expect: Content::Absent(tombstone), value } => (3, [tombstone, value]),
        Action::CompareAndSet { expect: Content::Present(held), value } => (4, [held, value]),
        Action::Append(element) => (5, [element, 0]),
        Action::List => (6, [0; 2]),
        Action::Replace(element) => (7, [element, 0]),
    };
    to.put_u8(kind);
    for word in [id.session, id.sequence, acknowledged, key].into_iter().chain(words) {
        put_number(word, to);
    }
}

/// Reads what [`encode`] wrote; `None` if it is anything else.
#[must_use]
pub fn decode(mut command: &[u8]) -> Option<Request> {
    let (kind, rest) = command.split_first()?;
    command = rest;
    let mut words = [0; 6];
    for word in &mut words {
        *word = take_number(&mut command)?;
    }
    let [session, sequence, acknowledged, key, first, second] = words;
    let action = match kind {
        0 => Action::Get,
        1 => Action::Put(first),
        2 => Action::Delete(first),
        3 => Action::CompareAndSet { expect: Content::Absent(first), value: second },
        4 => Action::CompareAndSet { expect: Content::Present(first), value: second },
        5 => Action::Append(first),
        6 => Action::List,
        7 => Action::Replace(first),
        _ => return None,
    };
    let id = RequestId { session, sequence };
    command.is_empty().then_some(Request { id, acknowledged, operation: Operation { key, action } })
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn put_number(mut number: u64, to: &mut impl BufMut) {
    while number >= 0x80 {
        to.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    to.put_u8(number as u8);
}

fn take_number(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests;
