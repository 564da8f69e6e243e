//! The application against one that keeps every request it ever saw.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn request(session: u64, sequence: u64, acknowledged: u64, key: u64, action: Action) -> Request {
    Request { id: RequestId { session, sequence }, acknowledged, operation: Operation { key, action } }
}

fn command(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(request, &mut bytes);
    bytes
}

fn done(id: RequestId, effect: bool, index: u64, response: Response) -> Outcome {
    Outcome { id: Some(id), effect, written: Some((index, response)) }
}

fn get(kv: &Kv, key: u64) -> Response {
    kv.read(Operation { key, action: Action::Get })
}

#[test]
fn a_retry_is_answered_with_the_index_of_its_effect() {
    let mut kv = Kv::new(false);
    let append = request(1, 1, 0, 3, Action::Append(7));
    assert_eq!(kv.apply(1, &command(&append)), done(append.id, true, 1, Response::Done));
    assert_eq!(kv.apply(2, &[]), Outcome { id: None, effect: false, written: None });
    assert_eq!(kv.apply(3, &command(&append)), done(append.id, false, 1, Response::Done));
    assert_eq!(kv.read(Operation { key: 3, action: Action::List }), Response::List(vec![7]));
}

#[test]
fn what_the_client_has_seen_is_forgotten_without_effect() {
    let mut kv = Kv::new(false);
    let first = request(1, 1, 0, 0, Action::Put(1));
    kv.apply(1, &command(&first));
    kv.apply(2, &command(&request(1, 2, 1, 0, Action::Put(2))));
    assert_eq!(kv.apply(3, &command(&first)), Outcome { id: Some(first.id), effect: false, written: None });
    assert_eq!(get(&kv, 0), Response::Holds(Content::Present(2)));
}

#[test]
fn a_compare_and_set_that_does_not_match_tells_what_it_found() {
    let mut kv = Kv::new(false);
    kv.apply(1, &command(&request(1, 1, 0, 0, Action::Delete(4))));
    let wrong = request(1, 2, 0, 0, Action::CompareAndSet { expect: Content::INITIAL, value: 5 });
    let mismatch = Response::Mismatch(Some(Content::Absent(4)));
    assert_eq!(kv.apply(2, &command(&wrong)), done(wrong.id, true, 2, mismatch.clone()));
    let right = request(1, 3, 0, 0, Action::CompareAndSet { expect: Content::Absent(4), value: 5 });
    assert_eq!(kv.apply(3, &command(&right)), done(right.id, true, 3, Response::Done));
    assert_eq!(kv.apply(4, &command(&wrong)), done(wrong.id, false, 2, mismatch), "and says so again");
    assert_eq!(get(&kv, 0), Response::Holds(Content::Present(5)));
}

#[test]
fn without_sessions_a_retry_is_applied_twice() {
    let mut kv = Kv::new(true);
    let append = request(1, 1, 0, 0, Action::Append(7));
    for index in [1, 2] {
        assert_eq!(kv.apply(index, &command(&append)), done(append.id, true, index, Response::Done));
    }
    assert_eq!(kv.read(Operation { key: 0, action: Action::List }), Response::List(vec![7, 7]));
}

#[test]
fn the_digest_tells_states_apart_that_differ_in_one_item() {
    let put = |session, sequence, acknowledged, key, value| {
        let mut kv = Kv::new(false);
        kv.apply(1, &command(&request(session, sequence, acknowledged, key, Action::Put(value))));
        kv.digest()
    };
    let base = put(1, 3, 0, 0, 1);
    assert_eq!(base, put(1, 3, 0, 0, 1));
    for other in
        [put(2, 3, 0, 0, 1), put(1, 4, 0, 0, 1), put(1, 3, 2, 0, 1), put(1, 3, 0, 1, 1), put(1, 3, 0, 0, 2)]
    {
        assert_ne!(base, other);
    }
    assert_eq!(Kv::new(false).digest(), Digest(0));
}

#[test]
fn a_command_that_is_none_is_refused() {
    let good = command(&request(1, 2, 3, 4, Action::Put(u64::MAX)));
    for length in 0..good.len() {
        assert_eq!(decode(&good[..length]), None);
    }
    assert_eq!(decode(&[good.as_slice(), &[0]].concat()), None);
    assert_eq!(decode(&[9, 1, 1, 1, 1, 1, 1]), None);
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

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(numbers in any::<[u64; 7]>(), shift in 0..64, kind in 0..8) {
        let [session, sequence, acknowledged, key, first, second, _] = numbers.map(|number| number >> shift);
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
        prop_assert_eq!(decode(&command(&request)), Some(request));
    }

    /// The twin keeps every response for ever, next to the highest mark of each session, and plain maps of contents.
    #[test]
    fn the_application_does_what_its_stupid_twin_does(
        requests in prop::collection::vec((1..4_u64, 1..9_u64, 0..7_u64, 0..3_u64, action()), 0..60),
    ) {
        let mut kv = Kv::new(false);
        let mut registers: BTreeMap<u64, Content> = BTreeMap::new();
        let mut lists: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut marks: BTreeMap<u64, u64> = BTreeMap::new();
        let mut past: BTreeMap<(u64, u64), (u64, Response)> = BTreeMap::new();
        for (index, (session, sequence, acknowledged, key, action)) in (1..).zip(requests) {
            let outcome = kv.apply(index, &command(&request(session, sequence, acknowledged, key, action)));
            let mark = marks.entry(session).or_default();
            *mark = acknowledged.max(*mark);
            let id = RequestId { session, sequence };
            let held = registers.get(&key).copied().unwrap_or(Content::INITIAL);
            if sequence <= *mark {
                prop_assert_eq!(outcome, Outcome { id: Some(id), effect: false, written: None });
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
}
