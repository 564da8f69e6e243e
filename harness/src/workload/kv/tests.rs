//! Compares the application with a reference model that keeps every request forever.

use super::SessionOutcome::{Expired, Forgotten, Fresh, Registered, Repeated};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn request(session: u64, sequence: u64, acknowledged_up_to: u64, key: u64, action: Action) -> Request {
    let body = RequestBody::Operation(Operation { key, action });
    Request { id: RequestId { session, sequence }, acknowledged_up_to, body }
}

/// Sessions never expire.
fn never_expiring() -> Kv {
    Kv::new(KvConfig::default())
}

/// Sessions expire after ten nanoseconds.
fn expiring() -> Kv {
    Kv::new(KvConfig { session_lifetime: 10, ..KvConfig::default() })
}

fn command(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(request, None, &mut bytes);
    bytes
}

fn timestamped(timestamp: u64, request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(request, Some(timestamp), &mut bytes);
    bytes
}

fn registration(number: u64) -> Request {
    Request {
        id: RequestId { session: 0, sequence: number },
        acknowledged_up_to: 0,
        body: RequestBody::RegisterSession,
    }
}

/// The result of an entry, without log time and mark.
type Outcome = (Option<RequestId>, Option<SessionOutcome>, Option<ClientResponse>);

fn apply(kv: &mut Kv, index: u64, command: &[u8]) -> Outcome {
    let ApplyResult { id, session, response } = kv.apply(index, command, 0);
    (id, session.map(|used| used.outcome), response)
}

fn done(id: RequestId, outcome: SessionOutcome, index: u64, response: Response) -> Outcome {
    (Some(id), Some(outcome), Some(ClientResponse::Written { index, response }))
}

fn get(kv: &Kv, key: u64) -> Response {
    kv.read(Operation { key, action: Action::Get })
}

#[test]
fn a_retry_is_answered_with_the_index_of_its_effect() {
    let mut kv = never_expiring();
    let append = request(1, 1, 0, 3, Action::Append(7));
    assert_eq!(apply(&mut kv, 1, &command(&append)), done(append.id, Fresh, 1, Response::Done));
    assert_eq!(apply(&mut kv, 2, &[]), (None, None, None));
    assert_eq!(apply(&mut kv, 3, &command(&append)), done(append.id, Repeated, 1, Response::Done));
    assert_eq!(kv.read(Operation { key: 3, action: Action::List }), Response::List(vec![7]));
}

#[test]
fn an_acknowledged_request_is_forgotten_and_has_no_effect() {
    let mut kv = never_expiring();
    let first = request(1, 1, 0, 0, Action::Put(1));
    kv.apply(1, &command(&first), 0);
    kv.apply(2, &command(&request(1, 2, 1, 0, Action::Put(2))), 0);
    assert_eq!(apply(&mut kv, 3, &command(&first)), (Some(first.id), Some(Forgotten), None));
    assert_eq!(get(&kv, 0), Response::Holds(Content::Present(2)));
}

#[test]
fn a_failed_compare_and_set_returns_the_current_content() {
    let mut kv = never_expiring();
    kv.apply(1, &command(&request(1, 1, 0, 0, Action::Delete(4))), 0);
    let mismatching = request(1, 2, 0, 0, Action::CompareAndSet { expect: Content::INITIAL, value: 5 });
    let mismatch = Response::Mismatch(Some(Content::Absent(4)));
    assert_eq!(apply(&mut kv, 2, &command(&mismatching)), done(mismatching.id, Fresh, 2, mismatch.clone()));
    let matching = request(1, 3, 0, 0, Action::CompareAndSet { expect: Content::Absent(4), value: 5 });
    assert_eq!(apply(&mut kv, 3, &command(&matching)), done(matching.id, Fresh, 3, Response::Done));
    assert_eq!(
        apply(&mut kv, 4, &command(&mismatching)),
        done(mismatching.id, Repeated, 2, mismatch),
        "a retry returns the same mismatch"
    );
    assert_eq!(get(&kv, 0), Response::Holds(Content::Present(5)));
}

