use super::arrows::arrows;
use super::source::Source;
use super::{
    Arrow, Band, Fate, LaneId, Picture, PictureLimits, bands, facts_picture, history_picture, mermaid,
    picture, shiviz,
};
use crate::findings::case::Case;
use crate::outcome::{MessageFate, Options, Recording, RunRecord, TraceEvent, TraceLine, Verdict};
use crate::plan::{Plan, SimDuration};
use crate::report::PlanSource;
use crate::report::timeline::describe_events;
use crate::systems::BUILT_IN;
use invariants::Budget;
use invariants::formats::{ParsedHistory, read_history};
use invariants::linearizability::report;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn case(name: &str) -> Plan {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../regressions/cases").join(name);
    Case::read(&path.with_extension("toml"), &BUILT_IN).unwrap_or_else(|error| panic!("{error}")).plan
}

fn record(plan: &Plan) -> RunRecord {
    BUILT_IN.run(plan, &Options { record: Recording::PAGE, ..Options::default() })
}

fn picture_of(plan: &Plan, record: &RunRecord, limits: PictureLimits) -> Picture {
    picture((BUILT_IN.name, plan), PlanSource::Seed, record, None, &Options::default(), limits)
}

fn drawn(name: &str) -> (Plan, RunRecord, Picture) {
    let plan = case(name);
    let record = record(&plan);
    let picture = picture_of(&plan, &record, PictureLimits::WHOLE);
    (plan, record, picture)
}

#[test]
fn picture_tells_what_was_promised_who_broke_it_when_and_why() {
    let (plan, _, picture) = drawn("commit-prior-term-by-count");
    let story = picture.story.as_ref().expect("the case fails");
    assert_eq!(story.property, "current-term-commit");
    assert_eq!(story.broken_by.len(), 2, "{story:?}");
    assert!(
        story.broken_by[0].contains("leader, term 3") && story.broken_by[0].contains("23@2"),
        "{story:?}"
    );
    assert_eq!(story.made_possible_by.len(), plan.faults.len() + 1, "two crashes and the bug: {story:?}");
    let side = &picture.clash[1];
    let mark = &picture.marks[side.mark.expect("the clash is drawn")];
    assert!(mark.in_clash && mark.in_slice && mark.step == side.step, "{mark:?}");
    // The leader has the entry in its log, and considers it committed.
    let log = picture.logs.iter().find(|log| Some(log.lane) == side.lane).expect("it has a log");
    let entry = log.entries.iter().find(|entry| entry.index == 23).expect("it has the entry");
    assert!(entry.in_clash && entry.committed && entry.term == Some(2), "{entry:?}");
    let others = picture.logs.iter().flat_map(|log| &log.entries).filter(|entry| entry.index != 23);
    assert!(others.clone().count() > 0 && others.into_iter().all(|entry| !entry.in_clash));
}

/// The twin walks all pairs of events.
#[test]
fn slice_is_the_causal_past() {
    let names = ["checksum-failure-treated-as-torn-tail", "no-check-quorum", "vote-without-log-check"];
    // Not in each of them something is outside.
    let outside: usize = names.into_iter().map(marks_outside_the_causal_past).sum();
    assert!(outside > 0, "some event must be outside, or this shows nothing");
}

/// Checks the slice of a case, and returns how many marks are outside.
fn marks_outside_the_causal_past(name: &str) -> usize {
    let (plan, record, picture) = drawn(name);
    let events = describe_events(plan.nodes, &record);
    let mut past: BTreeSet<u64> = picture.clash.iter().map(|side| side.step).collect();
    loop {
        let before = past.len();
        for event in events.iter().filter(|event| past.contains(&event.step)).collect::<Vec<_>>() {
            past.insert(event.event.cause.min(event.step));
            for node in event.event.nodes() {
                let earlier =
                    events.iter().filter(|it| it.step < event.step && it.event.nodes().contains(&node));
                past.extend(earlier.map(|it| it.step));
            }
        }
        if past.len() == before {
            break;
        }
    }
    let has_fault = |step: u64| events.iter().any(|event| event.step == step && event.event.is_fault());
    for mark in &picture.marks {
        assert_eq!(mark.in_slice, past.contains(&mark.step) || has_fault(mark.step), "{mark:?}");
    }
    picture.marks.iter().filter(|mark| !mark.in_slice).count()
}

