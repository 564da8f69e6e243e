//! For each index, the first application by any server and the state after it.

use super::fact_origin::FactOrigin;
use crate::fact::{Digest, Fact, Index, Observed, RequestId, SessionUse};
use std::collections::BTreeMap;

/// The first application of an index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Application {
    /// The entry's content.
    pub(crate) entry: Digest,
    /// The whole state after it.
    pub(crate) state: Digest,
    request: Option<RequestId>,
    effect: bool,
    session: Option<SessionUse>,
    /// Where it was stated.
    pub(crate) origin: FactOrigin,
}

impl Application {
    /// The fact that stated it.
    pub(crate) fn observed(&self, index: Index) -> Observed {
        let &Application { entry, state, request, effect, session, origin } = self;
        origin.observed(Fact::Applied { index, entry, state, request, effect, session })
    }
}

/// The table, dense by index up to the first gap. Memory grows with the number of applications, not with the indexes
/// stated.
#[derive(Default, Debug)]
pub(crate) struct Applications {
    first: Vec<Application>,
    /// Applications after a gap, which arises if a snapshot covers entries that no server has applied.
    after_gap: BTreeMap<Index, Application>,
}

impl Applications {
    /// The first application of this index.
    pub(crate) fn find(&self, index: Index) -> Option<&Application> {
        let position = usize::try_from(index.checked_sub(1)?).ok()?;
        self.first.get(position).or_else(|| self.after_gap.get(&index))
    }

    /// Records a [`Fact::Applied`]; the first one for an index wins.
    pub(crate) fn record(&mut self, observed: &Observed) {
        let Fact::Applied { index, entry, state, request, effect, session } = observed.fact else { return };
        let end = self.first.len() as Index + 1;
        if index == 0 || index < end {
            return;
        }
        let application =
            Application { entry, state, request, effect, session, origin: FactOrigin::of(observed) };
        if index > end {
            self.after_gap.entry(index).or_insert(application);
        } else {
            let earlier = if self.after_gap.is_empty() { None } else { self.after_gap.remove(&index) };
            self.first.push(earlier.unwrap_or(application));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_application_of_each_index_stays(indexes in prop::collection::vec(0..12u64, 0..40)) {
            let (mut applications, mut reference) = (Applications::default(), BTreeMap::new());
            for (step, index) in (0..).zip(indexes) {
                let fact = Fact::Applied { index, entry: Digest(0), state: Digest(step), request: None, effect: true, session: None };
                applications.record(&Observed { at: 0, step, node: 1, fact });
                if index > 0 {
                    reference.entry(index).or_insert(Digest(step));
                }
                for index in 0..14 {
                    let found = applications.find(index).map(|application| application.state);
                    prop_assert_eq!(found, reference.get(&index).copied());
                }
            }
        }
    }
}