#[test]
fn with_its_bug_a_retry_is_applied_twice() {
    let mut kv = Kv::new(KvConfig { bug: Some(ApplicationBug::RetryAppliedTwice), ..KvConfig::default() });
    let append = request(1, 1, 0, 0, Action::Append(7));
    for index in [1, 2] {
        assert_eq!(apply(&mut kv, index, &command(&append)), done(append.id, Fresh, index, Response::Done));
    }
    assert_eq!(kv.read(Operation { key: 0, action: Action::List }), Response::List(vec![7, 7]));
}

#[test]
fn states_that_differ_in_one_item_have_different_digests() {
    let put = |session, sequence, acknowledged, key, value| {
        let mut kv = never_expiring();
        kv.apply(1, &command(&request(session, sequence, acknowledged, key, Action::Put(value))), 0);
        kv.digest()
    };
    let base = put(1, 3, 0, 0, 1);
    assert_eq!(base, put(1, 3, 0, 0, 1));
    for other in
        [put(2, 3, 0, 0, 1), put(1, 4, 0, 0, 1), put(1, 3, 2, 0, 1), put(1, 3, 0, 1, 1), put(1, 3, 0, 0, 2)]
    {
        assert_ne!(base, other);
    }
    assert_eq!(never_expiring().digest(), Digest(0));
}

#[test]
fn invalid_commands_are_rejected() {
    let put = request(1, 2, 3, 4, Action::Put(u64::MAX));
    for valid in [command(&put), timestamped(u64::MAX, &put), timestamped(1, &registration(9))] {
        for length in 0..valid.len() {
            assert_eq!(decode(&valid[..length]), None);
        }
        assert_eq!(decode(&[valid.as_slice(), &[0]].concat()), None);
    }
    assert_eq!(decode(&[10, 1, 1, 1, 1, 1, 1]), None);
    assert_eq!(decode(&[9, 1, 9, 1, 1, 1, 1, 1, 1, 1]), None, "a second timestamp is invalid");
}

/// Registers two sessions, uses both, and lets the second expire.
fn with_history(mut kv: Kv, walls: [i64; 4]) -> Kv {
    let put = |session| request(session, 1, 0, 0, Action::Put(session));
    kv.apply(1, &timestamped(100, &registration(1)), walls[0]);
    kv.apply(2, &timestamped(103, &registration(2)), walls[1]);
    kv.apply(3, &timestamped(105, &put(1)), walls[2]);
    kv.apply(4, &timestamped(113, &request(1, 2, 1, 3, Action::Append(7))), walls[3]);
    kv
}

#[test]
fn an_unused_session_expires_and_its_requests_have_no_effect() {
    let mut kv = with_history(expiring(), [0; 4]);
    let put = request(2, 1, 0, 0, Action::Put(2));
    let expired = |id| (Some(id), Some(Expired), Some(ClientResponse::SessionExpired));
    assert_eq!(
        apply(&mut kv, 5, &timestamped(0, &put)),
        expired(put.id),
        "an older timestamp must not revive it"
    );
    assert_eq!(get(&kv, 0), Response::Holds(Content::Present(1)));
    let retry = request(1, 2, 1, 3, Action::Append(7));
    assert_eq!(apply(&mut kv, 6, &timestamped(122, &retry)), done(retry.id, Repeated, 4, Response::Done));
    let registered = (None, Some(Registered), Some(ClientResponse::SessionRegistered { session: 7 }));
    // A late duplicate of the first registration registers another session.
    assert_eq!(apply(&mut kv, 7, &timestamped(1_000, &registration(1))), registered);
    assert_eq!(apply(&mut kv, 8, &timestamped(1_000, &retry)), expired(retry.id));
    assert_eq!(kv.digest(), kv.recomputed_digest());
}

