//! The replicated application: registers and lists by key, with exactly-once sessions.
//!
//! Commands are byte strings in the log; an empty one is a leader's no-op. If sessions expire, each command carries a
//! timestamp of the leader that appended it; log time is the greatest timestamp applied so far, and decides when
//! sessions expire. A follower that forwards a command adds its own timestamp, which the leader replaces
//! ([`replace_timestamp`]).
//!
//! The digest is a sum over all items (contents, list elements, acknowledgement marks, last uses, cached responses, log
//! time). It is updated incrementally, at constant cost; [`Kv::recomputed_digest`] computes it from all items, for
//! restores and as a cross-check. The state is written to an image and read back by [`Kv::to_bytes`] and
//! [`Kv::from_bytes`].

mod bugs;
mod image;
mod sizes;

pub use bugs::ApplicationBug;
pub use image::InvalidImage;
pub use sizes::CommandSizes;

use super::{ClientResponse, Request, RequestBody};
use crate::plan::Plan;
use bytes::BufMut;
use invariants::{Action, Content, Digest, Operation, RequestId, Response, SessionOutcome, SessionUse};
use raft_core::session::{Applied, Session, Sessions};
use sizes::skip_padding;

/// Keys are small and dense, and contents are kept in tables by key.
const MAX_KEYS: u64 = 1 << 20;

/// The settings of the application, equal on all servers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct KvConfig {
    /// How many nanoseconds of log time a session may be unused. 0: sessions never expire and are not registered.
    pub session_lifetime: u64,
    /// How large commands are.
    pub sizes: CommandSizes,
    /// The enabled bug.
    pub bug: Option<ApplicationBug>,
}

impl KvConfig {
    /// The settings in a plan.
    #[must_use]
    pub fn from_plan(plan: &Plan) -> KvConfig {
        let bug = plan.enabled_bug(ApplicationBug::named);
        let sizes = CommandSizes::from_plan(&plan.clients);
        KvConfig { session_lifetime: plan.clients.session.0, sizes, bug }
    }
}

/// A wall clock reading as a timestamp. Readings before 1970 count as 0.
fn clock_to_timestamp(wall: i64) -> u64 {
    u64::try_from(wall).unwrap_or(0)
}

/// The key-value application of one server.
#[derive(Clone, PartialEq, Debug)]
pub struct Kv {
    settings: KvConfig,
    data: Data,
    /// The response to each request, with the log index of its effect.
    sessions: Sessions<(u64, Response)>,
    /// The sum over all items of `sessions`.
    sessions_digest: u64,
}

/// The result of one entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplyResult {
    /// The request; `None` for a no-op and for a registration, of which each copy registers another session.
    pub id: Option<RequestId>,
    /// How it uses a session; `None` for a no-op.
    pub session: Option<SessionUse>,
    /// The response to the client; a mutation's names the log index of its effect, even on a retry. `None` for a no-op,
    /// and for a request whose response the client has acknowledged.
    pub response: Option<ClientResponse>,
}

impl ApplyResult {
    /// Whether it was executed now. A retry answered from the session table was not, and neither was a request in an
    /// expired session.
    #[must_use]
    pub fn took_effect(&self) -> bool {
        self.session
            .is_some_and(|used| matches!(used.outcome, SessionOutcome::Fresh | SessionOutcome::Registered))
    }
}

impl Kv {
    /// An empty application.
    #[must_use]
    pub fn new(settings: KvConfig) -> Kv {
        let sessions = Sessions::with_lifetime(settings.session_lifetime);
        Kv { settings, data: Data::default(), sessions, sessions_digest: 0 }
    }

    /// The timestamp of a command that is proposed now, or reaches the leader now, at the local wall time `wall`.
    /// `None` if sessions never expire.
    #[must_use]
    pub fn timestamp(&self, wall: i64) -> Option<u64> {
        (self.settings.session_lifetime > 0).then(|| clock_to_timestamp(wall))
    }

