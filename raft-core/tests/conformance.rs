//! Test data of other Raft implementations: cases of quorums and configuration changes, rows of tables, and a list of
//! scenarios, each of which is covered by a test or not applicable (`conformance/scenarios`).
//!
//! The data lies beside the workspace, in `shared/conformance`. Where it is absent, the tests that need it are listed as
//! ignored.

#![expect(clippy::disallowed_methods, reason = "a test reads recorded traces")]

use libtest_mimic::{Arguments, Trial};
use raft_core::{
    ConfChangeError, ConfChangeOp, Config, Configuration, DirectoryId, Effect, Entry, Envelope, Index, Input,
    Log, LogId, Message, MessageContext, NodeId, Payload, Raft, Recovered, ReplicaKey, RequestId, Response,
    Role, Term, Timestamp,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Tests by name.
type Tests = &'static [(&'static str, fn())];

macro_rules! tests {
    ($($name:ident),+ $(,)?) => { &[$((stringify!($name), $name as fn())),+] };
}

/// Tests that need the data.
const WITH_DATA: Tests = tests![
    quorums_match_the_cases,
    configuration_changes_match_the_cases,
    tables_match_their_rows,
    every_given_scenario_is_listed,
];
const WITHOUT_DATA: Tests = tests![every_listed_scenario_has_a_test];

fn main() {
    let trial = |&(name, test): &(&'static str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    let trials = |tests: Tests| tests.iter().map(trial);
    let with_data = trials(WITH_DATA)
        .map(|trial| trial.with_kind("shared/conformance").with_ignored_flag(!data_folder().is_dir()));
    libtest_mimic::run(&Arguments::from_args(), with_data.chain(trials(WITHOUT_DATA)).collect()).exit();
}

fn data_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance")
}

/// Reads a file of the data.
fn data(name: &str) -> String {
    let path = data_folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One directive of a data-driven file: a command with arguments, its input, and the expected output.
struct Directive {
    command: String,
    arguments: BTreeMap<String, Vec<String>>,
    input: Vec<String>,
    output: Vec<String>,
    /// File and line, for failures.
    location: String,
}

fn directives(name: &str, text: &str) -> Vec<Directive> {
    let mut directives = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (command, arguments) = words(line);
        let before = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "----");
        let input = before.flat_map(str::split_whitespace).map(str::to_owned).collect();
        let output = lines.by_ref().map(|(_, line)| line).take_while(|line| !line.trim().is_empty());
        let output = output.map(str::to_owned).collect();
        directives.push(Directive {
            command,
            arguments,
            input,
            output,
            location: format!("{name}:{}", number + 1),
        });
    }
    directives
}

