//! Scenarios of other implementations' tests that need a whole cluster: snapshots, directory ids, limits, leases,
//! forwarding, failing disks. Each test names the scenarios that it covers; `conformance/scenarios` lists all of them.

use crate::table::Table;
use raft_core::{
    ConfChange, ConfChangeOp, Config, Configuration, DirectoryId, ENTRY_COST, Effect, Entry, Index, Input,
    Log, LogId, Message, MessageContext, NodeId, Payload, Raft, ReadKey, Recovered, RequestId, Role, SaveId,
    StartError, Term, Timestamp,
};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use std::sync::Arc;

/// A cluster of three, led by n1; all know the commit index.
fn led(change: impl Fn(&mut Config)) -> Table {
    let mut t = Table::with(3, change);
    t.elect(1);
    settle(&mut t, 1);
    t
}

/// Delivers everything, and then heartbeats with the commit index.
fn settle(t: &mut Table, leader: u64) {
    t.deliver_all();
    for _ in 0..2 {
        t.heartbeat(leader);
        t.deliver_all();
    }
}

/// A leader commits some commands, and all servers that it reaches know.
fn commit(t: &mut Table, leader: u64, commands: &[&str]) {
    commands.iter().for_each(|command| t.propose(leader, command));
    settle(t, leader);
}

/// n3 has none of the three commands that n1 has committed with n2; n1 has compacted its log up to 4.
fn lagging() -> Table {
    let mut t = led(|config| config.max_chunk_bytes = 4);
    t.cut(3);
    commit(&mut t, 1, &["a=1", "b=2", "c=3"]);
    t.compact(1, 0);
    t.heal();
    t
}

/// n1 learns that n3 lacks compacted entries, and starts to send the snapshot.
fn start_snapshot_transfer(t: &mut Table) {
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
}

fn in_flight(t: &Table, from: u64, to: u64) -> Vec<&Message> {
    let messages = t.messages.iter().filter(|envelope| (envelope.from.id.0, envelope.to.id.0) == (from, to));
    messages.map(|envelope| &envelope.message).collect()
}

fn is_chunk(message: &&Message) -> bool {
    matches!(message, Message::InstallSnapshot { .. })
}

/// The compacted index and the last index of a server's log.
fn log_range(t: &Table, id: u64) -> (u64, u64) {
    (t.raft(id).log().compacted().index.0, t.raft(id).last().index.0)
}

fn at(index: u64, term: u64) -> LogId {
    LogId { index: Index(index), term: Term(term) }
}

/// A whole snapshot in one chunk.
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
fn assert_same_state(t: &Table, a: u64, b: u64) {
    assert_eq!(t.server(a).state, t.server(b).state, "n{a} and n{b}\n{}", t.transcript());
}

#[track_caller]
fn assert_transcript_has(t: &Table, line: &str) {
    assert!(
        t.transcript().lines().any(|known| known == line),
        "the transcript has no line {line}\n{}",
        t.transcript()
    );
}

/// TERM-07.
#[test]
fn only_candidates_become_leaders() {
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
            let (previous, context) = (before.last(), MessageContext::default());
            let append = |entries, commit| Message::AppendEntries {
                term,
                prev_log: previous,
                entries,
                commit_index: commit,
                context,
            };
            let mut inputs: Vec<Input> = [
                Message::RequestVote { term, last: at(9, 9), transfer: true },
                Message::RequestVoteResponse { term, granted: true },
                Message::PreVoteResponse { term: term.next(), granted: true },
                Message::TimeoutNow { term },
                append(raft_core::Entries::NONE, Index(0)),
                Message::AppendEntriesResponse { term, match_index: Index(0), context },
                snapshot(t, term.0, at(9, term.0), "z=1"),
            ]
            .into_iter()
            .map(|message| {
                let (from, to) = (t.replica(2), t.replica(1));
                Input::Receive(raft_core::Envelope { cluster: 0, from, to, message })
            })
            .collect();
            inputs.extend([Input::Timer, Input::Saved(SaveId(0)), Input::SaveFailed]);
            for input in inputs {
                let (mut after, mut effects) = (before.clone(), Vec::new());
                let due = before.deadline().expect("a running server has a deadline");
                after.step(due, input.clone(), &mut effects);
                let is_candidate = matches!(before.role(), Role::Candidate { .. });
                assert!(
                    !after.is_leader() || before.is_leader() || is_candidate,
                    "{:?} on {input:?}",
                    before.role()
                );
                let campaigns = matches!(after.role(), Role::Candidate { .. } | Role::PreCandidate { .. });
                // A leader that campaigns has advanced its term first.
                let advanced_term = after.term() > before.term();
                assert!(
                    !before.is_leader() || !campaigns || advanced_term,
                    "a leader campaigned in its term on {input:?}"
                );
            }
        }
    }
}

