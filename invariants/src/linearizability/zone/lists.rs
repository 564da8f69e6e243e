//! The zone check of lists: chains of appends that begin with the empty list or with an element that replaced all
//! others.
//!
//! A read shows all of its chain up to its time, so the longest read of a chain shows the chain, and every other read
//! must be a prefix of it. An acknowledged operation whose element no read shows has a zone of its own: after it and
//! until the next replacement, the list is one that no read shows.

use super::certificate::{Certificate, NamedCall, OTHER_PLACEHOLDER};
use super::layout::{Zone, ZoneLayout};
use super::{ZoneVerdict, calls};
use crate::fact::Time;
use crate::linearizability::interner::Interner;
use crate::linearizability::operation::{Call, Content};
use crate::linearizability::role::{ListRole, list_role};

/// No element, no chain.
const NONE: u32 = u32::MAX;

/// An element of an append or a replacement.
#[derive(Clone, Copy, Debug)]
struct Element {
    call: u32,
    called: Time,
    returned: Time,
    replaces: bool,
    /// The chain that shows it, or [`NONE`].
    chain: u32,
}

/// The reads with the same first element.
#[derive(Clone, Copy, Debug)]
struct ReadChain {
    /// The element that replaced the list; [`NONE`]: the chain begins with the empty list.
    root: u32,
    /// The longest read, as a call; [`NONE`]: no read.
    longest: u32,
    /// The length of that read, and where the chain's entries begin in [`ListZoneChecker::read_times`].
    length: u32,
    times: u32,
}

/// The first return and the last invocation of all reads of one length.
#[derive(Clone, Copy, Debug)]
struct ReadTimes {
    first: Time,
    last: Time,
}

#[derive(Default, Debug)]
pub(super) struct ListZoneChecker {
    interner: Interner,
    elements: Vec<Element>,
    /// The chain of the empty list is the first.
    chains: Vec<ReadChain>,
    /// By element: the chain that begins with it.
    roots: Vec<u32>,
    read_times: Vec<ReadTimes>,
    layout: ZoneLayout,
}

/// A contradiction, in numbers. The text is made later.
enum ListAnomaly {
    NotUnique,
    /// A read (a call) shows an element that was never added.
    NeverAdded(u32, u64),
    /// A read shows a replacing element that is not the first.
    ReplacedMidway(u32, u64),
    /// One read, or two, show an element in two positions.
    SeenTwice(u32, u32, u64),
    /// Two reads differ at this position.
    Diverged(u32, u32, usize),
    OutOfOrder(u32),
    ConflictingZones(u32, u32),
}

impl ListZoneChecker {
    pub(super) fn judge(&mut self, history: &[Call], key_calls: &[u32], until: Time) -> ZoneVerdict {
        match self.find_anomaly(history, key_calls, until) {
            Ok(()) => ZoneVerdict::Order,
            Err(anomaly) => self.explain(history, key_calls, until, &anomaly),
        }
    }

    fn find_anomaly(&mut self, history: &[Call], key_calls: &[u32], until: Time) -> Result<(), ListAnomaly> {
        self.load(history, key_calls, until)?;
        self.compare_reads(history, key_calls, until)?;
        self.build_zones(history)
    }

    fn element(&self, element: u64) -> Option<u32> {
        Some(self.interner.get(Content::Present(element))).filter(|&number| number != NONE)
    }