#[test]
fn causes_come_before_their_effects() {
    for name in
        ["commit-prior-term-by-count", "checksum-failure-treated-as-torn-tail", "hung-disk-keeps-lead"]
    {
        let (_, _, picture) = drawn(name);
        assert!(picture.marks.iter().filter(|mark| !mark.causes.is_empty()).count() > 5, "{name}");
        for (position, mark) in picture.marks.iter().enumerate() {
            assert!(mark.causes.iter().all(|cause| *cause < position), "{name}: {mark:?}");
        }
    }
}

fn message(at: u64, step: u64, cause: u64, fate: MessageFate) -> TraceLine {
    let event = TraceEvent::Message { from: 1, to: 2, message: format!("sent in {cause}"), fate };
    TraceLine { at, step, cause, node: 2, event }
}

fn timer(at: u64, step: u64) -> TraceLine {
    TraceLine { at, step, cause: 0, node: 1, event: TraceEvent::Timer }
}

/// The arrows of a trace in a network in which a message takes 10 to 15 ns.
fn arrows_of(trace: Vec<TraceLine>, bands: &[Band]) -> Vec<Arrow> {
    let mut plan = crate::plan::generate(1);
    (plan.network.delay, plan.network.delay_spread) = (SimDuration(10), SimDuration(5));
    let record = RunRecord { trace, ..RunRecord::from(record(&case("leader-local-read")).outcome) };
    let events = describe_events(2, &record);
    arrows(
        &Source { nodes: 3, plan: Some(&plan), record: &record, failure: None, events: &events, before: &[] },
        bands,
    )
}

#[test]
fn late_lost_doubled_and_held_messages_are_told_apart() {
    let usual = vec![timer(100, 1), message(115, 2, 1, MessageFate::Delivered)];
    assert_eq!(arrows_of(usual, &[])[0].fate, Fate::Delivered, "15 ns is usual");
    let slow = vec![timer(100, 1), message(116, 2, 1, MessageFate::Delivered)];
    assert_eq!(arrows_of(slow, &[])[0].fate, Fate::Late);
    let overtaken = vec![
        timer(100, 1),
        timer(101, 2),
        message(111, 3, 2, MessageFate::Delivered),
        message(112, 4, 1, MessageFate::Delivered),
    ];
    let fates: Vec<Fate> = arrows_of(overtaken, &[]).iter().map(|arrow| arrow.fate).collect();
    assert_eq!(fates, [Fate::Delivered, Fate::Late]);
    let doubled = vec![
        // Its text is that of the copies, which are sent in the same event.
        TraceLine { step: 1, ..message(100, 1, 1, MessageFate::Duplicated) },
        message(111, 2, 1, MessageFate::Delivered),
        message(112, 3, 1, MessageFate::Delivered),
    ];
    let fates: Vec<Fate> = arrows_of(doubled, &[]).iter().map(|arrow| arrow.fate).collect();
    assert_eq!(fates, [Fate::Duplicated, Fate::Duplicated]);
    let lost = arrows_of(vec![message(100, 1, 0, MessageFate::Lost)], &[]);
    assert_eq!((lost[0].fate, lost[0].at, lost[0].sent), (Fate::Lost, None, 100));
    let pause = |to| Band {
        number: 1,
        kind: "pause",
        text: "pause n2".into(),
        lanes: vec![LaneId::Server(2)],
        from: 90,
        to,
        open: false,
    };
    let arrives = || vec![timer(100, 1), message(111, 2, 1, MessageFate::Delivered)];
    assert_eq!(arrows_of(arrives(), &[pause(111)])[0].fate, Fate::Held);
    assert_eq!(arrows_of(arrives(), &[pause(110)])[0].fate, Fate::Delivered, "the pause is over");
}