    /// Applies the entry at `index`. Without a bug the result does not depend on `wall`, the local wall clock.
    pub fn apply(&mut self, index: u64, command: &[u8], wall: i64) -> ApplyResult {
        // An invalid command has no effect: that it was committed is the log's fault, which other properties check.
        let command = decode(command).filter(|command| self.is_applicable(command));
        let Some(Command { timestamp, request: Request { id, acknowledged_up_to, body } }) = command else {
            return ApplyResult { id: None, session: None, response: None };
        };
        if let Some(timestamp) = timestamp {
            self.advance_log_time(timestamp, wall);
        }
        let log_time = self.sessions.log_time();
        let used = |outcome| Some(SessionUse { outcome, log_time, mark: acknowledged_up_to });
        let RequestBody::Operation(operation) = body else {
            self.sessions.register(index);
            self.add_to_digest(last_use_item(index, log_time));
            return ApplyResult {
                id: None,
                session: used(SessionOutcome::Registered),
                response: Some(ClientResponse::SessionRegistered { session: index }),
            };
        };
        let (outcome, response) = self.apply_request(index, id, acknowledged_up_to, operation);
        if outcome != SessionOutcome::Fresh && ApplicationBug::RetryAppliedTwice.is_on(self.settings.bug) {
            let response = Some(ClientResponse::Written { index, response: self.data.execute(operation) });
            return ApplyResult { id: Some(id), session: used(SessionOutcome::Fresh), response };
        }
        ApplyResult { id: Some(id), session: used(outcome), response }
    }

    /// Whether a client of this run could have sent it.
    const fn is_applicable(&self, command: &Command) -> bool {
        match command.request.body {
            RequestBody::RegisterSession => self.settings.session_lifetime > 0,
            RequestBody::Operation(Operation { key, .. }) => key < MAX_KEYS,
        }
    }

    /// Advances log time and expires unused sessions.
    fn advance_log_time(&mut self, timestamp: u64, wall: i64) {
        let before = self.sessions.log_time();
        let now = self.sessions.advance(timestamp);
        self.add_to_digest(log_time_item(now).wrapping_sub(log_time_item(before)));
        // Log time, because all servers must expire the same sessions at the same entry, whatever their clocks show.
        let local = clock_to_timestamp(wall);
        let differs = self.sessions.may_expire(local) != self.sessions.may_expire(now);
        let expiry_time = match differs && ApplicationBug::SessionExpiryByLocalClock.is_on(self.settings.bug)
        {
            true => local,
            false => now,
        };
        let Kv { sessions, sessions_digest, .. } = self;
        sessions.expire(expiry_time, |number, session| {
            *sessions_digest = sessions_digest.wrapping_sub(session_items(number, &session, true));
        });
    }

    /// Executes a request, unless it was executed before or its session has expired.
    fn apply_request(
        &mut self,
        index: u64,
        RequestId { session, sequence }: RequestId,
        acknowledged: u64,
        operation: Operation,
    ) -> (SessionOutcome, Option<ClientResponse>) {
        let Kv { settings, data, sessions, sessions_digest } = self;
        let mut removed = 0_u64;
        let before = sessions.acknowledge(session, acknowledged, |sequence, response| {
            removed = removed.wrapping_add(response_item(session, sequence, &response));
        });
        let Some(before) = before else {
            return (SessionOutcome::Expired, Some(ClientResponse::SessionExpired));
        };
        *sessions_digest = sessions_digest.wrapping_sub(removed);
        if acknowledged > before.acknowledged {
            let change = acknowledged_item(session, acknowledged)
                .wrapping_sub(acknowledged_item(session, before.acknowledged));
            *sessions_digest = sessions_digest.wrapping_add(change);
        }
        if settings.session_lifetime > 0 && before.last_use < sessions.log_time() {
            let change = last_use_item(session, sessions.log_time())
                .wrapping_sub(last_use_item(session, before.last_use));
            *sessions_digest = sessions_digest.wrapping_add(change);
        }
        if is_overtaken(sessions.get(session), sequence)
            && ApplicationBug::OnlyHighestSequenceKept.is_on(settings.bug)
        {
            return (SessionOutcome::Forgotten, None);
        }
        let written = |(index, response): &(u64, Response)| {
            Some(ClientResponse::Written { index: *index, response: response.clone() })
        };
        match sessions.apply(session, sequence, acknowledged, || (index, data.execute(operation))) {
            Applied::Fresh(result) => {
                *sessions_digest = sessions_digest.wrapping_add(response_item(session, sequence, result));
                (SessionOutcome::Fresh, written(result))
            }
            Applied::Repeated(result) => (SessionOutcome::Repeated, written(result)),
            Applied::Forgotten => (SessionOutcome::Forgotten, None),
            Applied::Expired => unreachable!("the session was acknowledged above, so it exists"),
        }
    }

    fn add_to_digest(&mut self, items: u64) {
        self.sessions_digest = self.sessions_digest.wrapping_add(items);
    }

    /// The cached response to an earlier request, if its session still has it.
    #[must_use]
    pub fn cached_response(&self, id: RequestId) -> Option<ClientResponse> {
        let cached =
            self.sessions.get(id.session)?.responses().find(|(sequence, _)| *sequence == id.sequence);
        cached.map(|(_, (index, response))| ClientResponse::Written {
            index: *index,
            response: response.clone(),
        })
    }

