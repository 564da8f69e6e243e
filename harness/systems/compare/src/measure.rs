//! What is measured of a system: from the history of the clients, from the trace, and from what servers send.
//!
//! Each figure has one exact meaning. What cannot be measured so is not shown.

use harness::outcome::{Options, Recording, RunRecord, TraceEvent, Verdict};
use harness::plan::{Plan, Probability};
use harness::systems::SystemInfo;
use invariants::{Call, RequestId, Time};
use std::collections::BTreeMap;

/// How a system did on a plan. Times are in nanoseconds of simulated time.
#[derive(Clone, PartialEq, Debug)]
pub struct Measures {
    /// The property that the whole run breaks, healed phase included. Then the figures end with the failure.
    pub broken: Option<String>,
    /// Operations that clients called in the fault phase.
    pub called: u64,
    /// Writes that were answered.
    pub writes: u64,
    /// Reads that were answered.
    pub reads: u64,
    /// How often another server, or the same after a restart, became leader; `None` if the system does not say.
    pub leader_changes: Option<u64>,
    /// How often a write was answered by another server than the write before.
    pub server_changes: u64,
    /// After each fault: the longest time without an answered write.
    pub gaps: Vec<Gap>,
    /// The median time from a call to its answer: of writes, and of reads.
    pub write_latency: Option<Time>,
    /// The same of reads.
    pub read_latency: Option<Time>,
    /// Messages between servers for each answered write, whatever they are for.
    pub messages_per_write: Option<f64>,
    /// Their bytes; `None` if the system has no encoding.
    pub bytes_per_write: Option<f64>,
    /// Messages for each write and for each read beyond those of an idle cluster, without faults.
    pub quiet: Quiet,
}

/// The longest time without an answered write that overlaps the time from this fault to the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The number of the fault in the plan, from 1.
    pub number: u64,
    /// When it begins.
    pub at: Time,
    /// Its kind.
    pub kind: &'static str,
    /// How long.
    pub longest: Time,
}

/// Three runs of the plan without its faults: nothing is called, only writes, only reads.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quiet {
    /// Messages of an idle cluster in a second.
    pub idle_messages_per_second: f64,
    /// Messages beyond those for each answered write.
    pub messages_per_write: Option<f64>,
    /// Messages beyond those for each answered read.
    pub messages_per_read: Option<f64>,
    /// Answered reads for each round: one message to every other server and back. `None`: reads need no messages.
    pub reads_per_round: Option<f64>,
}

/// Measures a system on a plan.
#[must_use]
pub fn measure(system: &SystemInfo, plan: &Plan) -> Measures {
    let broken = match system.run(plan, &Options::default()).outcome.verdict {
        Verdict::Failed(failure) => Some(failure.property),
        Verdict::Passed | Verdict::Unknown(_) => None,
    };
    let record = run(system, plan, true);
    let answered = |reads: bool| {
        let calls = record.history.iter().filter(move |call| call.operation.action.is_read() == reads);
        calls.filter_map(|call| Some((call, call.returned.as_ref()?.0)))
    };
    let mut writes: Vec<(Time, RequestId)> = answered(false).map(|(call, at)| (at, call.id)).collect();
    writes.sort_unstable();
    let latency = |reads| median(answered(reads).map(|(call, at)| (at - call.called) as f64).collect());
    let traffic = record.traffic.unwrap_or_default();
    Measures {
        broken,
        called: record.history.len() as u64,
        writes: writes.len() as u64,
        reads: answered(true).count() as u64,
        leader_changes: system.supports.facts.then_some(record.outcome.counts.leader_changes),
        server_changes: server_changes(&record, &writes),
        gaps: gaps(&record, &writes),
        write_latency: latency(false).map(|latency| latency as Time),
        read_latency: latency(true).map(|latency| latency as Time),
        messages_per_write: ratio(traffic.messages as f64, writes.len()),
        bytes_per_write: traffic.bytes.and_then(|bytes| ratio(bytes as f64, writes.len())),
        quiet: quiet(system, plan),
    }
}

/// The fault phase, with whatever is measured. The trace is only for faults and answers.
fn run(system: &SystemInfo, plan: &Plan, trace: bool) -> RunRecord {
    let record = Recording { trace, history: true, traffic: true, ..Recording::default() };
    system.run(plan, &Options { record, fault_phase_only: true, ..Options::default() })
}

fn ratio(sum: f64, count: usize) -> Option<f64> {
    (count > 0).then(|| sum / count as f64)
}

/// The median; of an even number of values the mean of the two in the middle.
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// How often the server that answers writes changed. An answer belongs to the write whose client has received it then.
fn server_changes(record: &RunRecord, writes: &[(Time, RequestId)]) -> u64 {
    let answers: BTreeMap<(Time, RequestId), u64> = record
        .trace
        .iter()
        .filter_map(|line| match line.event {
            TraceEvent::Reply { from, id, .. } => Some(((line.at, id), from)),
            _ => None,
        })
        .collect();
    let servers: Vec<u64> = writes.iter().filter_map(|write| answers.get(write).copied()).collect();
    servers.windows(2).filter(|pair| pair[0] != pair[1]).count() as u64
}