/// `command key=(a, b) key=value`.
fn words(line: &str) -> (String, BTreeMap<String, Vec<String>>) {
    let (command, mut rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut arguments = BTreeMap::new();
    while let Some((key, after)) = rest.trim_start().split_once('=') {
        let (value, after) = match after.strip_prefix('(') {
            Some(list) => list.split_once(')').expect("a list must end with ')'"),
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        let values = value.split(',').map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        arguments.insert(key.to_owned(), values.collect());
        rest = after;
    }
    (command.to_owned(), arguments)
}

/// The two halves that a directive on quorums names, in the order written, and the value of each voter. `zero` stands
/// for an empty half.
fn parse_halves(directive: &Directive, values: &str) -> (Vec<u64>, Vec<u64>, BTreeMap<u64, String>) {
    let half = |name: &str| -> Vec<u64> {
        let words = directive.arguments.get(name).into_iter().flatten();
        words.filter(|word| *word != "zero").map(|word| word.parse().expect("a number")).collect()
    };
    let (new, old) = (half("cfg"), half("cfgj"));
    let mut order = Vec::new();
    new.iter().chain(&old).for_each(|id| {
        if !order.contains(id) {
            order.push(*id)
        }
    });
    let values = directive.arguments.get(values).into_iter().flatten().cloned();
    (new, old, order.into_iter().zip(values).collect())
}

fn joint(new: &[u64], old: &[u64]) -> Configuration {
    let list = |half: &[u64]| Configuration::of(half.iter().copied().map(NodeId)).voters;
    Configuration { voters: list(new), old_voters: list(old), ..Configuration::default() }
}

fn quorums_match_the_cases() {
    let mut count = 0;
    for file in ["majority_commit.txt", "joint_commit.txt", "majority_vote.txt", "joint_vote.txt"] {
        let text = data(&format!("quorum/{file}"));
        for directive in directives(file, &text) {
            // What precedes the result is a drawing.
            let last = directive.output.last().expect("a directive must have an output");
            let expected = last.rsplit('>').next().unwrap_or(last).trim();
            let actual = match directive.command.as_str() {
                "committed" => committed(&directive),
                "vote" => vote(&directive),
                other => panic!("{}: unknown command {other}", directive.location),
            };
            assert_eq!(actual, expected, "{}", directive.location);
            count += 1;
        }
    }
    assert_eq!(count, 76);
}

fn committed(directive: &Directive) -> String {
    let (new, old, known) = parse_halves(directive, "idx");
    let value = |node: NodeId| known.get(&node.0).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
    let group = joint(&new, &old);
    let quorum_index = group.quorum_value(value);
    // The halves are interchangeable, and a half with itself or with an empty one decides as it does alone.
    assert_eq!(joint(&old, &new).quorum_value(value), quorum_index, "{}", directive.location);
    if old.is_empty() {
        assert_eq!(joint(&new, &new).quorum_value(value), quorum_index, "{}", directive.location);
    }
    // A value below the result can be 0 without changing it.
    for &low in
        known.keys().filter(|&&id| quorum_index.is_some_and(|quorum_index| value(NodeId(id)) < quorum_index))
    {
        let lowered = group.quorum_value(|node| if node.0 == low { 0 } else { value(node) });
        assert_eq!(lowered, quorum_index, "{}", directive.location);
    }
    quorum_index.map_or("∞".to_owned(), |quorum_index| quorum_index.to_string())
}

fn vote(directive: &Directive) -> String {
    let (new, old, known) = parse_halves(directive, "votes");
    let vote_of = |node: NodeId| known.get(&node.0).map_or("_", String::as_str);
    let outcome = |group: Configuration| {
        if group.is_quorum(|node| vote_of(node) == "y") {
            "VoteWon"
        } else if group.is_quorum(|node| vote_of(node) != "n") {
            "VotePending"
        } else {
            "VoteLost"
        }
    };
    let actual = outcome(joint(&new, &old));
    assert_eq!(outcome(joint(&old, &new)), actual, "{}", directive.location);
    actual.to_owned()
}

fn configuration_changes_match_the_cases() {
    let mut count = 0;
    for name in ["joint_idempotency", "joint_safety", "simple_idempotency", "simple_safety", "update"] {
        let text = data(&format!("confchange/{name}.txt"));
        // The directives of a file build on each other.
        let mut group = Configuration::default();
        for directive in directives(name, &text) {
            let steps: Vec<ConfChangeOp> = directive.input.iter().filter_map(|word| step(word)).collect();
            let result = match directive.command.as_str() {
                "simple" => group.simple(&steps),
                "enter-joint" => {
                    let auto_leave =
                        directive.arguments.get("autoleave").is_some_and(|value| value == &["true"]);
                    group.enter_joint(&steps, auto_leave)
                }
                "leave-joint" => group.leave_joint(),
                other => panic!("{}: unknown command {other}", directive.location),
            };
            match result {
                Ok(result) => {
                    group = result;
                    assert_eq!(describe(&group), expected(&directive), "{}", directive.location);
                }
                Err(error) => assert_eq!(error, expected_error(&directive), "{}", directive.location),
            }
            count += 1;
        }
    }
    assert_eq!(count, 43);
}

/// `v1` adds a voter, `l1` a learner, `r1` removes; `u1` and any operation on node 0 do nothing.
fn step(word: &str) -> Option<ConfChangeOp> {
    let (kind, id) = word.split_at(1);
    let node = NodeId(id.parse().expect("a number"));
    match kind {
        _ if node == NodeId(0) => None,
        "v" => Some(ConfChangeOp::AddVoter(node)),
        "l" => Some(ConfChangeOp::AddLearner(node)),
        "r" => Some(ConfChangeOp::Remove(node)),
        "u" => None,
        other => panic!("unknown operation {other}"),
    }
}

/// The configuration, its members, and which of them are learners.
fn describe(group: &Configuration) -> (String, Vec<(u64, bool)>) {
    let members = group.members().into_iter().map(|node| (node.0, group.learners.contains(&node)));
    (group.to_string(), members.collect())
}

fn expected(directive: &Directive) -> (String, Vec<(u64, bool)>) {
    let (first, members) = directive.output.split_first().expect("a directive must have an output");
    let member = |line: &String| {
        let (id, rest) = line.split_once(':').expect("a member");
        (id.trim().parse().expect("a number"), rest.trim_end().ends_with(" learner"))
    };
    (first.trim().to_owned(), members.iter().map(member).collect())
}

fn expected_error(directive: &Directive) -> ConfChangeError {
    match directive.output[0].trim() {
        "removed all voters" | "can't make a zero-voter config joint" => ConfChangeError::NoVoters,
        "more than one voter changed without entering joint config" => ConfChangeError::MoreThanOneVoter,
        "can't apply simple config change in joint config" | "config is already joint" => {
            ConfChangeError::AlreadyJoint
        }
        "can't leave a non-joint config" => ConfChangeError::NotJoint,
        other => panic!("{}: the change is allowed, but this is expected: {other}", directive.location),
    }
}

/// A server whose disk is fast.
struct Server {
    raft: Raft,
    now: u64,
    /// Whether its writes stay pending.
    slow: bool,
}

impl Server {
    fn new(id: u64, size: u64, (term, vote): (u64, u64), log: &[u64], pre_vote: bool) -> Server {
        let config = Config {
            election_timeout: 300,
            election_timeout_spread: 300,
            heartbeat_interval: 100,
            pre_vote,
            check_quorum: false,
            ..Config::new(NodeId(id), (1..=size).map(NodeId).collect())
        };
        let vote = (vote > 0).then_some(NodeId(vote));
        let entries = log.iter().map(|&term| entry(term)).collect();
        let recovered = Recovered { term: Term(term), vote, checkpoint: None, entries };
        let raft = Raft::new(config, recovered, Timestamp(0)).expect("the configuration is valid");
        let mut server = Server { raft, now: 0, slow: false };
        server.step(Input::Saved(raft_core::SaveId(0)));
        server
    }

    /// A leader of `term` that has the votes of all others.
    fn leading(size: u64, term: u64, log: &[u64]) -> Server {
        let mut server = Server::new(1, size, (term - 1, 0), log, false);
        server.time_out();
        server.slow = true;
        for voter in 2..=size {
            server.receive(voter, Message::RequestVoteResponse { term: Term(term), granted: true });
        }
        assert!(server.raft.is_leader());
        server
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.raft.step(Timestamp(self.now), input, &mut effects);
        let mut handled = 0;
        while let Some(effect) = effects.get(handled) {
            handled += 1;
            if let Effect::Save { id, .. } = *effect
                && !self.slow
            {
                self.raft.step(Timestamp(self.now), Input::Saved(id), &mut effects);
            }
        }
        effects
    }

    fn time_out(&mut self) -> Vec<Effect> {
        self.now = self.now.max(self.raft.deadline().expect("a running server has a deadline").0);
        self.step(Input::Timer)
    }

    fn receive(&mut self, from: u64, message: Message) -> Vec<Effect> {
        let from = ReplicaKey { id: NodeId(from), directory_id: DirectoryId(0) };
        self.step(Input::Receive(Envelope { cluster: 0, from, to: self.raft.replica(), message }))
    }

    fn propose(&mut self) -> Vec<Effect> {
        self.step(Input::Propose { request: RequestId(0), command: b"x".to_vec().into() })
    }

    fn terms(&self) -> Vec<u64> {
        let log = self.raft.log();
        (1..=log.last().index.0)
            .map(|index| log.term_at(Index(index)).expect("an index up to the last is in the log").0)
            .collect()
    }
}

fn entry(term: u64) -> Entry {
    Entry { term: Term(term), payload: Payload::Command(b"old".to_vec().into()) }
}

fn log_id(index: u64, term: u64) -> LogId {
    LogId { index: Index(index), term: Term(term) }
}

fn append(term: u64, previous: LogId, entries: &[u64], commit: u64) -> Message {
    let entries = entries.iter().map(|&term| entry(term)).collect();
    Message::AppendEntries {
        term: Term(term),
        prev_log: previous,
        entries,
        commit_index: Index(commit),
        context: MessageContext::default(),
    }
}

fn sent(effects: &[Effect]) -> impl Iterator<Item = &Message> {
    effects.iter().filter_map(|effect| match effect {
        Effect::Send(envelope) => Some(&envelope.message),
        _ => None,
    })
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is not a number"))
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap_or_else(|| panic!("{value} is not a list")).iter().map(number).collect()
}

fn tables_match_their_rows() {
    let text = data("unit_tables.jsonl");
    let mut count = BTreeMap::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).expect("a row");
        let (kind, id) =
            (row["kind"].as_str().expect("a kind"), row["id"].as_str().expect("a row has an id"));
        let check = match kind {
            "append_entries" => append_entries,
            "grant_vote" => grant_vote,
            "commit_by_count" => commit_by_count,
            "find_conflict_by_term" => find_conflict_by_term,
            "find_conflict" => find_conflict,
            "election_round" => election_round,
            "up_to_date" => up_to_date,
            "ack_commit" => ack_commit,
            "fast_rejection" => fast_rejection,
            "sync_follower" => sync_follower,
            other => panic!("{id}: unknown kind {other}"),
        };
        check(id, &row["input"], &row["expect"]);
        *count.entry(kind.to_owned()).or_insert(0) += 1;
    }
    assert_eq!(count.values().sum::<i32>(), 99, "{count:?}");
}

