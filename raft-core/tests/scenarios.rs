//! Scenarios of other implementations' tests that are about a whole protocol: snapshots, identities, limits, leases,
//! forwarding, failing disks. Each test names the scenarios that it answers for; `conformance/scenarios` holds the rest.

mod table;

use raft_core::log::ENTRY_COST;
use raft_core::message::MessageContext;
use raft_core::{
    ConfChange, ConfChangeOp, Config, Configuration, DirectoryId, Effect, Entry, Index, Input, Log, LogId,
    Message, NodeId, Payload, Raft, Recovered, RequestId, Role, SaveId, StartError, Term, Timestamp,
};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use std::sync::Arc;
use table::Table;

/// n1 leads three, and all know.
fn led(change: impl Fn(&mut Config)) -> Table {
    let mut t = Table::with(3, change);
    t.elect(1);
    settle(&mut t, 1);
    t
}

/// Everything arrives, and everybody hears what is committed.
fn settle(t: &mut Table, leader: u64) {
    t.deliver_all();
    for _ in 0..2 {
        t.heartbeat(leader);
        t.deliver_all();
    }
}

/// A leader commits some commands, and all whom it reaches know.
fn commit(t: &mut Table, leader: u64, commands: &[&str]) {
    commands.iter().for_each(|command| t.propose(leader, command));
    settle(t, leader);
}

/// n3 has none of the three commands that n1 has committed with n2, and n1 keeps nothing but their state, up to 4.
fn lagging() -> Table {
    let mut t = led(|config| config.max_chunk_bytes = 4);
    t.cut(3);
    commit(&mut t, 1, &["a=1", "b=2", "c=3"]);
    t.compact(1, 0);
    t.heal();
    t
}

/// n1 learns that n3 lacks what is gone, and sends what it has instead.
fn begin(t: &mut Table) {
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
}

fn in_flight(t: &Table, from: u64, to: u64) -> Vec<&Message> {
    let letters = t.letters.iter().filter(|envelope| (envelope.from.id.0, envelope.to.id.0) == (from, to));
    letters.map(|envelope| &envelope.message).collect()
}

fn is_part(message: &&Message) -> bool {
    matches!(message, Message::InstallSnapshot { .. })
}

/// Where the log of a server begins, and where it ends.
fn kept(t: &Table, id: u64) -> (u64, u64) {
    (t.raft(id).log().compacted().index.0, t.raft(id).last().index.0)
}

fn at(index: u64, term: u64) -> LogId {
    LogId { index: Index(index), term: Term(term) }
}

/// A whole snapshot, in one part.
fn snapshot(t: &Table, term: u64, last: LogId, data: &'static str) -> Message {
    Message::InstallSnapshot {
        term: Term(term),
        chunk: Box::new(raft_core::SnapshotChunk {
            last,
            configuration: Arc::clone(t.raft(1).configuration()),
            size: data.len() as u64,
            offset: 0,
            data: data.into(),
        }),
        context: MessageContext::default(),
    }
}

#[track_caller]
fn agree(t: &Table, a: u64, b: u64) {
    assert_eq!(t.server(a).state, t.server(b).state, "n{a} and n{b}\n{}", t.transcript());
}

#[track_caller]
fn says(t: &Table, line: &str) {
    assert!(t.transcript().lines().any(|known| known == line), "nobody says: {line}\n{}", t.transcript());
}

/// TERM-07.
#[test]
fn nobody_leads_without_having_asked_for_votes() {
    for pre_vote in [false, true] {
        let mut t = Table::with(3, |config| config.pre_vote = pre_vote);
        let mut tables = vec![t.clone()];
        t.time_out(1);
        tables.push(t.clone());
        t.deliver_all();
        tables.push(t);
        for (t, own) in tables.iter().flat_map(|t| [(t, true), (t, false)]) {
            let before = t.raft(1);
            let term = Term(before.term().0 + u64::from(!own));
            let (previous, stamp) = (before.last(), MessageContext::default());
            let append = |entries, commit| Message::AppendEntries {
                term,
                prev_log: previous,
                entries,
                commit_index: commit,
                context: stamp,
            };
            let mut inputs: Vec<Input> = [
                Message::RequestVote { term, last: at(9, 9), transfer: true },
                Message::RequestVoteResponse { term, granted: true },
                Message::PreVoteResponse { term: term.next(), granted: true },
                Message::TimeoutNow { term },
                append(raft_core::Entries::NONE, Index(0)),
                Message::AppendEntriesResponse { term, match_index: Index(0), context: stamp },
                snapshot(t, term.0, at(9, term.0), "z=1"),
            ]
            .into_iter()
            .map(|message| {
                let (from, to) = (t.peer(2), t.peer(1));
                Input::Receive(raft_core::Envelope { cluster: 0, from, to, message })
            })
            .collect();
            inputs.extend([Input::Timer, Input::Saved(SaveId(0)), Input::SaveFailed]);
            for input in inputs {
                let (mut after, mut effects) = (before.clone(), Vec::new());
                let due = before.deadline().expect("always");
                after.step(due, input.clone(), &mut effects);
                let asked = matches!(before.role(), Role::Candidate { .. });
                assert!(
                    !after.is_leader() || before.is_leader() || asked,
                    "{:?} on {input:?}",
                    before.role()
                );
                let campaigns = matches!(after.role(), Role::Candidate { .. } | Role::PreCandidate { .. });
                // A leader that campaigns has made way before: to a later term.
                let made_way = after.term() > before.term();
                assert!(!before.is_leader() || !campaigns || made_way, "a leader on {input:?}");
            }
        }
    }
}

/// ELE-16.
#[test]
fn a_late_yes_to_a_pre_vote_is_no_vote() {
    let mut t = Table::with(5, |config| config.pre_vote = true);
    t.time_out(1);
    (2..=5).for_each(|voter| t.deliver(1, voter));
    t.deliver(2, 1);
    t.deliver(3, 1);
    assert!(matches!(t.raft(1).role(), Role::Candidate { .. }));
    t.deliver(4, 1);
    t.deliver(5, 1);
    assert!(!t.raft(1).is_leader());
    t.deliver(1, 2);
    t.deliver(2, 1);
    assert!(!t.raft(1).is_leader(), "its own vote and one more are two of five");
    t.deliver(1, 3);
    t.deliver(3, 1);
    assert!(t.raft(1).is_leader());
}

