//! Rules that hold for every role, message or size.

use crate::table::{MS, Table};
use raft_core::{
    ConfChange, Config, DirectoryId, ENTRY_COST, Effect, Entries, Entry, Envelope, Index, Input, LogId,
    Message, MessageContext, NodeId, Payload, Raft, Recovered, ReplicaKey, Role, StartError, Term, Timestamp,
};

/// Changes a table.
type Action = fn(&mut Table);

/// n1 of three in each role, in term 2 at most.
fn in_each_role() -> Vec<(&'static str, Table)> {
    let roles: [(&str, bool, Action); 4] = [
        ("follower", false, |t| t.elect(2)),
        ("pre-candidate", true, |t| {
            t.elect(2);
            t.pause(1, 1_000);
            t.time_out(1);
        }),
        ("candidate", false, |t| t.time_out(1)),
        ("leader", false, |t| t.elect(1)),
    ];
    let table = |(name, pre_vote, setup): (&'static str, bool, Action)| {
        let mut t = Table::with(3, |config| config.pre_vote = pre_vote);
        setup(&mut t);
        t.messages.clear();
        (name, t)
    };
    roles.into_iter().map(table).collect()
}

/// One message of each kind; candidates have a log up to `last`.
fn messages(term: Term, last: LogId) -> Vec<Message> {
    let (entries, commit, context) = (Entries::NONE, Index(0), MessageContext::default());
    vec![
        Message::RequestVote { term, last, transfer: false },
        Message::RequestVote { term, last, transfer: true },
        Message::RequestVoteResponse { term, granted: true },
        Message::RequestVoteResponse { term, granted: false },
        Message::PreVoteResponse { term, granted: false },
        Message::TimeoutNow { term },
        Message::AppendEntries { term, prev_log: last, entries, commit_index: commit, context },
        Message::AppendEntriesResponse { term, match_index: Index(0), context },
        Message::AppendEntriesRejected { term, prev_log: Index(0), hint: LogId::default() },
    ]
}

/// A message in a cluster without directory ids.
fn envelope(from: u64, to: u64, message: Message) -> Envelope {
    let key = |id| ReplicaKey { id: NodeId(id), directory_id: DirectoryId(0) };
    Envelope { cluster: 0, from: key(from), to: key(to), message }
}

/// What a server does on a message, without the table's checks.
fn step_with(raft: &Raft, now: u64, message: &Message) -> (Raft, Vec<Effect>) {
    let (mut raft, mut effects) = (raft.clone(), Vec::new());
    let input = Input::Receive(envelope(3, raft.replica().id.0, message.clone()));
    raft.step(Timestamp(now), input, &mut effects);
    (raft, effects)
}

#[test]
fn message_of_later_term_advances_every_role() {
    for (role, t) in in_each_role() {
        for message in messages(Term(9), LogId { index: Index(9), term: Term(8) }) {
            let (after, _) = step_with(t.raft(1), t.server(1).now, &message);
            let campaigns = matches!(message, Message::TimeoutNow { .. });
            assert_eq!(after.term(), Term(if campaigns { 10 } else { 9 }), "{role}: {message}");
            assert!(!after.is_leader(), "{role}: {message}");
            let vote = match message {
                Message::RequestVote { .. } => Some(NodeId(3)),
                Message::TimeoutNow { .. } => Some(NodeId(1)),
                _ => None,
            };
            assert_eq!(after.vote(), vote, "{role}: {message}");
            // Only leaders send these.
            let leader = matches!(message, Message::AppendEntries { .. }).then_some(NodeId(3));
            assert_eq!(after.leader(), leader, "{role}: {message}");
        }
    }
}

#[test]
fn message_of_earlier_term_changes_nothing() {
    for (role, t) in in_each_role() {
        for message in messages(Term(0), LogId { index: Index(9), term: Term(9) }) {
            let (after, _) = step_with(t.raft(1), t.server(1).now, &message);
            assert_eq!(&after, t.raft(1), "{role}: {message}");
        }
    }
}