    /// Registers the producer of each element, and the longest read of each chain.
    fn load(&mut self, history: &[Call], key_calls: &[u32], until: Time) -> Result<(), ListAnomaly> {
        self.interner.clear();
        self.elements.clear();
        self.chains.clear();
        self.chains.push(ReadChain { root: NONE, longest: NONE, length: 0, times: 0 });
        for (number, call) in calls(history, key_calls, until) {
            let (returned, role) = list_role(call, until);
            let (element, replaces) = match role {
                ListRole::Appends(element) => (element, false),
                ListRole::Replaces(element) => (element, true),
                ListRole::Reads(_) | ListRole::Nothing => continue,
            };
            if self.interner.number(Content::Present(element)) as usize != self.elements.len() {
                return Err(ListAnomaly::NotUnique);
            }
            self.elements.push(Element {
                call: number,
                called: call.called,
                returned,
                replaces,
                chain: NONE,
            });
        }
        self.roots.clear();
        self.roots.resize(self.elements.len(), NONE);
        for (number, call) in calls(history, key_calls, until) {
            if let (_, ListRole::Reads(elements)) = list_role(call, until) {
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
        let root = self.element(first).ok_or(ListAnomaly::NeverAdded(read, first))?;
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
    fn compare_reads(&mut self, history: &[Call], key_calls: &[u32], until: Time) -> Result<(), ListAnomaly> {
        let mut times = 0;
        for chain in &mut self.chains {
            chain.times = times;
            times += chain.length + 1;
        }
        self.read_times.clear();
        self.read_times.resize(times as usize, ReadTimes { first: Time::MAX, last: 0 });
        for (number, call) in calls(history, key_calls, until) {
            let (returned, ListRole::Reads(elements)) = list_role(call, until) else { continue };
            let chain = self.chain_of(number, elements)?;
            let chain = self.chains[chain as usize];
            let longest = shown(history, chain.longest);
            if !longest.starts_with(elements) {
                let position = longest.iter().zip(elements).position(|(one, other)| one != other);
                return Err(ListAnomaly::Diverged(
                    chain.longest,
                    number,
                    position.expect("a read no longer than the longest differs from it in some position"),
                ));
            }
            let times = &mut self.read_times[chain.times as usize + elements.len()];
            times.first = times.first.min(returned);
            times.last = times.last.max(call.called);
        }
        Ok(())
    }

    fn build_zones(&mut self, history: &[Call]) -> Result<(), ListAnomaly> {
        self.layout.clear();
        for number in 0..self.chains.len() as u32 {
            let chain = self.chains[number as usize];
            if chain.longest == NONE {
                continue;
            }
            let (mut first_return, mut last_call, mut is_out_of_order) = (Time::MAX, 0, false);
            let mut see = |first: Time, last: Time| {
                is_out_of_order |= first < last_call;
                last_call = last_call.max(last);
                first_return = first_return.min(first);
            };
            let empty = self.read_times[chain.times as usize];
            see(empty.first, empty.last);
            for (position, &element) in shown(history, chain.longest).iter().enumerate() {
                let element_number =
                    self.element(element).ok_or(ListAnomaly::NeverAdded(chain.longest, element))?;
                let producer = &mut self.elements[element_number as usize];
                if producer.chain != NONE {
                    let other = self.chains[producer.chain as usize].longest;
                    return Err(ListAnomaly::SeenTwice(other, chain.longest, element));
                }
                if producer.replaces && position > 0 {
                    return Err(ListAnomaly::ReplacedMidway(chain.longest, element));
                }
                producer.chain = number;
                see(producer.returned, producer.called);
                let times = self.read_times[chain.times as usize + position + 1];
                see(times.first, times.last);
            }
            if is_out_of_order {
                return Err(ListAnomaly::OutOfOrder(number));
            }
            let after_first_return = if number == 0 { 0 } else { first_return.saturating_add(1) };
            self.layout.push(Zone { after_first_return, last_call, chain: number });
        }
        // Each element that no read shows has a zone of its own, numbered after the chains.
        for (number, element) in (self.chains.len() as u32..).zip(&self.elements) {
            if element.chain == NONE && element.returned != Time::MAX {
                let after_first_return = element.returned.saturating_add(1);
                self.layout.push(Zone { after_first_return, last_call: element.called, chain: number });
            }
        }
        match self.layout.find_conflict() {
            None => Ok(()),
            Some((one, other)) => Err(ListAnomaly::ConflictingZones(one.chain, other.chain)),
        }
    }
}

/// The elements that a read shows.
fn shown(history: &[Call], read: u32) -> &[u64] {
    match list_role(&history[read as usize], Time::MAX) {
        (_, ListRole::Reads(elements)) => elements,
        _ => &[],
    }
}

/// An operation of a chain: a read of this length, or the producer of its last element.
#[derive(Clone, Copy, Debug)]
struct ListChainOp {
    call: u32,
    length: usize,
    returned: Time,
    produces: bool,
}

/// Explanations, off the hot path.
impl ListZoneChecker {
    #[cold]
    fn explain(
        &self,
        history: &[Call],
        key_calls: &[u32],
        until: Time,
        anomaly: &ListAnomaly,
    ) -> ZoneVerdict {
        let explainer = ListExplainer { lists: self, history, key_calls, until };
        ZoneVerdict::Conflict(Box::new(match *anomaly {
            ListAnomaly::NotUnique => return ZoneVerdict::NotUnique,
            ListAnomaly::NeverAdded(read, element) => explainer.explain_never_added(read, element),
            ListAnomaly::ReplacedMidway(read, element) => explainer.explain_replaced_midway(read, element),
            ListAnomaly::SeenTwice(one, other, element) => explainer.explain_seen_twice(one, other, element),
            ListAnomaly::Diverged(one, other, position) => explainer.explain_diverged(one, other, position),
            ListAnomaly::OutOfOrder(chain) => explainer.explain_out_of_order(chain),
            ListAnomaly::ConflictingZones(one, other) => explainer.explain_conflicting_zones(one, other),
        }))
    }
}

struct ListExplainer<'a> {
    lists: &'a ListZoneChecker,
    history: &'a [Call],
    key_calls: &'a [u32],
    until: Time,
}

impl ListExplainer<'_> {
    fn call(&self, number: u32) -> NamedCall<'_> {
        NamedCall(&self.history[number as usize])
    }

