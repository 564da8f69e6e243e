//! The online zone check of one list.

use super::contradiction::StreamContradiction;
use super::zones::{StreamZones, Tick};
use crate::linearizability::operation::Content;
use std::collections::BTreeMap;

/// An element of a pending or acknowledged addition that no read has shown yet.
#[derive(Clone, Copy, Debug)]
struct PendingElement {
    called: Tick,
    replaces: bool,
    /// The return of the acknowledged addition, and the zone that it has until a read shows the element.
    acknowledged: Option<(Tick, u32)>,
}

/// The reads with the same first element.
#[derive(Clone, Debug)]
struct ListChain {
    zone: u32,
    elements: Vec<u64>,
    /// By length: the first return of an operation of a longer prefix.
    first_later_return: Vec<Tick>,
}

#[derive(Clone, Debug)]
pub(super) struct ListStream {
    zones: StreamZones,
    chains: Vec<Option<ListChain>>,
    /// The chain that begins with the empty list, until it is decided.
    initial: Option<u32>,
    /// The chain and position of each element that a read showed.
    positions: BTreeMap<u64, (u32, u32)>,
    pending: BTreeMap<u64, PendingElement>,
}

impl ListStream {
    pub(super) fn new() -> ListStream {
        let mut list = ListStream {
            zones: StreamZones::default(),
            chains: Vec::new(),
            initial: None,
            positions: BTreeMap::new(),
            pending: BTreeMap::new(),
        };
        let zone = list.zones.open(0, 0).expect("the first zone has no conflict");
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

    /// A client invokes an addition. Returns whether the element is new.
    pub(super) fn record_call(&mut self, element: u64, replaces: bool, called: Tick) -> bool {
        let pending = PendingElement { called, replaces, acknowledged: None };
        !self.positions.contains_key(&element) && self.pending.insert(element, pending).is_none()
    }

    /// The addition never takes effect.
    pub(super) fn record_failure(&mut self, element: u64) -> Result<(), StreamContradiction> {
        match self.pending.remove(&element) {
            Some(_) => Ok(()),
            None => Err(StreamContradiction::Shown { element }),
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
    ) -> Result<(), StreamContradiction> {
        if let Some(&(chain, position)) = self.positions.get(&element) {
            return self.touch(chain, position as usize + 1, called, now);
        }
        let Some(pending) = self.pending.get_mut(&element) else {
            return Err(missing(element));
        };
        // Its chain is unknown, but whichever it is, its own zone must not conflict with another one.
        pending.acknowledged = Some((now, self.zones.open_part(now, called)?));
        Ok(())
    }

    /// A read showed these elements.
    pub(super) fn record_read(
        &mut self,
        elements: &[u64],
        called: Tick,
        now: Tick,
    ) -> Result<(), StreamContradiction> {
        let number = match elements.first() {
            None => self.initial.ok_or(StreamContradiction::NoLongerEmpty {})?,
            Some(first) => match (self.positions.get(first), self.pending.get(first)) {
                (Some(&(chain, 0)), _) => chain,
                (Some(_), _) => return Err(StreamContradiction::FurtherBack { element: *first }),
                (None, None) => return Err(missing(*first)),
                (None, Some(pending)) if pending.replaces => {
                    let zone = self.zones.open(now, 0)?;
                    self.begin_chain(zone)
                }
                (None, Some(_)) => {
                    self.initial.ok_or(StreamContradiction::ListReplaced { element: *first })?
                }
            },
        };
        self.extend(number, elements, now)?;
        self.touch(number, elements.len(), called, now)
    }

    /// Appends the elements that the chain has not shown yet.
    fn extend(&mut self, number: u32, elements: &[u64], now: Tick) -> Result<(), StreamContradiction> {
        let chain = self.chains[number as usize].as_mut().expect("a live zone has its chain");
        let known = chain.elements.len().min(elements.len());
        if chain.elements[..known] != elements[..known] {
            return Err(StreamContradiction::OtherOrder {});
        }
        let before = chain.elements.len();
        let mut newest_call = self.zones.last_call(number);
        let mut first_return = now;
        for &element in &elements[known..] {
            let Some(pending) = self.pending.remove(&element) else {
                return Err(match self.positions.contains_key(&element) {
                    true => StreamContradiction::TwoPositions { element },
                    false => missing(element),
                });
            };
            let position = chain.elements.len();
            if pending.replaces && position > 0 {
                return Err(StreamContradiction::ReplacedMidway { element });
            }
            let returned = pending.acknowledged.map_or(now, |(returned, zone)| {
                self.zones.close(zone);
                returned
            });
            // It must not have returned before the invocation of an operation of a shorter prefix.
            if returned < newest_call {
                return Err(StreamContradiction::AddedBefore { element });
            }
            newest_call = newest_call.max(pending.called);
            first_return = first_return.min(returned);
            self.positions.insert(element, (number, position as u32));
            chain.elements.push(element);
            chain.first_later_return.push(returned);
        }
        if chain.elements.len() > before {
            // The new entries of `first_later_return` hold the producers' own returns: turn them into minima over all
            // longer prefixes.
            let mut minimum = now;
            for length in (0..chain.first_later_return.len()).rev() {
                let own = chain.first_later_return[length];
                if length > before {
                    chain.first_later_return[length] =
                        if length == chain.elements.len() { Tick::MAX } else { minimum };
                    minimum = minimum.min(own);
                } else if own > minimum {
                    chain.first_later_return[length] = minimum;
                } else {
                    break;
                }
            }
            self.zones.touch(number, first_return, newest_call)?;
        }
        Ok(())
    }

    /// Adds an operation of a chain, at this length of it.
    fn touch(
        &mut self,
        number: u32,
        length: usize,
        called: Tick,
        now: Tick,
    ) -> Result<(), StreamContradiction> {
        let chain = self.chains[number as usize].as_mut().expect("a live zone has its chain");
        if chain.first_later_return[length] < called {
            return Err(StreamContradiction::LacksAddition {});
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
        let ListStream { zones, chains, initial, positions, pending } = self;
        zones.decide_before(watermark, |zone| {
            if *initial == Some(zone) {
                *initial = None;
            }
            match chains.get_mut(zone as usize).and_then(Option::take) {
                Some(chain) => {
                    for element in chain.elements {
                        positions.remove(&element);
                    }
                }
                None => pending.retain(|_, pending| pending.acknowledged.is_none_or(|(_, own)| own != zone)),
            }
        });
    }

    pub(super) fn live_entries(&self) -> usize {
        self.zones.len() + self.positions.len() + self.pending.len()
    }
}

fn missing(element: u64) -> StreamContradiction {
    StreamContradiction::Missing { content: Content::Present(element) }
}
