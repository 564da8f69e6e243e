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

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Fact, Index, Observed, RequestId};
use crate::shadow::{FactOrigin, RequestMap};

/// Reads see what was acknowledged before they were asked.
#[derive(Default, Debug)]
pub struct ReadSafety {
    pub(crate) checks: u64,
    /// The furthest acknowledged write so far.
    newest_acked_write: Option<AckedWrite>,
    /// For each read, the furthest acknowledged write when it was first asked. Reads stay: an answer to a retry may yet
    /// come from a server that has fallen behind, and the client takes whichever comes first.
    requested: RequestMap<Option<AckedWrite>>,
}

#[derive(Clone, Copy, Debug)]
struct AckedWrite {
    index: Index,
    write: RequestId,
    origin: FactOrigin,
}

impl ReadSafety {
    /// Its name.
    pub const NAME: &str = "read-safety";
    /// In one line.
    pub const ABOUT: &str = "a read is served from a state with all writes acknowledged before it was asked";

    pub(crate) fn record_acked_write(&mut self, observed: &Observed, index: Index, write: RequestId) {
        if self.newest_acked_write.is_none_or(|known| known.index < index) {
            self.newest_acked_write = Some(AckedWrite { index, write, origin: FactOrigin::of(observed) });
        }
    }

    pub(crate) fn record_read_request(&mut self, read: RequestId) {
        self.requested.insert(read, self.newest_acked_write);
    }

    pub(crate) fn check_read(
        &mut self,
        scene: CheckContext<'_>,
        read: RequestId,
        applied: Index,
    ) -> CheckResult {
        let Some(&Some(AckedWrite { index, write, origin: seen })) = self.requested.get(read) else {
            return Ok(());
        };
        self.checks += 1;
        if applied >= index {
            return Ok(());
        }
        let sentence = format!(
            "n{} serves read {read} from the state after {applied} although write {write} at {index} was acknowledged \
             before the read was asked",
            scene.node.id
        );
        scene.violation(Self::NAME, Some(seen.observed(Fact::WriteAcknowledged { index, write })), sentence)
    }
}
