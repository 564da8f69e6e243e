//! **Rejection reasons**: the reason that a server gives an operator for a rejection is true.
//!
//! *Source*: Raft paper, 8 (a server that does not lead rejects); thesis 3.10, 4.1 as amended in 2015, 4.2.1 and 4.3. *Facts*:
//! the world's `CommandRejected`; compared with `Leads`, `SteppedDown`, `TermChanged`, `Configured`, `Committed` and `Counts`.
//!
//! *Check*, by what the server itself has stated when it rejects:
//!
//! - *not leader*: it does not lead. Judged of every server, all others of a leader only;
//! - *change pending*: the configuration in force is joint, or its entry is not committed;
//! - *no own commit*: the last entry that it knows to be committed is of an earlier term;
//! - *not caught up*: some server that would become a voter is neither a voter nor counted up to the end of the leader's log;
//! - *unknown server*: some server that the command names is the leader itself, or no voter.
//!
//! Allowed: a server that becomes leader in the event in which it rejects, because the answer may be older; *not caught up*
//! of a learner that lacks a single entry, because how much it may lack is the system's choice; any other reason.
//!
//! *Blind spots*: reasons that the system does not name, which count as *other*; *change pending* where a configuration takes
//! effect when it is applied, because an entry on its way is then no `Configured`; *not caught up* where leaders do not state
//! `Counts`.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::{Conflict, ReasonFlaw};
use crate::contract::TakesEffect;
use crate::fact::{Index, LogId, Node, RejectionReason};
use crate::state::ServerState;

/// The reason that a server gives an operator for a rejection is true.
#[derive(Default, Debug)]
pub struct RejectionReasons {
    pub(crate) checks: u64,
}

impl RejectionReasons {
    /// The name.
    pub const NAME: &str = "rejection-reasons";
    /// What must hold, in one line.
    pub const ABOUT: &str = "the reason that a server gives an operator for a rejection is true";

    /// `counted`: up to which index the server, as leader, counts another one.
    pub(crate) fn check_rejection(
        &mut self,
        context: CheckContext<'_>,
        reason: RejectionReason,
        servers: &[Node],
        counted: impl Fn(Node) -> Index,
    ) -> CheckResult {
        let node = context.node;
        let leads = node.leading_term();
        // A server that has stated nothing is not judged.
        let is_judged = match reason {
            RejectionReason::Other => false,
            RejectionReason::NotLeader => node.incarnation > 0,
            _ => leads.is_some(),
        };
        self.checks += u64::from(is_judged);
        let Some(term) = leads.filter(|_| is_judged) else { return Ok(()) };
        let last_committed = || {
            let index = node.known_committed();
            node.log.term_at(index).map(|term| LogId { index, term })
        };
        let flaw = match reason {
            RejectionReason::Other => None,
            RejectionReason::NotLeader => {
                let elected =
                    context.cluster.leaderships.get(term).map(|it| (it.origin.step, it.origin.node));
                (elected != Some((context.observed.step, node.id))).then_some(ReasonFlaw::Leads { term })
            }
            RejectionReason::ChangePending => {
                let is_stated = context.cluster.contract.configurations == TakesEffect::Appended;
                let settled = node.newest_configuration().filter(|(index, configuration)| {
                    *index <= node.known_committed() && !configuration.is_joint()
                });
                settled.filter(|_| is_stated).map(|(index, _)| ReasonFlaw::NonePending { index })
            }
            RejectionReason::NoOwnCommit => last_committed()
                .filter(|entry| entry.term == term)
                .map(|entry| ReasonFlaw::Committed { term, entry }),
            RejectionReason::NotCaughtUp => {
                let last = node.last_index();
                let is_ready = |server: &Node| {
                    *server == node.id || votes(node, *server) || (last > 0 && counted(*server) >= last)
                };
                servers.iter().all(is_ready).then_some(ReasonFlaw::CaughtUp { last })
            }
            RejectionReason::UnknownServer => {
                let is_known = |server: &Node| *server != node.id && votes(node, *server);
                let configuration = node.configuration().filter(|_| !servers.is_empty());
                let all_known = configuration.filter(|_| servers.iter().all(is_known));
                all_known.map(|configuration| ReasonFlaw::Votes { configuration: configuration.clone() })
            }
        };
        match flaw {
            None => Ok(()),
            Some(flaw) => {
                let conflict = Conflict::FalseReason { node: node.id, reason, flaw };
                context.violation(Self::NAME, None, conflict)
            }
        }
    }
}

/// Whether a server votes in the configuration that another one uses.
fn votes(node: &ServerState, server: Node) -> bool {
    node.configuration()
        .is_some_and(|configuration| configuration.halves().any(|half| half.contains(&server)))
}
