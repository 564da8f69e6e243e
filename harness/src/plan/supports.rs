//! What a system supports. Its plans rely on nothing else, and its summary says what was left out.

use super::generate::limit_clock_faults;
use super::{FaultKind, PermanentFaultKind, Plan, Probability, SimDuration, Trigger};

/// Declares what a system may support: a field each, with its name and what a plan loses without it.
macro_rules! supports {
    ($($(#[doc = $about:literal])+ $field:ident $name:literal: $restrict:expr,)+) => {
        /// What a system supports.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct Supports {
            $($(#[doc = $about])+ pub $field: bool,)+
        }

        impl Supports {
            /// Everything.
            pub const ALL: Supports = Supports { $($field: true,)+ };
            /// Nothing: a black box that answers requests.
            pub const NOTHING: Supports = Supports { $($field: false,)+ };

            /// The names of all.
            pub const NAMES: &[&str] = &[$($name,)+];

            /// The same without the one of this name, if there is one.
            #[must_use]
            pub fn without(self, name: &str) -> Supports {
                match name {
                    $($name => Supports { $field: false, ..self },)+
                    _ => self,
                }
            }

            /// What is not supported, each with a description.
            #[must_use]
            pub fn missing(&self) -> Vec<(&'static str, &'static str)> {
                let mut missing = Vec::new();
                $(if !self.$field {
                    missing.push(($name, concat!($($about),+).trim_start()));
                })+
                missing
            }

            /// Whether servers state what the application does.
            #[must_use]
            pub const fn states_application(&self) -> bool {
                self.facts || self.application_facts
            }

            /// On what a plan relies that is not supported.
            #[must_use]
            pub fn unsupported(&self, plan: &Plan) -> Vec<&'static str> {
                let mut found = Vec::new();
                $(if !self.$field && (Supports { $field: false, ..Supports::ALL }).restrict(plan.clone()) != *plan {
                    found.push($name);
                })+
                found
            }

            /// Each of these, alone not supported.
            #[cfg(test)]
            fn each_missing() -> Vec<Supports> {
                vec![$(Supports { $field: false, ..Supports::ALL },)+]
            }

            /// The plan without whatever relies on something that is not supported. Nothing else changes.
            #[must_use]
            pub fn restrict(&self, mut plan: Plan) -> Plan {
                $(if !self.$field {
                    let restrict: fn(&mut Plan) = $restrict;
                    restrict(&mut plan);
                })+
                plan
            }
        }
    };
}

supports! {
    /// Servers state facts. Without them, clients, panics and determinism judge the system alone.
    /// Faults that wait for a trigger which only facts show are left out.
    facts "facts": |plan| {
        plan.faults.retain(|fault| matches!(fault.on, None | Some(Trigger::Unsynced)));
    },
    /// Servers state what the application does. With it, the order of effects is compared with the responses, even
    /// where no other facts are stated.
    application_facts "application-facts": |_| {},
    /// Leaders state when they confirm a read, and servers every answer to a leader.
    read_confirmations "read-confirmations": |_| {},
    /// Leaders state up to where they count each follower, and disks have an identity.
    follower_counts "follower-counts": |_| {},
    /// Servers state when they are told to campaign, and which candidacies are by order.
    candidacy_orders "candidacy-orders": |_| {},
    /// Leaders state, once faults are over, what they send to followers.
    sent_entries "sent-entries": |_| {},
    /// Servers report what they keep for a while.
    bookkeeping "bookkeeping": |_| {},
    /// Servers change their configuration at an operator's command.
    membership "membership": |plan| {
        plan.raft.initial_voters = 0;
        drop_faults(plan, |kind| matches!(kind, FaultKind::Change(_) | FaultKind::Leave(_)));
    },
    /// Leaders transfer their leadership at an operator's command.
    transfer "transfer": |plan| drop_faults(plan, |kind| matches!(kind, FaultKind::Transfer(_))),
    /// Servers run a pre-vote before they campaign.
    pre_vote "pre-vote": |plan| {
        plan.raft.pre_vote = false;
        // A server that receives nothing would campaign in ever higher terms.
        drop_permanent_fault(plan, PermanentFaultKind::InboundPartition);
    },
    /// Leaders that hear from no majority step down, and leave a server with a permanent fault.
    check_quorum "check-quorum": |plan| {
        (plan.raft.check_quorum, plan.raft.lease_drift, plan.permanent_fault) = (false, None, None);
    },
    /// Leaders serve reads under a lease.
    leases "leases": |plan| plan.raft.lease_drift = None,
    /// Leases allow for clocks that drift.
    drifting_leases "drifting-leases": |plan| {
        let no_drift = Probability(0);
        if plan.raft.lease_drift.is_some_and(|drift| drift != no_drift) {
            plan.raft.lease_drift = Some(no_drift);
            limit_clock_faults(no_drift, &mut plan.faults);
            plan.faults.retain(|fault| !matches!(fault.kind, FaultKind::ClockRate(_)));
            plan.permanent_fault.iter_mut().for_each(|permanent| permanent.drift = 0);
        }
    },
    /// Followers forward requests to their leader.
    forwarding "forwarding": |plan| plan.raft.forward = false,
    /// Servers compact their logs into snapshots.
    snapshots "snapshots": |plan| plan.compaction = None,
    /// Servers send snapshots in several parts.
    chunks "chunks": |plan| plan.raft.chunk = 0,
    /// Servers have several syncs in flight.
    concurrent_syncs "concurrent-syncs": |plan| plan.raft.max_in_flight_syncs = 1,
    /// A server whose disk was emptied returns under its number, as another replica.
    wipes "wipes": |plan| drop_faults(plan, |kind| matches!(kind, FaultKind::Wipe(_))),
    /// A server notices damaged bytes on its disk, and stops.
    damage "damage": |plan| drop_faults(plan, |kind| matches!(kind, FaultKind::BitRot(_))),
    /// A server stops when a sync fails.
    failed_syncs "failed-syncs": |plan| {
        drop_faults(plan, |kind| matches!(kind, FaultKind::DiskError(_) | FaultKind::FullDisk(_)));
        drop_permanent_fault(plan, PermanentFaultKind::BrokenDisk);
    },
    /// After a restart a server writes again what a failed sync may have dropped.
    dropped_writes "dropped-writes": |plan| {
        for fault in &mut plan.faults {
            if let FaultKind::DiskError(error) = &mut fault.kind {
                error.drops = false;
            }
        }
        drop_faults(plan, |kind| matches!(kind, FaultKind::FullDisk(_)));
    },
    /// A leader whose disk hangs makes way for another.
    hung_disks "hung-disks": |plan| drop_permanent_fault(plan, PermanentFaultKind::StalledDisk),
    /// Servers recognise a request that they have executed before. Without it a client sends each write once.
    sessions "sessions": |plan| plan.clients.session = SimDuration(0),
    /// The application has lists.
    lists "lists": |plan| plan.clients.registers_only = true,
    /// The application can remove the value of a register.
    deletes "deletes": |plan| plan.clients.without_deletes = true,
    /// The application can write a register on condition of its value.
    compare_and_set "compare-and-set": |plan| plan.clients.without_compare_and_set = true,
}

fn drop_faults(plan: &mut Plan, dropped: fn(&FaultKind) -> bool) {
    plan.faults.retain(|fault| !dropped(&fault.kind));
}

fn drop_permanent_fault(plan: &mut Plan, kind: PermanentFaultKind) {
    if plan.permanent_fault.is_some_and(|fault| fault.kind == kind) {
        plan.permanent_fault = None;
    }
}

impl Default for Supports {
    fn default() -> Supports {
        Supports::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::Supports;
    use crate::plan::generate;

    #[test]
    fn a_system_that_supports_everything_gets_every_plan_as_generated() {
        for seed in 0..200 {
            assert_eq!(Supports::ALL.restrict(generate(seed)), generate(seed));
        }
        assert_eq!(Supports::ALL.missing(), []);
    }

    #[test]
    fn a_restricted_plan_is_valid_and_relies_on_nothing_that_is_missing() {
        let mut changed = 0;
        for seed in 0..500 {
            for supports in Supports::each_missing().into_iter().chain([Supports::NOTHING]) {
                let plan = supports.restrict(generate(seed));
                assert_eq!(plan.check(), Ok(()), "seed {seed}, {:?}", supports.missing());
                assert_eq!(supports.unsupported(&plan), [""; 0], "seed {seed}");
            }
            let plan = Supports::NOTHING.restrict(generate(seed));
            assert!(plan.compaction.is_none() && plan.permanent_fault.is_none() && !plan.raft.forward);
            changed += u64::from(plan.faults != generate(seed).faults);
        }
        assert!(changed > 100, "{changed}");
        assert_eq!(Supports::NOTHING.missing().len(), 26);
        assert_eq!(
            Supports { chunks: false, ..Supports::ALL }.missing(),
            [("chunks", "Servers send snapshots in several parts.")]
        );
    }
}