/// What is stated of it: log time never goes back, and the mark is the one in the command, not that of its session.
#[test]
fn the_use_of_a_session_has_its_log_time_and_mark() {
    let mut kv = with_history(expiring(), [0; 4]);
    let mut used = |index, timestamp, request: Request| {
        let used = kv.apply(index, &timestamped(timestamp, &request), 0).session.expect("it is no no-op");
        (used.outcome, used.log_time, used.mark)
    };
    assert_eq!(used(5, 120, request(1, 3, 2, 0, Action::Put(1))), (Fresh, 120, 2));
    assert_eq!(used(6, 110, request(1, 3, 0, 0, Action::Put(1))), (Repeated, 120, 0));
    assert_eq!(used(7, 121, request(1, 2, 1, 3, Action::Append(7))), (Forgotten, 121, 1));
    assert_eq!(used(8, 121, request(2, 1, 0, 0, Action::Put(2))), (Expired, 121, 0));
    assert_eq!(used(9, 122, registration(3)), (Registered, 122, 0));
}

#[test]
fn the_digest_covers_sessions_last_uses_and_log_time() {
    let base = with_history(expiring(), [0; 4]);
    let after = |timestamp: u64, request: &Request| {
        let mut kv = base.clone();
        kv.apply(5, &timestamped(timestamp, request), 0);
        kv.digest()
    };
    // A retry answered from the session table changes nothing else.
    let retry = request(1, 2, 1, 3, Action::Append(7));
    assert_eq!(after(113, &retry), base.digest());
    assert_ne!(after(114, &retry), base.digest(), "the last use is later");
    let unknown_session = request(99, 1, 0, 0, Action::Put(1));
    assert_eq!(after(113, &unknown_session), base.digest());
    assert_ne!(after(114, &unknown_session), base.digest(), "log time is later");
    assert_ne!(after(113, &registration(3)), base.digest(), "there is another session");
}

#[test]
fn expiry_by_the_local_clock_makes_states_diverge() {
    let settings = KvConfig {
        session_lifetime: 10,
        bug: Some(ApplicationBug::SessionExpiryByLocalClock),
        ..KvConfig::default()
    };
    let correct = with_history(expiring(), [5_000; 4]);
    // While all clocks agree, the bug has no effect.
    assert_eq!(with_history(Kv::new(settings), [100, 103, 105, 113]).digest(), correct.digest());
    assert_ne!(with_history(Kv::new(settings), [100, 103, 115, 123]).digest(), correct.digest());
    assert_ne!(with_history(Kv::new(settings), [0; 4]).digest(), correct.digest());
}

#[test]
fn an_image_without_sessions_restores_another_state() {
    let settings = KvConfig {
        session_lifetime: 10,
        bug: Some(ApplicationBug::SessionTableNotInSnapshot),
        ..KvConfig::default()
    };
    for (correct, buggy) in
        [(expiring(), settings), (never_expiring(), KvConfig { session_lifetime: 0, ..settings })]
    {
        let live = |kv: Kv| {
            if kv.settings.session_lifetime > 0 { with_history(kv, [0; 4]) } else { with_one_request(kv) }
        };
        let restored = Kv::from_bytes(correct.settings, &live(correct.clone()).to_bytes()).unwrap();
        assert_eq!(restored.recomputed_digest(), live(correct).digest());
        let kv = live(Kv::new(buggy));
        let restored = Kv::from_bytes(buggy, &kv.to_bytes()).unwrap();
        assert_ne!(restored.recomputed_digest(), kv.digest());
    }
}

/// Applies one request, in a session that begins with it.
fn with_one_request(mut kv: Kv) -> Kv {
    kv.apply(1, &command(&request(1, 1, 0, 0, Action::Put(1))), 0);
    kv
}

