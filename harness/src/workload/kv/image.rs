//! The image of the whole state, for snapshots. It contains everything that the digest covers, and no digest: readers
//! recompute it.
//!
//! ```text
//! registers   count, then for each: 0 and its tombstone, or 1 and its value
//! lists       count, then for each: its length and elements
//! log time
//! sessions    count, then for each: number, acknowledgement mark, log time of the last use, count of responses,
//!             then for each response: its number in the session, the log index of the effect, and the result
//! ```
//!
//! Numbers are encoded as in commands, seven bits per byte. Protection against torn or flipped bytes is up to the
//! storage; bytes that are not an image are rejected.

use super::ApplicationBug;
use super::{Data, Kv, KvConfig, MAX_KEYS, put_varint, take_varint};
use invariants::{Content, Response};
use raft_core::session::{Session, Sessions};
use std::fmt;

/// The bytes are not an image of a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidImage;

impl fmt::Display for InvalidImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes are not an image of the application's state")
    }
}

impl std::error::Error for InvalidImage {}

impl Kv {
    /// The image of the whole state.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1024);
        let to = &mut bytes;
        put_varint(self.data.registers.len() as u64, to);
        self.data.registers.iter().for_each(|content| put_content(*content, to));
        put_varint(self.data.lists.len() as u64, to);
        self.data.lists.iter().for_each(|list| put_list(list, to));
        put_varint(self.sessions.log_time(), to);
        // Sessions are part of the state: without them a retry after a restore would be executed again.
        let has_sessions = self.sessions.items().len() > 0;
        if has_sessions && ApplicationBug::SessionTableNotInSnapshot.is_on(self.settings.bug) {
            put_varint(0, to);
            return bytes;
        }
        put_varint(self.sessions.items().len() as u64, to);
        for (number, session) in self.sessions.items() {
            put_varint(number, to);
            let forgets_time =
                session.last_use() > 0 && ApplicationBug::SessionTimeNotInSnapshot.is_on(self.settings.bug);
            put_session(session, if forgets_time { 0 } else { session.last_use() }, to);
        }
        bytes
    }

    /// The state of an image.
    ///
    /// # Errors
    /// The bytes are not an image.
    pub fn from_bytes(settings: KvConfig, image: &[u8]) -> Result<Kv, InvalidImage> {
        take_kv(settings, image).ok_or(InvalidImage)
    }
}

fn take_kv(settings: KvConfig, mut image: &[u8]) -> Option<Kv> {
    let from = &mut image;
    let registers = take_vec(from, MAX_KEYS, take_content)?;
    let lists = take_vec(from, MAX_KEYS, |from| take_vec(from, u64::MAX, take_varint))?;
    let log_time = take_varint(from)?;
    let items = take_vec(from, u64::MAX, |from| Some((take_varint(from)?, take_session(from)?)))?;
    let sessions = Sessions::from_parts(settings.session_lifetime, log_time, items)?;
    let mut kv = Kv { settings, data: Data { registers, lists, digest: 0 }, sessions, sessions_digest: 0 };
    kv.data.digest = kv.data.recompute_digest();
    kv.sessions_digest = kv.recompute_sessions_digest();
    image.is_empty().then_some(kv)
}

fn put_session(session: &Session<(u64, Response)>, last_use: u64, to: &mut Vec<u8>) {
    put_varint(session.acknowledged(), to);
    put_varint(last_use, to);
    put_varint(session.responses().len() as u64, to);
    for (sequence, (index, response)) in session.responses() {
        put_varint(sequence, to);
        put_varint(*index, to);
        put_response(response, to);
    }
}

fn take_session(from: &mut &[u8]) -> Option<Session<(u64, Response)>> {
    let [acknowledged, last_use] = [take_varint(from)?, take_varint(from)?];
    let responses = take_vec(from, u64::MAX, |from| {
        let [sequence, index] = [take_varint(from)?, take_varint(from)?];
        Some((sequence, (index, take_response(from)?)))
    })?;
    Session::from_parts(acknowledged, last_use, responses)
}

fn put_response(response: &Response, to: &mut Vec<u8>) {
    match response {
        Response::Done => put_varint(0, to),
        Response::Holds(content) => {
            put_varint(1, to);
            put_content(*content, to);
        }
        Response::Mismatch(None) => put_varint(2, to),
        Response::Mismatch(Some(content)) => {
            put_varint(3, to);
            put_content(*content, to);
        }
        Response::List(list) => {
            put_varint(4, to);
            put_list(list, to);
        }
        Response::Set(_) | Response::Count(_) | Response::Dequeued(_) => {
            unreachable!("{response:?} is not a response of registers or lists")
        }
    }
}

fn take_response(from: &mut &[u8]) -> Option<Response> {
    Some(match take_varint(from)? {
        0 => Response::Done,
        1 => Response::Holds(take_content(from)?),
        2 => Response::Mismatch(None),
        3 => Response::Mismatch(Some(take_content(from)?)),
        4 => Response::List(take_vec(from, u64::MAX, take_varint)?),
        _ => return None,
    })
}

fn put_content(content: Content, to: &mut Vec<u8>) {
    let (kind, number) = match content {
        Content::Absent(tombstone) => (0, tombstone),
        Content::Present(value) => (1, value),
    };
    put_varint(kind, to);
    put_varint(number, to);
}

fn take_content(from: &mut &[u8]) -> Option<Content> {
    match take_varint(from)? {
        0 => take_varint(from).map(Content::Absent),
        1 => take_varint(from).map(Content::Present),
        _ => None,
    }
}

fn put_list(list: &[u64], to: &mut Vec<u8>) {
    put_varint(list.len() as u64, to);
    list.iter().for_each(|element| put_varint(*element, to));
}

/// Reads a count, at most `max`, and that many items. No memory is reserved for them, because the count may be garbage.
fn take_vec<T>(from: &mut &[u8], max: u64, mut take: impl FnMut(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let count = take_varint(from)?;
    let mut items = Vec::new();
    for _ in 0..if count > max { return None } else { count } {
        items.push(take(from)?);
    }
    Some(items)
}
