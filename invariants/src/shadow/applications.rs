//! What was first applied at each index, by anybody, and the state after it.

use super::seen::Seen;
use crate::fact::{Digest, Fact, Index, Observed, RequestId};

/// The first application of an index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Application {
    /// The entry's content.
    pub entry: Digest,
    /// The whole state after it.
    pub state: Digest,
    request: Option<RequestId>,
    effect: bool,
    /// Who stated it.
    pub seen: Seen,
}

impl Application {
    /// The fact that stated it.
    pub fn fact(&self, index: Index) -> Observed {
        let &Application { entry, state, request, effect, seen } = self;
        seen.fact(Fact::Applied { index, entry, state, request, effect })
    }
}

/// The table, dense by index.
#[derive(Default, Debug)]
pub(crate) struct Applications {
    first: Vec<Option<Application>>,
}

/// A leap that no state machine of a run makes; beyond it a stream is broken, and memory must not follow it.
const LEAP: usize = 1 << 20;

impl Applications {
    /// The first application of this index.
    pub fn find(&self, index: Index) -> Option<&Application> {
        self.first.get((index as usize).wrapping_sub(1))?.as_ref()
    }

    /// Takes an `Applied` in: the first of its index stays.
    pub fn record(&mut self, observed: &Observed) {
        let Fact::Applied { index, entry, state, request, effect } = observed.fact else { return };
        let Some(position) = index.checked_sub(1).map(|position| position as usize) else { return };
        if position >= self.first.len() {
            if position - self.first.len() > LEAP {
                return;
            }
            self.first.resize(position + 1, None);
        }
        let application = Application { entry, state, request, effect, seen: Seen::of(observed) };
        self.first[position].get_or_insert(application);
    }
}
