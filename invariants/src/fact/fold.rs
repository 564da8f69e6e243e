//! The fields of facts in digests.

use super::{
    ConfChange, ConfChangeOp, ConfChangeResponse, Configuration, ConfirmedBy, Digest, LogId, Node,
    RejectionReason, RequestId, SessionOutcome, SessionUse,
};

/// A field of a fact, as part of a digest. Digests are stored: what each type adds never changes.
pub(super) trait Fold {
    fn fold(&self, digest: Digest) -> Digest;
}

impl Fold for u64 {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(*self)
    }
}

impl Fold for bool {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(u64::from(*self))
    }
}

impl Fold for Digest {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(self.0)
    }
}

/// A server may state any number.
impl Fold for Option<u64> {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(self.map_or(0, |number| number.wrapping_add(1)))
    }
}

impl Fold for LogId {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(self.index).then(self.term)
    }
}

impl Fold for RequestId {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(self.session).then(self.sequence)
    }
}

impl Fold for Option<RequestId> {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        self.map_or(digest, |id| id.fold(digest))
    }
}

/// Nothing where it is not stated, as before it could be.
impl Fold for Option<SessionUse> {
    #[inline]
    fn fold(&self, digest: Digest) -> Digest {
        let Some(SessionUse { outcome, log_time, mark }) = *self else { return digest };
        let outcome = match outcome {
            SessionOutcome::Registered => 1,
            SessionOutcome::Fresh => 2,
            SessionOutcome::Repeated => 3,
            SessionOutcome::Forgotten => 4,
            SessionOutcome::Expired => 5,
        };
        digest.then(outcome).then(log_time).then(mark)
    }
}

impl Fold for Vec<Node> {
    fn fold(&self, digest: Digest) -> Digest {
        self.iter().fold(digest.then(self.len() as u64), |digest, node| digest.then(*node))
    }
}

impl Fold for Box<Configuration> {
    fn fold(&self, digest: Digest) -> Digest {
        let digest = self.digest.map_or(digest, |whole| digest.then(whole.0));
        [&self.voters, &self.joint, &self.learners]
            .into_iter()
            .chain(&self.further)
            .fold(digest, |digest, list| list.fold(digest))
    }
}

impl Fold for Box<ConfChange> {
    fn fold(&self, digest: Digest) -> Digest {
        let kind = match **self {
            ConfChange::Steps(_) => 1,
            ConfChange::Joint(_) => 2,
            ConfChange::Leave => 3,
        };
        self.ops().iter().fold(digest.then(kind), |digest, op| match *op {
            ConfChangeOp::Voter(node) => digest.then(1).then(node),
            ConfChangeOp::Learner(node) => digest.then(2).then(node),
            ConfChangeOp::Remove(node) => digest.then(3).then(node),
        })
    }
}

impl Fold for ConfirmedBy {
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(match self {
            ConfirmedBy::Round => 0,
            ConfirmedBy::Lease => 1,
            ConfirmedBy::Log => 2,
        })
    }
}

impl Fold for RejectionReason {
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(match self {
            RejectionReason::NotLeader => 0,
            RejectionReason::ChangePending => 1,
            RejectionReason::NotCaughtUp => 2,
            RejectionReason::UnknownServer => 3,
            RejectionReason::NoOwnCommit => 4,
            RejectionReason::Other => 5,
        })
    }
}

impl Fold for ConfChangeResponse {
    fn fold(&self, digest: Digest) -> Digest {
        digest.then(match self {
            ConfChangeResponse::Done => 0,
            ConfChangeResponse::Rejected => 1,
            ConfChangeResponse::Unknown => 2,
        })
    }
}
