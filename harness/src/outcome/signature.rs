//! Failure signatures: two failures with the same signature are treated as the same failure.

use crate::outcome::{Condition, Difference, Failure, FailureCause, Lag, Mismatch};
use invariants::linearizability::ViolationKind;
use invariants::{Observed, Violation};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// The violated property, the kind of conflict, and who is concerned. Failures are grouped by it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct FailureSignature {
    /// The property.
    pub property: String,
    /// The kind of conflict.
    #[serde(alias = "clash")]
    pub kind: String,
    /// Who is concerned.
    #[serde(default)]
    pub roles: Roles,
}

/// Who is concerned by a failure.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Roles {
    /// Not recorded, by an earlier version.
    #[default]
    Unknown,
    /// One server alone.
    OneServer,
    /// Two servers.
    TwoServers,
    /// A server and a client.
    ServerAndClient,
    /// Clients.
    Clients,
    /// The cluster as a whole.
    Cluster,
    /// The harness.
    Harness,
}

impl FailureSignature {
    /// The signature of this failure.
    #[must_use]
    pub fn of(failure: &Failure) -> FailureSignature {
        let (kind, roles) = classify(&failure.cause);
        FailureSignature { property: failure.property.clone(), kind: kind.into_owned(), roles }
    }
}

impl fmt::Display for FailureSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.property, self.kind)
    }
}

/// The kind of conflict, and who is concerned.
fn classify(cause: &FailureCause) -> (Cow<'static, str>, Roles) {
    let (kind, roles) = match cause {
        FailureCause::Facts(violation) => (violation.conflict.kind(), roles_of_facts(violation)),
        FailureCause::Panic { panic, .. } => {
            let kind = match &panic.location {
                Some(location) => Cow::Owned(format!("panic at {location}")),
                None => "panic".into(),
            };
            return (kind, Roles::OneServer);
        }
        FailureCause::Order(broken) => (order_kind(broken.kind), Roles::ServerAndClient),
        FailureCause::Response(_) => ("response that no order explains", Roles::Clients),
        FailureCause::History(explanation) if explanation.edges.is_empty() => {
            ("operation that contradicts itself", Roles::Clients)
        }
        FailureCause::History(_) => ("history that no order explains", Roles::Clients),
        FailureCause::SharedSession { .. } => ("session given twice", Roles::Clients),
        FailureCause::RejectedTakesEffect { .. } => ("rejected request takes effect", Roles::ServerAndClient),
        FailureCause::WrongAnswer { mismatch, .. } => {
            let kind = match mismatch {
                Mismatch::NoClient => "answer to no client",
                Mismatch::NeverSent => "answer to no request",
                Mismatch::Unexpected { .. } => "unexpected answer",
            };
            (kind, Roles::ServerAndClient)
        }
        FailureCause::NeverRests { .. } => ("never rests", Roles::Cluster),
        FailureCause::Floods { .. } => ("floods the network", Roles::Cluster),
        FailureCause::MissedDeadline { condition, lag, .. } => missed_kind(*condition, lag.as_ref()),
        FailureCause::Unstable { .. } => ("unstable leadership", Roles::Cluster),
        FailureCause::NeverAnswers { .. } => ("request never answered", Roles::ServerAndClient),
        FailureCause::FailStop { .. } => ("fail-stop with an intact disk", Roles::OneServer),
        FailureCause::Nondeterminism(difference) => {
            let kind = match difference {
                Difference::Event(_) | Difference::Digests(..) => "runs differ",
                Difference::Outcomes => "outcomes differ",
            };
            (kind, Roles::Harness)
        }
        FailureCause::HarnessPanic(_) => ("panic of the harness", Roles::Harness),
    };
    (kind.into(), roles)
}

fn roles_of_facts(violation: &Violation) -> Roles {
    let is_of_client = |observed: &Observed| !observed.fact.is_about_server();
    let second = &violation.second;
    match &violation.first {
        Some(first) => match (is_of_client(first), is_of_client(second)) {
            (true, true) => Roles::Clients,
            (false, false) if first.node == second.node => Roles::OneServer,
            (false, false) => Roles::TwoServers,
            _ => Roles::ServerAndClient,
        },
        None if is_of_client(second) => Roles::Clients,
        None => Roles::OneServer,
    }
}

const fn order_kind(kind: ViolationKind) -> &'static str {
    match kind {
        ViolationKind::NeverCalled => "applied but never called",
        ViolationKind::AppliedTwice => "applied twice",
        ViolationKind::NotApplied => "answered but not applied",
        ViolationKind::AppliedLate => "applied late",
        ViolationKind::RealTimeOrder => "order against real time",
        ViolationKind::WrongResponse => "answer differs from the replay",
    }
}

