//! Milestones: each of these worlds reaches exactly those that are named, besides those that most runs reach.

use super::builder::{Cluster, request};
use invariants::{Checker, Configuration, ConfirmedBy, Fact, Milestone, Milestone::*};

/// Those that a world with an election, an entry or a restart reaches.
const USUAL: [Milestone; 7] = [
    LeaderElected,
    SplitVote,
    LogTruncated,
    LeaderCrashed,
    RestartedWithLog,
    RestartedNodeElected,
    CommittedBeforeLocalSync,
];

#[track_caller]
fn reaches(cluster: &Cluster, wanted: &[Milestone]) {
    let (checker, verdict) = cluster.check(Checker::new());
    assert_eq!(verdict, Ok(()));
    let reached = checker.milestones().iter().filter(|(_, count)| *count > 0).map(|(milestone, _)| milestone);
    let reached: Vec<Milestone> = reached.filter(|milestone| !USUAL.contains(milestone)).collect();
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    assert_eq!(reached, wanted);
}

fn config(voters: &[u64], joint: &[u64]) -> Configuration {
    Configuration { voters: voters.to_vec(), joint: joint.to_vec(), ..Configuration::default() }
}

#[test]
fn elections_after_commits() {
    // The first leader of three servers that are all up.
    reaches(&Cluster::with_committed(3, 1), &[]);
    // n2 has all entries, and does not know that they are committed; n3 hears of term 2 first.
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.wins(2, 2, &[3]);
    reaches(
        &cluster,
        &[ElectedBehindCommits, TwoLeadersAtOnce, CampaignedAgainstLeader, VotedForLongerLog, TermSkipped],
    );
    // n1 has more than is committed, and led the last term; terms 2 and 3 had no leader.
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.appends(1, 1, 3);
    cluster.crashes_and_restarts(1);
    cluster.wins(1, 4, &[2]);
    let wanted =
        [ElectedWithUncommitted, ElectedAgain, ElectedAfterFailedTerms, ElectedBehindCommits, TermSkipped];
    reaches(
        &cluster,
        &[&wanted[..], &[CrashedWithUnsynced, UnsyncedTailSurvived, VotedForLongerLog]].concat(),
    );
}

#[test]
fn candidates_and_voters() {
    // n3 has nothing and campaigns twice in a row; then it crashes.
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.campaigns(3, 2);
    cluster.campaigns(3, 3);
    cluster.crashes_and_restarts(3);
    reaches(
        &cluster,
        &[
            OutdatedCandidate,
            CampaignedAgainstLeader,
            CampaignedInARow,
            CandidateCrashed,
            TermSkipped,
            RestartedBehind,
        ],
    );
    // n3 restarts without a log, and votes.
    let mut cluster = Cluster::of(3);
    cluster.crashes_and_restarts(3);
    cluster.wins(1, 1, &[3]);
    reaches(&cluster, &[VotedAfterRestart]);
}

#[test]
fn truncations_of_what_was_durable_or_acknowledged() {
    let replaced_on_n3 = |entries: u64, acknowledged: u64| {
        let mut cluster = Cluster::with_committed(3, 1);
        cluster.replicates(3, 1, 1);
        (0..entries).for_each(|entry| cluster.appends(1, 1, 10 + entry));
        cluster.copies_log(3, 1, 1 + entries);
        if acknowledged > 0 {
            cluster.replicates(3, 1, 1 + acknowledged);
        }
        cluster.crashes_and_restarts(1);
        cluster.wins(2, 2, &[1]);
        (0..=entries).for_each(|entry| cluster.appends(2, 2, 30 + entry));
        cluster.saves(2);
        cluster.replicates(3, 2, 2 + entries);
        cluster
    };
    let check = |cluster: &Cluster, wanted: &[Milestone]| {
        let (checker, _) = cluster.check(Checker::new());
        let of_truncations = [ManyTruncated, DurableTruncated, AcknowledgedTruncated]
            .into_iter()
            .filter(|milestone| checker.milestones().count(*milestone) > 0);
        assert_eq!(of_truncations.collect::<Vec<_>>(), wanted);
        assert!(checker.milestones().count(LogTruncated) > 0);
    };
    check(&replaced_on_n3(1, 0), &[]);
    check(&replaced_on_n3(5, 0), &[ManyTruncated]);
    check(&replaced_on_n3(4, 4), &[DurableTruncated, AcknowledgedTruncated]);
}

#[test]
fn groups_and_crashes() {
    // Two of three are down, then all; n3 crashes while it is down already.
    let mut cluster = Cluster::of(3);
    for node in [1, 2, 3] {
        cluster.configures(node, 0, config(&[1, 2, 3], &[]));
    }
    cluster.record(3, Fact::Crashed);
    reaches(&cluster, &[]);
    cluster.record(2, Fact::Crashed);
    cluster.record(3, Fact::PowerLost);
    reaches(&cluster, &[MajorityDown]);
    cluster.record(1, Fact::PowerLost);
    reaches(&cluster, &[MajorityDown, AllDown]);
    // With one of three down, two are a bare majority; with all up they are not.
    let elected = |down: bool| {
        let mut cluster = Cluster::of(3);
        for node in [1, 2, 3] {
            cluster.configures(node, 0, config(&[1, 2, 3], &[]));
        }
        if down {
            cluster.record(3, Fact::Crashed);
        }
        cluster.wins(1, 1, &[2]);
        cluster
    };
    reaches(&elected(false), &[]);
    reaches(&elected(true), &[ElectedByBareMajority]);
}

#[test]
fn reads_of_leaders_and_followers() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.client_requests_read(1);
    let confirmed = |term, by| Fact::ReadConfirmed { read: request(1), term, index: 1, by };
    cluster.record(1, Fact::ReadArrived { read: request(1) });
    cluster.record(2, Fact::Acknowledged { term: 1, index: 1 });
    cluster.record(1, confirmed(1, ConfirmedBy::Round));
    reaches(&cluster, &[ReadConfirmedByRound]);
    cluster.applies(2, 1, None, true);
    cluster.record(2, Fact::ReadServed { read: request(1), applied: 1 });
    reaches(&cluster, &[ReadConfirmedByRound, ReadServed, ReadServedByFollower]);
}