#[test]
fn each_end_belongs_to_its_fault() {
    let plan = case("commit-prior-term-by-count");
    let begins = |at, number, node| TraceLine {
        at,
        step: at,
        cause: 0,
        node: 0,
        event: TraceEvent::FaultBegins { number, kind: "crash", targets: vec![node] },
    };
    let ends = |at, number| TraceLine {
        at,
        step: at,
        cause: 0,
        node: 0,
        event: TraceEvent::FaultEnds { number, end: "over".into() },
    };
    let trace = vec![begins(10, 1, 1), begins(20, 2, 3), ends(25, None), ends(30, Some(2)), timer(50, 50)];
    let record = RunRecord { trace, ..RunRecord::from(record(&plan).outcome) };
    let events: Vec<_> =
        describe_events(3, &record).into_iter().filter(|event| event.event.at <= 50).collect();
    let source =
        Source { nodes: 3, plan: Some(&plan), record: &record, failure: None, events: &events, before: &[] };
    let bands: Vec<_> =
        bands::bands(&source).into_iter().map(|band| (band.number, band.from, band.to, band.open)).collect();
    assert_eq!(bands, [(1, 10, 50, true), (2, 20, 30, false)]);
}

#[test]
fn a_large_run_is_drawn_up_to_the_clash() {
    let (plan, record, whole) = drawn("commit-prior-term-by-count");
    assert_eq!(whole.window, None);
    let part = picture_of(&plan, &record, PictureLimits { events: 150, bytes: usize::MAX });
    assert!(part.window.as_ref().is_some_and(|note| note.starts_with("150 of ")), "{:?}", part.window);
    let clash = part.clash.last().and_then(|side| side.mark).expect("the clash is drawn");
    assert!(part.marks[clash].in_clash && part.from > whole.from);
    // It begins with the state that the events before it led to.
    let known: BTreeSet<LaneId> =
        part.states.iter().filter(|state| state.at == part.from).map(|state| state.lane).collect();
    assert_eq!(known.len(), 3);
    let small = picture_of(&plan, &record, PictureLimits { events: 20_000, bytes: 60_000 });
    assert!(small.to_json().len() <= 60_000 && small.clash.last().is_some_and(|side| side.mark.is_some()));
}

#[test]
fn diagram_has_at_most_sixty_lines_and_the_clash() {
    for name in ["commit-prior-term-by-count", "leader-local-read", "hung-disk-keeps-lead"] {
        let (_, _, picture) = drawn(name);
        let text = mermaid(&picture);
        assert!(text.starts_with("sequenceDiagram\n") && text.lines().count() <= 60, "{text}");
        assert_eq!(
            text.matches("CLASH: ").count() >= 1,
            picture.marks.iter().any(|mark| mark.in_clash),
            "{text}"
        );
    }
}

#[test]
fn vector_clocks_follow_the_messages() {
    let (_, _, picture) = drawn("checksum-failure-treated-as-torn-tail");
    let text = shiviz(&picture);
    let lines: Vec<&str> = text.lines().skip(2).collect();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut with_other = 0;
    for event in lines.chunks(2) {
        let (host, clock) = event[1].split_once(' ').expect("host and clock");
        let clock: BTreeMap<String, u64> =
            serde_json::from_str(clock).unwrap_or_else(|error| panic!("{error}"));
        let own = counts.entry(host).or_default();
        *own += 1;
        assert_eq!(clock[host], *own, "{event:?}");
        // What it knows of others has happened.
        assert!(clock.iter().all(|(other, count)| counts.get(other.as_str()).is_some_and(|it| it >= count)));
        with_other += u64::from(clock.len() > 1);
    }
    assert!(lines.len().is_multiple_of(2) && with_other > 10, "{with_other}");
}