/// ELE-16.
#[test]
fn late_pre_vote_does_not_count_as_vote() {
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
fn any_four_of_seven_elect_a_leader() {
    let mut t = Table::with(7, |config| {
        config.pre_vote = true;
        config.check_quorum = true;
    });
    t.shared_time = true;
    t.quietly(|t| {
        for away in triples(7) {
            t.heal();
            away.iter().for_each(|&id| t.cut(id));
            // Up to four split votes in a row are tolerated; 3 s allow five elections.
            run_for(t, 3_000);
            let is_leader = |id: &u64| t.raft(*id).is_leader();
            let leaders: Vec<u64> = t.nodes().filter(|id| !away.contains(id)).filter(is_leader).collect();
            assert_eq!(leaders.len(), 1, "exactly one leader without {away:?}");
            assert!(!away.iter().any(is_leader), "one of {away:?} leads without a majority");
        }
        t.heal();
        run_for(t, 3_000);
        assert!(t.nodes().all(|id| t.raft(id).leader() == t.raft(1).leader()));
    });
}

fn triples(nodes: u64) -> Vec<[u64; 3]> {
    let pairs = (1..=nodes).flat_map(|a| (a + 1..=nodes).map(move |b| (a, b)));
    pairs.flat_map(|(a, b)| (b + 1..=nodes).map(move |c| [a, b, c])).collect()
}

/// Lets time pass for all servers; timers fire when due, and every message arrives at once.
fn run_for(t: &mut Table, milliseconds: u64) {
    let end = t.server(1).now + milliseconds * crate::table::MS;
    while t.server(1).now < end {
        let left = |id: u64| {
            t.raft(id).deadline().expect("a running server has a deadline").0.saturating_sub(t.server(id).now)
        };
        let next = t.nodes().min_by_key(|&id| left(id)).expect("the table has a server that is up");
        t.fire(next);
        t.deliver_all();
    }
}

/// ELE-25: vote requests reach n4 and n5 late.
#[test]
fn late_vote_requests_do_not_prevent_election() {
    let mut t = Table::with(5, |config| config.check_quorum = true);
    t.shared_time = true;
    t.quietly(|t| {
        let late = |t: &Table, number: usize| {
            let asks = matches!(t.messages[number].message, Message::RequestVote { .. });
            asks && t.messages[number].to.id >= NodeId(4)
        };
        for _ in 0..50 {
            let next = t
                .nodes()
                .min_by_key(|&id| t.raft(id).deadline().expect("a running server has a deadline"))
                .expect("the table has a server that is up");
            t.fire(next);
            while let Some(position) = (0..t.messages.len()).find(|&position| !late(t, position)) {
                t.deliver_at(position);
            }
        }
        let led =
            t.raft(1).leader().expect("three of five received every request, so there must be a leader");
        assert!(t.raft(led.0).is_leader());
        // The late requests arrive and depose no one, since the voters have contact with a leader.
        let term = t.raft(led.0).term();
        t.deliver_all();
        run_for(t, 1_000);
        assert!(t.raft(led.0).is_leader() && t.raft(led.0).term() == term);
    });
}

/// FLT-06: each server reaches only two others, except n3, which reaches all.
#[test]
fn server_that_reaches_a_majority_can_lead() {
    for star in [false, true] {
        let mut t = Table::with(5, |config| (config.pre_vote, config.check_quorum) = (true, true));
        t.shared_time = true;
        t.quietly(|t| {
            [(1, 4), (1, 5), (2, 4), (2, 5)].into_iter().for_each(|(a, b)| t.cut_link(a, b));
            if star {
                [(1, 2), (4, 5)].into_iter().for_each(|(a, b)| t.cut_link(a, b));
            }
            run_for(t, 5_000);
            let leader = t
                .nodes()
                .find(|&id| t.raft(id).is_leader())
                .expect("a server that reaches a majority must lead");
            assert!(!star || leader == 3, "n{leader} leads, but reaches no majority");
            let term = t.raft(leader).term();
            t.propose(leader, "a=1");
            run_for(t, 5_000);
            assert!(t.raft(leader).is_leader() && t.raft(leader).term() == term, "the leader must stay");
            assert!(t.raft(leader).commit_index() == t.raft(leader).last().index, "the leader must commit");
        });
    }
}

/// OBS-04.
#[test]
fn leader_knows_when_it_was_last_confirmed() {
    let mut t = led(|_| {});
    settle(&mut t, 1);
    let now = |t: &Table| raft_core::Timestamp(t.server(1).now);
    let confirmed = t.raft(1).leader_confirmed_at(now(&t)).expect("a majority has responded");
    assert!(confirmed <= now(&t));
    // A late response confirms the time at which the request was sent, not the time at which the response arrived.
    t.hold(2, 1);
    t.hold(3, 1);
    t.heartbeat(1);
    t.deliver_all();
    let left = now(&t);
    t.elapse(70_000_000);
    assert_eq!(t.raft(1).leader_confirmed_at(now(&t)), Some(confirmed), "no response has arrived");
    t.release(2, 1);
    t.deliver_all();
    assert_eq!(t.raft(1).leader_confirmed_at(now(&t)), Some(left));
    assert_eq!(t.raft(2).leader_confirmed_at(now(&t)), None, "n2 does not lead");
}

/// COM-09.
#[test]
fn acknowledgement_beyond_the_log_panics() {
    let mut t = led(|_| {});
    let message = Message::AppendEntriesResponse {
        term: Term(1),
        match_index: Index(7),
        context: MessageContext::default(),
    };
    t.inject(2, 1, message);
    let step = std::panic::AssertUnwindSafe(|| t.deliver(2, 1));
    assert!(std::panic::catch_unwind(step).is_err());
}

/// SNP-01, SNP-04, FLO-03.
#[test]
fn no_entries_are_sent_during_snapshot_transfer() {
    let mut t = lagging();
    start_snapshot_transfer(&mut t);
    t.propose(1, "d=4");
    assert!(!in_flight(&t, 1, 3).is_empty());
    assert!(in_flight(&t, 1, 3).iter().all(is_chunk), "{:?}", in_flight(&t, 1, 3));
    while in_flight(&t, 1, 3).first().is_some_and(is_chunk) {
        t.deliver(1, 3);
        t.deliver_any(3, 1);
    }
    // Replication continues after the snapshot, without probing.
    let follows = matches!(in_flight(&t, 1, 3)[..], [Message::AppendEntries { prev_log: previous, entries, .. }]
        if *previous == at(4, 1) && entries.len() == 1);
    assert!(follows, "{:?}", in_flight(&t, 1, 3));
    settle(&mut t, 1);
    assert_same_state(&t, 1, 3);
    assert_eq!(log_range(&t, 3), (4, 5));
}

/// SNP-03: no separate report is needed; the follower's responses show that it starts again.
#[test]
fn follower_that_lost_its_chunks_gets_all_again() {
    let mut t = lagging();
    start_snapshot_transfer(&mut t);
    t.deliver(1, 3);
    t.crash(3);
    t.deliver_all();
    t.restart(3);
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    let chunks = in_flight(&t, 1, 3);
    assert!(matches!(&chunks[0], Message::InstallSnapshot { chunk, .. } if chunk.offset == 0), "{chunks:?}");
    settle(&mut t, 1);
    assert_same_state(&t, 1, 3);
}

/// SNP-05, SNP-10.
#[test]
fn unneeded_snapshot_transfer_is_abandoned() {
    for trailing in [0, 1] {
        let mut t = led(|config| config.max_chunk_bytes = 4);
        t.hold(1, 3);
        ["a=1", "b=2", "c=3"].into_iter().for_each(|command| t.propose(1, command));
        t.deliver_all();
        t.compact(1, trailing);
        t.heartbeat(1);
        t.deliver_newest(1, 3);
        t.deliver(3, 1);
        assert!(
            in_flight(&t, 1, 3).last().is_some_and(is_chunk),
            "n3 seems to lack entries that are only late"
        );
        // The late entries arrive, up to where n1's log starts.
        for _ in 0..3 - trailing {
            t.deliver(1, 3);
            t.deliver(3, 1);
        }
        t.propose(1, "d=4");
        t.propose(1, "e=5");
        let newest = in_flight(&t, 1, 3).into_iter().rev().take(2);
        let entries = newest.filter(|message| matches!(message, Message::AppendEntries { .. })).count();
        assert_eq!(entries, 2, "n1 must send entries from its log without probing");
        t.release(1, 3);
        settle(&mut t, 1);
        assert_same_state(&t, 1, 3);
        assert_eq!((t.raft(3).snapshot(), log_range(&t, 3)), (None, (0, 6)), "n3's log must be complete");
    }
}

/// SNP-06.
#[test]
fn older_snapshot_completes_or_newer_one_follows() {
    for case in 0..16 {
        let (trailing, silent, answered) = (case / 4, case & 1 == 1, case & 2 == 2);
        let mut t = lagging();
        start_snapshot_transfer(&mut t);
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
        assert_same_state(&t, 1, 3);
        // A snapshot whose receiver responds is completed, and the log continues from there; otherwise the newest one
        // is sent.
        let last = t.raft(3).snapshot().expect("n3 must have installed a snapshot").last.index.0;
        assert_eq!(
            last,
            if answered && !silent { 4 } else { 6 },
            "trailing {trailing}, silent: {silent}, responded: {answered}"
        );
    }
}

/// SNP-07, SNP-27.
#[test]
fn lost_snapshot_blocks_nothing_and_is_sent_again() {
    let mut t = lagging();
    start_snapshot_transfer(&mut t);
    t.lose_all();
    t.cut(3);
    for command in ["d=4", "e=5", "f=6", "g=7"] {
        commit(&mut t, 1, &[command]);
        assert_eq!(t.unanswered(), [] as [&str; 0], "n1 and n2 are a majority");
    }
    t.heal();
    t.heartbeat(1);
    t.deliver_all();
    assert_eq!(t.raft(3).last(), t.raft(1).last(), "one heartbeat must restart the transfer");
    settle(&mut t, 1);
    assert_same_state(&t, 1, 3);
}

/// SNP-09.
#[test]
fn snapshot_below_commit_index_changes_nothing() {
    let mut t = led(|_| {});
    commit(&mut t, 1, &["a=1", "b=2", "c=3"]);
    for (last, data) in [(2, "a=1"), (3, "a=1 b=2"), (4, "a=1 b=2 c=3")] {
        let (log, commit) = (t.raft(3).log().clone(), t.raft(3).commit_index());
        let message = snapshot(&t, 1, at(last, 1), data);
        t.inject(1, 3, message);
        t.deliver(1, 3);
        assert_eq!((t.raft(3).log(), t.raft(3).commit_index(), t.raft(3).snapshot()), (&log, commit, None));
        let responses = in_flight(&t, 3, 1);
        let known = matches!(responses[..], [Message::AppendEntriesResponse { match_index: Index(4), .. }]);
        assert!(known, "{responses:?}");
        t.deliver(3, 1);
    }
}

/// SNP-10.
#[test]
fn snapshot_that_matches_log_only_advances_commit_index() {
    let mut t = led(|_| {});
    ["a=1", "b=2", "c=3", "d=4"].into_iter().for_each(|command| t.propose(1, command));
    t.deliver_all();
    assert_eq!((t.raft(3).commit_index(), t.raft(3).last()), (Index(1), at(5, 1)));
    let message = snapshot(&t, 1, at(4, 1), "a=1 b=2 c=3");
    t.inject(1, 3, message);
    t.deliver(1, 3);
    assert_eq!((t.raft(3).commit_index(), t.raft(3).snapshot(), log_range(&t, 3)), (Index(4), None, (0, 5)));
    assert_eq!(t.server(3).state.commands, ["a=1", "b=2", "c=3"]);
}

/// SNP-11, SNP-33.
#[test]
fn snapshot_replaces_entries_of_deposed_leader_and_clients_get_unknown() {
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
    assert_same_state(&t, 1, 3);
    assert_eq!(t.server(3).state.commands, ["a=1", "b=2"]);
    assert_eq!((t.raft(3).log().compacted(), t.raft(3).last()), (at(4, 2), at(4, 2)));
    assert_eq!(t.unanswered(), [] as [&str; 0]);
    assert_transcript_has(&t, "n3  responds to x=1: outcome unknown");
}

/// SNP-33.
#[test]
fn forward_covered_by_installed_snapshot_is_unknown() {
    let mut t = led(|config| config.forward = true);
    t.propose(3, "f=1");
    t.deliver(3, 1);
    t.lose(1, 3);
    t.deliver(1, 3); // The response with the entry's index.
    t.cut(3);
    commit(&mut t, 1, &["a=1", "b=2"]);
    t.compact(1, 0);
    t.heal();
    settle(&mut t, 1);
    assert_same_state(&t, 1, 3);
    assert_eq!(t.unanswered(), [] as [&str; 0]);
    assert_transcript_has(&t, "n3  responds to f=1: outcome unknown");
}

/// SNP-13: a leader ignores a snapshot. Any other server accepts one from the leader of its term, and a candidate steps
/// down. A server that the snapshot's configuration does not name installs it and does not campaign.
#[test]
fn leader_ignores_snapshot_and_non_member_does_not_campaign() {
    let mut t = Table::with_initial_voters(3, 4, |_| {});
    t.elect(1);
    commit(&mut t, 1, &["a=1"]);
    let before = t.raft(1).clone();
    let message = snapshot(&t, 1, at(2, 1), "a=1");
    t.inject(2, 1, message.clone());
    t.deliver(2, 1);
    assert_eq!(t.raft(1), &before);

    t.inject(1, 4, message);
    t.deliver(1, 4);
    assert_same_state(&t, 1, 4);
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
    assert_eq!(t.raft(3).snapshot().expect("n3 must have installed the snapshot").last, at(4, 2));
    assert_same_state(&t, 2, 3);
}

/// SNP-14, LOG-04.
#[test]
fn compacted_log_knows_term_of_compacted_entry_only() {
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
            assert_eq!(
                log.term_at(Index(index)),
                term,
                "term at {index} in a log compacted up to {compacted}"
            );
            assert_eq!(
                log.contains(at(index, 0)),
                index == 0 && compacted == 0,
                "an unknown term must not match term 0"
            );
        }
    }
}