/// ELE-23.
#[test]
fn of_seven_any_four_find_a_leader() {
    let mut t = Table::with(7, |config| {
        config.pre_vote = true;
        config.check_quorum = true;
    });
    t.together = true;
    t.quietly(|t| {
        for away in triples(7) {
            t.heal();
            away.iter().for_each(|&id| t.cut(id));
            // Two elections that nobody wins are bad luck; five of them are no luck at all.
            live(t, 3_000);
            let is_leader = |id: &u64| t.raft(*id).is_leader();
            let leaders: Vec<u64> = t.nodes().filter(|id| !away.contains(id)).filter(is_leader).collect();
            assert_eq!(leaders.len(), 1, "without {away:?}");
            assert!(!away.iter().any(is_leader), "one of {away:?} leads without a majority");
        }
        t.heal();
        live(t, 3_000);
        assert!(t.nodes().all(|id| t.raft(id).leader() == t.raft(1).leader()));
    });
}

fn triples(nodes: u64) -> Vec<[u64; 3]> {
    let pairs = (1..=nodes).flat_map(|a| (a + 1..=nodes).map(move |b| (a, b)));
    pairs.flat_map(|(a, b)| (b + 1..=nodes).map(move |c| [a, b, c])).collect()
}

/// Time passes for all; every timer rings when it is due, and every letter arrives at once.
fn live(t: &mut Table, milliseconds: u64) {
    let end = t.server(1).now + milliseconds * table::MS;
    while t.server(1).now < end {
        let left = |id: u64| t.raft(id).deadline().expect("always").0.saturating_sub(t.server(id).now);
        let next = t.nodes().min_by_key(|&id| left(id)).expect("somebody");
        t.fire(next);
        t.deliver_all();
    }
}

/// ELE-25: n4 and n5 see every vote request a second late.
#[test]
fn late_vote_requests_keep_nobody_from_being_elected() {
    let mut t = Table::with(5, |config| config.check_quorum = true);
    t.together = true;
    t.quietly(|t| {
        let late = |t: &Table, number: usize| {
            let asks = matches!(t.letters[number].message, Message::RequestVote { .. });
            asks && t.letters[number].to.id >= NodeId(4)
        };
        for _ in 0..50 {
            let next = t.nodes().min_by_key(|&id| t.raft(id).deadline().expect("always")).expect("somebody");
            t.fire(next);
            while let Some(place) = (0..t.letters.len()).find(|&place| !late(t, place)) {
                t.deliver_at(place);
            }
        }
        let led = t.raft(1).leader().expect("three of five saw every request");
        assert!(t.raft(led.0).is_leader());
        // They come after all, and depose nobody: there is a leader, and it is heard.
        let term = t.raft(led.0).term();
        t.deliver_all();
        live(t, 1_000);
        assert!(t.raft(led.0).is_leader() && t.raft(led.0).term() == term);
    });
}

/// FLT-06: everybody sees two others only, but for n3, who sees all.
#[test]
fn whoever_sees_a_majority_can_lead_the_others() {
    for star in [false, true] {
        let mut t = Table::with(5, |config| (config.pre_vote, config.check_quorum) = (true, true));
        t.together = true;
        t.quietly(|t| {
            [(1, 4), (1, 5), (2, 4), (2, 5)].into_iter().for_each(|(a, b)| t.cut_link(a, b));
            if star {
                [(1, 2), (4, 5)].into_iter().for_each(|(a, b)| t.cut_link(a, b));
            }
            live(t, 5_000);
            let leader = t.nodes().find(|&id| t.raft(id).is_leader()).expect("somebody reaches a majority");
            assert!(!star || leader == 3, "n{leader} reaches no majority");
            let term = t.raft(leader).term();
            t.propose(leader, "a=1");
            live(t, 5_000);
            assert!(t.raft(leader).is_leader() && t.raft(leader).term() == term, "it settles");
            assert!(t.raft(leader).commit_index() == t.raft(leader).last().index, "and works");
        });
    }
}

/// OBS-04.
#[test]
fn a_leader_knows_since_when_nobody_has_confirmed_it() {
    let mut t = led(|_| {});
    settle(&mut t, 1);
    let now = |t: &Table| raft_core::Timestamp(t.server(1).now);
    let confirmed = t.raft(1).leader_confirmed_at(now(&t)).expect("a majority has answered");
    assert!(confirmed <= now(&t));
    // What is on its way for long confirms the time when it left, not the time when it came.
    t.hold(2, 1);
    t.hold(3, 1);
    t.heartbeat(1);
    t.deliver_all();
    let left = now(&t);
    t.elapse(70_000_000);
    assert_eq!(t.raft(1).leader_confirmed_at(now(&t)), Some(confirmed), "nobody has answered");
    t.release(2, 1);
    t.deliver_all();
    assert_eq!(t.raft(1).leader_confirmed_at(now(&t)), Some(left));
    assert_eq!(t.raft(2).leader_confirmed_at(now(&t)), None, "n2 does not lead");
}

/// COM-09.
#[test]
fn an_acknowledgement_of_what_was_never_sent_is_refused_loudly() {
    let mut t = led(|_| {});
    let message = Message::AppendEntriesResponse {
        term: Term(1),
        match_index: Index(7),
        context: MessageContext::default(),
    };
    t.post(2, 1, message);
    let step = std::panic::AssertUnwindSafe(|| t.deliver(2, 1));
    assert!(std::panic::catch_unwind(step).is_err());
}

