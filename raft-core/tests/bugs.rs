//! Each line that safety stands on, taken away: a schedule that goes wrong without it and goes well with it.

mod table;

use raft_core::{Bug, Change, NodeId, Step};
use table::Table;

/// What happens, on how many servers, of which how many found the group, and everything that is violated by it without the line, in order.
struct Story {
    founders: u64,
    servers: u64,
    schedule: fn(&mut Table),
    violated: &'static [&'static str],
}

#[test]
fn each_line_carries_something() {
    for bug in Bug::ALL.into_iter().filter(|bug| !UNTOLD.contains(bug)) {
        let Story { founders, servers, schedule, violated } = story(bug);
        let with = |bug: Option<Bug>| {
            let mut t = Table::founded_by(founders, servers, |config| {
                config.bug = bug;
                config.max_batch = 1;
            });
            t.lenient = true;
            schedule(&mut t);
            t
        };
        let good = with(None);
        assert_eq!(good.violated(), [] as [&str; 0], "{bug:?}, switched off:\n{}", good.transcript());
        let bad = with(Some(bug));
        assert_eq!(bad.violated(), violated, "{bug:?}, switched on:\n{}", bad.transcript());
        assert_eq!(
            violated[0],
            bug.first(),
            "{bug:?} is noticed first by another property:\n{}",
            bad.transcript()
        );
    }
}

/// The bugs that nobody has told a story of yet.
const UNTOLD: [Bug; 22] = [
    Bug::TermAdoptedNotDurable,
    Bug::VoteRuleInsideLease,
    Bug::MissingPreviousTermReadsAsZero,
    Bug::ApplyBeforeLocalDurable,
    Bug::InstallDropsAckedSuffix,
    Bug::InstallRegressesState,
    Bug::SnapshotConfigurationStale,
    Bug::SnapshotBoundaryOffByOne,
    Bug::ConfigAppliedLate,
    Bug::ReadAckContextReused,
    Bug::LeaseFromAckArrival,
    Bug::LeaseIgnoresDrift,
    Bug::ReadBeforeApply,
    Bug::RestartServesBeforeRecovery,
    Bug::StepdownReportedAsFailure,
    Bug::PeerIdentityUnchecked,
    Bug::TimerResetOnDeniedVote,
    Bug::NoCheckQuorum,
    Bug::PreVoteTermDeadlock,
    Bug::ConflictCatchUpLivelock,
    Bug::SnapshotTransferNeverRetried,
    Bug::RemovedNodeMishandled,
];

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
            violated: &["promises-after-durability", "one-vote-per-term", "election-safety"],
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
        Bug::TruncateOnMatchingAppend => Story {
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
                "acknowledged-stays",
                "committed-stays",
                "leader-completeness",
                "followers-commit",
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
            violated: &["promises-after-durability", "followers-commit", "state-machine-safety"],
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
            violated: &["durable-quorum", "leader-completeness", "state-machine-safety"],
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
                assert!(t.raft(5).leads());
            },
            violated: &["own-term-commit", "leader-completeness", "state-machine-safety", "followers-commit"],
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
            violated: &["followers-commit", "state-machine-safety"],
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
                "promises-after-durability",
                "durable-quorum",
                "acknowledged-stays",
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
            violated: &["reads"],
        },
        Bug::NonvoterCampaigns => Story {
            founders: 3,
            servers: 4,
            schedule: |t| {
                t.story("n4 is a learner that has everything, and hears nobody for an election timeout.");
                t.elect(1);
                t.change(1, Change::Steps(vec![Step::Learner(NodeId(4))]));
                t.deliver_all();
                t.time_out(4);
                t.deliver_all();
            },
            violated: &["configurations"],
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
                t.change(1, Change::Steps(vec![Step::Voter(NodeId(5))]));
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
                t.letters.retain(|letter| letter.to.id != NodeId(4));
                t.change(2, Change::Steps(vec![Step::Remove(NodeId(1))]));
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
            violated: &["configurations", "leader-completeness", "state-machine-safety"],
        },
        Bug::OverlappingConfigChanges => Story {
            founders: 3,
            servers: 5,
            schedule: |t| {
                t.story("n1 takes in n4, and before anybody else knows n5. With them it has three of five.");
                t.elect(1);
                t.cut(2);
                t.cut(3);
                t.change(1, Change::Steps(vec![Step::Voter(NodeId(4))]));
                t.change(1, Change::Steps(vec![Step::Voter(NodeId(5))]));
                t.deliver_all();
                t.story("n2 and n3 are two of three, and elect n2.");
                t.heal();
                for id in [1, 4, 5] {
                    t.cut(id);
                }
                t.time_out(2);
                t.deliver_all();
            },
            violated: &["configurations", "leader-completeness", "state-machine-safety"],
        },
        Bug::RequestVoteBeforeSync => Story {
            founders: 3,
            servers: 3,
            schedule: |t| {
                t.story("n1 campaigns, and its disk is slow.");
                t.slow_disk(1);
                t.time_out(1);
                t.deliver_all();
            },
            violated: &["promises-after-durability"],
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
            violated: &["promises-after-durability"],
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
            violated: &["committed-stays"],
        },
        Bug::ReadIndexBeforeOwnTermCommit => Story {
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
            violated: &["reads"],
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
                let voter = |id| Step::Voter(NodeId(id));
                let remove = |id| Step::Remove(NodeId(id));
                t.change(1, Change::Joint(vec![voter(4), voter(5), remove(2), remove(3)]));
                t.deliver_all();
            },
            violated: &["durable-quorum"],
        },
        Bug::JointLeftBeforeCommit => Story {
            founders: 3,
            servers: 5,
            schedule: |t| {
                t.story("Two voters come at once, by way of a joint phase.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.change(1, Change::Steps(vec![Step::Voter(NodeId(4)), Step::Voter(NodeId(5))]));
            },
            violated: &["configurations"],
        },
        Bug::LearnerCountedInQuorum => Story {
            founders: 3,
            servers: 5,
            schedule: |t| {
                t.story("n4 and n5 listen. Then they are all that n1 reaches.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.change(1, Change::Steps(vec![Step::Learner(NodeId(4)), Step::Learner(NodeId(5))]));
                t.deliver_all();
                t.cut(2);
                t.cut(3);
                t.propose(1, "x=1");
                t.deliver_all();
            },
            violated: &["durable-quorum"],
        },
        bug => unreachable!("nobody tells of {bug:?}"),
    }
}