    /// Reads from the current state.
    #[must_use]
    pub fn read(&self, operation: Operation) -> Response {
        match operation.action {
            Action::Get => Response::Holds(self.data.register(operation.key)),
            Action::List => Response::List(self.data.list(operation.key).to_vec()),
            action => panic!("{action:?} is not a read: it must go through the log"),
        }
    }

    /// The digest of the whole state.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        Digest(self.data.digest.wrapping_add(self.sessions_digest))
    }

    /// The same digest, computed from all items.
    #[must_use]
    pub fn recomputed_digest(&self) -> Digest {
        Digest(self.data.recompute_digest().wrapping_add(self.recompute_sessions_digest()))
    }

    fn recompute_sessions_digest(&self) -> u64 {
        let sessions_expire = self.settings.session_lifetime > 0;
        let sessions =
            self.sessions.items().map(|(number, session)| session_items(number, session, sessions_expire));
        sessions.fold(log_time_item(self.sessions.log_time()), u64::wrapping_add)
    }
}

/// Whether a later request of its session was executed before this one, and this one not yet: several are in flight.
fn is_overtaken(session: Option<&Session<(u64, Response)>>, sequence: u64) -> bool {
    session.is_some_and(|session| {
        let executed = || session.responses().map(|(number, _)| number);
        sequence > session.acknowledged()
            && executed().any(|number| number > sequence)
            && executed().all(|number| number != sequence)
    })
}

/// Registers and lists.
#[derive(Clone, Default, PartialEq, Debug)]
struct Data {
    /// By key; missing ones hold [`Content::INITIAL`].
    registers: Vec<Content>,
    /// By key; missing ones are empty.
    lists: Vec<Vec<u64>>,
    /// The sum over all items of both.
    digest: u64,
}

