//! Explains why a register's contents have no order, off the hot path.

use super::contents::{NONE, RegisterAnomaly, RegisterContents};
use crate::fact::Time;
use crate::linearizability::contradiction::{
    CallIndex, Contradiction, OrderEvidence, OrderingReason, Verb, ZoneLabel, ZoneOrder,
};
use crate::linearizability::operation::{Call, Content};
use crate::linearizability::role::{Role, role};
use crate::linearizability::zone::KeyCalls;
use crate::linearizability::zone::certificate::Certificate;
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
            explainer.explain_taken_twice(content, [one, other])
        }
        RegisterAnomaly::Cycle => explainer.explain_cycle(),
        RegisterAnomaly::OutOfOrder(root) => explainer.explain_out_of_order(root),
        RegisterAnomaly::ConflictingZones(one, other) => explainer.explain_conflicting_zones(one, other),
    }
}

struct RegisterExplainer<'a> {
    contents: &'a RegisterContents,
    calls: KeyCalls<'a>,
}

/// An operation, the content that it produced or observed, and that content's position in the chain.
#[derive(Clone, Copy, Debug)]
struct RegisterChainOp {
    call: usize,
    called: Time,
    returned: Time,
    content: Content,
    position: usize,
    produces: bool,
}

impl RegisterChainOp {
    const fn verb(&self) -> Verb {
        if self.produces { Verb::Wrote } else { Verb::Saw }
    }

    /// It returned before the other was called.
    const fn real_time(&self, other: RegisterChainOp) -> OrderingReason {
        OrderingReason::RealTime { returned: self.returned, called: other.called }
    }
}

/// The operations of a chain, with the first that returned and the last that was called.
struct ChainExtent {
    members: Vec<RegisterChainOp>,
    first: Option<RegisterChainOp>,
    last: RegisterChainOp,
}

