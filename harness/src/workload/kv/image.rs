//! The whole state as bytes, for snapshots: all that the digest covers, and no digest: whoever reads it works that out anew
//! from what came of it.
//!
//! ```text
//! registers   how many, then of each: 0 and its tombstone, or 1 and its value
//! lists       how many, then of each: how many elements, then those
//! log time
//! sessions    how many, then of each: its number, its mark, log time at its last use, how many responses,
//!             then of each: its number in the session, the index of the effect, and what it came to
//! ```
//!
//! All numbers as in commands, seven bits a byte. That nothing was torn or flipped is for whoever stores it to see to;
//! what is no image at all is refused.

use super::{Data, Kv, KvConfig, MAX_KEYS, put_varint, take_varint};
use crate::bugs::HostBug;
use invariants::{Content, Response};
use raft_core::session::{Session, Sessions};
use std::fmt;

/// These bytes are no image of a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidImage;

impl fmt::Display for InvalidImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these bytes are no image of the application's state")
    }
}

impl std::error::Error for InvalidImage {}

impl Kv {
    /// The whole state.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1024);
        let to = &mut bytes;
        put_varint(self.data.registers.len() as u64, to);
        self.data.registers.iter().for_each(|content| put_content(*content, to));
        put_varint(self.data.lists.len() as u64, to);
        self.data.lists.iter().for_each(|list| put_list(list, to));
        put_varint(self.sessions.log_time(), to);
        // What was done in them is part of the state: without it a retry that comes after a restore is carried out again.
        if self.settings.bug == Some(HostBug::SessionTableNotInSnapshot) {
            put_varint(0, to);
            return bytes;
        }
        put_varint(self.sessions.items().len() as u64, to);
        for (number, session) in self.sessions.items() {
            put_varint(number, to);
            put_session(session, to);
        }
        bytes
    }

    /// The state that an image holds.
    ///
    /// # Errors
    /// The bytes are no image.
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

fn put_session(session: &Session<(u64, Response)>, to: &mut Vec<u8>) {
    put_varint(session.acknowledged(), to);
    put_varint(session.last_use(), to);
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
            unreachable!("{response:?} answers no action that is carried out here")
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

/// As many as it says, which are at most so many. Nothing is set aside for them before they are there: nonsense may say
/// any number.
fn take_vec<T>(from: &mut &[u8], most: u64, mut take: impl FnMut(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let count = take_varint(from)?;
    let mut several = Vec::new();
    for _ in 0..if count > most { return None } else { count } {
        several.push(take(from)?);
    }
    Some(several)
}