#[test]
fn invalid_images_are_rejected() {
    let kv = with_history(expiring(), [0; 4]);
    let valid = kv.to_bytes();
    let read = |image: &[u8]| Kv::from_bytes(kv.settings, image);
    assert_eq!(read(&valid), Ok(kv.clone()));
    for length in 0..valid.len() {
        assert_eq!(read(&valid[..length]), Err(InvalidImage), "{length} of {} bytes", valid.len());
    }
    assert_eq!(read(&[valid.as_slice(), &[0]].concat()), Err(InvalidImage));
    assert_eq!(read(&[0xff; 40]), Err(InvalidImage), "the register count is too large");
    // No registers, no lists, log time 5, one session, last used at 6.
    assert_eq!(read(&[0, 0, 5, 1, 1, 0, 6, 0]), Err(InvalidImage));
    assert!(read(&[0, 0, 5, 1, 1, 0, 5, 0]).is_ok());
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![(0..4_u64).prop_map(Content::Absent), (0..4_u64).prop_map(Content::Present)]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Get),
        Just(Action::List),
        (0..4_u64).prop_map(Action::Put),
        (0..4_u64).prop_map(Action::Delete),
        (content(), 0..4_u64).prop_map(|(expect, value)| Action::CompareAndSet { expect, value }),
        (0..4_u64).prop_map(Action::Append),
        (0..4_u64).prop_map(Action::Replace),
    ]
}

#[test]
fn only_a_timestamped_command_gets_a_new_timestamp() {
    let put = request(1, 1, 0, 3, Action::Put(9));
    assert_eq!(replace_timestamp(&timestamped(u64::MAX, &put), 3), Some(timestamped(3, &put)));
    assert_eq!(replace_timestamp(&command(&put), 3), None, "it has no timestamp");
    assert_eq!(replace_timestamp(&[], 3), None, "a no-op");
    assert_eq!(replace_timestamp(&[TIMESTAMPED], 3), None, "not a command");
}

