//! Explains why a list has no order, off the hot path.

use super::chains::{Element, ListAnomaly, ListChains, NONE, shown};
use crate::linearizability::contradiction::{Contradiction, OrderEvidence, OrderingReason, Verb, ZoneLabel};
use crate::linearizability::operation::Content;
use crate::linearizability::role::{KeyCalls, ListRole, list_role};
use crate::linearizability::zone::certificate::Certificate;
use crate::linearizability::zone::extent::{ChainOp, Extent, add_real_time, conflict, find_out_of_order};

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
        ListAnomaly::NeverAdded { read, element } => {
            let (read, element) = (read as usize, Content::Present(element));
            Some(Certificate::new(Contradiction::NeverAdded { read, element }))
        }
        ListAnomaly::ReplacedMidway { read, element } => {
            explainer.explain_replaced_midway(read as usize, Content::Present(element))
        }
        ListAnomaly::SeenTwice { reads, element } => {
            Some(explainer.explain_seen_twice(reads.map(|read| read as usize), Content::Present(element)))
        }
        ListAnomaly::Diverged { reads, position } => {
            explainer.explain_diverged(reads.map(|read| read as usize), position)
        }
        ListAnomaly::OutOfOrder(chain) => explainer.explain_out_of_order(chain),
        ListAnomaly::ConflictingZones(zones) => explainer.explain_conflicting_zones(zones),
    }
}

struct ListExplainer<'a> {
    lists: &'a ListChains,
    calls: KeyCalls<'a>,
}

impl<'a> ListExplainer<'a> {
    fn producer(&self, element: Content) -> Option<Element> {
        let Content::Present(element) = element else { return None };
        self.lists.element(element).map(|number| self.lists.elements[number as usize])
    }

