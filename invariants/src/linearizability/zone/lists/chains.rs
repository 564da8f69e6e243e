//! The elements of a list and the chains that its reads show.

use crate::fact::Time;
use crate::linearizability::interner::Interner;
use crate::linearizability::operation::{Call, Content};
use crate::linearizability::role::{KeyCalls, ListRole, list_role};

/// No element, no chain.
pub(super) const NONE: u32 = u32::MAX;

/// An element of an append or a replacement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    pub(super) call: u32,
    pub(super) called: Time,
    pub(super) returned: Time,
    pub(super) replaces: bool,
    /// The chain that shows it, or [`NONE`].
    pub(super) chain: u32,
}

/// The reads with the same first element.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadChain {
    /// The element that replaced the list; [`NONE`]: the chain begins with the empty list.
    pub(super) root: u32,
    /// The longest read, as a call; [`NONE`]: no read.
    pub(super) longest: u32,
    /// The length of that read, and where the chain's entries begin in [`ListChains::read_times`].
    length: u32,
    pub(super) times: u32,
}

/// The first return and the last invocation of all reads of one length.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadTimes {
    pub(super) first: Time,
    pub(super) last: Time,
}

#[derive(Default, Debug)]
pub(super) struct ListChains {
    interner: Interner,
    pub(super) elements: Vec<Element>,
    /// The chain of the empty list is the first.
    pub(super) chains: Vec<ReadChain>,
    /// By element: the chain that begins with it.
    roots: Vec<u32>,
    pub(super) read_times: Vec<ReadTimes>,
}

/// Why a list has no order, in numbers of chains and calls. Evidence is gathered later, and only if needed.
#[derive(Clone, Copy, Debug)]
pub(super) enum ListAnomaly {
    /// An element was added twice: nothing is known.
    NotUnique,
    /// A read (a call) shows an element that was never added.
    NeverAdded {
        read: u32,
        element: u64,
    },
    /// A read shows a replacing element that is not the first.
    ReplacedMidway {
        read: u32,
        element: u64,
    },
    /// One read, or two, show an element in two positions.
    SeenTwice {
        reads: [u32; 2],
        element: u64,
    },
    /// Two reads differ at this position.
    Diverged {
        reads: [u32; 2],
        position: usize,
    },
    OutOfOrder(u32),
    ConflictingZones([u32; 2]),
}

impl ListChains {
    pub(super) fn element(&self, element: u64) -> Option<u32> {
        Some(self.interner.get(Content::Present(element))).filter(|&number| number != NONE)
    }

    /// Registers the producer of each element, and the reads of each chain.
    pub(super) fn load(&mut self, calls: KeyCalls<'_>) -> Result<(), ListAnomaly> {
        self.load_elements(calls)?;
        self.find_longest_reads(calls)?;
        self.compare_reads(calls)
    }

    /// Registers the producer of each element.
    fn load_elements(&mut self, calls: KeyCalls<'_>) -> Result<(), ListAnomaly> {
        self.interner.clear();
        self.elements.clear();
        for (number, call) in calls.iter() {
            let (returned, role) = list_role(call, calls.until);
            let (element, replaces) = match role {
                ListRole::Appends(element) => (element, false),
                ListRole::Replaces(element) => (element, true),
                ListRole::Reads(_) | ListRole::Nothing => continue,
            };
            if self.interner.number(Content::Present(element)) as usize != self.elements.len() {
                return Err(ListAnomaly::NotUnique);
            }
            let called = call.called;
            self.elements.push(Element { call: number, called, returned, replaces, chain: NONE });
        }
        Ok(())
    }

    /// Registers the longest read of each chain.
    fn find_longest_reads(&mut self, calls: KeyCalls<'_>) -> Result<(), ListAnomaly> {
        self.chains.clear();
        self.chains.push(ReadChain { root: NONE, longest: NONE, length: 0, times: 0 });
        self.roots.clear();
        self.roots.resize(self.elements.len(), NONE);
        for (number, call) in calls.iter() {
            if let (_, ListRole::Reads(elements)) = list_role(call, calls.until) {
                let chain = self.chain_of(number, elements)?;
                let chain = &mut self.chains[chain as usize];
                if chain.longest == NONE || chain.length < elements.len() as u32 {
                    (chain.longest, chain.length) = (number, elements.len() as u32);
                }
            }
        }
        Ok(())
    }

    /// The chain that a read shows.
    #[inline]
    fn chain_of(&mut self, read: u32, elements: &[u64]) -> Result<u32, ListAnomaly> {
        let Some(&first) = elements.first() else { return Ok(0) };
        let root = self.element(first).ok_or(ListAnomaly::NeverAdded { read, element: first })?;
        if !self.elements[root as usize].replaces {
            return Ok(0);
        }
        if self.roots[root as usize] == NONE {
            self.roots[root as usize] = self.chains.len() as u32;
            self.chains.push(ReadChain { root, longest: NONE, length: 0, times: 0 });
        }
        Ok(self.roots[root as usize])
    }

    /// Compares each read with the longest one of its chain, and registers the times of each length.
    fn compare_reads(&mut self, calls: KeyCalls<'_>) -> Result<(), ListAnomaly> {
        let mut times = 0;
        for chain in &mut self.chains {
            chain.times = times;
            times += chain.length + 1;
        }
        self.read_times.clear();
        self.read_times.resize(times as usize, ReadTimes { first: Time::MAX, last: 0 });
        for (number, call) in calls.iter() {
            let (returned, ListRole::Reads(elements)) = list_role(call, calls.until) else { continue };
            let chain = self.chain_of(number, elements)?;
            let chain = self.chains[chain as usize];
            let longest = shown(calls.history, chain.longest);
            if !longest.starts_with(elements) {
                let position = longest.iter().zip(elements).position(|(one, other)| one != other);
                let position =
                    position.expect("a read no longer than the longest differs from it in some position");
                return Err(ListAnomaly::Diverged { reads: [chain.longest, number], position });
            }
            let times = &mut self.read_times[chain.times as usize + elements.len()];
            times.first = times.first.min(returned);
            times.last = times.last.max(call.called);
        }
        Ok(())
    }
}

/// The elements that a read shows.
pub(super) fn shown(history: &[Call], read: u32) -> &[u64] {
    match list_role(&history[read as usize], Time::MAX) {
        (_, ListRole::Reads(elements)) => elements,
        _ => &[],
    }
}
