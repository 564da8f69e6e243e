//! The systems that can be compared.

use harness::plan::{Plan, generate};
use harness::support::suggest;
use harness::systems::{BUILT_IN, SystemInfo};

/// All systems.
pub const ALL: &[SystemInfo] = &[
    BUILT_IN,
    SystemInfo::of::<harness_raft_rs::RaftRs>(),
    SystemInfo::of::<harness_omnipaxos::OmniPaxos>(),
    // It is made of tasks, which run on madsim.
    #[cfg(madsim)]
    SystemInfo::of::<harness_openraft::Openraft>(),
];

/// The system of this name.
///
/// # Errors
///
/// There is none; the message names them all.
pub fn find(name: &str) -> Result<SystemInfo, String> {
    let names = ALL.iter().map(|system| system.name);
    ALL.iter().find(|system| system.name == name).copied().ok_or_else(|| {
        let nearest = suggest::nearest(name, names.clone());
        let names = if nearest.is_empty() { names.collect() } else { nearest };
        format!("there is no system `{name}`; there is {}", names.join(", "))
    })
}

/// The plan of a seed that all these systems can run.
#[must_use]
pub fn common_plan(seed: u64, systems: [&SystemInfo; 2]) -> Plan {
    let mut plan = systems.iter().fold(generate(seed), |plan, system| system.supports.restrict(plan));
    plan.raft.forward = false;
    plan
}

/// The command that repeats a run on a system, for a file with its plan.
#[must_use]
pub fn command(system: &SystemInfo, path: &str) -> String {
    let arguments = if system.cargo_arguments.is_empty() { "-p harness" } else { system.cargo_arguments };
    format!("cargo run --release {arguments} -- run --plan {path}")
}
