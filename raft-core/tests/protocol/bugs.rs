//! Each injected bug removes one safety check: a schedule violates a property with the bug and none without it.

use crate::table::{MS, Table};
use raft_core::status::{ProgressStatus, RoleStatus};
use raft_core::{Bug, ConfChange, ConfChangeOp, Config, DirectoryId, Message, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A schedule, its cluster, and the properties that it violates with the bug, in order.
struct BugCase {
    initial_voters: u64,
    servers: u64,
    schedule: fn(&mut Table),
    violated: &'static [&'static str],
}

#[test]
fn each_bug_names_the_files_of_its_line() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: BTreeMap<String, String> = fs::read_dir(src)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap()))
        // It describes servers, and changes none.
        .filter(|(name, _)| name != "canonical.rs")
        .collect();
    for &bug in Bug::ALL {
        let switches = [format!("Bug::{bug:?})"), format!("Bug::{bug:?}.is_on(")];
        let has_switch = files
            .iter()
            .filter(|(_, text)| switches.iter().any(|switch| text.contains(switch)))
            .map(|(name, _)| name.as_str());
        let named = bug.info().at.split(", ").filter(|part| part.ends_with(".rs"));
        assert_eq!(named.collect::<BTreeSet<_>>(), has_switch.collect(), "{bug:?}");
    }
}

#[test]
fn each_bug_violates_its_first_property() {
    for &bug in Bug::ALL {
        let BugCase { initial_voters, servers, schedule, violated } = case_for(bug);
        let with = |enabled: bool| {
            let mut t = Table::with_initial_voters(initial_voters, servers, |config| {
                config.max_batch_entries = 1;
                configure(bug, config);
                config.bug = enabled.then_some(bug);
            });
            t.lenient = true;
            schedule(&mut t);
            t
        };
        let good = with(false);
        assert_eq!(good.violated(), [] as [&str; 0], "{bug:?}, disabled:\n{}", good.transcript());
        let bad = with(true);
        assert_eq!(bad.violated(), violated, "{bug:?}, enabled:\n{}", bad.transcript());
        // The table does not judge what a leader knows when it confirms a read or counts a follower, nor by whose
        // order a server campaigns, nor why it rejects a change, only what follows.
        let first = bug.info().first;
        let unjudged =
            ["confirmed-reads", "leader-counts", "ordered-candidacies", "bookkeeping", "rejection-reasons"];
        assert!(
            first == violated[0] || unjudged.contains(&first),
            "the first property that {bug:?} violates must be the one its table names:\n{}",
            bad.transcript()
        );
    }
}

/// Options that a case needs beyond the default.
fn configure(bug: Bug, config: &mut Config) {
    match bug {
        Bug::VoteRuleInsideLease
        | Bug::LeaseFromAckArrival
        | Bug::LeasePromiseLostOnRestart
        | Bug::TimeoutNowOfPastTerm
        | Bug::LeaseByCheckQuorum => configure_lease(config, 0),
        Bug::LeaseIgnoresDrift => configure_lease(config, CLOCK_DRIFT_PPM),
        Bug::MissingPrevTermReadsAsZero => config.max_in_flight_messages = 2,
        Bug::LearnerNeverCaughtUp => config.max_promotion_lag = 1,
        Bug::ReadBeforeApply => config.forward = true,
        Bug::PeerIdentityUnchecked | Bug::StaleAckAfterReversion => {
            config.directory_id = DirectoryId(config.id.0);
            config.directory_ids = config.voters.iter().map(|&voter| (voter, DirectoryId(voter.0))).collect();
        }
        // n3 times out at least twice before another server does.
        Bug::TimerResetOnDeniedVote | Bug::HigherTermResetsTimer if config.id == NodeId(3) => {
            (config.election_timeout, config.election_timeout_spread) = (150 * MS, 0);
        }
        Bug::NoCheckQuorum | Bug::MinorityKeepsLead => config.check_quorum = true,
        Bug::PrevoteTermDeadlock | Bug::VoteClearedByPreVote | Bug::StalePrevoteAfterWin => {
            config.pre_vote = true;
        }
        Bug::SnapshotTransferNeverRetried => config.max_chunk_bytes = 4,
        _ => {}
    }
}

/// The drift bound of the clocks in cases about drift, in parts per million.
const CLOCK_DRIFT_PPM: u32 = 100_000;

/// Leaders read by lease, and all election timeouts are equal.
fn configure_lease(config: &mut Config, drift: u32) {
    config.check_quorum = true;
    config.lease_drift = Some(drift);
    config.election_timeout_spread = 0;
}

/// Lets time pass for all servers, timers included; every message arrives at once.
fn run_for(t: &mut Table, milliseconds: u64) {
    let mut left = milliseconds * MS;
    loop {
        let due = |id: u64| {
            t.raft(id).deadline().expect("a running server has a deadline").0.saturating_sub(t.server(id).now)
        };
        let up = t.nodes().filter(|&id| t.is_up(id));
        let (passed, next) = up.map(|id| (due(id), id)).min().expect("the table has a server that is up");
        if passed > left {
            return;
        }
        left -= passed;
        t.elapse(passed);
        t.fire(next);
        t.deliver_all();
    }
}

/// Whether a running server leads.
fn has_leader(t: &Table) -> bool {
    t.nodes().any(|id| t.is_up(id) && t.raft(id).is_leader())
}