/// SNP-14, PER-05, PER-15: after a restart the log starts where it did, and only entries after the snapshot are
/// applied.
#[test]
fn restarted_server_continues_after_its_snapshot() {
    for trailing in 0..=4 {
        let mut t = led(|_| {});
        commit(&mut t, 1, &["a=1", "b=2", "c=3"]);
        t.compact(3, trailing);
        commit(&mut t, 1, &["d=4"]);
        let log = t.raft(3).log().clone();
        assert_eq!(log_range(&t, 3), (4 - trailing, 5));
        t.crash(3);
        t.restart(3);
        assert_eq!(t.raft(3).log(), &log);
        assert_eq!((t.raft(3).commit_index(), t.raft(3).last_applied()), (Index(4), Index(4)));
        assert_eq!(t.server(3).state.commands, ["a=1", "b=2", "c=3"]);
        settle(&mut t, 1);
        assert_same_state(&t, 1, 3);
    }
}

/// SNP-15.
#[test]
fn compaction_beyond_applied_index_is_rejected() {
    let mut t = led(|_| {});
    t.slow_disk(2);
    commit(&mut t, 1, &["a=1", "b=2"]);
    assert_eq!((t.raft(2).commit_index(), t.raft(2).last_applied()), (Index(3), Index(1)));
    for index in 2..9 {
        let before = t.raft(2).clone();
        t.compact_with(2, Index(index), b"a=1", Index(index));
        assert_eq!(t.raft(2), &before);
    }
    t.sync(2);
    t.compact(2, 0);
    t.sync(2);
    for index in 0..=3 {
        let before = t.raft(2).clone();
        t.compact_with(2, Index(index), b"old", Index(index));
        assert_eq!(t.raft(2), &before, "there is a newer snapshot");
    }
}

