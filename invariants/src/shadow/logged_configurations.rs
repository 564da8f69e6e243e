//! Every configuration that an entry ever carried, by that entry.

use super::fact_origin::FactOrigin;
use super::term_runs::TermRuns;
use crate::fact::{Configuration, Fact, Index, LogId, Observed};

/// One configuration and where it came from.
#[derive(Debug)]
pub(crate) struct LoggedConfiguration {
    /// The entry that carries it; 0@0 for the first one.
    pub id: LogId,
    /// The configuration.
    pub configuration: Configuration,
    /// Who stated it first.
    origin: FactOrigin,
}

impl LoggedConfiguration {
    /// The fact that stated it.
    pub fn observed(&self) -> Observed {
        let configuration = Box::new(self.configuration.clone());
        self.origin.observed(Fact::Configured { index: self.id.index, configuration })
    }
}

/// The table, by index and term. Groups change seldom, and new ones come at the end.
#[derive(Default, Debug)]
pub(crate) struct LoggedConfigurations {
    by_log_id: Vec<LoggedConfiguration>,
}

impl LoggedConfigurations {
    /// Writes it down, unless the entry is known to carry one: the first writer wins.
    pub fn record(&mut self, id: LogId, configuration: &Configuration, seen: FactOrigin) {
        let position = self.by_log_id.partition_point(|known| known.id <= id);
        if position.checked_sub(1).is_none_or(|before| self.by_log_id[before].id != id) {
            self.by_log_id.insert(
                position,
                LoggedConfiguration { id, configuration: configuration.clone(), origin: seen },
            );
        }
    }

    /// The one in force at `index` of this log, if it is known. Those that no longer stand in the log are passed over.
    pub fn in_force(&self, log: &TermRuns, index: Index) -> Option<&LoggedConfiguration> {
        let until = self.by_log_id.partition_point(|known| known.id.index <= index);
        self.by_log_id[..until].iter().rev().find(|known| log.contains(known.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The twin walks down the log and asks each entry for its configuration.
        #[test]
        fn the_newest_group_up_to_an_index_is_in_force(
            stated in prop::collection::vec((0..12u64, 0..4u64), 0..20),
            terms in prop::collection::vec(1..4u64, 0..12),
        ) {
            let (mut groups, mut log) = (LoggedConfigurations::default(), TermRuns::default());
            let seen = FactOrigin { at: 0, step: 0, node: 1 };
            let group = |number| Configuration { voters: vec![number], ..Configuration::default() };
            for (number, &(index, term)) in stated.iter().enumerate() {
                groups.record(LogId { index, term }, &group(number as u64), seen);
            }
            terms.iter().for_each(|&term| log.append(term));
            for index in 0..=log.last().index {
                let plain = (0..=index).rev().find_map(|index| {
                    let here = (index, log.term_at(index).expect("within the log"));
                    stated.iter().position(|&stated| stated == here)
                });
                let found = groups.in_force(&log, index).map(|group| group.configuration.clone());
                prop_assert_eq!(found, plain.map(|number| group(number as u64)));
            }
        }
    }
}
