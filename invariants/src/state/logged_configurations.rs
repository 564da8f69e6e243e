//! Every configuration that any log entry carried, by index and term of the entry.

use super::fact_origin::FactOrigin;
use super::term_runs::TermRuns;
use crate::fact::{Configuration, Fact, Index, LogId, Observed};

/// One configuration, its entry and its origin.
#[derive(Debug)]
pub(crate) struct LoggedConfiguration {
    /// The entry that carries it; 0@0 for the first one.
    pub(crate) id: LogId,
    /// The configuration.
    pub(crate) configuration: Configuration,
    /// Where it was first stated.
    origin: FactOrigin,
}

impl LoggedConfiguration {
    /// The fact that stated it.
    pub(crate) fn observed(&self) -> Observed {
        let configuration = Box::new(self.configuration.clone());
        self.origin.observed(Fact::Configured { index: self.id.index, configuration })
    }
}

/// The table, sorted by index and term. Configurations change rarely, and new ones are mostly added at the end.
#[derive(Default, Debug)]
pub(crate) struct LoggedConfigurations {
    by_log_id: Vec<LoggedConfiguration>,
}

impl LoggedConfigurations {
    /// Records the configuration of an entry. The first statement for an entry wins.
    pub(crate) fn record(&mut self, id: LogId, configuration: &Configuration, origin: FactOrigin) {
        let position = self.by_log_id.partition_point(|known| known.id <= id);
        if position.checked_sub(1).is_none_or(|before| self.by_log_id[before].id != id) {
            self.by_log_id
                .insert(position, LoggedConfiguration { id, configuration: configuration.clone(), origin });
        }
    }

    /// The configuration in force at `index` of this log, if known. Skips configurations whose entries are not in
    /// this log.
    pub(crate) fn in_force(&self, log: &TermRuns, index: Index) -> Option<&LoggedConfiguration> {
        let until = self.by_log_id.partition_point(|known| known.id.index <= index);
        self.by_log_id[..until].iter().rev().find(|known| log.contains(known.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The reference model walks down the log and looks up each entry's configuration.
        #[test]
        fn the_newest_configuration_up_to_an_index_is_in_force(
            stated in prop::collection::vec((0..12u64, 0..4u64), 0..20),
            terms in prop::collection::vec(1..4u64, 0..12),
        ) {
            let (mut configurations, mut log) = (LoggedConfigurations::default(), TermRuns::default());
            let origin = FactOrigin { at: 0, step: 0, node: 1 };
            let configuration = |number| Configuration { voters: vec![number], ..Configuration::default() };
            for (number, &(index, term)) in stated.iter().enumerate() {
                configurations.record(LogId { index, term }, &configuration(number as u64), origin);
            }
            terms.iter().for_each(|&term| log.append(term));
            for index in 0..=log.last().index {
                let expected = (0..=index).rev().find_map(|index| {
                    let here = (index, log.term_at(index).expect("the index is within the log"));
                    stated.iter().position(|&stated| stated == here)
                });
                let found = configurations.in_force(&log, index).map(|found| found.configuration.clone());
                prop_assert_eq!(found, expected.map(|number| configuration(number as u64)));
            }
        }
    }
}
