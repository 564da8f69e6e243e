//! A server made of madsim tasks runs in the same world: it can be crashed, paused and skewed, and stays
//! deterministic.

#![expect(clippy::disallowed_methods, reason = "a test reads what its servers print")]

#[cfg(engine_madsim)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(engine_madsim)]
mod on_madsim;
#[cfg(engine_madsim)]
mod primary;

/// Declares a test for each function of this name. Without madsim, it is shown as ignored.
macro_rules! tests_on_madsim {
    ($($(#[$attribute:meta])* $name:ident)*) => {
        $(
            #[test]
            $(#[$attribute])*
            #[cfg_attr(not(engine_madsim), ignore = "tasks run on madsim, which needs --cfg madsim")]
            fn $name() {
                #[cfg(engine_madsim)]
                on_madsim::$name();
            }
        )*
    };
}

tests_on_madsim! {
    a_task_server_survives_all_faults
    a_fresh_and_a_used_thread_give_the_same_outcome
    two_processes_give_the_same_digests
    #[cfg_attr(engine_madsim, ignore = "run by another test, in a process of its own")]
    prints_digests
    tasks_sleep_by_the_clock_of_their_node
    a_paused_task_server_stands_still
    a_crashed_task_server_does_nothing
    a_panic_in_a_task_is_a_violation
    tasks_have_the_tools_of_a_stepped_server
    a_handle_within_its_host_is_a_panic_and_no_deadlock
    a_system_of_tasks_is_swept_on_the_engine_that_it_demands
    a_bug_of_tasks_is_found_shrunk_and_replayed
}
