//! What other implementations' tests ask of a Raft core, as data: cases of quorums and changes of configuration, rows of
//! tables, and a list of scenarios of which each is answered for (`conformance/scenarios`).
//!
//! The data lies beside the workspace, in `shared/conformance`. Where it is absent these tests say so and pass.

use raft_core::message::MessageContext;
use raft_core::{
    ConfChangeError, ConfChangeOp, Config, Configuration, DirectoryId, Effect, Entry, Envelope, Index, Input,
    Log, LogId, Message, NodeId, Payload, Raft, Recovered, ReplicaKey, RequestId, Response, Role, Term,
    Timestamp,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A file of the data, unless it is absent.
fn data(name: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance").join(name);
    let text = std::fs::read_to_string(path).ok();
    if text.is_none() {
        skipped(name);
    }
    text
}

/// A test that looks at nothing says so, past the harness that would keep it to itself because the test passes.
fn skipped(name: &str) {
    let line = format!("skipped: shared/conformance/{name} is absent\n");
    std::io::stderr().write_all(line.as_bytes()).expect("there is somebody to tell");
}

/// One directive of a data-driven file: a command with arguments, some input, and what shall come of it.
struct Directive {
    command: String,
    arguments: BTreeMap<String, Vec<String>>,
    input: Vec<String>,
    output: Vec<String>,
    /// For failures: where it stands.
    place: String,
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
            place: format!("{name}:{}", number + 1),
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
            Some(list) => list.split_once(')').expect("a list ends"),
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        let values = value.split(',').map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        arguments.insert(key.to_owned(), values.collect());
        rest = after;
    }
    (command.to_owned(), arguments)
}

