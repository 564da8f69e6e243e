//! Formats: what is written can be read back, and parse errors name the line and the cause.

#![expect(clippy::disallowed_methods, reason = "a test writes recordings and reads the messages about them")]

use invariants::formats::{
    self, FailedCas, Format, MAX_ELEMENTS, MAX_NAMES, MAX_OPERATIONS, ReadOptions, facts, histories, kvsim,
    read_history, read_history_with,
};
use invariants::linearizability::{
    Action, Budget, Call, Content, Object, Operation, Response, Verdict, check,
};
use invariants::{
    ConfChange, ConfChangeOp, ConfChangeResponse, Configuration, ConfirmedBy, Digest, Fact, LogId, Observed,
    RejectionReason, RequestId, SessionOutcome, SessionUse,
};
use proptest::prelude::*;
use std::fmt::Write;

fn request() -> impl Strategy<Value = RequestId> {
    any::<(u64, u64)>().prop_map(|(session, sequence)| RequestId { session, sequence })
}

fn configuration() -> impl Strategy<Value = Box<Configuration>> {
    any::<(Vec<u64>, Vec<u64>, Vec<Vec<u64>>, Vec<u64>, Option<u64>)>().prop_map(
        |(voters, joint, further, learners, digest)| {
            Box::new(Configuration { voters, joint, further, learners, digest: digest.map(Digest) })
        },
    )
}

fn session_use() -> impl Strategy<Value = SessionUse> {
    let outcome = prop_oneof![
        Just(SessionOutcome::Registered),
        Just(SessionOutcome::Fresh),
        Just(SessionOutcome::Repeated),
        Just(SessionOutcome::Forgotten),
        Just(SessionOutcome::Expired),
    ];
    (outcome, any::<(u64, u64)>()).prop_map(|(outcome, (log_time, mark))| SessionUse {
        outcome,
        log_time,
        mark,
    })
}

fn fact() -> impl Strategy<Value = Fact> {
    let number = any::<u64>;
    let digest = || any::<u64>().prop_map(Digest);
    let log_id = || any::<(u64, u64)>().prop_map(|(index, term)| LogId { index, term });
    let some_request = proptest::option::of(request());
    let claims = prop_oneof![
        (number(), any::<Option<u64>>(), log_id(), log_id(), digest())
            .prop_map(|(term, vote, base, last, digest)| Fact::Started { term, vote, base, last, digest }),
        number().prop_map(|term| Fact::TermChanged { term }),
        (number(), number(), digest()).prop_map(|(index, term, entry)| Fact::Appended { index, term, entry }),
        number().prop_map(|after| Fact::Truncated { after }),
        number().prop_map(|term| Fact::Leads { term }),
        number().prop_map(|term| Fact::SteppedDown { term }),
        number().prop_map(|index| Fact::Committed { index }),
        (number(), digest(), digest(), some_request, any::<bool>(), proptest::option::of(session_use()))
            .prop_map(|(index, entry, state, request, effect, session)| Fact::Applied {
                index,
                entry,
                state,
                request,
                effect,
                session
            }),
        (number(), configuration())
            .prop_map(|(index, configuration)| Fact::Configured { index, configuration }),
        (log_id(), digest(), configuration()).prop_map(|(last, state, configuration)| Fact::SnapshotTaken {
            last,
            state,
            configuration
        }),
        (log_id(), configuration())
            .prop_map(|(last, configuration)| Fact::SnapshotInstalled { last, configuration }),
        (number(), digest()).prop_map(|(index, state)| Fact::Restored { index, state }),
    ];
    let promises_and_observations = prop_oneof![
        (number(), number()).prop_map(|(term, candidate)| Fact::Voted { term, candidate }),
        number().prop_map(|term| Fact::Campaigned { term }),
        (number(), number()).prop_map(|(term, index)| Fact::Acknowledged { term, index }),
        (request(), number()).prop_map(|(read, applied)| Fact::ReadServed { read, applied }),
        number().prop_map(|term| Fact::Answered { term }),
        number().prop_map(|identity| Fact::Identified { identity }),
        number().prop_map(|length| Fact::LeasePromised { length }),
        (number(), number()).prop_map(|(jump, rate)| Fact::ClockChanged { jump, rate }),
        (number(), any::<Option<u64>>()).prop_map(|(term, leader)| Fact::ToldToCampaign { term, leader }),
        number().prop_map(|term| Fact::CampaignedByOrder { term }),
        number().prop_map(|leader| Fact::Redirected { leader }),
        Just(Fact::Healed),
        (
            proptest::sample::select(vec![
                RejectionReason::NotLeader,
                RejectionReason::ChangePending,
                RejectionReason::NotCaughtUp,
                RejectionReason::UnknownServer,
                RejectionReason::NoOwnCommit,
                RejectionReason::Other,
            ]),
            prop::collection::vec(number(), 0..4)
        )
            .prop_map(|(reason, servers)| Fact::CommandRejected { reason, servers }),
        (number(), number(), number(), prop::collection::vec(number(), 0..4)).prop_map(
            |(requests, promises, parts, followers)| Fact::Kept { requests, promises, parts, followers }
        ),
        (number(), number()).prop_map(|(before, after)| Fact::SizeKept { before, after }),
        (number(), number(), number(), number(), number()).prop_map(
            |(term, follower, entries, first, identity)| Fact::EntriesSent {
                first,
                identity,
                term,
                follower,
                entries
            }
        ),
        (number(), number(), log_id(), number(), number()).prop_map(|(term, follower, last, bytes, size)| {
            Fact::ChunkSent { term, follower, last, bytes, size }
        }),
        (number(), number(), number(), number()).prop_map(|(term, follower, identity, match_index)| {
            Fact::Counts { term, follower, identity, match_index }
        }),
        request().prop_map(|read| Fact::ReadArrived { read }),
        (
            request(),
            number(),
            number(),
            proptest::sample::select(vec![ConfirmedBy::Round, ConfirmedBy::Lease, ConfirmedBy::Log])
        )
            .prop_map(|(read, term, index, by)| Fact::ReadConfirmed { read, term, index, by }),
        (number(), any::<Option<u64>>(), any::<Option<u64>>()).prop_map(|(term, vote, after)| Fact::Saved {
            term,
            vote,
            after
        }),
        (number(), number(), digest()).prop_map(|(index, term, entry)| Fact::SavedEntry {
            index,
            term,
            entry
        }),
        (log_id(), log_id()).prop_map(|(base, last)| Fact::SavedSnapshot { base, last }),
        proptest::sample::select(vec![
            Fact::SavedRecovered,
            Fact::Crashed,
            Fact::PowerLost,
            Fact::Restarted,
            Fact::Wiped,
            Fact::Damaged,
            Fact::Quiet
        ]),
        (number(), request()).prop_map(|(index, write)| Fact::WriteAcknowledged { index, write }),
        request().prop_map(|read| Fact::ReadAsked { read }),
        any::<Vec<u64>>().prop_map(|voters| Fact::Founded { voters }),
        number().prop_map(|lifetime| Fact::SessionLifetime { lifetime }),
        (number(), change())
            .prop_map(|(request, change)| Fact::ChangeRequested { request, change: Box::new(change) }),
        (
            number(),
            proptest::sample::select(vec![
                ConfChangeResponse::Done,
                ConfChangeResponse::Rejected,
                ConfChangeResponse::Unknown
            ])
        )
            .prop_map(|(request, answer)| Fact::ChangeAnswered { request, answer }),
    ];
    prop_oneof![claims, promises_and_observations]
}

