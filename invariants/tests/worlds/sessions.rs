//! What a session table may do with a request.

use crate::builder::{Cluster, digest_of};
use invariants::SessionOutcome::{self, Expired, Forgotten, Fresh, Registered, Repeated};
use invariants::{Fact, Index, Node, RequestId, SessionUse, Violation};

const PROPERTY: &str = "exactly-once";

/// The session that `with_session` registers.
const SESSION: u64 = 1;

fn request(sequence: u64) -> Option<RequestId> {
    Some(RequestId { session: SESSION, sequence })
}

impl Cluster {
    /// Sessions last 10, and the entry at 1 registers one at log time 100.
    fn with_session() -> Cluster {
        let mut cluster = Cluster::with_committed(3, 9);
        cluster.record(1, Fact::SessionLifetime { lifetime: 10 });
        cluster.uses(1, 1, None, (Registered, 100, 0));
        cluster
    }

    /// Sessions never expire.
    fn with_eternal_sessions() -> Cluster {
        let mut cluster = Cluster::with_committed(3, 9);
        cluster.record(1, Fact::SessionLifetime { lifetime: 0 });
        cluster
    }

    fn uses(
        &mut self,
        node: Node,
        index: Index,
        request: Option<RequestId>,
        (outcome, log_time, mark): (SessionOutcome, u64, u64),
    ) {
        let effect = matches!(outcome, Fresh | Registered);
        let session = Some(SessionUse { outcome, log_time, mark });
        let (entry, state) = (digest_of(index), digest_of(index));
        self.record(node, Fact::Applied { index, entry, state, request, effect, session });
    }
}

pub(crate) fn a_request_is_repeated_that_had_no_effect() -> Violation {
    let mut cluster = Cluster::with_session();
    cluster.uses(1, 2, request(1), (Fresh, 101, 0));
    cluster.uses(1, 3, request(2), (Repeated, 102, 0));
    cluster.violates(PROPERTY)
}

/// Request 2 is faster than 1.
pub(crate) fn a_request_is_ignored_that_its_client_waits_for() -> Violation {
    let mut cluster = Cluster::with_eternal_sessions();
    cluster.uses(1, 1, request(2), (Fresh, 0, 0));
    cluster.uses(1, 2, request(1), (Forgotten, 0, 0));
    cluster.violates(PROPERTY)
}

/// The request at 2 used it.
pub(crate) fn a_session_in_use_expires() -> Violation {
    let mut cluster = Cluster::with_session();
    cluster.uses(1, 2, request(1), (Fresh, 105, 0));
    cluster.uses(1, 3, request(2), (Expired, 114, 1));
    cluster.violates(PROPERTY)
}

pub(crate) fn a_session_expires_where_none_does() -> Violation {
    let mut cluster = Cluster::with_eternal_sessions();
    cluster.uses(1, 1, request(1), (Fresh, 0, 0));
    cluster.uses(1, 2, request(2), (Expired, 0, 1));
    cluster.violates(PROPERTY)
}

pub(crate) fn a_request_is_executed_in_an_unregistered_session() -> Violation {
    let mut cluster = Cluster::with_session();
    cluster.uses(1, 2, Some(RequestId { session: 7, sequence: 1 }), (Fresh, 101, 0));
    cluster.violates(PROPERTY)
}

pub(crate) fn a_request_is_executed_in_an_unused_session() -> Violation {
    let mut cluster = Cluster::with_session();
    cluster.uses(1, 2, request(1), (Fresh, 110, 0));
    cluster.violates(PROPERTY)
}

/// How long sessions last was not stated.
pub(crate) fn an_expired_session_begins_again() -> Violation {
    let mut cluster = Cluster::with_committed(3, 9);
    cluster.uses(1, 1, request(1), (Fresh, 100, 0));
    cluster.uses(1, 2, request(2), (Expired, 200, 1));
    cluster.uses(1, 3, request(3), (Fresh, 201, 1));
    cluster.violates(PROPERTY)
}

pub(crate) fn log_time_goes_back() -> Violation {
    let mut cluster = Cluster::with_session();
    cluster.uses(1, 2, request(1), (Fresh, 99, 0));
    cluster.violates(PROPERTY)
}

#[test]
fn a_session_expires_when_it_was_not_used_for_a_lifetime() {
    let mut cluster = Cluster::with_session();
    cluster.uses(1, 2, request(1), (Fresh, 109, 0));
    cluster.uses(1, 3, request(2), (Fresh, 118, 1));
    // A repetition and an old duplicate use the session, too.
    cluster.uses(1, 4, request(2), (Repeated, 127, 1));
    cluster.uses(1, 5, request(1), (Forgotten, 136, 0));
    cluster.uses(1, 6, request(3), (Expired, 146, 2));
    // What is answered as expired uses nothing.
    cluster.uses(1, 7, request(3), (Expired, 147, 2));
    cluster.uses(1, 8, Some(RequestId { session: 5, sequence: 1 }), (Expired, 147, 0));
    cluster.passes(PROPERTY);
}

/// A late duplicate has an old mark; the highest one counts.
#[test]
fn a_mark_stays() {
    let mut cluster = Cluster::with_eternal_sessions();
    cluster.uses(1, 1, request(1), (Fresh, 0, 0));
    cluster.uses(1, 2, request(2), (Fresh, 0, 1));
    cluster.uses(1, 3, request(1), (Forgotten, 0, 0));
    cluster.passes(PROPERTY);
}

/// Its client never got a response, and goes on in the same session.
#[test]
fn a_request_may_be_ignored_that_its_client_gave_up() {
    let mut cluster = Cluster::with_eternal_sessions();
    cluster.uses(1, 1, request(2), (Fresh, 0, 1));
    cluster.uses(1, 2, request(1), (Forgotten, 0, 0));
    cluster.passes(PROPERTY);
}

/// Server 2 begins with a snapshot up to 3 that no server took: what it contains was not stated.
#[test]
fn nothing_is_judged_after_an_index_that_was_not_applied() {
    let mut cluster = Cluster::with_session();
    cluster.uses(2, 4, request(1), (Repeated, 90, 0));
    cluster.uses(2, 5, request(9), (Forgotten, 80, 0));
    cluster.uses(2, 6, Some(RequestId { session: 3, sequence: 1 }), (Fresh, 70, 0));
    cluster.passes(PROPERTY);
}

/// Old recordings do not state what sessions do.
#[test]
fn nothing_is_judged_after_a_request_without_its_session() {
    let mut cluster = Cluster::with_session();
    cluster.applies(1, 2, request(1), true);
    cluster.uses(1, 3, request(1), (Expired, 90, 0));
    cluster.passes(PROPERTY);
}