#[test]
fn pre_vote_request_changes_nothing() {
    for (role, t) in in_each_role() {
        for (term, index) in [(1, 0), (2, 9), (9, 0), (9, 9)] {
            let last = LogId { index: Index(index), term: Term(index) };
            for message in [
                Message::PreVote { term: Term(term), last },
                Message::PreVoteResponse { term: Term(9), granted: true },
            ] {
                let (after, _) = step_with(t.raft(1), t.server(1).now, &message);
                assert_eq!(&after, t.raft(1), "{role}: {message}");
            }
        }
    }
}

#[test]
fn leader_ignores_another_leader_of_its_term() {
    let mut t = Table::of(3);
    t.elect(1);
    let message = Message::AppendEntries {
        term: Term(1),
        prev_log: LogId::default(),
        entries: Entries::NONE,
        commit_index: Index(1),
        context: MessageContext::default(),
    };
    let (after, effects) = step_with(t.raft(1), t.server(1).now, &message);
    assert_eq!((&after, effects), (t.raft(1), Vec::new()));
}

#[test]
fn candidate_needs_a_majority_to_lead() {
    for size in 1..=7_u64 {
        let mut t = Table::of(size);
        t.time_out(1);
        let mut votes = 1;
        assert_eq!(t.raft(1).is_leader(), size == 1);
        for voter in 2..=size {
            t.deliver(1, voter);
            t.deliver(voter, 1);
            votes += 1;
            assert_eq!(t.raft(1).is_leader(), 2 * votes > size, "{votes} of {size}");
        }
        // The same number of rejections changes nothing.
        let mut t = Table::of(size);
        t.time_out(1);
        t.messages.clear();
        for from in 2..=size {
            t.inject(from, 1, Message::RequestVoteResponse { term: Term(1), granted: false });
            t.deliver(from, 1);
        }
        assert_eq!(t.raft(1).is_leader(), size == 1);
    }
}

#[test]
fn duplicate_vote_counts_once() {
    let mut t = Table::of(5);
    t.time_out(1);
    t.deliver(1, 2);
    t.deliver_copy(2, 1);
    t.deliver_copy(2, 1);
    t.deliver(2, 1);
    assert!(!t.raft(1).is_leader(), "n2 is one voter");
}

#[test]
fn candidate_records_each_grant_once() {
    let granted = |t: &Table| match t.raft(1).role() {
        Role::PreCandidate { granted } | Role::Candidate { granted } => granted.clone(),
        other => panic!("n1 must be a candidate, and is {other:?}"),
    };
    for pre_vote in [true, false] {
        let mut t = Table::with(5, |config| config.pre_vote = pre_vote);
        t.time_out(1);
        t.deliver(1, 3);
        t.deliver_copy(3, 1);
        let once = t.raft(1).clone();
        for _ in 0..3 {
            t.deliver_copy(3, 1);
            assert_eq!(t.raft(1), &once, "a duplicate vote must change nothing");
        }
        assert_eq!(granted(&t), [NodeId(1), NodeId(3)]);
    }
    // The order of the votes does not matter.
    let mut t = Table::of(7);
    t.time_out(1);
    for voter in [5, 2] {
        t.deliver(1, voter);
        t.deliver(voter, 1);
    }
    assert_eq!(granted(&t), [NodeId(1), NodeId(2), NodeId(5)]);
}

#[test]
fn entry_commits_with_exactly_a_majority() {
    for size in [1, 3, 5_u64] {
        for set in 0..1_u64 << (size - 1) {
            let mut t = Table::of(size);
            t.elect(1);
            t.propose(1, "x=1");
            for follower in (2..=size).filter(|follower| set >> (follower - 2) & 1 == 1) {
                t.deliver(1, follower);
                t.deliver(follower, 1);
            }
            let have = 1 + u64::from(set.count_ones());
            assert_eq!(t.raft(1).commit_index() == Index(2), 2 * have > size, "{have} of {size}");
        }
    }
}

#[test]
fn leadership_rotates() {
    let mut t = Table::of(5);
    for round in 0..2 {
        for id in t.nodes() {
            t.elect(id);
            assert_eq!(t.raft(id).term(), Term(round * 5 + id));
            assert!(
                t.nodes().all(|other| t.raft(other).leader() == Some(NodeId(id))),
                "all servers must follow n{id}"
            );
        }
    }
}