impl Data {
    fn recompute_digest(&self) -> u64 {
        let registers = self.registers.iter().zip(0..).map(|(content, key)| register_item(key, *content));
        let lists = self.lists.iter().zip(0..).flat_map(|(list, key)| {
            list.iter().zip(0..).map(move |(element, index)| element_item(key, index, *element))
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
        assert!(key < MAX_KEYS, "key {key} must be below {MAX_KEYS}");
        match action {
            Action::Get => Response::Holds(self.register(key)),
            Action::List => Response::List(self.list(key).to_vec()),
            Action::Put(value) => self.set(key, Content::Present(value)),
            Action::Delete(tombstone) => self.set(key, Content::Absent(tombstone)),
            Action::CompareAndSet { expect, value } => match self.register(key) {
                current if current == expect => self.set(key, Content::Present(value)),
                current => Response::Mismatch(Some(current)),
            },
            Action::Append(element) => {
                let list = slot_mut(&mut self.lists, key, Vec::new());
                self.digest = self.digest.wrapping_add(element_item(key, list.len() as u64, element));
                list.push(element);
                Response::Done
            }
            Action::Replace(element) => {
                let list = slot_mut(&mut self.lists, key, Vec::new());
                for (index, &element) in (0..).zip(&*list) {
                    self.digest = self.digest.wrapping_sub(element_item(key, index, element));
                }
                self.digest = self.digest.wrapping_add(element_item(key, 0, element));
                *list = vec![element];
                Response::Done
            }
            action => unreachable!("{action:?} has no encoding, so no entry contains it"),
        }
    }

    fn set(&mut self, key: u64, content: Content) -> Response {
        let current = slot_mut(&mut self.registers, key, Content::INITIAL);
        self.digest =
            self.digest.wrapping_sub(register_item(key, *current)).wrapping_add(register_item(key, content));
        *current = content;
        Response::Done
    }
}

/// The entry of `key` in a table, which grows as needed.
fn slot_mut<T: Clone>(table: &mut Vec<T>, key: u64, empty: T) -> &mut T {
    let index = key as usize;
    if table.len() <= index {
        table.resize(index + 1, empty);
    }
    &mut table[index]
}

// The digest of each kind of item. Initial contents add nothing, however large the tables are.

fn register_item(key: u64, content: Content) -> u64 {
    if content == Content::INITIAL { 0 } else { item(1, key).then(content_digest(content)).0 }
}

fn element_item(key: u64, index: u64, element: u64) -> u64 {
    item(2, key).then(index).then(element).0
}

fn acknowledged_item(session: u64, acknowledged: u64) -> u64 {
    if acknowledged == 0 { 0 } else { item(3, session).then(acknowledged).0 }
}

fn response_item(session: u64, sequence: u64, (index, response): &(u64, Response)) -> u64 {
    let digest = item(4, session).then(sequence).then(*index);
    match response {
        Response::Done => digest.then(0).0,
        Response::Holds(content) => digest.then(1).then(content_digest(*content)).0,
        Response::Mismatch(None) => digest.then(2).0,
        Response::Mismatch(Some(content)) => digest.then(3).then(content_digest(*content)).0,
        Response::List(list) => list.iter().fold(digest.then(4), |digest, element| digest.then(*element)).0,
        Response::Set(_) | Response::Count(_) | Response::Dequeued(_) => {
            unreachable!("{response:?} is not a response of registers or lists")
        }
    }
}

fn last_use_item(session: u64, last_use: u64) -> u64 {
    item(5, session).then(last_use).0
}

fn log_time_item(log_time: u64) -> u64 {
    if log_time == 0 { 0 } else { item(6, 0).then(log_time).0 }
}

/// All items of one session; its last use only if sessions expire.
fn session_items(number: u64, session: &Session<(u64, Response)>, sessions_expire: bool) -> u64 {
    let last_use = if sessions_expire { last_use_item(number, session.last_use()) } else { 0 };
    let responses = session.responses().map(|(sequence, response)| response_item(number, sequence, response));
    responses
        .fold(acknowledged_item(number, session.acknowledged()).wrapping_add(last_use), u64::wrapping_add)
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

/// The content of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command {
    /// The leader's wall clock at the append, if sessions expire.
    pub timestamp: Option<u64>,
    /// The request.
    pub request: Request,
}

/// Tag of a registration.
const REGISTER_SESSION: u8 = 8;
/// Tag of a timestamp, which the command follows.
const TIMESTAMPED: u8 = 9;

/// Encodes a request as a command, with a timestamp if sessions expire ([`Kv::timestamp`]): about ten to fifty bytes.
pub fn encode(request: &Request, timestamp: Option<u64>, to: &mut impl BufMut) {
    if let Some(timestamp) = timestamp {
        to.put_u8(TIMESTAMPED);
        put_varint(timestamp, to);
    }
    let Request { id, acknowledged_up_to, body } = *request;
    let RequestBody::Operation(Operation { key, action }) = body else {
        to.put_u8(REGISTER_SESSION);
        return [id.session, id.sequence, acknowledged_up_to]
            .into_iter()
            .for_each(|word| put_varint(word, to));
    };
    let (kind, words): (u8, [u64; 2]) = match action {
        Action::Get => (0, [0; 2]),
        Action::Put(value) => (1, [value, 0]),
        Action::Delete(tombstone) => (2, [tombstone, 0]),
        Action::CompareAndSet { expect: Content::Absent(tombstone), value } => (3, [tombstone, value]),
        Action::CompareAndSet { expect: Content::Present(current), value } => (4, [current, value]),
        Action::Append(element) => (5, [element, 0]),
        Action::List => (6, [0; 2]),
        Action::Replace(element) => (7, [element, 0]),
        action => panic!("{action:?} is not an action of registers or lists"),
    };
    to.put_u8(kind);
    for word in [id.session, id.sequence, acknowledged_up_to, key].into_iter().chain(words) {
        put_varint(word, to);
    }
}

/// The command with this timestamp instead of its own; `None` if it has none. The leader's clock decides, because
/// followers are many, and one fast clock would expire all sessions.
#[must_use]
pub fn replace_timestamp(command: &[u8], timestamp: u64) -> Option<Vec<u8>> {
    let mut rest = command.strip_prefix(&[TIMESTAMPED])?;
    take_varint(&mut rest)?;
    let mut replaced = Vec::with_capacity(64);
    replaced.put_u8(TIMESTAMPED);
    put_varint(timestamp, &mut replaced);
    replaced.extend_from_slice(rest);
    Some(replaced)
}

/// Decodes a command of [`encode`]; `None` for anything else.
#[must_use]
pub fn decode(mut command: &[u8]) -> Option<Command> {
    let from = &mut command;
    let mut kind = take_byte(from)?;
    let mut timestamp = None;
    if kind == TIMESTAMPED {
        timestamp = Some(take_varint(from)?);
        kind = take_byte(from)?;
    }
    kind = skip_padding(kind, from)?;
    let [session, sequence, acknowledged_up_to] =
        [take_varint(from)?, take_varint(from)?, take_varint(from)?];
    let body = if kind == REGISTER_SESSION {
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
    let request = Request { id: RequestId { session, sequence }, acknowledged_up_to, body };
    from.is_empty().then_some(Command { timestamp, request })
}

/// Seven bits per byte, the lowest first; the highest bit marks that more follow.
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
