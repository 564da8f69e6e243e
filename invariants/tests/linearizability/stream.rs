//! The streaming check next to the others.

use crate::agree::setup;
use crate::brute::brute_force;
use crate::chance::{Chance, execution, kind, spoil};
use crate::simulator::{Event, FAULTS, Fault, Setup, Simulated, simulate};
use invariants::linearizability::{
    Action, Budget, Call, Response, Stream, StreamVerdict, StreamViolation, Verdict, check, check_by_zones,
};

/// Lets a stream see a history: at one time first the calls, for touching is no precedence.
pub fn streamed(history: &[Call], mut stream: Stream) -> Result<Stream, Box<StreamViolation>> {
    let mut events = Vec::new();
    for (number, call) in history.iter().enumerate() {
        events.push((call.called, false, number));
        if let Some((returned, _)) = call.returned {
            events.push((returned, true, number));
        }
    }
    events.sort_unstable();
    for (_, returns, number) in events {
        let call = &history[number];
        match &call.returned {
            Some((_, response)) if returns => stream.record_response(call.id, response)?,
            Some(_) => stream.record_call(call.id, call.operation),
            None => {
                stream.record_call(call.id, call.operation);
                stream.record_abandoned(call.id);
            }
        }
    }
    Ok(stream)
}

/// Lets a stream see all that happened.
pub fn followed(simulated: &Simulated, retire: bool) -> Result<Stream, Box<StreamViolation>> {
    let mut stream = Stream::new();
    for &event in &simulated.events {
        let of = |call: usize| &simulated.history[call];
        match event {
            Event::Called(call) => stream.record_call(of(call).id, of(call).operation),
            Event::Answered(call, _) => {
                let (_, response) = of(call).returned.as_ref().expect("answered");
                stream.record_response(of(call).id, response)?;
            }
            Event::GaveUp(call) => stream.record_abandoned(of(call).id),
            Event::Retired(call) if retire => stream.retire(of(call).operation),
            Event::Applied(..) | Event::Retired(_) => {}
        }
    }
    Ok(stream)
}

#[test]
fn the_stream_agrees_with_all_orders_tried() {
    let mut chance = Chance(7);
    let (mut good, mut bad, mut unclear) = (0, 0, 0);
    for round in 0..20_000 {
        let kind = kind(&mut chance);
        let mut history = execution(&mut chance, kind).history;
        for _ in 0..chance.below(4) {
            spoil(&mut chance, &mut history);
        }
        let verdict = streamed(&history, Stream::new()).map(|stream| stream.verdict());
        let forgetful = streamed(&history, Stream::with_sweep_interval(1)).map(|stream| stream.verdict());
        match (&verdict, &forgetful) {
            // What was forgotten may be written again, and then is another content.
            (Ok(StreamVerdict::Unknown { .. }), _) => {}
            _ => assert_eq!(verdict.is_ok(), forgetful.is_ok(), "round {round}: {verdict:?}, {forgetful:?}"),
        }
        if let Ok(StreamVerdict::Linearizable) = forgetful {
            assert!(brute_force(&history), "round {round}: {history:#?}");
        }
        let told = || history.iter().map(|call| format!("\n  {call}")).collect::<String>();
        let zoned = check_by_zones(&history).expect("well formed");
        if let Ok(StreamVerdict::Unknown { .. }) = &verdict {
            // While it goes on nobody knows that a compare-and-set will fail, so that its content is written once.
            unclear += u32::from(!matches!(zoned, Verdict::Unknown { .. }));
            continue;
        }
        let linearizable = brute_force(&history);
        assert_eq!(verdict.is_ok(), linearizable, "round {round}: {verdict:?}{}", told());
        good += u32::from(linearizable);
        bad += u32::from(!linearizable);
    }
    assert!(good > 3_000 && bad > 3_000, "{good} good, {bad} bad");
    assert!(unclear < 1_000, "{unclear} unclear, although their zones are not");
}

#[test]
fn the_stream_agrees_with_the_zones_on_faults_and_without() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..100 {
        for fault in FAULTS.into_iter().chain([Fault::None]) {
            let simulated = simulate(setup(seed, fault));
            let zoned = check_by_zones(&simulated.history).expect("well formed");
            for retire in [false, true] {
                match followed(&simulated, retire).map(|stream| stream.verdict()) {
                    Ok(StreamVerdict::Linearizable) => {
                        assert_eq!(zoned, Verdict::Linearizable, "{seed} {fault:?}")
                    }
                    // What was retired and seen all the same, and what was not told.
                    Ok(StreamVerdict::Unknown { .. }) => {
                        assert!(retire || matches!(zoned, Verdict::Unknown { .. }))
                    }
                    Err(broken) => {
                        // At least one key is surely bad; elsewhere it may be unclear.
                        let verdict = check(&simulated.history, Budget::default()).expect("well formed");
                        assert!(matches!(verdict, Verdict::Violation(_)), "{seed} {fault:?}: {broken}");
                        bad += 1;
                        continue;
                    }
                }
                good += 1;
            }
        }
    }
    assert!(good > 200 && bad > 400, "{good} good, {bad} bad");
}

