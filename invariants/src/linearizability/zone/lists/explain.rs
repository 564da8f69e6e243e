//! Explains why a list has no order, off the hot path.

use super::chains::{Element, ListAnomaly, ListChains, NONE, shown};
use crate::fact::Time;
use crate::linearizability::contradiction::{
    CallIndex, Contradiction, OrderEvidence, OrderingReason, Verb, ZoneLabel, ZoneOrder,
};
use crate::linearizability::operation::Content;
use crate::linearizability::role::{ListRole, list_role};
use crate::linearizability::zone::KeyCalls;
use crate::linearizability::zone::certificate::Certificate;

/// The proof of an anomaly. `None`: it is none.
#[cold]
pub(super) fn certificate(
    lists: &ListChains,
    calls: KeyCalls<'_>,
    anomaly: ListAnomaly,
) -> Option<Certificate> {
    let explainer = ListExplainer { lists, calls };
    match anomaly {
        ListAnomaly::NotUnique => None,
        ListAnomaly::NeverAdded(read, element) => Some(explainer.explain_never_added(read, element)),
        ListAnomaly::ReplacedMidway(read, element) => Some(explainer.explain_replaced_midway(read, element)),
        ListAnomaly::SeenTwice(one, other, element) => {
            Some(explainer.explain_seen_twice([one, other], element))
        }
        ListAnomaly::Diverged(one, other, position) => {
            Some(explainer.explain_diverged([one, other], position))
        }
        ListAnomaly::OutOfOrder(chain) => explainer.explain_out_of_order(chain),
        ListAnomaly::ConflictingZones(one, other) => explainer.explain_conflicting_zones(one, other),
    }
}

struct ListExplainer<'a> {
    lists: &'a ListChains,
    calls: KeyCalls<'a>,
}

/// An operation of a chain: a read of this length, or the producer of its last element.
#[derive(Clone, Copy, Debug)]
struct ListChainOp {
    call: usize,
    called: Time,
    returned: Time,
    length: usize,
    produces: bool,
}

impl ListChainOp {
    /// It returned before the other was called.
    const fn real_time(&self, other: ListChainOp) -> OrderingReason {
        OrderingReason::RealTime { returned: self.returned, called: other.called }
    }
}

/// A zone with the first of its operations that returned and the last that was called.
struct ZoneExtent {
    number: u32,
    label: ZoneLabel,
    /// `None`: it needs no such proof that it is the oldest.
    first: Option<ListChainOp>,
    last: ListChainOp,
}

/// The two did these to one element.
const fn same_element(did: Verb, element: u64, then: Verb) -> OrderingReason {
    OrderingReason::SameContent { did, content: Content::Present(element), then }
}

impl<'a> ListExplainer<'a> {
    fn element(&self, element: u64) -> Option<Element> {
        self.lists.element(element).map(|number| self.lists.elements[number as usize])
    }

    fn producer(&self, element: u64) -> Option<usize> {
        self.element(element).map(|element| element.call as usize)
    }

