//! What a leader has stated about how much of its log each follower holds.
//!
//! *In*: the leader's book about its followers after each step. *Out*: the fact `Counts` where it has changed.

use crate::server::Host;
use invariants::{Index, Node, ServerFact, Term};
use std::fmt::Display;

/// A follower as its leader counts it: its number, the identity of its disk (0: disks have none), and up to where it
/// holds the leader's log.
pub type Counted = (Node, u64, Index);

/// Up to where a leader has stated that it counts each follower.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct StatedCounts(Vec<Counted>);

impl StatedCounts {
    /// States what has changed in the leader's book, whose followers come in a fixed order. A server that does not lead
    /// counts none. That a new follower has nothing is not stated.
    pub fn observe<M: Clone + Display>(
        &mut self,
        host: &mut Host<'_, M>,
        term: Term,
        book: impl IntoIterator<Item = Counted>,
    ) {
        let mut followers = 0;
        for counted in book {
            match self.0.get_mut(followers) {
                Some(stated) if *stated == counted => {}
                Some(stated) => {
                    let before = std::mem::replace(stated, counted);
                    let is_known = (before.0, before.1) == (counted.0, counted.1);
                    state(host, term, counted, is_known);
                }
                None => {
                    self.0.push(counted);
                    state(host, term, counted, false);
                }
            }
            followers += 1;
        }
        self.0.truncate(followers);
    }
}

fn state<M: Clone + Display>(
    host: &mut Host<'_, M>,
    term: Term,
    (follower, identity, match_index): Counted,
    is_known: bool,
) {
    if match_index > 0 || is_known {
        host.record_fact(ServerFact::Counts { term, follower, identity, match_index });
    }
}
