//! Where zones lie in time, and which two contradict each other.
//!
//! A zone is a chain's first return f and its last call s. A must stand before B if and only if some operation of A
//! returned before some operation of B was called, which is `f_A < s_B`. There is an order if and only if this relation
//! has no circle, and then no two zones each before the other suffice: take a shortest circle of three or more. If a
//! node C of A -> C -> B lies *backward* (s_C <= f_C), then f_A < s_C <= f_C < s_B is a short cut, so all are *forward*
//! (f < s). But forward zones that do not contradict each other pairwise are apart from each other, and then the
//! relation is the order from left to right, which has no circle.
//!
//! So pairs suffice. Two backward zones never contradict each other (f1 < s2 <= f2 < s1 <= f1). Two forward ones do if
//! they overlap: among those sorted by f, neighbours. A backward and a forward one do if the first lies strictly within
//! the second; forward zones being apart, only the last one that begins before can contain it.

use crate::fact::Time;

/// The part of a key's history that must stand together, as it lies in time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Zone {
    /// One more than the first return; 0 for what was there in the beginning; the end of time where nothing returned.
    pub(super) after_first_return: Time,
    pub(super) last_call: Time,
    /// Whose zone it is.
    pub(super) chain: u32,
}

impl Zone {
    /// Whether this one must stand before the other.
    fn precedes(self, other: Zone) -> bool {
        self.after_first_return <= other.last_call
    }
}

/// The zones of one key.
#[derive(Default, Debug)]
pub(super) struct ZoneLayout {
    forward: Vec<Zone>,
    backward: Vec<Zone>,
}

impl ZoneLayout {
    pub(super) fn clear(&mut self) {
        self.forward.clear();
        self.backward.clear();
    }

    pub(super) fn push(&mut self, zone: Zone) {
        let list = if zone.precedes(zone) { &mut self.forward } else { &mut self.backward };
        list.push(zone);
    }

    /// Two zones each of which must stand before the other.
    pub(super) fn find_conflict(&mut self) -> Option<(Zone, Zone)> {
        // Both come nearly sorted, and this sort is linear on what is.
        self.forward.sort_by_key(|zone| zone.after_first_return);
        if let Some(&[before, after]) =
            self.forward.array_windows().find(|[before, after]| after.precedes(*before))
        {
            return Some((before, after));
        }
        self.backward.sort_by_key(|zone| zone.last_call);
        let mut begun = 0;
        for &within in &self.backward {
            while self.forward.get(begun).is_some_and(|zone| zone.precedes(within)) {
                begun += 1;
            }
            if let Some(&around) = begun.checked_sub(1).and_then(|last| self.forward.get(last))
                && within.precedes(around)
            {
                return Some((around, within));
            }
        }
        None
    }
}
