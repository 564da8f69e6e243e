//! Hand-made worlds. For every property a bad one that it catches, and the near misses that a correct Raft may well
//! show and that it must let go: a false alarm on a correct Raft is the worst that a checker can do.
//!
//! A bad world is a function that returns its violation; the list below runs them all and keeps their sentences.

mod builder;
mod elections;
mod logs;
mod disks;
mod commits;
mod clients;
mod groups;
mod operators;
mod outsiders;
mod snapshots;

use builder::World;
use invariants::{Checker, Milestone, PROPERTIES, Violation};
use std::fmt::Write;

macro_rules! bad_worlds {
    ($($area:ident: $($world:ident)+;)+) => {
        const BAD_WORLDS: &[(&str, fn() -> Violation)] = &[$($((stringify!($world), $area::$world),)+)+];
    };
}

bad_worlds! {
    elections:
        two_leaders_in_one_term
        a_leader_leads_again_after_a_restart
        a_leader_without_a_majority
        votes_for_another_do_not_count
        a_learner_does_not_elect
        one_half_of_a_joint_configuration_does_not_elect
        two_votes_in_one_term
        a_candidate_votes_for_another
        a_voter_campaigns
        a_wiped_server_that_was_let_go_votes_for_the_one_it_was
        a_wiped_server_votes_again
        a_term_goes_back
        a_restart_forgets_the_term_of_a_vote;
    logs:
        two_contents_for_one_name
        equal_entries_after_different_logs
        a_disk_keeps_something_else
        a_restart_finds_what_nobody_wrote
        a_restart_finds_another_log
        a_leader_cuts_its_log
        a_leader_appends_in_another_term
        an_entry_appears_after_a_gap;
    disks:
        a_vote_leaves_before_it_is_saved
        a_vote_leaves_when_only_its_term_is_saved
        a_candidate_asks_before_its_own_vote_is_saved
        a_recovered_vote_leaves_before_the_disk_has_it_again
        an_old_acknowledgement_leaves_for_what_was_never_saved
        an_acknowledgement_leaves_before_the_entry_is_saved
        an_acknowledgement_leaves_before_its_term_is_saved
        a_follower_acknowledges_its_own_tail
        a_completion_is_taken_for_another_write
        a_follower_cuts_what_it_has_acknowledged;
    commits:
        a_leader_commits_an_older_terms_entry_by_count
        a_leader_commits_what_it_does_not_have
        a_leader_without_a_committed_entry
        a_deposed_leader_commits_what_its_successor_lacks
        a_leader_commits_before_a_majority_has_it_on_disk
        a_learner_is_counted
        one_half_of_a_joint_configuration_commits
        a_follower_runs_ahead_of_all_leaders
        a_follower_commits_its_own_stale_tail
        a_follower_commits_what_it_does_not_have
        a_commit_index_goes_back
        a_committed_entry_is_cut
        two_entries_are_committed_at_one_index;
    clients:
        two_entries_applied_at_one_index
        two_states_after_one_entry
        another_entry_than_the_committed_one_is_applied
        a_stale_read
        a_stale_answer_after_a_good_one
        a_request_has_its_effect_twice;
    groups:
        a_change_before_the_last_one_is_committed
        a_change_before_anything_is_committed_in_the_term
        two_voters_come_at_once
        a_joint_phase_begins_from_other_voters
        somebody_without_a_vote_campaigns
        a_voter_is_listed_twice
        an_old_voter_is_listed_twice
        a_learner_is_listed_twice
        a_voter_is_a_learner_as_well
        a_new_voter_is_a_learner_as_well_while_joint
        an_entry_leaves_no_voter
        a_snapshot_leaves_no_voter;
    operators:
        a_group_that_nobody_asked_for_is_committed
        a_refused_change_is_committed
        a_joint_phase_ends_unasked
        a_learner_is_lost_on_the_way
        a_founder_begins_with_itself_alone
        an_installed_snapshot_has_a_group_that_nobody_asked_for;
    outsiders:
        a_member_goes_to_the_term_of_one_outside
        a_leader_leaves_for_the_term_of_one_outside
        a_member_goes_to_the_term_of_one_that_is_ill;
    snapshots:
        a_snapshot_of_another_state
        a_snapshot_of_what_is_not_committed
        a_snapshot_forgets_a_learner
        a_snapshot_forgets_the_old_half_of_a_group
        an_installed_snapshot_has_an_older_group
        an_installed_snapshot_has_other_identities
        a_log_begins_without_the_identities_of_the_snapshot
        a_log_begins_with_another_group_than_the_snapshot_has
        a_restart_begins_with_another_group_than_the_snapshot_had
        a_late_snapshot_is_installed
        another_state_is_restored
        a_state_machine_goes_back
        a_state_machine_goes_on_at_the_wrong_place
        a_state_machine_passes_over_an_entry
        a_retry_is_not_found_in_a_restored_table
        an_installed_snapshot_is_of_what_was_never_committed
        a_disk_keeps_a_snapshot_of_what_was_never_committed
        a_disk_lets_go_of_more_than_its_snapshot_covers
        a_restart_finds_another_log_after_its_snapshot
        a_restart_finds_an_old_log_after_a_new_snapshot
        a_restart_finds_a_snapshot_of_what_was_never_committed
        an_installed_snapshot_drops_what_was_acknowledged_beyond_it
        an_installed_snapshot_drops_what_is_committed
        a_leader_takes_a_snapshot_over
        a_snapshot_is_acknowledged_before_it_is_saved
        more_than_a_saved_snapshot_is_acknowledged
        a_snapshot_that_went_with_the_power_is_acknowledged
        a_snapshot_does_not_count_for_what_comes_after_it
        a_learner_of_a_snapshot_campaigns
        a_restored_follower_serves_a_stale_read;
}

#[test]
fn every_bad_world_is_caught_and_says_why() {
    let mut told = String::new();
    for (name, world) in BAD_WORLDS {
        let violation = world();
        writeln!(told, "# {}\n{violation}", name.replace('_', " ")).expect("a string takes everything");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn every_property_catches_a_bad_world() {
    let caught: Vec<&str> = BAD_WORLDS.iter().map(|(_, world)| world().property).collect();
    for property in PROPERTIES {
        assert!(caught.contains(&property.name), "no bad world for {}", property.name);
    }
}

#[test]
fn an_unknown_property_is_told_with_the_known_ones() {
    let error = Checker::with_disabled(&["read-safety", "raeds"]).expect_err("no such property");
    insta::assert_snapshot!(error);
}

#[test]
fn a_lively_run_reaches_its_milestones() {
    let mut world = World::with_committed(3, 2);
    world.appends(1, 1, 3);
    world.loses_power_and_restarts(1);
    world.campaigns(3, 2);
    world.wins(2, 2, &[1]);
    world.appends(2, 2, 20);
    world.follows(1, 2, 3);
    world.follows(3, 2, 3);
    world.commits(2, 3);
    let (checker, verdict) = world.judge(Checker::new());
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
        ]
    );
    assert_eq!(checker.milestones().count(Milestone::LeaderElected), 2);
}
