//! The lists of a plan from which items can be removed.

use crate::plan::Plan;
use std::ops::Range;

/// A list in a plan, ordered by time.
#[derive(Clone, Copy, Debug)]
pub(super) enum PlanList {
    /// The faults.
    Faults,
    /// The client calls, if the plan lists them.
    Calls,
}

impl PlanList {
    /// Its length.
    pub(super) fn length(self, plan: &Plan) -> usize {
        match self {
            PlanList::Faults => plan.faults.len(),
            PlanList::Calls => plan.clients.calls.iter().flatten().map(Vec::len).sum(),
        }
    }

    /// The plan without these items of the list.
    pub(super) fn remove_range(self, plan: &Plan, items: Range<usize>) -> Plan {
        let mut plan = plan.clone();
        match self {
            PlanList::Faults => drop(plan.faults.drain(items)),
            PlanList::Calls => {
                let calls = plan.clients.calls.get_or_insert_default();
                let mut all: Vec<(u64, usize)> = Vec::new();
                for (client, calls) in calls.iter().enumerate() {
                    all.extend(calls.iter().map(|call| (*call, client)));
                }
                // Think times have the same mean for all clients: the number of a call approximates its time.
                all.sort_unstable();
                for (call, client) in &all[items] {
                    calls[*client].retain(|other| other != call);
                }
            }
        }
        plan
    }
}
