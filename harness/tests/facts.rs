//! Which facts count, and what holds for a system that states some of them only.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

mod common;

use common::{Hello, SimpleServer, fault, plan_without_faults};
use harness::outcome::{LIVENESS, Options, Recording, RunRecord, Verdict};
use harness::plan::faults::PowerLoss;
use harness::plan::{Plan, SimDuration, Supports, Target};
use harness::server::{Arrival, Bookkeeping, Damaged, Host, LocalTime, Server};
use harness::systems::raft_core::RaftServer;
use harness::systems::run::run_with;
use invariants::{Digest, DiskFact, Fact, LogId, ServerFact};

/// Delegates everything but these functions to a [`SimpleServer`].
macro_rules! wraps_simple_server {
    ($wrapper:ident, $supports:expr, $boot:expr) => {
        struct $wrapper(SimpleServer);

        impl Server for $wrapper {
            type Message = Hello;
            const SUPPORTS: Supports = $supports;

            fn boot(host: &mut Host<'_, Hello>) -> Result<$wrapper, Damaged> {
                let boot: fn(&mut Host<'_, Hello>) = $boot;
                boot(host);
                Ok($wrapper(SimpleServer::boot(host)?))
            }

            fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
                self.0.step(host, arrival);
            }

            fn deadline(&self) -> Option<LocalTime> {
                self.0.deadline()
            }

            fn is_heartbeat(message: &Hello) -> bool {
                SimpleServer::is_heartbeat(message)
            }
        }
    };
}

fn record<S: Server>(plan: &Plan) -> RunRecord {
    run_with::<S>(
        plan,
        &Options { record: Recording { facts: true, ..Recording::PAGE }, ..Options::default() },
    )
}

fn violated(record: &RunRecord) -> Option<&str> {
    match &record.outcome.verdict {
        Verdict::Failed(failure) => Some(&failure.property),
        Verdict::Passed => None,
        Verdict::Unknown(why) => panic!("{why}"),
    }
}

fn started(term: u64) -> ServerFact {
    let id = LogId::default();
    ServerFact::Started { term, vote: None, base: id, last: id, digest: Digest::EMPTY }
}

wraps_simple_server!(LiesAboutBytes, Supports { sessions: false, ..Supports::ALL }, |host| {
    let term = host.disk().read("term").len() as u64;
    host.record_fact(started(term));
    // The truth is attached to a write that does not hold it.
    host.disk().attach(DiskFact::Saved { term: term + 1, vote: None, after: None });
});

wraps_simple_server!(SaysWhatItSaved, Supports { sessions: false, ..Supports::ALL }, |host| {
    let term = host.disk().read("term").len() as u64;
    host.record_fact(started(term));
    host.disk().append("term", |bytes| bytes.push(1));
    host.disk().sync_directory();
    host.disk().attach(DiskFact::Saved { term: term + 1, vote: None, after: None });
});

/// What is attached to a write is not compared with its bytes; the next start is compared with it.
#[test]
fn a_truth_about_bytes_that_were_not_written_is_found_at_the_next_start() {
    let mut plan = plan_without_faults(1, SimDuration::millis(800));
    let lasts = SimDuration::millis(100);
    plan.faults = vec![fault(SimDuration::millis(300), PowerLoss { nodes: vec![Target::Node(1)], lasts })];
    assert_eq!(violated(&record::<LiesAboutBytes>(&plan)), Some("monotonic-term"));
    assert_ne!(violated(&record::<SaysWhatItSaved>(&plan)), Some("monotonic-term"));
}