/// The halves that a directive on quorums names, as lists in the order written, and who has which value. `zero` stands
/// for an empty half.
fn halves(directive: &Directive, values: &str) -> (Vec<u64>, Vec<u64>, BTreeMap<u64, String>) {
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

#[test]
fn quorums_decide_as_the_cases_say() {
    let mut count = 0;
    for file in ["majority_commit.txt", "joint_commit.txt", "majority_vote.txt", "joint_vote.txt"] {
        let Some(text) = data(&format!("quorum/{file}")) else { return };
        for directive in directives(file, &text) {
            // What stands before the result is a drawing.
            let last = directive.output.last().expect("some output");
            let expected = last.rsplit('>').next().unwrap_or(last).trim();
            let is = match directive.command.as_str() {
                "committed" => committed(&directive),
                "vote" => vote(&directive),
                other => panic!("{}: what is {other}?", directive.place),
            };
            assert_eq!(is, expected, "{}", directive.place);
            count += 1;
        }
    }
    assert_eq!(count, 76);
}

fn committed(directive: &Directive) -> String {
    let (new, old, known) = halves(directive, "idx");
    let value = |node: NodeId| known.get(&node.0).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
    let group = joint(&new, &old);
    let reached = group.quorum_value(value);
    // The halves are equals, and a half with itself or with nobody is what it is alone.
    assert_eq!(joint(&old, &new).quorum_value(value), reached, "{}", directive.place);
    if old.is_empty() {
        assert_eq!(joint(&new, &new).quorum_value(value), reached, "{}", directive.place);
    }
    // Whoever is below the result may as well have nothing.
    for &low in known.keys().filter(|&&id| reached.is_some_and(|reached| value(NodeId(id)) < reached)) {
        let lowered = group.quorum_value(|node| if node.0 == low { 0 } else { value(node) });
        assert_eq!(lowered, reached, "{}", directive.place);
    }
    reached.map_or("∞".to_owned(), |reached| reached.to_string())
}

fn vote(directive: &Directive) -> String {
    let (new, old, known) = halves(directive, "votes");
    let said = |node: NodeId| known.get(&node.0).map_or("_", String::as_str);
    let outcome = |group: Configuration| {
        if group.is_quorum(|node| said(node) == "y") {
            "VoteWon"
        } else if group.is_quorum(|node| said(node) != "n") {
            "VotePending"
        } else {
            "VoteLost"
        }
    };
    let is = outcome(joint(&new, &old));
    assert_eq!(outcome(joint(&old, &new)), is, "{}", directive.place);
    is.to_owned()
}

#[test]
fn configurations_change_as_the_cases_say() {
    let mut count = 0;
    for name in ["joint_idempotency", "joint_safety", "simple_idempotency", "simple_safety", "update"] {
        let Some(text) = data(&format!("confchange/{name}.txt")) else { return };
        // A file is one session.
        let mut group = Configuration::default();
        for directive in directives(name, &text) {
            let steps: Vec<ConfChangeOp> = directive.input.iter().filter_map(|word| step(word)).collect();
            let changed = match directive.command.as_str() {
                "simple" => group.simple(&steps),
                "enter-joint" => {
                    let by_itself =
                        directive.arguments.get("autoleave").is_some_and(|value| value == &["true"]);
                    group.enter_joint(&steps, by_itself)
                }
                "leave-joint" => group.leave_joint(),
                other => panic!("{}: what is {other}?", directive.place),
            };
            match changed {
                Ok(changed) => {
                    group = changed;
                    assert_eq!(described(&group), expected(&directive), "{}", directive.place);
                }
                Err(unfit) => assert_eq!(unfit, refusal(&directive), "{}", directive.place),
            }
            count += 1;
        }
    }
    assert_eq!(count, 43);
}

/// `v1` a voter, `l1` a learner, `r1` removed; `u1` asks for nothing, and nobody is called 0.
fn step(word: &str) -> Option<ConfChangeOp> {
    let (kind, id) = word.split_at(1);
    let node = NodeId(id.parse().expect("a number"));
    match kind {
        _ if node == NodeId(0) => None,
        "v" => Some(ConfChangeOp::AddVoter(node)),
        "l" => Some(ConfChangeOp::AddLearner(node)),
        "r" => Some(ConfChangeOp::Remove(node)),
        "u" => None,
        other => panic!("what is {other}?"),
    }
}

/// The configuration, everybody in it, and who of them is a learner.
fn described(group: &Configuration) -> (String, Vec<(u64, bool)>) {
    let members = group.members().into_iter().map(|node| (node.0, group.learners.contains(&node)));
    (group.to_string(), members.collect())
}

fn expected(directive: &Directive) -> (String, Vec<(u64, bool)>) {
    let (first, members) = directive.output.split_first().expect("some output");
    let member = |line: &String| {
        let (id, rest) = line.split_once(':').expect("a member");
        (id.trim().parse().expect("a number"), rest.trim_end().ends_with(" learner"))
    };
    (first.trim().to_owned(), members.iter().map(member).collect())
}

fn refusal(directive: &Directive) -> ConfChangeError {
    match directive.output[0].trim() {
        "removed all voters" | "can't make a zero-voter config joint" => ConfChangeError::NoVoters,
        "more than one voter changed without entering joint config" => ConfChangeError::MoreThanOneVoter,
        "can't apply simple config change in joint config" | "config is already joint" => {
            ConfChangeError::AlreadyJoint
        }
        "can't leave a non-joint config" => ConfChangeError::NotJoint,
        other => panic!("{}: allowed, and not expected to be: {other}", directive.place),
    }
}

/// A server whose disk is fast.
struct Server {
    raft: Raft,
    now: u64,
    /// Whether its writes stay unfinished.
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
        let raft = Raft::new(config, recovered, Timestamp(0)).expect("a good setup");
        let mut server = Server { raft, now: 0, slow: false };
        server.step(Input::Saved(raft_core::SaveId(0)));
        server
    }

    /// Whoever campaigns in `term` and has the votes of all others.
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
        let mut looked = 0;
        while let Some(effect) = effects.get(looked) {
            looked += 1;
            if let Effect::Save { id, .. } = *effect
                && !self.slow
            {
                self.raft.step(Timestamp(self.now), Input::Saved(id), &mut effects);
            }
        }
        effects
    }

    fn time_out(&mut self) -> Vec<Effect> {
        self.now = self.now.max(self.raft.deadline().expect("always").0);
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
        (1..=log.last().index.0).map(|index| log.term_at(Index(index)).expect("in the log").0).collect()
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
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list")).iter().map(number).collect()
}

#[test]
fn tables_come_out_as_their_rows_say() {
    let Some(text) = data("unit_tables.jsonl") else { return };
    let mut count = BTreeMap::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).expect("a row");
        let (kind, id) = (row["kind"].as_str().expect("a kind"), row["id"].as_str().expect("an id"));
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
            other => panic!("{id}: what is {other}?"),
        };
        check(id, &row["input"], &row["expect"]);
        *count.entry(kind.to_owned()).or_insert(0) += 1;
    }
    assert_eq!(count.values().sum::<i32>(), 99, "{count:?}");
}

/// A follower that knows so much committed gets an `AppendEntries`.
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
        // To replace what is committed is no input that has an answer.
        let step = std::panic::AssertUnwindSafe(|| server.receive(2, message));
        assert!(std::panic::catch_unwind(step).is_err(), "{id} should be refused loudly");
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

fn asked_for_a_vote(server: &mut Server, term: u64, candidate: u64, last: LogId) -> bool {
    let effects = server.receive(candidate, Message::RequestVote { term: Term(term), last, transfer: false });
    let votes = sent(&effects).filter_map(|message| match message {
        Message::RequestVoteResponse { granted, .. } => Some(*granted),
        _ => None,
    });
    let votes: Vec<bool> = votes.collect();
    assert_eq!(votes.len(), 1, "{effects:?}");
    votes[0]
}