proptest! {
    #[test]
    fn commands_survive_a_round_trip(numbers in any::<[u64; 7]>(), shift in 0..64, kind in 0..8) {
        let [session, sequence, acknowledged, key, first, second, timestamp] = numbers.map(|number| number >> shift);
        let action = match kind {
            0 => Action::Get,
            1 => Action::Put(first),
            2 => Action::Delete(first),
            3 => Action::CompareAndSet { expect: Content::Absent(first), value: second },
            4 => Action::CompareAndSet { expect: Content::Present(first), value: second },
            5 => Action::Append(first),
            6 => Action::Replace(first),
            _ => Action::List,
        };
        let request = request(session, sequence, acknowledged, key, action);
        prop_assert_eq!(decode(&command(&request)), Some(Command { timestamp: None, request }));
        prop_assert_eq!(decode(&timestamped(timestamp, &request)), Some(Command { timestamp: Some(timestamp), request }));
        prop_assert_eq!(replace_timestamp(&timestamped(first, &request), timestamp), Some(timestamped(timestamp, &request)));
        let request = Request { body: RequestBody::RegisterSession, ..request };
        prop_assert_eq!(decode(&timestamped(timestamp, &request)), Some(Command { timestamp: Some(timestamp), request }));
    }

    /// The model keeps every response, each session's acknowledgement mark, and plain maps of contents.
    #[test]
    fn the_application_equals_its_reference_model(
        requests in prop::collection::vec((1..4_u64, 1..9_u64, 0..7_u64, 0..3_u64, action()), 0..60),
    ) {
        let mut kv = never_expiring();
        let mut registers: BTreeMap<u64, Content> = BTreeMap::new();
        let mut lists: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut marks: BTreeMap<u64, u64> = BTreeMap::new();
        let mut past: BTreeMap<(u64, u64), (u64, Response)> = BTreeMap::new();
        for (index, (session, sequence, acknowledged, key, action)) in (1..).zip(requests) {
            let outcome = apply(&mut kv, index, &command(&request(session, sequence, acknowledged, key, action)));
            let mark = marks.entry(session).or_default();
            *mark = acknowledged.max(*mark);
            let id = RequestId { session, sequence };
            let current = registers.get(&key).copied().unwrap_or(Content::INITIAL);
            if sequence <= *mark {
                prop_assert_eq!(outcome, (Some(id), Some(Forgotten), None));
            } else if let Some((index, response)) = past.get(&(session, sequence)) {
                prop_assert_eq!(outcome, done(id, Repeated, *index, response.clone()));
            } else {
                let list = lists.entry(key).or_default();
                let mut set = |content| {
                    registers.insert(key, content);
                    Response::Done
                };
                let response = match action {
                    Action::Get => Response::Holds(current),
                    Action::List => Response::List(list.clone()),
                    Action::Put(value) => set(Content::Present(value)),
                    Action::Delete(tombstone) => set(Content::Absent(tombstone)),
                    Action::CompareAndSet { expect, value } if expect == current => set(Content::Present(value)),
                    Action::CompareAndSet { .. } => Response::Mismatch(Some(current)),
                    Action::Append(element) => {
                        list.push(element);
                        Response::Done
                    }
                    Action::Replace(element) => {
                        *list = vec![element];
                        Response::Done
                    }
                    action => unreachable!("{action:?} is not generated"),
                };
                past.insert((session, sequence), (index, response.clone()));
                prop_assert_eq!(outcome, done(id, Fresh, index, response));
            }
            prop_assert_eq!(kv.digest(), kv.recomputed_digest());
            let current = registers.get(&key).copied().unwrap_or(Content::INITIAL);
            prop_assert_eq!(get(&kv, key), Response::Holds(current));
            let list = lists.get(&key).cloned().unwrap_or_default();
            prop_assert_eq!(kv.read(Operation { key, action: Action::List }), Response::List(list));
        }
    }

    /// Random commands with timestamps that advance, jump and go back; some register a session, the others use an
    /// existing or a missing one. An image is taken in between: the restored state must stay equal, whatever its own
    /// clock shows.
    #[test]
    fn a_restored_state_stays_equal_to_the_original(
        commands in prop::collection::vec(
            (0..40_u64, prop::option::weighted(0.85, (0..8_u64, 1..6_u64, 0..4_u64, 0..3_u64, action()))), 0..60,
        ),
        lifetime in prop_oneof![Just(0), 1..30_u64],
        image_at in 0..60_usize,
        walls in any::<[i64; 2]>(),
    ) {
        let settings = KvConfig { session_lifetime: lifetime, ..KvConfig::default() };
        let (mut original, mut restored) = (Kv::new(settings), None::<Kv>);
        let (mut sessions, mut ended) = (Vec::new(), 0);
        for (position, (timestamp, call)) in commands.into_iter().enumerate() {
            if position == image_at {
                let image = original.to_bytes();
                let kv = Kv::from_bytes(settings, &image).unwrap();
                prop_assert_eq!(&kv, &original);
                prop_assert_eq!(kv.recomputed_digest(), original.digest());
                prop_assert_eq!(kv.to_bytes(), image);
                restored = Some(kv);
            }
            let index = position as u64 + 1;
            let request = match call {
                None if lifetime > 0 => registration(index),
                None => continue,
                Some((client, sequence, acknowledged, key, action)) => {
                    let session = sessions.get(client as usize).copied().unwrap_or(1_000 + client);
                    request(session, sequence, acknowledged, key, action)
                }
            };
            let command = if lifetime > 0 { timestamped(timestamp, &request) } else { command(&request) };
            let outcome = original.apply(index, &command, walls[0]);
            match outcome.response {
                Some(ClientResponse::SessionRegistered { session }) => sessions.push(session),
                Some(ClientResponse::SessionExpired) => ended += 1,
                _ => {}
            }
            prop_assert_eq!(original.digest(), original.recomputed_digest());
            if let Some(restored) = &mut restored {
                prop_assert_eq!(restored.apply(index, &command, walls[1]), outcome);
                prop_assert_eq!(&*restored, &original);
                prop_assert_eq!(restored.digest(), original.digest());
            }
        }
        prop_assert!(lifetime > 0 || ended == 0);
    }

    #[test]
    fn random_bytes_are_rejected_or_are_a_valid_image(bytes in prop::collection::vec(0..6_u8, 0..40)) {
        if let Ok(kv) = Kv::from_bytes(expiring().settings, &bytes) {
            prop_assert_eq!(kv.digest(), kv.recomputed_digest());
            prop_assert_eq!(Kv::from_bytes(kv.settings, &kv.to_bytes()), Ok(kv));
        }
    }
}
