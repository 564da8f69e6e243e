//! Failure signatures: two failures with the same signature are treated as the same failure.

use crate::outcome::Failure;
use invariants::Fact;
use std::fmt;

/// The violated property and the kind of clash. Failures are grouped by it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FailureSignature {
    /// The property.
    pub property: String,
    /// The kinds of the two clashing facts; without facts, the message without its numbers.
    pub clash: String,
}

impl FailureSignature {
    /// The signature of this failure.
    #[must_use]
    pub fn of(failure: &Failure) -> FailureSignature {
        let clash = match &failure.facts {
            Some(facts) => match &facts.first {
                Some(first) => format!("{} and {}", fact_name(&first.fact), fact_name(&facts.second.fact)),
                None => fact_name(&facts.second.fact).to_owned(),
            },
            None => strip_numbers(failure.sentence.lines().next().unwrap_or_default()),
        };
        FailureSignature { property: failure.property.clone(), clash }
    }
}

impl fmt::Display for FailureSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.property, self.clash)
    }
}

/// A message without numbers and list lengths: `n3, n4` equals `n1, n2, n5`, but `n3, n4 lag` differs from `n1 lags`.
fn strip_numbers(sentence: &str) -> String {
    let mut stripped = String::new();
    for c in sentence.chars() {
        match c {
            '0'..='9' if stripped.ends_with('#') => {}
            '0'..='9' => stripped.push('#'),
            c => stripped.push(c),
        }
    }
    for (list, one) in [("n#, n#", "n#"), ("#, #", "#")] {
        while stripped.contains(list) {
            stripped = stripped.replace(list, one);
        }
    }
    stripped
}

/// The kind of a fact, in words.
fn fact_name(fact: &Fact) -> &'static str {
    match fact {
        Fact::Started { .. } => "started",
        Fact::TermChanged { .. } => "term changed",
        Fact::Appended { .. } => "appended",
        Fact::Truncated { .. } => "truncated",
        Fact::Leads { .. } => "leads",
        Fact::SteppedDown { .. } => "stepped down",
        Fact::Committed { .. } => "committed",
        Fact::Applied { .. } => "applied",
        Fact::Configured { .. } => "configured",
        Fact::SnapshotTaken { .. } => "snapshot taken",
        Fact::SnapshotInstalled { .. } => "snapshot installed",
        Fact::Restored { .. } => "restored",
        Fact::Voted { .. } => "voted",
        Fact::Campaigned { .. } => "campaigned",
        Fact::Acknowledged { .. } => "acknowledged",
        Fact::ReadServed { .. } => "read served",
        Fact::Saved { .. } => "saved",
        Fact::SavedEntry { .. } => "saved entry",
        Fact::SavedSnapshot { .. } => "saved snapshot",
        Fact::SavedRecovered => "saved recovered",
        Fact::Crashed => "crashed",
        Fact::PowerLost => "power lost",
        Fact::Restarted => "restarted",
        Fact::Wiped => "wiped",
        Fact::Quiet => "quiet",
        Fact::Founded { .. } => "founded",
        Fact::ChangeRequested { .. } => "change requested",
        Fact::ChangeAnswered { .. } => "change answered",
        Fact::WriteAcknowledged { .. } => "write acknowledged",
        Fact::ReadAsked { .. } => "read asked",
    }
}

#[cfg(test)]
mod tests {
    use super::{FailureSignature, strip_numbers};
    use crate::outcome::Failure;
    use invariants::{Conflict, Fact, Observed, Violation};

    #[test]
    fn messages_are_compared_without_numbers() {
        let same = |one: &str, other: &str| strip_numbers(one) == strip_numbers(other);
        assert!(same("n3 has a log up to 12, committed 7", "n1 has a log up to 9, committed 9"));
        assert!(same("{n1, n2, n3} voted", "{n4} voted"));
        assert!(!same("there is no leader", "a fresh read is not answered"));
        assert!(!same("n1 has 3", "n1 lacks 3"));
    }

    #[test]
    fn a_clash_of_facts_is_described_by_their_kinds() {
        let observed = |node, fact| Observed { at: 3, step: 7, node, fact };
        let failure = |first: Option<Observed>, second| Failure {
            property: "election-safety".into(),
            sentence: String::new(),
            facts: Some(Box::new(Violation {
                property: "election-safety",
                conflict: Conflict::TwoLeaders { node: 3, term: 4, leader: 1 },
                first,
                second,
            })),
            evidence: Vec::new(),
        };
        let leads = |node, term| observed(node, Fact::Leads { term });
        let one = FailureSignature::of(&failure(Some(leads(1, 4)), leads(3, 4)));
        assert_eq!(one, FailureSignature::of(&failure(Some(leads(2, 9)), leads(5, 9))));
        assert_ne!(one, FailureSignature::of(&failure(Some(observed(1, Fact::Crashed)), leads(3, 4))));
        assert_ne!(one, FailureSignature::of(&failure(None, leads(3, 4))));
        assert_eq!(one.to_string(), "election-safety (leads and leads)");
    }
}