/// Lets time pass for all servers alike; messages arrive at once. Returns the number of messages.
fn run_for(t: &mut Table, milliseconds: u64) -> usize {
    let (mut left, mut messages) = (milliseconds * MS, 0);
    loop {
        let due =
            |id: u64| t.raft(id).deadline().expect("a running server has a deadline").0 - t.server(id).now;
        let (passed, next) =
            t.nodes().map(|id| (due(id), id)).min().expect("the table has a server that is up");
        if passed > left {
            return messages;
        }
        left -= passed;
        for id in t.nodes() {
            t.server_mut(id).now += passed;
        }
        t.fire(next);
        messages += t.messages.len();
        t.deliver_all();
    }
}

#[test]
fn fault_free_cluster_keeps_its_leader_and_sends_only_heartbeats() {
    for (pre_vote, check_quorum) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut t = Table::with(3, |config| {
            config.pre_vote = pre_vote;
            config.check_quorum = check_quorum;
        });
        t.elect(1);
        let messages = run_for(&mut t, 10_000);
        assert!(
            t.raft(1).is_leader() && t.raft(1).term() == Term(1),
            "pre-vote {pre_vote}, check-quorum {check_quorum}"
        );
        assert!(messages <= 2 * 101, "the leader sent {messages} messages in 100 heartbeats");
    }
}

#[test]
fn cluster_with_mixed_options_elects_a_leader() {
    // The options of three servers, each with pre-vote and check-quorum on or off.
    for setups in 0..1_u32 << 6 {
        let on = |id: u64, bit: u64| setups >> (2 * (id - 1) + bit) & 1 == 1;
        let mut t = Table::with(3, |config| {
            config.pre_vote = on(config.id.0, 0);
            config.check_quorum = on(config.id.0, 1);
        });
        run_for(&mut t, 3_000);
        let leader =
            t.nodes().find(|&id| t.raft(id).is_leader()).unwrap_or_else(|| panic!("{setups:b}: no leader"));
        // The cut-off server may reach a high term; the others elect a leader, and after the heal all agree again.
        t.cut(leader);
        run_for(&mut t, 3_000);
        assert!(
            t.nodes().any(|id| id != leader && t.raft(id).is_leader()),
            "{setups:b}: the other servers have no leader"
        );
        t.heal();
        run_for(&mut t, 5_000);
        assert_eq!(t.nodes().filter(|&id| t.raft(id).is_leader()).count(), 1, "{setups:b}");
        let terms: Vec<Term> = t.nodes().map(|id| t.raft(id).term()).collect();
        assert!(terms.iter().all(|term| *term == terms[0]), "{setups:b}: {terms:?}");
    }
}

#[test]
fn two_pre_candidates_elect_one_leader() {
    let mut t = Table::with(3, |config| config.pre_vote = true);
    t.elect(1);
    t.crash(1);
    t.describe("Both request pre-votes. Each grants the other's, although it is a pre-candidate itself.");
    t.time_out(2);
    t.time_out(3);
    t.deliver_all();
    run_until_elected(&mut t);
    assert!(t.raft(2).is_leader() != t.raft(3).is_leader(), "{}", t.transcript());
}

/// The two remaining servers time out in turn until one leads.
fn run_until_elected(t: &mut Table) {
    for id in [2, 3, 2, 3] {
        if !t.raft(2).is_leader() && !t.raft(3).is_leader() {
            t.pause(5 - id, 1_000);
            t.time_out(id);
            t.deliver_all();
        }
    }
}

#[test]
fn only_voter_with_pre_vote_elects_itself() {
    let mut t = Table::with(1, |config| {
        config.pre_vote = true;
        config.check_quorum = true;
    });
    t.time_out(1);
    assert!(t.raft(1).is_leader());
    run_for(&mut t, 2_000);
    assert!(t.raft(1).is_leader(), "the only voter confirms itself");
}

#[test]
fn own_vote_of_earlier_candidacy_does_not_count() {
    let mut t = Table::of(3);
    t.slow_disk(1);
    t.time_out(1);
    t.time_out(2);
    t.time_out(2);
    t.deliver(2, 1);
    t.deliver(2, 1);
    assert_eq!(t.raft(1).term(), Term(2));
    t.time_out(1);
    t.describe(
        "The vote of term 1 is durable; n1 campaigns in term 3 by now, where its own vote is not durable.",
    );
    t.sync_one(1);
    assert!(
        matches!(t.raft(1).role(), Role::Candidate { granted } if granted.is_empty()),
        "{}",
        t.transcript()
    );
}

