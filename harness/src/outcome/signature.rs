//! Failure signatures: two failures with the same signature are treated as the same failure.

use crate::outcome::{Failure, FailureCause, HARNESS_PANIC, Lag, NO_ABORT, NO_HANG};
use invariants::{Observed, Violation, current_property_name};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The violated property, the kind of conflict, and who is concerned. Failures are grouped by it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(from = "StoredSignature")]
pub struct FailureSignature {
    /// The property.
    pub property: String,
    /// The kind of conflict: see [`FailureCause::kind`].
    pub kind: String,
    /// The file and line of a panic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Who is concerned.
    pub roles: Roles,
}

/// A signature as it is stored, perhaps by an earlier version.
#[derive(Deserialize)]
struct StoredSignature {
    property: String,
    #[serde(alias = "clash")]
    kind: String,
    location: Option<String>,
    #[serde(default)]
    roles: Roles,
}

/// Kinds of earlier versions, each with its current one. Others of those versions are kept as they are.
const FORMER_KINDS: [(&str, &str); 32] = [
    ("answer differs from the replay", "wrong-response"),
    ("answer to no client", "answer-to-no-client"),
    ("answer to no request", "answer-to-no-request"),
    ("answered but not applied", "not-applied"),
    ("applied but never called", "never-called"),
    ("applied late", "applied-late"),
    ("applied twice", "applied-twice"),
    ("fail-stop with an intact disk", "fail-stop-with-intact-disk"),
    ("first read not answered", "first-read-unanswered"),
    ("first write not answered", "first-write-unanswered"),
    ("floods the network", "floods"),
    ("history that no order explains", "unexplained-history"),
    ("leader lags behind its log", "leader-lags"),
    ("leader lost", "leader-lost"),
    ("member lags behind its leader", "member-lags"),
    ("never rests", "never-rests"),
    ("no convergence", "no-convergence"),
    ("no leader", "no-leader"),
    ("operation that contradicts itself", "self-contradictory-operation"),
    ("order against real time", "real-time-order"),
    ("outcomes differ", "outcomes-differ"),
    ("panic of the harness", "harness-panic"),
    ("read not answered", "read-unanswered"),
    ("rejected request takes effect", "rejected-takes-effect"),
    ("request never answered", "never-answers"),
    ("response that no order explains", "unexplained-response"),
    ("runs differ", "runs-differ"),
    ("session given twice", "shared-session"),
    ("there is no leader", "no-leader"),
    ("unexpected answer", "unexpected-answer"),
    ("unstable leadership", "unstable-leadership"),
    ("write not answered", "write-unanswered"),
];

impl From<StoredSignature> for FailureSignature {
    fn from(stored: StoredSignature) -> FailureSignature {
        let StoredSignature { property, kind, location, roles } = stored;
        FailureSignature::stored(&property, &kind, location, roles)
    }
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
        let location = match &failure.cause {
            FailureCause::Panic { panic, .. } => panic.location.clone(),
            _ => None,
        };
        let (property, kind) = (failure.property.clone(), failure.cause.kind().to_owned());
        FailureSignature { property, kind, location, roles: roles_of(&failure.cause) }
    }

    /// The signature with these names, perhaps of an earlier version.
    #[expect(clippy::disallowed_methods, reason = "the stored case may be of an older version")]
    pub(crate) fn stored(
        property: &str,
        kind: &str,
        location: Option<String>,
        roles: Roles,
    ) -> FailureSignature {
        let former = FORMER_KINDS.iter().find(|(former, _)| *former == kind);
        let (kind, location) = match kind.split_once(" at ") {
            Some(("panic", at)) => ("panic", Some(at.to_owned())),
            _ => (former.map_or(kind, |(_, current)| *current), location),
        };
        let (property, kind) = (current_property_name(property).to_owned(), kind.to_owned());
        FailureSignature { property, kind, location, roles }
    }

    /// Whether its run has an end and an outcome. Otherwise it must not be repeated in this process.
    #[must_use]
    pub fn has_outcome(&self) -> bool {
        ![HARNESS_PANIC, NO_HANG, NO_ABORT].contains(&self.property.as_str())
    }

    /// The kind of conflict, and where a panic was.
    #[must_use]
    pub fn conflict(&self) -> impl fmt::Display {
        fmt::from_fn(|f| match &self.location {
            Some(location) => write!(f, "{} at {location}", self.kind),
            None => f.write_str(&self.kind),
        })
    }
}