/// SNP-01, SNP-04, FLO-03.
#[test]
fn who_needs_the_state_gets_no_entries_until_it_has_it() {
    let mut t = lagging();
    begin(&mut t);
    t.propose(1, "d=4");
    assert!(!in_flight(&t, 1, 3).is_empty());
    assert!(in_flight(&t, 1, 3).iter().all(is_part), "{:?}", in_flight(&t, 1, 3));
    while in_flight(&t, 1, 3).first().is_some_and(is_part) {
        t.deliver(1, 3);
        t.deliver_any(3, 1);
    }
    // It goes on after the state, without asking where the logs part.
    let follows = matches!(in_flight(&t, 1, 3)[..], [Message::AppendEntries { prev_log: previous, entries, .. }]
        if *previous == at(4, 1) && entries.len() == 1);
    assert!(follows, "{:?}", in_flight(&t, 1, 3));
    settle(&mut t, 1);
    agree(&t, 1, 3);
    assert_eq!(kept(&t, 3), (4, 5));
}

/// SNP-03: nobody reports; that it begins anew its own answers show.
#[test]
fn a_follower_that_has_lost_its_parts_gets_all_of_them_again() {
    let mut t = lagging();
    begin(&mut t);
    t.deliver(1, 3);
    t.crash(3);
    t.deliver_all();
    t.restart(3);
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    let parts = in_flight(&t, 1, 3);
    assert!(
        matches!(&parts[0], Message::InstallSnapshot { chunk: part, .. } if part.offset == 0),
        "{parts:?}"
    );
    settle(&mut t, 1);
    agree(&t, 1, 3);
}

/// SNP-05, SNP-10.
#[test]
fn a_snapshot_that_is_not_needed_any_more_is_given_up() {
    for trailing in [0, 1] {
        let mut t = led(|config| config.max_chunk_bytes = 4);
        t.hold(1, 3);
        ["a=1", "b=2", "c=3"].into_iter().for_each(|command| t.propose(1, command));
        t.deliver_all();
        t.compact(1, trailing);
        t.heartbeat(1);
        t.deliver_newest(1, 3);
        t.deliver(3, 1);
        assert!(in_flight(&t, 1, 3).last().is_some_and(is_part), "it seems to lack what is only late");
        // What is late arrives, up to where n1's log begins.
        for _ in 0..3 - trailing {
            t.deliver(1, 3);
            t.deliver(3, 1);
        }
        t.propose(1, "d=4");
        t.propose(1, "e=5");
        let newest = in_flight(&t, 1, 3).into_iter().rev().take(2);
        let entries = newest.filter(|message| matches!(message, Message::AppendEntries { .. })).count();
        assert_eq!(entries, 2, "the log serves it, without asking");
        t.release(1, 3);
        settle(&mut t, 1);
        agree(&t, 1, 3);
        assert_eq!((t.raft(3).snapshot(), kept(&t, 3)), (None, (0, 6)), "its log is whole");
    }
}

/// SNP-06.
#[test]
fn an_older_snapshot_than_the_newest_connects_or_a_newer_one_follows() {
    for case in 0..16 {
        let (trailing, silent, answered) = (case / 4, case & 1 == 1, case & 2 == 2);
        let mut t = lagging();
        begin(&mut t);
        if answered {
            t.deliver(1, 3);
            t.deliver(3, 1);
        }
        t.hold(1, 3);
        ["d=4", "e=5"].into_iter().for_each(|command| t.propose(1, command));
        t.deliver_all();
        t.elapse(if silent { 300_000_000 } else { 0 });
        t.compact(1, trailing);
        t.release(1, 3);
        settle(&mut t, 1);
        agree(&t, 1, 3);
        // What it answers for is brought to its end, and the log serves it from there; else it takes the newest.
        let last = t.raft(3).snapshot().expect("it took one").last.index.0;
        assert_eq!(last, if answered && !silent { 4 } else { 6 }, "{trailing} kept, {silent}, {answered}");
    }
}

/// SNP-07, SNP-27.
#[test]
fn a_snapshot_for_nobody_holds_nobody_up_and_is_sent_again() {
    let mut t = lagging();
    begin(&mut t);
    t.lose_all();
    t.cut(3);
    for command in ["d=4", "e=5", "f=6", "g=7"] {
        commit(&mut t, 1, &[command]);
        assert_eq!(t.unanswered(), [] as [&str; 0], "n1 and n2 are enough");
    }
    t.heal();
    t.heartbeat(1);
    t.deliver_all();
    assert_eq!(t.raft(3).last(), t.raft(1).last(), "one heartbeat is enough");
    settle(&mut t, 1);
    agree(&t, 1, 3);
}

/// SNP-09.
#[test]
fn a_snapshot_of_what_is_known_to_be_committed_changes_nothing() {
    let mut t = led(|_| {});
    commit(&mut t, 1, &["a=1", "b=2", "c=3"]);
    for (last, data) in [(2, "a=1"), (3, "a=1 b=2"), (4, "a=1 b=2 c=3")] {
        let (log, commit) = (t.raft(3).log().clone(), t.raft(3).commit_index());
        let message = snapshot(&t, 1, at(last, 1), data);
        t.post(1, 3, message);
        t.deliver(1, 3);
        assert_eq!((t.raft(3).log(), t.raft(3).commit_index(), t.raft(3).snapshot()), (&log, commit, None));
        let answers = in_flight(&t, 3, 1);
        let known = matches!(answers[..], [Message::AppendEntriesResponse { match_index: Index(4), .. }]);
        assert!(known, "{answers:?}");
        t.deliver(3, 1);
    }
}

/// SNP-10.
#[test]
fn a_snapshot_of_what_stands_in_the_log_says_only_that_it_is_committed() {
    let mut t = led(|_| {});
    ["a=1", "b=2", "c=3", "d=4"].into_iter().for_each(|command| t.propose(1, command));
    t.deliver_all();
    assert_eq!((t.raft(3).commit_index(), t.raft(3).last()), (Index(1), at(5, 1)));
    let message = snapshot(&t, 1, at(4, 1), "a=1 b=2 c=3");
    t.post(1, 3, message);
    t.deliver(1, 3);
    assert_eq!((t.raft(3).commit_index(), t.raft(3).snapshot(), kept(&t, 3)), (Index(4), None, (0, 5)));
    assert_eq!(t.server(3).state.commands, ["a=1", "b=2", "c=3"]);
}