fn change() -> impl Strategy<Value = ConfChange> {
    let op = prop_oneof![
        any::<u64>().prop_map(ConfChangeOp::Voter),
        any::<u64>().prop_map(ConfChangeOp::Learner),
        any::<u64>().prop_map(ConfChangeOp::Remove),
    ];
    let ops = proptest::collection::vec(op, 0..3);
    prop_oneof![
        ops.clone().prop_map(ConfChange::Steps),
        ops.prop_map(ConfChange::Joint),
        Just(ConfChange::Leave),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let content =
        || prop_oneof![any::<u64>().prop_map(Content::Absent), any::<u64>().prop_map(Content::Present)];
    let action = prop_oneof![
        Just(Action::Get),
        any::<u64>().prop_map(Action::Put),
        any::<u64>().prop_map(Action::Delete),
        (content(), any::<u64>()).prop_map(|(expect, value)| Action::CompareAndSet { expect, value }),
        any::<u64>().prop_map(Action::Append),
        Just(Action::List),
    ];
    let response = prop_oneof![
        Just(Response::Done),
        content().prop_map(Response::Holds),
        proptest::option::of(content()).prop_map(Response::Mismatch),
        any::<Vec<u64>>().prop_map(Response::List),
    ];
    (request(), any::<u64>(), action, any::<u64>(), proptest::option::of((any::<u64>(), response))).prop_map(
        |(id, key, action, called, returned)| Call {
            id,
            operation: Operation { key, action },
            called,
            returned,
        },
    )
}

fn sorted(mut numbers: Vec<u64>) -> Vec<u64> {
    numbers.sort_unstable();
    numbers
}

proptest! {
    #[test]
    fn a_fact_is_named_and_has_fields_as_in_its_json(fact in fact()) {
        let json = serde_json::to_value(&fact).unwrap();
        let json = json.as_object().unwrap();
        let name = fact.name().replace(' ', "_");
        prop_assert_eq!(json["fact"].as_str(), Some(name.as_str()));
        // Fields that are absent may be left out.
        prop_assert!(json.keys().all(|key| key == "fact" || fact.fields().contains(&key.as_str())));
    }

    #[test]
    fn written_facts_are_read_back(
        times in proptest::collection::vec(any::<u64>(), 20).prop_map(sorted),
        steps in proptest::collection::vec(any::<u64>(), 20).prop_map(sorted),
        written in proptest::collection::vec((any::<u64>(), fact()), 0..20)
    ) {
        let written: Vec<Observed> = times
            .into_iter()
            .zip(steps)
            .zip(written)
            .map(|((at, step), (node, fact))| Observed { at, step, node, fact })
            .collect();
        let mut text = Vec::new();
        facts::write(&mut text, &written).unwrap();
        let text = String::from_utf8(text).unwrap();
        prop_assert_eq!(text.lines().count(), written.len());
        prop_assert_eq!(facts::read(&text).collect::<Result<Vec<_>, _>>().unwrap(), written);
    }

    #[test]
    fn written_histories_are_read_back(written in proptest::collection::vec(call(), 0..20)) {
        let mut text = Vec::new();
        histories::write(&mut text, &written).unwrap();
        let text = String::from_utf8(text).unwrap();
        prop_assert_eq!(text.lines().count(), written.len());
        prop_assert_eq!(histories::read(&text).unwrap(), written);
    }
}

/// The examples of the documentation, a promise to authors of other tools.
#[test]
fn lines_are_written_as_documented() {
    let text = r#"
{"session":1,"sequence":1,"key":4,"action":{"put":7},"called":10,"returned":15,"response":"done"}
{"session":2,"sequence":1,"key":4,"action":"get","called":12,"returned":19,"response":{"holds":{"present":7}}}
{"session":3,"sequence":1,"key":4,"action":{"compare_and_set":{"expect":{"present":7},"value":9}},"called":13,"returned":20,"response":{"mismatch":null}}

{"session":1,"sequence":2,"key":4,"action":{"delete":8},"called":20}
"#;
    let history = histories::read(text).unwrap();
    let lines: Vec<String> = history.iter().map(Call::to_string).collect();
    assert_eq!(
        lines,
        [
            "s1#1 put k4=7 -> done [10..15]",
            "s2#1 get k4 -> 7 [12..19]",
            "s3#1 cas k4 from 7 to 9 -> mismatch [13..20]",
            "s1#2 delete k4 (deletion 8) -> unknown [20..]",
        ]
    );
    let mut again = Vec::new();
    histories::write(&mut again, &history).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    assert!(String::from_utf8(again).unwrap().lines().eq(lines));
    let fact = r#"{"at":1500000,"step":7,"node":2,"fact":"voted","term":3,"candidate":1}"#;
    let fact = facts::read(fact).next().unwrap().unwrap();
    assert_eq!((fact.node, fact.fact), (2, Fact::Voted { term: 3, candidate: 1 }));
    let fact = concat!(
        r#"{"at":1500000,"step":7,"node":2,"fact":"saved_snapshot","#,
        r#""base":{"index":4,"term":3},"last":{"index":5,"term":3}}"#
    );
    let fact = facts::read(fact).next().unwrap().unwrap();
    let at = |index| LogId { index, term: 3 };
    assert_eq!(fact.fact, Fact::SavedSnapshot { base: at(4), last: at(5) });
    // As written before configurations had digests.
    let line = r#"{"at":1,"step":7,"node":2,"fact":"configured","index":4,"configuration":{"voters":[1,2],"learners":[3]}}"#;
    let fact = facts::read(line).next().unwrap().unwrap();
    let configuration = Configuration { voters: vec![1, 2], learners: vec![3], ..Configuration::default() };
    assert_eq!(fact.fact, Fact::Configured { index: 4, configuration: Box::new(configuration) });
    let mut again = Vec::new();
    facts::write(&mut again, [&fact]).unwrap();
    assert_eq!(String::from_utf8(again).unwrap().trim_end(), line);
    // As written before uses of sessions were stated, and since.
    let line = r#"{"at":1,"step":7,"node":2,"fact":"applied","index":4,"entry":5,"state":6,"effect":true,"request":{"session":7,"sequence":8}}"#;
    let used = r#","session":{"outcome":"expired","log_time":9,"mark":7}}"#;
    for line in [line.to_owned(), line.strip_suffix('}').unwrap().to_owned() + used] {
        let fact = facts::read(&line).next().unwrap().unwrap();
        let Fact::Applied { session, .. } = fact.fact else { panic!("{fact:?}") };
        let used = SessionUse { outcome: SessionOutcome::Expired, log_time: 9, mark: 7 };
        assert_eq!(session, line.contains("expired").then_some(used));
        let mut again = Vec::new();
        facts::write(&mut again, [&fact]).unwrap();
        assert_eq!(String::from_utf8(again).unwrap().trim_end(), line);
    }
}

#[test]
fn a_parse_error_names_the_line() {
    let good = "{\"session\":1,\"sequence\":1,\"key\":4,\"action\":\"get\",\"called\":10}\n\n";
    let error = |bad: &str| histories::read(&format!("{good}{bad}")).unwrap_err();
    for bad in ["what", "{}", "{\"session\":1,\"sequence\":2,\"key\":4,\"action\":\"fetch\",\"called\":10}"] {
        let error = error(bad);
        assert_eq!(error.line, 3);
        assert!(error.to_string().starts_with("line 3: expected a call, as in"), "{error}");
    }
    let half = r#"{"session":1,"sequence":2,"key":4,"action":"get","called":10,"returned":11}"#;
    assert_eq!(
        error(half).to_string(),
        "line 3: expected `returned` and `response` together, or neither: one of them is missing"
    );

    let facts: Vec<_> =
        facts::read("{\"at\":1,\"step\":1,\"node\":1,\"fact\":\"crashed\"}\n{\"at\":1}").collect();
    assert!(facts[0].is_ok());
    assert_eq!(facts[1].as_ref().unwrap_err().line, 2);

    let unknown = r#"{"process":1,"op":"write","key":"k","call":1,"return":null,"outcome":"unknown"}"#;
    assert_eq!(
        kvsim::read(unknown).unwrap_err().to_string(),
        "line 1: expected a number as `value`: a write, cas or append has one"
    );
}

/// Sequential events of one process as maps: `(f, key, value called, value returned)`.
fn sequential(events: &[(&str, &str, &str, &str)]) -> String {
    let line = |kind: &str, f: &str, key: &str, value: &str| {
        format!("{{:process 0, :type {kind}, :f :{f}, :key {key}, :value {value}}}\n")
    };
    let both = |&(f, key, called_value, returned_value): &(&str, &str, &str, &str)| {
        line(":invoke", f, key, called_value) + &line(":ok", f, key, returned_value)
    };
    events.iter().map(both).collect()
}

/// The options for a system whose compare-and-set fails only if it found another value.
fn mismatch() -> ReadOptions {
    ReadOptions { failed_cas: FailedCas::Mismatch, ..ReadOptions::default() }
}

fn is_linearizable(text: &str) -> bool {
    is_linearizable_as(text, &ReadOptions::default())
}

fn is_linearizable_as(text: &str, options: &ReadOptions) -> bool {
    let (_, parsed) = read_history_with(text, options).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    check(&parsed.calls, Budget::default()).expect("well formed") == Verdict::Linearizable
}

/// Values and keys that are not small numbers are mapped to numbers; no two may be confused.
#[test]
fn different_notations_are_different_values() {
    let values = [
        "\"a\"",
        "\"b\"",
        "4611686018427387904",
        "4611686018427387905",
        "4611686018427387905000000000N",
        "-1",
        "7",
        "\"7\"",
        "\"-1\"",
        ":a",
        "a",
        "\\a",
        "true",
        "false",
        "7.0",
        "7.5",
        "7M",
        "7/2",
        "[7]",
        "#{7}",
        "{:a 7}",
        "#uuid \"7\"",
    ];
    for written in values {
        for seen in values {
            let register = [("write", "1", written, written), ("read", "1", "nil", seen)];
            assert_eq!(is_linearizable(&sequential(&register)), written == seen, "{written} {seen}");
        }
    }
    for element in ["4611686018427387904", "-4611686018427387904", "7"] {
        let piece = "\"x y\"";
        let text = [("append", "1", piece, piece), ("read", "1", "nil", &format!("[{element}]"))];
        assert!(!is_linearizable(&sequential(&text)), "{element}");
    }
    let keys = [
        "\"a\"",
        "a",
        ":a",
        "nil",
        "0",
        "\"0\"",
        "4294967296",
        "-1",
        "18446744073709551615",
        "[0]",
        "0.5",
        "true",
    ];
    for written in keys {
        for read in keys {
            let both = [("write", written, "5", "5"), ("write", "9", "1", "1"), ("read", read, "nil", "5")];
            assert_eq!(is_linearizable(&sequential(&both)), written == read, "{written} {read}");
        }
    }
}

/// The parse errors of a call and a return, as maps and as lines of a log.
fn rejections(f: &str, called_value: &str, kind: &str, returned_value: &str) -> [Option<String>; 2] {
    let map = |kind, value| format!("{{:process 3, :type :{kind}, :f :{f}, :value {value}}}\n");
    let log = |kind, value| format!("INFO  jepsen.util - 3\t:{kind}\t:{f}\t{value}\n");
    let other = ["{:process 4, :type :invoke, :f :read}\n", "INFO  jepsen.util - 4 :invoke :read nil\n"];
    [
        map("invoke", called_value) + &map(kind, returned_value) + other[0],
        log("invoke", called_value) + &log(kind, returned_value) + other[1],
    ]
    .map(|text| read_history(&text).err().map(|error| error.to_string()))
}

#[test]
fn a_return_that_does_not_match_its_call_is_rejected() {
    for (f, called_value, kind, returned_value) in [
        ("write", "3", "ok", "4"),
        ("write", "3", "ok", "nil"),
        ("write", "3", "info", "4"),
        ("write", "\"a\"", "ok", "\"b\""),
        ("append", "3", "ok", "4"),
        ("put", "\"x y\"", "ok", "\"z y\""),
        ("cas", "[3 4]", "ok", "[3 5]"),
        ("cas", "[3 4]", "fail", "[4 3]"),
    ] {
        let sentence = format!(
            "line 2: expected the return of what was called: \
             process 3 called :{f} {called_value} in line 1 and returns from {returned_value}"
        );
        for rejection in rejections(f, called_value, kind, returned_value) {
            let rejection = rejection.unwrap_or_default();
            assert!(rejection.starts_with(&sentence), "{rejection}");
        }
    }
    for (f, called_value, kind, returned_value) in [
        ("write", "3", "ok", "3"),
        ("write", "3", "info", ":timed-out"),
        ("cas", "[3 4]", "fail", ":timed-out"),
        ("read", "nil", "ok", "4"),
        ("get", "nil", "ok", "\"x y\""),
    ] {
        assert_eq!(
            rejections(f, called_value, kind, returned_value),
            [None, None],
            "{f} {called_value} {kind} {returned_value}"
        );
    }
    // A missing value is no contradiction.
    let text = "{:process 3, :type :invoke, :f :write, :value 3}\n{:process 3, :type :ok, :f :write}\n";
    assert!(is_linearizable(text));
}

/// In Jepsen a failed compare-and-set did not happen, and no more is known. With the option that it is a
/// mismatch, its error may still name another reason.
#[test]
fn an_option_decides_what_a_failed_compare_and_set_proves() {
    let mut results = Vec::new();
    for (error, is_mismatch) in [
        (":error :connection-refused", false),
        (":error [:duplicate-key \"k\"]", false),
        (":error \"no route to host\"", false),
        (":error []", false),
        (":error :did-not-succeed", true),
        (":error [:precondition-failed 412]", true),
        (":error :cas-failed", true),
        (":error nil", true),
        ("", true),
    ] {
        let maps = sequential(&[("write", "nil", "3", "3")])
            + "{:process 1, :type :invoke, :f :cas, :value [3 4]}\n"
            + &format!("{{:process 1, :type :fail, :f :cas, :value [3 4] {error}}}\n");
        let suffix = error.strip_prefix(":error ").unwrap_or_default();
        let rows = [":invoke :write 3", ":ok :write 3", ":invoke :cas [3 4]", ":fail :cas [3 4]"];
        let log = rows.map(|event| format!("INFO  jepsen.util - 0 {event}")).join("\n");
        let columns = rows.map(|event| format!("0\t{event}")).join("\n");
        for text in [maps, format!("{log} {suffix}"), format!("{columns} {suffix}")] {
            results.push((text.clone(), is_linearizable(&text)));
            results.push((text.clone(), is_linearizable_as(&text, &mismatch()) != is_mismatch));
            if is_mismatch {
                let (_, parsed) = read_history_with(&text, &mismatch()).unwrap();
                let description = parsed.describe(&check(&parsed.calls, Budget::default()).unwrap());
                let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
                let sentence =
                    "This rests on --failed-cas mismatch: that the compare-and-set failed (line 4)";
                results.push((description.clone(), description.contains(sentence)));
            }
        }
    }
    assert!(results.iter().all(|&(_, is_expected)| is_expected), "{results:#?}");
    // A response in the own format needs no such option.
    let ours = "{\"session\":1,\"sequence\":1,\"key\":4,\"action\":{\"put\":3},\"called\":1,\"returned\":2,\"response\":\"done\"}\n\
        {\"session\":2,\"sequence\":1,\"key\":4,\"action\":{\"compare_and_set\":{\"expect\":{\"present\":3},\"value\":4}},\"called\":3,\
        \"returned\":4,\"response\":{\"mismatch\":null}}\n";
    assert!(!is_linearizable(ours));
}

/// In a Jepsen test with many keys, each value is a pair of key and value. A pair of values is not.
#[test]
fn key_value_pairs_are_recognized() {
    let event = |(process, kind, f, value): (&str, &str, &str, &str)| {
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}\n")
    };
    let history = |last: &str| {
        let events = [
            ("0", "invoke", "write", "[1 5]"),
            ("1", "invoke", "cas", "[2 [nil 6]]"),
            ("0", "ok", "write", "[1 5]"),
            ("1", "fail", "cas", "[2 [nil 6]]"),
            ("2", "invoke", "write", "[\"a\" 6]"),
            ("2", "info", "write", ":timed-out"),
            ("0", "invoke", "read", "[1 nil]"),
            ("0", "ok", "read", last),
        ];
        events.map(event).concat()
    };
    let (_, parsed) = read_history_with(&history("[1 5]"), &mismatch()).expect("a valid history");
    let keys: Vec<u64> = parsed.calls.iter().map(|call| call.operation.key).collect();
    assert_eq!(keys.len(), 4);
    assert!(keys[0] == keys[3] && keys[0] != keys[1] && keys[1] != keys[2]);
    assert!(is_linearizable(&history("[1 5]").replace("fail", "info")));
    assert!(is_linearizable(&history("5")));
    // No operation wrote this value to this key; one may have written it to the other.
    assert!(!is_linearizable(&history("[1 6]").replace("fail", "info")));
    // A response about another key.
    assert!(read_history(&history("[2 5]")).is_err());
    // One key, and a pair of values.
    let plain = [("0", "invoke", "cas", "[1 5]"), ("0", "fail", "cas", "[1 5]")];
    let (_, parsed) = read_history_with(&plain.map(event).concat(), &mismatch()).expect("a valid history");
    assert!(matches!(parsed.calls[0].operation.action, Action::CompareAndSet { .. }));
}