/// The facts of a server, by name.
fn stated(record: &RunRecord) -> Vec<&'static str> {
    let of_servers = record.facts.iter().filter(|observed| observed.fact.is_about_server());
    let mut names: Vec<_> = of_servers.map(|observed| observed.fact.name()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The first entry is applied, and has this content.
fn applied(entry: Digest) -> ServerFact {
    ServerFact::Applied { index: 1, entry, state: Digest(1), request: None, effect: true, session: None }
}

/// States something of everything: the log of a system that is no Raft.
fn states_everything(host: &mut Host<'_, Hello>) {
    host.record_fact(started(7));
    host.record_fact(ServerFact::Committed { index: 1 });
    host.record_fact(applied(Digest(1)));
    host.disk().attach(DiskFact::SavedEntry { index: 9, term: 9, entry: Digest(1) });
}

wraps_simple_server!(BlackBox, Supports { sessions: false, ..Supports::NOTHING }, states_everything);
wraps_simple_server!(
    ApplicationOnly,
    Supports { application_facts: true, ..Supports::NOTHING },
    states_everything
);
wraps_simple_server!(OtherApplications, Supports { application_facts: true, ..Supports::NOTHING }, |host| {
    host.record_fact(applied(Digest(host.node())));
});

#[test]
fn facts_that_a_system_does_not_support_are_dropped() {
    let plan = Supports::NOTHING.restrict(plan_without_faults(3, SimDuration::millis(300)));
    // The world states who the initial voters are.
    assert_eq!(stated(&record::<BlackBox>(&plan)), ["founded"]);
    assert_eq!(stated(&record::<ApplicationOnly>(&plan)), ["applied", "founded"]);
}

#[test]
fn what_the_application_does_is_compared_without_other_facts() {
    let plan = Supports::NOTHING.restrict(plan_without_faults(3, SimDuration::millis(300)));
    let record = record::<OtherApplications>(&plan);
    assert_eq!(violated(&record), Some("state-machine-safety"));
    assert!(record.facts.iter().any(|observed| matches!(observed.fact, Fact::Applied { .. })));
}

/// A [`SimpleServer`] states that it leads, and nothing that it commits or applies.
#[test]
fn servers_that_do_not_state_their_progress_need_not_converge() {
    let plan = plan_without_faults(3, SimDuration::millis(500));
    let record = record::<SimpleServer>(&plan);
    assert_ne!(violated(&record), Some(LIVENESS), "{:?}", record.outcome.verdict);
}

/// A server of the built-in system with a table that gets an entry at each of its first steps, and no more than `MOST`.
struct WithTable<const MOST: u64> {
    raft: RaftServer,
    entries: u64,
}

impl<const MOST: u64> Server for WithTable<MOST> {
    type Message = <RaftServer as Server>::Message;

    fn boot(host: &mut Host<'_, Self::Message>) -> Result<Self, Damaged> {
        Ok(WithTable { raft: RaftServer::boot(host)?, entries: 0 })
    }

    fn step(&mut self, host: &mut Host<'_, Self::Message>, arrival: Arrival<Self::Message>) {
        self.entries = MOST.min(self.entries + 1);
        self.raft.step(host, arrival);
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.raft.deadline()
    }

    fn bookkeeping(&self) -> Option<Bookkeeping> {
        let size = self.entries;
        self.raft.bookkeeping().map(|kept| Bookkeeping { size, ..kept })
    }

    fn is_heartbeat(message: &Self::Message) -> bool {
        RaftServer::is_heartbeat(message)
    }
}

#[test]
fn a_table_may_be_kept_and_must_not_grow_while_nothing_happens() {
    let plan = plan_without_faults(3, SimDuration::millis(500));
    assert_eq!(violated(&record::<WithTable<{ u64::MAX }>>(&plan)), Some("bookkeeping"));
    let record = record::<WithTable<9>>(&plan);
    assert_eq!(violated(&record), None);
    let sizes = |observed: &invariants::Observed| match observed.fact {
        Fact::SizeKept { before, after } => Some([before, after]),
        _ => None,
    };
    let stated: Vec<_> = record.facts.iter().filter_map(sizes).collect();
    assert!(!stated.is_empty() && stated.iter().all(|sizes| *sizes == [9, 9]), "{stated:?}");
}
