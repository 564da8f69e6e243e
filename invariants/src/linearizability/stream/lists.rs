//! One list while it all goes on.

use super::StreamFailure;
use super::zones::{StreamZones, Tick};
use std::collections::BTreeMap;

/// An element that somebody would add, and that no read has shown yet.
#[derive(Clone, Copy, Debug)]
struct PendingElement {
    called: Tick,
    replaces: bool,
    /// Where the addition was acknowledged: when, and the zone that it is until a read shows it.
    acknowledged: Option<(Tick, u32)>,
}

/// What the reads with one first element showed.
#[derive(Clone, Debug)]
struct ListChain {
    zone: u32,
    elements: Vec<u64>,
    /// By length: the first return of anybody who is behind that.
    first_later_return: Vec<Tick>,
}

#[derive(Clone, Debug)]
pub(super) struct ListStream {
    zones: StreamZones,
    chains: Vec<Option<ListChain>>,
    /// The chain that begins with the empty list, until it is decided.
    initial: Option<u32>,
    /// The chain and place of each element that a read showed.
    places: BTreeMap<u64, (u32, u32)>,
    pending: BTreeMap<u64, PendingElement>,
}

impl ListStream {
    pub(super) fn new() -> ListStream {
        let mut list = ListStream {
            zones: StreamZones::default(),
            chains: Vec::new(),
            initial: None,
            places: BTreeMap::new(),
            pending: BTreeMap::new(),
        };
        let zone = list.zones.open(0, 0).expect("nothing to clash with");
        list.initial = Some(list.begin_chain(zone));
        list
    }

    fn begin_chain(&mut self, zone: u32) -> u32 {
        if self.chains.len() <= zone as usize {
            self.chains.resize(zone as usize + 1, None);
        }
        self.chains[zone as usize] =
            Some(ListChain { zone, elements: Vec::new(), first_later_return: vec![Tick::MAX] });
        zone
    }

    pub(super) fn record_call(
        &mut self,
        element: u64,
        replaces: bool,
        called: Tick,
    ) -> Result<(), StreamFailure> {
        let pending = PendingElement { called, replaces, acknowledged: None };
        if self.places.contains_key(&element) || self.pending.insert(element, pending).is_some() {
            return Err(StreamFailure::Repeated);
        }
        Ok(())
    }

    /// It certainly did not happen, nor will it.
    pub(super) fn record_failure(&mut self, element: u64) -> Result<(), StreamFailure> {
        match self.pending.remove(&element) {
            Some(_) => Ok(()),
            None => Err(StreamFailure::Violation(format!("{element} was seen"))),
        }
    }

    pub(super) fn retire(&mut self, element: u64) {
        if let Some(pending) = self.pending.remove(&element)
            && let Some((_, zone)) = pending.acknowledged
        {
            self.zones.close(zone);
        }
    }

    /// The addition was acknowledged.
    pub(super) fn record_append(
        &mut self,
        element: u64,
        called: Tick,
        now: Tick,
    ) -> Result<(), StreamFailure> {
        if let Some(&(chain, place)) = self.places.get(&element) {
            return self.touch(chain, place as usize + 1, called, now);
        }
        let Some(pending) = self.pending.get_mut(&element) else {
            return Err(StreamFailure::Missing(element.to_string()));
        };
        // In whichever chain it will be shown: that must not have to stand on both sides of another one.
        pending.acknowledged = Some((now, self.zones.open_part(now, called)?));
        Ok(())
    }