fn case_for(bug: Bug) -> BugCase {
    match bug {
        Bug::VoteReplyBeforeSync => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe(
                    "n2 loses its vote for n1 in a power loss; then it votes for n3 in the same term.",
                );
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
        Bug::VoteClearedSameTerm => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 and n3 have an entry that n2 lacks, and campaign at the same time.");
                t.elect(1);
                t.propose(1, "x=1");
                t.lose(1, 2);
                t.deliver_all();
                t.crash(1);
                t.restart(1);
                t.time_out(1);
                t.time_out(3);
                t.describe("n2 elects n1, receives its first message, which does not match its log, and then n3's late request.");
                t.deliver(1, 2);
                t.deliver(2, 1);
                t.deliver(1, 2);
                t.deliver(3, 2);
                t.deliver(2, 3);
            },
            violated: &["one-vote-per-term", "election-safety"],
        },
        Bug::StaleVoteResponseCounted => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n2 votes for n1 in term 1; the vote arrives when n1 campaigns in term 2.");
                t.time_out(1);
                t.deliver(1, 2);
                t.time_out(1);
                t.deliver(2, 1);
                t.describe("In term 2 n2 votes for n3.");
                t.time_out(3);
                t.time_out(3);
                t.deliver(3, 2);
                t.deliver(3, 2);
                t.deliver(2, 3);
                t.deliver(2, 3);
            },
            violated: &["elected-by-quorum", "election-safety"],
        },
        Bug::LogRecencyIndexOnly => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 has a long tail that no other server has; n2 and n3 have committed 2@2.");
                t.elect(1);
                t.cut(1);
                t.propose(1, "a=1");
                t.propose(1, "a=2");
                t.elect(2);
                t.describe("n2 is down, and n1 requests n3's vote.");
                t.crash(2);
                t.heal();
                t.heartbeat(1);
                t.deliver_all();
                t.time_out(1);
                t.deliver_all();
            },
            violated: &["leader-completeness", "state-machine-safety"],
        },
        Bug::TruncateOnMatchingAe => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n2 has x=1 and x=2, and knows that they are committed. Then the first message arrives again.");
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
                t.describe("n1 is down. n2 leads, since n3's log is shorter.");
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
        Bug::NoTruncateOnConflict => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 has appended a=1 alone; n2 leads, with its own first entry at that index.");
                t.elect(1);
                t.cut(1);
                t.propose(1, "a=1");
                t.time_out(2);
                t.deliver(2, 3);
                t.deliver(3, 2);
                t.heal();
                t.heartbeat(2);
                t.deliver(2, 1);
                t.describe("n1's response is late, so n2 sends the entry again, and by now it is committed.");
                t.hold(1, 2);
                t.deliver_all();
                t.heartbeat(2);
                t.deliver(2, 1);
            },
            violated: &["persist-before-reply", "follower-commit-safety", "state-machine-safety"],
        },
        Bug::MatchFromSentIndex => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 sends two messages to n2, and the second one is lost.");
                t.elect(1);
                t.cut(3);
                t.propose(1, "x=1");
                t.propose(1, "x=2");
                t.deliver(1, 2);
                t.lose(1, 2);
                t.deliver(2, 1);
                t.describe("n1 is down, and only n1 had x=2.");
                t.crash(1);
                t.heal();
                t.elect(2);
            },
            violated: &["committed-on-quorum", "leader-completeness", "state-machine-safety"],
        },
        Bug::CommitPriorTermByCount => BugCase {
            initial_voters: 5,
            servers: 5,
            schedule: |t| {
                t.describe("Figure 8. a=1 of term 1 reaches n1 and n2; n5 leads term 2 and appends b=1 at the same index, alone.");
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
                t.describe("n1 leads again and replicates a=1 to n3, but not yet its own entry.");
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
                t.describe(
                    "n1 is down; n5 restarts and wins with n3 and n4: a=1 must not have been committed.",
                );
                t.crash(1);
                t.messages.clear();
                t.restart(5);
                t.time_out(5);
                t.deliver_all();
                t.time_out(5);
                t.deliver_all();
                assert!(t.raft(5).is_leader());
            },
            violated: &[
                "current-term-commit",
                "leader-completeness",
                "state-machine-safety",
                "follower-commit-safety",
            ],
        },
        Bug::CommitPastVerifiedPrefix => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 has an uncommitted tail at indexes where n2 has committed other entries.");
                t.elect(1);
                t.cut(1);
                t.propose(1, "a=1");
                t.elect(2);
                t.heal();
                t.describe("A message that compares only 1@1 carries commit index 2.");
                t.read(2, "r1");
                t.deliver(2, 1);
            },
            violated: &["follower-commit-safety", "state-machine-safety"],
        },
        Bug::FollowerAckBeforeSync => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("x=1 is on n1, and n2's write of it is not synced.");
                t.elect(1);
                t.cut(3);
                t.slow_disk(2);
                t.propose(1, "x=1");
                t.deliver(1, 2);
                t.deliver_any(2, 1);
                t.describe("n2 loses power, and n1 is down.");
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
        Bug::LeaderLocalRead => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 is cut off; n2 leads, and responds to a client that x=1 is applied.");
                t.elect(1);
                t.cut(1);
                t.elect(2);
                t.propose(2, "x=1");
                t.deliver_all();
                t.describe("Another client reads at n1.");
                t.read(1, "r1");
            },
            violated: &["read-safety"],
        },
        Bug::NonvoterCampaigns => BugCase {
            initial_voters: 3,
            servers: 4,
            schedule: |t| {
                t.describe("n4 is an up-to-date learner whose election timeout expires.");
                t.elect(1);
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(4))]));
                t.deliver_all();
                t.time_out(4);
                t.deliver_all();
            },
            violated: &["membership-safety"],
        },
        Bug::ConfigChangeBeforeOwnTermCommit => {
            BugCase {
                initial_voters: 4,
                servers: 5,
                schedule: |t| {
                    t.describe("n1 adds n5 as a voter; only n5 receives the entry.");
                    t.elect(1);
                    t.heartbeat(1);
                    t.deliver_all();
                    for id in [2, 3, 4] {
                        t.cut(id);
                    }
                    t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(5))]));
                    t.deliver_all();
                    t.describe("n2 leads the configuration of four, and removes n1 at once: two of three have the entry.");
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
                    t.messages.retain(|envelope| envelope.to.id != NodeId(4));
                    t.change(2, ConfChange::Auto(vec![ConfChangeOp::Remove(NodeId(1))]));
                    t.deliver_all();
                    t.describe("n1 leads the configuration of five with n4 and n5: three of five, without n2 and n3.");
                    t.heal();
                    t.cut(2);
                    t.cut(3);
                    t.heartbeat(1);
                    t.deliver_all();
                    t.time_out(1);
                    t.deliver_all();
                },
                violated: &["membership-safety", "leader-completeness", "state-machine-safety"],
            }
        }
        Bug::LearnerNeverCaughtUp => BugCase {
            initial_voters: 2,
            servers: 3,
            schedule: |t| {
                t.describe("n3 becomes a learner, and has all that n1 has. Then it is promoted.");
                t.elect(1);
                t.propose(1, "x=1");
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(3))]));
                run_for(t, 2_000);
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(3))]));
                run_for(t, 2_000);
                let is_voter = t.raft(1).configuration().is_voter(NodeId(3));
                t.require_progress(is_voter, "n3 is never promoted");
            },
            violated: &["liveness"],
        },
        Bug::ProbingNeverEnds => BugCase {
            initial_voters: 2,
            servers: 2,
            schedule: |t| {
                t.describe("n2 has all that n1 has. Then three clients call at once.");
                t.elect(1);
                t.propose(1, "x=1");
                t.deliver_all();
                (2..=4).for_each(|x| t.propose(1, &format!("x={x}")));
                let RoleStatus::Leader(leader) = t.raft(1).status().role else { panic!("n1 must lead") };
                let state = leader.followers[0].state;
                let is_pipelined = matches!(state, ProgressStatus::Replicate { messages: 3, .. });
                t.require_progress(is_pipelined, "n1 sends one message and waits");
            },
            violated: &["liveness"],
        },
        Bug::OverlappingConfigChanges => BugCase {
            initial_voters: 3,
            servers: 5,
            schedule: |t| {
                t.describe("n1 adds n4, and then n5 before the first change is committed. With them it has three of five.");
                t.elect(1);
                t.cut(2);
                t.cut(3);
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(4))]));
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(5))]));
                t.deliver_all();
                t.describe("n2 and n3 are two of three, and elect n2.");
                t.heal();
                for id in [1, 4, 5] {
                    t.cut(id);
                }
                t.time_out(2);
                t.deliver_all();
            },
            violated: &["membership-safety", "leader-completeness", "state-machine-safety"],
        },
        Bug::SelfVoteAfterRv => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 campaigns, and its disk is slow.");
                t.slow_disk(1);
                t.time_out(1);
                t.deliver_all();
            },
            violated: &["persist-before-reply"],
        },
        Bug::AckReportsOwnLastIndex => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 has a tail that no other server has; n2 leads.");
                t.elect(1);
                t.cut(1);
                t.propose(1, "a=1");
                t.propose(1, "a=2");
                t.elect(2);
                t.deliver_all();
                t.describe("A read makes n2 send n1 a message about the entry before n1's tail.");
                t.heal();
                t.read(2, "r1");
                t.deliver(2, 1);
                t.deliver_any(1, 2);
            },
            violated: &["persist-before-reply"],
        },
        Bug::CommitIndexRegress => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n2 learns that x=1 is committed, n3 does not.");
                t.elect(1);
                t.propose(1, "x=1");
                t.deliver_all();
                t.heartbeat(1);
                t.deliver(1, 2);
                t.lose_all();
                t.describe("n3 leads with a lower commit index than n2.");
                t.crash(1);
                t.time_out(3);
                t.deliver_all();
            },
            violated: &["committed-immutable"],
        },
        Bug::ReadindexBeforeOwnTermCommit => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe(
                    "x=1 is committed and its client has the response, but only n1 knows of the commit.",
                );
                t.elect(1);
                t.propose(1, "x=1");
                t.deliver_all();
                t.crash(1);
                t.lose_all();
                t.describe("n2 leads; its first entry is lost, and a client requests a read.");
                t.time_out(2);
                t.deliver(2, 3);
                t.deliver(3, 2);
                t.lose(2, 3);
                t.read(2, "r1");
                t.deliver_all();
            },
            violated: &["read-safety"],
        },
        Bug::JointCommitOneSide => BugCase {
            initial_voters: 3,
            servers: 5,
            schedule: |t| {
                t.describe("n4 and n5 replace n2 and n3, which do not receive the entry.");
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
        Bug::JointLeftBeforeCommit => BugCase {
            initial_voters: 3,
            servers: 5,
            schedule: |t| {
                t.describe("n1 adds two voters at once, in a joint phase.");
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
        Bug::LearnerCountedInQuorum => BugCase {
            initial_voters: 3,
            servers: 5,
            schedule: |t| {
                t.describe("n4 and n5 are learners. Then n1 reaches no other server.");
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
        Bug::TermAdoptedNotDurable => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n3 follows n1 in term 1 and has never voted.");
                t.time_out(1);
                t.lose(1, 3);
                t.deliver_all();
                t.describe("n2 leads term 2. The first message of that term to n3 changes nothing to be saved but the term.");
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
                t.describe("n3 loses power, and with it the term in which it has responded.");
                t.power_loss(3);
                t.restart(3);
            },
            violated: &["persist-before-reply", "monotonic-term"],
        },
        Bug::VoteRuleInsideLease => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 holds a lease, and n2 receives all its heartbeats. n3 does not.");
                t.shared_time = true;
                t.elect(1);
                t.cut_link(1, 3);
                for _ in 0..4 {
                    t.heartbeat(1);
                    t.deliver_all();
                }
                t.describe(
                    "n3 times out. If n2 votes for it, two servers lead and n1 still holds its lease.",
                );
                t.cut(1);
                t.time_out(3);
                t.deliver_all();
                t.propose(3, "x=1");
                t.deliver_all();
                t.read(1, "r1");
            },
            violated: &["read-safety"],
        },
        Bug::MissingPrevTermReadsAsZero => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe(
                    "n3's window is full with 2@1 and 3@1. n1 and n2 continue, and n1 compacts its whole log.",
                );
                t.elect(1);
                t.hold(1, 3);
                for value in ["x=1", "x=2", "x=3", "x=4"] {
                    t.propose(1, value);
                }
                t.deliver_all();
                t.compact(1, 0);
                t.describe(
                    "3@1 to n3 is lost. n1 has compacted the next entry to send and the entry before it.",
                );
                t.deliver(1, 3);
                t.lose(1, 3);
                t.deliver(3, 1);
                t.deliver(1, 3);
            },
            violated: &["follower-commit-safety", "persist-before-reply"],
        },
        Bug::ApplyBeforeLocalDurable => BugCase {
            initial_voters: 1,
            servers: 1,
            schedule: |t| {
                t.describe(
                    "n1 is the only voter, with a slow disk. The first of two entries becomes durable.",
                );
                t.elect(1);
                t.slow_disk(1);
                t.propose(1, "x=1");
                t.propose(1, "x=2");
                t.sync_one(1);
                t.describe("n1 loses power, and x=2 with it.");
                t.power_loss(1);
            },
            violated: &["committed-on-quorum", "apply-after-durability"],
        },
        Bug::InstallDropsAckedSuffix => {
            BugCase {
                initial_voters: 3,
                servers: 3,
                schedule: |t| {
                    t.describe("Three entries are in flight to n3. n1 commits two of them with n2, and compacts them.");
                    t.elect(1);
                    t.hold(1, 3);
                    for value in ["x=1", "x=2", "x=3"] {
                        t.propose(1, value);
                        t.deliver(1, 2);
                    }
                    t.deliver(2, 1);
                    t.deliver(2, 1);
                    t.compact(1, 0);
                    t.describe(
                        "A heartbeat arrives first: n3 lacks compacted entries, so n1 sends the snapshot.",
                    );
                    t.heartbeat(1);
                    t.deliver_newest(1, 3);
                    t.deliver(3, 1);
                    t.describe("The entries arrive after all, and n3 acknowledges all three. Then the snapshot arrives.");
                    t.deliver(1, 3);
                    t.deliver(1, 3);
                    t.deliver(1, 3);
                    t.deliver(1, 3);
                },
                violated: &["acked-immutable"],
            }
        }
        Bug::InstallRegressesState => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n3 installs a snapshot; a copy of the message is late.");
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
                t.describe("n3 continues from there, and compacts its own log beyond that snapshot.");
                t.deliver_all();
                t.propose(1, "x=2");
                t.deliver_newest(1, 3);
                t.deliver_all();
                t.heartbeat(1);
                t.deliver_newest(1, 3);
                t.compact(3, 0);
                t.describe("Now the copy arrives.");
                t.deliver(1, 3);
            },
            violated: &[
                "snapshot-consistency",
                "acked-immutable",
                "committed-immutable",
                "apply-after-durability",
            ],
        },
        Bug::SnapshotConfigLostOrStale => BugCase {
            initial_voters: 3,
            servers: 4,
            schedule: |t| {
                t.describe("n4 is not an initial voter. At the end of the snapshot it is a voter.");
                t.elect(1);
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(4))]));
                t.deliver_all();
                t.compact(1, 0);
            },
            violated: &["snapshot-consistency"],
        },
        Bug::SnapshotBoundaryOffByOne => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n3 has acknowledged 2@1. n1 compacts up to 3@1, the one entry that n3 lacks.");
                t.elect(1);
                t.propose(1, "x=1");
                t.deliver_all();
                t.cut(3);
                t.propose(1, "x=2");
                t.deliver_all();
                t.compact(1, 0);
                t.heal();
                run_for(t, 2_000);
                let is_behind = t.raft(3).commit_index() < t.raft(1).commit_index();
                t.require_progress(!is_behind, "n3 never gets 3@1");
            },
            violated: &["liveness"],
        },
        Bug::ConfigAppliedLateCampaignUnguarded => BugCase {
            initial_voters: 3,
            servers: 4,
            schedule: |t| {
                t.describe("n1 adds n4 as a voter, and reaches n2 alone: two of four.");
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
        Bug::ReadJoinsRoundInFlight | Bug::ReadRoundReleasesAll => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("A read starts a round. n2 responds, and the response is late.");
                t.elect(1);
                t.read(1, "r1");
                t.hold(2, 1);
                t.deliver(1, 2);
                t.describe("n2 leads by now, and has responded to a client that x=1 is applied. Another client reads at n1.");
                t.cut(1);
                t.elect(2);
                t.propose(2, "x=1");
                t.deliver_all();
                t.read(1, "r2");
                t.describe("The late response confirms n1 only for the time before r1.");
                t.deliver(2, 1);
            },
            violated: &["read-safety"],
        },
        Bug::LeaseFromAckArrival => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe(
                    "n2 receives n1's heartbeat at once. Its response takes 290 ms of the 300 ms lease.",
                );
                t.shared_time = true;
                t.elect(1);
                t.heartbeat(1);
                t.deliver(1, 2);
                t.deliver(1, 3);
                t.lose(3, 1);
                t.pause(1, 290);
                t.deliver(2, 1);
                t.describe("10 ms later n2 may campaign, and does.");
                t.cut(1);
                t.elect(2);
                t.propose(2, "x=1");
                t.deliver_all();
                t.read(1, "r1");
            },
            violated: &["read-safety"],
        },
        Bug::LeaseIgnoresDrift => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1's clock is as slow as the bound allows, the others' are as fast.");
                t.shared_time = true;
                t.server_mut(1).rate = -i64::from(CLOCK_DRIFT_PPM);
                t.server_mut(2).rate = i64::from(CLOCK_DRIFT_PPM);
                t.server_mut(3).rate = i64::from(CLOCK_DRIFT_PPM);
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.describe("After 300 ms by n2's clock, n2 leads. By n1's clock 245 ms have passed.");
                t.cut(1);
                t.elect(2);
                t.propose(2, "x=1");
                t.deliver_all();
                t.read(1, "r1");
            },
            violated: &["read-safety"],
        },
        Bug::ReadBeforeApply => {
            BugCase {
                initial_voters: 3,
                servers: 3,
                schedule: |t| {
                    t.describe("n1 has responded to a client that x=1 is applied. n2 has the entry, and does not know that it is committed.");
                    t.elect(1);
                    t.propose(1, "x=1");
                    t.deliver_all();
                    t.describe("n2 forwards a read. The leader's response overtakes the message with the commit index.");
                    t.read(2, "r1");
                    t.deliver(2, 1);
                    t.deliver(1, 3);
                    t.deliver(3, 1);
                    t.deliver_newest(1, 2);
                    t.deliver(1, 2);
                },
                violated: &["read-safety"],
            }
        }
        Bug::RestartServesBeforeRecovery => BugCase {
            initial_voters: 1,
            servers: 1,
            schedule: |t| {
                t.describe("n1 is the only voter. It has committed x=1, and restarts.");
                t.elect(1);
                t.propose(1, "x=1");
                t.crash(1);
                t.slow_disk(1);
                t.restart(1);
                t.describe("n1 leads again, with a commit index from before the restart lost.");
                t.sync(1);
                t.time_out(1);
                t.sync(1);
                t.read(1, "r1");
                t.sync(1);
            },
            violated: &["read-safety"],
        },
        Bug::StepdownReportedAsFailure => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n2 has x=1 from n1, and is elected before n1 receives the acknowledgement.");
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
        Bug::PeerIdentityUnchecked => {
            BugCase {
                initial_voters: 3,
                servers: 3,
                schedule: |t| {
                    t.describe("n2's vote for n1 is late. Its disk is wiped, and it returns with another directory id.");
                    t.time_out(1);
                    t.time_out(3);
                    t.deliver(1, 2);
                    t.power_loss(2);
                    t.wipe(2);
                    t.restart(2);
                    t.describe("n3 requests the vote of the n2 that the configuration names.");
                    t.deliver(3, 2);
                    t.deliver_any(2, 3);
                    t.deliver(2, 1);
                },
                violated: &["one-vote-per-term", "elected-by-quorum", "election-safety"],
            }
        }
        Bug::TimerResetOnDeniedVote => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 is down. n2 has x=1. n3 lacks it, cannot win, and times out twice as often.");
                t.elect(1);
                t.cut(3);
                t.propose(1, "x=1");
                t.deliver_all();
                t.crash(1);
                t.heal();
                run_for(t, 5_000);
                t.require_progress(has_leader(t), "only n2 can win, and it never campaigns");
            },
            violated: &["liveness"],
        },
        Bug::NoCheckQuorum => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 is cut off, and receives a proposal.");
                t.elect(1);
                t.cut(1);
                t.propose(1, "x=1");
                t.wait(1, 5_000);
                t.require_progress(t.unanswered().is_empty(), "n1's client never gets a response");
            },
            violated: &["liveness"],
        },
        Bug::MinorityKeepsLead => {
            BugCase {
                initial_voters: 4,
                servers: 4,
                schedule: |t| {
                    t.describe("n1 leads and reaches n2 only. The others could elect one of them, with the vote of n2.");
                    t.elect(1);
                    t.cut_link(1, 3);
                    t.cut_link(1, 4);
                    run_for(t, 5_000);
                    let elected = (2..=4).any(|id| t.raft(id).is_leader());
                    t.require_progress(elected, "three of four reach each other and have no leader");
                },
                violated: &["liveness"],
            }
        }
        Bug::PrevoteTermDeadlock => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("Only n1 has x=1. n2 campaigns in later terms without it, and n3 crashes.");
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
                t.describe("Two of three are left. n1 has an old term, and n2 a shorter log.");
                t.heal();
                run_for(t, 5_000);
                t.require_progress(
                    has_leader(t),
                    "only n1 can win, and it asks for pre-votes in an old term",
                );
            },
            violated: &["liveness"],
        },
        Bug::ConflictCatchUpLivelock => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n3 was cut off while n1 sent two entries.");
                t.elect(1);
                t.cut(3);
                t.propose(1, "x=1");
                t.propose(1, "x=2");
                t.deliver_all();
                t.heal();
                run_for(t, 2_000);
                let is_behind = t.raft(3).commit_index() < t.raft(1).commit_index();
                t.require_progress(!is_behind, "n3 never gets past the rejection at 3@1");
            },
            violated: &["liveness"],
        },
        Bug::SnapshotTransferNeverRetried => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n3 needs a snapshot of several chunks.");
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
                t.describe("The second chunk is lost.");
                t.deliver(1, 3);
                t.lose(1, 3);
                run_for(t, 2_000);
                let is_behind = t.raft(3).commit_index() < t.raft(1).commit_index();
                t.require_progress(!is_behind, "n3 never gets the second chunk");
            },
            violated: &["liveness"],
        },
        Bug::RemovedOrRetiredNodeMishandled => BugCase {
            initial_voters: 2,
            servers: 2,
            schedule: |t| {
                t.describe("n1 removes itself, and restarts before n2 receives the entry. n2 cannot win: n1's log is longer.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::Remove(NodeId(1))]));
                t.lose_all();
                t.crash(1);
                t.restart(1);
                run_for(t, 5_000);
                t.require_progress(has_leader(t), "only n1 can win, and it does not campaign");
            },
            violated: &["liveness"],
        },
        Bug::ReadAckContextReused => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("A read starts a round. n2 responds, and the response is late.");
                t.elect(1);
                t.read(1, "r1");
                t.hold(2, 1);
                t.deliver(1, 2);
                t.describe("n2 leads by now, and has responded to a client that x=1 is applied. Another client reads at n1.");
                t.cut(1);
                t.elect(2);
                t.propose(2, "x=1");
                t.deliver_all();
                t.read(1, "r2");
                t.describe("n1's heartbeat sends the round again. The late response confirms n1 only for the time before r1.");
                t.heartbeat(1);
                t.deliver(2, 1);
            },
            violated: &["read-safety"],
        },
        Bug::VoteClearedByPreVote => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 and n3 campaign in term 1. n2 elects n1; n3's request is late.");
                t.time_out(1);
                t.time_out(3);
                t.deliver(1, 2);
                t.deliver(2, 1);
                t.deliver(3, 2);
                t.deliver(2, 3);
                t.deliver(1, 2);
                t.deliver(2, 1);
                t.describe("n2 times out and begins a pre-vote. Then n3's request arrives.");
                t.time_out(2);
                t.deliver(3, 2);
                t.deliver(2, 3);
                t.deliver(2, 3);
            },
            violated: &["one-vote-per-term", "election-safety"],
        },
        Bug::VoteWithoutLogCheck => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 and n2 have committed x=1. n3 lacks it, and requests n2's vote.");
                t.elect(1);
                t.cut(3);
                t.propose(1, "x=1");
                t.deliver_all();
                t.crash(1);
                t.heal();
                t.time_out(3);
                t.deliver(3, 2);
                t.deliver(2, 3);
            },
            violated: &["leader-completeness"],
        },
        Bug::VoteNeedsLongerLog => {
            BugCase {
                initial_voters: 3,
                servers: 3,
                schedule: |t| {
                    t.describe("n1 has a long tail that no other server has; n2 has committed an entry of a newer term.");
                    t.elect(1);
                    t.cut(1);
                    t.propose(1, "a=1");
                    t.propose(1, "a=2");
                    t.elect(2);
                    t.describe("n3 is down, and n2 restarts. n1's log is longer than n2's, and n2's last term is higher.");
                    t.crash(3);
                    t.crash(2);
                    t.restart(2);
                    t.heal();
                    run_for(t, 5_000);
                    t.require_progress(has_leader(t), "n2 could win, and n1 refuses it");
                },
                violated: &["liveness"],
            }
        }
        Bug::LeasePromiseLostOnRestart => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1's newest heartbeat reaches n2 alone. n2 restarts.");
                t.shared_time = true;
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.cut_link(1, 3);
                t.heartbeat(1);
                t.deliver_all();
                t.crash(2);
                t.restart(2);
                t.describe(
                    "n3 times out. If n2 votes for it, two servers lead and n1 still holds its lease.",
                );
                t.cut(1);
                t.time_out(3);
                t.deliver_all();
                t.propose(3, "x=1");
                t.deliver_all();
                t.read(1, "r1");
            },
            violated: &["read-safety"],
        },
        Bug::TermStampedLate => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe(
                    "n2 votes for n1 in term 1 and for n3 in term 2. Then its disk has saved both votes.",
                );
                t.slow_disk(2);
                t.time_out(1);
                t.deliver(1, 2);
                t.time_out(3);
                t.time_out(3);
                t.deliver(3, 2);
                t.deliver(3, 2);
                t.sync(2);
            },
            violated: &["persist-before-reply", "one-vote-per-term"],
        },
        Bug::SameTermIndexReuse => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n2 has x=1 from n1, and n1's own write of it fails.");
                t.elect(1);
                t.slow_disk(1);
                t.propose(1, "x=1");
                t.deliver(1, 2);
                t.lose(1, 3);
                t.fail_disk(1);
                t.describe("n1 must not give the index to another entry.");
                t.propose(1, "x=2");
            },
            violated: &["leader-append-only", "log-matching"],
        },
        Bug::TruncateThenAppendWindow => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n2 has acknowledged x=1 and x=2. Then the first message arrives again.");
                t.elect(1);
                t.cut(3);
                t.propose(1, "x=1");
                t.duplicate(1, 2);
                t.deliver(1, 2);
                t.propose(1, "x=2");
                t.deliver_newest(1, 2);
                t.slow_disk(2);
                t.deliver(1, 2);
                t.describe("n2 loses power after the first of its unfinished writes, if there are any.");
                t.power_loss_keeping(2, 1);
                t.restart(2);
                t.sync(2);
            },
            violated: &["acked-immutable"],
        },
        Bug::ResumeLeadershipSameTerm => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n2 has x=1 from n1, which loses it with its power and restarts.");
                t.elect(1);
                t.slow_disk(1);
                t.propose(1, "x=1");
                t.deliver(1, 2);
                t.power_loss(1);
                t.fast_disk(1);
                t.restart(1);
            },
            violated: &["election-safety", "log-matching"],
        },
        Bug::JointCommitOldHalf => BugCase {
            initial_voters: 3,
            servers: 5,
            schedule: |t| {
                t.describe("n4 and n5 replace n2 and n3, and do not receive the entry.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.cut(4);
                t.cut(5);
                let voter = |id| ConfChangeOp::AddVoter(NodeId(id));
                let remove = |id| ConfChangeOp::Remove(NodeId(id));
                t.change(1, ConfChange::ExplicitJoint(vec![voter(4), voter(5), remove(2), remove(3)]));
                t.deliver_all();
            },
            violated: &["committed-on-quorum"],
        },
        Bug::LearnerConfirmsRead => BugCase {
            initial_voters: 3,
            servers: 5,
            schedule: |t| {
                t.describe("n4 and n5 are learners. Then n1 reaches no other voter.");
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
                for id in [1, 4, 5] {
                    t.cut_link(id, 2);
                    t.cut_link(id, 3);
                }
                t.describe(
                    "n2 leads, and responds to a client that x=1 is applied. Another client reads at n1.",
                );
                t.elect(2);
                t.propose(2, "x=1");
                t.deliver_all();
                t.read(1, "r1");
                t.deliver_all();
            },
            violated: &["read-safety"],
        },
        Bug::TimeoutNowUnchecked => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 tells n3 to campaign, and the message is late. The transfer fails.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.hold(1, 3);
                t.transfer(1, 3);
                t.wait(1, 350);
                t.describe("n3 becomes a learner, and knows it. Then the message arrives.");
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(3))]));
                t.deliver_newest(1, 3);
                t.deliver_all();
                t.wait(1, 250);
                t.deliver_newest(1, 3);
                t.deliver(1, 3);
                t.release(1, 3);
                t.deliver_all();
            },
            violated: &["membership-safety"],
        },
        Bug::TimeoutNowOfPastTerm => {
            BugCase {
                initial_voters: 3,
                servers: 3,
                schedule: |t| {
                    t.describe("n1 tells n2 to campaign, and the message is late. n3 is elected meanwhile.");
                    t.shared_time = true;
                    t.elect(1);
                    t.heartbeat(1);
                    t.deliver_all();
                    t.hold(1, 2);
                    t.transfer(1, 2);
                    t.wait(1, 350);
                    t.elect(3);
                    t.heartbeat(3);
                    t.deliver_all();
                    t.describe("n3 holds a lease when the message arrives. n1 must not vote now, except by order of n3.");
                    t.cut(3);
                    t.release(1, 2);
                    t.deliver_all();
                    t.propose(2, "x=1");
                    t.deliver_all();
                    t.read(3, "r1");
                },
                violated: &["read-safety"],
            }
        }
        Bug::DeposedLeaderHintsItself => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe(
                    "n1 is told of term 2 by a candidate that it does not vote for, and knows no leader.",
                );
                t.elect(1);
                t.propose(1, "x=1");
                t.time_out(2);
                t.deliver(2, 1);
                t.propose(1, "x=2");
            },
            violated: &["leader-hints"],
        },
        Bug::RemovedFollowerKept => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n3 is removed.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::Remove(NodeId(3))]));
                t.deliver_all();
                let followers = t.raft(1).followers().count();
                t.require_progress(followers == 1, "n1 goes on sending its log to n3");
            },
            violated: &["liveness"],
        },
        Bug::SnapshotConfigWithoutJoint => BugCase {
            initial_voters: 3,
            servers: 4,
            schedule: |t| {
                t.describe("The snapshot is taken in the joint phase in which n4 replaces n3.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                let ops = vec![ConfChangeOp::AddVoter(NodeId(4)), ConfChangeOp::Remove(NodeId(3))];
                t.change(1, ConfChange::ExplicitJoint(ops));
                t.deliver_all();
                t.compact(1, 0);
            },
            violated: &["snapshot-consistency"],
        },
        Bug::InstallKeepsConfiguration => BugCase {
            initial_voters: 3,
            servers: 4,
            schedule: |t| {
                t.describe("n4 becomes a voter while n3 is cut off. n3 learns of it by a snapshot.");
                t.elect(1);
                t.cut(3);
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(4))]));
                t.deliver_all();
                t.compact(1, 0);
                t.heal();
                t.heartbeat(1);
                t.deliver_all();
                t.describe("n3's own snapshot of a later state must name n4.");
                t.propose(1, "x=1");
                t.deliver_all();
                t.heartbeat(1);
                t.deliver_all();
                t.compact(3, 0);
            },
            violated: &["snapshot-consistency"],
        },
        Bug::RejectFloorLivelock => {
            BugCase {
                initial_voters: 3,
                servers: 3,
                schedule: |t| {
                    t.describe("n1 has a tail that no other server has. n2 and n3 have other entries at these indexes.");
                    t.elect(1);
                    t.cut(1);
                    t.propose(1, "a=1");
                    t.propose(1, "a=2");
                    t.elect(2);
                    t.propose(2, "x=1");
                    t.deliver_all();
                    t.describe("n3 leads, and first compares the last of these.");
                    t.time_out(3);
                    t.deliver_all();
                    t.heal();
                    t.hold(1, 3);
                    t.hold(3, 1);
                    t.heartbeat(3);
                    for _ in 0..20 {
                        t.deliver_any(3, 1);
                        t.deliver_any(1, 3);
                    }
                    let is_behind = t.raft(1).last() != t.raft(3).last();
                    t.require_progress(!is_behind, "n1 never gets the entries of n3");
                },
                violated: &["liveness"],
            }
        }
        Bug::AutoleaveDuringTransfer => BugCase {
            initial_voters: 3,
            servers: 5,
            schedule: |t| {
                t.describe("n1 adds two voters, and transfers the leadership to n3, which lags, before that is committed.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.hold(1, 3);
                let voter = |id| ConfChangeOp::AddVoter(NodeId(id));
                t.change(1, ConfChange::Auto(vec![voter(4), voter(5)]));
                t.transfer(1, 3);
                t.deliver_all();
                t.describe("The transfer fails.");
                t.wait(1, 350);
                t.release(1, 3);
                t.deliver_all();
                t.heartbeat(1);
                t.deliver_all();
                let is_joint = t.raft(1).configuration().is_joint();
                t.require_progress(!is_joint, "the joint phase never ends");
            },
            violated: &["liveness"],
        },
        Bug::StaleAckAfterReversion => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n3 has acknowledged x=1. Its disk is wiped; it is removed, and added with another directory id.");
                t.elect(1);
                t.propose(1, "x=1");
                t.deliver_all();
                t.power_loss(3);
                t.wipe(3);
                t.restart(3);
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::Remove(NodeId(3))]));
                t.deliver_all();
                t.change(
                    1,
                    ConfChange::Auto(vec![
                        ConfChangeOp::SetDirectoryId(NodeId(3), DirectoryId(103)),
                        ConfChangeOp::AddVoter(NodeId(3)),
                    ]),
                );
                run_for(t, 2_000);
                let is_behind = t.raft(3).commit_index() < t.raft(1).commit_index();
                t.require_progress(!is_behind, "n3 never gets what its old replica has acknowledged");
            },
            violated: &["liveness"],
        },
        Bug::StaleConflictRewinds => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n3 lacks 2@1 and rejects 3@1. A copy of the rejection is late.");
                t.elect(1);
                t.propose(1, "x=1");
                t.propose(1, "x=2");
                t.lose(1, 3);
                t.deliver(1, 3);
                t.duplicate(3, 1);
                t.deliver(3, 1);
                t.hold(3, 1);
                t.deliver_all();
                t.describe("n3 acknowledges everything before the copy arrives.");
                while t.messages.iter().filter(|envelope| envelope.from.id == NodeId(3)).count() > 1 {
                    t.deliver_newest(3, 1);
                    t.deliver_all();
                }
                t.deliver(3, 1);
                t.heartbeat(1);
                let sends_entries = t.messages.iter().any(|envelope| {
                    matches!(&envelope.message, Message::AppendEntries { entries, .. } if !entries.is_empty())
                });
                t.require_progress(!sends_entries, "n1 sends entries again that n3 has acknowledged");
            },
            violated: &["liveness"],
        },
        Bug::NoSnapshotWhenAllPurged => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n3 lacks x=1, and n1 compacts its whole log.");
                t.elect(1);
                t.cut(3);
                t.propose(1, "x=1");
                t.deliver_all();
                t.compact(1, 0);
                t.heal();
                run_for(t, 2_000);
                let is_behind = t.raft(3).commit_index() < t.raft(1).commit_index();
                t.require_progress(!is_behind, "n3 never gets the snapshot");
            },
            violated: &["liveness"],
        },
        Bug::StalePrevoteAfterWin => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 wins with n2. n3's answer to the pre-vote is late.");
                t.time_out(1);
                t.hold(3, 1);
                t.deliver_all();
                t.deliver(3, 1);
                t.require_progress(t.raft(1).is_leader(), "n1 gives up a leadership without a rival");
            },
            violated: &["liveness"],
        },
        Bug::PurgedMembershipLost => BugCase {
            initial_voters: 3,
            servers: 4,
            schedule: |t| {
                t.describe("n4 becomes a voter. n1 compacts the entry of this change, and restarts.");
                t.elect(1);
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(4))]));
                t.deliver_all();
                t.compact(1, 0);
                t.crash(1);
                t.restart(1);
                t.describe("n1's next snapshot must name n4.");
                t.elect(1);
                t.propose(1, "x=1");
                t.deliver_all();
                t.compact(1, 0);
            },
            violated: &["snapshot-consistency"],
        },
        Bug::LeadsGroupWithoutItself => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 removes itself. It leads until that is committed.");
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.change(1, ConfChange::Auto(vec![ConfChangeOp::Remove(NodeId(1))]));
                run_for(t, 2_000);
                let led_by_member = t.raft(2).is_leader() || t.raft(3).is_leader();
                t.require_progress(led_by_member, "the group never gets a leader of its own");
            },
            violated: &["liveness"],
        },
        Bug::SingletonLeadsUnsaved => BugCase {
            initial_voters: 1,
            servers: 1,
            schedule: |t| {
                t.describe("n1 is the only voter, with a slow disk. It campaigns, and loses power.");
                t.slow_disk(1);
                t.time_out(1);
                t.power_loss(1);
            },
            violated: &["persist-before-reply"],
        },
        Bug::JointSingletonReadWaits => BugCase {
            initial_voters: 1,
            servers: 1,
            schedule: |t| {
                t.describe("n1 is the only voter of both halves.");
                t.elect(1);
                t.change(1, ConfChange::ExplicitJoint(vec![ConfChangeOp::AddVoter(NodeId(1))]));
                t.read(1, "r1");
                run_for(t, 2_000);
                t.require_progress(t.unanswered().is_empty(), "n1's client never gets a response");
            },
            violated: &["liveness"],
        },
        Bug::LeaseByCheckQuorum => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("After one heartbeat n1 is cut off. 200 ms later it finds that it has heard from a majority.");
                t.shared_time = true;
                t.elect(1);
                t.heartbeat(1);
                t.deliver_all();
                t.cut(1);
                t.heartbeat(1);
                t.heartbeat(1);
                t.describe("The promises end 300 ms after the heartbeat, and n2 leads.");
                t.elect(2);
                t.propose(2, "x=1");
                t.deliver_all();
                t.read(1, "r1");
            },
            violated: &["read-safety"],
        },
        Bug::HungDiskKeepsLead => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1's disk hangs. x=1 is committed, and n1 cannot apply it.");
                t.elect(1);
                t.slow_disk(1);
                t.propose(1, "x=1");
                run_for(t, 5_000);
                t.require_progress(t.unanswered().is_empty(), "n1's client never gets a response");
            },
            violated: &["liveness"],
        },
        Bug::HigherTermResetsTimer => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe("n1 is down. n2 has x=1. n3 lacks it, cannot win, and times out twice as often.");
                t.elect(1);
                t.cut(3);
                t.propose(1, "x=1");
                t.deliver_all();
                t.crash(1);
                t.heal();
                run_for(t, 5_000);
                t.require_progress(has_leader(t), "only n2 can win, and it never campaigns");
            },
            violated: &["liveness"],
        },
        Bug::CommitOnInmemoryIndex => BugCase {
            initial_voters: 1,
            servers: 1,
            schedule: |t| {
                t.describe(
                    "n1 is the only voter, with a slow disk. The first of two entries becomes durable.",
                );
                t.elect(1);
                t.slow_disk(1);
                t.propose(1, "x=1");
                t.propose(1, "x=2");
                t.sync_one(1);
            },
            violated: &["committed-on-quorum"],
        },
        Bug::ReadServedBeforeQuorum => {
            BugCase {
                initial_voters: 5,
                servers: 5,
                schedule: |t| {
                    t.describe("n1 and n2 are cut off together. n3 leads, and responds to a client that x=1 is applied.");
                    t.elect(1);
                    for other in [3, 4, 5] {
                        t.cut_link(1, other);
                        t.cut_link(2, other);
                    }
                    t.elect(3);
                    t.propose(3, "x=1");
                    t.deliver_all();
                    t.describe("Another client reads at n1, and n2 responds.");
                    t.read(1, "r1");
                    t.deliver_all();
                },
                violated: &["read-safety"],
            }
        }
        Bug::SnapshotAnswerWithoutTerm => BugCase {
            initial_voters: 3,
            servers: 3,
            schedule: |t| {
                t.describe(
                    "n2 acknowledges 2@1, which n1 loses with its power. The acknowledgement is late.",
                );
                t.elect(1);
                t.slow_disk(1);
                t.hold(2, 1);
                t.propose(1, "x=1");
                t.lose(1, 3);
                t.deliver(1, 2);
                t.power_loss(1);
                t.fast_disk(1);
                t.describe("n1 leads term 2 with n3's vote, and has 2@2 alone.");
                t.cut(2);
                t.restart(1);
                t.time_out(1);
                t.deliver(1, 3);
                t.deliver(3, 1);
                t.lose(1, 3);
                t.deliver(2, 1);
            },
            violated: &["committed-on-quorum"],
        },
    }
}