#[test]
fn an_unknown_field_of_a_fact_is_rejected_with_its_line() {
    let good = "{\"at\":1,\"step\":1,\"node\":1,\"fact\":\"crashed\"}";
    let error_of = |line: &str| {
        let text = format!("{good}\n\n{line}\n{good}");
        let facts: Result<Vec<_>, _> = facts::read(&text).collect();
        let error = facts.expect_err(line);
        assert_eq!(error.line, 3, "{line}");
        error.to_string()
    };
    let with = |rest: &str| format!("{{\"at\":1,\"step\":1,\"node\":1,{rest}}}");
    for (rest, words) in [
        // A misspelled optional field would otherwise be ignored silently.
        ("\"fact\":\"saved\",\"term\":1,\"vote\":null,\"aftr\":3", "\"aftr\" in it; did you mean \"after\"?"),
        (
            "\"fact\":\"leads\",\"term\":1,\"xyzzy\":3",
            "\"xyzzy\" in it, only \"at\", \"step\", \"node\", \"fact\", \"term\"",
        ),
        ("\"fact\":\"crashed\",\"term\":1", "no field \"term\" in it"),
        ("\"fact\":\"leads\",\"term\":1,\"term\":1", "duplicate field `term`"),
        (
            "\"fact\":\"configured\",\"index\":1,\"configuration\":{\"voters\":[1],\"learner\":[2]}",
            "unknown field `learner`, expected one of `voters`, `joint`, `further`, `learners`, `digest`",
        ),
        (
            "\"fact\":\"saved_snapshot\",\"base\":{\"index\":1,\"term\":1},\"last\":{\"index\":1,\"term\":1,\"x\":1}",
            "unknown field `x`, expected `index` or `term`",
        ),
    ] {
        let error = error_of(&with(rest));
        assert!(error.contains(words), "{rest}: {error}");
    }
}

