//! Former names of properties and milestones.
//!
//! Stored cases, ledgers and command lines may still use them. Every lookup by name goes through
//! [`current_property_name`] or [`current_milestone_name`] first.

/// Former property names, each with today's name. `progress` was the harness's name of its own property `liveness`.
pub const FORMER_PROPERTY_NAMES: &[(&str, &str)] = &[
    ("acknowledged-stays", "acked-immutable"),
    ("committed-stays", "committed-immutable"),
    ("configurations", "membership-safety"),
    ("durable-quorum", "committed-on-quorum"),
    ("followers-commit", "follower-commit-safety"),
    ("outsiders", "no-disruption"),
    ("own-term-commit", "current-term-commit"),
    ("progress", "liveness"),
    ("promises-after-durability", "persist-before-reply"),
    ("reads", "read-safety"),
    ("snapshots", "snapshot-consistency"),
];

/// Former milestone names, each with today's name.
pub const FORMER_MILESTONE_NAMES: &[(&str, &str)] = &[
    ("committed-before-own-disk", "committed-before-local-sync"),
    ("late-commit", "stale-leader-committed"),
    ("leader-deposed", "leader-stepped-down"),
    ("leader-died", "leader-crashed"),
    ("older-term-committed", "prior-term-committed"),
    ("retry-answered", "retry-deduplicated"),
    ("snapshot-replaced-tail", "snapshot-replaced-conflict"),
    ("tail-lost-with-power", "unsynced-tail-lost"),
    ("vote-split", "split-vote"),
];

/// Today's name of a property; any name that is not a former one is returned unchanged.
#[must_use]
pub fn current_property_name(name: &str) -> &str {
    current_name(FORMER_PROPERTY_NAMES, name)
}

/// Today's name of a milestone; any name that is not a former one is returned unchanged.
#[must_use]
pub fn current_milestone_name(name: &str) -> &str {
    current_name(FORMER_MILESTONE_NAMES, name)
}

fn current_name<'a>(former_names: &'static [(&str, &str)], name: &'a str) -> &'a str {
    former_names.iter().find(|(former, _)| *former == name).map_or(name, |(_, current)| current)
}

#[cfg(test)]
mod tests {
    use super::{
        FORMER_MILESTONE_NAMES, FORMER_PROPERTY_NAMES, current_milestone_name, current_property_name,
    };
    use crate::{Checker, Milestone, PROPERTIES};

    #[test]
    fn former_names_lead_to_names_in_use_and_are_not_in_use_themselves() {
        for &(former, current) in FORMER_PROPERTY_NAMES {
            assert_eq!(current_property_name(former), current);
            assert!(PROPERTIES.iter().all(|property| property.name != former), "{former} is in use");
            let of_the_harness = current == "liveness";
            assert!(
                of_the_harness || PROPERTIES.iter().any(|property| property.name == current),
                "{current}"
            );
        }
        for &(former, current) in FORMER_MILESTONE_NAMES {
            assert_eq!(current_milestone_name(former), current);
            assert!(Milestone::ALL.iter().all(|milestone| milestone.name() != former), "{former} is in use");
            assert!(Milestone::ALL.iter().any(|milestone| milestone.name() == current), "{current}");
        }
        assert_eq!(current_property_name("election-safety"), "election-safety");
        assert_eq!(current_property_name("unheard-of"), "unheard-of");
    }

    #[test]
    fn a_checker_accepts_former_names() {
        let checker = Checker::with_disabled(&["reads", "exactly-once"]).expect("both names are known");
        assert!(checker.checks().all(|(name, _)| name != "read-safety" && name != "exactly-once"));
        assert_eq!(checker.checks().count(), PROPERTIES.len() - 2);
    }
}