/// SNP-16.
#[test]
fn slow_follower_catches_up_for_every_compaction_point() {
    let commands = ["a=1", "b=2", "c=3", "d=4", "e=5"];
    for (replicated, trailing, elects) in (0..=5).flat_map(|replicated| {
        (0..=6).flat_map(move |keep| [(replicated, keep, false), (replicated, keep, true)])
    }) {
        let mut t = led(|config| config.max_in_flight_messages = 2);
        t.quietly(|t| {
            commit(t, 1, &commands[..replicated]);
            t.cut(3);
            commit(t, 1, &commands[replicated..]);
            let leader = if elects { 2 } else { 1 };
            if elects {
                t.elect(2);
            }
            // The leader has probed n3 before without a response.
            t.heartbeat(leader);
            t.deliver_all();
            t.compact(leader, trailing);
            t.heal();
            settle(t, leader);
            settle(t, leader);
            assert_same_state(t, leader, 3);
        });
    }
}

/// Every server that has applied ten entries since its last snapshot takes one, and keeps no entries.
fn compact_every_ten(t: &mut Table) {
    for id in t.nodes().filter(|&id| t.is_up(id)).collect::<Vec<_>>() {
        if t.server(id).state.applied.0 >= t.raft(id).log().compacted().index.0 + 10 {
            t.compact(id, 0);
        }
    }
}

