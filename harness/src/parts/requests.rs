//! Open requests: who waits for which answer.
//!
//! *In*: requests as they arrive, and what becomes of them. *Out*: a number for each, under which the Raft library may know
//! it, and one answer each, whatever happens: a result, a rejection, or "unknown" when the server can no longer learn it.
//!
//! A retry is a request of its own here: the application recognises it by its session, and the world drops the answer
//! that comes second.

use crate::server::{Host, LocalTime, OperatorResponse};
use crate::workload::{ClientResponse, Reply, Request};
use invariants::{Index, Node, RequestId};
use slab::Slab;
use std::collections::BTreeMap;
use std::fmt::Display;

/// Bits of a number that are its place in the slab.
const SLOT_BITS: u32 = 20;

/// Who waits for an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Requester {
    /// A client.
    Client {
        /// Its number.
        client: u64,
        /// Its request.
        request: Request,
    },
    /// The operator, with the number to respond to.
    Operator(u64),
    /// The server itself, for example for a snapshot.
    Server,
}

/// The open requests of one incarnation.
pub struct OpenRequests {
    /// Tells the tokens of incarnations apart.
    incarnation: u64,
    /// Whether a read is an entry of the log: then its outcome can be unknown, like that of a write.
    reads_in_log: bool,
    count: u64,
    open: Slab<OpenRequest>,
    /// Reads that wait until an index is applied.
    reads: BTreeMap<Index, Vec<u64>>,
}

struct OpenRequest {
    number: u64,
    since: LocalTime,
    requester: Requester,
}

impl OpenRequests {
    /// No request is open. `incarnation`: a number drawn from the node's stream, if tokens are used.
    #[must_use]
    pub fn new(incarnation: u64) -> OpenRequests {
        OpenRequests { incarnation, reads_in_log: false, count: 0, open: Slab::new(), reads: BTreeMap::new() }
    }

    /// The same for a server whose reads are entries of its log.
    #[must_use]
    pub fn with_reads_in_log(incarnation: u64) -> OpenRequests {
        OpenRequests { reads_in_log: true, ..OpenRequests::new(incarnation) }
    }

    /// Whether no request is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How many requests are open.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.open.len() as u64
    }

    /// When the oldest open request arrived.
    #[must_use]
    pub fn oldest(&self) -> Option<LocalTime> {
        self.open.iter().map(|(_, open)| open.since).min()
    }

    /// Adds a request that arrived `now`. Its number increases with each request and is never used again in this
    /// incarnation.
    pub fn add(&mut self, now: LocalTime, requester: Requester) -> u64 {
        self.count += 1;
        let slot = self.open.vacant_key();
        assert!(slot < 1 << SLOT_BITS, "a server must not have {slot} open requests");
        let number = self.count << SLOT_BITS | slot as u64;
        self.open.insert(OpenRequest { number, since: now, requester });
        number
    }

    /// Who asked; `None` if the request was taken before.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<Requester> {
        self.open.get(slot(number)).filter(|open| open.number == number).map(|open| open.requester)
    }

    /// Takes a request out, to be answered by the caller; `None` if it was taken before.
    pub fn take(&mut self, number: u64) -> Option<Requester> {
        let requester = self.get(number)?;
        self.open.remove(slot(number));
        Some(requester)
    }

    /// A number as bytes that can travel in an entry or a message: no other incarnation of any server takes them for its
    /// own.
    #[must_use]
    pub fn token(&self, number: u64) -> [u8; 16] {
        (u128::from(self.incarnation) << 64 | u128::from(number)).to_le_bytes()
    }

    /// A token in which any server finds the request as well: its leader must state which read it confirms.
    #[must_use]
    pub fn token_of_read(&self, number: u64, read: RequestId) -> [u8; 32] {
        let mut token = [0; 32];
        token[..16].copy_from_slice(&self.token(number));
        token[16..24].copy_from_slice(&read.session.to_le_bytes());
        token[24..].copy_from_slice(&read.sequence.to_le_bytes());
        token
    }

    /// The read in a token of [`OpenRequests::token_of_read`], of whichever incarnation.
    #[must_use]
    pub fn read(token: &[u8]) -> Option<RequestId> {
        let (_, read) = token.split_first_chunk::<16>()?;
        let (session, sequence) = read.split_first_chunk::<8>()?;
        let sequence = u64::from_le_bytes(sequence.try_into().ok()?);
        Some(RequestId { session: u64::from_le_bytes(*session), sequence })
    }

    /// The number in a token of this incarnation, whether the request is still open or not.
    #[must_use]
    pub fn number(&self, token: &[u8]) -> Option<u64> {
        let token = u128::from_le_bytes(*token.first_chunk()?);
        ((token >> 64) as u64 == self.incarnation).then_some(token as u64)
    }

    /// Answers a client's request, unless that was done before.
    pub fn reply<M: Clone + Display>(
        &mut self,
        host: &mut Host<'_, M>,
        number: u64,
        response: ClientResponse,
    ) {
        if let Some(Requester::Client { client, request }) = self.take(number) {
            host.reply(client, Reply { id: request.id, response });
        }
    }

    /// Answers an operator's command, unless that was done before.
    pub fn respond<M: Clone + Display>(
        &mut self,
        host: &mut Host<'_, M>,
        number: u64,
        response: &OperatorResponse,
    ) {
        if let Some(Requester::Operator(request)) = self.take(number) {
            host.respond_to_operator(request, response);
        }
    }

    /// A read may be served once the entry at `index` is applied.
    pub fn read_at(&mut self, index: Index, number: u64) {
        self.reads.entry(index).or_default().push(number);
    }

    /// Takes the reads that may be served now that all entries up to `applied` are: client and request.
    pub fn take_reads(&mut self, applied: Index) -> Vec<(u64, Request)> {
        let mut ready = Vec::new();
        while let Some(first) = self.reads.first_entry().filter(|first| *first.key() <= applied) {
            ready.extend(first.remove());
        }
        let client = |number| match self.take(number)? {
            Requester::Client { client, request } => Some((client, request)),
            Requester::Operator(_) | Requester::Server => None,
        };
        ready.into_iter().filter_map(client).collect()
    }

    /// Answers all requests whose outcome this server may never learn, because it leads no more or follows another
    /// leader: reads are rejected, with the leader if it is known; everything else is unknown.
    pub fn end_all<M: Clone + Display>(&mut self, host: &mut Host<'_, M>, leader: Option<Node>) {
        self.reads.clear();
        self.end_since(host, leader, LocalTime::MAX);
    }

    /// Answers in the same way all requests that arrived up to `since`: a message with their outcome may be lost.
    pub fn end_since<M: Clone + Display>(
        &mut self,
        host: &mut Host<'_, M>,
        leader: Option<Node>,
        since: LocalTime,
    ) {
        if self.open.is_empty() {
            return;
        }
        let mut ended: Vec<u64> =
            self.open.iter().filter(|(_, open)| open.since <= since).map(|(_, open)| open.number).collect();
        ended.sort_unstable();
        for number in ended {
            match self.take(number) {
                Some(Requester::Client { client, request }) => {
                    let response = match request.read_operation() {
                        Some(_) if !self.reads_in_log => ClientResponse::NotLeader(leader),
                        _ => ClientResponse::Unknown,
                    };
                    host.reply(client, Reply { id: request.id, response });
                }
                Some(Requester::Operator(request)) => {
                    host.respond_to_operator(request, &OperatorResponse::Unknown);
                }
                Some(Requester::Server) | None => {}
            }
        }
    }
}