/// What a client never asked cannot have been answered wrongly, and what took longer leaves more orders: a stream that lets
/// a history pass lets it pass without one of its reads, with a call that was earlier, and with a return that was later.
#[test]
fn seeing_less_or_taking_longer_never_makes_it_worse() {
    let mut chance = Chance(11);
    let mut changed = [0; 4];
    for seed in 0..400 {
        let history = simulate(setup(seed, FAULTS[seed as usize % FAULTS.len()])).history;
        let judged = |history: &[Call], every| {
            streamed(history, Stream::with_sweep_interval(every)).map(|stream| stream.verdict())
        };
        // Faults that nobody noticed make the better half.
        if judged(&history, 16) != Ok(StreamVerdict::Linearizable) {
            continue;
        }
        for _ in 0..20 {
            let mut other = history.clone();
            let unknown: Vec<usize> = (0..other.len()).filter(|&at| other[at].returned.is_none()).collect();
            let at = match chance.below(4) {
                0 if !unknown.is_empty() => unknown[chance.below(unknown.len() as u64) as usize],
                _ => chance.below(other.len() as u64) as usize,
            };
            let last = other.iter().map(|call| call.called).max().unwrap_or(0);
            let call = &mut other[at];
            let kind = match (chance.below(3), &mut call.returned) {
                (0, _) if call.operation.action.is_read() => {
                    other.remove(at);
                    0
                }
                (0 | 1, Some(_)) => {
                    call.called -= chance.below(call.called.min(2_000) + 1);
                    1
                }
                (_, Some((returned, _))) => {
                    *returned += chance.below(2_000);
                    2
                }
                // Once it was unknown, now it is known that it was not answered until the end.
                (_, None) => {
                    let response = match call.operation.action {
                        Action::Put(_) | Action::Delete(_) | Action::Append(_) | Action::Replace(_) => {
                            Response::Done
                        }
                        _ => continue,
                    };
                    call.returned = Some((last + 10_000, response));
                    3
                }
            };
            for every in [1, 16] {
                // Written at the end instead of never: then nobody comes later who could miss it.
                let verdict = judged(&other, every);
                assert_eq!(verdict, Ok(StreamVerdict::Linearizable), "seed {seed}, change {kind} of {at}");
            }
            changed[kind] += 1;
        }
    }
    assert!(changed.iter().all(|&changed| changed > 50), "{changed:?}");
}

/// A million operations on one key, with a share of the outcomes unknown.
#[test]
fn a_long_history_is_judged_in_little_memory() {
    for (operations, unknown) in [(200_000, 0), (1_000_000, 10)] {
        let setup = Setup { operations, clients: 50, keys: 1, unknown, ..Setup::default() };
        let stream = followed(&simulate(setup), true).unwrap_or_else(|broken| panic!("{broken}"));
        assert_eq!(stream.verdict(), StreamVerdict::Linearizable);
        assert!(stream.max_live_per_key() < 1_000, "{} live entries", stream.max_live_per_key());
    }
    let setup = Setup { operations: 100_000, clients: 50, keys: 4, lists: 4, ..Setup::default() };
    let stream = followed(&simulate(setup), true).unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(stream.verdict(), StreamVerdict::Linearizable);
    assert!(stream.max_live_per_key() < 1_000, "{} live entries", stream.max_live_per_key());
}

/// Who is told that a request failed has asked nothing: the verdict is that of the history without it. Its failure may come
/// long after others have seen what it would have written, and then it is the failure that was wrong.
#[test]
fn what_failed_was_never_asked() {
    let mut chance = Chance(13);
    let (mut good, mut bad, mut late) = (0, 0, 0);
    for round in 0..20_000 {
        let kind = kind(&mut chance);
        let mut history = execution(&mut chance, kind).history;
        for _ in 0..chance.below(3) {
            spoil(&mut chance, &mut history);
        }
        let unknown = |call: &Call| call.returned.is_none() && !call.operation.action.is_read();
        let Some(failed) = history.iter().position(unknown) else { continue };
        let mut without = history.clone();
        let failed = without.remove(failed);
        let mut stream = Stream::new();
        stream.record_call(failed.id, failed.operation);
        let (seen, verdict) = match streamed(&without, stream) {
            Ok(mut stream) => match stream.record_failure(failed.id) {
                Ok(()) => (false, Ok(stream.verdict())),
                Err(broken) => (true, Err(broken)),
            },
            Err(broken) => (false, Err(broken)),
        };
        if let Ok(StreamVerdict::Unknown { .. }) = verdict {
            continue;
        }
        let linearizable = brute_force(&without);
        assert_eq!(verdict.is_ok(), linearizable, "round {round}: {verdict:?}\n{failed}\n{without:#?}");
        good += u32::from(linearizable);
        bad += u32::from(!linearizable);
        late += u32::from(seen);
    }
    assert!(good > 1_000 && bad > 200 && late > 50, "{good} good, {bad} bad, {late} late");
}
