//! Snapshots and what a log without its beginning can do (7), told message by message.
//!
//! Parts have 4 bytes; the state of three commands has 11.

mod table;

use raft_core::message::MessageContext;
use raft_core::status::{ProgressStatus, RoleStatus};
use raft_core::{
    ConfChange, ConfChangeOp, Effect, Index, LogId, Message, NodeId, Rejection, RequestId, Response,
    SnapshotChunk, Term,
};
use std::collections::VecDeque;
use table::Table;

fn small_parts(founders: u64, nodes: u64) -> Table {
    Table::founded_by(founders, nodes, |config| config.max_chunk_bytes = 4)
}

/// n1 has committed three commands with n2, and keeps nothing but their state; n3 has none of them.
fn lagging() -> Table {
    let mut t = small_parts(3, 3);
    t.quietly(|t| {
        t.elect(1);
        lag_behind(t);
    });
    t
}

fn lag_behind(t: &mut Table) {
    t.cut(3);
    commit(t, &["a=1", "b=2", "c=3"]);
    t.compact(1, 0);
    t.heal();
}

/// n1 commits some commands, and all whom it reaches know.
fn commit(t: &mut Table, commands: &[&str]) {
    commands.iter().for_each(|command| t.propose(1, command));
    t.deliver_all();
    t.heartbeat(1);
    t.deliver_all();
}

/// n1 learns that n3 lacks what is gone, and sends the first parts.
fn begin(t: &mut Table) {
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
}

