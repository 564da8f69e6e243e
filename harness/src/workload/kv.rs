//! The application that is replicated: registers and lists by key, with exactly-once sessions.
//!
//! Its commands are strings of bytes in the log; the empty one is a leader's no-op. Where sessions end, each command
//! carries the stamp of the leader that appended it, and the greatest one applied so far is the time by which they end.
//! Who only passes a command on stamps it as well, but the leader puts its own stamp in place of that ([`restamp`]).
//!
//! Its digest is a sum over all items (contents, list elements, session marks, last uses, kept responses, log time), kept
//! as they come and go, so that it costs the same however much there is; [`Kv::recomputed_digest`] looks at every item
//! instead, for restores and as its twin. The whole state can be written to an image and read back ([`Kv::to_bytes`],
//! [`Kv::from_bytes`]).

mod image;

pub use image::InvalidImage;

use super::{ClientResponse, Request, RequestBody};
use crate::bugs::{self, HostBug};
use crate::plan::Plan;
use bytes::BufMut;
use invariants::{Action, Content, Digest, Operation, RequestId, Response};
use raft_core::session::{Applied, Session, Sessions};

/// Keys are small and dense: both kinds of content are kept in a table by key.
const MAX_KEYS: u64 = 1 << 20;

/// How the application is set up: alike on all servers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct KvConfig {
    /// For how many nanoseconds of log time a session may go unused. 0: for ever, and none is registered.
    pub session_lifetime: u64,
    /// The bug that is switched on.
    pub bug: Option<HostBug>,
}

impl KvConfig {
    /// As a plan has it.
    #[must_use]
    pub fn from_plan(plan: &Plan) -> KvConfig {
        let bug = bugs::enabled_bug(plan.bug.as_deref(), HostBug::named);
        KvConfig { session_lifetime: plan.clients.session.0, bug }
    }
}

/// A wall clock's reading as a stamp. One that was set to before the beginning of all time moves nothing.
fn clock_to_timestamp(wall: i64) -> u64 {
    u64::try_from(wall).unwrap_or(0)
}

/// The key-value application of one server.
#[derive(Clone, PartialEq, Debug)]
pub struct Kv {
    settings: KvConfig,
    data: Data,
    /// What each request came to, and the index of the entry that it had its effect in.
    sessions: Sessions<(u64, Response)>,
    /// The sum over all items of `sessions`.
    sessions_digest: u64,
}

/// What one entry came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplyResult {
    /// The request in it; `None` for a no-op and for a registration, of which each copy makes a session of its own.
    pub id: Option<RequestId>,
    /// Whether it was carried out now. A retry that was answered from the sessions was not, and neither was a request in
    /// a session that has ended.
    pub took_effect: bool,
    /// What its client is told. A mutation names the index at which it had its effect, now or when it was first applied.
    /// `None` for a no-op, and for a request whose client has had its answer.
    pub response: Option<ClientResponse>,
}

impl Kv {
    /// Nothing stored.
    #[must_use]
    pub fn new(settings: KvConfig) -> Kv {
        let sessions = Sessions::with_lifetime(settings.session_lifetime);
        Kv { settings, data: Data::default(), sessions, sessions_digest: 0 }
    }

    /// The stamp of a command that is proposed, or arrives at the leader, when the wall clock of this server shows `wall`.
    /// `None` where sessions never end.
    #[must_use]
    pub fn timestamp(&self, wall: i64) -> Option<u64> {
        (self.settings.session_lifetime > 0).then(|| clock_to_timestamp(wall))
    }