/// No log is longer than the interval between snapshots plus a few entries in flight.
#[track_caller]
fn assert_logs_short(t: &Table) {
    for id in t.nodes().filter(|&id| t.is_up(id)) {
        let (compacted, last) = log_range(t, id);
        assert!(last - compacted <= 14, "n{id} keeps {compacted}..{last}");
    }
}

/// SNP-17, SNP-19.
#[test]
fn regular_snapshots_bound_logs_and_absent_server_catches_up() {
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
                compact_every_ten(t);
                assert_logs_short(t);
            }
            settle(t, 1);
            assert_same_state(t, 1, 2);
            assert_same_state(t, 1, 3);
            assert_eq!(t.server(3).state.commands.len(), 90);
        });
    }
}

/// SNP-18: one message in `every` is lost, and the others are reordered.
#[test]
fn absent_server_catches_up_despite_loss_and_reordering() {
    for (every, crashes) in (2..=5).flat_map(|every| [(every, false), (every, true)]) {
        let mut t = led(|config| config.max_chunk_bytes = 16);
        t.quietly(|t| {
            let mut rng = SplitMix64::seed_from_u64(every);
            let mut pass = |t: &mut Table| {
                t.heartbeat(1);
                while !t.messages.is_empty() {
                    t.pause(1, 1);
                    let position = rng.next_u64() as usize % t.messages.len();
                    if rng.next_u64() % every == 0 {
                        t.messages.remove(position);
                    } else {
                        t.deliver_at(position);
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
                    assert!(rounds < 60, "{number} must commit with one message in {every} lost");
                }
                compact_every_ten(t);
                let (compacted, last) = log_range(t, 1);
                assert!(last - compacted <= 14, "n1 keeps {compacted}..{last}");
            }
            let mut rounds = 0;
            while [2, 3].into_iter().any(|id| t.server(id).state != t.server(1).state) {
                pass(t);
                rounds += 1;
                assert!(rounds < 1_000, "all must catch up with one message in {every} lost");
            }
        });
    }
}

/// SNP-20.
#[test]
fn reads_after_leader_loss_see_all_committed_writes() {
    let mut t = lagging();
    settle(&mut t, 1);
    t.cut(3);
    commit(&mut t, 1, &["d=4", "e=5"]);
    t.compact(1, 0);
    t.compact(2, 0);
    t.power_loss(1);
    t.heal();
    // The next quorum is n2, whose log is compacted, and n3, which lacks the last two entries.
    t.elect(2);
    t.read(2, "r1");
    settle(&mut t, 2);
    assert_same_state(&t, 2, 3);
    t.restart(1);
    t.power_loss(2);
    t.elect(3);
    t.read(3, "r2");
    settle(&mut t, 3);
    assert_eq!(t.unanswered(), [] as [&str; 0], "{}", t.transcript());
    assert_eq!(t.server(3).state.commands, ["a=1", "b=2", "c=3", "d=4", "e=5"]);
    assert_same_state(&t, 1, 3);
}

/// SNP-21.
#[test]
fn log_continues_while_state_is_copied() {
    let mut t = led(|_| {});
    commit(&mut t, 1, &["a=1"]);
    t.copy_state(1);
    commit(&mut t, 1, &["b=2", "c=3"]);
    assert_eq!(t.unanswered(), [] as [&str; 0]);
    t.compact(1, 0);
    assert_eq!(t.raft(1).snapshot().expect("n1 has just made a snapshot").last, at(2, 1));
    assert_eq!(log_range(&t, 1), (2, 4), "entries appended since the copy must stay");
    t.power_loss(1);
    t.restart(1);
    t.elect(1);
    settle(&mut t, 1);
    assert_eq!(t.server(1).state.commands, ["a=1", "b=2", "c=3"]);
}

/// SNP-25, MEM-24, MEM-26.
#[test]
fn every_configuration_survives_snapshots_restarts_and_installs() {
    let (learner, voter) = (ConfChangeOp::AddLearner(NodeId(4)), ConfChangeOp::AddVoter(NodeId(5)));
    let change_text = [
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
    for change in change_text {
        let mut t = Table::with_initial_voters(3, 5, |_| {});
        t.elect(1);
        settle(&mut t, 1);
        t.cut(3);
        t.change(1, change.clone());
        settle(&mut t, 1);
        let group = t.raft(1).configuration().clone();
        assert_eq!(*group, t.checker.initial_configuration.after(&change).expect("the change is valid"));
        // After the second compaction the compacted entries contain no configuration.
        for command in ["a=1", "b=2"] {
            commit(&mut t, 1, &[command]);
            t.compact(1, 0);
            assert_eq!(t.raft(1).snapshot().expect("n1 has just made a snapshot").configuration, group);
            assert_eq!(t.raft(1).configuration(), &group);
        }
        t.power_loss(1);
        t.restart(1);
        assert_eq!(t.raft(1).configuration(), &group);
        t.elect(1);
        t.heal();
        settle(&mut t, 1);
        assert_eq!(t.raft(3).snapshot().expect("n3 must have installed the snapshot").configuration, group);
        assert_eq!(t.raft(3).configuration(), &group);
    }
}

/// SNP-31: a compacted log never lacks its snapshot.
#[test]
fn power_loss_during_compaction_keeps_log_or_snapshot() {
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
        assert_eq!((snapshot, log_range(&t, 1)), if synced { (Some(3), (3, 3)) } else { (None, (0, 3)) });
        t.elect(1);
        settle(&mut t, 1);
        assert_eq!(t.server(1).state.commands, ["a=1", "b=2"]);
    }
}

/// SNP-32, REG-16.
#[test]
fn installed_snapshot_is_restored_once_durable_and_before_later_entries() {
    let mut t = led(|_| {});
    t.slow_disk(3);
    commit(&mut t, 1, &["a=1"]);
    assert_eq!(
        (t.raft(3).commit_index(), t.raft(3).last_applied()),
        (Index(2), Index(1)),
        "an entry is applied only when it is durable"
    );
    t.cut(3);
    commit(&mut t, 1, &["b=2", "c=3"]);
    t.compact(1, 0);
    t.heal();
    settle(&mut t, 1);
    commit(&mut t, 1, &["d=4"]);
    assert_eq!(t.raft(3).snapshot().expect("n3 must have installed the snapshot").last, at(4, 1));
    t.sync_one(3);
    assert_eq!(t.server(3).state.applied, Index(1), "an entry that the snapshot covers must not be applied");
    let before = t.raft(3).clone();
    for index in 1..=5 {
        t.compact_with(3, Index(index), b"a=1", Index(index));
        assert_eq!(t.raft(3), &before, "the application does not have the snapshot's state yet");
    }
    t.fast_disk(3);
    settle(&mut t, 1);
    assert_same_state(&t, 1, 3);
    let applies = t.transcript().lines().filter(|line| line.starts_with("n3  applies"));
    assert_eq!(applies.collect::<Vec<_>>(), ["n3  applies 1@1 noop", "n3  applies 5@1 d=4"]);
}

/// SNP-35, LRN-06.
#[test]
fn role_of_server_follows_installed_configuration() {
    let mut t = Table::with_initial_voters(3, 4, |_| {});
    t.elect(1);
    settle(&mut t, 1);
    let mut install = |id: u64, step: ConfChangeOp, command: &str| {
        t.cut(id);
        t.change_steps(1, &[step]);
        commit(&mut t, 1, &[command]);
        t.compact(1, 0);
        t.heal();
        settle(&mut t, 1);
        assert_same_state(&t, 1, id);
        assert_eq!(
            t.raft(id).snapshot().expect("the server must have installed the snapshot").last.index,
            t.raft(1).last().index
        );
        let (group, term) = (t.raft(id).configuration().clone(), t.raft(id).term());
        let mut asks = t.clone();
        asks.time_out(id);
        (group.learners.clone(), asks.raft(id).term() > term)
    };
    assert_eq!(
        install(4, ConfChangeOp::AddLearner(NodeId(4)), "a=1"),
        (vec![NodeId(4)], false),
        "a learner stays a learner"
    );
    assert_eq!(install(3, ConfChangeOp::AddLearner(NodeId(3)), "b=2"), (vec![NodeId(3), NodeId(4)], false));
    assert_eq!(install(3, ConfChangeOp::AddVoter(NodeId(3)), "c=3"), (vec![NodeId(4)], true));
    t.elect(3);
}

/// REP-25, MEM-18.
#[test]
fn wiped_server_is_another_replica() {
    let mut t = led(|config| {
        config.directory_id = DirectoryId(config.id.0);
        config.directory_ids = config.voters.iter().map(|&voter| (voter, DirectoryId(voter.0))).collect();
    });
    commit(&mut t, 1, &["a=1"]);
    t.power_loss(3);
    t.wipe(3);
    t.restart(3);
    // n1 and the wiped n3 are no majority, neither for an entry nor for an election.
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
    // n3 may join again once its old replica is removed.
    let joins =
        [ConfChangeOp::SetDirectoryId(NodeId(3), DirectoryId(103)), ConfChangeOp::AddVoter(NodeId(3))];
    let before = t.raft(1).configuration().clone();
    t.change_steps(1, &joins);
    assert_eq!(t.raft(1).configuration(), &before);
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(3))]);
    settle(&mut t, 1);
    t.change_steps(1, &joins);
    settle(&mut t, 1);
    assert_same_state(&t, 1, 3);
    t.cut(2);
    commit(&mut t, 1, &["c=3"]);
    assert_eq!(t.raft(1).commit_index(), t.raft(1).last().index, "the new replica must count");
}

