//! **As written**: a restart finds nothing on its disk that no server wrote.
//!
//! *Source*: Raft paper, figure 2 (the log is on stable storage); Alagappan et al., Protocol-Aware Recovery for
//! Consensus-Based Storage (FAST 2018): a server must not use bytes that its disk has damaged. *Facts*: `Started`,
//! `Restored`, `Identified`; compared with `Appended`, `SavedEntry`, `Applied`.
//!
//! *Check*: a recovered log ends with an entry that some server wrote at this index in this term, and its digest (after a
//! snapshot: of the rest) is that of the entries which were written. A state that is restored from a snapshot is the one
//! that was first applied at its index. A server that recovers a log has the identity that its disk had before. So the property rests on no promise, and holds also where so many disks forget that
//! Raft promises nothing.
//!
//! Allowed: to recover less than was promised. After a disk was damaged or wiped, servers that have forgotten votes and
//! entries can lead the same term, or commit other entries at the same index: from the first index on where a log or a
//! state parted from what was written or applied before, nothing is compared.
//!
//! *Blind spots*: term, vote and configuration; what is beyond such an index.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::{Conflict, StateStep};
use crate::fact::{Digest, Index, LogId, Term};

/// A restart finds nothing on its disk that no server wrote.
#[derive(Debug)]
pub struct AsWritten {
    pub(crate) checks: u64,
    /// Whether any disk was damaged or wiped.
    disks_forgot: bool,
    /// The first index at which, since then, an entry or what comes before it differed from what was written before.
    log_parted: Index,
    /// The first index at which, since then, a state differed from the one that was applied before.
    states_parted: Index,
}

impl Default for AsWritten {
    fn default() -> AsWritten {
        AsWritten { checks: 0, disks_forgot: false, log_parted: Index::MAX, states_parted: Index::MAX }
    }
}

impl AsWritten {
    /// The name.
    pub const NAME: &str = "as-written";
    /// What must hold, in one line.
    pub const ABOUT: &str = "a restart finds no log and no state on its disk that no server wrote";

    pub(crate) fn record_damage(&mut self) -> CheckResult {
        self.disks_forgot = true;
        Ok(())
    }

    #[inline]
    pub(crate) fn record_append(
        &mut self,
        context: CheckContext<'_>,
        id: LogId,
        entry: Digest,
    ) -> CheckResult {
        if self.disks_forgot && id.index < self.log_parted && parts(context, id, entry) {
            self.log_parted = id.index;
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn record_apply(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        state: Digest,
    ) -> CheckResult {
        if self.disks_forgot && index < self.states_parted {
            let known = context.cluster.applications.find(index);
            if known.is_some_and(|known| known.state != state) {
                self.states_parted = index;
            }
        }
        Ok(())
    }

    pub(crate) fn check_start(
        &mut self,
        context: CheckContext<'_>,
        base: LogId,
        last: LogId,
        digest: Digest,
    ) -> CheckResult {
        let start = LogId::default();
        if (base, last) == (start, start) || last.index >= self.log_parted {
            return Ok(());
        }
        let (node, entries) = (context.node.id, &context.cluster.entries);
        self.checks += 1;
        if entries.find(last).is_none() {
            return context.violation(Self::NAME, None, Conflict::StartedWithUnwrittenLog { node, last });
        }
        match entries.digest_between(base, last) {
            Some(written) if written != digest => {
                context.violation(Self::NAME, None, Conflict::StartedWithOtherLog { node, base, last })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn check_identity(&mut self, context: CheckContext<'_>, identity: u64) -> CheckResult {
        let (node, former) = (context.node.id, context.node.identity());
        // A disk that holds no log may be new, and has another identity then.
        if former == 0 || context.node.last_index() == 0 {
            return Ok(());
        }
        self.checks += 1;
        if identity == former {
            return Ok(());
        }
        let conflict = Conflict::StartedWithOtherIdentity { node, former, identity };
        context.violation(Self::NAME, None, conflict)
    }

    pub(crate) fn check_restore(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        state: Digest,
    ) -> CheckResult {
        let Some(known) = context.cluster.applications.find(index) else { return Ok(()) };
        if index >= self.states_parted {
            return Ok(());
        }
        self.checks += 1;
        if known.state == state {
            return Ok(());
        }
        let conflict = Conflict::SnapshotStateDiffers {
            node: context.node.id,
            step: StateStep::Restore,
            state,
            index,
            other: known.origin.node,
            known: known.state,
        };
        context.violation(Self::NAME, Some(known.observed(index)), conflict)
    }
}

/// Whether this entry, or the log before it, differs from what was first written at its index in its term.
#[cold]
fn parts(context: CheckContext<'_>, id: LogId, entry: Digest) -> bool {
    let entries = &context.cluster.entries;
    let Some(known) = entries.find(id) else { return false };
    let index = id.index - 1;
    let previous: Option<Term> = context.node.log.term_at(index);
    let prefix = previous.and_then(|term| entries.prefix_digest(LogId { index, term }));
    prefix.is_none_or(|prefix| prefix.then_entry(id.term, entry) != known.prefix_digest)
}