#[test]
fn facts_whose_time_or_step_decreases_are_rejected() {
    let fact =
        |at, step| format!("{{\"at\":{at},\"step\":{step},\"node\":1,\"fact\":\"leads\",\"term\":1}}\n");
    let read =
        |text: &str| facts::read(text).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string());
    // Facts of one step have one time.
    assert!(read(&(fact(5, 2) + &fact(5, 2) + &fact(5, 3))).is_ok());
    let expected = "line 3: expected time to run forward: it is 4 here, and was 5 in line 1";
    assert_eq!(read(&(fact(5, 2) + "\n" + &fact(4, 3))).unwrap_err(), expected);
    let expected = "line 2: expected steps to run forward: it is 1 here, and was 2 in line 1";
    assert_eq!(read(&(fact(5, 2) + &fact(6, 1))).unwrap_err(), expected);
}

/// The description of the verdict on a history.
fn description(text: &str) -> String {
    let (_, parsed) = read_history(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    parsed.describe(&check(&parsed.calls, Budget::default()).expect("well formed"))
}

#[test]
fn explanations_use_the_notation_of_the_file() {
    let register = [
        ("write", "\"x\"", "-4", "-4"),
        ("write", "\"y\"", "3", "3"),
        ("write", "\"x\"", "\"hello\"", "\"hello\""),
        ("read", "\"x\"", "nil", "-4"),
    ];
    let text = ["\"x 0 y\"", "\"z 1 y\""].map(|piece| ("append", "\"a\"", piece, piece));
    let text = [text[0], text[1], ("get", "\"a\"", "nil", "\"z 1 y\"")];
    let operation = |op: &str, value: &str, call: u64| {
        let (process, returned) = (call, call + 1);
        format!(
            "{{\"process\":{process},\"op\":\"{op}\",\"key\":\"user 7\",{value},\
             \"call\":{call},\"return\":{returned},\"outcome\":\"ok\"}}\n"
        )
    };
    let json =
        "\n".to_string() + &operation("write", "\"value\":1", 5) + &operation("read", "\"result\":2", 9);
    let histories = [sequential(&register), sequential(&text), json];
    insta::assert_snapshot!(histories.map(|text| description(&text)).join("\n\n"));
}

#[test]
fn an_empty_history_is_rejected() {
    let nemesis = "{:process :nemesis, :type :info, :f :kill, :value #{\"n1\"}}\n";
    let failed =
        "{:process 0, :type :invoke, :f :write, :value 3}\n{:process 0, :type :fail, :f :write, :value 3}\n";
    let rejection = |text: &str| read_history(text).unwrap_err().to_string();
    for text in ["", "\n \n", "\u{feff}"] {
        assert_eq!(rejection(text), "expected a history: nothing was recorded in it", "{text:?}");
    }
    for text in ["[]", "[\n]", nemesis, failed] {
        let sentence = "expected a history: nothing was recorded in it that may have happened to a client";
        assert_eq!(rejection(text), sentence, "{text:?}");
    }
}

/// One history: as maps in lines, in a vector over several lines or one, with tags, after a byte order mark.
#[test]
fn maps_are_read_in_every_layout() {
    let text = sequential(&[("write", "\"a\"", "3", "3"), ("read", "\"a\"", "nil", "4")]);
    let (_, expected) = read_history(&text).unwrap();
    let (line, tagged) = (text.replace('\n', " "), text.replace("{:process", "#jepsen.history.Op{:process"));
    for text in [
        format!("\u{feff}{text}"),
        format!("[{text}]"),
        format!("({line})"),
        format!("\n\n[\n{line}\n]\n"),
        tagged.clone(),
        format!("[{tagged}]"),
        text.replace('{', "{ "),
    ] {
        let (format, parsed) = read_history(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
        assert_eq!(format, Format::JepsenMaps);
        assert_eq!(parsed.calls.len(), expected.calls.len());
        assert!(!is_linearizable(&text), "{text}");
    }
    let spread = text.replace(", :value", ",\n  :value");
    let (_, parsed) = read_history(&format!("[{spread}]")).unwrap();
    assert_eq!(parsed.lines, [1, 5]);
}

#[test]
fn parse_errors_quote_the_file() {
    let rejection = |value: &str| {
        let text = format!("\n{{:process 0, :type :invoke, :f :cas, :value {value}}}\n");
        read_history(&text).unwrap_err().to_string()
    };
    assert_eq!(
        rejection("[:x 1 #{\"hello\" #inst \"2020\"}]"),
        "line 2: expected [expected new] as `:value` of a cas: it is [:x 1 #{\"hello\" #inst \"2020\"}] \
         (the file was taken for Jepsen maps)"
    );
    // A long value is shortened, and control characters are escaped.
    let long = rejection(&format!("\"\u{1b}[2J{}\"", "x".repeat(100_000)));
    assert!(long.len() < 300 && !long.contains('\u{1b}') && long.contains("\\u001b[2Jxxx"), "{long}");
    let rejection = read_history("[{:process 0}\n 7]").unwrap_err().to_string();
    assert!(
        rejection.starts_with("line 1: expected an event, as in {") && rejection.contains(":type is missing")
    );
    let json = "\u{feff}{\"session\":1,\"sequence\":1,\"key\":4,\"action\":\"get\",\"called\":10}\n";
    assert_eq!(histories::read(json).unwrap(), read_history(json).unwrap().1.calls);
    assert_eq!(
        formats::decode_text(b"INFO\nab\xffc\n".to_vec()).unwrap_err().to_string(),
        "line 2: expected text in UTF-8: there is a byte 0xff"
    );
}

/// Process, type, function, value and error.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// One history in every notation of Jepsen, alone and with the surrounding text of a real file.
#[test]
fn all_notations_of_jepsen_give_the_same_history() {
    let events = [
        ("0", "invoke", "write", "7", ""),
        ("1", "invoke", "read", "nil", ""),
        ("0", "ok", "write", "7", ""),
        ("1", "fail", "read", "nil", ":timeout"),
        ("2", "invoke", "cas", "[7 8]", ""),
        ("2", "info", "cas", "[7 8]", "\"gone\\n away\""),
        ("3", "invoke", "read", "nil", ""),
        ("3", "ok", "read", "9", ""),
    ];
    let join = |line: &dyn Fn(&Row) -> String, between: &str| {
        events.iter().map(line).collect::<Vec<_>>().join(between)
    };
    let map = |&(process, kind, f, value, error): &Row| {
        let error = if error.is_empty() { String::new() } else { format!(", :error {error}") };
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}{error}, :time 5, :index 1}}")
    };
    let object = |&(process, kind, f, value, _): &Row| {
        let value = value.replace("nil", "null").replace("7 8", "7, 8");
        format!(
            "{{\"index\": 3, \"process\":{process}, \"type\":\"{kind}\", \"f\":\"{f}\", \"value\":{value}}}"
        )
    };
    let row = |&(process, kind, f, value, error): &Row| format!("{process}\t:{kind}\t:{f}\t{value}\t{error}");
    let logged = |head: &'static str| move |event: &Row| format!("{head}{}", row(event));
    let texts = [
        (Format::JepsenMaps, join(&map, "\n")),
        (Format::JepsenMaps, format!("[{}]", join(&map, "\n"))),
        (Format::JepsenMaps, format!("#jepsen.history.DenseHistory [{}]", join(&map, "\n"))),
        (Format::JepsenMaps, format!("{{:name \"a\" :history\n[{}] :b #{{1}}}}", join(&map, "\n"))),
        (Format::JepsenMaps, format!("; from n1\n#_[1 2]\n{}", join(&map, " ; said\n"))),
        (Format::JepsenMaps, join(&|event| map(event).replace(", ", "\n  ,; next\n "), "\n")),
        (
            Format::JepsenMaps,
            join(&|event| format!("#jepsen.history.Op{}", map(event)), "\n")
                + "\n{:process :nemesis, :type :info, :f :x}",
        ),
        (Format::JepsenJson, join(&object, "\n")),
        (Format::JepsenJson, format!("[{}]", join(&object, ",\n"))),
        (
            Format::JepsenJson,
            format!("[\n{}\n]\n", join(&|event| object(event).replace(", ", ",\n  "), ", ")),
        ),
        (Format::JepsenJson, format!("{{\"name\": [1], \"history\": [{}]}}", join(&object, ","))),
        (Format::JepsenColumns, join(&row, "\n")),
        (Format::JepsenColumns, format!(":nemesis\t:info\t:start\t#<unreadable\n{}", join(&row, "\r\n"))),
        (Format::JepsenLog, join(&logged("INFO  jepsen.util - "), "\n")),
        (
            Format::JepsenLog,
            join(&logged("INFO [2019-04-17 17:38:16,855] jepsen worker 0 - jepsen.util "), "\n")
                + "\nINFO [2019-04-18 03:53:32,714] jepsen test runner - jepsen.core {:valid? true,\n :configs\n ()}\n",
        ),
        (
            Format::JepsenLog,
            "2021-02-26 11:42:48,806{GMT}\tINFO\t[jepsen test runner] jepsen.core: Relative time begins now\n"
                .to_string()
                + &join(&logged("2021-02-26 11:42:48,806{GMT}\tINFO\t[jepsen worker 1] jepsen.util: "), "\n")
                + "\n2021-02-26 11:42:49,000{GMT}\tWARN\t[jepsen worker 2] jepsen.core: Process 2 crashed\n\
                   java.lang.Exception: no\n\tat jepsen.util$timeout.invoke(util.clj:5)\n\
                   2021-02-26 11:42:49,000{GMT}\tINFO\t[jepsen nemesis] jepsen.util: :nemesis\t:info\t:start\tnil\n",
        ),
    ];
    let (_, expected) = read_history(&texts[0].1).unwrap();
    assert_eq!(expected.calls.len(), 3);
    let calls = |parsed: &formats::ParsedHistory| {
        let parts = |call: &Call| {
            let answer = call.returned.as_ref().map(|(_, response)| response.clone());
            (call.id, call.operation, answer)
        };
        parsed.calls.iter().map(parts).collect::<Vec<_>>()
    };
    for (format, text) in texts {
        let (found, parsed) = read_history(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
        assert_eq!((found, calls(&parsed)), (format, calls(&expected)), "{text}");
        assert!(!is_linearizable(&text), "{text}");
        // Every line number is that of the call.
        for (call, &line) in parsed.calls.iter().zip(&parsed.lines) {
            // In an object written over several lines, the process is in the third.
            let excerpt = text.lines().skip(line - 1).take(3).collect::<String>();
            let process = call.id.session.to_string();
            assert!(excerpt.contains(&process), "{line} {excerpt}:\n{text}");
        }
    }
}