    /// Applies the command of the entry at `index`. `wall` is the wall clock of this server: nothing may depend on it, and
    /// only a bug does.
    pub fn apply(&mut self, index: u64, command: &[u8], wall: i64) -> ApplyResult {
        // Bytes that are no command do nothing, like a no-op's: that they were committed is the log's fault, and the
        // properties of the log see it.
        let command = decode(command).filter(|command| self.is_applicable(command));
        let Some(Command {
            timestamp: stamp,
            request: Request { id, acknowledged_up_to: acknowledged, body: ask },
        }) = command
        else {
            return ApplyResult { id: None, took_effect: false, response: None };
        };
        if let Some(stamp) = stamp {
            self.advance_log_time(stamp, wall);
        }
        let RequestBody::Operation(operation) = ask else {
            self.sessions.register(index);
            self.add_to_digest(last_use_item(index, self.sessions.log_time()));
            return ApplyResult {
                id: None,
                took_effect: true,
                response: Some(ClientResponse::SessionRegistered { session: index }),
            };
        };
        if self.settings.bug == Some(HostBug::RetryAppliedTwice) {
            let response = self.data.execute(operation);
            return ApplyResult {
                id: Some(id),
                took_effect: true,
                response: Some(ClientResponse::Written { index, response }),
            };
        }
        let (effect, answer) = self.apply_request(index, id, acknowledged, operation);
        ApplyResult { id: Some(id), took_effect: effect, response: answer }
    }

    /// Whether a client of this run could have asked it.
    const fn is_applicable(&self, command: &Command) -> bool {
        match command.request.body {
            RequestBody::RegisterSession => self.settings.session_lifetime > 0,
            RequestBody::Operation(Operation { key, .. }) => key < MAX_KEYS,
        }
    }

    /// Log time moves on with this stamp, and what was not used for too long ends.
    fn advance_log_time(&mut self, stamp: u64, wall: i64) {
        let before = self.sessions.log_time();
        let now = self.sessions.advance(stamp);
        self.add_to_digest(log_time_item(now).wrapping_sub(log_time_item(before)));
        // Servers apply the same entry at different times and by different clocks, and must forget the same sessions at it.
        let by = if self.settings.bug == Some(HostBug::SessionExpiryByLocalClock) {
            clock_to_timestamp(wall)
        } else {
            now
        };
        let Kv { sessions, sessions_digest, .. } = self;
        sessions.expire(by, |number, session| {
            *sessions_digest = sessions_digest.wrapping_sub(session_items(number, &session, true));
        });
    }

    /// A request is carried out, unless it was before or its session has ended.
    fn apply_request(
        &mut self,
        index: u64,
        RequestId { session, sequence }: RequestId,
        acknowledged: u64,
        operation: Operation,
    ) -> (bool, Option<ClientResponse>) {
        let Kv { settings, data, sessions, sessions_digest } = self;
        let mut goes = 0_u64;
        let before = sessions.acknowledge(session, acknowledged, |sequence, kept| {
            goes = goes.wrapping_add(response_item(session, sequence, &kept));
        });
        let Some(before) = before else { return (false, Some(ClientResponse::SessionExpired)) };
        *sessions_digest = sessions_digest.wrapping_sub(goes);
        if acknowledged > before.acknowledged {
            let moved = acknowledged_item(session, acknowledged)
                .wrapping_sub(acknowledged_item(session, before.acknowledged));
            *sessions_digest = sessions_digest.wrapping_add(moved);
        }
        if settings.session_lifetime > 0 && before.last_use < sessions.log_time() {
            let moved = last_use_item(session, sessions.log_time())
                .wrapping_sub(last_use_item(session, before.last_use));
            *sessions_digest = sessions_digest.wrapping_add(moved);
        }
        let written = |(index, response): &(u64, Response)| {
            Some(ClientResponse::Written { index: *index, response: response.clone() })
        };
        match sessions.apply(session, sequence, acknowledged, || (index, data.execute(operation))) {
            Applied::Fresh(kept) => {
                *sessions_digest = sessions_digest.wrapping_add(response_item(session, sequence, kept));
                (true, written(kept))
            }
            Applied::Repeated(kept) => (false, written(kept)),
            Applied::Forgotten => (false, None),
            Applied::Expired => unreachable!("it was there a line ago"),
        }
    }

    fn add_to_digest(&mut self, items: u64) {
        self.sessions_digest = self.sessions_digest.wrapping_add(items);
    }

    /// What a request came to that was applied some time ago, if its session still keeps that.
    #[must_use]
    pub fn cached_response(&self, id: RequestId) -> Option<ClientResponse> {
        let kept = self.sessions.get(id.session)?.responses().find(|(sequence, _)| *sequence == id.sequence);
        kept.map(|(_, (index, response))| ClientResponse::Written {
            index: *index,
            response: response.clone(),
        })
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
        Digest(self.data.recompute_digest().wrapping_add(self.recompute_sessions_digest()))
    }