/// SNP-11, SNP-33.
#[test]
fn a_deposed_leader_gives_up_its_entries_for_a_snapshot_and_its_clients_know() {
    let mut t = Table::of(3);
    t.elect(3);
    settle(&mut t, 3);
    t.cut(3);
    t.propose(3, "x=1");
    t.propose(3, "y=2");
    t.elect(1);
    commit(&mut t, 1, &["a=1", "b=2"]);
    t.compact(1, 0);
    t.heal();
    settle(&mut t, 1);
    agree(&t, 1, 3);
    assert_eq!(t.server(3).state.commands, ["a=1", "b=2"]);
    assert_eq!((t.raft(3).log().compacted(), t.raft(3).last()), (at(4, 2), at(4, 2)));
    assert_eq!(t.unanswered(), [] as [&str; 0]);
    says(&t, "n3  answers x=1: unknown");
}

/// SNP-33.
#[test]
fn what_was_passed_on_and_is_swallowed_by_a_snapshot_is_answered() {
    let mut t = led(|config| config.forward = true);
    t.propose(3, "f=1");
    t.deliver(3, 1);
    t.lose(1, 3);
    t.deliver(1, 3); // Where it was appended.
    t.cut(3);
    commit(&mut t, 1, &["a=1", "b=2"]);
    t.compact(1, 0);
    t.heal();
    settle(&mut t, 1);
    agree(&t, 1, 3);
    assert_eq!(t.unanswered(), [] as [&str; 0]);
    says(&t, "n3  answers f=1: unknown");
}

/// SNP-13: a leader takes no snapshot. Whoever else hears one from the leader of its term follows, a candidate like
/// everybody; and one that the snapshot does not name has the state and no say.
#[test]
fn a_leader_takes_no_snapshot_and_who_is_not_in_it_has_no_say() {
    let mut t = Table::founded_by(3, 4, |_| {});
    t.elect(1);
    commit(&mut t, 1, &["a=1"]);
    let before = t.raft(1).clone();
    let message = snapshot(&t, 1, at(2, 1), "a=1");
    t.post(2, 1, message.clone());
    t.deliver(2, 1);
    assert_eq!(t.raft(1), &before);

    t.post(1, 4, message);
    t.deliver(1, 4);
    agree(&t, 1, 4);
    let term = t.raft(4).term();
    t.time_out(4);
    assert_eq!((t.raft(4).role(), t.raft(4).term()), (&Role::Follower, term));

    // n3 campaigns in the term that n2 wins.
    t.cut(3);
    t.time_out(3);
    t.elect(2);
    commit(&mut t, 2, &["b=2"]);
    t.compact(2, 0);
    t.heal();
    let candidate = t.raft(3);
    assert!(matches!(candidate.role(), Role::Candidate { .. }) && candidate.term() == t.raft(2).term());
    settle(&mut t, 2);
    assert_eq!((t.raft(3).role(), t.raft(3).leader()), (&Role::Follower, Some(NodeId(2))));
    assert_eq!(t.raft(3).snapshot().expect("it took it").last, at(4, 2));
    agree(&t, 2, 3);
}

/// SNP-14, LOG-04.
#[test]
fn a_compacted_log_knows_the_term_it_begins_after_and_nothing_before() {
    let terms = [1, 1, 2, 2, 5, 6];
    let entry = |term| Entry { term: Term(term), payload: Payload::Noop };
    for keep in 0..=6_u64 {
        let mut log =
            Log::new(Configuration::of([NodeId(1)]), terms[..5].iter().copied().map(entry).collect());
        log.compact(Index(keep.min(5)));
        let compacted = keep.min(5);
        log.append(entry(6));
        assert_eq!((log.compacted().index, log.last()), (Index(compacted), at(6, 6)));
        for index in 0..9_u64 {
            let term = match index {
                _ if index < compacted => None,
                0 => Some(Term(0)),
                _ => terms.get(index as usize - 1).map(|&term| Term(term)),
            };
            assert_eq!(log.term_at(Index(index)), term, "{index} in a log after {compacted}");
            assert_eq!(log.contains(at(index, 0)), index == 0 && compacted == 0, "no term is not term 0");
        }
    }
}

/// SNP-14, PER-05, PER-15: the seam is where it was after a restart, too, and what lies above it alone is applied.
#[test]
fn a_server_goes_on_after_its_snapshot_when_it_restarts() {
    for trailing in 0..=4 {
        let mut t = led(|_| {});
        commit(&mut t, 1, &["a=1", "b=2", "c=3"]);
        t.compact(3, trailing);
        commit(&mut t, 1, &["d=4"]);
        let log = t.raft(3).log().clone();
        assert_eq!(kept(&t, 3), (4 - trailing, 5));
        t.crash(3);
        t.restart(3);
        assert_eq!(t.raft(3).log(), &log);
        assert_eq!((t.raft(3).commit_index(), t.raft(3).last_applied()), (Index(4), Index(4)));
        assert_eq!(t.server(3).state.commands, ["a=1", "b=2", "c=3"]);
        settle(&mut t, 1);
        agree(&t, 1, 3);
    }
}

/// SNP-15.
#[test]
fn nobody_has_a_state_of_what_was_not_applied() {
    let mut t = led(|_| {});
    t.slow_disk(2);
    commit(&mut t, 1, &["a=1", "b=2"]);
    assert_eq!((t.raft(2).commit_index(), t.raft(2).last_applied()), (Index(3), Index(1)));
    for index in 2..9 {
        let before = t.raft(2).clone();
        t.hand_over(2, Index(index), b"a=1", Index(index));
        assert_eq!(t.raft(2), &before);
    }
    t.sync(2);
    t.compact(2, 0);
    t.sync(2);
    for index in 0..=3 {
        let before = t.raft(2).clone();
        t.hand_over(2, Index(index), b"old", Index(index));
        assert_eq!(t.raft(2), &before, "there is a newer one");
    }
}

