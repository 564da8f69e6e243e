//! How large commands are: as they come, or padded, all to one size or each to a size of its own.

use super::{Kv, TIMESTAMPED, encode, put_varint, take_byte, take_varint};
use crate::plan::ClientConfig;
use crate::workload::Request;
use bytes::BufMut;
use invariants::{Digest, RequestId};

/// Tag of padding, which the rest of the command follows.
const PADDED: u8 = 10;

/// The sizes to which commands are padded, in bytes: from `least` to `least + spread`. Commands that are longer stay as
/// they are. 0 and 0: none is padded.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CommandSizes {
    /// The smallest size.
    pub least: u64,
    /// The largest size minus the smallest.
    pub spread: u64,
}

impl CommandSizes {
    /// The sizes in a plan.
    #[must_use]
    pub const fn from_plan(clients: &ClientConfig) -> CommandSizes {
        CommandSizes { least: clients.command_bytes, spread: clients.command_bytes_spread }
    }

    /// The size of the command of this request: the same for each copy.
    fn of(self, RequestId { session, sequence }: RequestId) -> usize {
        let draw = Digest::EMPTY.then(session).then(sequence).0;
        (self.least + draw % self.spread.saturating_add(1)) as usize
    }
}

impl Kv {
    /// The request as a command, proposed at the local wall time `wall`: with a timestamp if sessions expire, and as large
    /// as the plan wants commands.
    #[must_use]
    pub fn command(&self, request: &Request, wall: i64) -> Vec<u8> {
        let mut command = Vec::with_capacity(64);
        let timestamp = self.timestamp(wall);
        encode(request, timestamp, &mut command);
        let CommandSizes { least, spread } = self.settings.sizes;
        if least + spread > 0 {
            pad(&mut command, self.settings.sizes.of(request.id));
        }
        command
    }
}

/// Makes a command of [`encode`] so large, if it is smaller by at least the two bytes that tell of padding.
fn pad(command: &mut Vec<u8>, size: usize) {
    let Some(missing) = size.checked_sub(command.len() + 2) else { return };
    let mut padding = vec![PADDED];
    // The length takes a byte more for each seven bits.
    let zeros = (0..=missing).rev().find(|zeros| varint_length(*zeros) + zeros <= missing + 1).unwrap_or(0);
    put_varint(zeros as u64, &mut padding);
    padding.put_bytes(0, zeros);
    // After the timestamp, which a leader replaces.
    let mut rest: &[u8] = command;
    if rest.first() == Some(&TIMESTAMPED) {
        take_byte(&mut rest);
        take_varint(&mut rest);
    }
    let at = command.len() - rest.len();
    command.splice(at..at, padding);
}

fn varint_length(number: usize) -> usize {
    (number.max(1).ilog2() as usize) / 7 + 1
}

/// Skips padding, if it is there. Returns the byte after it.
pub(super) fn skip_padding(kind: u8, from: &mut &[u8]) -> Option<u8> {
    if kind != PADDED {
        return Some(kind);
    }
    let zeros = usize::try_from(take_varint(from)?).ok()?;
    *from = from.get(zeros..)?;
    take_byte(from)
}

#[cfg(test)]
mod tests {
    use super::{CommandSizes, pad};
    use crate::workload::kv::{Command, Kv, KvConfig, decode, replace_timestamp};
    use crate::workload::{Request, RequestBody};
    use invariants::{Action, Operation, RequestId};
    use std::collections::BTreeSet;

    fn put(sequence: u64) -> Request {
        let body = RequestBody::Operation(Operation { key: 3, action: Action::Put(sequence) });
        Request { id: RequestId { session: 7, sequence }, acknowledged_up_to: sequence - 1, body }
    }

    fn sizes(least: u64, spread: u64, session_lifetime: u64) -> BTreeSet<usize> {
        let sizes = CommandSizes { least, spread };
        let kv = Kv::new(KvConfig { session_lifetime, sizes, bug: None });
        let size = |sequence| {
            let (request, wall) = (put(sequence), 1_700_000_000_000_000_000);
            let command = kv.command(&request, wall);
            let timestamp = (session_lifetime > 0).then_some(wall as u64);
            assert_eq!(decode(&command), Some(Command { timestamp, request }), "{command:?}");
            if session_lifetime > 0 {
                let retimed = replace_timestamp(&command, wall as u64 + 1).unwrap();
                assert_eq!(retimed.len(), command.len());
                assert_eq!(decode(&retimed).unwrap().request, request);
            }
            assert_eq!(kv.command(&request, wall), command, "each copy is the same");
            command.len()
        };
        (1..=300).map(size).collect()
    }

    #[test]
    fn commands_have_one_size_or_many() {
        for lifetime in [0, 1] {
            assert_eq!(sizes(60, 0, lifetime), [60].into());
            assert_eq!(sizes(200, 0, lifetime), [200].into());
            let mixed = sizes(30, 40, lifetime);
            assert!(mixed.len() > 35 && mixed.first() >= Some(&30) && mixed.last() <= Some(&70), "{mixed:?}");
            assert!(sizes(0, 0, lifetime).len() < 6);
            assert_eq!(sizes(5, 0, lifetime), sizes(0, 0, lifetime), "longer ones stay as they are");
        }
    }

    #[test]
    fn each_size_can_be_reached_but_one_more_than_before_and_where_the_length_grows() {
        for size in 0..300 {
            let mut command = vec![1; 10];
            pad(&mut command, size);
            // One byte cannot tell of padding, and 128 zeros take one byte more to tell of than 127.
            let expected = match size {
                0..12 => 10,
                140 => 139,
                _ => size,
            };
            assert_eq!(command.len(), expected);
        }
    }

    #[test]
    fn cut_padding_is_no_command() {
        let kv = Kv::new(KvConfig { sizes: CommandSizes { least: 60, spread: 0 }, ..KvConfig::default() });
        let command = kv.command(&put(1), 0);
        for end in 0..command.len() {
            assert_eq!(decode(&command[..end]), None);
        }
    }
}