/// FLO-08.
#[test]
fn cut_off_leader_accepts_limited_uncommitted_bytes() {
    let mut t = led(|config| config.max_uncommitted_bytes = 2 * ENTRY_COST + 8);
    t.cut(1);
    t.propose(1, "aaaa");
    t.propose(1, "bbbb");
    t.propose(1, "c");
    assert_transcript_has(&t, "n1  responds to c: rejected: too many bytes are uncommitted");
    t.propose(1, "");
    assert_transcript_has(&t, "n1  responds to : rejected: too many bytes are uncommitted");
    t.change_steps(1, &[ConfChangeOp::AddLearner(NodeId(2))]);
    assert_eq!(t.raft(1).last(), at(4, 1), "only commands count, and empty ones do");
    t.heal();
    settle(&mut t, 1);
    assert_eq!(t.raft(1).commit_index(), t.raft(1).last().index);
    // A command larger than the limit is accepted when nothing else is uncommitted.
    let large = "d".repeat(2 * ENTRY_COST as usize);
    t.propose(1, &large);
    t.propose(1, "e");
    assert_transcript_has(&t, "n1  responds to e: rejected: too many bytes are uncommitted");
    assert_eq!(t.raft(1).last(), at(5, 1));
}

/// FLO-09.
#[test]
fn committed_bytes_are_released_once() {
    let mut t = led(|config| {
        config.max_uncommitted_bytes = ENTRY_COST + 8;
        config.max_batch_entries = 2;
    });
    for command in ["aaaaaaaa", "bbbbbbbb"] {
        t.propose(1, command);
        let rejected = format!("{command}-more");
        t.propose(1, &rejected);
        assert_transcript_has(
            &t,
            &format!("n1  responds to {rejected}: rejected: too many bytes are uncommitted"),
        );
        settle(&mut t, 1);
        assert_transcript_has(
            &t,
            &format!("n1  responds to {command}: applied at {}", t.raft(1).last().index),
        );
    }
    // Only n2 has the entry that n1 could not commit, and n1 is down.
    t.propose(1, "cccccccc");
    t.deliver(1, 2);
    t.power_loss(1);
    t.lose_all();
    t.time_out(2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    assert!(t.raft(2).is_leader());
    // Inherited entries do not count, so there is room; and their commit releases nothing.
    t.propose(2, "dddddddd");
    assert_eq!(t.raft(2).last(), at(6, 2));
    t.propose(2, "e");
    assert_transcript_has(&t, "n2  responds to e: rejected: too many bytes are uncommitted");
    t.deliver(2, 3);
    t.deliver(3, 2); // n3 lacks 4, 5 and 6, and two fit into a message.
    t.deliver(2, 3);
    t.deliver(3, 2);
    assert_eq!(t.raft(2).commit_index(), Index(5), "the inherited entry and n2's first one commit");
    t.propose(2, "f");
    assert_transcript_has(&t, "n2  responds to f: rejected: too many bytes are uncommitted");
    settle(&mut t, 2);
    t.propose(2, "gggggggg");
    assert_eq!(t.raft(2).last(), at(7, 2));
}

/// PRO-12, PER-21.
#[test]
fn server_with_failed_disk_only_rejects_requests() {
    let mut t = led(|_| {});
    t.slow_disk(1);
    t.read(1, "r1");
    t.propose(1, "a=1");
    t.fail_disk(1);
    assert_transcript_has(&t, "n1  responds to a=1: outcome unknown");
    assert_transcript_has(&t, "n1  responds to r1: not the leader");
    t.propose(1, "b=2");
    t.read(1, "r2");
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(2))]);
    t.transfer(1, 2);
    for name in ["b=2", "r2", "remove n2", "transfer to n2"] {
        assert_transcript_has(
            &t,
            &format!("n1  responds to {name}: rejected: a write of this server failed"),
        );
    }
    assert_eq!(t.raft(1).deadline(), None, "a halted server must have no deadline");
    t.messages.retain(|envelope| envelope.to.id == NodeId(1));
    t.elect(2);
    t.sync(1);
    settle(&mut t, 2);
    let (silent, applied) = (in_flight(&t, 1, 2).is_empty(), t.server(1).state.applied);
    assert!(silent && applied == Index(1), "{applied}");
    // A restart reads what is really on the disk.
    t.power_loss(1);
    t.restart(1);
    t.fast_disk(1);
    settle(&mut t, 2);
    assert_same_state(&t, 1, 2);
}

