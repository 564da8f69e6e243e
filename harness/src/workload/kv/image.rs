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

use super::{Data, Kv, MOST_KEYS, Settings, put_number, take_number};
use crate::bugs::HostBug;
use invariants::{Content, Response};
use raft_core::session::{Session, Sessions};
use std::fmt;

/// These bytes are no image of a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoImage;

impl fmt::Display for NoImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these bytes are no image of the application's state")
    }
}

impl std::error::Error for NoImage {}

impl Kv {
    /// The whole state.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1024);
        let to = &mut bytes;
        put_number(self.data.registers.len() as u64, to);
        self.data.registers.iter().for_each(|content| put_content(*content, to));
        put_number(self.data.lists.len() as u64, to);
        self.data.lists.iter().for_each(|list| put_list(list, to));
        put_number(self.sessions.log_time(), to);
        // What was done in them is part of the state: without it a retry that comes after a restore is carried out again.
        if self.settings.bug == Some(HostBug::SessionTableNotInSnapshot) {
            put_number(0, to);
            return bytes;
        }
        put_number(self.sessions.items().len() as u64, to);
        for (number, session) in self.sessions.items() {
            put_number(number, to);
            put_session(session, to);
        }
        bytes
    }

    /// The state that an image holds.
    ///
    /// # Errors
    /// The bytes are no image.
    pub fn from_bytes(settings: Settings, image: &[u8]) -> Result<Kv, NoImage> {
        take_kv(settings, image).ok_or(NoImage)
    }
}

fn take_kv(settings: Settings, mut image: &[u8]) -> Option<Kv> {
    let from = &mut image;
    let registers = take_several(from, MOST_KEYS, take_content)?;
    let lists = take_several(from, MOST_KEYS, |from| take_several(from, u64::MAX, take_number))?;
    let log_time = take_number(from)?;
    let items = take_several(from, u64::MAX, |from| Some((take_number(from)?, take_session(from)?)))?;
    let sessions = Sessions::restored(settings.lifetime, log_time, items)?;
    let mut kv = Kv { settings, data: Data { registers, lists, digest: 0 }, sessions, sessions_digest: 0 };
    kv.data.digest = kv.data.all_items();
    kv.sessions_digest = kv.all_session_items();
    image.is_empty().then_some(kv)
}

fn put_session(session: &Session<(u64, Response)>, to: &mut Vec<u8>) {
    put_number(session.acknowledged(), to);
    put_number(session.last_use(), to);
    put_number(session.responses().len() as u64, to);
    for (sequence, (index, response)) in session.responses() {
        put_number(sequence, to);
        put_number(*index, to);
        put_response(response, to);
    }
}

fn take_session(from: &mut &[u8]) -> Option<Session<(u64, Response)>> {
    let [acknowledged, last_use] = [take_number(from)?, take_number(from)?];
    let responses = take_several(from, u64::MAX, |from| {
        let [sequence, index] = [take_number(from)?, take_number(from)?];
        Some((sequence, (index, take_response(from)?)))
    })?;
    Session::restored(acknowledged, last_use, responses)
}

fn put_response(response: &Response, to: &mut Vec<u8>) {
    match response {
        Response::Done => put_number(0, to),
        Response::Holds(content) => {
            put_number(1, to);
            put_content(*content, to);
        }
        Response::Mismatch(None) => put_number(2, to),
        Response::Mismatch(Some(content)) => {
            put_number(3, to);
            put_content(*content, to);
        }
        Response::List(list) => {
            put_number(4, to);
            put_list(list, to);
        }
        Response::Set(_) | Response::Count(_) | Response::Dequeued(_) => {
            unreachable!("{response:?} answers no action that is carried out here")
        }
    }
}

fn take_response(from: &mut &[u8]) -> Option<Response> {
    Some(match take_number(from)? {
        0 => Response::Done,
        1 => Response::Holds(take_content(from)?),
        2 => Response::Mismatch(None),
        3 => Response::Mismatch(Some(take_content(from)?)),
        4 => Response::List(take_several(from, u64::MAX, take_number)?),
        _ => return None,
    })
}

fn put_content(content: Content, to: &mut Vec<u8>) {
    let (kind, number) = match content {
        Content::Absent(tombstone) => (0, tombstone),
        Content::Present(value) => (1, value),
    };
    put_number(kind, to);
    put_number(number, to);
}

fn take_content(from: &mut &[u8]) -> Option<Content> {
    match take_number(from)? {
        0 => take_number(from).map(Content::Absent),
        1 => take_number(from).map(Content::Present),
        _ => None,
    }
}

fn put_list(list: &[u64], to: &mut Vec<u8>) {
    put_number(list.len() as u64, to);
    list.iter().for_each(|element| put_number(*element, to));
}

/// As many as it says, which are at most so many. Nothing is set aside for them before they are there: nonsense may say
/// any number.
fn take_several<T>(
    from: &mut &[u8],
    most: u64,
    mut take: impl FnMut(&mut &[u8]) -> Option<T>,
) -> Option<Vec<T>> {
    let count = take_number(from)?;
    let mut several = Vec::new();
    for _ in 0..if count > most { return None } else { count } {
        several.push(take(from)?);
    }
    Some(several)
}
