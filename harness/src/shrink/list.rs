//! The lists of a plan that parts can be taken out of.

use crate::plan::Plan;
use std::ops::Range;

/// A list in a plan, in the order of time.
#[derive(Clone, Copy, Debug)]
pub(super) enum PlanList {
    /// What breaks.
    Faults,
    /// What clients call, where it is said call by call.
    Calls,
}

impl PlanList {
    /// How long it is.
    pub(super) fn length(self, plan: &Plan) -> usize {
        match self {
            PlanList::Faults => plan.faults.len(),
            PlanList::Calls => plan.clients.calls.iter().flatten().map(Vec::len).sum(),
        }
    }

    /// The plan without these parts of the list.
    pub(super) fn remove_range(self, plan: &Plan, parts: Range<usize>) -> Plan {
        let mut plan = plan.clone();
        match self {
            PlanList::Faults => drop(plan.faults.drain(parts)),
            PlanList::Calls => {
                let calls = plan.clients.calls.get_or_insert_default();
                let mut all: Vec<(u64, usize)> = Vec::new();
                for (client, calls) in calls.iter().enumerate() {
                    all.extend(calls.iter().map(|call| (*call, client)));
                }
                // All clients pause for equally long on average: the number of a call is nearly its time.
                all.sort_unstable();
                for (call, client) in &all[parts] {
                    calls[*client].retain(|other| other != call);
                }
            }
        }
        plan
    }
}
