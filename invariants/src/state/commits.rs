//! How the committed log grew.

use super::fact_origin::FactOrigin;
use crate::fact::{Fact, Index, Node, Observed, Term};

/// To which index the committed log grew, in which leader's term, by which fact.
type Commit = (Index, Term, FactOrigin);

/// The commits of leaders that extended the committed log, in order.
#[derive(Default, Debug)]
pub(crate) struct Commits(Vec<Commit>);

impl Commits {
    /// The committed log now ends at `index`.
    pub(crate) fn record(&mut self, index: Index, term: Term, origin: FactOrigin) {
        self.0.push((index, term, origin));
    }

    /// The fact by which a leader first committed `index`; after the end of the committed log, the last such fact.
    pub(crate) fn fact(&self, index: Index) -> Option<Observed> {
        let (index, _, origin) = self.find(index)?;
        Some(origin.observed(Fact::Committed { index: *index }))
    }

    /// The term of the leader that first committed `index`.
    pub(crate) fn term(&self, index: Index) -> Option<Term> {
        self.find(index).map(|commit| commit.1)
    }

    /// The leader that committed the end of the committed log.
    pub(crate) fn last_committer(&self) -> Option<Node> {
        self.0.last().map(|commit| commit.2.node)
    }

    fn find(&self, index: Index) -> Option<&Commit> {
        let position = self.0.partition_point(|commit| commit.0 < index);
        self.0.get(position).or(self.0.last())
    }
}
