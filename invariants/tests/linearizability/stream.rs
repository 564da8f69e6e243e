//! The streaming check compared with the others.

use crate::brute_force::brute_force;
use crate::random_histories::{TestRng, corrupt, execution, kind};
use crate::simulated_comparison::setup;
use crate::simulator::{Event, FAULTS, Fault, Setup, Simulated, simulate};
use invariants::linearizability::{
    Action, Budget, Call, Response, Stream, StreamVerdict, StreamViolation, Verdict, check, check_by_zones,
};

/// Passes a history to a stream; at equal times calls first, because touching intervals are concurrent.
pub(crate) fn stream_history(history: &[Call], mut stream: Stream) -> Result<Stream, Box<StreamViolation>> {
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

/// Passes all events to a stream.
pub(crate) fn stream_events(simulated: &Simulated, retire: bool) -> Result<Stream, Box<StreamViolation>> {
    let mut stream = Stream::new();
    for &event in &simulated.events {
        let of = |call: usize| &simulated.history[call];
        match event {
            Event::Called(call) => stream.record_call(of(call).id, of(call).operation),
            Event::Answered(call, _) => {
                let (_, response) = of(call).returned.as_ref().expect("answered");
                stream.record_response(of(call).id, response)?;
            }
            Event::Abandoned(call) => stream.record_abandoned(of(call).id),
            Event::Retired(call) if retire => stream.retire(of(call).operation),
            Event::Applied(..) | Event::Retired(_) => {}
        }
    }
    Ok(stream)
}

#[test]
fn the_stream_agrees_with_brute_force() {
    let mut rng = TestRng(7);
    let (mut good, mut bad, mut unclear) = (0, 0, 0);
    for round in 0..20_000 {
        let kind = kind(&mut rng);
        let mut history = execution(&mut rng, kind).history;
        for _ in 0..rng.below(4) {
            corrupt(&mut rng, &mut history);
        }
        let verdict = stream_history(&history, Stream::new()).map(|stream| stream.verdict());
        let sweeping_verdict =
            stream_history(&history, Stream::with_sweep_interval(1)).map(|stream| stream.verdict());
        match (&verdict, &sweeping_verdict) {
            // A forgotten value may be written again and then counts as another content.
            (Ok(StreamVerdict::Unknown { .. }), _) => {}
            _ => assert_eq!(
                verdict.is_ok(),
                sweeping_verdict.is_ok(),
                "round {round}: {verdict:?}, {sweeping_verdict:?}"
            ),
        }
        if let Ok(StreamVerdict::Linearizable) = sweeping_verdict {
            assert!(brute_force(&history), "round {round}: {history:#?}");
        }
        let describe = || history.iter().map(|call| format!("\n  {call}")).collect::<String>();
        let by_zones = check_by_zones(&history).expect("well formed");
        if let Ok(StreamVerdict::Unknown { .. }) = &verdict {
            // While a compare-and-set is open, the stream does not know that it will fail and counts its
            // value as written.
            unclear += u32::from(!matches!(by_zones, Verdict::Unknown { .. }));
            continue;
        }
        let linearizable = brute_force(&history);
        assert_eq!(verdict.is_ok(), linearizable, "round {round}: {verdict:?}{}", describe());
        good += u32::from(linearizable);
        bad += u32::from(!linearizable);
    }
    assert!(good > 3_000 && bad > 3_000, "{good} good, {bad} bad");
    assert!(unclear < 1_000, "{unclear} unclear, although their zones are not");
}

#[test]
fn the_stream_agrees_with_the_zones_with_and_without_faults() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..100 {
        for fault in FAULTS.into_iter().chain([Fault::None]) {
            let simulated = simulate(setup(seed, fault));
            let by_zones = check_by_zones(&simulated.history).expect("well formed");
            for retire in [false, true] {
                match stream_events(&simulated, retire).map(|stream| stream.verdict()) {
                    Ok(StreamVerdict::Linearizable) => {
                        assert_eq!(by_zones, Verdict::Linearizable, "{seed} {fault:?}")
                    }
                    // A retired value that is read later, or a mismatch without a found value.
                    Ok(StreamVerdict::Unknown { .. }) => {
                        assert!(retire || matches!(by_zones, Verdict::Unknown { .. }))
                    }
                    Err(violation) => {
                        // At least one key is certainly bad; others may be unclear.
                        let verdict = check(&simulated.history, Budget::default()).expect("well formed");
                        assert!(matches!(verdict, Verdict::Violation(_)), "{seed} {fault:?}: {violation}");
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

/// A stream that passes a history also passes it without one of its reads, with an earlier call, or with a
/// later return: each change allows at least the same orders.
#[test]
fn removing_reads_or_widening_calls_keeps_a_history_linearizable() {
    let mut rng = TestRng(11);
    let mut changed = [0; 4];
    for seed in 0..400 {
        let history = simulate(setup(seed, FAULTS[seed as usize % FAULTS.len()])).history;
        let verdict_of = |history: &[Call], every| {
            stream_history(history, Stream::with_sweep_interval(every)).map(|stream| stream.verdict())
        };
        // Many faults have no visible effect.
        if verdict_of(&history, 16) != Ok(StreamVerdict::Linearizable) {
            continue;
        }
        for _ in 0..20 {
            let mut other = history.clone();
            let unknown: Vec<usize> = (0..other.len()).filter(|&at| other[at].returned.is_none()).collect();
            let at = match rng.below(4) {
                0 if !unknown.is_empty() => unknown[rng.below(unknown.len() as u64) as usize],
                _ => rng.below(other.len() as u64) as usize,
            };
            let last = other.iter().map(|call| call.called).max().unwrap_or(0);
            let call = &mut other[at];
            let kind = match (rng.below(3), &mut call.returned) {
                (0, _) if call.operation.action.is_read() => {
                    other.remove(at);
                    0
                }
                (0 | 1, Some(_)) => {
                    call.called -= rng.below(call.called.min(2_000) + 1);
                    1
                }
                (_, Some((returned, _))) => {
                    *returned += rng.below(2_000);
                    2
                }
                // An unknown outcome becomes a success at the end.
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
                // A write at the end cannot be missed by a later read.
                let verdict = verdict_of(&other, every);
                assert_eq!(verdict, Ok(StreamVerdict::Linearizable), "seed {seed}, change {kind} of {at}");
            }
            changed[kind] += 1;
        }
    }
    assert!(changed.iter().all(|&changed| changed > 50), "{changed:?}");
}

/// A million operations on one key, with a share of the outcomes unknown.
#[test]
fn a_long_history_needs_bounded_memory() {
    for (operations, unknown) in [(200_000, 0), (1_000_000, 10)] {
        let setup = Setup { operations, clients: 50, keys: 1, unknown, ..Setup::default() };
        let stream = stream_events(&simulate(setup), true).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(stream.verdict(), StreamVerdict::Linearizable);
        assert!(stream.max_live_per_key() < 1_000, "{} live entries", stream.max_live_per_key());
    }
    let setup = Setup { operations: 100_000, clients: 50, keys: 4, lists: 4, ..Setup::default() };
    let stream = stream_events(&simulate(setup), true).unwrap_or_else(|violation| panic!("{violation}"));
    assert_eq!(stream.verdict(), StreamVerdict::Linearizable);
    assert!(stream.max_live_per_key() < 1_000, "{} live entries", stream.max_live_per_key());
}

/// A failed request did not happen: the verdict is that of the history without it. The failure may arrive
/// after other operations have read its value; then the failure is the violation.
#[test]
fn a_failed_request_did_not_happen() {
    let mut rng = TestRng(13);
    let (mut good, mut bad, mut late) = (0, 0, 0);
    for round in 0..20_000 {
        let kind = kind(&mut rng);
        let mut history = execution(&mut rng, kind).history;
        for _ in 0..rng.below(3) {
            corrupt(&mut rng, &mut history);
        }
        let unknown = |call: &Call| call.returned.is_none() && !call.operation.action.is_read();
        let Some(failed) = history.iter().position(unknown) else { continue };
        let mut without = history.clone();
        let failed = without.remove(failed);
        let mut stream = Stream::new();
        stream.record_call(failed.id, failed.operation);
        let (failure_violates, verdict) = match stream_history(&without, stream) {
            Ok(mut stream) => match stream.record_failure(failed.id) {
                Ok(()) => (false, Ok(stream.verdict())),
                Err(violation) => (true, Err(violation)),
            },
            Err(violation) => (false, Err(violation)),
        };
        if let Ok(StreamVerdict::Unknown { .. }) = verdict {
            continue;
        }
        let linearizable = brute_force(&without);
        assert_eq!(verdict.is_ok(), linearizable, "round {round}: {verdict:?}\n{failed}\n{without:#?}");
        good += u32::from(linearizable);
        bad += u32::from(!linearizable);
        late += u32::from(failure_violates);
    }
    assert!(good > 1_000 && bad > 200 && late > 50, "{good} good, {bad} bad, {late} late");
}
