//! **Reads see what was acknowledged before they were asked.**
//!
//! *Source*: linearizable reads: Raft paper, 8; thesis, 6.4. *Facts*: the clients' `WriteAcknowledged` and `ReadAsked`,
//! the server's `ReadServed`.
//!
//! *Reading*: a read that is asked when a client has seen the write at index i acknowledged must be served from a state
//! that has applied at least i. Asked again, the read keeps its first asking: the client would be content with an answer
//! to either.
//!
//! *Blind spots*: a write that is committed but not yet seen by its client owes nothing. What the answer says is not
//! looked at; that is the history's business. A served read that nobody asked is let go.

use crate::fact::{Fact, Index, Observed, RequestId};
use crate::scene::{Scene, Verdict};
use crate::shadow::{Requests, Seen};

/// Reads see what was acknowledged before they were asked.
#[derive(Default, Debug)]
pub struct Reads {
    pub(crate) looked: u64,
    /// The furthest acknowledged write so far.
    acknowledged: Option<Write>,
    /// For each read, the furthest acknowledged write when it was first asked. Reads stay: an answer to a retry may yet
    /// come from a server that has fallen behind, and the client takes whichever comes first.
    asked: Requests<Option<Write>>,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    index: Index,
    write: RequestId,
    seen: Seen,
}

impl Reads {
    /// Its name.
    pub const NAME: &str = "reads";
    /// In one line.
    pub const ABOUT: &str = "a read is served from a state with all writes acknowledged before it was asked";

    pub(crate) fn write_acknowledged(&mut self, observed: &Observed, index: Index, write: RequestId) {
        if self.acknowledged.is_none_or(|known| known.index < index) {
            self.acknowledged = Some(Write { index, write, seen: Seen::of(observed) });
        }
    }

    pub(crate) fn asked(&mut self, read: RequestId) {
        self.asked.insert(read, self.acknowledged);
    }

    pub(crate) fn serves(&mut self, scene: Scene<'_>, read: RequestId, applied: Index) -> Verdict {
        let Some(&Some(Write { index, write, seen })) = self.asked.get(read) else { return Ok(()) };
        self.looked += 1;
        if applied >= index {
            return Ok(());
        }
        let sentence = format!(
            "n{} serves read {read} from the state after {applied} although write {write} at {index} was acknowledged \
             before the read was asked",
            scene.node.id
        );
        scene.clash(Self::NAME, Some(seen.fact(Fact::WriteAcknowledged { index, write })), sentence)
    }
}