    fn element(&self, element: u64) -> Option<Element> {
        self.lists.element(element).map(|number| self.lists.elements[number as usize])
    }

    /// Adds the producer of an element, which precedes a read that shows the element.
    fn add_producer(&self, certificate: &mut Certificate, element: u64, read: u32) {
        if let Some(producer) = self.element(element) {
            certificate.add([producer.call]);
            certificate.add_edge(
                producer.call,
                read,
                format!("added {element}, which {OTHER_PLACEHOLDER} saw"),
            );
        }
    }

    /// Adds the replacement by a read's first element.
    fn add_root(&self, certificate: &mut Certificate, read: u32) {
        if let Some(&first) = shown(self.history, read).first()
            && self.element(first).is_some_and(|element| element.replaces)
        {
            self.add_producer(certificate, first, read);
        }
    }

    fn explain_never_added(&self, read: u32, element: u64) -> Certificate {
        let sentence = format!("{} saw {element}, which was never added", self.call(read));
        Certificate::new(sentence, [read])
    }

    fn explain_replaced_midway(&self, read: u32, element: u64) -> Certificate {
        let first = shown(self.history, read)[0];
        let sentence = format!(
            "{} saw {first} before {element}, which had replaced all elements before it",
            self.call(read)
        );
        let mut certificate = Certificate::new(sentence, [read]);
        self.add_producer(&mut certificate, first, read);
        self.add_producer(&mut certificate, element, read);
        if let (Some(one), Some(other)) = (self.element(first), self.element(element)) {
            let why = format!(
                "added {first}, and the list shows it before {element}, which {OTHER_PLACEHOLDER} added"
            );
            certificate.add_edge(one.call, other.call, why);
            let why = format!("replaced all elements, but not {first}, which {OTHER_PLACEHOLDER} added");
            certificate.add_edge(other.call, one.call, why);
        }
        certificate
    }

    fn explain_seen_twice(&self, one: u32, other: u32, element: u64) -> Certificate {
        let sentence = match one == other {
            true => format!("{} saw {element} twice, which was added once", self.call(one)),
            false => format!(
                "{} and {} both saw {element}, but in lists of which one had replaced the other; it was added once",
                self.call(one),
                self.call(other)
            ),
        };
        let mut certificate = Certificate::new(sentence, [one, other]);
        for read in [one, other] {
            self.add_root(&mut certificate, read);
            self.add_producer(&mut certificate, element, read);
        }
        certificate
    }

    fn explain_diverged(&self, one: u32, other: u32, position: usize) -> Certificate {
        let at = [one, other].map(|read| (read, shown(self.history, read)[position]));
        for (read, element) in at {
            match self.element(element) {
                None => return self.explain_never_added(read, element),
                Some(producer) if producer.replaces => return self.explain_replaced_midway(read, element),
                Some(_) => {}
            }
        }
        let sentence = format!(
            "{} and {} disagree: position {} holds {} in the first and {} in the second",
            self.call(one),
            self.call(other),
            position + 1,
            at[0].1,
            at[1].1
        );
        let mut certificate = Certificate::new(sentence, [one, other]);
        for (read, element) in at {
            self.add_root(&mut certificate, read);
            self.add_producer(&mut certificate, element, read);
        }
        for [(_, first), (_, second)] in [at, [at[1], at[0]]] {
            if let (Some(one), Some(other)) = (self.element(first), self.element(second)) {
                let why = format!(
                    "added {first}, and the read that shows it there shows no {second} of {OTHER_PLACEHOLDER} before it"
                );
                certificate.add_edge(one.call, other.call, why);
            }
        }
        certificate
    }