/// A server in some role is asked for its vote.
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
        other => panic!("{id}: what is {other}?"),
    };
    assert_eq!(server.raft.term().0, term, "{id}");
    assert_eq!(server.raft.vote().map_or(0, |vote| vote.0), vote, "{id}");
    let ask = &input["req"];
    let last = log_id(number(&ask["last_index"]), number(&ask["last_term"]));
    let granted = asked_for_a_vote(&mut server, number(&ask["term"]), number(&ask["candidate"]), last);
    assert_eq!(granted, expect["grant"] == true, "{id}");
    if granted {
        assert_eq!(server.raft.vote().expect("just given").0, number(&ask["candidate"]), "{id}");
    }
}

fn up_to_date(id: &str, input: &Value, expect: &Value) {
    let log = numbers(&input["log_terms"]);
    let last = log_id(number(&input["last_index"]), number(&input["last_term"]));
    let term = log.iter().copied().max().unwrap_or(0).max(last.term.0);
    let mut server = Server::new(1, 3, (term, 0), &log, false);
    assert_eq!(asked_for_a_vote(&mut server, term + 1, 2, last), expect["up_to_date"] == true, "{id}");
}

/// A leader hears how far everybody is. What stands in its log of its own term it has appended itself, beginning with
/// its first entry; where the row gives it none, that one is there and nobody has it. Entries of later terms than the
/// leader's, which cannot be, are left out.
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
        // Its own writes are finished, which it may not know before.
        let newest = (0..).map(raft_core::SaveId);
        let count = 1 + log.len() - old.len();
        let newest = newest.take(count + 1).last().expect("some");
        server.step(Input::Saved(newest));
    }
    for (follower, &index) in (2..).zip(&match_index[1..]) {
        let match_index = Index(index.min(log.len() as u64));
        let stamp = MessageContext::default();
        server.receive(
            follower,
            Message::AppendEntriesResponse { term: Term(term), match_index, context: stamp },
        );
    }
    assert_eq!(server.raft.commit_index().0, number(&expect["commit"]), "{id}");
}

/// The greatest place up to `index` with at most this term, in a log that begins after the base.
fn find_conflict_by_term(id: &str, input: &Value, expect: &Value) {
    let compacted = log_id(number(&input["base_index"]), number(&input["base_term"]));
    let entries = numbers(&input["log_terms"]).into_iter().map(entry).collect();
    let log = Log::compacted_at(compacted, Configuration::of([NodeId(1)]).into(), entries);
    let found = log.last_at_or_below_term(Index(number(&input["index"])), Term(number(&input["term"])));
    assert_eq!(found.index.0, number(&expect["index"]), "{id}");
}

/// What an `AppendEntries` changes begins where it differs. Terms that fall within one, which cannot be, are lifted.
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
    let changed = effects.iter().find_map(|effect| match effect {
        Effect::Save { record: write, .. } if !write.entries.is_empty() => Some(write.after.next().0),
        _ => None,
    });
    assert_eq!(changed.unwrap_or(0), number(&expect["index"]), "{id}");
}

/// A candidate of the first term hears what the others think of it. One that has lost stays candidate until its timer
/// rings, so only whether it leads is looked at.
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

/// A leader whose first entry everybody has proposes something, and so many have it.
fn ack_commit(id: &str, input: &Value, expect: &Value) {
    let size = number(&input["size"]);
    let mut server = Server::leading(size, 1, &[]);
    server.slow = false;
    server.step(Input::Saved(raft_core::SaveId(2)));
    let stamp = MessageContext::default();
    let has =
        |index| Message::AppendEntriesResponse { term: Term(1), match_index: Index(index), context: stamp };
    for follower in 2..=size {
        server.receive(follower, has(1));
    }
    assert_eq!(server.raft.commit_index(), Index(1), "{id}");
    let mut effects = server.propose();
    for follower in numbers(&input["acks"]) {
        effects.extend(server.receive(follower, has(2)));
    }
    let committed = expect["committed"] == true;
    assert_eq!(server.raft.commit_index() == Index(2), committed, "{id}");
    let answer = Effect::Respond { request: RequestId(0), response: Response::Applied { index: Index(2) } };
    assert_eq!(effects.contains(&answer), committed, "{id}");
}