#[test]
fn a_few_entries_stay_for_who_is_a_little_behind() {
    let mut t = small_parts(3, 3);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1", "b=2"]);
        t.cut(3);
        commit(t, &["c=3"]);
    });
    t.story(
        "n1's state stands for everything up to 4. Of the entries it keeps the last one, just what n3 lacks.",
    );
    t.compact(1, 1);
    t.show();
    t.story("So n3 needs no snapshot.");
    t.heal();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn who_lacks_what_is_gone_gets_the_snapshot_in_parts() {
    let mut t = lagging();
    t.story("A heartbeat shows how little n3 has. What it lacks is gone, so it gets the state instead.");
    t.show();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.story(
        "The last part makes it whole. What n3 had is replaced by one write, and only then n3 acknowledges.",
    );
    t.slow_disk(3);
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.sync(3);
    t.story("From there on the log serves it.");
    t.propose(1, "d=4");
    t.quietly(|t| t.fast_disk(3));
    t.deliver(3, 1);
    t.deliver(3, 1);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_lost_part_is_sent_again() {
    let mut t = lagging();
    t.quietly(begin);
    t.story("Three parts are on their way to n3, and the second one is lost.");
    t.deliver(1, 3);
    t.lose(1, 3);
    t.pause(1, 10);
    t.story("By its answer to the third n1 knows, and goes back.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn when_every_part_is_lost_the_heartbeat_shows_it() {
    let mut t = lagging();
    t.quietly(begin);
    t.story("Nothing of it arrives.");
    t.lose_all();
    t.story("A heartbeat is a part without bytes, after all that was sent. The answer says that nothing is there.");
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn parts_that_overtake_each_other_come_out_in_order() {
    let mut t = lagging();
    t.quietly(begin);
    t.pause(1, 10);
    t.story("The last part is there first. Without the ones before it, it is of no use.");
    t.deliver_newest(1, 3);
    t.story("The others come, before n1 hears of any loss.");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.story("n1 sends all again, for it was told that nothing is there. The next answers tell it better.");
    t.deliver(3, 1);
    t.deliver(3, 1);
    t.deliver(3, 1);
    t.story("Of what comes twice, nothing is taken twice.");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_follower_that_restarts_in_the_middle_begins_anew() {
    let mut t = lagging();
    t.quietly(begin);
    t.story("n3 has two of three parts, in memory.");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.quietly(|t| {
        t.deliver(3, 1);
        t.deliver(3, 1);
        t.pause(1, 10);
    });
    t.power_loss(3);
    t.restart(3);
    t.story("The third one shows n1 that it has to begin again.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.quietly(Table::deliver_all);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn with_the_leader_goes_what_it_has_begun() {
    let mut t = lagging();
    t.quietly(begin);
    t.story("n3 has two of three parts when n2, which still has its log, takes over.");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.quietly(|t| {
        t.hold(1, 3);
        t.elect(2);
    });
    t.story("The last part comes too late: n3 is in a new term, and has all from n2's log.");
    t.show();
    t.deliver(1, 3);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn two_leaders_parts_are_never_put_together() {
    let mut t = lagging();
    t.quietly(|t| {
        t.compact(2, 0);
        begin(t);
    });
    t.story("n3 has two of three parts from n1.");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.quietly(|t| {
        t.lose_all();
        t.time_out(2);
        t.deliver(2, 1);
        t.deliver(1, 2);
    });
    t.story("n2 leads. Its snapshot ends where n1's did, but the bytes may be others: n3 begins anew.");
    t.deliver(2, 3);
    t.deliver(2, 3);
    t.deliver(3, 2);
    t.deliver(3, 2);
    t.deliver(2, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn parts_outlive_a_silence() {
    let mut t = Table::with(3, |config| (config.max_chunk_bytes, config.pre_vote) = (4, true));
    t.quietly(|t| {
        t.elect(1);
        lag_behind(t);
        begin(t);
    });
    t.story(
        "n3 has two of three parts, and then hears nothing for so long that it asks whether it could win.",
    );
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.time_out(3);
    t.story("Its leader is still the same one, and so is the snapshot: the last part completes it.");
    t.deliver(1, 3);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_late_part_of_an_older_snapshot_costs_nothing() {
    let mut t = lagging();
    t.quietly(|t| {
        begin(t);
        t.deliver_all();
        t.cut(3);
        commit(t, &["d=4"]);
        t.compact(1, 0);
        t.heal();
        begin(t);
    });
    t.story("n3 has installed a snapshot up to 4, and has two of four parts of the next one.");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.story("A part of the first one comes once more. It is acknowledged, and what has come of the next one stays.");
    let part = SnapshotChunk {
        last: LogId { index: Index(4), term: Term(1) },
        configuration: t.raft(1).configuration().clone(),
        size: 11,
        offset: 0,
        data: "a=1 ".into(),
    };
    t.post(
        1,
        3,
        Message::InstallSnapshot { term: Term(1), chunk: Box::new(part), context: MessageContext::default() },
    );
    t.deliver_newest(1, 3);
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

/// n3 has the first part of a snapshot when n1 makes a newer one.
fn overtaken(t: &mut Table, first: impl FnOnce(&mut Table)) {
    t.deliver(1, 3);
    t.propose(1, "d=4");
    t.quietly(|t| {
        t.deliver(1, 2);
        t.deliver(2, 1);
        t.deliver(3, 1);
        first(t);
    });
    t.compact(1, 0);
}

/// n3 gets the rest.
fn brought_to_its_end(t: &mut Table) {
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.quietly(|t| t.deliver(3, 1));
    t.deliver(3, 1);
    t.quietly(Table::deliver_all);
    t.show();
}

#[test]
fn what_follows_a_snapshot_on_its_way_stays_while_its_receiver_answers() {
    let mut t = lagging();
    t.quietly(begin);
    t.story("n3 has the first part, and says so, when n1 makes a newer snapshot. n1 keeps what follows the old one.");
    overtaken(&mut t, |_| {});
    t.story("So n3 needs no newer snapshot, however fast they are made: the log serves it.");
    brought_to_its_end(&mut t);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn after_a_silence_the_newest_snapshot_takes_the_place_of_the_one_begun() {
    let mut t = lagging();
    t.quietly(begin);
    t.story(
        "n3 has the first part, and then is silent for an election timeout: n1 keeps nothing for its sake.",
    );
    overtaken(&mut t, |t| t.elapse(300_000_000));
    t.story("n1 sends the newer one in its place, and n3 installs that alone.");
    t.lose_all();
    t.heartbeat(1);
    t.quietly(Table::deliver_all);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_follower_that_is_cut_off_installs_only_the_newest_snapshot() {
    let mut t = Table::of(3);
    t.quietly(|t| t.elect(1));
    t.story("n3 is cut off. n1 and n2 go on, and n1 makes one snapshot after the other.");
    t.cut(3);
    t.quietly(|t| {
        commit(t, &["a=1", "b=2", "c=3"]);
        t.compact(1, 0);
    });
    let old = t.raft(1).snapshot().expect("just made").data.clone();
    t.quietly(|t| {
        for round in 0..20 {
            commit(t, &[&format!("d={round}")]);
            t.compact(1, 0);
        }
    });
    t.show();
    assert!(old.is_unique(), "n1 still holds its first snapshot");
    t.story("n3 is back: it installs the newest one and no other.");
    t.heal();
    t.heartbeat(1);
    t.deliver_all();
    t.show();
    let installs = t.transcript().lines().filter(|line| line.starts_with("n3  begins its log anew"));
    assert_eq!(installs.collect::<Vec<_>>(), ["n3  begins its log anew after 24@1"]);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn what_was_begun_is_let_go_after_an_election_timeout_of_silence() {
    let mut t = lagging();
    t.quietly(|t| {
        begin(t);
        t.deliver(1, 3);
        t.deliver(3, 1);
        t.cut(3);
        t.lose_all();
    });
    let last_contact = t.server(1).now;
    let old = t.raft(1).snapshot().expect("just made").data.clone();
    t.quietly(|t| {
        commit(t, &["d=4"]);
        t.compact(1, 0);
    });
    assert!(!old.is_unique(), "n3 has a part of it, and may be about to answer");
    let silent_for = |t: &Table| t.server(1).now - last_contact;
    t.quietly(|t| t.wait(1, (299_000_000 - silent_for(t)) / 1_000_000));
    assert!(!old.is_unique(), "not yet");
    t.quietly(|t| t.wait(1, 101));
    assert!(old.is_unique(), "no other snapshot needs to be made for that");
}

#[test]
fn snapshots_made_faster_than_answers_come_do_not_keep_a_follower_back() {
    /// How many milliseconds an answer of n3 is on its way.
    const DELAY: usize = 3;
    for chunk in [4, 1 << 10] {
        let mut t = Table::with(3, |config| config.max_chunk_bytes = chunk);
        t.quietly(|t| {
            t.elect(1);
            commit(t, &[&"large".repeat(100)]);
            lag_behind(t);
            t.hold(3, 1);
            t.heartbeat(1);
            t.deliver_all();
            t.deliver_all();
        });
        // Every millisecond there is one more snapshot.
        let answers = |t: &Table| t.letters.iter().filter(|envelope| envelope.from.id == NodeId(3)).count();
        let mut left_after: VecDeque<usize> = VecDeque::from([0; DELAY]);
        for round in 0..100 {
            t.quietly(|t| {
                t.propose(1, &format!("e={round}"));
                t.deliver_all();
                t.compact(1, 0);
                t.deliver_all();
                left_after.push_back(answers(t));
                let older = left_after.pop_front().expect("so many");
                (0..older.min(answers(t))).for_each(|_| t.deliver(3, 1));
                left_after.iter_mut().for_each(|count| *count = count.saturating_sub(older));
                t.elapse(1_000_000);
                if t.raft(1).deadline().is_some_and(|due| due.0 <= t.server(1).now) {
                    t.fire(1);
                }
            });
        }
        let RoleStatus::Leader(leader) = t.raft(1).status().role else { panic!("n1 leads") };
        let n3 = leader.followers.iter().find(|follower| follower.peer.id == NodeId(3)).expect("a member");
        assert!(matches!(n3.state, ProgressStatus::Replicate { .. }), "parts of {chunk}: {n3:?}");
        assert!(n3.match_index.0 + 10 > t.raft(1).last().index.0, "parts of {chunk}: {n3:?}");
    }
}

/// n1's snapshot up to 4 is on its way to n3, and so are the entries up to 5, in another order than they were sent.
fn late() -> Table {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.hold(1, 3);
        ["a=1", "b=2", "c=3", "d=4"].iter().for_each(|command| t.propose(1, command));
        (0..4).for_each(|_| t.deliver(1, 2));
        (0..3).for_each(|_| t.deliver(2, 1));
        t.copy_state(1);
        t.deliver(2, 1);
        t.compact(1, 0);
        t.heartbeat(1);
        t.deliver_newest(1, 3);
        t.deliver(3, 1);
    });
    t
}

#[test]
fn a_log_that_goes_on_beyond_the_snapshot_stays() {
    let mut t = late();
    t.story("Late entries come to n3 before the snapshot that was to replace them. It acknowledges 5@1.");
    (0..4).for_each(|_| t.deliver(1, 3));
    t.story("The snapshot says that everything up to 4 is committed. 5@1 stays: n1 may count on it.");
    t.deliver(1, 3);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_snapshot_of_what_is_committed_is_acknowledged_and_no_more() {
    let mut t = late();
    t.quietly(|t| {
        t.deliver_newest(1, 3);
        t.deliver_all();
        t.release(1, 3);
        t.heartbeat(1);
        t.deliver_all();
    });
    t.story("n3 has installed it, and more by now. Somebody sends the same snapshot once more.");
    t.show();
    let configuration = t.raft(1).configuration().clone();
    let snapshot = t.raft(1).snapshot().expect("just made").clone();
    t.quietly(|t| {
        let message = raft_core::Message::InstallSnapshot {
            term: t.raft(1).term(),
            chunk: Box::new(raft_core::SnapshotChunk {
                configuration,
                ..raft_core::SnapshotChunk::of(&snapshot, 0, usize::MAX)
            }),
            context: raft_core::message::MessageContext::default(),
        };
        t.post(1, 3, message);
    });
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_state_older_than_the_snapshot_is_nobodys() {
    let mut t = small_parts(3, 3);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1"]);
        t.cut(3);
        commit(t, &["b=2"]);
        t.compact(1, 0);
        t.heal();
    });
    t.story("n3 has made a copy of its state when a newer one comes from n1.");
    t.copy_state(3);
    begin(&mut t);
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.story("Now the copy is ready, and of no use. The snapshot stays.");
    t.compact(3, 0);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn entries_in_conflict_go_with_the_log() {
    let mut t = small_parts(3, 3);
    t.quietly(|t| {
        t.elect(3);
        t.cut(3);
        t.propose(3, "old=1");
        t.propose(3, "old=2");
        t.elect(1);
        commit(t, &["a=1", "b=2", "c=3"]);
        t.compact(1, 1);
        t.heal();
    });
    t.story("n3 has led, and has two entries that nobody else has. Two clients wait for them.");
    t.show();
    t.story("It is told the truth as soon as it follows. The snapshot takes the place of all it had.");
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver_all();
    t.show();
    insta::assert_snapshot!(t.transcript());
}

/// n3 has installed the snapshot, and nothing of it is durable.
fn installing() -> Table {
    let mut t = lagging();
    t.quietly(|t| {
        t.slow_disk(3);
        t.hold(3, 1);
        begin(t);
        t.deliver(1, 3);
        t.deliver(1, 3);
    });
    t
}

#[test]
fn power_lost_before_an_install_is_durable_leaves_the_old_log() {
    let mut t = installing();
    t.story("The last part comes, and the write waits. n3 has promised nothing, and applied nothing.");
    t.deliver(1, 3);
    t.power_loss(3);
    t.restart(3);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn power_lost_after_an_install_is_durable_leaves_the_snapshot() {
    let mut t = installing();
    t.story("The last part comes, and the write reaches the disk, but nobody tells n3.");
    t.deliver(1, 3);
    t.quietly(|t| t.power_loss_but(3, 9));
    t.restart(3);
    t.story("The application gets its state back once that is durable again, and not before.");
    t.sync(3);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn power_lost_before_a_compaction_is_durable_leaves_all_that_was() {
    let mut t = small_parts(1, 1);
    t.quietly(|t| {
        t.elect(1);
        t.propose(1, "a=1");
        t.propose(1, "b=2");
    });
    t.slow_disk(1);
    t.story("The snapshot waits, and so does an entry after it.");
    t.compact(1, 0);
    t.propose(1, "c=3");
    t.power_loss(1);
    t.restart(1);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_server_restarts_from_its_snapshot_and_what_follows() {
    let mut t = small_parts(3, 3);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1", "b=2", "c=3"]);
        t.compact(2, 1);
        commit(t, &["d=4"]);
    });
    t.story(
        "n2 keeps a snapshot up to 4, and 4@1 and 5@1. It restarts with a slow disk: nothing is applied yet.",
    );
    t.slow_disk(2);
    t.crash(2);
    t.restart(2);
    t.show();
    t.story("First comes the state, and then what follows it. That 5@1 is committed it has to hear again.");
    t.sync(2);
    t.heartbeat(1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn the_group_travels_with_the_snapshot() {
    let mut t = small_parts(3, 5);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1", "b=2"]);
        t.cut(3);
    });
    t.story("While n3 is away the group becomes joint, and stays so: n4 comes for n2, n5 listens, n2 will.");
    let steps = vec![
        ConfChangeOp::AddVoter(NodeId(4)),
        ConfChangeOp::AddLearner(NodeId(5)),
        ConfChangeOp::AddLearner(NodeId(2)),
    ];
    t.change(1, ConfChange::ExplicitJoint(steps));
    t.quietly(|t| {
        t.deliver_all();
        commit(t, &["c=3"]);
        t.compact(1, 0);
        t.heal();
    });
    t.story("n3 counts on all of that once it has installed what n1 sends.");
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.story("And after a restart as well.");
    t.crash(3);
    t.restart(3);
    let (here, there) = (t.raft(3).configuration(), t.raft(1).configuration());
    assert_eq!(here, there);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_snapshot_is_of_the_group_as_it_was() {
    let mut t = small_parts(3, 4);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1"]);
        t.copy_state(1);
        t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(4))]));
        t.deliver_all();
        t.cut(2);
        t.cut(3);
        t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(4))]));
    });
    t.story("n1 hands over a state from before two changes. The second one is not even committed.");
    t.show();
    t.compact(1, 0);
    let snapshot = t.raft(1).snapshot().expect("just made");
    assert!(snapshot.configuration.learners.is_empty());
    t.story("At the next one the first change is in it, and the second one is not.");
    t.compact(1, 0);
    let snapshot = t.raft(1).snapshot().expect("just made");
    assert_eq!(
        (&snapshot.configuration.learners[..], snapshot.configuration.voters.len()),
        (&[NodeId(4)][..], 3)
    );
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_learner_that_installs_a_snapshot_stays_one() {
    let mut t = small_parts(3, 4);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1", "b=2", "c=3"]);
        t.compact(1, 0);
    });
    t.story("n4 is to listen. All that it lacks is gone.");
    t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(4))]));
    t.quietly(|t| {
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
    });
    t.show();
    t.story("It does not campaign. Made a voter, it may.");
    t.time_out(4);
    t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(4))]));
    t.quietly(Table::deliver_all);
    t.time_out(4);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_leader_that_keeps_no_entry_still_serves_its_followers() {
    let mut t = small_parts(3, 3);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1", "b=2", "c=3"]);
    });
    t.story("All of n1's log is in its snapshot. Its heartbeats stand after the base.");
    t.compact(1, 0);
    t.heartbeat(1);
    t.deliver_all();
    t.story("So does the next entry.");
    t.propose(1, "d=4");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.story("And n3, whose log begins after 4 like n1's, wins an election.");
    t.quietly(|t| {
        t.deliver_all();
        t.compact(3, 0);
        t.elect(3);
    });
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn heartbeats_and_reads_go_on_while_a_snapshot_is_on_its_way() {
    let mut t = lagging();
    t.quietly(|t| {
        begin(t);
        t.lose_all();
        t.crash(2);
    });
    t.story("n2 is down, and n3 has nothing of the snapshot yet. With it n1 has a majority that it leads.");
    t.read(1, "r1");
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.story("A new entry waits until n3 has what comes before it.");
    t.propose(1, "d=4");
    t.quietly(Table::deliver_all);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_window_full_of_what_is_lost_does_not_keep_a_snapshot_back() {
    let mut t = Table::with(3, |config| config.max_in_flight_messages = 2);
    t.quietly(|t| {
        t.elect(1);
        t.cut(3);
        commit(t, &["a=1", "b=2", "c=3"]);
    });
    t.story("Two messages to n3 are lost, and its window is full. n1 has sent it nothing of 4@1.");
    t.show();
    t.compact(1, 0);
    t.heal();
    t.story("What follows the two is gone by now, so whatever n3 says of them, it needs the snapshot.");
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn nothing_moves_backwards() {
    let mut t = lagging();
    t.story("A state of what was not applied, or that is not newer than the snapshot, is nobody's.");
    let (before, now) = (t.raft(1).clone(), raft_core::Timestamp(t.server(1).now));
    let (old, new) = (Rejection::SnapshotOutdated, Rejection::SnapshotNotApplied);
    for (index, why) in [(0, old), (3, old), (4, old), (5, new), (9, new), (u64::MAX, new)] {
        let (mut after, mut effects) = (before.clone(), Vec::new());
        let request = RequestId(7);
        let (index, data) = (Index(index), b"nonsense".to_vec().into());
        after.step(now, raft_core::Input::Compact { request, index, data, keep: index }, &mut effects);
        let refused = Effect::Respond { request, response: Response::Rejected(why) };
        assert_eq!((effects, &after), (vec![refused], &before), "a state up to {index}");
    }
}

#[test]
fn every_compaction_is_answered_at_once() {
    let mut t = small_parts(1, 1);
    t.quietly(|t| {
        t.elect(1);
        t.propose(1, "a=1");
    });
    let now = raft_core::Timestamp(t.server(1).now);
    let compact = |index: u64, keep: u64| {
        let (index, keep) = (Index(index), Index(keep));
        raft_core::Input::Compact { request: RequestId(7), index, data: "a=1".into(), keep }
    };
    let answer = |answer| Effect::Respond { request: RequestId(7), response: answer };
    for (index, keep, compacted) in [(2, 2, 2), (2, 1, 1), (2, 0, 0), (1, 9, 1), (2, u64::MAX, 2)] {
        let (mut raft, mut effects) = (t.raft(1).clone(), Vec::new());
        raft.step(now, compact(index, keep), &mut effects);
        assert_eq!(effects[0], answer(Response::Compacted));
        assert!(matches!(&effects[1..], [Effect::Save { record: write, .. }] if write.checkpoint.is_some()));
        assert_eq!(raft.log().compacted().index, Index(compacted), "up to {index}, keep {keep}");
        effects.clear();
        raft.step(now, compact(index, keep), &mut effects);
        assert_eq!(effects, [answer(Response::Rejected(Rejection::SnapshotOutdated))]);
    }
    let (mut raft, mut effects) = (t.raft(1).clone(), Vec::new());
    raft.step(now, raft_core::Input::SaveFailed, &mut effects);
    effects.clear();
    raft.step(now, compact(2, 2), &mut effects);
    assert_eq!(effects, [answer(Response::Rejected(Rejection::Halted))]);
}
