//! The system: what it supports, and its servers.

use crate::bugs::HostBug;
use crate::message::{Body, Message};
use crate::node;
use crate::node::LEADER_RESTORE;
use harness::engine::pump::tasks::{NodeHandle, TaskServer, Tasks};
use harness::plan::{Knob, Supports};
use harness::server::BugInfo;
use harness::systems::System;
use invariants::{ConfigurationSteps, Contract};
use std::future::Future;

/// The tasks of a server.
#[derive(Debug)]
pub enum OpenraftTasks {}

impl Tasks for OpenraftTasks {
    type Message = Message;

    const SUPPORTS: Supports = Supports {
        facts: true,
        application_facts: true,
        transfer: true,
        pre_vote: true,
        snapshots: true,
        failed_syncs: true,
        dropped_writes: true,
        concurrent_syncs: true,
        sessions: true,
        lists: true,
        deletes: true,
        compare_and_set: true,
        ..Supports::NOTHING
    };

    const KNOBS: &'static [Knob] = &[LEADER_RESTORE];

    /// By its documentation a vote outlives a restart with the leadership that it gives; leaders and candidates need not be
    /// voters; and configurations are lists of halves. It saves a commit some time after it has decided it.
    const CONTRACT: Contract = Contract {
        steps: ConfigurationSteps::SharedHalf,
        leader_resumes: true,
        outsider_leads: true,
        states_commits_late: true,
        ..Contract::PAPER
    };

    fn main(node: NodeHandle<Message>) -> impl Future<Output = ()> + 'static {
        node::run(node)
    }

    fn bugs() -> Vec<&'static BugInfo> {
        HostBug::infos()
    }

    fn is_heartbeat(message: &Message) -> bool {
        matches!(&message.body, Body::Append(request) if request.entries.is_empty())
    }
}

/// openraft 0.10.
#[derive(Debug)]
pub enum Openraft {}

impl System for Openraft {
    const NAME: &'static str = "openraft";
    const CARGO_ARGUMENTS: &'static str = concat!("-p ", env!("CARGO_PKG_NAME"));
    const VERSION: &'static str = "openraft 0.10.0-alpha.37";
    const CASES: &'static str = "harness/systems/openraft/cases";
    type Server = TaskServer<OpenraftTasks>;
}