/// SNP-16.
#[test]
fn wherever_the_log_begins_a_slow_follower_catches_up() {
    let commands = ["a=1", "b=2", "c=3", "d=4", "e=5"];
    for (had, trailing, elects) in
        (0..=5).flat_map(|had| (0..=6).flat_map(move |keep| [(had, keep, false), (had, keep, true)]))
    {
        let mut t = led(|config| config.max_in_flight_messages = 2);
        t.quietly(|t| {
            commit(t, 1, &commands[..had]);
            t.cut(3);
            commit(t, 1, &commands[had..]);
            let leader = if elects { 2 } else { 1 };
            if elects {
                t.elect(2);
            }
            // It has asked n3 before, and got no answer.
            t.heartbeat(leader);
            t.deliver_all();
            t.compact(leader, trailing);
            t.heal();
            settle(t, leader);
            settle(t, leader);
            agree(t, leader, 3);
        });
    }
}

/// Whoever has applied ten entries since its newest snapshot makes one, and keeps nothing.
fn compact_by_tens(t: &mut Table) {
    for id in t.nodes().filter(|&id| t.is_up(id)).collect::<Vec<_>>() {
        if t.server(id).state.applied.0 >= t.raft(id).log().compacted().index.0 + 10 {
            t.compact(id, 0);
        }
    }
}

/// No log is longer than what makes a snapshot due, and a little that is on its way.
#[track_caller]
fn logs_are_short(t: &Table) {
    for id in t.nodes().filter(|&id| t.is_up(id)) {
        let (compacted, last) = kept(t, id);
        assert!(last - compacted <= 14, "n{id} keeps {compacted}..{last}");
    }
}

/// SNP-17, SNP-19.
#[test]
fn with_snapshots_by_tens_no_log_grows_and_who_was_away_catches_up() {
    let leaves: [fn(&mut Table); 3] = [|_| {}, |t| t.cut(3), |t| t.power_loss(3)];
    for leave in leaves {
        let mut t = led(|config| config.max_chunk_bytes = 16);
        t.quietly(|t| {
            for number in 0..90 {
                if number == 20 {
                    leave(t);
                }
                if number == 60 {
                    t.heal();
                    if !t.is_up(3) {
                        t.restart(3);
                    }
                }
                t.propose(1, &format!("k={number}"));
                settle(t, 1);
                compact_by_tens(t);
                logs_are_short(t);
            }
            settle(t, 1);
            agree(t, 1, 2);
            agree(t, 1, 3);
            assert_eq!(t.server(3).state.commands.len(), 90);
        });
    }
}

/// SNP-18: one letter of so many is lost, and the others overtake each other.
#[test]
fn with_snapshots_by_tens_and_loss_and_delay_who_was_away_catches_up() {
    for (every, crashes) in (2..=5).flat_map(|every| [(every, false), (every, true)]) {
        let mut t = led(|config| config.max_chunk_bytes = 16);
        t.quietly(|t| {
            let mut chance = SplitMix64::seed_from_u64(every);
            let mut pass = |t: &mut Table| {
                t.heartbeat(1);
                while !t.letters.is_empty() {
                    t.pause(1, 1);
                    let place = chance.next_u64() as usize % t.letters.len();
                    if chance.next_u64() % every == 0 {
                        t.letters.remove(place);
                    } else {
                        t.deliver_at(place);
                    }
                }
            };
            for number in 0..50 {
                match number {
                    10 if crashes => t.power_loss(3),
                    10 => t.cut(3),
                    40 if crashes => t.restart(3),
                    40 => t.heal(),
                    _ => {}
                }
                t.propose(1, &format!("k={number}"));
                let mut rounds = 0;
                while t.server(1).state.applied < t.raft(1).last().index {
                    pass(t);
                    rounds += 1;
                    assert!(rounds < 60, "{number} does not commit, one of {every} being lost");
                }
                compact_by_tens(t);
                let (compacted, last) = kept(t, 1);
                assert!(last - compacted <= 14, "n1 keeps {compacted}..{last}");
            }
            let mut rounds = 0;
            while [2, 3].into_iter().any(|id| t.server(id).state != t.server(1).state) {
                pass(t);
                rounds += 1;
                assert!(rounds < 1_000, "somebody stays behind, one of {every} being lost");
            }
        });
    }
}

/// SNP-20.
#[test]
fn reads_of_a_quorum_with_whoever_lagged_behind_see_everything() {
    let mut t = lagging();
    settle(&mut t, 1);
    t.cut(3);
    commit(&mut t, 1, &["d=4", "e=5"]);
    t.compact(1, 0);
    t.compact(2, 0);
    t.power_loss(1);
    t.heal();
    // The next quorum is n2, which has no log any more, and n3, which has not heard of the last two.
    t.elect(2);
    t.read(2, "r1");
    settle(&mut t, 2);
    agree(&t, 2, 3);
    t.restart(1);
    t.power_loss(2);
    t.elect(3);
    t.read(3, "r2");
    settle(&mut t, 3);
    assert_eq!(t.unanswered(), [] as [&str; 0], "{}", t.transcript());
    assert_eq!(t.server(3).state.commands, ["a=1", "b=2", "c=3", "d=4", "e=5"]);
    agree(&t, 1, 3);
}

/// SNP-21.
#[test]
fn while_a_state_is_copied_the_log_goes_on() {
    let mut t = led(|_| {});
    commit(&mut t, 1, &["a=1"]);
    t.copy_state(1);
    commit(&mut t, 1, &["b=2", "c=3"]);
    assert_eq!(t.unanswered(), [] as [&str; 0]);
    t.compact(1, 0);
    assert_eq!(t.raft(1).snapshot().expect("just made").last, at(2, 1));
    assert_eq!(kept(&t, 1), (2, 4), "what has come meanwhile stays");
    t.power_loss(1);
    t.restart(1);
    t.elect(1);
    settle(&mut t, 1);
    assert_eq!(t.server(1).state.commands, ["a=1", "b=2", "c=3"]);
}

