//! Each line that safety stands on, taken away: a schedule that goes wrong without it and goes well with it.

mod table;

use raft_core::{Bug, ConfChange, ConfChangeOp, Config, DirectoryId, NodeId};
use table::{MS, Table};

/// What happens, on how many servers, of which how many found the group, and everything that is violated by it without the line, in order.
struct Story {
    founders: u64,
    servers: u64,
    schedule: fn(&mut Table),
    violated: &'static [&'static str],
}

#[test]
fn each_line_carries_something() {
    for &bug in Bug::ALL {
        let Story { founders, servers, schedule, violated } = story(bug);
        let with = |switched_on: bool| {
            let mut t = Table::founded_by(founders, servers, |config| {
                config.max_batch_entries = 1;
                set_up(bug, config);
                config.bug = switched_on.then_some(bug);
            });
            t.lenient = true;
            schedule(&mut t);
            t
        };
        let good = with(false);
        assert_eq!(good.violated(), [] as [&str; 0], "{bug:?}, switched off:\n{}", good.transcript());
        let bad = with(true);
        assert_eq!(bad.violated(), violated, "{bug:?}, switched on:\n{}", bad.transcript());
        assert_eq!(
            violated[0],
            bug.info().first,
            "{bug:?} is noticed first by another property:\n{}",
            bad.transcript()
        );
    }
}

/// What a story needs that the plainest setup has not.
fn set_up(bug: Bug, config: &mut Config) {
    match bug {
        Bug::VoteRuleInsideLease | Bug::LeaseFromAckArrival => lease(config, 0),
        Bug::LeaseIgnoresDrift => lease(config, DRIFT),
        Bug::MissingPrevTermReadsAsZero => config.max_in_flight_messages = 2,
        Bug::ReadBeforeApply => config.forward = true,
        Bug::PeerIdentityUnchecked => {
            config.directory_id = DirectoryId(config.id.0);
            config.directory_ids = config.voters.iter().map(|&voter| (voter, DirectoryId(voter.0))).collect();
        }
        // Two who lose patience before the third does.
        Bug::TimerResetOnDeniedVote if config.id == NodeId(3) => {
            (config.election_timeout, config.election_timeout_spread) = (150 * MS, 0);
        }
        Bug::NoCheckQuorum => config.check_quorum = true,
        Bug::PrevoteTermDeadlock => config.pre_vote = true,
        Bug::SnapshotTransferNeverRetried => config.max_chunk_bytes = 4,
        _ => {}
    }
}

/// By how many millionths clocks may be wrong where a story says that they are.
const DRIFT: u32 = 100_000;

/// Leaders read by lease, and everybody has the same patience.
fn lease(config: &mut Config, drift: u32) {
    config.check_quorum = true;
    config.lease_drift = Some(drift);
    config.election_timeout_spread = 0;
}

/// So much time passes for all, their timers included, and every letter arrives at once.
fn live(t: &mut Table, milliseconds: u64) {
    let mut left = milliseconds * MS;
    loop {
        let due = |id: u64| t.raft(id).deadline().expect("always").0.saturating_sub(t.server(id).now);
        let up = t.nodes().filter(|&id| t.is_up(id));
        let (passed, next) = up.map(|id| (due(id), id)).min().expect("somebody");
        if passed > left {
            return;
        }
        left -= passed;
        t.elapse(passed);
        t.fire(next);
        t.deliver_all();
    }
}

/// Whether somebody who runs leads.
fn somebody_leads(t: &Table) -> bool {
    t.nodes().any(|id| t.is_up(id) && t.raft(id).is_leader())
}