#[test]
fn candidate_that_steps_down_keeps_its_vote() {
    let mut t = Table::of(3);
    t.elect(1);
    t.propose(1, "x=1");
    t.messages.clear();
    t.time_out(2);
    t.time_out(3);
    t.messages.retain(|envelope| envelope.from.id == NodeId(3));
    t.describe("n2 has voted for itself in term 2, receives a message of the leader n3 that does not match its log, and rejects n1's request.");
    let message = Message::AppendEntries {
        term: Term(2),
        prev_log: LogId { index: Index(7), term: Term(2) },
        entries: Entries::NONE,
        commit_index: Index(0),
        context: MessageContext::default(),
    };
    let (mut raft, _) = step_with(t.raft(2), t.server(2).now, &message);
    assert_eq!(raft.leader(), Some(NodeId(3)));
    assert_eq!(raft.vote(), Some(NodeId(2)), "stepping down within a term must keep the vote");
    let ask = Message::RequestVote {
        term: Term(2),
        last: LogId { index: Index(9), term: Term(2) },
        transfer: false,
    };
    let mut effects = Vec::new();
    raft.step(Timestamp(t.server(2).now), Input::Receive(envelope(1, 2, ask)), &mut effects);
    let no = envelope(2, 1, Message::RequestVoteResponse { term: Term(2), granted: false });
    assert!(effects.contains(&Effect::Send(no)), "{effects:?}");
}

#[test]
fn pre_candidate_keeps_its_vote() {
    let mut t = Table::with(3, |config| config.pre_vote = true);
    t.time_out(1);
    t.deliver_all();
    assert!(t.raft(1).is_leader());
    t.pause(2, 1_000);
    t.time_out(2);
    assert!(matches!(t.raft(2).role(), Role::PreCandidate { .. }));
    assert_eq!(t.raft(2).vote(), Some(NodeId(1)), "the vote of this term is taken");
    let ask = Message::RequestVote {
        term: Term(1),
        last: LogId { index: Index(9), term: Term(9) },
        transfer: false,
    };
    let (after, _) = step_with(t.raft(2), t.server(2).now, &ask);
    assert_eq!(after.vote(), Some(NodeId(1)));
}

#[test]
fn rejection_below_match_index_changes_nothing() {
    let mut t = Table::of(2);
    t.elect(1);
    t.propose(1, "x=1");
    t.propose(1, "x=2");
    t.deliver_all();
    for previous in 0..=3 {
        let message = Message::AppendEntriesRejected {
            term: Term(1),
            prev_log: Index(previous),
            hint: LogId::default(),
        };
        let (mut raft, mut effects) = (t.raft(1).clone(), Vec::new());
        let input = Input::Receive(envelope(2, 1, message));
        raft.step(Timestamp(t.server(1).now), input, &mut effects);
        assert_eq!(effects, Vec::new(), "a rejection at {previous}");
    }
}

#[test]
fn two_divergent_tails_converge() {
    let mut t = Table::of(5);
    t.elect(1);
    t.describe("n1 is alone with n2, and then n3 is alone with n4.");
    for id in [3, 4, 5] {
        t.cut(id);
    }
    (0..50).for_each(|value| t.propose(1, &format!("a={value}")));
    t.deliver_all();
    t.heal();
    t.cut(1);
    t.cut(2);
    t.elect(3);
    t.cut(5);
    (0..50).for_each(|value| t.propose(3, &format!("b={value}")));
    t.deliver_all();
    t.heal();
    run_for(&mut t, 3_000);
    let leader = t.nodes().find(|&id| t.raft(id).is_leader()).expect("a leader");
    t.propose(leader, "c=1");
    t.deliver_all();
    run_for(&mut t, 300);
    for id in t.nodes() {
        assert_eq!(t.server(id).state, t.server(leader).state, "n{id} has a different state");
        assert_eq!(t.raft(id).commit_index(), t.raft(leader).last().index);
    }
}

