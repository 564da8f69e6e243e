//! Explains why a register's contents have no order, off the hot path.

use super::contents::{NONE, RegisterAnomaly, RegisterContents};
use crate::fact::Time;
use crate::linearizability::contradiction::{Contradiction, OrderEvidence, OrderingReason, Verb, ZoneLabel};
use crate::linearizability::operation::{Call, Content};
use crate::linearizability::role::{KeyCalls, Role, role};
use crate::linearizability::zone::certificate::Certificate;
use crate::linearizability::zone::extent::{ChainOp, Extent, add_real_time, conflict, find_out_of_order};
use std::iter;

/// The proof of an anomaly. `None`: it is none.
#[cold]
pub(super) fn certificate(
    contents: &RegisterContents,
    calls: KeyCalls<'_>,
    anomaly: RegisterAnomaly,
) -> Option<Certificate> {
    let explainer = RegisterExplainer { contents, calls };
    match anomaly {
        RegisterAnomaly::NotUnique => None,
        RegisterAnomaly::NeverWritten(content) => explainer.explain_never_written(content),
        RegisterAnomaly::SelfContradictory => explainer.explain_self_contradictory(),
        RegisterAnomaly::TakenTwice(content, one, other) => {
            explainer.explain_taken_twice(content, one, other)
        }
        RegisterAnomaly::Cycle => explainer.explain_cycle(),
        RegisterAnomaly::OutOfOrder(root) => explainer.explain_out_of_order(root),
        RegisterAnomaly::ConflictingZones(one, other) => explainer.explain_conflicting_zones([one, other]),
    }
}

struct RegisterExplainer<'a> {
    contents: &'a RegisterContents,
    calls: KeyCalls<'a>,
}

const fn verb(op: &ChainOp) -> Verb {
    if op.produces { Verb::Wrote } else { Verb::Saw }
}

