//! What a server has answered the leaders of terms.

use super::sorted::count_prefix;
use crate::fact::{Index, Term};

/// What a server has answered the leader of one term, as the replica with one identity.
#[derive(Clone, Copy, Debug)]
struct Answer {
    term: Term,
    identity: u64,
    /// When the last answer was sent.
    last: Sent,
    /// The highest index that was acknowledged; 0 if none was.
    acked: Index,
}

/// When an answer was sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Sent {
    /// The number of the fact that stated it.
    pub(crate) fact: u64,
    /// What the clock of its server had measured then.
    pub(crate) clock: u64,
}

/// The answers, sorted by term and identity: nearly all are to the newest leader. They count even if the disk was emptied
/// since, because a leader may have them.
#[derive(Default, Debug)]
pub(crate) struct Answers(Vec<Answer>);

impl Answers {
    /// An answer to the leader of `term` is sent, which acknowledges `acked` (0: nothing).
    #[inline]
    pub(super) fn record(&mut self, term: Term, identity: u64, acked: Index, sent: Sent) {
        match self.0.last_mut() {
            Some(newest) if (newest.term, newest.identity) == (term, identity) => newest.extend(acked, sent),
            _ => self.record_another(term, identity, acked, sent),
        }
    }

    /// An answer to another leader than the newest one, or of another replica.
    #[cold]
    fn record_another(&mut self, term: Term, identity: u64, acked: Index, sent: Sent) {
        let position = self.count_up_to(term, identity);
        match position.checked_sub(1).map(|found| &mut self.0[found]) {
            Some(known) if (known.term, known.identity) == (term, identity) => known.extend(acked, sent),
            _ => self.0.insert(position, Answer { term, identity, last: sent, acked }),
        }
    }

    /// When the last answer to the leader of `term` was sent.
    pub(crate) fn last(&self, term: Term) -> Option<Sent> {
        let newest_first = self.0[..self.count_up_to(term, u64::MAX)].iter().rev();
        newest_first.take_while(|answer| answer.term == term).map(|answer| answer.last).max()
    }

    /// The highest index that the replica with this identity has acknowledged to the leader of `term`; 0 if none.
    pub(crate) fn acked(&self, term: Term, identity: u64) -> Index {
        let newest = self.0[..self.count_up_to(term, identity)].last();
        newest.filter(|answer| (answer.term, answer.identity) == (term, identity)).map_or(0, |it| it.acked)
    }

    fn count_up_to(&self, term: Term, identity: u64) -> usize {
        count_prefix(&self.0, |answer| (answer.term, answer.identity) <= (term, identity))
    }
}

impl Answer {
    fn extend(&mut self, acked: Index, sent: Sent) {
        self.last = sent;
        self.acked = self.acked.max(acked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The reference model keeps every answer.
        #[test]
        fn answers_are_found_by_term_and_identity(
            stated in prop::collection::vec((0..5u64, 0..3u64, 0..9u64), 0..60),
        ) {
            let (mut answers, mut all) = (Answers::default(), Vec::new());
            for (fact, (term, identity, acked)) in (1..).zip(stated) {
                let sent = Sent { fact, clock: 10 * fact };
                answers.record(term, identity, acked, sent);
                all.push((term, identity, acked, sent));
                for term in 0..6 {
                    let of_term = all.iter().filter(|answer| answer.0 == term);
                    prop_assert_eq!(answers.last(term), of_term.clone().map(|answer| answer.3).max());
                    for identity in 0..4 {
                        let of_replica = of_term.clone().filter(|answer| answer.1 == identity);
                        let acked = of_replica.map(|answer| answer.2).max().unwrap_or(0);
                        prop_assert_eq!(answers.acked(term, identity), acked);
                    }
                }
            }
        }
    }
}