const fn slot(number: u64) -> usize {
    (number & ((1 << SLOT_BITS) - 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::RequestBody;
    use invariants::{Action, Operation};

    fn client(client: u64, action: Action) -> Requester {
        let body = RequestBody::Operation(Operation { key: 0, action });
        let id = RequestId { session: client, sequence: 1 };
        Requester::Client { client, request: Request { id, acknowledged_up_to: 0, body } }
    }

    #[test]
    fn a_number_is_never_used_again_and_increases() {
        let mut requests = OpenRequests::new(0);
        let first = requests.add(0, Requester::Operator(7));
        assert_eq!(requests.take(first), Some(Requester::Operator(7)));
        let second = requests.add(0, Requester::Server);
        assert!(second > first, "they share a slot");
        assert_eq!((requests.get(first), requests.take(first)), (None, None));
        assert_eq!(requests.take(second), Some(Requester::Server));
        assert!(requests.is_empty());
    }

    #[test]
    fn a_token_is_of_one_incarnation_only() {
        let (mut one, other) = (OpenRequests::new(1), OpenRequests::new(2));
        let number = one.add(0, Requester::Server);
        let token = one.token(number);
        assert_eq!((one.number(&token), other.number(&token)), (Some(number), None));
        assert_eq!(one.number(&token[1..]), None);
        let read = RequestId { session: 7, sequence: 1 << 40 };
        let token_of_read = one.token_of_read(number, read);
        assert_eq!((one.number(&token_of_read), other.number(&token_of_read)), (Some(number), None));
        assert_eq!(OpenRequests::read(&token_of_read), Some(read));
        assert_eq!(OpenRequests::read(&token), None);
    }

    #[test]
    fn reads_wait_for_their_index_and_are_served_once() {
        let mut requests = OpenRequests::new(0);
        let [one, two, three] = [5, 5, 6].map(|index| {
            let number = requests.add(0, client(index, Action::Get));
            requests.read_at(index, number);
            number
        });
        assert!(requests.take(two).is_some(), "answered otherwise");
        assert_eq!(requests.take_reads(4), []);
        let served = requests.take_reads(5);
        assert_eq!(served.iter().map(|(client, _)| *client).collect::<Vec<_>>(), [5]);
        assert!(requests.get(one).is_none() && requests.get(three).is_some());
        assert_eq!(requests.take_reads(9).len(), 1);
        assert_eq!(requests.take_reads(9), []);
    }
}
