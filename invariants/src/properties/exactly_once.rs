//! **Exactly once**: a client request changes the state at one index only, however often it is in the log, and it is
//! refused or answered without effect only where its session allows that.
//!
//! *Source*: Raft paper, 8 (sessions and serial numbers); thesis, 6.3 (sessions that expire, requests in flight at once).
//! *Facts*: `Applied` with its request; `Applied` with its session, `SessionLifetime`.
//!
//! *Check*: the first index at which a request has an effect is the only one, on all servers and in all incarnations.
//! The same index on another server, or again after a restart, is the same effect. A retry that is answered from the
//! session table has no effect. A restored state includes the effects of all earlier indexes: a retry applied after
//! it must find them in the snapshot's session table.
//!
//! Where the use of sessions is stated, the first application of each index is judged by what was applied before it:
//!
//! - a *repeated* request had its effect at a lower index;
//! - a *forgotten* request is at or below the highest mark that requests of its session have carried: its client has
//!   the response, or has given up;
//! - a request is answered as *expired* only if its session was not registered, or not used for a lifetime of log time;
//!   all others only if neither holds, and if none before was answered as expired. Without a stated lifetime only the
//!   last is judged;
//! - log time never decreases.
//!
//! The order is that of the log, not of the facts, so it does not matter how the facts of several servers were merged.
//! The property keeps registrations, uses and marks itself, so it believes no server that a session has expired.
//!
//! Allowed: a request at or below the mark that never had an effect, because its client gave up. Servers that restore a
//! snapshot apply fewer entries.
//!
//! *Blind spots*: requests without an identifier. Sessions are judged only up to the first index that no server states
//! as applied, or states without its session, and by the first application of each index: that other servers do the same
//! is checked by `state-machine-safety`. Which response a repeated request gets is checked by linearizability.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Digest, Fact, Index, Observed, RequestId, SessionOutcome, SessionUse};
use crate::state::{FactOrigin, RequestMap, Sessions};

/// A request has an effect at one index only.
#[derive(Default, Debug)]
pub struct ExactlyOnce {
    pub(crate) checks: u64,
    effects: RequestMap<Effect>,
    sessions: Sessions,
    /// The index up to which every application was stated, and judged.
    judged: Index,
}

#[derive(Clone, Copy, Debug)]
struct Effect {
    index: Index,
    entry: Digest,
    state: Digest,
    session: Option<SessionUse>,
    origin: FactOrigin,
}

impl ExactlyOnce {
    /// The name.
    pub const NAME: &str = "exactly-once";
    /// What must hold, in one line.
    pub const ABOUT: &str =
        "a client request changes the state at one index only, and is refused only if its session is over";

    pub(crate) fn record_lifetime(&mut self, _: CheckContext<'_>, lifetime: u64) -> CheckResult {
        self.sessions.set_lifetime(lifetime);
        Ok(())
    }

    pub(crate) fn check_apply(
        &mut self,
        context: CheckContext<'_>,
        request: RequestId,
        effect: bool,
    ) -> CheckResult {
        let Fact::Applied { index, entry, state, session, .. } = context.observed.fact else { return Ok(()) };
        let Some(&first) = self.effects.get(request) else {
            if effect {
                let origin = FactOrigin::of(context.observed);
                self.effects.insert(request, Effect { index, entry, state, session, origin });
            }
            return Ok(());
        };
        self.checks += 1;
        if !effect || first.index == index {
            return Ok(());
        }
        let conflict =
            Conflict::RequestAppliedTwice { node: context.node.id, request, index, earlier: first.index };
        let fact = Fact::Applied {
            index: first.index,
            entry: first.entry,
            state: first.state,
            request: Some(request),
            effect: true,
            session: first.session,
        };
        context.violation(Self::NAME, Some(first.origin.observed(fact)), conflict)
    }

    /// Judges the first application of each index, in the order of the log.
    #[inline]
    pub(crate) fn check_session(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        request: Option<RequestId>,
        session: Option<SessionUse>,
    ) -> CheckResult {
        if self.judged.checked_add(1) != Some(index) {
            return Ok(());
        }
        match (session, request) {
            (Some(session), _) => {
                self.judged = index;
                self.check_first(context, index, request, session)
            }
            // What follows may depend on it.
            (None, Some(_)) => Ok(()),
            (None, None) => {
                self.judged = index;
                Ok(())
            }
        }
    }

    fn check_first(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        request: Option<RequestId>,
        SessionUse { outcome, log_time, mark }: SessionUse,
    ) -> CheckResult {
        let node = context.node.id;
        self.checks += 1;
        if let Some(before) = self.sessions.advance(log_time) {
            let conflict = Conflict::LogTimeWentBack { node, index, before, log_time };
            return context.violation(Self::NAME, first_application(context, index - 1), conflict);
        }
        let Some(request) = request else {
            if outcome == SessionOutcome::Registered {
                self.sessions.register(index);
            }
            return Ok(());
        };
        let end = self.sessions.end(request.session);
        let last_use = self.sessions.last_use(request.session);
        let first = || last_use.and_then(|(index, _)| first_application(context, index));
        if outcome == SessionOutcome::Expired {
            if end.is_none() && self.sessions.has_known_lifetime() {
                let last_use = last_use.and_then(|(_, log_time)| log_time);
                let conflict = Conflict::ExpiredInUse { node, request, index, log_time, last_use };
                return context.violation(Self::NAME, first(), conflict);
            }
            self.sessions.expire(request.session, index);
            return Ok(());
        }
        if let Some(end) = end {
            let conflict = Conflict::UsedAfterExpiry { node, request, index, end };
            return context.violation(Self::NAME, first(), conflict);
        }
        let mark = self.sessions.use_with_mark(request.session, mark, index);
        let conflict = match outcome {
            SessionOutcome::Repeated
                if self.effects.get(request).is_none_or(|effect| effect.index >= index) =>
            {
                Conflict::RepeatedWithoutEffect { node, request, index }
            }
            SessionOutcome::Forgotten if request.sequence > mark => {
                Conflict::ForgottenAboveMark { node, request, index, mark }
            }
            _ => return Ok(()),
        };
        context.violation(Self::NAME, first(), conflict)
    }
}

/// The fact that stated the first application of an index.
fn first_application(context: CheckContext<'_>, index: Index) -> Option<Observed> {
    context.cluster.applications.find(index).map(|known| known.observed(index))
}