#[test]
fn leader_accepts_up_to_max_uncommitted_bytes() {
    let mut t = Table::with(3, |config| {
        config.max_uncommitted_bytes = 2 * ENTRY_COST + 8;
        config.max_batch_entries = 1;
    });
    t.elect(1);
    t.describe(
        "n2 inherits an uncommitted command of 8 bytes. It does not count, since n2 did not accept it.",
    );
    t.propose(1, "old=1234");
    t.deliver(1, 2);
    t.crash(1);
    t.messages.clear();
    t.time_out(2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    assert!(t.raft(2).is_leader());
    let accepts = |t: &mut Table, command: &str| {
        let before = t.raft(2).last();
        t.propose(2, command);
        t.raft(2).last() != before
    };
    assert!(accepts(&mut t, "a=1") && accepts(&mut t, "b=2"));
    assert!(!accepts(&mut t, "c=3"), "a third command exceeds the limit of two commands of 4 bytes");
    t.describe("The inherited entry and n2's first entry are committed. n2's own commands are not.");
    while t.raft(2).commit_index() < Index(3) {
        t.deliver(2, 3);
        t.deliver(3, 2);
    }
    assert_eq!(t.raft(2).commit_index(), Index(3));
    assert!(!accepts(&mut t, "d=4"), "two commands are still uncommitted\n{}", t.transcript());
    t.describe(
        "Everything is committed, so all bytes are released. A single command may be larger than the limit.",
    );
    t.deliver_all();
    assert!(accepts(&mut t, &format!("large={}", "1".repeat(200))));
    assert!(!accepts(&mut t, "e=5"));
    t.deliver_all();
    assert!(accepts(&mut t, "f=6"));
}

fn setup(seed: u64) -> Config {
    Config {
        election_timeout: 300,
        election_timeout_spread: 300,
        heartbeat_interval: 100,
        pre_vote: false,
        check_quorum: false,
        max_batch_entries: 1,
        max_in_flight_messages: 1,
        seed,
        ..Config::new(NodeId(1), vec![NodeId(1), NodeId(2), NodeId(3)])
    }
}

#[test]
fn election_timeouts_are_redrawn_within_bounds() {
    let mut raft =
        Raft::new(setup(7), Recovered::default(), Timestamp(0)).expect("the configuration is valid");
    let (mut now, mut counts) = (0, [0_u32; 3]);
    for _ in 0..3_000 {
        let due = raft.deadline().expect("a running server has a deadline").0;
        let timeout = due - now;
        assert!((300..=600).contains(&timeout), "{timeout}");
        counts[(timeout as usize - 300).min(299) / 100] += 1;
        now = due;
        raft.step(Timestamp(now), Input::Timer, &mut Vec::new());
    }
    assert!(
        counts.iter().all(|count| (900..1_100).contains(count)),
        "timeouts must be evenly distributed: {counts:?}"
    );
    // Two servers rarely draw the same timeout.
    let due = |seed| {
        Raft::new(setup(seed), Recovered::default(), Timestamp(0))
            .expect("the configuration is valid")
            .deadline()
    };
    let same = (0..300).filter(|seed| due(2 * seed) == due(2 * seed + 1)).count();
    assert!(same < 10, "{same} of 300 pairs draw the same timeout");
}

#[test]
fn voter_waits_at_most_twice_election_timeout_plus_spread() {
    let mut longest = 0;
    for seed in 0..2_000 {
        let mut raft =
            Raft::new(setup(seed), Recovered::default(), Timestamp(0)).expect("the configuration is valid");
        raft.step(Timestamp(0), Input::Saved(raft_core::SaveId(0)), &mut Vec::new());
        let mut now = 0;
        for candidate in [2, 3, 3, 2, 3_u64] {
            now += 7;
            // The first candidate gets the vote; each later one has a longer log, and delays the voter's own campaign.
            let last = LogId { index: Index(candidate), term: Term(1) };
            let ask = Message::RequestVote { term: Term(4), last, transfer: false };
            raft.step(Timestamp(now), Input::Receive(envelope(candidate, 1, ask)), &mut Vec::new());
            let waiting_for = raft.deadline().expect("a running server has a deadline").0 - now;
            assert!((300..=900).contains(&waiting_for), "{waiting_for}");
            longest = longest.max(waiting_for);
        }
    }
    assert_eq!(longest, 900, "the bound that `Config::election_timeout_spread` documents");
}

#[test]
fn default_configuration_is_valid_and_errors_name_the_bound() {
    let plain = Config::new(NodeId(1), vec![NodeId(1)]);
    assert_eq!(plain.validate(), Ok(()));
    let error = Config { max_batch_entries: 0, ..plain.clone() }
        .validate()
        .expect_err("the configuration is invalid");
    assert_eq!(error.to_string(), "max_batch_entries must be at least 1");
    // Leases rely on a promise that voters keep only with check-quorum.
    let error = Config { lease_drift: Some(0), check_quorum: false, ..plain }.validate();
    assert_eq!(
        error.expect_err("a lease needs check-quorum").to_string(),
        "check_quorum must be on where lease_drift is given"
    );
}

#[test]
fn new_server_starts_as_follower_without_leader() {
    let recovered = Recovered { term: Term(4), vote: Some(NodeId(2)), ..Recovered::default() };
    for recovered in [Recovered::default(), recovered] {
        let (term, vote) = (recovered.term, recovered.vote);
        let mut raft = Raft::new(setup(1), recovered, Timestamp(50)).expect("the configuration is valid");
        let mut effects = Vec::new();
        raft.step(Timestamp(50), Input::Saved(raft_core::SaveId(0)), &mut effects);
        assert_eq!(effects, Vec::new(), "nothing has happened");
        assert!(matches!(raft.role(), Role::Follower) && raft.leader().is_none());
        assert_eq!((raft.term(), raft.vote(), raft.commit_index()), (term, vote, Index(0)));
        assert!(
            raft.deadline().expect("a running server has a deadline") >= Timestamp(350),
            "a new server waits a whole election timeout"
        );
    }
}

#[test]
fn server_outside_configuration_redirects_clients() {
    let mut t = Table::with_initial_voters(2, 3, |_| {});
    t.propose(3, "x=1");
    t.read(3, "r1");
    t.change(3, ConfChange::Auto(vec![raft_core::ConfChangeOp::AddVoter(NodeId(3))]));
    t.transfer(3, 1);
    t.time_out(3);
    assert_eq!(t.unanswered(), [] as [&str; 0]);
    assert!(matches!(t.raft(3).role(), Role::Follower) && t.raft(3).last().index == Index(0));
    assert_eq!(t.raft(3).term(), Term(0), "a server outside of the configuration must not campaign");
}

#[test]
fn invalid_configuration_is_rejected() {
    type Adjust = fn(&mut Config);
    let invalid: [(&str, Adjust); 21] = [
        ("voters", |config| config.voters.clear()),
        ("voters", |config| config.voters = (0..65).map(NodeId).collect()),
        ("voters", |config| config.voters = vec![NodeId(2), NodeId(1)]),
        ("voters", |config| config.voters = vec![NodeId(1), NodeId(1)]),
        ("directory_ids", |config| {
            config.directory_ids = vec![(NodeId(2), DirectoryId(7)), (NodeId(1), DirectoryId(8))]
        }),
        ("directory_ids", |config| {
            config.directory_ids = vec![(NodeId(1), DirectoryId(7)), (NodeId(1), DirectoryId(7))]
        }),
        ("directory_ids", |config| config.directory_ids = vec![(NodeId(4), DirectoryId(7))]),
        ("heartbeat_interval", |config| config.heartbeat_interval = 0),
        ("election_timeout", |config| config.election_timeout = config.heartbeat_interval),
        ("election_timeout", |config| config.election_timeout = u64::MAX),
        ("election_timeout_spread", |config| config.election_timeout_spread = u64::MAX),
        ("lease_drift", |config| (config.check_quorum, config.lease_drift) = (true, Some(1_000_000))),
        ("lease_drift", |config| (config.check_quorum, config.lease_drift) = (true, Some(u32::MAX))),
        ("check_quorum", |config| config.lease_drift = Some(0)),
        ("max_batch_entries", |config| config.max_batch_entries = 0),
        ("max_batch_bytes", |config| config.max_batch_bytes = 0),
        ("max_in_flight_messages", |config| config.max_in_flight_messages = 0),
        ("max_in_flight_bytes", |config| config.max_in_flight_bytes = 0),
        ("max_uncommitted_bytes", |config| config.max_uncommitted_bytes = 0),
        ("max_requests", |config| config.max_requests = 0),
        ("max_chunk_bytes", |config| config.max_chunk_bytes = 0),
    ];
    for (field, invalidate) in invalid {
        let mut config = setup(1);
        invalidate(&mut config);
        let _ = config.lease_duration(); // Must not overflow, even for an invalid configuration.
        let error =
            Raft::new(config, Recovered::default(), Timestamp(0)).expect_err("the configuration is invalid");
        let StartError::Config(error) = error else { panic!("{error}: nothing was recovered") };
        assert_eq!(error.field, field);
        assert_eq!(error.to_string(), format!("{field} must be {}", error.bound));
    }
    // Values just within the bounds are valid.
    let good: [Adjust; 8] = [
        |_| {},
        |config| config.voters = vec![NodeId(9)],
        |config| config.voters = (0..64).map(NodeId).collect(),
        |config| config.directory_ids = vec![(NodeId(1), DirectoryId(7)), (NodeId(3), DirectoryId(7))],
        |config| config.heartbeat_interval = 1,
        |config| config.election_timeout = config.heartbeat_interval + 1,
        |config| (config.check_quorum, config.lease_drift) = (true, Some(999_999)),
        |config| {
            (config.max_batch_entries, config.max_batch_bytes, config.max_chunk_bytes) = (1, 1, 1);
            (config.max_in_flight_messages, config.max_in_flight_bytes, config.max_uncommitted_bytes) =
                (1, 1, 1);
            config.max_requests = 1;
        },
    ];
    for change in good {
        let mut config = setup(1);
        change(&mut config);
        assert_eq!(config.validate(), Ok(()), "{config:?}");
    }
}

#[test]
fn lease_is_the_longest_safe_under_drift() {
    let lease = |lease_drift| Config { lease_drift, ..setup(1) }.lease_duration();
    assert_eq!(lease(None), None);
    assert_eq!(lease(Some(0)), Some(300));
    for drift in [1, 1_000, 100_000, 333_333, 999_999_u32] {
        // The leader's clock is as slow and the voter's as fast as the bound allows: when the lease ends on the one,
        // the election timeout must not have expired on the other.
        let lease = u128::from(lease(Some(drift)).expect("given"));
        let (slow, fast) = (u128::from(1_000_000 - drift), u128::from(1_000_000 + drift));
        assert!(lease * fast <= 300 * slow, "{drift}: {lease}");
        assert!((lease + 1) * fast > 300 * slow, "{drift}: {lease} is shorter than necessary");
    }
}

/// Only servers that have forgotten votes or entries elect a leader that lacks a committed entry. A host can tell that its
/// entries would replace committed ones before it steps them.
#[test]
fn a_message_that_contradicts_what_is_committed_is_told_from_its_near_misses() {
    let mut t = Table::of(3);
    t.elect(2);
    t.deliver_all();
    for command in ["x=1", "x=2", "x=3"] {
        t.propose(2, command);
        t.deliver_all();
    }
    t.heartbeat(2);
    t.deliver_all();
    let before = t.raft(1).clone();
    let (committed, term) = (before.commit_index(), before.term());
    assert!(committed.0 >= 2, "it knows that {committed:?} is committed");
    let next = Term(term.0 + 1);
    let first = LogId { index: Index(1), term: before.log().term_at(Index(1)).unwrap() };
    let contradicts = |sent_in: Term, prev_log: LogId, term: Term| {
        let entries: Entries = [Entry { term, payload: Payload::Noop }].into_iter().collect();
        let (commit_index, context) = (Index(0), MessageContext::default());
        let message = Message::AppendEntries { term: sent_in, prev_log, entries, commit_index, context };
        let (from, to) = (t.replica(3), t.replica(1));
        before.contradicts_committed(&Envelope { cluster: 0, from, to, message })
    };
    assert!(contradicts(next, first, next));
    // The same entry again; another one after what is committed; a leader of a past term; entries that do not follow.
    assert!(!contradicts(next, first, before.log().term_at(Index(2)).unwrap()));
    assert!(!contradicts(next, before.log().last(), next));
    assert!(!contradicts(Term(term.0 - 1), first, next));
    assert!(!contradicts(next, LogId { term: next, ..first }, next));
}
