//! Hand-made fact streams: for every property some that violate it, and near misses that a correct Raft may
//! show and that must pass. A false alarm on a correct Raft is the worst error of a checker.
//!
//! Each violation is a function that returns it; the list below runs all of them and stores their messages.

#![expect(clippy::disallowed_methods, reason = "a test reads the messages of violations")]

mod builder;
mod elections;
mod orders;
mod logs;
mod disks;
mod damage;
mod commits;
mod leader_counts;
mod contracts;
mod clients;
mod sessions;
mod confirmed_reads;
mod membership;
mod milestones;
mod recovery;
mod repairs;
mod quiet_times;
mod rejections;
mod requested_membership;
mod no_disruption;
mod snapshots;

use builder::Cluster;
use invariants::{Checker, Milestone, PROPERTIES, Violation};
use std::fmt::Write;

macro_rules! violations {
    ($($area:ident: $($cluster:ident)+;)+) => {
        const VIOLATIONS: &[(&str, fn() -> Violation)] = &[$($((stringify!($cluster), $area::$cluster),)+)+];
    };
}

violations! {
    elections:
        two_leaders_in_one_term
        a_leader_leads_again_after_a_restart
        a_leader_without_a_majority
        a_leader_counts_votes_for_another_candidate
        a_leader_counts_the_vote_of_a_learner
        a_leader_is_elected_by_one_half_of_a_joint_configuration
        two_votes_in_one_term
        a_candidate_votes_for_another
        a_server_campaigns_after_its_vote_for_another
        a_removed_wiped_server_votes_again
        a_wiped_server_votes_again
        a_term_goes_back
        a_restart_forgets_the_term_of_a_vote;
    orders:
        a_server_campaigns_by_an_order_that_nobody_gave
        a_server_obeys_a_leader_of_a_past_term
        a_server_obeys_a_server_that_does_not_lead
        a_server_campaigns_twice_by_one_order
        a_server_campaigns_by_order_after_a_candidacy_of_its_own
        a_server_campaigns_by_an_order_of_its_own_term
        a_deposed_leader_sends_a_client_to_itself
        a_candidate_sends_a_client_to_itself;
    logs:
        two_contents_for_one_log_id
        equal_entries_after_different_logs
        a_disk_saves_another_entry
        a_restart_recovers_an_entry_that_was_never_written
        a_restart_recovers_another_log
        a_leader_truncates_its_log
        a_leader_appends_in_another_term
        an_append_leaves_a_gap;
    disks:
        a_vote_is_sent_before_it_is_saved
        a_vote_is_sent_when_only_its_term_is_saved
        a_candidate_requests_votes_before_its_own_vote_is_saved
        a_recovered_vote_is_sent_before_it_is_durable
        an_old_ack_is_sent_for_an_entry_that_was_never_saved
        an_ack_is_sent_before_the_entry_is_saved
        an_ack_is_sent_before_its_term_is_saved
        a_follower_acks_entries_that_the_leader_lacks
        an_ack_relies_on_a_save_that_was_overwritten
        a_follower_truncates_an_acked_entry;
    recovery:
        a_restart_forgets_a_vote_and_keeps_its_term
        a_candidate_restarts_with_a_vote_for_another
        a_restart_recovers_a_shorter_log_than_it_has_acknowledged
        a_restart_recovers_the_log_before_the_acknowledged_one
        a_leader_restarts_without_an_entry_that_it_had_durable;
    damage:
        a_damaged_entry_is_used
        a_damaged_term_is_used
        a_damaged_snapshot_is_restored
        a_damaged_identity_is_used;
    commits:
        a_leader_commits_an_entry_of_an_older_term_by_count
        a_leader_commits_an_entry_that_it_lacks
        a_leader_without_a_committed_entry
        a_deposed_leader_commits_an_entry_that_its_successor_lacks
        a_leader_commits_before_the_entry_is_durable_on_a_majority
        a_commit_counts_a_learner
        one_half_of_a_joint_configuration_commits
        a_follower_commits_before_every_leader
        a_follower_commits_its_own_stale_tail
        a_follower_commits_an_entry_that_it_lacks
        a_commit_index_goes_back
        a_committed_entry_is_truncated
        two_entries_are_committed_at_one_index;
    leader_counts:
        a_leader_counts_what_it_has_sent
        a_leader_counts_an_acknowledgement_of_an_older_term
        a_leader_counts_a_replica_for_what_another_one_acknowledged
        a_leader_counts_less_than_before
        a_leader_sends_what_it_counts
        a_leader_counts_an_entry_that_was_never_durable;
    repairs:
        a_leader_sends_entries_again_and_again
        a_leader_sends_the_whole_log_again_and_again
        a_leader_sends_a_snapshot_again_and_again;
    quiet_times:
        a_server_keeps_a_request
        a_server_holds_a_promise_for_good
        a_server_keeps_a_part_of_a_snapshot
        a_leader_tracks_a_server_that_is_removed
        a_leader_tracks_a_server_twice
        a_leader_does_not_track_a_learner
        what_a_server_keeps_grows;
    rejections:
        a_leader_says_that_it_does_not_lead
        a_leader_says_that_a_committed_change_is_pending
        a_leader_says_that_it_has_committed_nothing
        a_leader_says_that_a_learner_lacks_entries_that_it_has
        a_leader_says_that_voters_must_catch_up
        a_leader_says_that_it_does_not_know_a_voter;
    sessions:
        a_request_is_repeated_that_had_no_effect
        a_request_is_ignored_that_its_client_waits_for
        a_session_in_use_expires
        a_session_expires_where_none_does
        a_request_is_executed_in_an_unregistered_session
        a_request_is_executed_in_an_unused_session
        an_expired_session_begins_again
        log_time_goes_back;
    clients:
        two_entries_applied_at_one_index
        two_states_after_one_entry
        an_entry_other_than_the_committed_one_is_applied
        a_stale_read
        a_stale_read_after_a_fresh_one
        a_request_takes_effect_twice;
    confirmed_reads:
        answers_from_before_the_read_confirm_it
        answers_of_an_older_term_confirm_a_read
        a_learner_confirms_a_read
        one_half_of_a_joint_configuration_confirms_a_read
        a_voter_of_a_past_configuration_confirms_a_read
        a_leader_outside_its_configuration_counts_itself
        a_deposed_leader_confirms_a_read_by_its_lease
        a_lease_outlasts_the_promises_of_the_followers
        fast_clocks_end_the_promises_of_the_followers
        followers_elect_another_leader_during_their_promise
        a_leader_confirms_a_read_before_it_has_committed
        a_forwarded_read_is_served_before_its_index_is_applied;
    membership:
        a_change_before_the_last_one_is_committed
        a_change_before_anything_is_committed_in_the_term
        two_voters_are_added_at_once
        a_joint_configuration_has_wrong_old_voters
        a_removed_voter_campaigns
        a_voter_is_listed_twice
        an_old_voter_is_listed_twice
        a_learner_is_listed_twice
        a_voter_is_a_learner_as_well
        a_new_voter_is_a_learner_as_well_while_joint
        an_entry_leaves_no_voter
        a_snapshot_leaves_no_voter;
    contracts:
        another_server_leads_a_term_that_its_leader_may_resume
        an_outsider_counts_its_own_vote
        a_late_commit_has_no_quorum
        neighbours_share_no_half
        two_of_three_halves_commit
        two_voters_are_added_at_once_when_applied;
    requested_membership:
        an_unrequested_configuration_is_committed
        a_rejected_change_is_committed
        an_explicit_joint_phase_ends_without_a_request
        a_change_drops_a_learner
        an_initial_voter_starts_alone
        an_installed_snapshot_has_an_unrequested_configuration;
    no_disruption:
        a_member_adopts_the_term_of_a_non_member
        a_leader_steps_down_for_the_term_of_a_non_member
        a_member_adopts_the_term_of_a_faulty_member;
    snapshots:
        a_snapshot_of_another_state
        a_snapshot_covers_an_uncommitted_entry
        a_snapshot_lacks_a_learner
        a_snapshot_lacks_the_old_voters_of_a_joint_configuration
        an_installed_snapshot_has_an_older_configuration
        an_installed_snapshot_has_other_directory_ids
        a_log_starts_without_the_directory_ids_of_its_snapshot
        a_log_starts_with_another_configuration_than_its_snapshot
        a_restart_starts_with_another_configuration_than_its_snapshot
        a_snapshot_behind_the_commit_index_is_installed
        another_state_is_restored
        a_state_machine_goes_back
        a_state_machine_continues_at_the_wrong_index
        a_state_machine_skips_an_entry
        a_restored_session_table_lacks_a_request
        an_installed_snapshot_covers_an_uncommitted_entry
        a_saved_snapshot_covers_an_uncommitted_entry
        a_log_is_compacted_beyond_its_snapshot
        a_restart_recovers_another_log_after_its_snapshot
        a_restart_recovers_an_old_log_after_a_new_snapshot
        a_restart_recovers_a_snapshot_of_an_uncommitted_entry
        an_installed_snapshot_drops_acked_entries_beyond_it
        an_installed_snapshot_drops_committed_entries
        a_leader_installs_a_snapshot
        a_snapshot_is_acked_before_it_is_saved
        an_ack_exceeds_the_saved_snapshot
        a_snapshot_lost_with_the_power_is_acked
        a_snapshot_is_counted_for_entries_after_it
        a_learner_from_a_snapshot_campaigns
        a_restored_follower_serves_a_stale_read;
}

