//! Zones in time, and which two contradict each other.
//!
//! A chain's zone is its first return f and its last invocation s. A must precede B if and only if some operation of
//! A returned before some operation of B was invoked, which is `f_A < s_B`. There is an order if and only if this
//! relation has no cycle, and it is enough to look for cycles of two: take a shortest cycle of three or more zones.
//! If a zone C in A -> C -> B is a *backward zone* (s_C <= f_C), then f_A < s_C <= f_C < s_B, so A -> B is a shorter
//! cycle. So all are *forward zones* (f < s). But forward zones without a cycle of two are pairwise disjoint, and
//! then the relation is their order in time, which has no cycle.
//!
//! Two backward zones never contradict each other (f1 < s2 <= f2 < s1 <= f1). Two forward zones do if they overlap:
//! neighbours, when sorted by f. A backward and a forward zone do if the first lies strictly inside the second; as
//! forward zones are disjoint, only the last one that begins earlier can contain it.

use crate::fact::Time;

/// A chain's extent in time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Zone {
    /// One more than the first return; 0 for the initial content; [`Time::MAX`] if no operation returned.
    pub(super) after_first_return: Time,
    pub(super) last_call: Time,
    /// The chain of this zone.
    pub(super) chain: u32,
}

impl Zone {
    /// Whether this zone must precede the other.
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

    /// Two zones each of which must precede the other.
    pub(super) fn find_conflict(&mut self) -> Option<(Zone, Zone)> {
        // Both lists are nearly sorted already, which this sort exploits.
        self.forward.sort_by_key(|zone| zone.after_first_return);
        if let Some(&[before, after]) =
            self.forward.array_windows().find(|[before, after]| after.precedes(*before))
        {
            return Some((before, after));
        }
        self.backward.sort_by_key(|zone| zone.last_call);
        let mut started_earlier = 0;
        for &inner in &self.backward {
            while self.forward.get(started_earlier).is_some_and(|zone| zone.precedes(inner)) {
                started_earlier += 1;
            }
            if let Some(&outer) = started_earlier.checked_sub(1).and_then(|last| self.forward.get(last))
                && inner.precedes(outer)
            {
                return Some((outer, inner));
            }
        }
        None
    }
}
