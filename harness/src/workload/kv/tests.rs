//! The application against one that keeps every request it ever saw.

use super::*;
use crate::bugs::HostBug;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn request(session: u64, sequence: u64, acknowledged: u64, key: u64, action: Action) -> Request {
    let ask = RequestBody::Operation(Operation { key, action });
    Request { id: RequestId { session, sequence }, acknowledged_up_to: acknowledged, body: ask }
}

/// In which sessions never end.
fn forever() -> Kv {
    Kv::new(KvConfig::default())
}

/// In which sessions end after ten.
fn mortal() -> Kv {
    Kv::new(KvConfig { session_lifetime: 10, ..KvConfig::default() })
}

fn command(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(request, None, &mut bytes);
    bytes
}

fn stamped(stamp: u64, request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(request, Some(stamp), &mut bytes);
    bytes
}

fn registration(number: u64) -> Request {
    Request {
        id: RequestId { session: 0, sequence: number },
        acknowledged_up_to: 0,
        body: RequestBody::RegisterSession,
    }
}

fn done(id: RequestId, effect: bool, index: u64, response: Response) -> ApplyResult {
    ApplyResult {
        id: Some(id),
        took_effect: effect,
        response: Some(ClientResponse::Written { index, response }),
    }
}

fn get(kv: &Kv, key: u64) -> Response {
    kv.read(Operation { key, action: Action::Get })
}

#[test]
fn a_retry_is_answered_with_the_index_of_its_effect() {
    let mut kv = forever();
    let append = request(1, 1, 0, 3, Action::Append(7));
    assert_eq!(kv.apply(1, &command(&append), 0), done(append.id, true, 1, Response::Done));
    assert_eq!(kv.apply(2, &[], 0), ApplyResult { id: None, took_effect: false, response: None });
    assert_eq!(kv.apply(3, &command(&append), 0), done(append.id, false, 1, Response::Done));
    assert_eq!(kv.read(Operation { key: 3, action: Action::List }), Response::List(vec![7]));
}

#[test]
fn what_the_client_has_seen_is_forgotten_without_effect() {
    let mut kv = forever();
    let first = request(1, 1, 0, 0, Action::Put(1));
    kv.apply(1, &command(&first), 0);
    kv.apply(2, &command(&request(1, 2, 1, 0, Action::Put(2))), 0);
    assert_eq!(
        kv.apply(3, &command(&first), 0),
        ApplyResult { id: Some(first.id), took_effect: false, response: None }
    );
    assert_eq!(get(&kv, 0), Response::Holds(Content::Present(2)));
}

#[test]
fn a_compare_and_set_that_does_not_match_tells_what_it_found() {
    let mut kv = forever();
    kv.apply(1, &command(&request(1, 1, 0, 0, Action::Delete(4))), 0);
    let wrong = request(1, 2, 0, 0, Action::CompareAndSet { expect: Content::INITIAL, value: 5 });
    let mismatch = Response::Mismatch(Some(Content::Absent(4)));
    assert_eq!(kv.apply(2, &command(&wrong), 0), done(wrong.id, true, 2, mismatch.clone()));
    let right = request(1, 3, 0, 0, Action::CompareAndSet { expect: Content::Absent(4), value: 5 });
    assert_eq!(kv.apply(3, &command(&right), 0), done(right.id, true, 3, Response::Done));
    assert_eq!(kv.apply(4, &command(&wrong), 0), done(wrong.id, false, 2, mismatch), "and says so again");
    assert_eq!(get(&kv, 0), Response::Holds(Content::Present(5)));
}

#[test]
fn without_sessions_a_retry_is_applied_twice() {
    let mut kv = Kv::new(KvConfig { bug: Some(HostBug::RetryAppliedTwice), ..KvConfig::default() });
    let append = request(1, 1, 0, 0, Action::Append(7));
    for index in [1, 2] {
        assert_eq!(kv.apply(index, &command(&append), 0), done(append.id, true, index, Response::Done));
    }
    assert_eq!(kv.read(Operation { key: 0, action: Action::List }), Response::List(vec![7, 7]));
}