    fn shown(&self, read: usize) -> &'a [u64] {
        shown(self.calls.history, read as u32)
    }

    /// The element that a read shows at this position.
    fn shown_at(&self, read: usize, position: usize) -> Option<Content> {
        self.shown(read).get(position).copied().map(Content::Present)
    }

    /// Adds the producer of an element, which precedes a read that shows the element.
    fn add_producer(&self, certificate: &mut Certificate, content: Content, read: usize) {
        if let Some(producer) = self.producer(content) {
            let (did, then) = (Verb::Added, Verb::Saw);
            let reason = OrderingReason::SameContent { did, content, then };
            certificate.add_edge(producer.call as usize, read, reason);
        }
    }

    /// Adds the producer of a read's first element if it `replaces` the list, or if it does not.
    fn add_root(&self, certificate: &mut Certificate, read: usize, replaces: bool) {
        if let Some(first) = self.shown_at(read, 0)
            && self.producer(first).is_some_and(|producer| producer.replaces == replaces)
        {
            self.add_producer(certificate, first, read);
        }
    }

    fn explain_replaced_midway(&self, read: usize, element: Content) -> Option<Certificate> {
        let first = self.shown_at(read, 0)?;
        if first == element {
            return Some(self.explain_seen_twice([read; 2], element));
        }
        let mut certificate = Certificate::new(Contradiction::ReplacedMidway { read, first, element });
        for shown in [first, element] {
            self.add_producer(&mut certificate, shown, read);
        }
        let [before, after] = [self.producer(first)?, self.producer(element)?].map(|of| of.call as usize);
        certificate.add_edge(before, after, OrderingReason::ShownBefore { first, second: element });
        certificate.add_edge(after, before, OrderingReason::NotReplaced { element: first });
        Some(certificate)
    }

    fn explain_seen_twice(&self, reads: [usize; 2], element: Content) -> Certificate {
        let [one, other] = reads;
        let mut certificate = Certificate::new(match one == other {
            true => Contradiction::SeenTwice { read: one, element },
            false => Contradiction::SeenInTwoLists { one, other, element },
        });
        for read in reads {
            self.add_root(&mut certificate, read, true);
            self.add_producer(&mut certificate, element, read);
        }
        certificate
    }

    fn explain_diverged(&self, reads: [usize; 2], position: usize) -> Option<Certificate> {
        let [one, other] = reads;
        let [here, there] = [self.shown_at(one, position)?, self.shown_at(other, position)?];
        for (read, element) in [(one, here), (other, there)] {
            match self.producer(element) {
                None => return Some(Certificate::new(Contradiction::NeverAdded { read, element })),
                Some(producer) if producer.replaces => return self.explain_replaced_midway(read, element),
                Some(_) => {}
            }
        }
        let position = position as u64 + 1;
        let mut certificate = Certificate::new(Contradiction::Diverged { one, other, position, here, there });
        for (read, element) in [(one, here), (other, there)] {
            self.add_root(&mut certificate, read, true);
            self.add_producer(&mut certificate, element, read);
        }
        for (first, second) in [(here, there), (there, here)] {
            let [before, after] = [self.producer(first)?, self.producer(second)?].map(|of| of.call as usize);
            certificate.add_edge(before, after, OrderingReason::ShownWithout { first, second });
        }
        Some(certificate)
    }

    /// The chain's operations in the order that they must have. Their position is the length of the list.
    fn members(&self, number: u32) -> Vec<ChainOp> {
        let lists = self.lists;
        if let Some(unseen) = (number as usize).checked_sub(lists.chains.len()) {
            let Element { call, called, returned, .. } = lists.elements[unseen];
            let (call, content) = (call as usize, Content::INITIAL);
            return vec![ChainOp { call, called, returned, content, position: 1, produces: true }];
        }
        let chain = lists.chains[number as usize];
        let longest = self.shown(chain.longest as usize);
        let mut members = Vec::new();
        for (call, operation) in self.calls.iter() {
            let (returned, role) = list_role(operation, self.calls.until);
            let (position, last) = match role {
                ListRole::Reads(elements) => {
                    let root = elements.first().and_then(|&first| lists.element(first));
                    let root = root.filter(|&root| lists.elements[root as usize].replaces);
                    if root.unwrap_or(NONE) != chain.root {
                        continue;
                    }
                    (elements.len(), elements.last().copied())
                }
                ListRole::Appends(element) | ListRole::Replaces(element) => {
                    match longest.iter().position(|&other| other == element) {
                        Some(position) => (position + 1, Some(element)),
                        None => continue,
                    }
                }
                ListRole::Nothing => continue,
            };
            let (call, called, produces) =
                (call as usize, operation.called, !operation.operation.action.is_read());
            let content = last.map_or(Content::INITIAL, Content::Present);
            members.push(ChainOp { call, called, returned, content, position, produces });
        }
        members.sort_by_key(|member| (member.position, !member.produces));
        members
    }

    fn explain_out_of_order(&self, number: u32) -> Option<Certificate> {
        let [before, member] = find_out_of_order(&self.members(number))?;
        let read = self.lists.chains[number as usize].longest as usize;
        let same = |content, did, then| OrderingReason::SameContent { did, content, then };
        // The last are elements with reads that must show that they are in this list and not in an earlier one.
        let (evidence, reason, proofs) = match (before.produces, member.produces) {
            (true, true) => {
                let (first, second) = (before.content, member.content);
                let evidence = OrderEvidence::ListOrder { before: first, after: second };
                let reason = OrderingReason::ShownBefore { first, second };
                (evidence, reason, vec![(first, read), (second, read)])
            }
            (true, false) => {
                let (content, did) = (before.content, Verb::Added);
                (OrderEvidence::Saw { content, did }, same(content, did, Verb::Saw), vec![])
            }
            (false, true) => {
                let element = member.content;
                let reason = same(element, Verb::DidNotSee, Verb::Added);
                (OrderEvidence::Missed { element }, reason, vec![(element, read)])
            }
            (false, false) => {
                let element = self.shown_at(read, before.position)?;
                let reason = same(element, Verb::DidNotSee, Verb::Saw);
                (OrderEvidence::OnlyFirstSaw { element }, reason, vec![(element, member.call)])
            }
        };
        let (first, second) = (member.call, before.call);
        let mut certificate = Certificate::new(Contradiction::OutOfOrder { first, second, evidence });
        certificate.add_edge(first, second, member.precedes(before));
        for (element, read) in proofs {
            self.add_producer(&mut certificate, element, read);
        }
        certificate.add_edge(second, first, reason);
        for read in certificate.calls.clone() {
            self.add_root(&mut certificate, read, true);
        }
        Some(certificate)
    }

    fn extent(&self, number: u32) -> Option<Extent> {
        let members = self.members(number);
        let label = match self.lists.chains.get(number as usize) {
            Some(chain) if chain.root == NONE => ZoneLabel::InitialList {},
            Some(chain) => ZoneLabel::ListFrom { first: self.shown_at(chain.longest as usize, 0)? },
            None => ZoneLabel::UnseenList { call: members.first()?.call },
        };
        let mut extent = Extent::of(label, &members)?;
        extent.first.take_if(|_| number == 0);
        Some(extent)
    }

    fn explain_conflicting_zones(&self, zones: [u32; 2]) -> Option<Certificate> {
        let extents = [self.extent(zones[0])?, self.extent(zones[1])?];
        let mut certificate = conflict(extents);
        for (number, extent) in zones.into_iter().zip(extents) {
            self.add_connection(&mut certificate, number, extent);
        }
        // If all reads of the initial list in the certificate are empty, any element distinguishes it from the other
        // list.
        if zones.contains(&0) {
            for read in certificate.calls.clone() {
                self.add_root(&mut certificate, read, false);
            }
        }
        if let Some((older, newer, first)) = add_real_time(&mut certificate, extents) {
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
    fn add_connection(&self, certificate: &mut Certificate, number: u32, extent: Extent) {
        extent.ends().for_each(|member| certificate.add(member.call));
        let Some(chain) = self.lists.chains.get(number as usize) else { return };
        let longest = chain.longest as usize;
        // The longest read proves that an element is in this chain.
        for member in extent.ends().filter(|member| member.produces) {
            self.add_producer(certificate, member.content, longest);
        }
        for read in extent.ends().map(|member| member.call).chain([longest]) {
            if certificate.calls.contains(&read) {
                self.add_root(certificate, read, true);
            }
        }
    }
}
