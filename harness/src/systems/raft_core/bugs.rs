//! The bugs of this system: of the core, of its log, and of the application.
#![doc = include_str!("../../../docs/bugs.md")]

use crate::parts::LogBug;
use crate::workload::kv::ApplicationBug;
use raft_core::{Bug, Catalogue};

raft_core::bugs! {
    /// Safety-critical lines of this host, named by what breaks without them.
    pub enum HostBug {
        WipedNodeVotes {
            id: "S03", name: "wiped-node-votes", at: "systems/raft_core/node.rs",
            breaks: "A server with a wiped disk returns as the replica that it was",
            first: "one-vote-per-term",
            consequence: "it votes again where the old replica has voted, and counts for what it has lost: two leaders, writes lost",
        }
    }
}

/// All bugs: of the core, of its log, of this host, and of the application.
pub const CATALOGUES: [Catalogue; 4] =
    [Bug::CATALOGUE, LogBug::CATALOGUE, HostBug::CATALOGUE, ApplicationBug::CATALOGUE];

#[expect(clippy::disallowed_methods, reason = "a test reads a chapter")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::BugInfo;
    use crate::systems::BUILT_IN;
    use std::fmt::Debug;

    fn kebab_case(variant: &impl Debug) -> String {
        let mut name = String::new();
        for character in format!("{variant:?}").chars() {
            if character.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.extend(character.to_lowercase());
        }
        name
    }

    #[test]
    fn each_bug_is_named_like_its_variant_and_has_a_unique_id() {
        let core = Bug::ALL.iter().map(|bug| (kebab_case(bug), bug.info()));
        let log = LogBug::ALL.iter().map(|bug| (kebab_case(bug), bug.info()));
        let host = HostBug::ALL.iter().map(|bug| (kebab_case(bug), bug.info()));
        let application = ApplicationBug::ALL.iter().map(|bug| (kebab_case(bug), bug.info()));
        let bugs: Vec<_> = core.chain(log).chain(host).chain(application).collect();
        for (variant, bug) in &bugs {
            assert_eq!(bug.name, variant);
        }
        let ids: std::collections::BTreeSet<_> = bugs.iter().map(|(_, bug)| bug.id).collect();
        assert_eq!(ids.len(), bugs.len());
    }

    #[test]
    #[cfg_attr(not(feature = "bugs"), ignore = "needs the feature `bugs`")]
    fn the_catalogue_has_a_row_with_sources_for_each_bug() {
        let (catalogue, measured) =
            include_str!("../../../docs/bugs.md").split_once("## Measured").expect("both tables");
        let rows = |text: &'static str| text.lines().filter(|line| line.starts_with("| ")).skip(1);
        let is_declared = |row: &str| {
            BUILT_IN.bugs().iter().any(|bug| row.starts_with(&format!("| {} `{}` |", bug.id, bug.name)))
        };
        let unknown: Vec<&str> = rows(measured).skip(1).filter(|row| !is_declared(row)).collect();
        assert!(unknown.is_empty(), "measured, and not declared: {unknown:?}");
        let rows = rows(catalogue);
        let rows: Vec<_> = rows.filter_map(|row| row.trim_end_matches(" |").rsplit_once(" | ")).collect();
        let declared = |bug: &BugInfo| {
            let BugInfo { name, id, at, breaks, first, consequence } = bug;
            format!("| {id} `{name}` | {at} | {breaks} | `{first}` | {consequence}")
        };
        assert_eq!(
            rows.iter().map(|(row, _)| (*row).to_owned()).collect::<Vec<_>>(),
            BUILT_IN.bugs().into_iter().map(declared).collect::<Vec<_>>(),
            "docs/bugs.md does not match the declarations"
        );
        for (row, sources) in rows {
            assert!(sources.contains(char::is_alphabetic), "a source is missing: {row}");
        }
    }

    #[test]
    #[cfg_attr(not(feature = "bugs"), ignore = "needs the feature `bugs`")]
    fn a_plan_enables_the_bug_of_the_enum_that_has_its_name() {
        let mut plan = crate::plan::generate(0);
        assert_eq!(plan.enabled_bug(LogBug::named), None);
        plan.bug = Some("install-not-atomic".to_owned());
        assert_eq!(plan.enabled_bug(LogBug::named), Some(LogBug::InstallNotAtomic));
        assert_eq!(plan.enabled_bug(Bug::named), None);
    }
}
