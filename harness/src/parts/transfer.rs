//! A transfer of leadership that an operator has asked for.
//!
//! *In*: what the Raft library knows: who leads, and to whom it is transferring. *Out*: the answer to the operator, and the
//! milestones `transfer-completed` and `transfer-aborted`.

use crate::outcome::{TRANSFER_ABORTED, TRANSFER_COMPLETED};
use crate::server::{Host, OperatorResponse};
use invariants::Node;
use std::fmt::Display;

/// The transfer under way, if any.
#[derive(Clone, Copy, Default, Debug)]
pub struct PendingTransfer {
    pending: Option<(u64, Node)>,
}

impl PendingTransfer {
    /// The operator's command with this number has begun a transfer. One that was under way is given up.
    pub fn begin<M: Clone + Display>(&mut self, host: &mut Host<'_, M>, request: u64, target: Node) {
        if let Some((request, _)) = self.pending.replace((request, target)) {
            abort(host, request, "superseded");
        }
    }

    /// Answers the command once its outcome shows. `leads`: whether this server leads; `target`: to whom it is
    /// transferring; `leader`: who leads as far as it knows.
    pub fn observe<M: Clone + Display>(
        &mut self,
        host: &mut Host<'_, M>,
        leads: bool,
        target: Option<Node>,
        leader: Option<Node>,
    ) {
        let Some((request, to)) = self.pending else { return };
        match leader {
            _ if leads && target == Some(to) => return,
            None if !leads => return,
            Some(leader) if leader == to => {
                host.count_milestone(TRANSFER_COMPLETED);
                host.respond_to_operator(request, &OperatorResponse::Done);
            }
            _ => abort(host, request, "another server leads"),
        }
        self.pending = None;
    }
}

fn abort<M: Clone + Display>(host: &mut Host<'_, M>, request: u64, reason: &str) {
    host.count_milestone(TRANSFER_ABORTED);
    host.respond_to_operator(request, &OperatorResponse::rejected(reason));
}