fn story(bug: Bug) -> Story {
    match bug {
        Bug::VoteReplyBeforeSync => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n2's vote for n1 is lost with its power; then it votes for n3 in the same term.");
                t.slow_disk(2);
                t.time_out(1);
                t.time_out(3);
                t.deliver(1, 2);
                t.deliver_any(2, 1);
                t.power_loss(2);
                t.restart(2);
                t.deliver(3, 2);
                t.deliver_any(2, 3);
            },
            violated: &["persist-before-reply", "one-vote-per-term", "election-safety"],
        },
        Bug::VoteClearedSameTerm => {
            Story {
                founders: 3,
                servers: 3,
                schedule: |t| {
                    t.story("n1 and n3 have an entry that n2 lacks, and campaign at the same time.");
                    t.elect(1);
                    t.propose(1, "x=1");
                    t.lose(1, 2);
                    t.deliver_all();
                    t.crash(1);
                    t.restart(1);
                    t.time_out(1);
                    t.time_out(3);
                    t.story("n2 elects n1, hears its first message, which does not fit, and then n3's late request.");
                    t.deliver(1, 2);
                    t.deliver(2, 1);
                    t.deliver(1, 2);
                    t.deliver(3, 2);
                    t.deliver(2, 3);
                },
                violated: &["one-vote-per-term", "election-safety"],
            }
        }
        Bug::StaleVoteResponseCounted => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n2 votes for n1 in term 1; the vote arrives when n1 campaigns in term 2.");
                t.time_out(1);
                t.deliver(1, 2);
                t.time_out(1);
                t.deliver(2, 1);
                t.story("In term 2 n2 votes for n3.");
                t.time_out(3);
                t.time_out(3);
                t.deliver(3, 2);
                t.deliver(3, 2);
                t.deliver(2, 3);
                t.deliver(2, 3);
            },
            violated: &["elected-by-quorum", "election-safety"],
        },
        Bug::LogRecencyIndexOnly => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n1 has a long tail that nobody else has; n2 and n3 have committed 2@2.");
                t.elect(1);
                t.cut(1);
                t.propose(1, "a=1");
                t.propose(1, "a=2");
                t.elect(2);
                t.story("n2 is down, and n1 asks n3.");
                t.crash(2);
                t.heal();
                t.heartbeat(1);
                t.deliver_all();
                t.time_out(1);
                t.deliver_all();
            },
            violated: &["leader-completeness", "state-machine-safety"],
        },
        Bug::TruncateOnMatchingAe => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n2 has x=1 and x=2, and knows that they are committed. Then the first message comes again.");
                t.elect(1);
                t.cut(3);
                t.propose(1, "x=1");
                t.duplicate(1, 2);
                t.deliver(1, 2);
                t.propose(1, "x=2");
                t.deliver_newest(1, 2);
                t.deliver(2, 1);
                t.deliver(2, 1);
                t.heartbeat(1);
                t.deliver_newest(1, 2);
                t.deliver(1, 2);
                t.story("n1 is down. n2 leads, as n3 has even less.");
                t.crash(1);
                t.heal();
                t.elect(2);
            },
            violated: &[
                "acked-immutable",
                "committed-immutable",
                "leader-completeness",
                "follower-commit-safety",
                "state-machine-safety",
            ],
        },
        Bug::NoTruncateOnConflict => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n1 has appended a=1 alone; n2 leads, with its own first entry in that place.");
                t.elect(1);
                t.cut(1);
                t.propose(1, "a=1");
                t.time_out(2);
                t.deliver(2, 3);
                t.deliver(3, 2);
                t.heal();
                t.heartbeat(2);
                t.deliver(2, 1);
                t.story("Its answer is late, so n2 sends the entry again, and by now it is committed.");
                t.hold(1, 2);
                t.deliver_all();
                t.heartbeat(2);
                t.deliver(2, 1);
            },
            violated: &["persist-before-reply", "follower-commit-safety", "state-machine-safety"],
        },
        Bug::MatchFromSentIndex => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("Two messages to n2, of which the second one is lost.");
                t.elect(1);
                t.cut(3);
                t.propose(1, "x=1");
                t.propose(1, "x=2");
                t.deliver(1, 2);
                t.lose(1, 2);
                t.deliver(2, 1);
                t.story("n1 is gone, and with it what only n1 had.");
                t.crash(1);
                t.heal();
                t.elect(2);
            },
            violated: &["committed-on-quorum", "leader-completeness", "state-machine-safety"],
        },
        Bug::CommitPriorTermByCount => Story {
            founders: 5,
            servers: 5,
            schedule: |t| {
                t.story("Figure 8. a=1 of term 1 reaches n1 and n2; n5 leads term 2 with b=1 in its place, alone.");
                t.elect(1);
                for id in [3, 4, 5] {
                    t.cut(id);
                }
                t.propose(1, "a=1");
                t.deliver_all();
                t.crash(1);
                t.heal();
                t.time_out(5);
                t.lose(5, 2);
                t.deliver(5, 3);
                t.deliver(5, 4);
                t.deliver(3, 5);
                t.cut(5);
                t.deliver(4, 5);
                t.propose(5, "b=1");
                t.crash(5);
                t.heal();
                t.story("n1 leads again and brings a=1 to n3, but not yet its own entry.");
                t.restart(1);
                t.time_out(1);
                t.deliver_all();
                t.time_out(1);
                t.lose(1, 4);
                t.deliver(1, 2);
                t.deliver(1, 3);
                t.deliver(2, 1);
                t.deliver(3, 1);
                t.lose(1, 4);
                t.deliver(1, 2);
                t.deliver(2, 1);
                t.deliver(1, 3);
                t.deliver(3, 1);
                t.deliver(1, 3);
                t.deliver(3, 1);
                t.story(
                    "n1 is gone; n5 comes back and wins with n3 and n4: a=1 must not have been committed.",
                );
                t.crash(1);
                t.letters.clear();
                t.restart(5);
                t.time_out(5);
                t.deliver_all();
                t.time_out(5);
                t.deliver_all();
                assert!(t.raft(5).is_leader());
            },
            violated: &["current-term-commit", "leader-completeness", "state-machine-safety", "follower-commit-safety"],
        },
        Bug::CommitPastVerifiedPrefix => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n1 has a tail of its own where n2 has committed something else.");
                t.elect(1);
                t.cut(1);
                t.propose(1, "a=1");
                t.elect(2);
                t.heal();
                t.story("A message that compares only 1@1 says that 2 is committed.");
                t.read(2, "r1");
                t.deliver(2, 1);
            },
            violated: &["follower-commit-safety", "state-machine-safety"],
        },
        Bug::FollowerAckBeforeSync => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("x=1 is on n1, and on its way to n2's disk.");
                t.elect(1);
                t.cut(3);
                t.slow_disk(2);
                t.propose(1, "x=1");
                t.deliver(1, 2);
                t.deliver_any(2, 1);
                t.story("n2 loses its power, and n1 is gone.");
                t.power_loss(2);
                t.crash(1);
                t.heal();
                t.restart(2);
                t.fast_disk(2);
                t.elect(2);
            },
            violated: &[
                "persist-before-reply",
                "committed-on-quorum",
                "acked-immutable",
                "leader-completeness",
                "state-machine-safety",
            ],
        },
        Bug::LeaderLocalRead => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n1 is cut off; n2 leads, and tells a client that x=1 is done.");
                t.elect(1);
                t.cut(1);
                t.elect(2);
                t.propose(2, "x=1");
                t.deliver_all();
                t.story("Another client asks n1.");
                t.read(1, "r1");
            },
            violated: &["read-safety"],
        },
        Bug::NonvoterCampaigns => Story {
            founders: 3,
            servers: 4,
            schedule: |t| {
                t.story("n4 is a learner that has everything, and hears nobody for an election timeout.");
                t.elect(1);
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(4))]));
                t.deliver_all();
                t.time_out(4);
                t.deliver_all();
            },
            violated: &["membership-safety"],
        },
        Bug::ConfigChangeBeforeOwnTermCommit => Story {
            founders: 4,
            servers: 5,
            schedule: |t| {
                t.story("n1 makes n5 a voter; nobody but n5 hears of it.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                for id in [2, 3, 4] {
                    t.cut(id);
                }
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(5))]));
                t.deliver_all();
                t.story("n2 leads the group of four, and removes n1 at once: two of three have that.");
                t.heal();
                t.cut(1);
                t.cut(5);
                t.time_out(2);
                t.deliver(2, 3);
                t.deliver(3, 2);
                t.deliver(2, 4);
                t.deliver(4, 2);
                t.cut(4);
                t.deliver_any(2, 3);
                t.letters.retain(|envelope| envelope.to.id != NodeId(4));
                t.change(2, ConfChange::Auto(vec![ConfChangeOp::Remove(NodeId(1))]));
                t.deliver_all();
                t.story("n1 leads the group of five with n4 and n5: three of five, none of them n2 or n3.");
                t.heal();
                t.cut(2);
                t.cut(3);
                t.heartbeat(1);
                t.deliver_all();
                t.time_out(1);
                t.deliver_all();
            },
            violated: &["membership-safety", "leader-completeness", "state-machine-safety"],
        },
        Bug::OverlappingConfigChanges => Story {
            founders: 3,
            servers: 5,
            schedule: |t| {
                t.story("n1 takes in n4, and before anybody else knows n5. With them it has three of five.");
                t.elect(1);
                t.cut(2);
                t.cut(3);
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(4))]));
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(5))]));
                t.deliver_all();
                t.story("n2 and n3 are two of three, and elect n2.");
                t.heal();
                for id in [1, 4, 5] {
                    t.cut(id);
                }
                t.time_out(2);
                t.deliver_all();
            },
            violated: &["membership-safety", "leader-completeness", "state-machine-safety"],
        },
        Bug::SelfVoteAfterRv => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n1 campaigns, and its disk is slow.");
                t.slow_disk(1);
                t.time_out(1);
                t.deliver_all();
            },
            violated: &["persist-before-reply"],
        },
        Bug::AckReportsOwnLastIndex => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n1 has a tail that nobody else has; n2 leads.");
                t.elect(1);
                t.cut(1);
                t.propose(1, "a=1");
                t.propose(1, "a=2");
                t.elect(2);
                t.deliver_all();
                t.story("A read makes n2 speak to n1, of the entry before n1's tail.");
                t.heal();
                t.read(2, "r1");
                t.deliver(2, 1);
                t.deliver_any(1, 2);
            },
            violated: &["persist-before-reply"],
        },
        Bug::CommitIndexRegress => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n2 learns that x=1 is committed, n3 does not.");
                t.elect(1);
                t.propose(1, "x=1");
                t.deliver_all();
                t.heartbeat(1);
                t.deliver(1, 2);
                t.lose_all();
                t.story("n3 leads, and knows less than n2.");
                t.crash(1);
                t.time_out(3);
                t.deliver_all();
            },
            violated: &["committed-immutable"],
        },
        Bug::ReadindexBeforeOwnTermCommit => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("x=1 is committed and answered, and only n1 knows.");
                t.elect(1);
                t.propose(1, "x=1");
                t.deliver_all();
                t.crash(1);
                t.lose_all();
                t.story("n2 leads; its first entry is lost, and it is asked to read.");
                t.time_out(2);
                t.deliver(2, 3);
                t.deliver(3, 2);
                t.lose(2, 3);
                t.read(2, "r1");
                t.deliver_all();
            },
            violated: &["read-safety"],
        },
        Bug::JointCommitOneSide => Story {
            founders: 3,
            servers: 5,
            schedule: |t| {
                t.story("n4 and n5 replace n2 and n3, who hear nothing of it.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.cut(2);
                t.cut(3);
                let voter = |id| ConfChangeOp::AddVoter(NodeId(id));
                let remove = |id| ConfChangeOp::Remove(NodeId(id));
                t.change(1, ConfChange::ExplicitJoint(vec![voter(4), voter(5), remove(2), remove(3)]));
                t.deliver_all();
            },
            violated: &["committed-on-quorum"],
        },
        Bug::JointLeftBeforeCommit => Story {
            founders: 3,
            servers: 5,
            schedule: |t| {
                t.story("Two voters come at once, by way of a joint phase.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.change(
                    1,
                    ConfChange::Auto(vec![
                        ConfChangeOp::AddVoter(NodeId(4)),
                        ConfChangeOp::AddVoter(NodeId(5)),
                    ]),
                );
            },
            violated: &["membership-safety"],
        },
        Bug::LearnerCountedInQuorum => Story {
            founders: 3,
            servers: 5,
            schedule: |t| {
                t.story("n4 and n5 listen. Then they are all that n1 reaches.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.change(
                    1,
                    ConfChange::Auto(vec![
                        ConfChangeOp::AddLearner(NodeId(4)),
                        ConfChangeOp::AddLearner(NodeId(5)),
                    ]),
                );
                t.deliver_all();
                t.cut(2);
                t.cut(3);
                t.propose(1, "x=1");
                t.deliver_all();
            },
            violated: &["committed-on-quorum"],
        },
        Bug::TermAdoptedNotDurable => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n3 follows n1 in term 1 and has never voted.");
                t.time_out(1);
                t.lose(1, 3);
                t.deliver_all();
                t.story("n2 leads term 2. The first that n3 hears of it has nothing to save but the term.");
                t.time_out(2);
                t.lose(2, 3);
                t.deliver(2, 1);
                t.deliver(1, 2);
                t.lose(2, 3);
                t.deliver(2, 1);
                t.deliver(1, 2);
                t.read(2, "r1");
                t.deliver(2, 3);
                t.deliver_any(3, 2);
                t.story("n3 loses its power, and with it the term that it has answered in.");
                t.power_loss(3);
                t.restart(3);
            },
            violated: &["persist-before-reply", "monotonic-term"],
        },
        Bug::VoteRuleInsideLease => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n1 leads by its lease, and n2 hears it all the time. n3 does not.");
                t.together = true;
                t.elect(1);
                t.cut_link(1, 3);
                for _ in 0..4 {
                    t.heartbeat(1);
                    t.deliver_all();
                }
                t.story("n3 loses patience. If n2 helped, there would be two who take n2's word for it.");
                t.cut(1);
                t.time_out(3);
                t.deliver_all();
                t.propose(3, "x=1");
                t.deliver_all();
                t.read(1, "r1");
            },
            violated: &["read-safety"],
        },
        Bug::MissingPrevTermReadsAsZero => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story(
                    "n3's window is full with 2@1 and 3@1. The others go on, and n1 compacts everything.",
                );
                t.elect(1);
                t.hold(1, 3);
                for value in ["x=1", "x=2", "x=3", "x=4"] {
                    t.propose(1, value);
                }
                t.deliver_all();
                t.compact(1, 0);
                t.story("3@1 is lost on its way to n3. What n1 would send next is gone, and so is what stood before.");
                t.deliver(1, 3);
                t.lose(1, 3);
                t.deliver(3, 1);
                t.deliver(1, 3);
            },
            violated: &["follower-commit-safety", "persist-before-reply"],
        },
        Bug::ApplyBeforeLocalDurable => Story {
            founders: 1,
            servers: 1,
            schedule: |t| {
                t.story("Alone in its group, with a slow disk. The first of two entries becomes durable.");
                t.elect(1);
                t.slow_disk(1);
                t.propose(1, "x=1");
                t.propose(1, "x=2");
                t.sync_one(1);
                t.story("The power fails. What of x=2?");
                t.power_loss(1);
            },
            violated: &["committed-on-quorum", "apply-after-durability"],
        },
        Bug::InstallDropsAckedSuffix => {
            Story {
                founders: 3,
                servers: 3,
                schedule: |t| {
                    t.story("Three entries are on their way to n3. With n2, n1 commits two of them, and compacts those.");
                    t.elect(1);
                    t.hold(1, 3);
                    for value in ["x=1", "x=2", "x=3"] {
                        t.propose(1, value);
                        t.deliver(1, 2);
                    }
                    t.deliver(2, 1);
                    t.deliver(2, 1);
                    t.compact(1, 0);
                    t.story("A heartbeat overtakes them: n3 lacks what is gone, and n1 sends the snapshot.");
                    t.heartbeat(1);
                    t.deliver_newest(1, 3);
                    t.deliver(3, 1);
                    t.story("The entries arrive after all, and n3 acknowledges all three. Then comes the snapshot.");
                    t.deliver(1, 3);
                    t.deliver(1, 3);
                    t.deliver(1, 3);
                    t.deliver(1, 3);
                },
                violated: &["acked-immutable"],
            }
        }
        Bug::InstallRegressesState => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n3 gets a snapshot, of which a copy is late.");
                t.elect(1);
                t.cut(3);
                t.propose(1, "x=1");
                t.deliver_all();
                t.compact(1, 0);
                t.heal();
                t.heartbeat(1);
                t.deliver(1, 3);
                t.deliver(3, 1);
                t.deliver_copy(1, 3);
                t.hold(1, 3);
                t.story("It goes on from there, and compacts its own log further than that.");
                t.deliver_all();
                t.propose(1, "x=2");
                t.deliver_newest(1, 3);
                t.deliver_all();
                t.heartbeat(1);
                t.deliver_newest(1, 3);
                t.compact(3, 0);
                t.story("Now the copy arrives.");
                t.deliver(1, 3);
            },
            violated: &["snapshot-consistency", "acked-immutable", "committed-immutable", "apply-after-durability"],
        },
        Bug::SnapshotConfigLostOrStale => Story {
            founders: 3,
            servers: 4,
            schedule: |t| {
                t.story("The group was founded without n4. By the end of the snapshot n4 votes.");
                t.elect(1);
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(4))]));
                t.deliver_all();
                t.compact(1, 0);
            },
            violated: &["snapshot-consistency"],
        },
        Bug::SnapshotBoundaryOffByOne => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n3 has acknowledged 2@1. n1 compacts up to 3@1, the one entry that n3 lacks.");
                t.elect(1);
                t.propose(1, "x=1");
                t.deliver_all();
                t.cut(3);
                t.propose(1, "x=2");
                t.deliver_all();
                t.compact(1, 0);
                t.heal();
                live(t, 2_000);
                let lacks = t.raft(3).commit_index() < t.raft(1).commit_index();
                t.by_now(!lacks, "n3 lacks 3@1 for ever");
            },
            violated: &["progress"],
        },
        Bug::ConfigAppliedLateCampaignUnguarded => Story {
            founders: 3,
            servers: 4,
            schedule: |t| {
                t.story("n1 makes n4 a voter, and reaches n2 alone: two of four.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.cut(3);
                t.cut(4);
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(4))]));
                t.deliver_all();
            },
            violated: &["committed-on-quorum"],
        },
        Bug::ReadAckContextReused => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("A read starts a round. n2 answers, and the answer is late.");
                t.elect(1);
                t.read(1, "r1");
                t.hold(2, 1);
                t.deliver(1, 2);
                t.story("n2 leads by now, and has told a client that x=1 is done. Another one asks n1.");
                t.cut(1);
                t.elect(2);
                t.propose(2, "x=1");
                t.deliver_all();
                t.read(1, "r2");
                t.story("The answer says that n1 led when r1 was asked.");
                t.deliver(2, 1);
            },
            violated: &["read-safety"],
        },
        Bug::LeaseFromAckArrival => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n2 hears n1's heartbeat at once. Its answer is on its way for 290 ms of its 300.");
                t.together = true;
                t.elect(1);
                t.heartbeat(1);
                t.deliver(1, 2);
                t.deliver(1, 3);
                t.lose(3, 1);
                t.pause(1, 290);
                t.deliver(2, 1);
                t.story("10 ms later n2 is free to lead, and does.");
                t.cut(1);
                t.elect(2);
                t.propose(2, "x=1");
                t.deliver_all();
                t.read(1, "r1");
            },
            violated: &["read-safety"],
        },
        Bug::LeaseIgnoresDrift => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n1's clock is as slow as it may be, the others' are as fast.");
                t.together = true;
                t.server_mut(1).rate = -i64::from(DRIFT);
                t.server_mut(2).rate = i64::from(DRIFT);
                t.server_mut(3).rate = i64::from(DRIFT);
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.story("300 ms later by n2's clock, n2 leads. By n1's clock it is 245 ms.");
                t.cut(1);
                t.elect(2);
                t.propose(2, "x=1");
                t.deliver_all();
                t.read(1, "r1");
            },
            violated: &["read-safety"],
        },
        Bug::ReadBeforeApply => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n1 has told a client that x=1 is done. n2 has it, and does not know that it is committed.");
                t.elect(1);
                t.propose(1, "x=1");
                t.deliver_all();
                t.story("n2 passes a read on. The leader's word on it overtakes the news of the commit.");
                t.read(2, "r1");
                t.deliver(2, 1);
                t.deliver(1, 3);
                t.deliver(3, 1);
                t.deliver_newest(1, 2);
                t.deliver(1, 2);
            },
            violated: &["read-safety"],
        },
        Bug::RestartServesBeforeRecovery => Story {
            founders: 1,
            servers: 1,
            schedule: |t| {
                t.story("Alone in its group, n1 has committed x=1, and restarts.");
                t.elect(1);
                t.propose(1, "x=1");
                t.crash(1);
                t.slow_disk(1);
                t.restart(1);
                t.story("It leads again, and has forgotten how much is committed.");
                t.sync(1);
                t.time_out(1);
                t.sync(1);
                t.read(1, "r1");
                t.sync(1);
            },
            violated: &["read-safety"],
        },
        Bug::StepdownReportedAsFailure => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n2 has x=1 from n1, and is elected before n1 hears of it.");
                t.elect(1);
                t.propose(1, "x=1");
                t.deliver(1, 2);
                t.lose(2, 1);
                t.lose(1, 3);
                t.time_out(2);
                t.deliver_all();
            },
            violated: &["witness"],
        },
        Bug::PeerIdentityUnchecked => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n2 has voted for n1; its vote is late. Its disk is wiped, and it comes back as another life.");
                t.time_out(1);
                t.time_out(3);
                t.deliver(1, 2);
                t.power_loss(2);
                t.wipe(2);
                t.restart(2);
                t.story("n3 asks the n2 that the group knows.");
                t.deliver(3, 2);
                t.deliver_any(2, 3);
                t.deliver(2, 1);
            },
            violated: &["one-vote-per-term", "elected-by-quorum", "election-safety"],
        },
        Bug::TimerResetOnDeniedVote => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n1 is gone. n2 has x=1. n3 has not, cannot win, and loses patience twice as fast.");
                t.elect(1);
                t.cut(3);
                t.propose(1, "x=1");
                t.deliver_all();
                t.crash(1);
                t.heal();
                live(t, 5_000);
                t.by_now(somebody_leads(t), "n2 alone could lead, and never asks");
            },
            violated: &["progress"],
        },
        Bug::NoCheckQuorum => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n1 is cut off, and asked for something.");
                t.elect(1);
                t.cut(1);
                t.propose(1, "x=1");
                t.wait(1, 5_000);
                t.by_now(t.unanswered().is_empty(), "n1's client waits for ever");
            },
            violated: &["progress"],
        },
        Bug::PrevoteTermDeadlock => {
            Story {
                founders: 3,
                servers: 3,
                schedule: |t| {
                    t.story("n1 has x=1 that nobody else has. n2 campaigns in later terms without it, and n3 dies.");
                    t.elect(1);
                    t.cut(1);
                    t.propose(1, "x=1");
                    t.crash(1);
                    t.restart(1);
                    t.pause(3, 1_000);
                    for _ in 0..2 {
                        t.time_out(2);
                        t.deliver(2, 3);
                        t.deliver(3, 2);
                        t.lose(2, 3);
                    }
                    t.crash(3);
                    t.story("Two of three are left. n1 does not know the term, and n2 has not got the log.");
                    t.heal();
                    live(t, 5_000);
                    t.by_now(somebody_leads(t), "n1 alone could lead, and asks in a term that is over");
                },
                violated: &["progress"],
            }
        }
        Bug::ConflictCatchUpLivelock => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n3 was away for two entries, which were lost.");
                t.elect(1);
                t.cut(3);
                t.propose(1, "x=1");
                t.propose(1, "x=2");
                t.deliver_all();
                t.heal();
                live(t, 2_000);
                let lacks = t.raft(3).commit_index() < t.raft(1).commit_index();
                t.by_now(!lacks, "n3 is asked about 3@1 for ever");
            },
            violated: &["progress"],
        },
        Bug::SnapshotTransferNeverRetried => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n3 needs a snapshot, in parts.");
                t.elect(1);
                t.cut(3);
                t.propose(1, "x=1");
                t.propose(1, "x=2");
                t.propose(1, "x=3");
                t.deliver_all();
                t.compact(1, 0);
                t.heal();
                t.heartbeat(1);
                t.deliver(1, 3);
                t.deliver(3, 1);
                t.story("The second part is lost.");
                t.deliver(1, 3);
                t.lose(1, 3);
                live(t, 2_000);
                let lacks = t.raft(3).commit_index() < t.raft(1).commit_index();
                t.by_now(!lacks, "n3 waits for the second part for ever");
            },
            violated: &["progress"],
        },
        Bug::RemovedOrRetiredNodeMishandled => {
            Story {
                founders: 2,
                servers: 2,
                schedule: |t| {
                    t.story("n1 removes itself, and restarts before n2 has heard of it. n2 cannot win: n1 has more.");
                    t.elect(1);
                    t.heartbeat(1);
                    t.deliver_all();
                    t.change(1, ConfChange::Auto(vec![ConfChangeOp::Remove(NodeId(1))]));
                    t.lose_all();
                    t.crash(1);
                    t.restart(1);
                    live(t, 5_000);
                    t.by_now(somebody_leads(t), "n1 alone could lead, and does not ask");
                },
                violated: &["progress"],
            }
        }
    }
}