/// A follower with this commit index receives an `AppendEntries`.
fn append_entries(id: &str, input: &Value, expect: &Value) {
    let (log, term, commit) =
        (numbers(&input["log_terms"]), number(&input["term"]), number(&input["commit"]));
    let mut server = Server::new(1, 3, (term, 0), &log, false);
    if commit > 0 {
        server.receive(2, append(term, log_id(commit, log[commit as usize - 1]), &[], commit));
    }
    assert_eq!(server.raft.commit_index(), Index(commit), "{id}");
    let message = &input["msg"];
    let message = append(
        number(&message["term"]),
        log_id(number(&message["prev_index"]), number(&message["prev_term"])),
        &numbers(&message["entry_terms"]),
        number(&message["leader_commit"]),
    );
    if expect["fatal"] == true {
        // Replacing committed entries is an invariant violation, so the core panics.
        let step = std::panic::AssertUnwindSafe(|| server.receive(2, message));
        assert!(std::panic::catch_unwind(step).is_err(), "{id}: replacing committed entries must panic");
        return;
    }
    let effects = server.receive(2, message);
    let accepts = sent(&effects).any(|message| matches!(message, Message::AppendEntriesResponse { .. }));
    assert_eq!(accepts, expect["accept"] == true, "{id}: {effects:?}");
    assert_eq!(server.raft.last().index.0, number(&expect["last_index"]), "{id}");
    assert_eq!(server.raft.commit_index().0, number(&expect["commit"]), "{id}");
    if expect["log_terms"].is_array() {
        assert_eq!(server.terms(), numbers(&expect["log_terms"]), "{id}");
    }
}