/// Files that are no history, or one that cannot be checked.
#[test]
fn an_unsupported_history_is_rejected_with_its_cause() {
    let map = |f: &str, value: &str| format!("{{:process 0, :type :invoke, :f {f}, :value {value}}}\n");
    for (text, words) in [
        (map(":read", "nil") + &map(":transfer", "{:from 1}").replace("0", "1"), "line 2: "),
        (map(":transfer", "{:from 1}"), "it is :transfer, which is not supported"),
        (map(":txn", "[[:append 1 1] [:r 1 nil]]"), "it is :txn with 2 micro-operations"),
        (map(":txn", "nil"), "it is :txn with something else"),
        (map(":read", "[[:r 1 nil] [:r 2 nil]]"), "it is :read with 2 micro-operations"),
        (map(":enqueue", "1") + &map(":write", "1").replace("0", "1"), "line 2: "),
        (map(":drain", "nil"), "a :drain that returns"),
        ("{:valid? false, :count 3}".into(), "results.edn"),
        ("{\"valid?\": true}".into(), "results.json"),
        ("{:process 0, :type :invoke, :f :read, :f :read}".into(), "the key :f twice"),
        ("{\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"f\":\"read\"}".into(), "the field f twice"),
        ("[{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n{}]".into(), "line 2: "),
        ("[{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}".into(), "it ends too early"),
        ("0 :invoke :read\n".into(), "a process, a type, a function and a value are needed"),
        ("call,return,op,key\n1,2,get,a\n".into(), "there is no column client"),
        ("call,return,client,op,value\n1,2,0,put,\n".into(), "line 2: expected what was written as `value`"),
        ("call,return,client,op\n1,x,0,get\n".into(), "line 2: expected a time as a whole number"),
        ("call,return,client,op\n\n3,2,0,get\n".into(), "line 3: expected a return after the call"),
        ("call,return,client,op\n1,2,0,fetch\n".into(), "line 2: expected get, put, delete or cas"),
        ("a,b\n1,2\n".into(), "a JSON object, a line of a Jepsen log, or an EDN map"),
        ("{\"session\":1,\"sequence\":-1}".into(), "expected a whole number from 0 to 18446744073709551615"),
    ] {
        let rejection = read_history(&text).map(|(format, _)| format).map_err(|error| error.to_string());
        assert!(
            rejection.as_ref().is_err_and(|rejection| rejection.contains(words)),
            "{text}: {rejection:?}"
        );
    }
}

