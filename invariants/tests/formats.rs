//! What is written is read again, and what cannot be read is named.

use invariants::fact::{
    ChangeAnswer, ConfChange, ConfChangeOp, Configuration, Digest, Fact, LogId, Observed, RequestId,
};
use invariants::formats::{self, Format, facts, histories, kvsim, read_history};
use invariants::linearizability::{Action, Budget, Call, Content, Operation, Response, Verdict, check};
use proptest::prelude::*;

fn request() -> impl Strategy<Value = RequestId> {
    any::<(u64, u64)>().prop_map(|(session, sequence)| RequestId { session, sequence })
}

fn configuration() -> impl Strategy<Value = Box<Configuration>> {
    any::<(Vec<u64>, Vec<u64>, Vec<u64>, Option<u64>)>().prop_map(|(voters, joint, learners, digest)| {
        Box::new(Configuration { voters, joint, learners, digest: digest.map(Digest) })
    })
}

fn fact() -> impl Strategy<Value = Fact> {
    let number = any::<u64>;
    let digest = || any::<u64>().prop_map(Digest);
    let place = || any::<(u64, u64)>().prop_map(|(index, term)| LogId { index, term });
    let some_request = proptest::option::of(request());
    let claims = prop_oneof![
        (number(), any::<Option<u64>>(), place(), place(), digest())
            .prop_map(|(term, vote, base, last, digest)| Fact::Started { term, vote, base, last, digest }),
        number().prop_map(|term| Fact::TermChanged { term }),
        (number(), number(), digest()).prop_map(|(index, term, entry)| Fact::Appended { index, term, entry }),
        number().prop_map(|after| Fact::Truncated { after }),
        number().prop_map(|term| Fact::Leads { term }),
        number().prop_map(|term| Fact::SteppedDown { term }),
        number().prop_map(|index| Fact::Committed { index }),
        (number(), digest(), digest(), some_request, any::<bool>()).prop_map(
            |(index, entry, state, request, effect)| Fact::Applied { index, entry, state, request, effect }
        ),
        (number(), configuration())
            .prop_map(|(index, configuration)| Fact::Configured { index, configuration }),
        (place(), digest(), configuration()).prop_map(|(last, state, configuration)| Fact::SnapshotTaken {
            last,
            state,
            configuration
        }),
        (place(), configuration())
            .prop_map(|(last, configuration)| Fact::SnapshotInstalled { last, configuration }),
        (number(), digest()).prop_map(|(index, state)| Fact::Restored { index, state }),
    ];
    let promises_and_truths = prop_oneof![
        (number(), number()).prop_map(|(term, candidate)| Fact::Voted { term, candidate }),
        number().prop_map(|term| Fact::Campaigned { term }),
        (number(), number()).prop_map(|(term, index)| Fact::Acknowledged { term, index }),
        (request(), number()).prop_map(|(read, applied)| Fact::ReadServed { read, applied }),
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
        (place(), place()).prop_map(|(base, last)| Fact::SavedSnapshot { base, last }),
        proptest::sample::select(vec![
            Fact::SavedRecovered,
            Fact::Crashed,
            Fact::PowerLost,
            Fact::Restarted,
            Fact::Wiped,
            Fact::Quiet
        ]),
        (number(), request()).prop_map(|(index, write)| Fact::WriteAcknowledged { index, write }),
        request().prop_map(|read| Fact::ReadAsked { read }),
        any::<Vec<u64>>().prop_map(|voters| Fact::Founded { voters }),
        (number(), change())
            .prop_map(|(request, change)| Fact::ChangeRequested { request, change: Box::new(change) }),
        (
            number(),
            proptest::sample::select(vec![ChangeAnswer::Done, ChangeAnswer::Refused, ChangeAnswer::Unknown])
        )
            .prop_map(|(request, answer)| Fact::ChangeAnswered { request, answer }),
    ];
    prop_oneof![claims, promises_and_truths]
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
    fn facts_are_read_as_they_were_written(
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
    fn histories_are_read_as_they_were_written(written in proptest::collection::vec(call(), 0..20)) {
        let mut text = Vec::new();
        histories::write(&mut text, &written).unwrap();
        let text = String::from_utf8(text).unwrap();
        prop_assert_eq!(text.lines().count(), written.len());
        prop_assert_eq!(histories::read(&text).unwrap(), written);
    }
}

/// The promise to those who write these lines with other tools: the examples of the documentation.
#[test]
fn the_lines_look_as_documented() {
    let text = r#"
{"session":1,"sequence":1,"key":4,"action":{"put":7},"called":10,"returned":15,"response":"done"}
{"session":2,"sequence":1,"key":4,"action":"get","called":12,"returned":19,"response":{"holds":{"present":7}}}
{"session":3,"sequence":1,"key":4,"action":{"compare_and_set":{"expect":{"present":7},"value":9}},"called":13,"returned":20,"response":{"mismatch":null}}

{"session":1,"sequence":2,"key":4,"action":{"delete":8},"called":20}
"#;
    let history = histories::read(text).unwrap();
    let told: Vec<String> = history.iter().map(Call::to_string).collect();
    assert_eq!(
        told,
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
    // As it was written before there were digests of groups.
    let line = r#"{"at":1,"step":7,"node":2,"fact":"configured","index":4,"configuration":{"voters":[1,2],"learners":[3]}}"#;
    let fact = facts::read(line).next().unwrap().unwrap();
    let group = Configuration { voters: vec![1, 2], learners: vec![3], ..Configuration::default() };
    assert_eq!(fact.fact, Fact::Configured { index: 4, configuration: Box::new(group) });
    let mut again = Vec::new();
    facts::write(&mut again, [&fact]).unwrap();
    assert_eq!(String::from_utf8(again).unwrap().trim_end(), line);
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    let good = "{\"session\":1,\"sequence\":1,\"key\":4,\"action\":\"get\",\"called\":10}\n\n";
    let misread = |bad: &str| histories::read(&format!("{good}{bad}")).unwrap_err();
    for bad in ["what", "{}", "{\"session\":1,\"sequence\":2,\"key\":4,\"action\":\"fetch\",\"called\":10}"] {
        let misread = misread(bad);
        assert_eq!(misread.line, 3);
        assert!(misread.to_string().starts_with("line 3: expected a call, as in"), "{misread}");
    }
    let half = r#"{"session":1,"sequence":2,"key":4,"action":"get","called":10,"returned":11}"#;
    assert_eq!(
        misread(half).to_string(),
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

/// Events of one process after the other, in maps: `(f, key, value called, value returned)`.
fn one_after_the_other(events: &[(&str, &str, &str, &str)]) -> String {
    let line = |kind: &str, f: &str, key: &str, value: &str| {
        format!("{{:process 0, :type {kind}, :f :{f}, :key {key}, :value {value}}}\n")
    };
    let both = |&(f, key, asked, told): &(&str, &str, &str, &str)| {
        line(":invoke", f, key, asked) + &line(":ok", f, key, told)
    };
    events.iter().map(both).collect()
}

fn is_linearizable(text: &str) -> bool {
    let (_, recorded) = read_history(text).unwrap_or_else(|misread| panic!("{misread}:\n{text}"));
    check(&recorded.calls, Budget::default()).expect("well formed") == Verdict::Linearizable
}

/// Values and keys that are no small numbers are numbered; none of them may be taken for another one.
#[test]
fn what_is_written_differently_is_different() {
    let values =
        ["\"a\"", "\"b\"", "4611686018427387904", "4611686018427387905", "-1", "7", "\"7\"", "\"-1\""];
    for written in values {
        for seen in values {
            let register = [("write", "1", written, written), ("read", "1", "nil", seen)];
            assert_eq!(is_linearizable(&one_after_the_other(&register)), written == seen, "{written} {seen}");
        }
    }
    for element in ["4611686018427387904", "-4611686018427387904", "7"] {
        let piece = "\"x y\"";
        let text = [("append", "1", piece, piece), ("read", "1", "nil", &format!("[{element}]"))];
        assert!(!is_linearizable(&one_after_the_other(&text)), "{element}");
    }
    let keys = ["\"a\"", "a", ":a", "nil", "0", "\"0\"", "4294967296", "-1", "18446744073709551615", "[0]"];
    for written in keys {
        for read in keys {
            let both = [("write", written, "5", "5"), ("write", "9", "1", "1"), ("read", read, "nil", "5")];
            assert_eq!(is_linearizable(&one_after_the_other(&both)), written == read, "{written} {read}");
        }
    }
}

/// The refusal of two lines, each as maps and as lines of a log: `(f, value called, type of the return, its value)`.
fn refusals(f: &str, asked: &str, kind: &str, told: &str) -> [Option<String>; 2] {
    let map = |kind, value| format!("{{:process 3, :type :{kind}, :f :{f}, :value {value}}}\n");
    let log = |kind, value| format!("INFO  jepsen.util - 3\t:{kind}\t:{f}\t{value}\n");
    let other = ["{:process 4, :type :invoke, :f :read}\n", "INFO  jepsen.util - 4 :invoke :read nil\n"];
    [map("invoke", asked) + &map(kind, told) + other[0], log("invoke", asked) + &log(kind, told) + other[1]]
        .map(|text| read_history(&text).err().map(|misread| misread.to_string()))
}

#[test]
fn a_return_from_something_else_is_refused() {
    for (f, asked, kind, told) in [
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
             process 3 called :{f} {asked} in line 1 and returns from {told}"
        );
        for refusal in refusals(f, asked, kind, told) {
            let refusal = refusal.unwrap_or_default();
            assert!(refusal.starts_with(&sentence), "{refusal}");
        }
    }
    for (f, asked, kind, told) in [
        ("write", "3", "ok", "3"),
        ("write", "3", "info", ":timed-out"),
        ("cas", "[3 4]", "fail", ":timed-out"),
        ("read", "nil", "ok", "4"),
        ("get", "nil", "ok", "\"x y\""),
    ] {
        assert_eq!(refusals(f, asked, kind, told), [None, None], "{f} {asked} {kind} {told}");
    }
    // What is left out is not contradicted.
    let text = "{:process 3, :type :invoke, :f :write, :value 3}\n{:process 3, :type :ok, :f :write}\n";
    assert!(is_linearizable(text));
}

/// A compare-and-set that never reached the register says nothing about it; one that was compared does.
#[test]
fn why_a_compare_and_set_failed_makes_a_difference() {
    let mut judged = Vec::new();
    for (error, is_told) in [
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
        let text = one_after_the_other(&[("write", "nil", "3", "3")])
            + "{:process 1, :type :invoke, :f :cas, :value [3 4]}\n"
            + &format!("{{:process 1, :type :fail, :f :cas, :value [3 4] {error}}}\n");
        judged.push((error, is_linearizable(&text) != is_told));
        let log = [":invoke :write 3", ":ok :write 3", ":invoke :cas [3 4]", ":fail :cas [3 4]"]
            .map(|event| format!("INFO  jepsen.util - 0 {event}"))
            .join("\n");
        let behind = error.strip_prefix(":error ").unwrap_or_default();
        judged.push((behind, is_linearizable(&format!("{log} {behind}")) != is_told));
    }
    assert!(judged.iter().all(|&(_, is_right)| is_right), "{judged:?}");
}

/// Keys and values come in pairs where a test of Jepsen has many keys. A pair of values is none.
#[test]
fn pairs_of_keys_and_values_are_told_apart() {
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
    let (_, recorded) = read_history(&history("[1 5]")).expect("it can be read");
    let keys: Vec<u64> = recorded.calls.iter().map(|call| call.operation.key).collect();
    assert_eq!(keys.len(), 4);
    assert!(keys[0] == keys[3] && keys[0] != keys[1] && keys[1] != keys[2]);
    assert!(is_linearizable(&history("[1 5]").replace("fail", "info")));
    // Nobody wrote to this key what was read; to the other somebody may have.
    assert!(!is_linearizable(&history("[1 6]").replace("fail", "info")));
    // An answer about another key.
    assert!(read_history(&history("[2 5]")).is_err());
    // One key, and a pair of values.
    let plain = [("0", "invoke", "cas", "[1 5]"), ("0", "fail", "cas", "[1 5]")];
    let (_, recorded) = read_history(&plain.map(event).concat()).expect("it can be read");
    assert!(matches!(recorded.calls[0].operation.action, Action::CompareAndSet { .. }));
}

#[test]
fn facts_that_run_backwards_are_refused() {
    let fact =
        |at, step| format!("{{\"at\":{at},\"step\":{step},\"node\":1,\"fact\":\"leads\",\"term\":1}}\n");
    let read =
        |text: &str| facts::read(text).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string());
    // What happens in one step happens at one time.
    assert!(read(&(fact(5, 2) + &fact(5, 2) + &fact(5, 3))).is_ok());
    let clash = "line 3: expected time to run forward: it is 4 here, and was 5 in line 1";
    assert_eq!(read(&(fact(5, 2) + "\n" + &fact(4, 3))).unwrap_err(), clash);
    let clash = "line 2: expected steps to run forward: it is 1 here, and was 2 in line 1";
    assert_eq!(read(&(fact(5, 2) + &fact(6, 1))).unwrap_err(), clash);
}

/// How a history of one file is explained.
fn told(text: &str) -> String {
    let (_, recorded) = read_history(text).unwrap_or_else(|misread| panic!("{misread}:\n{text}"));
    recorded.told(&check(&recorded.calls, Budget::default()).expect("well formed"))
}

#[test]
fn explanations_speak_as_the_file_does() {
    let register = [
        ("write", "\"x\"", "-4", "-4"),
        ("write", "\"y\"", "3", "3"),
        ("write", "\"x\"", "\"hello\"", "\"hello\""),
        ("read", "\"x\"", "nil", "-4"),
    ];
    let text = ["\"x 0 y\"", "\"z 1 y\""].map(|piece| ("append", "\"a\"", piece, piece));
    let text = [text[0], text[1], ("get", "\"a\"", "nil", "\"z 1 y\"")];
    let operation = |op: &str, value: &str, call: u64| {
        let (process, back) = (call, call + 1);
        format!(
            "{{\"process\":{process},\"op\":\"{op}\",\"key\":\"user 7\",{value},\
             \"call\":{call},\"return\":{back},\"outcome\":\"ok\"}}\n"
        )
    };
    let json =
        "\n".to_string() + &operation("write", "\"value\":1", 5) + &operation("read", "\"result\":2", 9);
    let histories = [one_after_the_other(&register), one_after_the_other(&text), json];
    insta::assert_snapshot!(histories.map(|text| told(&text)).join("\n\n"));
}

#[test]
fn where_nothing_was_recorded_there_is_no_verdict() {
    let nemesis = "{:process :nemesis, :type :info, :f :kill, :value #{\"n1\"}}\n";
    let failed =
        "{:process 0, :type :invoke, :f :write, :value 3}\n{:process 0, :type :fail, :f :write, :value 3}\n";
    let refusal = |text: &str| read_history(text).unwrap_err().to_string();
    for text in ["", "\n \n", "\u{feff}"] {
        assert_eq!(refusal(text), "expected a history: nothing was recorded in it", "{text:?}");
    }
    for text in ["[]", "[\n]", nemesis, failed] {
        let sentence = "expected a history: nothing was recorded in it that may have happened to a client";
        assert_eq!(refusal(text), sentence, "{text:?}");
    }
}

/// One history: as maps in lines, in a vector over several lines or in a single one, with tags, after a mark.
#[test]
fn maps_are_read_wherever_they_stand() {
    let text = one_after_the_other(&[("write", "\"a\"", "3", "3"), ("read", "\"a\"", "nil", "4")]);
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
        let (format, recorded) = read_history(&text).unwrap_or_else(|misread| panic!("{misread}:\n{text}"));
        assert_eq!(format, Format::JepsenMaps);
        assert_eq!(recorded.calls.len(), expected.calls.len());
        assert!(!is_linearizable(&text), "{text}");
    }
    let spread = text.replace(", :value", ",\n  :value");
    let (_, recorded) = read_history(&format!("[{spread}]")).unwrap();
    assert_eq!(recorded.lines, [1, 5]);
}

#[test]
fn what_is_wrong_is_said_in_words_of_the_file() {
    let refusal = |value: &str| {
        let text = format!("\n{{:process 0, :type :invoke, :f :write, :value {value}}}\n");
        read_history(&text).unwrap_err().to_string()
    };
    assert_eq!(
        refusal("[:x 1 #{\"hello\" #inst \"2020\"}]"),
        "line 2: expected a number or a text as `:value`: it is [:x 1 #{\"hello\" #inst \"2020\"}] \
         (the file was taken for Jepsen maps)"
    );
    let refusal = read_history("[{:process 0}\n 7]").unwrap_err().to_string();
    assert!(
        refusal.starts_with("line 1: expected an event, as in {") && refusal.contains(":type is missing")
    );
    let json = "\u{feff}{\"session\":1,\"sequence\":1,\"key\":4,\"action\":\"get\",\"called\":10}\n";
    assert_eq!(histories::read(json).unwrap(), read_history(json).unwrap().1.calls);
    assert_eq!(
        formats::text(b"INFO\nab\xffc\n".to_vec()).unwrap_err().to_string(),
        "line 2: expected text in UTF-8: there is a byte 0xff"
    );
}