/// SNP-25, MEM-24, MEM-26.
#[test]
fn every_group_survives_snapshots_restarts_and_installs() {
    let (learner, voter) = (ConfChangeOp::AddLearner(NodeId(4)), ConfChangeOp::AddVoter(NodeId(5)));
    let changes = [
        ConfChange::Auto(vec![learner]),
        ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(4))]),
        ConfChange::ExplicitJoint(vec![ConfChangeOp::AddVoter(NodeId(4)), voter]),
        ConfChange::ExplicitJoint(vec![
            learner,
            voter,
            ConfChangeOp::AddLearner(NodeId(3)),
            ConfChangeOp::Remove(NodeId(2)),
        ]),
        ConfChange::Auto(vec![ConfChangeOp::SetDirectoryId(NodeId(4), DirectoryId(0)), learner]),
    ];
    for change in changes {
        let mut t = Table::founded_by(3, 5, |_| {});
        t.elect(1);
        settle(&mut t, 1);
        t.cut(3);
        t.change(1, change.clone());
        settle(&mut t, 1);
        let group = t.raft(1).configuration().clone();
        assert_eq!(*group, t.watch.founding.after(&change).expect("it fits"));
        // The second one has no word of the group in the log that it stands for.
        for command in ["a=1", "b=2"] {
            commit(&mut t, 1, &[command]);
            t.compact(1, 0);
            assert_eq!(t.raft(1).snapshot().expect("just made").configuration, group);
            assert_eq!(t.raft(1).configuration(), &group);
        }
        t.power_loss(1);
        t.restart(1);
        assert_eq!(t.raft(1).configuration(), &group);
        t.elect(1);
        t.heal();
        settle(&mut t, 1);
        assert_eq!(t.raft(3).snapshot().expect("it took it").configuration, group);
        assert_eq!(t.raft(3).configuration(), &group);
    }
}

/// SNP-31: no log is ever without its beginning and without a snapshot.
#[test]
fn power_lost_around_a_compaction_leaves_the_log_or_the_snapshot() {
    for synced in [false, true] {
        let mut t = led(|_| {});
        commit(&mut t, 1, &["a=1", "b=2"]);
        t.slow_disk(1);
        t.compact(1, 0);
        if synced {
            t.sync(1);
        }
        t.power_loss(1);
        t.restart(1);
        t.fast_disk(1);
        let snapshot = t.raft(1).snapshot().map(|snapshot| snapshot.last.index.0);
        assert_eq!((snapshot, kept(&t, 1)), if synced { (Some(3), (3, 3)) } else { (None, (0, 3)) });
        t.elect(1);
        settle(&mut t, 1);
        assert_eq!(t.server(1).state.commands, ["a=1", "b=2"]);
    }
}

/// SNP-32, REG-16.
#[test]
fn a_snapshot_is_taken_before_what_follows_and_not_before_it_is_durable() {
    let mut t = led(|_| {});
    t.slow_disk(3);
    commit(&mut t, 1, &["a=1"]);
    assert_eq!(
        (t.raft(3).commit_index(), t.raft(3).last_applied()),
        (Index(2), Index(1)),
        "it waits for the disk"
    );
    t.cut(3);
    commit(&mut t, 1, &["b=2", "c=3"]);
    t.compact(1, 0);
    t.heal();
    settle(&mut t, 1);
    commit(&mut t, 1, &["d=4"]);
    assert_eq!(t.raft(3).snapshot().expect("it took it").last, at(4, 1));
    t.sync_one(3);
    assert_eq!(t.server(3).state.applied, Index(1), "what was to be applied is in the snapshot");
    let before = t.raft(3).clone();
    for index in 1..=5 {
        t.hand_over(3, Index(index), b"a=1", Index(index));
        assert_eq!(t.raft(3), &before, "nobody has that state yet");
    }
    t.fast_disk(3);
    settle(&mut t, 1);
    agree(&t, 1, 3);
    let applies = t.transcript().lines().filter(|line| line.starts_with("n3  applies"));
    assert_eq!(applies.collect::<Vec<_>>(), ["n3  applies 1@1 noop", "n3  applies 5@1 d=4"]);
}

/// SNP-35, LRN-06.
#[test]
fn whoever_takes_a_snapshot_is_what_it_says() {
    let mut t = Table::founded_by(3, 4, |_| {});
    t.elect(1);
    settle(&mut t, 1);
    let mut tell = |id: u64, step: ConfChangeOp, command: &str| {
        t.cut(id);
        t.change_steps(1, &[step]);
        commit(&mut t, 1, &[command]);
        t.compact(1, 0);
        t.heal();
        settle(&mut t, 1);
        agree(&t, 1, id);
        assert_eq!(t.raft(id).snapshot().expect("it took it").last.index, t.raft(1).last().index);
        let (group, term) = (t.raft(id).configuration().clone(), t.raft(id).term());
        let mut asks = t.clone();
        asks.time_out(id);
        (group.learners.clone(), asks.raft(id).term() > term)
    };
    assert_eq!(
        tell(4, ConfChangeOp::AddLearner(NodeId(4)), "a=1"),
        (vec![NodeId(4)], false),
        "a learner stays one"
    );
    assert_eq!(tell(3, ConfChangeOp::AddLearner(NodeId(3)), "b=2"), (vec![NodeId(3), NodeId(4)], false));
    assert_eq!(tell(3, ConfChangeOp::AddVoter(NodeId(3)), "c=3"), (vec![NodeId(4)], true));
    t.elect(3);
}