#[test]
fn nesting_is_bounded_in_every_notation() {
    for open in
        ["[", "{:a ", "#{", "(", "#a ", "#_", "{\"a\":", "[{\"process\":", "{\"session\":[", "{:history ["]
    {
        for before in [
            "",
            "0 :invoke :write ",
            "{:process 0, :type :invoke, :f :write, :value ",
            "{\"process\":0,\"type\":",
        ] {
            let text = before.to_string() + &open.repeat(200_000);
            assert!(read_history(&text).is_err(), "{before} {open}");
        }
    }
}

/// The kind of object is inferred from the operations, or given by the user.
#[test]
fn objects_are_inferred_from_their_operations_or_given() {
    let object = |events: &[(&str, &str, &str, &str)], model: Option<Object>| {
        let options = ReadOptions { model, ..ReadOptions::default() };
        let read = read_history_with(&sequential(events), &options);
        read.map(|(_, parsed)| Object::of(parsed.calls[0].operation.action))
            .map_err(|error| error.to_string())
    };
    let add = ("add", "nil", "5", "5");
    for (events, inferred) in [
        (vec![("write", "1", "5", "5")], Object::Register),
        (vec![("put", "1", "5", "5"), ("get", "1", "nil", "5")], Object::Register),
        (vec![("append", "1", "5", "5")], Object::List),
        (vec![add], Object::Set),
        (vec![add, ("read", "nil", "nil", "[5]")], Object::Set),
        (vec![add, ("read", "nil", "nil", "#{5}")], Object::Set),
        (vec![add, ("remove", "nil", "5", "5")], Object::Set),
        (vec![add, ("read", "nil", "nil", "5")], Object::Counter),
        (vec![("inc", "nil", "nil", "nil"), ("dec", "nil", "2", "2")], Object::Counter),
        (vec![("enqueue", "nil", "5", "5"), ("drain", "nil", "nil", "[5]")], Object::Queue),
        (vec![("acquire", "nil", "nil", "nil"), ("release", "nil", "nil", ":token")], Object::Mutex),
    ] {
        assert_eq!(object(&events, None), Ok(inferred), "{events:?}");
        assert_eq!(object(&events, Some(inferred)), Ok(inferred), "{events:?}");
        assert!(is_linearizable(&sequential(&events)) || inferred == Object::Counter, "{events:?}");
    }
    assert_eq!(object(&[add], Some(Object::Counter)), Ok(Object::Counter));
    let piece = ("put", "1", "\"x y\"", "\"x y\"");
    assert_eq!(object(&[piece], None), Ok(Object::List));
    assert_eq!(object(&[piece], Some(Object::Register)), Ok(Object::Register));
    let rejection = object(&[add], Some(Object::Queue)).unwrap_err();
    assert!(
        rejection.starts_with("line 1: ")
            && rejection.contains("it is :add, and the key was taken for a queue"),
        "{rejection}"
    );
    let ours = "{\"session\":1,\"sequence\":1,\"key\":4,\"action\":\"get\",\"called\":10}\n";
    assert!(
        read_history_with(ours, &ReadOptions { model: Some(Object::Register), ..ReadOptions::default() })
            .is_ok()
    );
    assert!(
        read_history_with(ours, &ReadOptions { model: Some(Object::List), ..ReadOptions::default() })
            .is_err()
    );
}