/// PER-21.
#[test]
fn follower_with_failed_disk_acknowledges_nothing() {
    let mut t = led(|_| {});
    t.slow_disk(3);
    t.propose(1, "a=1");
    t.deliver(1, 3);
    t.fail_disk(3);
    t.deliver_all();
    settle(&mut t, 1);
    assert!(t.raft(3).is_halted() && t.raft(3).last_applied() == Index(1));
    assert_eq!(t.unanswered(), [] as [&str; 0], "n1 and n2 are a majority");
    assert!(!t.transcript().contains("n3 -> n1  AppendEntriesResponse term 1 matched 2"));
    t.power_loss(3);
    t.restart(3);
    assert_eq!(t.raft(3).last(), at(1, 1));
    t.fast_disk(3);
    settle(&mut t, 1);
    assert_same_state(&t, 1, 3);
}

/// RDX-08, OBS-04: the lease runs from when the request was sent, not from when the response arrived.
#[test]
fn leader_reads_at_once_only_while_lease_holds() {
    let mut t = Table::with(3, |config| {
        config.check_quorum = true;
        config.lease_drift = Some(100_000);
    });
    t.shared_time = true;
    t.elect(1);
    settle(&mut t, 1);
    // 300 ms on the slowest clock are 245 ms on the fastest.
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
        assert_eq!(t.messages.is_empty(), leased, "{answered} ms until the responses and {read} ms more");
        t.deliver_all();
        assert_transcript_has(
            &t,
            if leased { "n1  serves r at 1 by its lease" } else { "n1  serves r at 1" },
        );
    }
}

