//! **Leader hints**: a server that does not lead names another server as leader, or none.
//!
//! *Source*: Raft paper, 8 and thesis, 6.2: a server that is not the leader sends clients to the one that it has heard from
//! last, and one that stops leading knows no leader. *Facts*: the world's `Redirected`; compared with `Leads`,
//! `SteppedDown`, `TermChanged` and `Campaigned`.
//!
//! *Check*: a server that sends a client to itself leads at that time. A client that follows the hint would ask it again and
//! again.
//!
//! Allowed: a hint to itself in the event in which it stops leading, because the answer may be older; a hint to another server that does not lead any more, or is not a member any more: the server cannot know.
//!
//! *Blind spots*: a server that states no facts; hints that are passed on to the operator, or from server to server.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::Node;
use std::collections::BTreeMap;

/// A server that does not lead names another server as leader, or none.
#[derive(Default, Debug)]
pub struct LeaderHints {
    pub(crate) checks: u64,
    /// The event in which each server stopped leading last.
    deposed_at: BTreeMap<Node, u64>,
}

impl LeaderHints {
    /// The name.
    pub const NAME: &str = "leader-hints";
    /// What must hold, in one line.
    pub const ABOUT: &str = "a server that does not lead names another server as leader, or none";

    /// A fact that ends a leadership, if this server leads.
    pub(crate) fn record_end(&mut self, context: CheckContext<'_>) -> CheckResult {
        if context.node.leading_term().is_some() {
            self.deposed_at.insert(context.node.id, context.observed.step);
        }
        Ok(())
    }

    pub(crate) fn check_hint(&mut self, context: CheckContext<'_>, leader: Node) -> CheckResult {
        let node = context.node;
        // It has stated nothing: who leads is not known.
        if node.incarnation == 0 {
            return Ok(());
        }
        self.checks += 1;
        let step = context.observed.step;
        if leader != node.id
            || node.leading_term().is_some()
            || self.deposed_at.get(&node.id).is_some_and(|deposed_at| *deposed_at == step)
        {
            return Ok(());
        }
        context.violation(Self::NAME, None, Conflict::HintedItself { node: node.id, term: node.term })
    }
}
