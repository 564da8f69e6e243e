//! What a server logs through `tracing`, `log` and `slog` stands in the trace and on the page, with node and simulated time.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

mod common;

use common::{Hello, plan_without_faults};
use harness::outcome::{LogLevel, LogLine, NO_PANIC, Options, Recording, RunRecord, TraceEvent, Verdict};
use harness::plan::{Plan, SimDuration, Supports};
use harness::report::{DEFAULT_WIDTH, PlanSource, run_page, trace_line};
use harness::server::{Arrival, Damaged, Host, LocalTime, Server, SlogDrain};
use harness::systems::run::run_with;

/// Logs at its boot, and by another crate at each request; the third request panics.
struct Chatty {
    requests: u64,
    slog: slog::Logger,
}

impl Server for Chatty {
    type Message = Hello;
    const SUPPORTS: Supports = Supports::NOTHING;

    fn boot(host: &mut Host<'_, Hello>) -> Result<Chatty, Damaged> {
        tracing::info!(node = host.node(), "boots\nwith an empty disk");
        Ok(Chatty { requests: 0, slog: slog::Logger::root(SlogDrain, slog::o!("node" => host.node())) })
    }

    fn step(&mut self, _: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        let Arrival::Request { request, .. } = arrival else { return };
        self.requests += 1;
        let span = tracing::info_span!("request");
        let _entered = span.enter();
        match self.requests {
            1 => log::warn!("request {} is dropped", request.id),
            2 => slog::debug!(self.slog, "another one"; "id" => %request.id),
            _ => {
                tracing::error!(target: "chatty", "this is too much");
                panic!("too many requests");
            }
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        None
    }

    fn is_heartbeat(_: &Hello) -> bool {
        false
    }
}

fn plan() -> Plan {
    let mut plan = plan_without_faults(1, SimDuration::millis(2_000));
    plan.clients.count = 1;
    plan
}

fn run(record: Recording) -> RunRecord {
    run_with::<Chatty>(&plan(), &Options { record, ..Options::default() })
}

#[test]
fn logs_stand_in_the_trace_with_node_and_time() {
    let record = run(Recording::PAGE);
    let lines: Vec<(u64, &LogLine)> = record
        .trace
        .iter()
        .filter_map(|line| match &line.event {
            TraceEvent::Log(log) => {
                assert_eq!(line.node, log.node);
                Some((line.at, log))
            }
            _ => None,
        })
        .collect();
    let logged: Vec<(LogLevel, &str)> =
        lines.iter().map(|(_, log)| (log.level, log.target.as_str())).collect();
    let expected = [
        (LogLevel::Info, "logs"),
        (LogLevel::Warn, "logs"),
        (LogLevel::Debug, "logs"),
        (LogLevel::Error, "chatty"),
    ];
    assert_eq!(logged, expected);
    assert_eq!(lines[0].1.text, "boots with an empty disk node=1");
    assert!(
        lines[2].1.text.ends_with(" node=1") && lines[2].1.text.starts_with("another one id="),
        "{lines:?}"
    );
    assert!(lines[0].0 == 0 && lines[1].0 > 0 && lines[1].0 < lines[3].0, "{lines:?}");
    // The last line stands before the panic.
    let position =
        |wanted: fn(&TraceEvent) -> bool| record.trace.iter().rposition(|line| wanted(&line.event));
    assert!(
        position(|event| matches!(event, TraceEvent::Log(_)))
            < position(|event| matches!(event, TraceEvent::Panic(_)))
    );
    let text = trace_line(record.trace.iter().find(|line| matches!(line.event, TraceEvent::Log(_))).unwrap());
    assert!(text.ends_with("  n1    logs INFO logs: boots with an empty disk node=1"), "{text}");

    let page = run_page(&plan(), PlanSource::Seed, &record, None, &Options::default(), DEFAULT_WIDTH);
    assert!(page.contains("n1 logs ERROR chatty: this is too much"), "{page}");
    assert!(page.contains("the last lines that servers log"), "{page}");
}

#[test]
fn logs_change_no_run() {
    let (with, without) = (run(Recording::PAGE), run(Recording::default()));
    assert_eq!(with.outcome, without.outcome);
    assert!(matches!(&with.outcome.verdict, Verdict::Failed(failure) if failure.property == NO_PANIC));
    assert!(without.trace.is_empty());
    assert_eq!(with.trace, run(Recording::PAGE).trace);
    // Nothing listens any more.
    assert!(!tracing::enabled!(tracing::Level::ERROR) && !log::log_enabled!(log::Level::Error));
}
