//! The zones of one key while it all goes on.

use std::fmt;

/// Counts calls and returns: the time of a stream.
pub(super) type Tick = u64;

/// A chain's first return and its last call.
#[derive(Clone, Copy, Debug)]
struct StreamZone {
    first_return: Tick,
    last_call: Tick,
    is_used: bool,
    /// Whether it may yet turn out to be a part of another one: an addition to a list that no read has shown.
    is_part: bool,
    /// Whether anybody may see its contents yet, without that being a contradiction at once.
    is_live: bool,
}

/// The zones that still matter, by small numbers that are used again.
#[derive(Clone, Default, Debug)]
pub(super) struct StreamZones {
    zones: Vec<StreamZone>,
    free: Vec<u32>,
}

/// Two zones of which each stands before the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ZoneConflict;

impl fmt::Display for ZoneConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is older than another one, and newer as well")
    }
}

impl StreamZones {
    pub(super) fn open(&mut self, first_return: Tick, last_call: Tick) -> Result<u32, ZoneConflict> {
        self.insert(first_return, last_call, false)
    }

    /// What may turn out to be a part of another zone decides nothing about others before that.
    pub(super) fn open_part(&mut self, first_return: Tick, last_call: Tick) -> Result<u32, ZoneConflict> {
        self.insert(first_return, last_call, true)
    }

    fn insert(&mut self, first_return: Tick, last_call: Tick, is_part: bool) -> Result<u32, ZoneConflict> {
        let zone = StreamZone { first_return, last_call: 0, is_used: true, is_part, is_live: true };
        let number = match self.free.pop() {
            Some(number) => {
                self.zones[number as usize] = zone;
                number
            }
            None => {
                self.zones.push(zone);
                self.zones.len() as u32 - 1
            }
        };
        self.touch(number, first_return, last_call)?;
        Ok(number)
    }

    /// The chain has one more operation.
    #[inline]
    pub(super) fn touch(&mut self, number: u32, returned: Tick, called: Tick) -> Result<(), ZoneConflict> {
        let zone = &mut self.zones[number as usize];
        if returned >= zone.first_return && called <= zone.last_call {
            return Ok(());
        }
        zone.first_return = zone.first_return.min(returned);
        zone.last_call = zone.last_call.max(called);
        let this = *zone;
        let clashes = |other: &StreamZone| {
            (this.first_return < other.last_call) & (other.first_return < this.last_call) & other.is_used
        };
        // The zone itself clashes with itself if it lies forward.
        let itself = usize::from(this.first_return < this.last_call);
        if self.zones.iter().filter(|other| clashes(other)).count() > itself {
            Err(ZoneConflict)
        } else {
            Ok(())
        }
    }

    pub(super) fn last_call(&self, number: u32) -> Tick {
        self.zones[number as usize].last_call
    }

    /// Whether its contents may be seen yet.
    #[inline]
    pub(super) fn is_live(&self, number: u32) -> bool {
        self.zones[number as usize].is_live
    }

    pub(super) fn close(&mut self, number: u32) {
        self.zones[number as usize].is_used = false;
        self.zones[number as usize].is_live = false;
        self.free.push(number);
    }

    /// Every operation that is open now or will be called later was called at or after `watermark`. Tells which zones
    /// are decided by that: whoever sees their contents from now on was called after another one's first return, and
    /// that one had to come after them. Decided zones are kept as long as one that is not may clash with them.
    pub(super) fn decide_before(&mut self, watermark: Tick, mut decided: impl FnMut(u32)) {
        // The latest call of all zones that are begun for good, and the latest of all but that one.
        let (mut latest, mut second, mut whose) = (0, 0, usize::MAX);
        for (number, zone) in self.zones.iter().enumerate() {
            if zone.is_used && !zone.is_part && zone.first_return < watermark {
                if zone.last_call > latest {
                    (second, latest, whose) = (latest, zone.last_call, number);
                } else {
                    second = second.max(zone.last_call);
                }
            }
        }
        let mut oldest = Tick::MAX;
        for (number, zone) in self.zones.iter_mut().enumerate() {
            if zone.is_live {
                if zone.first_return < if number == whose { second } else { latest } {
                    zone.is_live = false;
                    decided(number as u32);
                } else {
                    oldest = oldest.min(zone.first_return);
                }
            }
        }
        for (number, zone) in self.zones.iter_mut().enumerate() {
            if zone.is_used && !zone.is_live && zone.last_call <= oldest {
                zone.is_used = false;
                self.free.push(number as u32);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.zones.len() - self.free.len()
    }
}