#[cfg(feature = "perfetto")]
#[test]
fn perfetto_trace_is_read_back() {
    use super::perfetto::{EventType, Trace, TrackEvent};
    use prost::Message;
    let (_, _, picture) = drawn("checksum-failure-treated-as-torn-tail");
    let trace = Trace::decode(super::perfetto(&picture).as_slice()).expect("it is a trace");
    let events: Vec<&TrackEvent> =
        trace.packet.iter().filter_map(|packet| packet.track_event.as_ref()).collect();
    let tracks = trace.packet.iter().filter_map(|packet| packet.track_descriptor.as_ref()?.uuid);
    let tracks: BTreeSet<u64> = tracks.collect();
    assert!(events.iter().all(|event| event.track_uuid.is_some_and(|track| tracks.contains(&track))));
    let count = |kind: EventType| events.iter().filter(|event| event.r#type() == kind).count();
    assert!(count(EventType::SliceBegin) > 10);
    assert_eq!(count(EventType::SliceBegin), count(EventType::SliceEnd), "everything that begins ends");
    for mark in &picture.marks {
        assert!(events.iter().any(|event| event.name.as_ref() == Some(&mark.text)), "{mark:?}");
    }
    let flows = |ids: fn(&TrackEvent) -> &Vec<u64>| events.iter().flat_map(|event| ids(event)).count();
    let arrived = picture.arrows.iter().filter(|arrow| arrow.at.is_some()).count();
    assert_eq!(flows(|event| &event.terminating_flow_ids), arrived);
    assert_eq!(flows(|event| &event.flow_ids), picture.arrows.len());
}

/// A history in Jepsen's lines: two writes, and a read of this value.
fn history(read: u64) -> ParsedHistory {
    let line = |process: u64, kind: &str, f: &str, value: &str, time: u64| {
        format!(
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value},\"time\":{time},\"index\":{time}}}\n"
        )
    };
    let text = [
        line(0, "invoke", "write", "1", 0),
        line(0, "ok", "write", "1", 1),
        line(0, "invoke", "write", "2", 2),
        line(0, "ok", "write", "2", 3),
        line(1, "invoke", "read", "null", 4),
        line(1, "ok", "read", &read.to_string(), 5),
    ];
    read_history(&text.concat()).unwrap_or_else(|error| panic!("{error}")).1
}

fn picture_of_history(history: &ParsedHistory) -> Picture {
    let report = report(&history.calls, Budget::default()).expect("it is well formed");
    history_picture("title", history, &report, vec!["explanation".to_owned()], Budget::default())
}

#[test]
fn history_shows_what_could_be_explained_and_what_could_not() {
    let picture = picture_of_history(&history(1));
    let text = |index: &usize| picture.operations[*index].text.clone();
    // Executed in this order, each operation gives the answer that it gave: here both are writes.
    let explained: Vec<String> = picture.explained_order.iter().map(text).collect();
    assert!(
        explained[0].ends_with("=1") && explained[1].ends_with("=2") && explained.len() == 2,
        "{explained:?}"
    );
    let read = picture.operations.iter().position(|operation| operation.result == "1").expect("the read");
    assert!(picture.operations[read].in_clash && !picture.explained_order.contains(&read));
    assert!(picture.forced_order.iter().any(|edge| edge.before == read || edge.after == read));
    assert_eq!(picture.story.expect("it is not linearizable").property, "linearizability");
    // A read of the newest value contradicts nothing.
    let picture = picture_of_history(&history(2));
    assert!(picture.story.is_none() && picture.verdict == "passed" && picture.operations.len() == 3);
    assert!(picture.operations.iter().all(|operation| !operation.in_clash));
}

#[test]
fn facts_alone_are_drawn_with_their_contradiction() {
    let (_, record, of_run) = drawn("commit-prior-term-by-count");
    let Verdict::Failed(failure) = &record.outcome.verdict else { panic!("the case fails") };
    let picture = facts_picture("title", record.facts.clone(), failure.facts());
    let steps = |picture: &Picture| picture.clash.iter().map(|side| side.step).collect::<Vec<_>>();
    assert_eq!(steps(&picture), steps(&of_run));
    assert_eq!(picture.logs, of_run.logs);
    assert!(picture.arrows.is_empty() && picture.plan.is_empty());
    assert_eq!(facts_picture("title", record.facts.clone(), None).verdict, "passed");
}