/// REP-25, MEM-18.
#[test]
fn a_server_with_an_emptied_disk_is_another_one() {
    let mut t = led(|config| {
        config.directory_id = DirectoryId(config.id.0);
        config.directory_ids = config.voters.iter().map(|&voter| (voter, DirectoryId(voter.0))).collect();
    });
    commit(&mut t, 1, &["a=1"]);
    t.power_loss(3);
    t.wipe(3);
    t.restart(3);
    // n1 and what was n3 are no majority: neither for an entry nor for a leader.
    t.cut(2);
    commit(&mut t, 1, &["b=2"]);
    assert_eq!((t.raft(1).commit_index(), t.raft(3).last()), (Index(2), at(0, 0)));
    t.time_out(2);
    t.heal();
    t.cut(1);
    t.time_out(2);
    t.deliver_all();
    assert!(!t.raft(2).is_leader());
    assert_eq!((t.raft(3).vote(), t.raft(3).term()), (None, Term(0)));
    t.heal();
    t.heartbeat(1);
    t.deliver_all(); // n2's campaigns have made its term a later one.
    t.elect(1);
    settle(&mut t, 1);
    // It may join again, once it is clear that the other life is over.
    let joins =
        [ConfChangeOp::SetDirectoryId(NodeId(3), DirectoryId(103)), ConfChangeOp::AddVoter(NodeId(3))];
    let before = t.raft(1).configuration().clone();
    t.change_steps(1, &joins);
    assert_eq!(t.raft(1).configuration(), &before);
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(3))]);
    settle(&mut t, 1);
    t.change_steps(1, &joins);
    settle(&mut t, 1);
    agree(&t, 1, 3);
    t.cut(2);
    commit(&mut t, 1, &["c=3"]);
    assert_eq!(t.raft(1).commit_index(), t.raft(1).last().index, "now it counts");
}

/// FLO-08.
#[test]
fn a_leader_without_a_majority_takes_so_much_and_no_more() {
    let mut t = led(|config| config.max_uncommitted_bytes = 2 * ENTRY_COST + 8);
    t.cut(1);
    t.propose(1, "aaaa");
    t.propose(1, "bbbb");
    t.propose(1, "c");
    says(&t, "n1  answers c: refused: too much is uncommitted");
    t.propose(1, "");
    says(&t, "n1  answers : refused: too much is uncommitted");
    t.change_steps(1, &[ConfChangeOp::AddLearner(NodeId(2))]);
    assert_eq!(t.raft(1).last(), at(4, 1), "only commands are counted, and empty ones are");
    t.heal();
    settle(&mut t, 1);
    assert_eq!(t.raft(1).commit_index(), t.raft(1).last().index);
    // One that is larger than the limit goes alone.
    let large = "d".repeat(2 * ENTRY_COST as usize);
    t.propose(1, &large);
    t.propose(1, "e");
    says(&t, "n1  answers e: refused: too much is uncommitted");
    assert_eq!(t.raft(1).last(), at(5, 1));
}

/// FLO-09.
#[test]
fn what_is_committed_is_given_back_once() {
    let mut t = led(|config| {
        config.max_uncommitted_bytes = ENTRY_COST + 8;
        config.max_batch_entries = 2;
    });
    for command in ["aaaaaaaa", "bbbbbbbb"] {
        t.propose(1, command);
        let refused = format!("{command}-more");
        t.propose(1, &refused);
        says(&t, &format!("n1  answers {refused}: refused: too much is uncommitted"));
        settle(&mut t, 1);
        says(&t, &format!("n1  answers {command}: applied at {}", t.raft(1).last().index));
    }
    // n2 alone has what n1 could not commit any more, and n1 is gone.
    t.propose(1, "cccccccc");
    t.deliver(1, 2);
    t.power_loss(1);
    t.lose_all();
    t.time_out(2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    assert!(t.raft(2).is_leader());
    // What it has inherited it never took in, so there is room; and what that commits gives nothing back.
    t.propose(2, "dddddddd");
    assert_eq!(t.raft(2).last(), at(6, 2));
    t.propose(2, "e");
    says(&t, "n2  answers e: refused: too much is uncommitted");
    t.deliver(2, 3);
    t.deliver(3, 2); // n3 lacks 4, 5 and 6, and two fit into a message.
    t.deliver(2, 3);
    t.deliver(3, 2);
    assert_eq!(t.raft(2).commit_index(), Index(5), "its own first entry, and what it inherited");
    t.propose(2, "f");
    says(&t, "n2  answers f: refused: too much is uncommitted");
    settle(&mut t, 2);
    t.propose(2, "gggggggg");
    assert_eq!(t.raft(2).last(), at(7, 2));
}

/// PRO-12, PER-21.
#[test]
fn a_server_whose_disk_has_failed_says_so_and_nothing_else() {
    let mut t = led(|_| {});
    t.slow_disk(1);
    t.read(1, "r1");
    t.propose(1, "a=1");
    t.fail_disk(1);
    says(&t, "n1  answers a=1: unknown");
    says(&t, "n1  answers r1: not the leader");
    t.propose(1, "b=2");
    t.read(1, "r2");
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(2))]);
    t.transfer(1, 2);
    for name in ["b=2", "r2", "remove n2", "transfer to n2"] {
        says(&t, &format!("n1  answers {name}: refused: this server's disk has failed"));
    }
    assert_eq!(t.raft(1).deadline(), None, "it does nothing of its own accord");
    t.letters.retain(|envelope| envelope.to.id == NodeId(1));
    t.elect(2);
    t.sync(1);
    settle(&mut t, 2);
    let (silent, applied) = (in_flight(&t, 1, 2).is_empty(), t.server(1).state.applied);
    assert!(silent && applied == Index(1), "{applied}");
    // A restart reads what is really there.
    t.power_loss(1);
    t.restart(1);
    t.fast_disk(1);
    settle(&mut t, 2);
    agree(&t, 1, 2);
}

/// PER-21.
#[test]
fn a_follower_whose_disk_has_failed_acknowledges_nothing() {
    let mut t = led(|_| {});
    t.slow_disk(3);
    t.propose(1, "a=1");
    t.deliver(1, 3);
    t.fail_disk(3);
    t.deliver_all();
    settle(&mut t, 1);
    assert!(t.raft(3).is_halted() && t.raft(3).last_applied() == Index(1));
    assert_eq!(t.unanswered(), [] as [&str; 0], "the others are enough");
    assert!(!t.transcript().contains("n3 -> n1  AppendEntriesResponse term 1 matched 2"));
    t.power_loss(3);
    t.restart(3);
    assert_eq!(t.raft(3).last(), at(1, 1));
    t.fast_disk(3);
    settle(&mut t, 1);
    agree(&t, 1, 3);
}