    fn recompute_sessions_digest(&self) -> u64 {
        let end = self.settings.session_lifetime > 0;
        let sessions = self.sessions.items().map(|(number, session)| session_items(number, session, end));
        sessions.fold(log_time_item(self.sessions.log_time()), u64::wrapping_add)
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
    fn recompute_digest(&self) -> u64 {
        let registers = self.registers.iter().zip(0..).map(|(content, key)| register_item(key, *content));
        let lists = self.lists.iter().zip(0..).flat_map(|(list, key)| {
            list.iter().zip(0..).map(move |(element, place)| element_item(key, place, *element))
        });
        registers.chain(lists).fold(0, u64::wrapping_add)
    }

    fn register(&self, key: u64) -> Content {
        self.registers.get(key as usize).copied().unwrap_or(Content::INITIAL)
    }

    fn list(&self, key: u64) -> &[u64] {
        self.lists.get(key as usize).map_or(&[], Vec::as_slice)
    }

    fn execute(&mut self, Operation { key, action }: Operation) -> Response {
        assert!(key < MAX_KEYS, "key {key} is not among the small and dense ones that are stored here");
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
                let list = slot_mut(&mut self.lists, key, Vec::new());
                self.digest = self.digest.wrapping_add(element_item(key, list.len() as u64, element));
                list.push(element);
                Response::Done
            }
            Action::Replace(element) => {
                let list = slot_mut(&mut self.lists, key, Vec::new());
                for (place, &held) in (0..).zip(&*list) {
                    self.digest = self.digest.wrapping_sub(element_item(key, place, held));
                }
                self.digest = self.digest.wrapping_add(element_item(key, 0, element));
                *list = vec![element];
                Response::Done
            }
            action => unreachable!("{action:?} has no encoding, so no entry holds it"),
        }
    }

    fn set(&mut self, key: u64, content: Content) -> Response {
        let held = slot_mut(&mut self.registers, key, Content::INITIAL);
        self.digest =
            self.digest.wrapping_sub(register_item(key, *held)).wrapping_add(register_item(key, content));
        *held = content;
        Response::Done
    }
}

/// The place of `key` in a table that grows as keys come.
fn slot_mut<T: Clone>(table: &mut Vec<T>, key: u64, empty: T) -> &mut T {
    let place = key as usize;
    if table.len() <= place {
        table.resize(place + 1, empty);
    }
    &mut table[place]
}

// What each item adds to the sum. What nobody ever wrote adds nothing, however large the tables are.

fn register_item(key: u64, content: Content) -> u64 {
    if content == Content::INITIAL { 0 } else { item(1, key).then(content_digest(content)).0 }
}

fn element_item(key: u64, place: u64, element: u64) -> u64 {
    item(2, key).then(place).then(element).0
}

fn acknowledged_item(session: u64, acknowledged: u64) -> u64 {
    if acknowledged == 0 { 0 } else { item(3, session).then(acknowledged).0 }
}

fn response_item(session: u64, sequence: u64, (index, response): &(u64, Response)) -> u64 {
    let kept = item(4, session).then(sequence).then(*index);
    match response {
        Response::Done => kept.then(0).0,
        Response::Holds(content) => kept.then(1).then(content_digest(*content)).0,
        Response::Mismatch(None) => kept.then(2).0,
        Response::Mismatch(Some(content)) => kept.then(3).then(content_digest(*content)).0,
        Response::List(list) => list.iter().fold(kept.then(4), |kept, element| kept.then(*element)).0,
        Response::Set(_) | Response::Count(_) | Response::Dequeued(_) => {
            unreachable!("{response:?} answers no action that is carried out here")
        }
    }
}

fn last_use_item(session: u64, last_use: u64) -> u64 {
    item(5, session).then(last_use).0
}

fn log_time_item(log_time: u64) -> u64 {
    if log_time == 0 { 0 } else { item(6, 0).then(log_time).0 }
}

/// All that is kept of one session; its last use only where that matters.
fn session_items(number: u64, session: &Session<(u64, Response)>, ends: bool) -> u64 {
    let used = if ends { last_use_item(number, session.last_use()) } else { 0 };
    let kept = session.responses().map(|(sequence, kept)| response_item(number, sequence, kept));
    kept.fold(acknowledged_item(number, session.acknowledged()).wrapping_add(used), u64::wrapping_add)
}