impl RegisterExplainer<'_> {
    /// The operations that produced or observed one of these contents, in the order of the chain.
    fn members(&self, chain: impl Iterator<Item = u32>) -> Vec<ChainOp> {
        let mut positions = vec![None; self.contents.versions.len()];
        for (position, content) in chain.enumerate() {
            positions[content as usize] = Some(position);
        }
        let member = |(call, operation): (u32, &Call)| {
            let (returned, role) = role(operation, self.calls.until);
            let (content, produces) = match role {
                Role::Sees(content) => (content, false),
                Role::Writes(content) | Role::Exchanges { value: content, .. } => (content, true),
                _ => return None,
            };
            let position = (*positions.get(self.contents.interner.get(content) as usize)?)?;
            let (call, called) = (call as usize, operation.called);
            Some(ChainOp { call, called, returned, content, position, produces })
        };
        let mut members: Vec<ChainOp> = self.calls.iter().filter_map(member).collect();
        members.sort_by_key(|member| (member.position, !member.produces));
        members
    }

    fn producer(&self, content: u32) -> Option<usize> {
        self.members(iter::once(content)).first().filter(|member| member.produces).map(|member| member.call)
    }

    fn content(&self, number: u32) -> Content {
        self.contents.interner.content(number)
    }

    fn explain_never_written(&self, number: u32) -> Option<Certificate> {
        let content = self.content(number);
        let is_certain =
            |value| self.contents.versions[self.contents.interner.get(value) as usize].is_certain;
        // An operation that needs it: it observed it, or is a compare-and-set that certainly took effect.
        let verb = |call: &Call| match role(call, self.calls.until) {
            (_, Role::Sees(observed)) if observed == content => Some(Verb::Saw),
            (returned, Role::Exchanges { expect, value })
                if expect == content && (returned != Time::MAX || is_certain(value)) =>
            {
                Some(Verb::Exchanged)
            }
            _ => None,
        };
        let needs = self.calls.iter().find_map(|(number, call)| Some((number as usize, verb(call)?)));
        let (call, did) = needs?;
        let mut certificate = Certificate::new(Contradiction::NeverWritten { call, did, content });
        self.add_proof(&mut certificate, call);
        Some(certificate)
    }

    fn explain_self_contradictory(&self) -> Option<Certificate> {
        let is_contradictory =
            |call: &Call| matches!(role(call, self.calls.until).1, Role::SelfContradictory(_));
        let (call, _) = self.calls.iter().find(|(_, call)| is_contradictory(call))?;
        Some(Certificate::new(Contradiction::FoundWhatItExpected { call: call as usize }))
    }

    /// Adds the proof that an operation of unknown outcome took effect: an operation that observed its product,
    /// directly or through compare-and-sets.
    fn add_proof(&self, certificate: &mut Certificate, call: usize) {
        let mut call = call;
        loop {
            certificate.add(call);
            let (returned, role) = role(&self.calls.history[call], self.calls.until);
            let (Role::Writes(content) | Role::Exchanges { value: content, .. }) = role else { return };
            if returned != Time::MAX {
                return;
            }
            let product = self.contents.interner.get(content);
            let wrote = |then| OrderingReason::SameContent { did: Verb::Wrote, content, then };
            let members = self.members(iter::once(product));
            if let Some(observer) = members.iter().find(|member| !member.produces) {
                return certificate.add_edge(call, observer.call, wrote(Verb::Saw));
            }
            let next = self.contents.versions[product as usize].next;
            let Some(next) = (next != NONE).then(|| self.producer(next)).flatten() else { return };
            if certificate.calls.contains(&next) {
                return;
            }
            certificate.add_edge(call, next, wrote(Verb::Exchanged));
            call = next;
        }
    }

    fn explain_taken_twice(&self, number: u32, one: u32, other: u32) -> Option<Certificate> {
        let (one, other) = (self.producer(one)?, self.producer(other)?);
        let (producer, content) = (self.producer(number), self.content(number));
        let mut certificate = Certificate::new(Contradiction::ExchangedTwice { one, other, content });
        let reason = |did, then| OrderingReason::SameContent { did, content, then };
        for (call, other) in [(one, other), (other, one)] {
            certificate.add_edge(call, other, reason(Verb::Exchanged, Verb::ReplacedForGood));
            self.add_proof(&mut certificate, call);
            if let Some(producer) = producer {
                certificate.add_edge(producer, call, reason(Verb::Wrote, Verb::Exchanged));
            }
        }
        Some(certificate)
    }

    fn explain_cycle(&self) -> Option<Certificate> {
        // A walk from a root never enters a cycle, because each content has one source.
        let certain = || (0..).zip(&self.contents.versions).filter(|(_, version)| version.is_certain);
        let mut is_reached = vec![false; self.contents.versions.len()];
        for (root, _) in certain().filter(|(_, version)| version.from == NONE) {
            self.contents.chain(root).for_each(|number| is_reached[number as usize] = true);
        }
        let (start, _) = certain().find(|&(number, _)| !is_reached[number as usize])?;
        let producer = |number| Some((self.producer(number)?, self.content(number)));
        let cycle: Vec<(usize, Content)> = self.contents.chain(start).filter_map(producer).collect();
        let mut certificate = Certificate::new(Contradiction::Cycle { call: cycle.first()?.0 });
        for (position, &(call, content)) in cycle.iter().enumerate() {
            let (next, _) = cycle[(position + 1) % cycle.len()];
            let (did, then) = (Verb::Wrote, Verb::Exchanged);
            certificate.add_edge(call, next, OrderingReason::SameContent { did, content, then });
            self.add_proof(&mut certificate, call);
        }
        Some(certificate)
    }

    /// Adds operations with the producers of their contents and the compare-and-sets between them, or from the
    /// start of the chain: the proof that they are in one chain.
    fn add_connection(
        certificate: &mut Certificate,
        members: &[ChainOp],
        chosen: &[ChainOp],
        is_from_start: bool,
    ) {
        chosen.iter().for_each(|member| certificate.add(member.call));
        let positions = || chosen.iter().map(|member| member.position);
        let from = positions().min().filter(|_| !is_from_start).unwrap_or(0);
        let to = positions().max().unwrap_or(0);
        let producer_at = |position| {
            let first = members.get(members.partition_point(|member| member.position < position));
            first.filter(|member| member.position == position && member.produces && position <= to)
        };
        let mut add_edge = |before: &ChainOp, after: &ChainOp, then| {
            let reason = OrderingReason::SameContent { did: verb(before), content: before.content, then };
            certificate.add_edge(before.call, after.call, reason);
        };
        for position in from..=to {
            let readers = || chosen.iter().filter(|member| member.position == position && !member.produces);
            let next = producer_at(position + 1);
            // The initial content has no producer, but may have been observed before it was replaced.
            if let Some(producer) = producer_at(position) {
                readers().for_each(|reader| add_edge(producer, reader, Verb::Saw));
                next.into_iter().for_each(|next| add_edge(producer, next, Verb::Exchanged));
            }
            if let Some(next) = next {
                readers().for_each(|reader| add_edge(reader, next, Verb::Replaced));
            }
        }
    }

    fn explain_out_of_order(&self, root: u32) -> Option<Certificate> {
        let members = self.members(self.contents.chain(root));
        let chosen @ [before, member] = find_out_of_order(&members)?;
        let (did, content) = (verb(&member), member.content);
        let evidence = match (before.position == member.position, before.produces) {
            (true, _) => OrderEvidence::Saw { content, did: Verb::Wrote },
            (false, true) => OrderEvidence::Derived { content, did, from: before.content },
            (false, false) => OrderEvidence::Replaced { content: before.content, next: content },
        };
        let (first, second) = (member.call, before.call);
        let mut certificate = Certificate::new(Contradiction::OutOfOrder { first, second, evidence });
        Self::add_connection(&mut certificate, &members, &chosen, false);
        certificate.add_edge(first, second, member.precedes(before));
        Some(certificate)
    }

    fn explain_conflicting_zones(&self, roots: [u32; 2]) -> Option<Certificate> {
        let members = roots.map(|root| self.members(self.contents.chain(root)));
        let initial = ZoneLabel::Content { content: Content::INITIAL };
        let mut extents = [Extent::of(initial, &members[0])?, Extent::of(initial, &members[1])?];
        let lasts = extents.map(|extent| extent.last);
        for (at, extent) in extents.iter_mut().enumerate() {
            // The chain of the initial content is the oldest even without a first return; then the proof needs the
            // chain from its start.
            extent.first.take_if(|first| roots[at] == 0 && first.returned >= lasts[1 - at].called);
            if let Some(first) = extent.first {
                extent.label = ZoneLabel::Content { content: first.content };
            }
        }
        let mut certificate = conflict(extents);
        for (extent, members) in extents.iter().zip(&members) {
            let ends: Vec<ChainOp> = extent.ends().collect();
            Self::add_connection(&mut certificate, members, &ends, extent.first.is_none());
        }
        let closing = add_real_time(&mut certificate, extents);
        // An operation that returned or an observer needs no proof; one of unknown outcome needs an observer.
        for call in certificate.calls.clone() {
            self.add_proof(&mut certificate, call);
        }
        if let Some((Extent { last, .. }, _, first)) = closing {
            let (did, content) = (verb(&last), last.content);
            let reason = match first.produces {
                true => OrderingReason::SameContent { did, content, then: Verb::ReplacedForGood },
                false => OrderingReason::ReplacedWhenSeen { did, content, seen: first.content },
            };
            certificate.add_edge(last.call, first.call, reason);
        }
        Some(certificate)
    }
}