#[test]
fn every_violation_is_caught_and_explained() {
    let mut messages = String::new();
    for (name, cluster) in VIOLATIONS {
        let violation = cluster();
        writeln!(messages, "# {}\n{violation}", name.replace('_', " "))
            .expect("a String accepts every write");
    }
    insta::assert_snapshot!(messages);
}

#[test]
fn every_property_catches_a_violation() {
    let caught: Vec<&str> = VIOLATIONS.iter().map(|(_, cluster)| cluster().property).collect();
    for property in PROPERTIES {
        assert!(caught.contains(&property.name), "no violation of {}", property.name);
    }
}

#[test]
fn an_unknown_property_is_rejected_with_the_known_names() {
    let error = Checker::with_disabled(&["read-safety", "raeds"]).expect_err("no such property");
    insta::assert_snapshot!(error);
}

#[test]
fn a_run_with_faults_reaches_its_milestones() {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.appends(1, 1, 3);
    cluster.loses_power_and_restarts(1);
    cluster.campaigns(3, 2);
    cluster.wins(2, 2, &[1]);
    cluster.appends(2, 2, 20);
    cluster.replicates(1, 2, 3);
    cluster.replicates(3, 2, 3);
    cluster.commits(2, 3);
    let (checker, verdict) = cluster.check(Checker::new());
    assert_eq!(verdict, Ok(()));
    let reached: Vec<&str> = checker
        .milestones()
        .iter()
        .filter(|reached| reached.1 > 0)
        .map(|(milestone, _)| milestone.name())
        .collect();
    assert_eq!(
        reached,
        [
            "leader-elected",
            "leader-crashed",
            "split-vote",
            "restarted-with-log",
            "unsynced-tail-lost",
            "committed-before-local-sync",
            "elected-behind-commits",
            "outdated-candidate",
            "voted-after-restart",
            "term-skipped",
            "crashed-with-unsynced",
        ]
    );
    assert_eq!(checker.milestones().count(Milestone::LeaderElected), 2);
}