#[test]
fn objects_of_jepsen_are_checked() {
    for (events, good) in [
        (vec![("add", "1", "1"), ("add", "2", "2"), ("read", "nil", "[2 1]")], true),
        (vec![("add", "1", "1"), ("add", "2", "2"), ("read", "nil", "[2]")], false),
        (vec![("add", ":a", ":a"), ("remove", ":a", ":a"), ("read", "nil", "#{}")], true),
        (vec![("add", "3", "3"), ("add", "-5", "-5"), ("read", "nil", "-2")], true),
        (vec![("inc", "nil", "nil"), ("dec", "3", "3"), ("read", "nil", "-2")], true),
        (vec![("inc", "nil", "nil"), ("read", "nil", "2")], false),
        (vec![("enqueue", "1", "1"), ("enqueue", "2", "2"), ("dequeue", "nil", "2")], false),
        (
            vec![
                ("enqueue", "1", "1"),
                ("enqueue", "2", "2"),
                ("drain", "nil", "[1 2]"),
                ("dequeue", "nil", "nil"),
            ],
            true,
        ),
        (vec![("enqueue", "1", "1"), ("drain", "nil", "[1 2]")], false),
        (vec![("acquire", "nil", "nil"), ("release", "nil", "nil"), ("acquire", "nil", "nil")], true),
        (vec![("acquire", "nil", "nil"), ("acquire", "nil", "nil")], false),
        (vec![("write", "[1 7]", "[1 7]"), ("write", "[2 8]", "[2 8]"), ("read", "[1 nil]", "[1 7]")], true),
        (vec![("write", "[1 7]", "[1 7]"), ("write", "[2 8]", "[2 8]"), ("read", "[1 nil]", "[1 8]")], false),
        (vec![("txn", "[[:w 1 7]]", "[[:w 1 7]]"), ("txn", "[[:r 1 nil]]", "[[:r 1 7]]")], true),
        (vec![("txn", "[[:w 1 7]]", "[[:w 1 7]]"), ("txn", "[[:r 1 nil]]", "[[:r 1 8]]")], false),
    ] {
        let both = |(f, called_value, returned_value): &(&str, &str, &str)| {
            format!("0 :invoke :{f} {called_value}\n0 :ok :{f} {returned_value}\n")
        };
        let text: String = events.iter().map(both).collect();
        assert_eq!(is_linearizable(&text), good, "{text}");
    }
    let twice =
        read_history("0 :invoke :add 1\n0 :ok :add 1\n1 :invoke :read nil\n1 :ok :read [1 1]").unwrap_err();
    assert!(twice.to_string().contains("one element occurs twice"), "{twice}");
    // A failed drain took nothing, and a failed transaction changed nothing, whether or not it repeats its
    // value.
    assert!(is_linearizable(
        "0 :invoke :enqueue 1\n0 :ok :enqueue 1\n0 :invoke :drain nil\n0 :fail :drain nil"
    ));
    for end in [":info :txn nil", ":fail :txn nil", ":info :txn [[:w nil 2]]", ":fail :txn :timeout"] {
        assert!(is_linearizable(&format!(
            "0 :invoke :write 1\n0 :ok :write 1\n1 :invoke :txn [[:w nil 2]]\n1 {end}"
        )));
    }
}