fn request_vote(server: &mut Server, term: u64, candidate: u64, last: LogId) -> bool {
    let effects = server.receive(candidate, Message::RequestVote { term: Term(term), last, transfer: false });
    let votes = sent(&effects).filter_map(|message| match message {
        Message::RequestVoteResponse { granted, .. } => Some(*granted),
        _ => None,
    });
    let votes: Vec<bool> = votes.collect();
    assert_eq!(votes.len(), 1, "{effects:?}");
    votes[0]
}

/// A server in some role receives a vote request.
fn grant_vote(id: &str, input: &Value, expect: &Value) {
    let (log, term, vote) =
        (numbers(&input["log_terms"]), number(&input["term"]), number(&input["voted_for"]));
    let mut server = match input["role"].as_str().expect("a role") {
        "follower" => Server::new(1, 3, (term, vote), &log, false),
        "precandidate" => {
            let mut server = Server::new(1, 3, (term, vote), &log, true);
            server.time_out();
            assert!(matches!(server.raft.role(), Role::PreCandidate { .. }), "{id}");
            server
        }
        "candidate" => {
            let mut server = Server::new(1, 3, (term - 1, 0), &log, false);
            server.time_out();
            assert!(matches!(server.raft.role(), Role::Candidate { .. }), "{id}");
            server
        }
        "leader" => Server::leading(3, term, &log),
        other => panic!("{id}: unknown role {other}"),
    };
    assert_eq!(server.raft.term().0, term, "{id}");
    assert_eq!(server.raft.vote().map_or(0, |vote| vote.0), vote, "{id}");
    let request = &input["req"];
    let last = log_id(number(&request["last_index"]), number(&request["last_term"]));
    let granted = request_vote(&mut server, number(&request["term"]), number(&request["candidate"]), last);
    assert_eq!(granted, expect["grant"] == true, "{id}");
    if granted {
        assert_eq!(
            server.raft.vote().expect("a granted vote is recorded").0,
            number(&request["candidate"]),
            "{id}"
        );
    }
}

