//! The zones of one key, online.

/// The time of a stream: counts calls and returns.
pub(super) type Tick = u64;

/// A chain's first return and last invocation.
#[derive(Clone, Copy, Debug)]
struct StreamZone {
    first_return: Tick,
    last_call: Tick,
    is_used: bool,
    /// Whether it may turn out to be part of another zone: an addition to a list that no read has shown.
    is_part: bool,
    /// Whether its contents may still be observed without a contradiction.
    is_live: bool,
}

/// The zones that still matter, by small numbers that are reused.
#[derive(Clone, Default, Debug)]
pub(super) struct StreamZones {
    zones: Vec<StreamZone>,
    free: Vec<u32>,
}

/// Two zones of which each precedes the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ZoneConflict;

impl StreamZones {
    pub(super) fn open(&mut self, first_return: Tick, last_call: Tick) -> Result<u32, ZoneConflict> {
        self.insert(first_return, last_call, false)
    }

    /// A zone that may turn out to be part of another one. Until then it does not decide others.
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

    /// Adds an operation to the chain.
    #[inline]
    pub(super) fn touch(&mut self, number: u32, returned: Tick, called: Tick) -> Result<(), ZoneConflict> {
        let zone = &mut self.zones[number as usize];
        if returned >= zone.first_return && called <= zone.last_call {
            return Ok(());
        }
        zone.first_return = zone.first_return.min(returned);
        zone.last_call = zone.last_call.max(called);
        let this = *zone;
        let conflicts = |other: &StreamZone| {
            (this.first_return < other.last_call) & (other.first_return < this.last_call) & other.is_used
        };
        // A forward zone satisfies the condition with itself.
        let itself = usize::from(this.first_return < this.last_call);
        if self.zones.iter().filter(|other| conflicts(other)).count() > itself {
            Err(ZoneConflict)
        } else {
            Ok(())
        }
    }

    pub(super) fn last_call(&self, number: u32) -> Tick {
        self.zones[number as usize].last_call
    }

    /// Whether its contents may still be observed.
    #[inline]
    pub(super) fn is_live(&self, number: u32) -> bool {
        self.zones[number as usize].is_live
    }

    pub(super) fn close(&mut self, number: u32) {
        self.zones[number as usize].is_used = false;
        self.zones[number as usize].is_live = false;
        self.free.push(number);
    }

    /// Decides zones, given that all pending and later operations were invoked at or after `watermark`: any later
    /// observation of a zone's contents is invoked after the first return of another zone that the first one
    /// precedes. Calls `decided` for each. A decided zone's times are kept as long as an undecided zone may conflict
    /// with it.
    pub(super) fn decide_before(&mut self, watermark: Tick, mut decided: impl FnMut(u32)) {
        // The latest invocation of all zones that began before the watermark and are no parts, and the latest without
        // that zone.
        let (mut latest, mut second, mut latest_zone) = (0, 0, usize::MAX);
        for (number, zone) in self.zones.iter().enumerate() {
            if zone.is_used && !zone.is_part && zone.first_return < watermark {
                if zone.last_call > latest {
                    (second, latest, latest_zone) = (latest, zone.last_call, number);
                } else {
                    second = second.max(zone.last_call);
                }
            }
        }
        let mut oldest = Tick::MAX;
        for (number, zone) in self.zones.iter_mut().enumerate() {
            if zone.is_live {
                if zone.first_return < if number == latest_zone { second } else { latest } {
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
