//! One register while it all goes on.

use super::StreamFailure;
use super::zones::{StreamZones, Tick};
use crate::linearizability::fixed_hash_map::FixedHashMap;
use crate::linearizability::operation::Content;

/// What is known of a content.
#[derive(Clone, Copy, Debug)]
enum ContentState {
    /// Somebody would write it, if need be in the place of another one, and nobody has seen it yet.
    Pending { called: Tick, from: Option<Content> },
    /// It was in force, and belongs to a chain of contents made of one another.
    Version {
        /// That of its chain.
        zone: u32,
        /// The first return of anybody further down the chain; the end of time while it is the last one.
        later: Tick,
    },
}

#[derive(Clone, Debug)]
pub(super) struct RegisterStream {
    zones: StreamZones,
    /// Those that are not forgotten.
    contents: FixedHashMap<Content, ContentState>,
}

impl RegisterStream {
    pub(super) fn new() -> RegisterStream {
        let mut register = RegisterStream { zones: StreamZones::default(), contents: FixedHashMap::new() };
        // There before all returns.
        let zone = register.zones.open(0, 0).expect("nothing to clash with");
        register.contents.insert(Content::INITIAL, ContentState::Version { zone, later: Tick::MAX });
        register
    }

    /// Somebody would write a content, if need be in the place of another one.
    pub(super) fn record_call(
        &mut self,
        content: Content,
        from: Option<Content>,
        called: Tick,
    ) -> Result<(), StreamFailure> {
        let is_new = self.contents.insert(content, ContentState::Pending { called, from });
        if is_new { Ok(()) } else { Err(StreamFailure::Repeated) }
    }

    fn is_pending(&self, content: Content) -> bool {
        matches!(self.contents.get(content), Some(ContentState::Pending { .. }))
    }

    /// It certainly did not happen, nor will it.
    pub(super) fn record_failure(&mut self, content: Content) -> Result<(), StreamFailure> {
        if !self.is_pending(content) {
            return Err(StreamFailure::Violation(format!("{content} was seen")));
        }
        self.contents.remove(content);
        Ok(())
    }

    pub(super) fn retire(&mut self, content: Content) {
        if self.is_pending(content) {
            self.contents.remove(content);
        }
    }

    /// The content was in force at some moment between `called` and now: somebody saw it, or was told that it is written.
    pub(super) fn record_seen(
        &mut self,
        content: Content,
        called: Tick,
        now: Tick,
    ) -> Result<(), StreamFailure> {
        let zone = match self.contents.get(content) {
            Some(&ContentState::Version { later, .. }) if later < called => {
                return Err(StreamFailure::Violation(format!(
                    "called after {content} was seen to be exchanged"
                )));
            }
            Some(&ContentState::Version { zone, .. }) => zone,
            Some(&ContentState::Pending { called, from }) => match from {
                Some(from) if self.is_pending(from) => self.link_all(content, now)?,
                _ => self.link(content, called, from, now)?,
            },
            None => return Err(StreamFailure::Missing(content.to_string())),
        };
        Ok(self.zones.touch(zone, now, called)?)
    }

    /// A content that was pending was in force, in the place of one that was before. Returns its zone.
    fn link(
        &mut self,
        content: Content,
        called: Tick,
        from: Option<Content>,
        now: Tick,
    ) -> Result<u32, StreamFailure> {
        let zone = match from.map(|from| (from, self.contents.get_mut(from))) {
            None => self.zones.open(now, called)?,
            // Only the last one of a chain can be exchanged; and now it is the last one no more.
            Some((_, Some(ContentState::Version { zone, later }))) if *later == Tick::MAX => {
                *later = now;
                self.zones.touch(*zone, now, called)?;
                *zone
            }
            Some((from, Some(_))) => {
                return Err(StreamFailure::Violation(format!(
                    "{content} was made of {from}, as was another content"
                )));
            }
            Some((from, None)) => return Err(StreamFailure::Missing(from.to_string())),
        };
        self.contents.insert(content, ContentState::Version { zone, later: Tick::MAX });
        Ok(zone)
    }

    /// A content that was pending was in force, and so was all that it is made of, however far back that is pending as well.
    #[cold]
    fn link_all(&mut self, content: Content, now: Tick) -> Result<u32, StreamFailure> {
        let mut made = Vec::new();
        let mut next = Some(content);
        while let Some(content) = next
            && let Some(&ContentState::Pending { called, from }) = self.contents.get(content)
        {
            // Taken out until it is linked, so that a circle has an end.
            self.contents.remove(content);
            made.push((content, called, from));
            next = from;
        }
        let mut zone = 0;
        for (content, called, from) in made.into_iter().rev() {
            zone = self.link(content, called, from, now)?;
        }
        Ok(zone)
    }

    /// Forgets what nobody can see any more without a contradiction.
    pub(super) fn forget_before(&mut self, watermark: Tick) {
        self.zones.decide_before(watermark, |_| {});
        let zones = &self.zones;
        self.contents.retain(|known| match *known {
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

    /// A register of which these were asked at once: each would write the first in the place of the second.
    fn asked(exchanges: &[(u64, u64)]) -> RegisterStream {
        let mut register = RegisterStream::new();
        for &(value, from) in exchanges {
            let from = if from == 0 { Content::INITIAL } else { content(from) };
            register.record_call(content(value), Some(from), 1).expect("each once");
        }
        register
    }

    #[test]
    fn who_sees_the_last_of_a_chain_has_seen_it_all() {
        let mut register = asked(&[(1, 0), (2, 1), (3, 2), (4, 0)]);
        register.record_seen(content(3), 2, 3).expect("in force for the first time");
        for value in 1..=3 {
            assert!(!register.is_pending(content(value)), "{value}");
            register
                .record_seen(content(value), 2, 4)
                .expect("called before anybody had seen what came after");
        }
        let late = register.record_seen(content(2), 4, 5);
        assert_eq!(
            late,
            Err(StreamFailure::Violation("called after 2 was seen to be exchanged".to_string()))
        );
        let second = register.record_seen(content(4), 2, 5);
        assert_eq!(
            second,
            Err(StreamFailure::Violation("4 was made of nothing, as was another content".to_string()))
        );
    }

    #[test]
    fn what_is_made_of_itself_was_never_there() {
        let mut register = asked(&[(1, 1)]);
        assert_eq!(register.record_seen(content(1), 1, 2), Err(StreamFailure::Missing("1".to_string())));
        let mut register = asked(&[(1, 3), (2, 1), (3, 2)]);
        assert_eq!(register.record_seen(content(1), 1, 2), Err(StreamFailure::Missing("1".to_string())));
    }

    #[test]
    fn what_was_exchanged_before_the_watermark_is_forgotten() {
        let mut register = asked(&[(1, 0), (2, 1)]);
        register.record_seen(content(1), 1, 2).expect("exchanged now");
        register.forget_before(2);
        assert!(register.contents.get(Content::INITIAL).is_some(), "somebody may have been called in time");
        register.forget_before(3);
        assert!(register.contents.get(Content::INITIAL).is_none());
        assert!(register.contents.get(content(1)).is_some() && register.is_pending(content(2)));
    }
}
