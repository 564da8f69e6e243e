//! The zone check of registers: links contents to chains by compare-and-sets, and decides on the chains' zones.

mod contents;
mod explain;

pub(super) use contents::{RegisterContents, RegisterEvent};

use super::ZoneVerdict;
use super::certificate::Certificate;
use super::layout::{Zone, ZoneLayout};
use crate::fact::Time;
use crate::linearizability::role::KeyCalls;
use contents::{NONE, RegisterAnomaly, VersionTimes};

#[derive(Default, Debug)]
pub(super) struct RegisterZoneChecker {
    contents: RegisterContents,
    chains: RegisterChains,
}

/// The memory for linking contents to chains and for their zones.
#[derive(Default, Debug)]
struct RegisterChains {
    /// Certain contents produced by a compare-and-set that are not linked yet.
    unlinked: Vec<u32>,
    layout: ZoneLayout,
}

impl RegisterZoneChecker {
    pub(super) fn judge(&mut self, calls: KeyCalls<'_>) -> ZoneVerdict {
        match self.find_anomaly(calls) {
            Err(RegisterAnomaly::NotUnique) => ZoneVerdict::NotUnique,
            Err(_) => ZoneVerdict::Conflict,
            Ok(()) if self.contents.has_unknown_mismatch => ZoneVerdict::NotUnique,
            Ok(()) => ZoneVerdict::Order,
        }
    }

    /// The proof of a conflict.
    pub(super) fn certificate(&mut self, calls: KeyCalls<'_>) -> Option<Certificate> {
        let anomaly = self.find_anomaly(calls).err()?;
        explain::certificate(&self.contents, calls, anomaly)
    }

    /// Whether the register with these events certainly has an order.
    pub(super) fn has_order(&mut self, mut events: impl Iterator<Item = RegisterEvent>) -> bool {
        self.contents.clear();
        events.all(|event| self.contents.add(event).is_ok()) && self.chains.has_order(&mut self.contents)
    }

    /// Whether the register with these contents certainly has an order.
    pub(super) fn has_order_of(&mut self, contents: &mut RegisterContents) -> bool {
        self.chains.has_order(contents)
    }

    fn find_anomaly(&mut self, calls: KeyCalls<'_>) -> Result<(), RegisterAnomaly> {
        self.contents.clear();
        for (_, call) in calls.iter() {
            self.contents.add(RegisterEvent::of(call, calls.until))?;
        }
        self.chains.judge(&mut self.contents)
    }
}

impl RegisterChains {
    /// Whether the register's contents certainly have an order.
    fn has_order(&mut self, contents: &mut RegisterContents) -> bool {
        !contents.has_unknown_mismatch && self.judge(contents).is_ok()
    }

    /// Looks for a contradiction among the register's contents.
    fn judge(&mut self, contents: &mut RegisterContents) -> Result<(), RegisterAnomaly> {
        let linked = self.link(&mut contents.versions)?;
        self.build_zones(contents, linked)
    }

    /// Links each content that a compare-and-set certainly produced to the content that it expected, which is then
    /// certain too. Returns the number of links.
    fn link(&mut self, versions: &mut [VersionTimes]) -> Result<usize, RegisterAnomaly> {
        self.unlinked.clear();
        for (number, version) in (0..).zip(&*versions) {
            if version.is_certain {
                if !version.is_produced {
                    return Err(RegisterAnomaly::NeverWritten(number));
                }
                if version.from != NONE {
                    self.unlinked.push(number);
                }
            }
        }
        let mut linked = 0;
        while let Some(number) = self.unlinked.pop() {
            let from = versions[number as usize].from;
            let source = &mut versions[from as usize];
            if !source.is_produced {
                return Err(RegisterAnomaly::NeverWritten(from));
            }
            if source.next != NONE {
                return Err(RegisterAnomaly::TakenTwice(from, source.next, number));
            }
            source.next = number;
            linked += 1;
            if !source.is_certain {
                source.is_certain = true;
                if source.from != NONE {
                    self.unlinked.push(from);
                }
            }
        }
        Ok(linked)
    }

    /// Walks each chain from its root and adds its zone.
    fn build_zones(&mut self, contents: &RegisterContents, linked: usize) -> Result<(), RegisterAnomaly> {
        self.layout.clear();
        let mut walked = 0;
        for (root, version) in (0..).zip(&contents.versions) {
            if !version.is_certain || version.from != NONE {
                continue;
            }
            // An operation must not have been invoked after one further down the chain returned.
            let (mut first_return, mut last_call) = (Time::MAX, 0);
            let mut next = root;
            while next != NONE {
                let version = &contents.versions[next as usize];
                if next != 0 {
                    if version.returned < last_call {
                        return Err(RegisterAnomaly::OutOfOrder(root));
                    }
                    last_call = last_call.max(version.called);
                    first_return = first_return.min(version.returned);
                }
                if version.first_seen < last_call {
                    return Err(RegisterAnomaly::OutOfOrder(root));
                }
                last_call = last_call.max(version.last_seen);
                first_return = first_return.min(version.first_seen);
                walked += usize::from(version.from != NONE);
                next = version.next;
            }
            let after_first_return = if root == 0 { 0 } else { first_return.saturating_add(1) };
            // An initial content that was never observed constrains nothing.
            if root != 0 || first_return != Time::MAX {
                self.layout.push(Zone { after_first_return, last_call, chain: root });
            }
        }
        if walked < linked {
            return Err(RegisterAnomaly::Cycle);
        }
        match self.layout.find_conflict() {
            None => Ok(()),
            Some((one, other)) => Err(RegisterAnomaly::ConflictingZones(one.chain, other.chain)),
        }
    }
}