fn gaps(record: &RunRecord, writes: &[(Time, RequestId)]) -> Vec<Gap> {
    let faults: Vec<(Time, u64, &'static str)> = record
        .trace
        .iter()
        .filter_map(|line| match line.event {
            TraceEvent::FaultBegins { number, kind, .. } => Some((line.at, number, kind)),
            _ => None,
        })
        .collect();
    let end = record.outcome.counts.simulated;
    let times: Vec<Time> = [0].into_iter().chain(writes.iter().map(|(at, _)| *at)).chain([end]).collect();
    let gap = |(index, &(at, number, kind)): (usize, &(Time, u64, &'static str))| {
        let next = faults[index..].iter().map(|(next, ..)| *next).find(|next| *next > at).unwrap_or(end);
        let overlapping = times.windows(2).filter(|pair| pair[1] > at && pair[0] < next);
        let longest = overlapping.map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        Gap { number, at, kind, longest }
    };
    faults.iter().enumerate().map(gap).collect()
}

fn quiet(system: &SystemInfo, plan: &Plan) -> Quiet {
    let mut plan = Plan { faults: Vec::new(), permanent_fault: None, ..plan.clone() };
    let mut messages_and_calls = |reads: u32, calls: bool| {
        plan.clients.reads = Probability(reads);
        plan.clients.calls = (!calls).then(|| vec![Vec::new(); plan.clients.count as usize]);
        let record = run(system, &plan, false);
        let answered = |call: &&Call| call.returned.is_some();
        let seconds = record.outcome.counts.simulated as f64 / 1e9;
        let messages = record.traffic.unwrap_or_default().messages as f64;
        (messages, record.history.iter().filter(answered).count(), seconds)
    };
    let (idle, _, seconds) = messages_and_calls(0, false);
    let (with_writes, writes, _) = messages_and_calls(0, true);
    let (with_reads, reads, _) = messages_and_calls(1_000_000, true);
    let round = 2 * (plan.nodes - 1);
    let messages_per_read = ratio(with_reads - idle, reads);
    Quiet {
        idle_messages_per_second: idle / seconds,
        messages_per_write: ratio(with_writes - idle, writes),
        messages_per_read,
        reads_per_round: messages_per_read
            .filter(|messages| *messages > 0.0)
            .map(|messages| round as f64 / messages),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::outcome::{Counts, Exercised, Outcome, TraceLine};
    use invariants::Digest;

    fn record(events: Vec<(Time, TraceEvent)>, simulated: Time) -> RunRecord {
        let outcome = Outcome {
            verdict: Verdict::Passed,
            counts: Counts { simulated, ..Counts::default() },
            checks: Vec::new(),
            milestones: Vec::new(),
            faults: Vec::new(),
            exercised: Exercised::default(),
            digest: Digest::EMPTY,
        };
        let line = |(at, event)| TraceLine { at, step: 0, cause: 0, node: 0, event };
        RunRecord { trace: events.into_iter().map(line).collect(), ..outcome.into() }
    }

    fn id(sequence: u64) -> RequestId {
        RequestId { session: 1, sequence }
    }

    #[test]
    fn a_gap_belongs_to_each_fault_that_it_overlaps() {
        let fault = |number, kind| TraceEvent::FaultBegins { number, kind, targets: Vec::new() };
        let record =
            record(vec![(15, fault(1, "crash")), (50, fault(2, "pause")), (50, fault(3, "crash"))], 100);
        // Answers at 10, 40, 60 and 70.
        let writes = [(10, id(1)), (40, id(2)), (60, id(3)), (70, id(4))];
        let longest: Vec<_> = gaps(&record, &writes).iter().map(|gap| (gap.number, gap.longest)).collect();
        // The first: from 10 to 40. The others begin together, and nothing is answered from 70 to the end.
        assert_eq!(longest, [(1, 30), (2, 30), (3, 30)]);
        let longest: Vec<_> = gaps(&record, &writes[..3]).iter().map(|gap| gap.longest).collect();
        assert_eq!(longest, [30, 40, 40]);
    }

    #[test]
    fn a_server_change_shows_in_answers_that_clients_took() {
        let reply = |from, sequence| TraceEvent::Reply {
            from,
            client: 1,
            id: id(sequence),
            response: "done".to_owned(),
        };
        // The second answer to request 2 came too late.
        let events = vec![(10, reply(1, 1)), (20, reply(1, 2)), (25, reply(3, 2)), (30, reply(2, 3))];
        assert_eq!(server_changes(&record(events, 100), &[(10, id(1)), (20, id(2)), (30, id(3))]), 1);
    }

    #[test]
    fn the_median_of_an_even_number_is_between_two() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