fn up_to_date(id: &str, input: &Value, expect: &Value) {
    let log = numbers(&input["log_terms"]);
    let last = log_id(number(&input["last_index"]), number(&input["last_term"]));
    let term = log.iter().copied().max().unwrap_or(0).max(last.term.0);
    let mut server = Server::new(1, 3, (term, 0), &log, false);
    assert_eq!(request_vote(&mut server, term + 1, 2, last), expect["up_to_date"] == true, "{id}");
}

/// A leader receives the match index of every follower. It has itself appended the entries of its own term in its log,
/// the first included; where the row has none, that entry exists but no other server has it. Entries of later terms
/// than the leader's are impossible and are left out.
fn commit_by_count(id: &str, input: &Value, expect: &Value) {
    let (term, match_index) = (number(&input["term"]), numbers(&input["match"]));
    let log: Vec<u64> = numbers(&input["log_terms"]).into_iter().filter(|&of| of <= term).collect();
    let old: Vec<u64> = log.iter().copied().filter(|&of| of < term).collect();
    assert_eq!(number(&input["commit"]), 0, "{id}");
    let mut server = Server::leading(match_index.len() as u64, term, &old);
    while server.terms().len() < log.len() {
        server.propose();
    }
    if log.len() > old.len() {
        // Its own writes complete now, not before the entries are appended.
        let newest = (0..).map(raft_core::SaveId);
        let count = 1 + log.len() - old.len();
        let newest = newest.take(count + 1).last().expect("some");
        server.step(Input::Saved(newest));
    }
    for (follower, &index) in (2..).zip(&match_index[1..]) {
        let match_index = Index(index.min(log.len() as u64));
        let context = MessageContext::default();
        server.receive(follower, Message::AppendEntriesResponse { term: Term(term), match_index, context });
    }
    assert_eq!(server.raft.commit_index().0, number(&expect["commit"]), "{id}");
}

/// The last position up to `index` with at most this term, in a log that starts after the compacted entry.
fn find_conflict_by_term(id: &str, input: &Value, expect: &Value) {
    let compacted = log_id(number(&input["base_index"]), number(&input["base_term"]));
    let entries = numbers(&input["log_terms"]).into_iter().map(entry).collect();
    let log = Log::compacted_at(compacted, Configuration::of([NodeId(1)]).into(), entries);
    let found = log.last_at_or_below_term(Index(number(&input["index"])), Term(number(&input["term"])));
    assert_eq!(found.index.0, number(&expect["index"]), "{id}");
}