const fn missed_kind(condition: Condition, lag: Option<&Lag>) -> (&'static str, Roles) {
    match (condition, lag) {
        (_, Some(Lag::NoLeader)) => ("leader lost", Roles::Cluster),
        (_, Some(Lag::Leader { .. })) => ("leader lags behind its log", Roles::OneServer),
        (_, Some(Lag::Member { .. })) => ("member lags behind its leader", Roles::TwoServers),
        (Condition::DiskProbe, None) => ("first write not answered", Roles::Cluster),
        (Condition::Leader, None) => ("no leader", Roles::Cluster),
        (Condition::FirstRead, None) => ("first read not answered", Roles::Cluster),
        (Condition::Write, None) => ("write not answered", Roles::Cluster),
        (Condition::Read, None) => ("read not answered", Roles::Cluster),
        (Condition::Convergence, None) => ("no convergence", Roles::Cluster),
        (Condition::Quiet, None) => ("unstable leadership", Roles::Cluster),
    }
}

#[cfg(test)]
mod tests {
    use super::{FailureSignature, Roles};
    use crate::outcome::{Condition, Failure, FailureCause, LIVENESS, Lag, NO_PANIC, PanicReport, Progress};
    use crate::plan::SimDuration;
    use invariants::{Conflict, Fact, Observed, RequestId, Violation};

    fn panic_at(node: u64, line: u64) -> FailureSignature {
        let panic = PanicReport {
            message: format!("node {node} cannot read entry {line}"),
            location: Some(format!("log.rs:{line}")),
        };
        let at = SimDuration::millis(node);
        FailureSignature::of(&Failure::new(NO_PANIC, FailureCause::Panic { node, at, panic }))
    }

    #[test]
    fn a_panic_is_known_by_its_place_and_not_by_its_message() {
        assert_eq!(panic_at(1, 7), FailureSignature { kind: "panic at log.rs:7".into(), ..panic_at(3, 7) });
        assert_ne!(panic_at(1, 7), panic_at(1, 8));
    }

    #[test]
    fn a_missed_deadline_is_known_by_its_condition_and_who_lags() {
        let signature = |condition, timeouts, lag| {
            let cause = FailureCause::MissedDeadline { condition, timeouts, lag };
            FailureSignature::of(&Failure::new(LIVENESS, cause))
        };
        let progress = |last| Progress { last, committed: last / 2, applied: 0 };
        let member = |node, last| {
            Some(Lag::Member { node, progress: progress(last), leader: 1, leader_last: last + node })
        };
        let lags = signature(Condition::Convergence, 10, member(3, 12));
        assert_eq!(lags, signature(Condition::Convergence, 20, member(2, 90)));
        assert_eq!(lags.roles, Roles::TwoServers);
        assert_ne!(lags, signature(Condition::Convergence, 10, Some(Lag::NoLeader)));
        assert_ne!(signature(Condition::Leader, 10, None), signature(Condition::Write, 10, None));
    }

    #[test]
    fn a_conflict_of_facts_is_known_by_its_kind_and_servers() {
        let observed = |node, fact| Observed { at: 3, step: 7, node, fact };
        let signature = |first: Option<Observed>, second| {
            let conflict = Conflict::TwoLeaders { node: 3, term: 4, leader: 1 };
            let violation = Violation { property: "election-safety", conflict, first, second };
            let cause = FailureCause::Facts(Box::new(violation));
            FailureSignature::of(&Failure::new("election-safety", cause))
        };
        let leads = |node, term| observed(node, Fact::Leads { term });
        let one = signature(Some(leads(1, 4)), leads(3, 4));
        assert_eq!(one, signature(Some(leads(2, 9)), leads(5, 9)));
        assert_ne!(one, signature(Some(leads(3, 4)), leads(3, 4)), "one server differs from two");
        assert_eq!(
            (one.to_string().as_str(), one.roles),
            ("election-safety (two-leaders)", Roles::TwoServers)
        );
        let id = RequestId { session: 1, sequence: 2 };
        let acknowledged = observed(7, Fact::WriteAcknowledged { index: 3, write: id });
        assert_eq!(signature(Some(acknowledged), leads(3, 4)).roles, Roles::ServerAndClient);
    }

    #[test]
    fn a_signature_of_an_earlier_version_is_read_without_roles() {
        let old: FailureSignature =
            serde_json::from_str(r#"{"property":"liveness","clash":"there is no leader"}"#).unwrap();
        assert_eq!((old.kind.as_str(), old.roles), ("there is no leader", Roles::Unknown));
    }
}