    /// The chain's operations in the order that they must have.
    fn members(&self, number: u32) -> Vec<ListChainOp> {
        let lists = self.lists;
        let mut members = Vec::new();
        if let Some(unseen) = (number as usize).checked_sub(lists.chains.len()) {
            let Element { call, returned, .. } = lists.elements[unseen];
            return vec![ListChainOp { call, length: 1, returned, produces: true }];
        }
        let chain = lists.chains[number as usize];
        let longest = shown(self.history, chain.longest);
        for (call, operation) in calls(self.history, self.key_calls, self.until) {
            match list_role(operation, self.until) {
                (returned, ListRole::Reads(elements)) => {
                    let root = elements.first().and_then(|&first| lists.element(first));
                    let root = root.filter(|&root| lists.elements[root as usize].replaces);
                    if root.unwrap_or(NONE) == chain.root {
                        members.push(ListChainOp { call, length: elements.len(), returned, produces: false });
                    }
                }
                (returned, ListRole::Appends(element) | ListRole::Replaces(element)) => {
                    if let Some(position) = longest.iter().position(|&other| other == element) {
                        members.push(ListChainOp { call, length: position + 1, returned, produces: true });
                    }
                }
                (_, ListRole::Nothing) => {}
            }
        }
        members.sort_by_key(|member| (member.length, !member.produces));
        members
    }

    fn explain_out_of_order(&self, number: u32) -> Certificate {
        let members = self.members(number);
        let chain = self.lists.chains[number as usize];
        let longest = shown(self.history, chain.longest);
        let mut latest: Option<ListChainOp> = None;
        for &member in &members {
            if let Some(before) = latest
                && member.returned < self.history[before.call as usize].called
            {
                let reason = match (before.produces, member.produces) {
                    (true, true) => {
                        format!(
                            "the list has {} before {}",
                            longest[before.length - 1],
                            longest[member.length - 1]
                        )
                    }
                    (true, false) => format!("it saw {}, which the second added", longest[before.length - 1]),
                    (false, true) => format!("the second did not see {}", longest[member.length - 1]),
                    (false, false) => {
                        format!("it saw {}, and the second did not", longest[before.length])
                    }
                };
                let sentence = format!(
                    "{} returned before {} was called, but {reason}",
                    self.call(member.call),
                    self.call(before.call)
                );
                let mut certificate = Certificate::new(sentence, [before.call, member.call]);
                certificate.add_real_time_edge(self.history, member.call, before.call);
                match (before.produces, member.produces) {
                    (true, true) => {
                        certificate.add([chain.longest]);
                        for position in [before.length, member.length] {
                            self.add_producer(&mut certificate, longest[position - 1], chain.longest);
                        }
                        let why = "the list shows it first".to_string();
                        certificate.add_edge(before.call, member.call, why);
                    }
                    (true, false) => {
                        let why =
                            format!("added {}, which {OTHER_PLACEHOLDER} saw", longest[before.length - 1]);
                        certificate.add_edge(before.call, member.call, why);
                    }
                    (false, true) => {
                        let element = longest[member.length - 1];
                        // A read that shows the element in this list proves that it was added to this list and not to
                        // an earlier one.
                        certificate.add([chain.longest]);
                        self.add_producer(&mut certificate, element, chain.longest);
                        let why = format!("did not see {element}, which {OTHER_PLACEHOLDER} added");
                        certificate.add_edge(before.call, member.call, why);
                    }
                    (false, false) => {
                        let why =
                            format!("did not see {}, which {OTHER_PLACEHOLDER} saw", longest[before.length]);
                        certificate.add_edge(before.call, member.call, why);
                        self.add_producer(&mut certificate, longest[before.length], member.call);
                    }
                }
                for read in certificate.calls.clone() {
                    self.add_root(&mut certificate, read);
                }
                return certificate;
            }
            let called = |member: ListChainOp| self.history[member.call as usize].called;
            if latest.is_none_or(|latest| called(latest) < called(member)) {
                latest = Some(member);
            }
        }
        unreachable!("build_zones found an operation out of order in this chain")
    }