/// RDX-09.
#[test]
fn leases_without_check_quorum_are_rejected() {
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

/// RDX-12: two reads with one request id are two reads.
#[test]
fn two_reads_with_one_request_id_each_need_a_round() {
    let mut t = led(|_| {});
    let (mut raft, mut effects) = (t.raft(1).clone(), Vec::new());
    let now = Timestamp(t.server(1).now);
    let read = Input::Read { request: RequestId(7), key: ReadKey::default() };
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
        t.inject(2, 1, message);
        let envelope = t.messages.pop_back().expect("a message was just injected");
        raft.step(now, Input::Receive(envelope), &mut effects);
        assert_eq!(served(&effects), answered as usize, "each read needs a round of its own");
    }
}

/// COM-18, RDX-14.
#[test]
fn forwarded_read_index_does_not_commit() {
    let mut t = Table::with(3, |config| config.forward = true);
    t.elect(2);
    settle(&mut t, 2);
    t.cut(2);
    t.propose(2, "x=1");
    t.elect(1);
    commit(&mut t, 1, &["a=1"]);
    // n2 has contact with its leader, and a different entry at 2.
    t.heal();
    t.hold(1, 2);
    let (previous, context) = (t.raft(1).last(), MessageContext::default());
    let (entries, commit) = (raft_core::Entries::NONE, t.raft(1).commit_index());
    t.inject(
        1,
        2,
        Message::AppendEntries { term: Term(2), prev_log: previous, entries, commit_index: commit, context },
    );
    t.deliver(1, 2);
    t.lose(2, 1);
    t.read(2, "r");
    t.deliver_all();
    let is_answer =
        |envelope: &raft_core::Envelope| matches!(envelope.message, Message::ForwardResponse { .. });
    let position = t.messages.iter().position(is_answer).expect("n1 has responded");
    t.deliver_at(position);
    assert_eq!((t.raft(2).last(), t.raft(2).commit_index()), (at(2, 1), Index(1)));
    assert_eq!(t.unanswered(), ["r"]);
    t.release(1, 2);
    settle(&mut t, 1);
    assert_transcript_has(&t, "n2  serves r at 3 by its leader's read index");
}

/// PRO-02, PRO-03.
#[test]
fn follower_forwards_proposals_if_configured() {
    for forward in [true, false] {
        let mut t = Table::with(3, |config| config.forward = forward);
        t.propose(2, "early");
        assert_transcript_has(&t, "n2  responds to early: not the leader");
        t.elect(1);
        settle(&mut t, 1);
        t.propose(2, "a=1");
        settle(&mut t, 1);
        let response = if forward { "applied at 2" } else { "not the leader; n1 may be" };
        assert_transcript_has(&t, &format!("n2  responds to a=1: {response}"));
        for id in 1..=3 {
            assert_eq!(t.server(id).state.commands.len(), usize::from(forward), "n{id}");
        }
    }
}

/// PRO-09: a batch is a sequence of single proposals.
#[test]
fn proposals_get_consecutive_indexes_and_ordered_responses() {
    let mut t = led(|_| {});
    commit(&mut t, 1, &["a=1", "b=2", "c=3"]);
    let responses: Vec<&str> =
        t.transcript().lines().filter(|line| line.starts_with("n1  responds to")).collect();
    let should = ["a=1: applied at 2", "b=2: applied at 3", "c=3: applied at 4"];
    assert_eq!(responses, should.map(|response| format!("n1  responds to {response}")));
}

/// INV-12.
#[test]
fn voter_may_have_higher_commit_index_than_its_candidate() {
    let mut t = Table::of(5);
    t.time_out(1);
    t.time_out(2);
    t.deliver(1, 3);
    t.cut(1);
    t.messages.retain(|envelope| envelope.from.id != NodeId(1) && envelope.to.id != NodeId(1));
    t.deliver_all();
    assert!(t.raft(2).is_leader());
    commit(&mut t, 2, &["a=1"]);
    let voter = t.raft(3);
    assert_eq!((voter.vote(), voter.term(), voter.commit_index()), (Some(NodeId(1)), Term(1), Index(2)));
    assert_eq!((t.raft(1).term(), t.raft(1).last()), (Term(1), at(0, 0)));
}