#[test]
fn the_digest_tells_states_apart_that_differ_in_one_item() {
    let put = |session, sequence, acknowledged, key, value| {
        let mut kv = forever();
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
    assert_eq!(forever().digest(), Digest(0));
}

#[test]
fn a_command_that_is_none_is_refused() {
    let put = request(1, 2, 3, 4, Action::Put(u64::MAX));
    for good in [command(&put), stamped(u64::MAX, &put), stamped(1, &registration(9))] {
        for length in 0..good.len() {
            assert_eq!(decode(&good[..length]), None);
        }
        assert_eq!(decode(&[good.as_slice(), &[0]].concat()), None);
    }
    assert_eq!(decode(&[10, 1, 1, 1, 1, 1, 1]), None);
    assert_eq!(decode(&[9, 1, 9, 1, 1, 1, 1, 1, 1, 1]), None, "one stamp is enough");
}

/// Registers two sessions, uses both, lets one end.
fn lived(mut kv: Kv, walls: [i64; 4]) -> Kv {
    let put = |session| request(session, 1, 0, 0, Action::Put(session));
    kv.apply(1, &stamped(100, &registration(1)), walls[0]);
    kv.apply(2, &stamped(103, &registration(2)), walls[1]);
    kv.apply(3, &stamped(105, &put(1)), walls[2]);
    kv.apply(4, &stamped(113, &request(1, 2, 1, 3, Action::Append(7))), walls[3]);
    kv
}

#[test]
fn a_session_that_was_not_used_ends_and_its_requests_have_no_effect() {
    let mut kv = lived(mortal(), [0; 4]);
    let put = request(2, 1, 0, 0, Action::Put(2));
    let expired =
        ApplyResult { id: Some(put.id), took_effect: false, response: Some(ClientResponse::SessionExpired) };
    assert_eq!(
        kv.apply(5, &stamped(0, &put), 0),
        expired,
        "and a stamp that is behind does not bring it back"
    );
    assert_eq!(get(&kv, 0), Response::Holds(Content::Present(1)));
    let again = request(1, 2, 1, 3, Action::Append(7));
    assert_eq!(kv.apply(6, &stamped(122, &again), 0), done(again.id, false, 4, Response::Done));
    let registered = ApplyResult {
        id: None,
        took_effect: true,
        response: Some(ClientResponse::SessionRegistered { session: 7 }),
    };
    // A late double of the first registration makes another session.
    assert_eq!(kv.apply(7, &stamped(1_000, &registration(1)), 0), registered);
    let late = ApplyResult {
        id: Some(again.id),
        took_effect: false,
        response: Some(ClientResponse::SessionExpired),
    };
    assert_eq!(kv.apply(8, &stamped(1_000, &again), 0), late);
    assert_eq!(kv.digest(), kv.recomputed_digest());
}

#[test]
fn the_digest_covers_sessions_last_uses_and_log_time() {
    let base = lived(mortal(), [0; 4]);
    let after = |stamp: u64, request: &Request| {
        let mut kv = base.clone();
        kv.apply(5, &stamped(stamp, request), 0);
        kv.digest()
    };
    // A retry that is answered from the table, in a session of which all else is as it was.
    let retry = request(1, 2, 1, 3, Action::Append(7));
    assert_eq!(after(113, &retry), base.digest());
    assert_ne!(after(114, &retry), base.digest(), "it was used later");
    let nobody = request(99, 1, 0, 0, Action::Put(1));
    assert_eq!(after(113, &nobody), base.digest());
    assert_ne!(after(114, &nobody), base.digest(), "it is later");
    assert_ne!(after(113, &registration(3)), base.digest(), "there is one more session");
}

#[test]
fn whoever_looks_at_its_own_clock_parts_from_the_others() {
    let settings = KvConfig { session_lifetime: 10, bug: Some(HostBug::SessionExpiryByLocalClock) };
    let good = lived(mortal(), [5_000; 4]);
    // As long as all clocks agree nobody notices.
    assert_eq!(lived(Kv::new(settings), [100, 103, 105, 113]).digest(), good.digest());
    assert_ne!(lived(Kv::new(settings), [100, 103, 115, 123]).digest(), good.digest());
    assert_ne!(lived(Kv::new(settings), [0; 4]).digest(), good.digest());
}

#[test]
fn an_image_without_the_sessions_is_another_state() {
    let settings = KvConfig { session_lifetime: 10, bug: Some(HostBug::SessionTableNotInSnapshot) };
    for (good, bad) in [(mortal(), settings), (forever(), KvConfig { session_lifetime: 0, ..settings })] {
        let live = |kv: Kv| if kv.settings.session_lifetime > 0 { lived(kv, [0; 4]) } else { asked(kv) };
        let restored = Kv::from_bytes(good.settings, &live(good.clone()).to_bytes()).unwrap();
        assert_eq!(restored.recomputed_digest(), live(good).digest());
        let kv = live(Kv::new(bad));
        let restored = Kv::from_bytes(bad, &kv.to_bytes()).unwrap();
        assert_ne!(restored.recomputed_digest(), kv.digest());
    }
}

/// Asks once, in a session that begins with it.
fn asked(mut kv: Kv) -> Kv {
    kv.apply(1, &command(&request(1, 1, 0, 0, Action::Put(1))), 0);
    kv
}

#[test]
fn what_is_no_image_is_refused() {
    let kv = lived(mortal(), [0; 4]);
    let good = kv.to_bytes();
    let read = |image: &[u8]| Kv::from_bytes(kv.settings, image);
    assert_eq!(read(&good), Ok(kv.clone()));
    for length in 0..good.len() {
        assert_eq!(read(&good[..length]), Err(InvalidImage), "{length} of {} bytes", good.len());
    }
    assert_eq!(read(&[good.as_slice(), &[0]].concat()), Err(InvalidImage));
    assert_eq!(read(&[0xff; 40]), Err(InvalidImage), "so many registers there are not");
    // No registers, no lists, log time 5, one session: used at 6.
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
fn only_a_command_with_a_stamp_gets_another() {
    let put = request(1, 1, 0, 3, Action::Put(9));
    assert_eq!(replace_timestamp(&stamped(u64::MAX, &put), 3), Some(stamped(3, &put)));
    assert_eq!(
        replace_timestamp(&command(&put), 3),
        None,
        "where sessions never end nobody looks at a clock"
    );
    assert_eq!(replace_timestamp(&[], 3), None, "a no-op");
    assert_eq!(replace_timestamp(&[TIMESTAMPED], 3), None, "no command at all");
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(numbers in any::<[u64; 7]>(), shift in 0..64, kind in 0..8) {
        let [session, sequence, acknowledged, key, first, second, stamp] = numbers.map(|number| number >> shift);
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
        prop_assert_eq!(decode(&stamped(stamp, &request)), Some(Command { timestamp: Some(stamp), request }));
        prop_assert_eq!(replace_timestamp(&stamped(first, &request), stamp), Some(stamped(stamp, &request)));
        let request = Request { body: RequestBody::RegisterSession, ..request };
        prop_assert_eq!(decode(&stamped(stamp, &request)), Some(Command { timestamp: Some(stamp), request }));
    }

    /// The twin keeps every response for ever, next to the highest mark of each session, and plain maps of contents.
    #[test]
    fn the_application_does_what_its_stupid_twin_does(
        requests in prop::collection::vec((1..4_u64, 1..9_u64, 0..7_u64, 0..3_u64, action()), 0..60),
    ) {
        let mut kv = forever();
        let mut registers: BTreeMap<u64, Content> = BTreeMap::new();
        let mut lists: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut marks: BTreeMap<u64, u64> = BTreeMap::new();
        let mut past: BTreeMap<(u64, u64), (u64, Response)> = BTreeMap::new();
        for (index, (session, sequence, acknowledged, key, action)) in (1..).zip(requests) {
            let outcome = kv.apply(index, &command(&request(session, sequence, acknowledged, key, action)), 0);
            let mark = marks.entry(session).or_default();
            *mark = acknowledged.max(*mark);
            let id = RequestId { session, sequence };
            let held = registers.get(&key).copied().unwrap_or(Content::INITIAL);
            if sequence <= *mark {
                prop_assert_eq!(outcome, ApplyResult { id: Some(id), took_effect: false, response: None });
            } else if let Some((index, response)) = past.get(&(session, sequence)) {
                prop_assert_eq!(outcome, done(id, false, *index, response.clone()));
            } else {
                let list = lists.entry(key).or_default();
                let mut set = |content| {
                    registers.insert(key, content);
                    Response::Done
                };
                let response = match action {
                    Action::Get => Response::Holds(held),
                    Action::List => Response::List(list.clone()),
                    Action::Put(value) => set(Content::Present(value)),
                    Action::Delete(tombstone) => set(Content::Absent(tombstone)),
                    Action::CompareAndSet { expect, value } if expect == held => set(Content::Present(value)),
                    Action::CompareAndSet { .. } => Response::Mismatch(Some(held)),
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
                prop_assert_eq!(outcome, done(id, true, index, response));
            }
            prop_assert_eq!(kv.digest(), kv.recomputed_digest());
            let held = registers.get(&key).copied().unwrap_or(Content::INITIAL);
            prop_assert_eq!(get(&kv, key), Response::Holds(held));
            let list = lists.get(&key).cloned().unwrap_or_default();
            prop_assert_eq!(kv.read(Operation { key, action: Action::List }), Response::List(list));
        }
    }

    /// A life of commands with stamps that creep, leap and fall back; some begin a session, the others ask in one of them
    /// or in one that there is not. Anywhere in between an image is taken: whoever continues from there is the same to the
    /// end, whatever its own clock shows.
    #[test]
    fn a_restored_state_goes_on_as_the_original(
        commands in prop::collection::vec(
            (0..40_u64, prop::option::weighted(0.85, (0..8_u64, 1..6_u64, 0..4_u64, 0..3_u64, action()))), 0..60,
        ),
        lifetime in prop_oneof![Just(0), 1..30_u64],
        taken_at in 0..60_usize,
        walls in any::<[i64; 2]>(),
    ) {
        let settings = KvConfig { session_lifetime: lifetime, ..KvConfig::default() };
        let (mut original, mut restored) = (Kv::new(settings), None::<Kv>);
        let (mut sessions, mut ended) = (Vec::new(), 0);
        for (place, (stamp, asked)) in commands.into_iter().enumerate() {
            if place == taken_at {
                let image = original.to_bytes();
                let kv = Kv::from_bytes(settings, &image).unwrap();
                prop_assert_eq!(&kv, &original);
                prop_assert_eq!(kv.recomputed_digest(), original.digest());
                prop_assert_eq!(kv.to_bytes(), image);
                restored = Some(kv);
            }
            let index = place as u64 + 1;
            let request = match asked {
                None if lifetime > 0 => registration(index),
                None => continue,
                Some((whose, sequence, acknowledged, key, action)) => {
                    let session = sessions.get(whose as usize).copied().unwrap_or(1_000 + whose);
                    request(session, sequence, acknowledged, key, action)
                }
            };
            let command = if lifetime > 0 { stamped(stamp, &request) } else { command(&request) };
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
    fn nonsense_is_refused_or_is_a_state(bytes in prop::collection::vec(0..6_u8, 0..40)) {
        if let Ok(kv) = Kv::from_bytes(mortal().settings, &bytes) {
            prop_assert_eq!(kv.digest(), kv.recomputed_digest());
            prop_assert_eq!(Kv::from_bytes(kv.settings, &kv.to_bytes()), Ok(kv));
        }
    }
}
