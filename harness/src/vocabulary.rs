//! What has a name: the properties that may look, and the milestones that a good run reaches.

use crate::outcome::{
    DETERMINISM, LINEARIZABILITY, LIVENESS, NO_PANIC, RUN_MILESTONES, WITNESS, WRONG_ANSWER,
};
use invariants::Milestone;

/// All properties, each with a line for a person.
#[must_use]
pub fn properties() -> Vec<(&'static str, &'static str)> {
    let of_facts = invariants::PROPERTIES.iter().map(|property| (property.name, property.about));
    let of_runs = [
        (
            WRONG_ANSWER,
            "each answer belongs to a request of its client, and is of the kind that was asked for",
        ),
        (WITNESS, "the order that the system itself claims explains what clients saw"),
        (LINEARIZABILITY, "some order explains what clients saw"),
        (
            LIVENESS,
            "after healing there is a leader, a write, a read and convergence within the plan's bounds",
        ),
        (NO_PANIC, "the system under test does not panic"),
        (DETERMINISM, "two runs of the same plan are the same"),
    ];
    of_facts.chain(of_runs).collect()
}

/// Whether this property can be kept from looking. Without the others there would be no end and no verdict to a run.
#[must_use]
pub fn can_be_disabled(property: &str) -> bool {
    ![LIVENESS, NO_PANIC, DETERMINISM].contains(&property)
}

/// All milestones that a run can reach, each with a line for a person.
#[must_use]
pub fn milestones() -> Vec<(&'static str, &'static str)> {
    let of_facts = Milestone::ALL.iter().map(|milestone| (milestone.name(), milestone.about()));
    of_facts.chain(RUN_MILESTONES).collect()
}
