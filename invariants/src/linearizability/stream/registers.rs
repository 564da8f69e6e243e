//! One register while it all goes on.

use super::Flaw;
use super::zones::{Tick, Zones};
use crate::linearizability::operation::Content;
use std::collections::{BTreeMap, VecDeque};

/// A content that somebody would write, and that nobody has seen yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    called: Tick,
    /// What it would be made of.
    from: Option<Content>,
}

/// A content that was in force.
#[derive(Clone, Copy, Debug)]
struct Version {
    content: Content,
    /// The first return of anybody further down the chain.
    later: Tick,
}

/// Contents made of one another.
#[derive(Clone, Debug)]
struct Chain {
    zone: u32,
    /// The number of the first version that is not forgotten.
    first: u32,
    versions: VecDeque<Version>,
}

#[derive(Clone, Debug)]
pub(super) struct Register {
    zones: Zones,
    /// By the number of their zone.
    chains: Vec<Option<Chain>>,
    /// Chain and number of each version that is not forgotten.
    places: BTreeMap<Content, (u32, u32)>,
    pending: BTreeMap<Content, Pending>,
}

impl Register {
    pub(super) fn new() -> Register {
        let mut register = Register {
            zones: Zones::default(),
            chains: Vec::new(),
            places: BTreeMap::new(),
            pending: BTreeMap::new(),
        };
        // There before all returns.
        register.open(Content::INITIAL, 0, 0).expect("nothing to clash with");
        register
    }

    fn open(&mut self, content: Content, returned: Tick, called: Tick) -> Result<u32, Flaw> {
        let zone = self.zones.open(returned, called)?;
        let versions = VecDeque::from([Version { content, later: Tick::MAX }]);
        if self.chains.len() <= zone as usize {
            self.chains.resize(zone as usize + 1, None);
        }
        self.chains[zone as usize] = Some(Chain { zone, first: 0, versions });
        self.places.insert(content, (zone, 0));
        Ok(zone)
    }

    /// Somebody would write a content, if need be in the place of another one.
    pub(super) fn called(
        &mut self,
        content: Content,
        from: Option<Content>,
        called: Tick,
    ) -> Result<(), Flaw> {
        if self.places.contains_key(&content)
            || self.pending.insert(content, Pending { called, from }).is_some()
        {
            return Err(Flaw::Repeated);
        }
        Ok(())
    }

    /// It certainly did not happen, nor will it.
    pub(super) fn failed(&mut self, content: Content) -> Result<(), Flaw> {
        match self.pending.remove(&content) {
            Some(_) => Ok(()),
            None => Err(Flaw::Bad(format!("{content} was seen"))),
        }
    }

    pub(super) fn retire(&mut self, content: Content) {
        self.pending.remove(&content);
    }

    /// The content was in force at some moment between `called` and now: somebody saw it, or was told that it is written.
    pub(super) fn seen(&mut self, content: Content, called: Tick, now: Tick) -> Result<(), Flaw> {
        if !self.places.contains_key(&content) {
            self.link(content, now)?;
        }
        let (chain, number) = self.places[&content];
        let chain = self.chains[chain as usize].as_mut().expect("a place is in a chain");
        let place = (number - chain.first) as usize;
        if chain.versions[place].later < called {
            return Err(Flaw::Bad(format!("called after {content} was seen to be exchanged")));
        }
        for version in chain.versions.range_mut(..place).rev() {
            if version.later != Tick::MAX {
                break; // And so have all before it.
            }
            version.later = now;
        }
        let zone = chain.zone;
        Ok(self.zones.touch(zone, now, called)?)
    }

    /// A content that was pending was in force, and so was all that it is made of.
    fn link(&mut self, content: Content, now: Tick) -> Result<(), Flaw> {
        let mut made = Vec::new();
        let mut next = content;
        while !self.places.contains_key(&next) {
            let Some(pending) = self.pending.remove(&next) else {
                return Err(Flaw::Missing(next.to_string()));
            };
            made.push((next, pending));
            match pending.from {
                Some(from) => next = from,
                None => break,
            }
        }
        for (content, Pending { called, from }) in made.into_iter().rev() {
            let Some(from) = from else {
                self.open(content, now, called)?;
                continue;
            };
            let (number, place) = self.places[&from];
            let chain = self.chains[number as usize].as_mut().expect("a place is in a chain");
            let after = chain.first + chain.versions.len() as u32;
            if place + 1 != after {
                return Err(Flaw::Bad(format!("{content} was made of {from}, as was another content")));
            }
            chain.versions.push_back(Version { content, later: Tick::MAX });
            self.places.insert(content, (number, after));
            let zone = chain.zone;
            self.zones.touch(zone, now, called)?;
        }
        Ok(())
    }

    /// Forgets what nobody can see any more without a contradiction.
    pub(super) fn sweep(&mut self, watermark: Tick) {
        let Register { zones, chains, places, .. } = self;
        zones.decide(watermark, |zone| {
            for version in chains[zone as usize].take().into_iter().flat_map(|chain| chain.versions) {
                places.remove(&version.content);
            }
        });
        for chain in chains.iter_mut().flatten() {
            while chain.versions.front().is_some_and(|version| version.later < watermark) {
                let version = chain.versions.pop_front().expect("just seen");
                places.remove(&version.content);
                chain.first += 1;
            }
        }
    }

    pub(super) fn live(&self) -> usize {
        self.zones.len() + self.places.len() + self.pending.len()
    }
}