    /// A read showed these.
    pub(super) fn record_read(
        &mut self,
        elements: &[u64],
        called: Tick,
        now: Tick,
    ) -> Result<(), StreamFailure> {
        let number = match elements.first() {
            None => self
                .initial
                .ok_or_else(|| StreamFailure::Violation("the list was not empty any more".to_string()))?,
            Some(first) => match (self.places.get(first), self.pending.get(first)) {
                (Some(&(chain, 0)), _) => chain,
                (Some(_), _) => {
                    return Err(StreamFailure::Violation(format!("{first} was not the first before")));
                }
                (None, None) => return Err(StreamFailure::Missing(first.to_string())),
                (None, Some(pending)) if pending.replaces => {
                    let zone = self.zones.open(now, 0)?;
                    self.begin_chain(zone)
                }
                (None, Some(_)) => self
                    .initial
                    .ok_or_else(|| StreamFailure::Violation(format!("a list before {first} was replaced")))?,
            },
        };
        self.extend(number, elements, now)?;
        self.touch(number, elements.len(), called, now)
    }

    /// Whatever the chain has not shown yet is added to it.
    fn extend(&mut self, number: u32, elements: &[u64], now: Tick) -> Result<(), StreamFailure> {
        let chain = self.chains[number as usize].as_mut().expect("found among the live");
        let known = chain.elements.len().min(elements.len());
        if chain.elements[..known] != elements[..known] {
            return Err(StreamFailure::Violation("another read showed another order".to_string()));
        }
        let before = chain.elements.len();
        let mut newest_call = self.zones.last_call(number);
        let mut first_return = now;
        for &element in &elements[known..] {
            let Some(pending) = self.pending.remove(&element) else {
                return match self.places.contains_key(&element) {
                    true => Err(StreamFailure::Violation(format!("{element} stands in two places"))),
                    false => Err(StreamFailure::Missing(element.to_string())),
                };
            };
            let place = chain.elements.len();
            if pending.replaces && place > 0 {
                return Err(StreamFailure::Violation(format!(
                    "{element} had replaced what stands before it"
                )));
            }
            let returned = pending.acknowledged.map_or(now, |(returned, zone)| {
                self.zones.close(zone);
                returned
            });
            // Its own return, before the call of anybody who comes earlier in the list.
            if returned < newest_call {
                return Err(StreamFailure::Violation(format!(
                    "{element} was added before what stands before it"
                )));
            }
            newest_call = newest_call.max(pending.called);
            first_return = first_return.min(returned);
            self.places.insert(element, (number, place as u32));
            chain.elements.push(element);
            chain.first_later_return.push(returned);
        }
        if chain.elements.len() > before {
            // `later` holds the producers' own returns: make of it the least of all that comes behind.
            let mut least = now;
            for length in (0..chain.first_later_return.len()).rev() {
                let own = chain.first_later_return[length];
                if length > before {
                    chain.first_later_return[length] =
                        if length == chain.elements.len() { Tick::MAX } else { least };
                    least = least.min(own);
                } else if own > least {
                    chain.first_later_return[length] = least;
                } else {
                    break;
                }
            }
            self.zones.touch(number, first_return, newest_call)?;
        }
        Ok(())
    }

    /// An operation of a chain, at this length of it.
    fn touch(&mut self, number: u32, length: usize, called: Tick, now: Tick) -> Result<(), StreamFailure> {
        let chain = self.chains[number as usize].as_mut().expect("found among the live");
        if chain.first_later_return[length] < called {
            return Err(StreamFailure::Violation("an element is missing that was there before".to_string()));
        }
        for later in chain.first_later_return[..length].iter_mut().rev() {
            if *later <= now {
                break;
            }
            *later = now;
        }
        let zone = chain.zone;
        Ok(self.zones.touch(zone, now, called)?)
    }

    pub(super) fn forget_before(&mut self, watermark: Tick) {
        let ListStream { zones, chains, initial, places, pending } = self;
        zones.decide_before(watermark, |zone| {
            if *initial == Some(zone) {
                *initial = None;
            }
            match chains.get_mut(zone as usize).and_then(Option::take) {
                Some(chain) => {
                    for element in chain.elements {
                        places.remove(&element);
                    }
                }
                None => pending.retain(|_, pending| pending.acknowledged.is_none_or(|(_, own)| own != zone)),
            }
        });
    }

    pub(super) fn live_entries(&self) -> usize {
        self.zones.len() + self.places.len() + self.pending.len()
    }
}