/// The first index that an `AppendEntries` changes is the first where it differs. Terms that decrease within a message
/// are impossible and are raised.
fn find_conflict(id: &str, input: &Value, expect: &Value) {
    let (log, first) = (numbers(&input["log_terms"]), number(&input["first"]));
    let previous = log_id(first - 1, if first > 1 { log[first as usize - 2] } else { 0 });
    let mut least = previous.term.0;
    let lift = |term: u64| {
        least = least.max(term);
        least
    };
    let entries: Vec<u64> = numbers(&input["entry_terms"]).into_iter().map(lift).collect();
    let term = log.iter().chain(&entries).copied().max().unwrap_or(0);
    let mut server = Server::new(1, 3, (term, 0), &log, false);
    let effects = server.receive(2, append(term, previous, &entries, 0));
    let result = effects.iter().find_map(|effect| match effect {
        Effect::Save { record: write, .. } if !write.entries.is_empty() => Some(write.after.next().0),
        _ => None,
    });
    assert_eq!(result.unwrap_or(0), number(&expect["index"]), "{id}");
}

/// A candidate of term 1 receives votes. One that has lost stays a candidate until its timer fires, so only whether it
/// leads is checked.
fn election_round(id: &str, input: &Value, expect: &Value) {
    let mut server = Server::new(1, number(&input["size"]), (0, 0), &[], false);
    server.time_out();
    for (voter, granted) in input["votes"].as_object().expect("votes") {
        let message = Message::RequestVoteResponse { term: Term(1), granted: *granted == true };
        server.receive(voter.parse().expect("a number"), message);
    }
    assert_eq!(server.raft.is_leader(), expect["role"] == "leader", "{id}");
    assert_eq!(server.raft.term().0, number(&expect["term"]), "{id}");
}

/// A leader whose first entry is everywhere proposes a command, which this many servers acknowledge.
fn ack_commit(id: &str, input: &Value, expect: &Value) {
    let size = number(&input["size"]);
    let mut server = Server::leading(size, 1, &[]);
    server.slow = false;
    server.step(Input::Saved(raft_core::SaveId(2)));
    let context = MessageContext::default();
    let acknowledge =
        |index| Message::AppendEntriesResponse { term: Term(1), match_index: Index(index), context };
    for follower in 2..=size {
        server.receive(follower, acknowledge(1));
    }
    assert_eq!(server.raft.commit_index(), Index(1), "{id}");
    let mut effects = server.propose();
    for follower in numbers(&input["acks"]) {
        effects.extend(server.receive(follower, acknowledge(2)));
    }
    let committed = expect["committed"] == true;
    assert_eq!(server.raft.commit_index() == Index(2), committed, "{id}");
    let response = Effect::Respond { request: RequestId(0), response: Response::Applied { index: Index(2) } };
    assert_eq!(effects.contains(&response), committed, "{id}");
}

/// Exchanges messages between two servers until neither sends. Returns the `prev_log` index of each of the leader's
/// messages.
fn exchange_until_silent(leader: &mut Server, follower: &mut Server, effects: Vec<Effect>) -> Vec<u64> {
    let to_follower = |effects: Vec<Effect>| {
        effects.into_iter().filter_map(|effect| match effect {
            Effect::Send(envelope) if envelope.to.id == NodeId(2) => Some(envelope.message),
            _ => None,
        })
    };
    let mut messages: std::collections::VecDeque<Message> = to_follower(effects).collect();
    let mut prev_indexes = Vec::new();
    while let Some(envelope) = messages.pop_front() {
        if let Message::AppendEntries { prev_log: previous, .. } = envelope {
            prev_indexes.push(previous.index.0);
        }
        for response in sent(&follower.receive(1, envelope)).cloned() {
            messages.extend(to_follower(leader.receive(2, response)));
        }
        assert!(prev_indexes.len() < 100, "the two servers never stop sending");
    }
    prev_indexes
}

/// A leader, just elected with another server's vote, finds where its follower's log diverges.
fn fast_rejection(id: &str, input: &Value, expect: &Value) {
    let (log, other) = (numbers(&input["leader_log_terms"]), numbers(&input["follower_log_terms"]));
    let term = log.iter().chain(&other).copied().max().unwrap_or(0) + 1;
    let mut leader = Server::new(1, 3, (term - 1, 0), &log, false);
    let mut follower = Server::new(2, 3, (term - 1, 0), &other, false);
    leader.time_out();
    let effects = leader.receive(3, Message::RequestVoteResponse { term: Term(term), granted: true });
    let prev_indexes = exchange_until_silent(&mut leader, &mut follower, effects);
    assert_eq!(prev_indexes[1], number(&expect["next_probe_prev_index"]), "{id}: {prev_indexes:?}");
    assert_eq!(follower.terms(), leader.terms(), "{id}");
}

