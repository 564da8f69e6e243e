//! The names of all properties and milestones.

use crate::outcome::{
    DETERMINISM, LINEARIZABILITY, LIVENESS, NO_ABORT, NO_HANG, NO_PANIC, RUN_MILESTONES, WITNESS,
    WRONG_ANSWER,
};
use invariants::Milestone;

/// All properties, each with a description.
#[must_use]
pub fn properties() -> Vec<(&'static str, &'static str)> {
    let of_facts = invariants::PROPERTIES.iter().map(|property| (property.name, property.about));
    let of_runs = [
        (
            WRONG_ANSWER,
            "each response belongs to a request of its client and has the type that the request expects",
        ),
        (WITNESS, "the linearization that the system itself reports explains all responses"),
        (LINEARIZABILITY, "some linearization explains all responses"),
        (
            LIVENESS,
            "after healing, a leader, a write, a read, convergence, a load of writes and what an operator asks for follow within the plan's bounds",
        ),
        (NO_PANIC, "the system under test does not panic"),
        (NO_HANG, "no run hangs: something happens within 60 seconds of real time"),
        (NO_ABORT, "the system under test does not end its process, as by a stack overflow"),
        (DETERMINISM, "two runs of the same plan are the same"),
    ];
    of_facts.chain(of_runs).collect()
}

/// Whether this property can be disabled. Without the others a run would have no end or no verdict.
#[must_use]
pub fn can_be_disabled(property: &str) -> bool {
    ![LIVENESS, NO_PANIC, NO_HANG, NO_ABORT, DETERMINISM].contains(&property)
}

/// The properties that hold only while a quorum of disks forgets nothing. A plan whose disks go bad without a limit does not
/// ask for them.
#[must_use]
pub fn resting_on_disks() -> Vec<&'static str> {
    let resting = invariants::PROPERTIES.iter().filter(|property| property.rests_on_disks);
    resting.map(|property| property.name).chain([WITNESS, LINEARIZABILITY, LIVENESS]).collect()
}

/// All milestones of a run, each with a description.
#[must_use]
pub fn milestones() -> Vec<(&'static str, &'static str)> {
    let of_facts = Milestone::ALL.iter().map(|milestone| (milestone.name(), milestone.about()));
    of_facts.chain(RUN_MILESTONES).collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads the README")]
mod tests {
    /// Each property is in exactly one of the two lists of the chapter.
    #[test]
    fn the_chapter_says_what_is_asked_of_disks_without_a_limit() {
        let (_, text) = include_str!("../../docs/faults.md").split_once("### Beyond").expect("the section");
        let row = |title: &str| {
            let row = text.lines().find_map(|line| line.strip_prefix(title)).expect("the row");
            row.split('`').skip(1).step_by(2).collect::<Vec<_>>()
        };
        let resting = super::resting_on_disks();
        let (off, on): (Vec<&str>, Vec<&str>) =
            super::properties().into_iter().map(|(name, _)| name).partition(|name| resting.contains(name));
        assert_eq!((row("| not asked |"), row("| asked |")), (off, on));
    }

    #[test]
    fn the_readme_lists_all_properties() {
        let readme = include_str!("../../../README.md");
        let listed = readme.split_once("| property | statement |\n| --- | --- |\n").expect("the table").1;
        let listed: Vec<&str> = listed.lines().take_while(|line| line.starts_with('|')).collect();
        let rows: Vec<String> =
            super::properties().iter().map(|(name, about)| format!("| `{name}` | {about} |")).collect();
        assert_eq!(listed, rows);
    }
}