impl RegisterExplainer<'_> {
    /// The operations that produced or observed one of these contents, in the order of the chain.
    fn members(&self, chain: impl Iterator<Item = u32>) -> Vec<RegisterChainOp> {
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
            Some(RegisterChainOp { call, called, returned, content, position, produces })
        };
        let mut members: Vec<RegisterChainOp> = self.calls.iter().filter_map(member).collect();
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
        let contradiction = Contradiction::NeverWritten { call: CallIndex(call), did, content };
        let mut certificate = Certificate::new(contradiction);
        self.add_proof(&mut certificate, call);
        Some(certificate)
    }

    fn explain_self_contradictory(&self) -> Option<Certificate> {
        let is_contradictory =
            |call: &Call| matches!(role(call, self.calls.until).1, Role::SelfContradictory(_));
        let (call, _) = self.calls.iter().find(|(_, call)| is_contradictory(call))?;
        Some(Certificate::new(Contradiction::FoundWhatItExpected { call: CallIndex(call as usize) }))
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
                certificate.add_edge(call, observer.call, wrote(Verb::Saw));
                return;
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

    fn explain_taken_twice(&self, number: u32, products: [u32; 2]) -> Option<Certificate> {
        let [one, other] = products.map(|product| self.producer(product));
        let (one, other, content) = (one?, other?, self.content(number));
        let mut certificate = Certificate::new(Contradiction::ExchangedTwice {
            one: CallIndex(one),
            other: CallIndex(other),
            content,
        });
        let reason = |did, then| OrderingReason::SameContent { did, content, then };
        let producer = self.producer(number);
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
        let numbered = || (0..).zip(&self.contents.versions).filter(|(_, version)| version.is_certain);
        let mut is_reached = vec![false; self.contents.versions.len()];
        for (root, _) in numbered().filter(|(_, version)| version.from == NONE) {
            self.contents.chain(root).for_each(|number| is_reached[number as usize] = true);
        }
        let (start, _) = numbered().find(|&(number, _)| !is_reached[number as usize])?;
        let producer = |number| Some((self.producer(number)?, self.content(number)));
        let cycle: Vec<(usize, Content)> = self.contents.chain(start).filter_map(producer).collect();
        let mut certificate = Certificate::new(Contradiction::Cycle { call: CallIndex(cycle.first()?.0) });
        for (position, &(call, content)) in cycle.iter().enumerate() {
            let (next, _) = cycle[(position + 1) % cycle.len()];
            let reason = OrderingReason::SameContent { did: Verb::Wrote, content, then: Verb::Exchanged };
            certificate.add_edge(call, next, reason);
            self.add_proof(&mut certificate, call);
        }
        Some(certificate)
    }

    /// Adds operations with the producers of their contents and the compare-and-sets between them, or from the
    /// start of the chain: the proof that they are in one chain.
    fn add_connection(
        certificate: &mut Certificate,
        members: &[RegisterChainOp],
        chosen: &[RegisterChainOp],
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
        let mut add_edge = |before: &RegisterChainOp, after: &RegisterChainOp, then| {
            let reason = OrderingReason::SameContent { did: before.verb(), content: before.content, then };
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
        let mut latest: Option<RegisterChainOp> = None;
        for &member in &members {
            if let Some(before) = latest
                && member.returned < before.called
            {
                let evidence = match (before.position == member.position, before.produces) {
                    (true, _) => OrderEvidence::Saw { content: member.content, did: Verb::Wrote },
                    (false, true) => OrderEvidence::Derived {
                        content: member.content,
                        did: member.verb(),
                        from: before.content,
                    },
                    (false, false) => {
                        OrderEvidence::Replaced { content: before.content, next: member.content }
                    }
                };
                let (first, second) = (CallIndex(member.call), CallIndex(before.call));
                let mut certificate = Certificate::new(Contradiction::OutOfOrder { first, second, evidence });
                Self::add_connection(&mut certificate, &members, &[before, member], false);
                certificate.add_edge(member.call, before.call, member.real_time(before));
                return Some(certificate);
            }
            if latest.is_none_or(|latest| latest.called < member.called) {
                latest = Some(member);
            }
        }
        None
    }

    fn extent(&self, root: u32) -> Option<ChainExtent> {
        let members = self.members(self.contents.chain(root));
        let first = members.iter().copied().min_by_key(|member| member.returned);
        let last = members.iter().copied().max_by_key(|member| member.called)?;
        Some(ChainExtent { members, first, last })
    }

    fn explain_conflicting_zones(&self, one_root: u32, other_root: u32) -> Option<Certificate> {
        let (mut one, mut other) = (self.extent(one_root)?, self.extent(other_root)?);
        // The chain of the initial content is the oldest even without a first return; then the proof needs the chain
        // from its start.
        one.first = one.first.filter(|first| one_root != 0 || first.returned < other.last.called);
        other.first = other.first.filter(|first| other_root != 0 || first.returned < one.last.called);
        let content = |extent: &ChainExtent| extent.first.map_or(Content::INITIAL, |first| first.content);
        let pairs = [(&one, &other), (&other, &one)];
        let [one_order, other_order] = pairs.map(|(older, newer)| {
            let (older_content, newer_content) = (content(older), content(newer));
            let newer_label = ZoneLabel::Content { content: newer_content };
            match older.first {
                None => ZoneOrder::InitialContent { older: older_content, newer: newer_label },
                Some(first) => ZoneOrder::RealTime {
                    first: CallIndex(first.call),
                    second: CallIndex(newer.last.call),
                    older: ZoneLabel::Content { content: older_content },
                    newer: newer_label,
                },
            }
        });
        let contradiction = Contradiction::ConflictingContents { one: one_order, other: other_order };
        let mut certificate = Certificate::new(contradiction);
        for ChainExtent { members, first, last } in [&one, &other] {
            let mut chosen: Vec<RegisterChainOp> = first.iter().copied().chain([*last]).collect();
            chosen.dedup_by_key(|member| member.call);
            Self::add_connection(&mut certificate, members, &chosen, first.is_none());
        }
        for (older, newer) in pairs {
            if let Some(first) = older.first {
                certificate.add_edge(first.call, newer.last.call, first.real_time(newer.last));
            }
        }
        // An operation that returned or an observer needs no proof; one of unknown outcome needs an observer.
        for call in certificate.calls.clone() {
            self.add_proof(&mut certificate, call);
        }
        // One chain precedes the other entirely, so its last operation precedes the other's first, which had returned
        // when that last operation was invoked.
        let (older, newer) = if other.first.is_some() { (one, other) } else { (other, one) };
        if let Some(after) = newer.first {
            let (did, content) = (older.last.verb(), older.last.content);
            let reason = match after.produces {
                true => OrderingReason::SameContent { did, content, then: Verb::ReplacedForGood },
                false => OrderingReason::ReplacedWhenSeen { did, content, seen: after.content },
            };
            certificate.add_edge(older.last.call, after.call, reason);
        }
        Some(certificate)
    }
}