/// RDX-08, OBS-04: the lease counts from when the question left, not from when the answer came.
#[test]
fn a_leader_with_a_lease_reads_at_once_and_without_one_asks() {
    let mut t = Table::with(3, |config| {
        config.check_quorum = true;
        config.lease_drift = Some(100_000);
    });
    t.together = true;
    t.elect(1);
    settle(&mut t, 1);
    // 300 ms by the slowest of clocks are 245 ms by the fastest.
    for (answered, read, leased) in
        [(0, 0, true), (0, 245, true), (200, 45, true), (0, 246, false), (200, 46, false)]
    {
        let mut t = t.clone();
        t.heartbeat(1);
        t.deliver(1, 2);
        t.deliver(1, 3);
        t.pause(1, answered);
        t.deliver_all();
        t.pause(1, read);
        t.read(1, "r");
        assert_eq!(t.letters.is_empty(), leased, "{answered} and {read} ms after");
        t.deliver_all();
        says(&t, if leased { "n1  serves r at 1 by its lease" } else { "n1  serves r at 1" });
    }
}

/// RDX-09.
#[test]
fn leases_without_check_quorum_are_refused() {
    let compacted = Config::new(NodeId(1), vec![NodeId(1)]);
    for (check_quorum, pre_vote) in [(true, true), (true, false), (false, true), (false, false)] {
        let config = Config { check_quorum, pre_vote, lease_drift: Some(500), ..compacted.clone() };
        let error = Raft::new(config, Recovered::default(), Timestamp(0)).err();
        match error {
            Some(StartError::Config(error)) => {
                assert_eq!((error.field, check_quorum), ("check_quorum", false))
            }
            other => assert!(other.is_none() && check_quorum, "{other:?}"),
        }
    }
}

/// RDX-12: two reads under one name are two reads.
#[test]
fn two_reads_under_one_name_are_both_answered_safely() {
    let mut t = led(|_| {});
    let (mut raft, mut effects) = (t.raft(1).clone(), Vec::new());
    let now = Timestamp(t.server(1).now);
    let read = Input::Read { request: RequestId(7) };
    let served = |effects: &[Effect]| {
        effects
            .iter()
            .filter(|effect| matches!(effect, Effect::ReadNow { request: RequestId(7), .. }))
            .count()
    };
    raft.step(now, read.clone(), &mut effects);
    raft.step(now, read, &mut effects);
    for answered in 1..=2 {
        let round = MessageContext { round: answered, sent_at: now };
        let message = Message::AppendEntriesResponse { term: Term(1), match_index: Index(1), context: round };
        t.post(2, 1, message);
        let envelope = t.letters.pop_back().expect("just posted");
        raft.step(now, Input::Receive(envelope), &mut effects);
        assert_eq!(served(&effects), answered as usize, "each after a round of its own");
    }
}

/// COM-18, RDX-14.
#[test]
fn what_a_leader_says_of_a_read_commits_nothing_here() {
    let mut t = Table::with(3, |config| config.forward = true);
    t.elect(2);
    settle(&mut t, 2);
    t.cut(2);
    t.propose(2, "x=1");
    t.elect(1);
    commit(&mut t, 1, &["a=1"]);
    // n2 hears of its leader, and has another entry at 2 than it.
    t.heal();
    t.hold(1, 2);
    let (previous, stamp) = (t.raft(1).last(), MessageContext::default());
    let (entries, commit) = (raft_core::Entries::NONE, t.raft(1).commit_index());
    t.post(
        1,
        2,
        Message::AppendEntries {
            term: Term(2),
            prev_log: previous,
            entries,
            commit_index: commit,
            context: stamp,
        },
    );
    t.deliver(1, 2);
    t.lose(2, 1);
    t.read(2, "r");
    t.deliver_all();
    let is_answer =
        |envelope: &raft_core::Envelope| matches!(envelope.message, Message::ForwardResponse { .. });
    let place = t.letters.iter().position(is_answer).expect("n1's word");
    t.deliver_at(place);
    assert_eq!((t.raft(2).last(), t.raft(2).commit_index()), (at(2, 1), Index(1)));
    assert_eq!(t.unanswered(), ["r"]);
    t.release(1, 2);
    settle(&mut t, 1);
    says(&t, "n2  serves r at 3 by its leader's word");
}

/// PRO-02, PRO-03.
#[test]
fn a_follower_passes_proposals_on_where_its_host_wants_that() {
    for forward in [true, false] {
        let mut t = Table::with(3, |config| config.forward = forward);
        t.propose(2, "early");
        says(&t, "n2  answers early: not the leader");
        t.elect(1);
        settle(&mut t, 1);
        t.propose(2, "a=1");
        settle(&mut t, 1);
        let answer = if forward { "applied at 2" } else { "not the leader, perhaps n1 is" };
        says(&t, &format!("n2  answers a=1: {answer}"));
        for id in 1..=3 {
            assert_eq!(t.server(id).state.commands.len(), usize::from(forward), "n{id}");
        }
    }
}

/// PRO-09: whoever has a batch proposes one by one.
#[test]
fn proposals_take_adjacent_places_and_are_answered_in_order() {
    let mut t = led(|_| {});
    commit(&mut t, 1, &["a=1", "b=2", "c=3"]);
    let answers: Vec<&str> = t.transcript().lines().filter(|line| line.starts_with("n1  answers")).collect();
    let should = ["a=1: applied at 2", "b=2: applied at 3", "c=3: applied at 4"];
    assert_eq!(answers, should.map(|answer| format!("n1  answers {answer}")));
}

/// INV-12.
#[test]
fn a_voter_may_know_more_committed_than_whom_it_has_voted_for_has() {
    let mut t = Table::of(5);
    t.time_out(1);
    t.time_out(2);
    t.deliver(1, 3);
    t.cut(1);
    t.letters.retain(|envelope| envelope.from.id != NodeId(1) && envelope.to.id != NodeId(1));
    t.deliver_all();
    assert!(t.raft(2).is_leader());
    commit(&mut t, 2, &["a=1"]);
    let voter = t.raft(3);
    assert_eq!((voter.vote(), voter.term(), voter.commit_index()), (Some(NodeId(1)), Term(1), Index(2)));
    assert_eq!((t.raft(1).term(), t.raft(1).last()), (Term(1), at(0, 0)));
}
