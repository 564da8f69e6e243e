//! **Bookkeeping**: while nothing happens, a server keeps no request, no promise and no part of a snapshot, and a leader
//! tracks the members of its configuration.
//!
//! *Source*: no section of the paper says it; what is kept for good adds up until the memory is full, and a leader that
//! tracks others than its members counts or serves the wrong ones. *Facts*: `Kept`, `SizeKept`; `Configured`, `Leads`.
//!
//! *Check*: in a quiet time in which all members agree and no client or operator asks for anything, what a member keeps at
//! each of several moments is nothing. A leader tracks the other members of the configuration in force, each once. The size of
//! what a server keeps besides, where it reports one, is not larger in the last quarter of that time than in the first.
//!
//! Allowed: any size that does not grow; anything that is kept at some moments only, such as the answer to a heartbeat that waits for the write of a
//! snapshot; a server that does not lead and tracks nothing; a snapshot that is being sent to a member that is down; what a server
//! outside the group keeps, which is not told that a transfer has ended.
//!
//! *Blind spots*: what a server does not report; sessions, logs and snapshots, which the state machine and compaction
//! decide; timers, of which a server of this harness has one.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::{Conflict, Leftover, NodeList};
use crate::fact::Node;

/// While nothing happens, a server keeps nothing.
#[derive(Default, Debug)]
pub struct NothingKept {
    pub(crate) checks: u64,
}

impl NothingKept {
    /// The name.
    pub const NAME: &str = "bookkeeping";
    /// What must hold, in one line.
    pub const ABOUT: &str = "while nothing happens, no server keeps requests, promises or snapshot parts, and leaders track their members";

    pub(crate) fn check_kept(
        &mut self,
        context: CheckContext<'_>,
        counts: [u64; 3],
        followers: &[Node],
    ) -> CheckResult {
        let node = context.node.id;
        self.checks += 1;
        let kinds = [Leftover::Requests, Leftover::Promises, Leftover::Parts];
        if let Some((kept, count)) = kinds.into_iter().zip(counts).find(|(_, count)| *count > 0) {
            return context.violation(Self::NAME, None, Conflict::KeptForGood { node, kept, count });
        }
        self.check_followers(context, followers)
    }

    pub(crate) fn check_size(&mut self, context: CheckContext<'_>, before: u64, after: u64) -> CheckResult {
        self.checks += 1;
        if after <= before {
            return Ok(());
        }
        let node = context.node.id;
        context.violation(Self::NAME, None, Conflict::GrowsForNothing { node, before, after })
    }

    fn check_followers(&self, context: CheckContext<'_>, followers: &[Node]) -> CheckResult {
        let node = context.node.id;
        let leader = context.node.leading_term().zip(context.node.configuration());
        let Some((term, configuration)) = leader else { return Ok(()) };
        let mut members: Vec<Node> = configuration.members().filter(|member| *member != node).collect();
        members.sort_unstable();
        members.dedup();
        let mut tracked = followers.to_vec();
        tracked.sort_unstable();
        if tracked == members {
            return Ok(());
        }
        let (followers, configuration) = (NodeList(tracked), configuration.clone());
        let conflict = Conflict::TracksOthers { node, term, followers, configuration };
        context.violation(Self::NAME, None, conflict)
    }
}