    fn explain_conflicting_zones(&self, one: u32, other: u32) -> Certificate {
        let extremes = |number: u32| {
            let members = self.members(number);
            let first = members.iter().copied().min_by_key(|member| member.returned);
            let last = members.iter().copied().max_by_key(|member| self.history[member.call as usize].called);
            (first.filter(|_| number != 0), last.expect("a zone has a call"))
        };
        let describe = |number: u32| match self.lists.chains.get(number as usize) {
            Some(chain) if chain.root == NONE => "the initial list".to_string(),
            Some(chain) => format!("the list that begins with {}", shown(self.history, chain.longest)[0]),
            None => {
                let unseen = self.lists.elements[number as usize - self.lists.chains.len()];
                format!("the list that {} left and no read shows", self.call(unseen.call))
            }
        };
        let older = |first: Option<ListChainOp>, last: ListChainOp, which: u32, than: u32| match first {
            None => format!("{} is older than {}", describe(which), describe(than)),
            Some(first) => format!(
                "{} returned before {} was called, so {} is older than {}",
                self.call(first.call),
                self.call(last.call),
                describe(which),
                describe(than)
            ),
        };
        let (one_first, one_last) = extremes(one);
        let (other_first, other_last) = extremes(other);
        let sentence = format!(
            "{}; {}",
            older(one_first, other_last, one, other),
            older(other_first, one_last, other, one)
        );
        let mut certificate = Certificate::new(sentence, []);
        for (number, first, last) in [(one, one_first, one_last), (other, other_first, other_last)] {
            let chosen = || first.into_iter().chain([last]);
            certificate.add(chosen().map(|member| member.call));
            let Some(chain) = self.lists.chains.get(number as usize) else { continue };
            // The longest read proves that an element is in this chain.
            if chosen().any(|member| member.produces) {
                certificate.add([chain.longest]);
                for member in chosen().filter(|member| member.produces) {
                    let element = shown(self.history, chain.longest)[member.length - 1];
                    self.add_producer(&mut certificate, element, chain.longest);
                }
            }
            for read in chosen().map(|member| member.call).chain([chain.longest]) {
                if certificate.calls.contains(&read) {
                    self.add_root(&mut certificate, read);
                }
            }
        }
        // If all reads of the initial list in the certificate are empty, any element distinguishes it from the other
        // list.
        if let Some(chain) = self.lists.chains.first()
            && [one, other].contains(&0)
        {
            let reads: Vec<u32> = certificate.calls.clone();
            for read in reads {
                let elements = shown(self.history, read);
                if let Some(&first) = elements.first()
                    && self.element(first).is_some_and(|element| !element.replaces)
                    && chain.longest != NONE
                {
                    self.add_producer(&mut certificate, first, read);
                }
            }
        }
        for (first, last) in [(one_first, other_last), (other_first, one_last)] {
            if let Some(first) = first {
                certificate.add_real_time_edge(self.history, first.call, last.call);
            }
        }
        // One list is older, so all of its operations precede those of the other: also its last operation the other's
        // first, which had returned when that last operation was invoked.
        let older = match other_first {
            Some(first) => Some((one_last, one, first, other)),
            None => one_first.map(|first| (other_last, other, first, one)),
        };
        if let Some((last, number, first, newer)) = older {
            let unseen = (newer as usize).checked_sub(self.lists.chains.len());
            let why = match (self.lists.chains.get(number as usize), unseen) {
                (None, _) => {
                    format!(
                        "left a list that no read shows, and that had been replaced for good before {OTHER_PLACEHOLDER}"
                    )
                }
                (Some(_), _) if last.produces => {
                    format!(
                        "added to {}, which had been replaced for good before {OTHER_PLACEHOLDER}",
                        describe(number)
                    )
                }
                // The initial list only grows until it is replaced.
                (Some(chain), Some(_)) if chain.root == NONE => {
                    format!("did not see what {OTHER_PLACEHOLDER} added")
                }
                (Some(_), _) => {
                    format!(
                        "saw {}, which had been replaced for good before {OTHER_PLACEHOLDER}",
                        describe(number)
                    )
                }
            };
            certificate.add_edge(last.call, first.call, why);
        }
        certificate
    }
}
