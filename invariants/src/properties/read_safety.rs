//! **Read safety**: a read sees all writes that were acknowledged before it began.
//!
//! *Source*: linearizable reads: Raft paper, 8; thesis, 6.4. *Facts*: the clients' `WriteAcknowledged` and
//! `ReadAsked`, the servers' `ReadServed`.
//!
//! *Check*: a read that began after a client saw its write at index i acknowledged must be served from a state that
//! has applied at least i. A retried read counts from its first request: the client accepts a response to either.
//!
//! *Blind spots*: a committed write whose client has not seen the acknowledgement binds no read. The value that the
//! read returns is not checked here (see `linearizability`). A served read without a request is ignored.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Fact, Index, Observed, RequestId};
use crate::state::{FactOrigin, RequestMap};

/// A read sees all writes that were acknowledged before it began.
#[derive(Default, Debug)]
pub struct ReadSafety {
    pub(crate) checks: u64,
    /// The furthest acknowledged write so far.
    newest_acked_write: Option<AckedWrite>,
    /// For each read, the furthest acknowledged write when it was first requested. Never removed: a retry may
    /// still be answered by a server that has fallen behind, and the client takes the first response.
    acked_before_read: RequestMap<Option<AckedWrite>>,
}

#[derive(Clone, Copy, Debug)]
struct AckedWrite {
    index: Index,
    write: RequestId,
    origin: FactOrigin,
}

impl ReadSafety {
    /// The name.
    pub const NAME: &str = "read-safety";
    /// What must hold, in one line.
    pub const ABOUT: &str = "a read is served from a state with all writes acknowledged before it began";

    pub(crate) fn record_acked_write(&mut self, observed: &Observed, index: Index, write: RequestId) {
        if self.newest_acked_write.is_none_or(|known| known.index < index) {
            self.newest_acked_write = Some(AckedWrite { index, write, origin: FactOrigin::of(observed) });
        }
    }

    pub(crate) fn record_read_request(&mut self, read: RequestId) {
        self.acked_before_read.insert(read, self.newest_acked_write);
    }

    pub(crate) fn check_read(
        &mut self,
        context: CheckContext<'_>,
        read: RequestId,
        applied: Index,
    ) -> CheckResult {
        let Some(&Some(AckedWrite { index, write, origin })) = self.acked_before_read.get(read) else {
            return Ok(());
        };
        self.checks += 1;
        if applied >= index {
            return Ok(());
        }
        let conflict = Conflict::StaleRead { node: context.node.id, read, applied, write, index };
        let first = origin.observed(Fact::WriteAcknowledged { index, write });
        context.violation(Self::NAME, Some(first), conflict)
    }
}