/// Two servers talk until both are silent. Returns where the leader's messages began.
fn talk(leader: &mut Server, follower: &mut Server, effects: Vec<Effect>) -> Vec<u64> {
    let to_follower = |effects: Vec<Effect>| {
        effects.into_iter().filter_map(|effect| match effect {
            Effect::Send(envelope) if envelope.to.id == NodeId(2) => Some(envelope.message),
            _ => None,
        })
    };
    let mut letters: std::collections::VecDeque<Message> = to_follower(effects).collect();
    let mut began = Vec::new();
    while let Some(envelope) = letters.pop_front() {
        if let Message::AppendEntries { prev_log: previous, .. } = envelope {
            began.push(previous.index.0);
        }
        for answer in sent(&follower.receive(1, envelope)).cloned() {
            letters.extend(to_follower(leader.receive(2, answer)));
        }
        assert!(began.len() < 100, "the two never end");
    }
    began
}

/// A leader that was just elected by somebody else finds where its follower's log parts from its own.
fn fast_rejection(id: &str, input: &Value, expect: &Value) {
    let (log, other) = (numbers(&input["leader_log_terms"]), numbers(&input["follower_log_terms"]));
    let term = log.iter().chain(&other).copied().max().unwrap_or(0) + 1;
    let mut leader = Server::new(1, 3, (term - 1, 0), &log, false);
    let mut follower = Server::new(2, 3, (term - 1, 0), &other, false);
    leader.time_out();
    let effects = leader.receive(3, Message::RequestVoteResponse { term: Term(term), granted: true });
    let began = talk(&mut leader, &mut follower, effects);
    assert_eq!(began[1], number(&expect["next_probe_prev_index"]), "{id}: {began:?}");
    assert_eq!(follower.terms(), leader.terms(), "{id}");
}

/// Figure 7: a leader brings a follower's log to its own.
fn sync_follower(id: &str, input: &Value, expect: &Value) {
    let term = number(&input["leader_term"]);
    let mut leader = Server::new(1, 3, (term - 1, 0), &numbers(&input["leader_log_terms"]), false);
    let (log, other) = (numbers(&input["follower_log_terms"]), number(&input["follower_term"]));
    let mut follower = Server::new(2, 3, (other, 0), &log, false);
    leader.time_out();
    let mut effects = leader.receive(3, Message::RequestVoteResponse { term: Term(term), granted: true });
    effects.extend(leader.propose());
    talk(&mut leader, &mut follower, effects);
    assert_eq!(follower.terms(), numbers(&expect["follower_log_terms"]), "{id}");
    assert_eq!(leader.terms(), follower.terms(), "{id}");
}

/// What becomes of a scenario here.
#[derive(Debug)]
enum Fate {
    Covered(Vec<String>),
    NotApplicable(String),
}

/// `ID covered by test, test`, `ID not applicable: why`.
fn fate(line: &str) -> (String, Fate) {
    let (id, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
    let fate = if let Some(tests) = rest.strip_prefix("covered by ") {
        Fate::Covered(tests.split(',').map(|test| test.trim().to_owned()).collect())
    } else if let Some(why) = rest.strip_prefix("not applicable: ") {
        Fate::NotApplicable(why.to_owned())
    } else {
        panic!("{line}")
    };
    (id.to_owned(), fate)
}

/// The names of all tests of this crate.
fn tests() -> BTreeSet<String> {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    let mut names = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for file in std::fs::read_dir(folder).expect("a folder") {
            let path = file.expect("a file").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(path).expect("a source file");
                let tests = text.split("#[test]").skip(1).filter_map(|after| after.split_once("fn "));
                names.extend(
                    tests.filter_map(|(_, name)| name.split_once('(')).map(|(name, _)| name.to_owned()),
                );
            }
        }
    }
    names
}

#[test]
fn every_scenario_is_answered_for() {
    let fates: Vec<(String, Fate)> = include_str!("conformance/scenarios")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(fate)
        .collect();
    let tests = tests();
    for (id, fate) in &fates {
        match fate {
            Fate::Covered(names) => {
                let missing: Vec<_> = names.iter().filter(|name| !tests.contains(*name)).collect();
                assert!(missing.is_empty(), "{id}: there is no {missing:?}");
            }
            Fate::NotApplicable(why) => assert!(!why.trim().is_empty(), "{id}: why?"),
        }
    }
    let answered: BTreeSet<&str> = fates.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(answered.len(), fates.len(), "some id stands here twice");
    let Some(text) = data("scenarios.md") else { return };
    let asked = text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |")).map(|(id, _)| id);
    let asked: BTreeSet<&str> = asked.filter(|id| *id != "id").collect();
    assert_eq!(asked.len(), 276);
    assert_eq!(asked.difference(&answered).collect::<Vec<_>>(), [] as [&&str; 0], "nobody answers for these");
    assert_eq!(answered.difference(&asked).collect::<Vec<_>>(), [] as [&&str; 0], "nobody asked for these");
}