#[test]
fn processes_may_have_any_names() {
    let text = "7 :invoke :write 1\n7 :ok :write 1\n\"c1\" :invoke :read nil\n\"c1\" :ok :read nil\n\
        :c2 :invoke :read nil\n:c2 :ok :read 1\n-3 :invoke :read nil\n-3 :info :read nil\n:membership :info :grow 3\n";
    let (_, parsed) = read_history(text).unwrap();
    let sessions: Vec<u64> = parsed.calls.iter().map(|call| call.id.session).collect();
    assert_eq!(sessions, [7, 0, 1, 2]);
    assert!(description(text).ends_with("s0 is process \"c1\"."), "{}", description(text));
    let json = "{\"process\":\"c1\",\"type\":\"invoke\",\"f\":\"write\",\"value\":true}\n\
        {\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"kill\",\"value\":null}\n\
        {\"process\":\"c1\",\"type\":\"ok\",\"f\":\"write\",\"value\":true}\n\
        {\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"value\":null}\n\
        {\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":false}\n";
    assert_eq!(read_history(json).unwrap().0, Format::JepsenJson);
    assert!(!is_linearizable(json));
    assert!(is_linearizable(&json.replace("false", "true")));
}

#[test]
fn an_explanation_names_failed_writes_of_the_read_value() {
    for (events, words) in [
        (
            "1 :invoke :write :b\n1 :fail :write :b\n2 :invoke :read nil\n2 :ok :read :b\n",
            "put k0=:b, in lines 3-4",
        ),
        (
            "1 :invoke :cas [0 8]\n1 :fail :cas [0 8]\n2 :invoke :read nil\n2 :ok :read 8\n",
            "cas k0 from 0 to 8, in lines 3-4",
        ),
        (
            "1 :invoke :write 8\n1 :fail :write 8\n3 :invoke :write 8\n3 :fail :write 8\n2 :invoke :cas [8 9]\n2 :ok :cas [8 9]\n",
            "put k0=8, in lines 3-4 (and one more like it)",
        ),
    ] {
        let text = "0 :invoke :write 0\n0 :ok :write 0\n".to_string() + events;
        let description = description(&text).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(description.contains(words) && !description.contains("--initial"), "{description}");
        assert!(is_linearizable(&text.replace(":fail", ":info")));
    }
    let list = "0 :invoke :append 1\n0 :fail :append 1\n1 :invoke :read nil\n1 :ok :read [1]\n";
    assert!(description(list).contains("append k0+=1, in lines 1-2"), "{}", description(list));
    let csv = "call,return,client,op,value,output,outcome\n1,2,0,put,x,,fail\n3,4,1,get,,x,ok\n";
    assert!(description(csv).contains("put k0=x, in lines 2-2"), "{}", description(csv));
}

#[test]
fn every_key_starts_with_the_initial_value() {
    let initial = |value: &str| ReadOptions { initial: Some(value.to_string()), ..ReadOptions::default() };
    for (written, value) in
        [("7", "7"), ("\"a b\"", "\"a b\""), ("red", "\"red\""), (":a", ":a"), ("1.50", "1.5")]
    {
        for read in ["7", "\"a b\"", "\"red\"", ":a", "1.5", "nil"] {
            let text = sequential(&[("read", "1", "nil", read), ("cas", "2", "[9 3]", "[9 3]")]);
            let text = text.replace("[9", &format!("[{value}"));
            assert_eq!(is_linearizable_as(&text, &initial(written)), read == value, "{written} {read}");
        }
    }
    let counter = "0 :invoke :inc nil\n0 :ok :inc nil\n0 :invoke :read nil\n0 :ok :read 11\n";
    assert!(is_linearizable_as(counter, &initial("10")) && !is_linearizable(counter));
    let ours = "{\"session\":1,\"sequence\":1,\"key\":4,\"action\":\"get\",\"called\":0,\"returned\":1,\"response\":{\"holds\":{\"present\":7}}}\n";
    assert!(is_linearizable_as(ours, &initial("7")) && !is_linearizable_as(ours, &initial("8")));
    assert!(description(ours).contains("say so with --initial 7"), "{}", description(ours));
    let csv = "call,return,client,op,output\n0,2,0,get,red\n3,4,c,get,red\n";
    assert!(is_linearizable_as(csv, &initial("red")) && !is_linearizable(csv));
    for (text, value) in
        [("0 :invoke :append 1\n0 :ok :append 1\n", "1"), (counter, "red"), (counter, "[1"), (ours, "red")]
    {
        assert!(read_history_with(text, &initial(value)).is_err(), "{text} {value}");
    }
}

/// Each limit of a history, exceeded by one. Within the limits a run was measured to need less than 1 GiB.
#[test]
fn histories_above_the_limits_are_rejected() {
    let mut many = String::new();
    for number in 0..=MAX_OPERATIONS {
        write!(many, "{number} :invoke :write 1\n{number} :info :write 1\n").unwrap();
    }
    let rejection = read_history(&many).unwrap_err();
    assert!(rejection.to_string().contains("expected at most 1500000 operations"), "{rejection}");
    drop(many);
    let list = |elements: usize| {
        format!("0 :invoke :append 1\n1 :invoke :read nil\n1 :ok :read [{}]\n", "1 ".repeat(elements))
    };
    assert!(read_history(&list(100_000)).is_ok());
    let rejection = read_history(&list(MAX_ELEMENTS + 1)).unwrap_err();
    assert!(rejection.to_string().contains("6000000 members"), "{rejection}");
    let mut names = String::new();
    for number in 0..=MAX_NAMES {
        writeln!(names, "{number} :invoke :write -{number}1").unwrap();
    }
    let rejection = read_history(&names).unwrap_err();
    assert!(rejection.to_string().contains("at most 1000000 keys and values"), "{rejection}");
}