/// Figure 7: a leader makes a follower's log equal to its own.
fn sync_follower(id: &str, input: &Value, expect: &Value) {
    let term = number(&input["leader_term"]);
    let mut leader = Server::new(1, 3, (term - 1, 0), &numbers(&input["leader_log_terms"]), false);
    let (log, other) = (numbers(&input["follower_log_terms"]), number(&input["follower_term"]));
    let mut follower = Server::new(2, 3, (other, 0), &log, false);
    leader.time_out();
    let mut effects = leader.receive(3, Message::RequestVoteResponse { term: Term(term), granted: true });
    effects.extend(leader.propose());
    exchange_until_silent(&mut leader, &mut follower, effects);
    assert_eq!(follower.terms(), numbers(&expect["follower_log_terms"]), "{id}");
    assert_eq!(leader.terms(), follower.terms(), "{id}");
}

/// How a scenario is covered here.
#[derive(Debug)]
enum Coverage {
    Covered(Vec<String>),
    NotApplicable(String),
}

/// Parses `ID covered by test, test` or `ID not applicable: reason`.
fn parse_coverage(line: &str) -> (String, Coverage) {
    let (id, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
    let parse_coverage = if let Some(test_names) = rest.strip_prefix("covered by ") {
        Coverage::Covered(test_names.split(',').map(|test| test.trim().to_owned()).collect())
    } else if let Some(why) = rest.strip_prefix("not applicable: ") {
        Coverage::NotApplicable(why.to_owned())
    } else {
        panic!("{line}")
    };
    (id.to_owned(), parse_coverage)
}

/// The names of all tests of this crate.
fn test_names() -> BTreeSet<String> {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    let mut names: BTreeSet<String> =
        WITH_DATA.iter().chain(WITHOUT_DATA).map(|(name, _)| (*name).to_owned()).collect();
    while let Some(folder) = folders.pop() {
        for file in std::fs::read_dir(folder).expect("a folder") {
            let path = file.expect("a file").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(path).expect("a source file must be readable");
                let test_names = text.split("#[test]").skip(1).filter_map(|after| after.split_once("fn "));
                names.extend(
                    test_names.filter_map(|(_, name)| name.split_once('(')).map(|(name, _)| name.to_owned()),
                );
            }
        }
    }
    names
}

/// The fates of all scenarios.
fn fates() -> Vec<(String, Coverage)> {
    include_str!("conformance/scenarios")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(parse_coverage)
        .collect()
}

fn every_listed_scenario_has_a_test() {
    let fates = fates();
    let test_names = test_names();
    for (id, parse_coverage) in &fates {
        match parse_coverage {
            Coverage::Covered(names) => {
                let missing: Vec<_> = names.iter().filter(|name| !test_names.contains(*name)).collect();
                assert!(missing.is_empty(), "{id}: there is no test {missing:?}");
            }
            Coverage::NotApplicable(why) => assert!(!why.trim().is_empty(), "{id}: the reason is missing"),
        }
    }
    let listed: BTreeSet<&str> = fates.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(listed.len(), fates.len(), "an id is listed twice");
}

fn every_given_scenario_is_listed() {
    let fates = fates();
    let listed: BTreeSet<&str> = fates.iter().map(|(id, _)| id.as_str()).collect();
    let text = data("scenarios.md");
    let required =
        text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |")).map(|(id, _)| id);
    let required: BTreeSet<&str> = required.filter(|id| *id != "id").collect();
    assert_eq!(required.len(), 276);
    assert_eq!(
        required.difference(&listed).collect::<Vec<_>>(),
        [] as [&&str; 0],
        "these scenarios are not listed in conformance/scenarios"
    );
    assert_eq!(
        listed.difference(&required).collect::<Vec<_>>(),
        [] as [&&str; 0],
        "these ids are not in shared/conformance/scenarios.md"
    );
}
