//! The online zone check of one register.

use super::contradiction::StreamContradiction;
use super::zones::{StreamZones, Tick};
use crate::linearizability::fixed_hash_map::FixedHashMap;
use crate::linearizability::operation::Content;

/// The state of a content.
#[derive(Clone, Copy, Debug)]
enum ContentState {
    /// A pending mutation would write it, perhaps in exchange for another content, and it was not observed yet.
    Pending { called: Tick, from: Option<Content> },
    /// The register held it, and it belongs to a chain of contents linked by exchanges.
    Version {
        /// The zone of its chain.
        zone: u32,
        /// The first return of an operation further down the chain; [`Tick::MAX`] if there is none.
        later: Tick,
    },
}

#[derive(Clone, Debug)]
pub(super) struct RegisterStream {
    zones: StreamZones,
    /// The contents that are not forgotten.
    contents: FixedHashMap<Content, ContentState>,
}

impl RegisterStream {
    pub(super) fn new() -> RegisterStream {
        let mut register = RegisterStream { zones: StreamZones::default(), contents: FixedHashMap::new() };
        // Before all returns.
        let zone = register.zones.open(0, 0).expect("the first zone has no conflict");
        register.contents.insert(Content::INITIAL, ContentState::Version { zone, later: Tick::MAX });
        register
    }

    /// A client invokes a mutation that writes `content`, perhaps in exchange for `from`. Returns whether the content
    /// is new.
    pub(super) fn record_call(&mut self, content: Content, from: Option<Content>, called: Tick) -> bool {
        self.contents.insert(content, ContentState::Pending { called, from })
    }

    fn is_pending(&self, content: Content) -> bool {
        matches!(self.contents.get(content), Some(ContentState::Pending { .. }))
    }

    /// The mutation never takes effect.
    pub(super) fn record_failure(&mut self, content: Content) -> Result<(), StreamContradiction> {
        if !self.is_pending(content) {
            return Err(StreamContradiction::Observed { content });
        }
        self.contents.remove(content);
        Ok(())
    }

    pub(super) fn retire(&mut self, content: Content) {
        if self.is_pending(content) {
            self.contents.remove(content);
        }
    }

    /// The register held the content at some moment between `called` and now: it was observed, or its write was
    /// acknowledged.
    pub(super) fn record_seen(
        &mut self,
        content: Content,
        called: Tick,
        now: Tick,
    ) -> Result<(), StreamContradiction> {
        let zone = match self.contents.get(content) {
            Some(&ContentState::Version { later, .. }) if later < called => {
                return Err(StreamContradiction::CalledAfterReplaced { content });
            }
            Some(&ContentState::Version { zone, .. }) => zone,
            Some(&ContentState::Pending { called, from }) => match from {
                Some(from) if self.is_pending(from) => self.link_all(content, now)?,
                _ => self.link(content, called, from, now)?,
            },
            None => return Err(StreamContradiction::Missing { content }),
        };
        Ok(self.zones.touch(zone, now, called)?)
    }

    /// Links a pending content that the register held to the content that it was exchanged for. Returns its zone.
    fn link(
        &mut self,
        content: Content,
        called: Tick,
        from: Option<Content>,
        now: Tick,
    ) -> Result<u32, StreamContradiction> {
        let zone = match from.map(|from| (from, self.contents.get_mut(from))) {
            None => self.zones.open(now, called)?,
            // Only the last content of a chain can be exchanged.
            Some((_, Some(ContentState::Version { zone, later }))) if *later == Tick::MAX => {
                *later = now;
                self.zones.touch(*zone, now, called)?;
                *zone
            }
            Some((from, Some(_))) => return Err(StreamContradiction::ReplacedTwice { content, from }),
            Some((from, None)) => return Err(StreamContradiction::Missing { content: from }),
        };
        self.contents.insert(content, ContentState::Version { zone, later: Tick::MAX });
        Ok(zone)
    }

    /// Links a pending content that the register held, and all pending contents that it derives from. Returns its
    /// zone.
    #[cold]
    fn link_all(&mut self, content: Content, now: Tick) -> Result<u32, StreamContradiction> {
        let mut linked = Vec::new();
        let mut next = Some(content);
        while let Some(content) = next
            && let Some(&ContentState::Pending { called, from }) = self.contents.get(content)
        {
            // Removed until it is linked, so that a cycle ends.
            self.contents.remove(content);
            linked.push((content, called, from));
            next = from;
        }
        let mut zone = 0;
        for (content, called, from) in linked.into_iter().rev() {
            zone = self.link(content, called, from, now)?;
        }
        Ok(zone)
    }

    /// Forgets contents whose later observation would be a contradiction in any case.
    pub(super) fn forget_before(&mut self, watermark: Tick) {
        self.zones.decide_before(watermark, |_| {});
        let zones = &self.zones;
        self.contents.retain(|state| match *state {
            ContentState::Pending { .. } => true,
            ContentState::Version { zone, later } => later >= watermark && zones.is_live(zone),
        });
    }

    pub(super) fn live_entries(&self) -> usize {
        self.zones.len() + self.contents.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn content(value: u64) -> Content {
        Content::Present(value)
    }

    /// A register with these pending compare-and-sets: each writes the first value in exchange for the second (0: the
    /// initial content).
    fn register_with(exchanges: &[(u64, u64)]) -> RegisterStream {
        let mut register = RegisterStream::new();
        for &(value, from) in exchanges {
            let from = if from == 0 { Content::INITIAL } else { content(from) };
            assert!(register.record_call(content(value), Some(from), 1), "each value is written once");
        }
        register
    }

    #[test]
    fn observing_the_last_content_links_its_whole_chain() {
        let mut register = register_with(&[(1, 0), (2, 1), (3, 2), (4, 0)]);
        register.record_seen(content(3), 2, 3).expect("the first observation of 3");
        for value in 1..=3 {
            assert!(!register.is_pending(content(value)), "{value}");
            register
                .record_seen(content(value), 2, 4)
                .expect("called before any operation that observed a later content returned");
        }
        let late = register.record_seen(content(2), 4, 5);
        assert_eq!(late, Err(StreamContradiction::CalledAfterReplaced { content: content(2) }));
        let second = register.record_seen(content(4), 2, 5);
        assert_eq!(
            second,
            Err(StreamContradiction::ReplacedTwice { content: content(4), from: Content::INITIAL })
        );
    }

    #[test]
    fn a_cycle_of_exchanges_is_a_missing_content() {
        let mut register = register_with(&[(1, 1)]);
        let missing = Err(StreamContradiction::Missing { content: content(1) });
        assert_eq!(register.record_seen(content(1), 1, 2), missing);
        let mut register = register_with(&[(1, 3), (2, 1), (3, 2)]);
        assert_eq!(register.record_seen(content(1), 1, 2), missing);
    }

    #[test]
    fn contents_replaced_before_the_watermark_are_forgotten() {
        let mut register = register_with(&[(1, 0), (2, 1)]);
        register.record_seen(content(1), 1, 2).expect("the compare-and-set to 1 takes effect");
        register.forget_before(2);
        assert!(
            register.contents.get(Content::INITIAL).is_some(),
            "a pending operation may have been called in time to observe it"
        );
        register.forget_before(3);
        assert!(register.contents.get(Content::INITIAL).is_none());
        assert!(register.contents.get(content(1)).is_some() && register.is_pending(content(2)));
    }
}