    fn shown(&self, read: usize) -> &'a [u64] {
        shown(self.calls.history, read as u32)
    }

    /// Adds the producer of an element, which precedes a read that shows the element.
    fn add_producer(&self, certificate: &mut Certificate, element: u64, read: usize) {
        if let Some(producer) = self.producer(element) {
            certificate.add_edge(producer, read, same_element(Verb::Added, element, Verb::Saw));
        }
    }

    /// Adds the replacement by a read's first element.
    fn add_root(&self, certificate: &mut Certificate, read: usize) {
        if let Some(&first) = self.shown(read).first()
            && self.element(first).is_some_and(|element| element.replaces)
        {
            self.add_producer(certificate, first, read);
        }
    }

    fn explain_never_added(&self, read: u32, element: u64) -> Certificate {
        let (call, element) = (CallIndex(read as usize), Content::Present(element));
        Certificate::new(Contradiction::NeverAdded { call, element })
    }

    fn explain_replaced_midway(&self, read: u32, element: u64) -> Certificate {
        let call = read as usize;
        let first = self.shown(call)[0];
        if first == element {
            return self.explain_seen_twice([read; 2], element);
        }
        let (read, [one, other]) = (CallIndex(call), [first, element].map(Content::Present));
        let mut certificate =
            Certificate::new(Contradiction::ReplacedMidway { read, first: one, element: other });
        self.add_producer(&mut certificate, first, call);
        self.add_producer(&mut certificate, element, call);
        if let (Some(before), Some(after)) = (self.producer(first), self.producer(element)) {
            let reason = OrderingReason::ShownBefore { first: one, second: other };
            certificate.add_edge(before, after, reason);
            certificate.add_edge(after, before, OrderingReason::NotReplaced { element: one });
        }
        certificate
    }

    fn explain_seen_twice(&self, reads: [u32; 2], element: u64) -> Certificate {
        let [one, other] = reads.map(|read| CallIndex(read as usize));
        let shown = Content::Present(element);
        let mut certificate = Certificate::new(match one == other {
            true => Contradiction::SeenTwice { read: one, element: shown },
            false => Contradiction::SeenInTwoLists { one, other, element: shown },
        });
        for CallIndex(read) in [one, other] {
            self.add_root(&mut certificate, read);
            self.add_producer(&mut certificate, element, read);
        }
        certificate
    }

    fn explain_diverged(&self, reads: [u32; 2], position: usize) -> Certificate {
        let calls = reads.map(|read| read as usize);
        let elements = calls.map(|read| self.shown(read)[position]);
        for (read, element) in reads.into_iter().zip(elements) {
            match self.element(element) {
                None => return self.explain_never_added(read, element),
                Some(producer) if producer.replaces => return self.explain_replaced_midway(read, element),
                Some(_) => {}
            }
        }
        let ([one, other], [here, there]) = (calls.map(CallIndex), elements.map(Content::Present));
        let position = position + 1;
        let mut certificate = Certificate::new(Contradiction::Diverged { one, other, position, here, there });
        for (read, element) in calls.into_iter().zip(elements) {
            self.add_root(&mut certificate, read);
            self.add_producer(&mut certificate, element, read);
        }
        if let [Some(one), Some(other)] = elements.map(|element| self.producer(element)) {
            let without = |first, second| OrderingReason::ShownWithout { first, second };
            certificate.add_edge(one, other, without(here, there));
            certificate.add_edge(other, one, without(there, here));
        }
        certificate
    }

    /// The chain's operations in the order that they must have.
    fn members(&self, number: u32) -> Vec<ListChainOp> {
        let lists = self.lists;
        if let Some(unseen) = (number as usize).checked_sub(lists.chains.len()) {
            let Element { call, called, returned, .. } = lists.elements[unseen];
            return vec![ListChainOp { call: call as usize, called, returned, length: 1, produces: true }];
        }
        let chain = lists.chains[number as usize];
        let longest = shown(self.calls.history, chain.longest);
        let mut members = Vec::new();
        for (call, operation) in self.calls.iter() {
            let (returned, role) = list_role(operation, self.calls.until);
            let (length, produces) = match role {
                ListRole::Reads(elements) => {
                    let root = elements.first().and_then(|&first| lists.element(first));
                    let root = root.filter(|&root| lists.elements[root as usize].replaces);
                    if root.unwrap_or(NONE) != chain.root {
                        continue;
                    }
                    (elements.len(), false)
                }
                ListRole::Appends(element) | ListRole::Replaces(element) => {
                    match longest.iter().position(|&other| other == element) {
                        Some(position) => (position + 1, true),
                        None => continue,
                    }
                }
                ListRole::Nothing => continue,
            };
            let (call, called) = (call as usize, operation.called);
            members.push(ListChainOp { call, called, returned, length, produces });
        }
        members.sort_by_key(|member| (member.length, !member.produces));
        members
    }

    fn explain_out_of_order(&self, number: u32) -> Option<Certificate> {
        let mut latest: Option<ListChainOp> = None;
        for member in self.members(number) {
            if let Some(before) = latest
                && member.returned < before.called
            {
                let read = self.lists.chains[number as usize].longest as usize;
                return Some(self.explain_pair_out_of_order(before, member, read));
            }
            if latest.is_none_or(|latest| latest.called < member.called) {
                latest = Some(member);
            }
        }
        None
    }

    /// Of two operations of a chain the later one returned before the other was called. `read` shows the chain.
    fn explain_pair_out_of_order(
        &self,
        before: ListChainOp,
        member: ListChainOp,
        read: usize,
    ) -> Certificate {
        let longest = self.shown(read);
        let last = |op: ListChainOp| longest[op.length - 1];
        // The evidence, the edge for it, and the elements of which this read must show that they are in this list and
        // not in an earlier one.
        let (evidence, reason, proven, by) = match (before.produces, member.produces) {
            (true, true) => {
                let elements = [last(before), last(member)];
                let [first, second] = elements.map(Content::Present);
                let evidence = OrderEvidence::ListOrder { second: first, first: second };
                (evidence, OrderingReason::ShownBefore { first, second }, elements.to_vec(), read)
            }
            (true, false) => {
                let element = last(before);
                let evidence = OrderEvidence::Saw { content: Content::Present(element), did: Verb::Added };
                (evidence, same_element(Verb::Added, element, Verb::Saw), Vec::new(), read)
            }
            (false, true) => {
                let element = last(member);
                let evidence = OrderEvidence::Missed { element: Content::Present(element) };
                (evidence, same_element(Verb::DidNotSee, element, Verb::Added), vec![element], read)
            }
            (false, false) => {
                let element = longest[before.length];
                let evidence = OrderEvidence::OnlyFirstSaw { element: Content::Present(element) };
                (evidence, same_element(Verb::DidNotSee, element, Verb::Saw), vec![element], member.call)
            }
        };
        let (first, second) = (CallIndex(member.call), CallIndex(before.call));
        let mut certificate = Certificate::new(Contradiction::OutOfOrder { first, second, evidence });
        certificate.add_edge(member.call, before.call, member.real_time(before));
        for element in proven {
            self.add_producer(&mut certificate, element, by);
        }
        certificate.add_edge(before.call, member.call, reason);
        for read in certificate.calls.clone() {
            self.add_root(&mut certificate, read);
        }
        certificate
    }

    fn extent(&self, number: u32) -> Option<ZoneExtent> {
        let members = self.members(number);
        let label = match self.lists.chains.get(number as usize) {
            Some(chain) if chain.root == NONE => ZoneLabel::InitialList {},
            Some(chain) => {
                ZoneLabel::ListFrom { first: Content::Present(*self.shown(chain.longest as usize).first()?) }
            }
            None => ZoneLabel::UnseenList { call: CallIndex(members.first()?.call) },
        };
        let first = members.iter().copied().min_by_key(|member| member.returned).filter(|_| number != 0);
        let last = members.into_iter().max_by_key(|member| member.called)?;
        Some(ZoneExtent { number, label, first, last })
    }

    fn explain_conflicting_zones(&self, one: u32, other: u32) -> Option<Certificate> {
        let (one, other) = (self.extent(one)?, self.extent(other)?);
        let pairs = [(&one, &other), (&other, &one)];
        let [one_order, other_order] = pairs.map(|(older, newer)| {
            let (older_label, newer_label) = (older.label, newer.label);
            match older.first {
                None => ZoneOrder::InitialList { older: older_label, newer: newer_label },
                Some(first) => ZoneOrder::RealTime {
                    first: CallIndex(first.call),
                    second: CallIndex(newer.last.call),
                    older: older_label,
                    newer: newer_label,
                },
            }
        });
        let contradiction = Contradiction::ConflictingLists { one: one_order, other: other_order };
        let mut certificate = Certificate::new(contradiction);
        for zone in [&one, &other] {
            self.add_connection(&mut certificate, zone);
        }
        // If all reads of the initial list in the certificate are empty, any element distinguishes it from the other
        // list.
        if [one.number, other.number].contains(&0) {
            for read in certificate.calls.clone() {
                if let Some(&first) = self.shown(read).first()
                    && self.element(first).is_some_and(|element| !element.replaces)
                {
                    self.add_producer(&mut certificate, first, read);
                }
            }
        }
        for (older, newer) in pairs {
            if let Some(first) = older.first {
                certificate.add_edge(first.call, newer.last.call, first.real_time(newer.last));
            }
        }
        // One list is older, so all of its operations precede those of the other: also its last operation the other's
        // first, which had returned when that last operation was invoked.
        let (older, newer) = if other.first.is_some() { (one, other) } else { (other, one) };
        if let Some(first) = newer.first {
            let reason = match (older.label, newer.label) {
                (ZoneLabel::UnseenList { .. }, _) => OrderingReason::UnseenListReplaced {},
                (list, _) if older.last.produces => OrderingReason::AddedToReplaced { list },
                // The initial list only grows until it is replaced.
                (ZoneLabel::InitialList {}, ZoneLabel::UnseenList { .. }) => {
                    OrderingReason::MissedAddition {}
                }
                (list, _) => OrderingReason::SawReplaced { list },
            };
            certificate.add_edge(older.last.call, first.call, reason);
        }
        Some(certificate)
    }

    /// Adds the first and the last operation of a zone, and the proof that they are in one chain.
    fn add_connection(&self, certificate: &mut Certificate, zone: &ZoneExtent) {
        let chosen = || zone.first.into_iter().chain([zone.last]);
        chosen().for_each(|member| certificate.add(member.call));
        let Some(chain) = self.lists.chains.get(zone.number as usize) else { return };
        let longest = chain.longest as usize;
        // The longest read proves that an element is in this chain.
        for member in chosen().filter(|member| member.produces) {
            self.add_producer(certificate, self.shown(longest)[member.length - 1], longest);
        }
        for read in chosen().map(|member| member.call).chain([longest]) {
            if certificate.calls.contains(&read) {
                self.add_root(certificate, read);
            }
        }
    }
}
