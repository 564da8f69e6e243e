//! The zone check of lists: chains of appends that begin with the empty list or with an element that replaced all
//! others.
//!
//! A read shows all of its chain up to its time, so the longest read of a chain shows the chain, and every other read
//! must be a prefix of it. An acknowledged operation whose element no read shows has a zone of its own: after it and
//! until the next replacement, the list is one that no read shows.

mod chains;
mod explain;

use super::ZoneVerdict;
use super::certificate::Certificate;
use super::layout::{Zone, ZoneLayout};
use crate::fact::Time;
use crate::linearizability::operation::Call;
use crate::linearizability::role::KeyCalls;
use chains::{ListAnomaly, ListChains, NONE, shown};

#[derive(Default, Debug)]
pub(super) struct ListZoneChecker {
    lists: ListChains,
    layout: ZoneLayout,
}

impl ListZoneChecker {
    pub(super) fn judge(&mut self, calls: KeyCalls<'_>) -> ZoneVerdict {
        match self.find_anomaly(calls) {
            Ok(()) => ZoneVerdict::Order,
            Err(ListAnomaly::NotUnique) => ZoneVerdict::NotUnique,
            Err(_) => ZoneVerdict::Conflict,
        }
    }

    /// The proof of a conflict.
    pub(super) fn certificate(&mut self, calls: KeyCalls<'_>) -> Option<Certificate> {
        let anomaly = self.find_anomaly(calls).err()?;
        explain::certificate(&self.lists, calls, anomaly)
    }

    fn find_anomaly(&mut self, calls: KeyCalls<'_>) -> Result<(), ListAnomaly> {
        self.lists.load(calls)?;
        self.build_zones(calls.history)
    }

    fn build_zones(&mut self, history: &[Call]) -> Result<(), ListAnomaly> {
        let ListZoneChecker { lists, layout } = self;
        layout.clear();
        for number in 0..lists.chains.len() as u32 {
            let chain = lists.chains[number as usize];
            if chain.longest == NONE {
                continue;
            }
            let (mut first_return, mut last_call, mut is_out_of_order) = (Time::MAX, 0, false);
            let mut see = |first: Time, last: Time| {
                is_out_of_order |= first < last_call;
                last_call = last_call.max(last);
                first_return = first_return.min(first);
            };
            let empty = lists.read_times[chain.times as usize];
            see(empty.first, empty.last);
            for (position, &element) in shown(history, chain.longest).iter().enumerate() {
                let read = chain.longest;
                let number_of = lists.element(element).ok_or(ListAnomaly::NeverAdded { read, element })?;
                let producer = &mut lists.elements[number_of as usize];
                if producer.chain != NONE {
                    let reads = [lists.chains[producer.chain as usize].longest, read];
                    return Err(ListAnomaly::SeenTwice { reads, element });
                }
                if producer.replaces && position > 0 {
                    return Err(ListAnomaly::ReplacedMidway { read, element });
                }
                producer.chain = number;
                see(producer.returned, producer.called);
                let times = lists.read_times[chain.times as usize + position + 1];
                see(times.first, times.last);
            }
            if is_out_of_order {
                return Err(ListAnomaly::OutOfOrder(number));
            }
            let after_first_return = if number == 0 { 0 } else { first_return.saturating_add(1) };
            layout.push(Zone { after_first_return, last_call, chain: number });
        }
        // Each element that no read shows has a zone of its own, numbered after the chains.
        for (number, element) in (lists.chains.len() as u32..).zip(&lists.elements) {
            if element.chain == NONE && element.returned != Time::MAX {
                let after_first_return = element.returned.saturating_add(1);
                layout.push(Zone { after_first_return, last_call: element.called, chain: number });
            }
        }
        match layout.find_conflict() {
            None => Ok(()),
            Some((one, other)) => Err(ListAnomaly::ConflictingZones([one.chain, other.chain])),
        }
    }
}