impl fmt::Display for FailureSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.property, self.conflict())
    }
}

fn roles_of(cause: &FailureCause) -> Roles {
    match cause {
        FailureCause::Facts(violation) => roles_of_facts(violation),
        FailureCause::Panic { .. }
        | FailureCause::FailStop { .. }
        | FailureCause::Hangs { .. }
        | FailureCause::Aborts { .. }
        | FailureCause::MissedDeadline { lag: Some(Lag::Leader { .. }), .. } => Roles::OneServer,
        FailureCause::MissedDeadline { lag: Some(Lag::Member { .. }), .. } => Roles::TwoServers,
        FailureCause::Order(_)
        | FailureCause::RejectedTakesEffect { .. }
        | FailureCause::WrongAnswer { .. }
        | FailureCause::NeverAnswers { .. } => Roles::ServerAndClient,
        FailureCause::Response(_) | FailureCause::History(_) | FailureCause::SharedSession { .. } => {
            Roles::Clients
        }
        FailureCause::MissedDeadline { .. }
        | FailureCause::NeverRests { .. }
        | FailureCause::Floods { .. }
        | FailureCause::OperatorWaits { .. }
        | FailureCause::Load { .. }
        | FailureCause::Unstable { .. } => Roles::Cluster,
        FailureCause::Nondeterminism(_) | FailureCause::HarnessPanic(_) => Roles::Harness,
    }
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

#[cfg(test)]
mod tests {
    use super::{FORMER_KINDS, FailureSignature, Roles};
    use crate::outcome::{Condition, Failure, FailureCause, LIVENESS, Lag, NO_PANIC, PanicReport, Progress};
    use crate::plan::{MembershipOp, OperatorCommand, SimDuration};
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
        assert_eq!(panic_at(1, 7), panic_at(3, 7));
        assert_eq!(panic_at(1, 7).to_string(), "no-panic (panic at log.rs:7)");
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
    fn an_operator_that_waits_is_known_by_what_it_waits_for() {
        let waits = |command, rejections: &[&str]| {
            let rejections = rejections.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            let (since, times) = (SimDuration::millis(7), rejections.len() + 1);
            let cause = FailureCause::OperatorWaits { command, timeouts: 30, since, times, rejections };
            Failure::new(LIVENESS, cause)
        };
        let transfer = |to, rejections| waits(OperatorCommand::Transfer(to), rejections);
        let steps = vec![MembershipOp::Voter(4), MembershipOp::Remove(2)];
        let change = waits(OperatorCommand::Change { steps, by_joint: false }, &[]);
        let signature = FailureSignature::of(&change);
        assert_eq!(signature.to_string(), "liveness (change-not-done)");
        assert_eq!(FailureSignature::of(&transfer(2, &[])), FailureSignature::of(&transfer(3, &["busy"])));
        assert_ne!(FailureSignature::of(&transfer(2, &[])), signature);
        assert_eq!(
            change.cause.to_string(),
            "30 largest election timeouts after the operator asked for the change voter n4, remove n2, first at 7ms and \
             once in all, it is not done; no request was rejected"
        );
        assert_eq!(
            transfer(2, &["busy", "not now"]).cause.to_string(),
            "30 largest election timeouts after the operator asked for a transfer of leadership to n2, first at 7ms and 3 \
             times in all, it is not done; the last rejections: busy, then not now"
        );
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

    fn read(json: &str) -> FailureSignature {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_signature_of_an_earlier_version_is_read_in_current_names() {
        let old = read(r#"{"property":"progress","clash":"there is no leader"}"#);
        assert_eq!((old.to_string().as_str(), old.roles), ("liveness (no-leader)", Roles::Unknown));
        for (former, current) in FORMER_KINDS {
            let old = read(&format!(r#"{{"property":"witness","kind":"{former}","roles":"clients"}}"#));
            assert_eq!((old.kind.as_str(), old.roles), (current, Roles::Clients));
        }
        let old = read(r#"{"property":"no-panic","kind":"panic at log.rs:7","roles":"one-server"}"#);
        assert_eq!(old, panic_at(1, 7));
        assert_eq!(read(&serde_json::to_string(&old).unwrap()), old);
    }
}