fn item(kind: u64, key: u64) -> Digest {
    Digest::EMPTY.then(kind << 56 ^ key)
}

fn content_digest(content: Content) -> u64 {
    match content {
        Content::Absent(tombstone) => Digest::EMPTY.then(0).then(tombstone).0,
        Content::Present(value) => Digest::EMPTY.then(1).then(value).0,
    }
}

/// What an entry holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command {
    /// The wall clock of the leader that appended it, where sessions end.
    pub timestamp: Option<u64>,
    /// What was asked.
    pub request: Request,
}

/// A registration.
const REGISTER_SESSION: u8 = 8;
/// The command that follows has a stamp before it.
const TIMESTAMPED: u8 = 9;

/// Writes a request as the command of an entry, with a stamp where sessions end ([`Kv::stamp`]): some ten to fifty
/// bytes.
pub fn encode(request: &Request, stamp: Option<u64>, to: &mut impl BufMut) {
    if let Some(stamp) = stamp {
        to.put_u8(TIMESTAMPED);
        put_varint(stamp, to);
    }
    let Request { id, acknowledged_up_to: acknowledged, body: ask } = *request;
    let RequestBody::Operation(Operation { key, action }) = ask else {
        to.put_u8(REGISTER_SESSION);
        return [id.session, id.sequence, acknowledged].into_iter().for_each(|word| put_varint(word, to));
    };
    let (kind, words): (u8, [u64; 2]) = match action {
        Action::Get => (0, [0; 2]),
        Action::Put(value) => (1, [value, 0]),
        Action::Delete(tombstone) => (2, [tombstone, 0]),
        Action::CompareAndSet { expect: Content::Absent(tombstone), value } => (3, [tombstone, value]),
        Action::CompareAndSet { expect: Content::Present(held), value } => (4, [held, value]),
        Action::Append(element) => (5, [element, 0]),
        Action::List => (6, [0; 2]),
        Action::Replace(element) => (7, [element, 0]),
        action => panic!("{action:?} is of neither a register nor a list, which are all that is stored here"),
    };
    to.put_u8(kind);
    for word in [id.session, id.sequence, acknowledged, key].into_iter().chain(words) {
        put_varint(word, to);
    }
}

/// The same command with this stamp; `None` if it has none. A follower's clock is not asked by anybody: one that leaps
/// ahead would end all sessions, and there are more followers than leaders.
#[must_use]
pub fn replace_timestamp(command: &[u8], stamp: u64) -> Option<Vec<u8>> {
    let mut rest = command.strip_prefix(&[TIMESTAMPED])?;
    take_varint(&mut rest)?;
    let mut stamped = Vec::with_capacity(64);
    stamped.put_u8(TIMESTAMPED);
    put_varint(stamp, &mut stamped);
    stamped.extend_from_slice(rest);
    Some(stamped)
}

/// Reads what [`encode`] wrote; `None` if it is anything else.
#[must_use]
pub fn decode(mut command: &[u8]) -> Option<Command> {
    let from = &mut command;
    let mut kind = take_byte(from)?;
    let mut stamp = None;
    if kind == TIMESTAMPED {
        stamp = Some(take_varint(from)?);
        kind = take_byte(from)?;
    }
    let [session, sequence, acknowledged] = [take_varint(from)?, take_varint(from)?, take_varint(from)?];
    let ask = if kind == REGISTER_SESSION {
        RequestBody::RegisterSession
    } else {
        let [key, first, second] = [take_varint(from)?, take_varint(from)?, take_varint(from)?];
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
        RequestBody::Operation(Operation { key, action })
    };
    let request =
        Request { id: RequestId { session, sequence }, acknowledged_up_to: acknowledged, body: ask };
    from.is_empty().then_some(Command { timestamp: stamp, request })
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn put_varint(mut number: u64, to: &mut impl BufMut) {
    while number >= 0x80 {
        to.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    to.put_u8(number as u8);
}

fn take_varint(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(from)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_byte(from: &mut &[u8]) -> Option<u8> {
    let (byte, rest) = from.split_first()?;
    *from = rest;
    Some(*byte)
}

#[cfg(test)]
mod tests;
