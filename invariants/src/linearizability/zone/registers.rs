//! The zone check of registers: chains of contents linked by compare-and-sets.

use super::certificate::{Certificate, NamedCall, OTHER_PLACEHOLDER};
use super::layout::{Zone, ZoneLayout};
use super::{ZoneVerdict, calls};
use crate::fact::Time;
use crate::linearizability::interner::Interner;
use crate::linearizability::operation::{Call, Content};
use crate::linearizability::role::{Role, role};

/// No content.
const NONE: u32 = u32::MAX;

/// A content of the register: its producer, its observers, and what it was exchanged for.
#[derive(Clone, Copy, Debug)]
struct VersionTimes {
    /// Its producer's invocation and return; [`Time::MAX`] if the outcome is unknown.
    called: Time,
    returned: Time,
    /// The first return and the last invocation of the operations that observed it.
    first_seen: Time,
    last_seen: Time,
    /// The content that its producer expected; [`NONE`]: the producer was a plain write.
    from: u32,
    /// The content that a compare-and-set exchanged it for.
    next: u32,
    is_produced: bool,
    /// Whether the register certainly held it at some time.
    is_certain: bool,
}

const UNSEEN_VERSION: VersionTimes = VersionTimes {
    called: 0,
    returned: Time::MAX,
    first_seen: Time::MAX,
    last_seen: 0,
    from: NONE,
    next: NONE,
    is_produced: false,
    is_certain: false,
};

/// What an operation requires of a register and does to it, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegisterEvent {
    pub(super) called: Time,
    /// [`Time::MAX`]: not returned.
    pub(super) returned: Time,
    pub(super) role: Role,
}

impl RegisterEvent {
    #[inline]
    pub(super) fn of(call: &Call, until: Time) -> RegisterEvent {
        let (returned, role) = role(call, until);
        RegisterEvent { called: call.called, returned, role }
    }
}

/// The contents of one register. Calls may be added in any order.
#[derive(Default, Debug)]
pub(super) struct RegisterContents {
    interner: Interner,
    versions: Vec<VersionTimes>,
    /// Whether a failed compare-and-set did not return the content.
    has_unknown_mismatch: bool,
}

#[derive(Default, Debug)]
pub(super) struct RegisterZoneChecker {
    contents: RegisterContents,
    chains: RegisterChains,
}

/// The memory for linking contents to chains and for their zones.
#[derive(Default, Debug)]
struct RegisterChains {
    /// Certain contents produced by a compare-and-set that are not linked yet.
    unlinked: Vec<u32>,
    layout: ZoneLayout,
}

/// A contradiction, in numbers of contents. The text is made later, and only if needed.
pub(super) enum RegisterAnomaly {
    /// Two writes of one content, or of the initial one.
    NotUnique,
    /// A content that was observed or exchanged, but never written.
    NeverWritten(u32),
    SelfContradictory(u32),
    /// Two compare-and-sets that both took effect expected this content.
    TakenTwice(u32, u32, u32),
    /// Compare-and-sets that depend on each other's products.
    Cycle(u32),
    /// In the chain of this root an operation was invoked after one further down the chain had returned.
    OutOfOrder(u32),
    ConflictingZones(u32, u32),
}

impl RegisterAnomaly {
    /// Sets the call of a self-contradiction, which is not known where that is found.
    fn with_call(self, call: u32) -> RegisterAnomaly {
        if matches!(self, RegisterAnomaly::SelfContradictory(_)) {
            RegisterAnomaly::SelfContradictory(call)
        } else {
            self
        }
    }
}

impl RegisterZoneChecker {
    pub(super) fn judge(&mut self, history: &[Call], key_calls: &[u32], until: Time) -> ZoneVerdict {
        match self.find_anomaly(history, key_calls, until) {
            Err(anomaly) => self.contents.explain(history, key_calls, until, &anomaly),
            Ok(()) if self.contents.has_unknown_mismatch => ZoneVerdict::NotUnique,
            Ok(()) => ZoneVerdict::Order,
        }
    }

    /// Whether the register with these events certainly has an order.
    pub(super) fn has_order(&mut self, mut events: impl Iterator<Item = RegisterEvent>) -> bool {
        self.contents.clear();
        events.all(|event| self.contents.add(event).is_ok()) && self.chains.has_order(&mut self.contents)
    }

    /// Whether the register with these contents certainly has an order.
    pub(super) fn has_order_of(&mut self, contents: &mut RegisterContents) -> bool {
        self.chains.has_order(contents)
    }

    fn find_anomaly(
        &mut self,
        history: &[Call],
        key_calls: &[u32],
        until: Time,
    ) -> Result<(), RegisterAnomaly> {
        self.contents.clear();
        for (number, call) in calls(history, key_calls, until) {
            self.contents.add(RegisterEvent::of(call, until)).map_err(|anomaly| anomaly.with_call(number))?;
        }
        self.chains.judge(&mut self.contents)
    }
}

impl RegisterContents {
    pub(super) fn new() -> RegisterContents {
        let mut contents = RegisterContents::default();
        contents.clear();
        contents
    }

    /// Resets to the initial content alone.
    fn clear(&mut self) {
        self.interner.clear();
        self.versions.clear();
        self.has_unknown_mismatch = false;
        let (_, initial) = self.version(Content::INITIAL);
        (initial.is_produced, initial.is_certain, initial.returned) = (true, true, 0);
    }

    #[inline]
    fn version(&mut self, content: Content) -> (u32, &mut VersionTimes) {
        let number = self.interner.number(content);
        if number as usize == self.versions.len() {
            self.versions.push(UNSEEN_VERSION);
        }
        (number, &mut self.versions[number as usize])
    }

    /// Adds what an operation produced or observed.
    #[inline]
    pub(super) fn add(&mut self, event: RegisterEvent) -> Result<(), RegisterAnomaly> {
        let RegisterEvent { called, returned, role } = event;
        let (from, product) = match role {
            Role::Sees(content) => {
                let (_, version) = self.version(content);
                version.first_seen = version.first_seen.min(returned);
                version.last_seen = version.last_seen.max(called);
                version.is_certain = true;
                return Ok(());
            }
            Role::SeesOther(_) => {
                self.has_unknown_mismatch = true;
                return Ok(());
            }
            Role::Writes(content) => (NONE, content),
            Role::Exchanges { expect, value } => (self.version(expect).0, value),
            Role::SelfContradictory(_) => return Err(RegisterAnomaly::SelfContradictory(NONE)),
            Role::Nothing => return Ok(()),
        };
        let (_, version) = self.version(product);
        if version.is_produced {
            return Err(RegisterAnomaly::NotUnique);
        }
        version.is_produced = true;
        (version.called, version.returned, version.from) = (called, returned, from);
        version.is_certain |= returned != Time::MAX;
        Ok(())
    }
}

impl RegisterChains {
    /// Whether the register's contents certainly have an order.
    fn has_order(&mut self, contents: &mut RegisterContents) -> bool {
        !contents.has_unknown_mismatch && self.judge(contents).is_ok()
    }

    /// Looks for a contradiction among the register's contents.
    fn judge(&mut self, contents: &mut RegisterContents) -> Result<(), RegisterAnomaly> {
        let linked = self.link(&mut contents.versions)?;
        self.build_zones(contents, linked)
    }

    /// Links each content that a compare-and-set certainly produced to the content that it expected, which is then
    /// certain too. Returns the number of links.
    fn link(&mut self, versions: &mut [VersionTimes]) -> Result<usize, RegisterAnomaly> {
        self.unlinked.clear();
        for (number, version) in (0..).zip(&*versions) {
            if version.is_certain {
                if !version.is_produced {
                    return Err(RegisterAnomaly::NeverWritten(number));
                }
                if version.from != NONE {
                    self.unlinked.push(number);
                }
            }
        }
        let mut linked = 0;
        while let Some(number) = self.unlinked.pop() {
            let from = versions[number as usize].from;
            let source = &mut versions[from as usize];
            if !source.is_produced {
                return Err(RegisterAnomaly::NeverWritten(from));
            }
            if source.next != NONE {
                return Err(RegisterAnomaly::TakenTwice(from, source.next, number));
            }
            source.next = number;
            linked += 1;
            if !source.is_certain {
                source.is_certain = true;
                if source.from != NONE {
                    self.unlinked.push(from);
                }
            }
        }
        Ok(linked)
    }

    /// Walks each chain from its root and adds its zone.
    fn build_zones(&mut self, contents: &RegisterContents, linked: usize) -> Result<(), RegisterAnomaly> {
        self.layout.clear();
        let mut walked = 0;
        for (root, version) in (0..).zip(&contents.versions) {
            if !version.is_certain || version.from != NONE {
                continue;
            }
            // An operation must not have been invoked after one further down the chain returned.
            let (mut first_return, mut last_call) = (Time::MAX, 0);
            let mut next = root;
            while next != NONE {
                let version = &contents.versions[next as usize];
                if next != 0 {
                    if version.returned < last_call {
                        return Err(RegisterAnomaly::OutOfOrder(root));
                    }
                    last_call = last_call.max(version.called);
                    first_return = first_return.min(version.returned);
                }
                if version.first_seen < last_call {
                    return Err(RegisterAnomaly::OutOfOrder(root));
                }
                last_call = last_call.max(version.last_seen);
                first_return = first_return.min(version.first_seen);
                walked += usize::from(version.from != NONE);
                next = version.next;
            }
            let after_first_return = if root == 0 { 0 } else { first_return.saturating_add(1) };
            // An initial content that was never observed constrains nothing.
            if root != 0 || first_return != Time::MAX {
                self.layout.push(Zone { after_first_return, last_call, chain: root });
            }
        }
        if walked < linked {
            return Err(RegisterAnomaly::Cycle(contents.find_cycle()));
        }
        match self.layout.find_conflict() {
            None => Ok(()),
            Some((one, other)) => Err(RegisterAnomaly::ConflictingZones(one.chain, other.chain)),
        }
    }
}

impl RegisterContents {
    /// A content that no walk from a root reaches.
    #[cold]
    fn find_cycle(&self) -> u32 {
        let mut is_reached = vec![false; self.versions.len()];
        for (root, version) in (0..).zip(&self.versions) {
            if version.is_certain && version.from == NONE {
                self.chain(root).for_each(|number| is_reached[number as usize] = true);
            }
        }
        let unreached = (0..)
            .zip(&self.versions)
            .find(|&(number, version)| version.is_certain && !is_reached[number as usize]);
        unreached
            .map(|(number, _)| number)
            .expect("an unreached content, since the walks saw fewer links than exist")
    }

    /// A content and its successors in the chain, at most once around a cycle.
    fn chain(&self, root: u32) -> impl Iterator<Item = u32> {
        let mut next = Some(root);
        std::iter::from_fn(move || {
            let number = next?;
            let after = self.versions[number as usize].next;
            next = (after != NONE && after != root).then_some(after);
            Some(number)
        })
    }
}

/// An operation, the content that it produced or observed, and that content's position in the chain.
#[derive(Clone, Copy, Debug)]
struct RegisterChainOp {
    call: u32,
    content: u32,
    position: usize,
    returned: Time,
    produces: bool,
}

/// Explanations, off the hot path.
impl RegisterContents {
    #[cold]
    fn explain(
        &self,
        history: &[Call],
        key_calls: &[u32],
        until: Time,
        anomaly: &RegisterAnomaly,
    ) -> ZoneVerdict {
        let explainer = RegisterExplainer { contents: self, history, key_calls, until };
        ZoneVerdict::Conflict(Box::new(match *anomaly {
            RegisterAnomaly::NotUnique => return ZoneVerdict::NotUnique,
            RegisterAnomaly::NeverWritten(content) => match explainer.explain_never_written(content) {
                Some(certificate) => certificate,
                None => return ZoneVerdict::NotUnique,
            },
            RegisterAnomaly::SelfContradictory(call) => Certificate::new(
                format!("{} failed because it found what it expected", NamedCall(&history[call as usize])),
                [call],
            ),
            RegisterAnomaly::TakenTwice(content, one, other) => {
                explainer.explain_taken_twice(content, one, other)
            }
            RegisterAnomaly::Cycle(content) => explainer.explain_cycle(content),
            RegisterAnomaly::OutOfOrder(root) => explainer.explain_out_of_order(root),
            RegisterAnomaly::ConflictingZones(one, other) => explainer.explain_conflicting_zones(one, other),
        }))
    }
}

struct RegisterExplainer<'a> {
    contents: &'a RegisterContents,
    history: &'a [Call],
    key_calls: &'a [u32],
    until: Time,
}

impl RegisterExplainer<'_> {
    fn call(&self, number: u32) -> NamedCall<'_> {
        NamedCall(&self.history[number as usize])
    }

    /// The operations that produced or observed one of these contents, in the order of the chain.
    fn members(&self, chain: &[u32]) -> Vec<RegisterChainOp> {
        let interner = &self.contents.interner;
        let mut members = Vec::new();
        for (call, operation) in calls(self.history, self.key_calls, self.until) {
            let (returned, role) = role(operation, self.until);
            let (content, produces) = match role {
                Role::Sees(content) => (content, false),
                Role::Writes(content) | Role::Exchanges { value: content, .. } => (content, true),
                _ => continue,
            };
            let content = interner.get(content);
            if let Some(position) = chain.iter().position(|&other| other == content) {
                members.push(RegisterChainOp { call, content, position, returned, produces });
            }
        }
        members.sort_by_key(|member| (member.position, !member.produces));
        members
    }

    fn producer(&self, content: u32) -> Option<u32> {
        self.members(&[content]).first().filter(|member| member.produces).map(|member| member.call)
    }

    fn content(&self, number: u32) -> Content {
        self.contents.interner.content(number)
    }

    fn explain_never_written(&self, content: u32) -> Option<Certificate> {
        // An operation that needs it: it observed it, or is a compare-and-set that certainly took effect.
        let needing =
            calls(self.history, self.key_calls, self.until).find(|(_, call)| match role(call, self.until) {
                (_, Role::Sees(observed)) => observed == self.content(content),
                (returned, Role::Exchanges { expect, value }) => {
                    let product = self.contents.interner.get(value);
                    expect == self.content(content)
                        && (returned != Time::MAX || self.contents.versions[product as usize].is_certain)
                }
                _ => false,
            });
        let (call, operation) = needing?;
        let what = if matches!(role(operation, self.until).1, Role::Sees(_)) { "saw" } else { "exchanged" };
        let sentence =
            format!("{} {what} {}, which was never written", NamedCall(operation), self.content(content));
        let mut certificate = Certificate::new(sentence, [call]);
        self.add_proof(&mut certificate, call);
        Some(certificate)
    }

    /// Adds the proof that an operation of unknown outcome took effect: an operation that observed its product,
    /// directly or through compare-and-sets.
    fn add_proof(&self, certificate: &mut Certificate, call: u32) {
        let mut call = call;
        loop {
            certificate.add([call]);
            let (returned, role) = role(&self.history[call as usize], self.until);
            let (Role::Writes(product) | Role::Exchanges { value: product, .. }) = role else { return };
            if returned != Time::MAX {
                return;
            }
            let product = self.contents.interner.get(product);
            let observer = self.members(&[product]).into_iter().find(|member| !member.produces);
            if let Some(observer) = observer {
                certificate.add([observer.call]);
                certificate.add_edge(
                    call,
                    observer.call,
                    format!("wrote {}, which {OTHER_PLACEHOLDER} saw", self.content(product)),
                );
                return;
            }
            let next = self.contents.versions[product as usize].next;
            let Some(next) = (next != NONE).then(|| self.producer(next)).flatten() else { return };
            if certificate.calls.contains(&next) {
                return;
            }
            certificate.add_edge(
                call,
                next,
                format!("wrote {}, which {OTHER_PLACEHOLDER} exchanged", self.content(product)),
            );
            call = next;
        }
    }

    fn explain_taken_twice(&self, content: u32, one: u32, other: u32) -> Certificate {
        let producers = [self.producer(one), self.producer(other)]
            .map(|call| call.expect("a linked content has a producer"));
        let sentence = format!(
            "{} and {} both took effect, but each replaced {}, which the register held once",
            self.call(producers[0]),
            self.call(producers[1]),
            self.content(content)
        );
        let mut certificate = Certificate::new(sentence, self.producer(content));
        for (call, other) in [(producers[0], producers[1]), (producers[1], producers[0])] {
            let why =
                format!("exchanged {}, which {OTHER_PLACEHOLDER} replaced for good", self.content(content));
            certificate.add_edge(call, other, why);
            self.add_proof(&mut certificate, call);
            if let Some(producer) = self.producer(content) {
                certificate.add_edge(
                    producer,
                    call,
                    format!("wrote {}, which {OTHER_PLACEHOLDER} exchanged", self.content(content)),
                );
            }
        }
        certificate
    }

    fn explain_cycle(&self, content: u32) -> Certificate {
        let mut cycle: Vec<u32> = self.contents.chain(content).take(self.contents.versions.len()).collect();
        // A walk that starts outside a cycle never enters one, because each content has one source.
        cycle.dedup();
        let producers: Vec<u32> = cycle.iter().filter_map(|&content| self.producer(content)).collect();
        let sentence =
            format!("{} and the writes that it depends on depend on each other", self.call(producers[0]));
        let mut certificate = Certificate::new(sentence, []);
        for (position, &call) in producers.iter().enumerate() {
            let next = producers[(position + 1) % producers.len()];
            let why = format!("wrote {}, which {OTHER_PLACEHOLDER} exchanged", self.content(cycle[position]));
            match call == next {
                true => certificate.add_self_edge(call, why),
                false => certificate.add_edge(call, next, why),
            }
            self.add_proof(&mut certificate, call);
        }
        certificate
    }

    /// Adds operations with the producers of their contents and the compare-and-sets between them: the proof that
    /// they are in one chain.
    fn add_connection(
        &self,
        certificate: &mut Certificate,
        members: &[RegisterChainOp],
        chosen: &[RegisterChainOp],
        from: usize,
    ) {
        let from = chosen.iter().map(|member| member.position).min().unwrap_or(0).min(from);
        let to = chosen.iter().map(|member| member.position).max().unwrap_or(0);
        certificate.add(chosen.iter().map(|member| member.call));
        let producers =
            |position| members.iter().find(move |member| member.position == position && member.produces);
        for position in from..=to {
            let readers = || chosen.iter().filter(|member| member.position == position && !member.produces);
            let next = producers(position + 1).filter(|next| next.position <= to);
            // The initial content has no producer, but may have been observed before it was replaced.
            if let Some(producer) = producers(position) {
                certificate.add([producer.call]);
                let content = self.content(producer.content);
                for reader in readers() {
                    certificate.add_edge(
                        producer.call,
                        reader.call,
                        format!("wrote {content}, which {OTHER_PLACEHOLDER} saw"),
                    );
                }
                if let Some(next) = next {
                    certificate.add_edge(
                        producer.call,
                        next.call,
                        format!("wrote {content}, which {OTHER_PLACEHOLDER} exchanged"),
                    );
                }
            }
            if let Some(next) = next {
                for reader in readers() {
                    certificate.add_edge(
                        reader.call,
                        next.call,
                        format!("saw {}, which {OTHER_PLACEHOLDER} replaced", self.content(reader.content)),
                    );
                }
            }
        }
    }

    fn explain_out_of_order(&self, root: u32) -> Certificate {
        let chain: Vec<u32> = self.contents.chain(root).collect();
        let members = self.members(&chain);
        let mut latest: Option<RegisterChainOp> = None;
        for &member in &members {
            if let Some(before) = latest
                && member.returned < self.history[before.call as usize].called
            {
                let sentence = format!(
                    "{} returned before {} was called, but {}",
                    self.call(member.call),
                    self.call(before.call),
                    match (before.position == member.position, before.produces) {
                        (true, _) =>
                            format!("it saw {}, which the second wrote", self.content(member.content)),
                        (false, true) => format!(
                            "{}, which it {}, was derived from {}, which the second wrote",
                            self.content(member.content),
                            if member.produces { "wrote" } else { "saw" },
                            self.content(before.content)
                        ),
                        (false, false) => format!(
                            "{}, which the second saw, had been replaced before {}",
                            self.content(before.content),
                            self.content(member.content)
                        ),
                    }
                );
                let mut certificate = Certificate::new(sentence, []);
                self.add_connection(&mut certificate, &members, &[before, member], usize::MAX);
                certificate.add_real_time_edge(self.history, member.call, before.call);
                return certificate;
            }
            let called = |member: RegisterChainOp| self.history[member.call as usize].called;
            if latest.is_none_or(|latest| called(latest) < called(member)) {
                latest = Some(member);
            }
        }
        unreachable!("build_zones found an operation out of order in this chain")
    }

    fn explain_conflicting_zones(&self, one: u32, other: u32) -> Certificate {
        let extremes = |root: u32| {
            let chain: Vec<u32> = self.contents.chain(root).collect();
            let members = self.members(&chain);
            let first = members.iter().copied().min_by_key(|member| member.returned);
            let last = members.iter().copied().max_by_key(|member| self.history[member.call as usize].called);
            (members, first, last.expect("a zone has a call"))
        };
        let (one_members, one_first, one_last) = extremes(one);
        let (other_members, other_first, other_last) = extremes(other);
        // The chain of the initial content is the oldest even without a first return; then the proof needs the chain
        // from its start.
        let needed = |root: u32, first: Option<RegisterChainOp>, last: RegisterChainOp| {
            let called = self.history[last.call as usize].called;
            first.filter(|first| root != 0 || first.returned < called)
        };
        let (one_first, other_first) =
            (needed(one, one_first, other_last), needed(other, other_first, one_last));
        let older = |first: Option<RegisterChainOp>, last: RegisterChainOp, which: Content, than: Content| {
            match first {
                None => format!("{which} is the initial content, so it is older than {than}"),
                Some(first) => format!(
                    "{} returned before {} was called, so {which} is older than {than}",
                    self.call(first.call),
                    self.call(last.call)
                ),
            }
        };
        let content = |first: Option<RegisterChainOp>| {
            first.map_or(Content::INITIAL, |first| self.content(first.content))
        };
        let (this, that) = (content(one_first), content(other_first));
        let sentence = format!(
            "{}; {}; the register held each of them once, without interruption",
            older(one_first, other_last, this, that),
            older(other_first, one_last, that, this)
        );
        let mut certificate = Certificate::new(sentence, []);
        for (members, first, last) in
            [(&one_members, one_first, one_last), (&other_members, other_first, other_last)]
        {
            let mut chosen: Vec<RegisterChainOp> = first.into_iter().chain([last]).collect();
            chosen.dedup_by_key(|member| member.call);
            let from = if first.is_none() { 0 } else { usize::MAX };
            self.add_connection(&mut certificate, members, &chosen, from);
        }
        for (first, last) in [(one_first, other_last), (other_first, one_last)] {
            if let Some(first) = first {
                certificate.add_real_time_edge(self.history, first.call, last.call);
            }
        }
        // An operation that returned or an observer needs no proof; one of unknown outcome needs an observer.
        for call in certificate.calls.clone() {
            self.add_proof(&mut certificate, call);
        }
        // One chain precedes the other entirely, so its last operation precedes the other's first, which had returned
        // when that last operation was invoked.
        let older = if other_first.is_some() { (one_last, other_first) } else { (other_last, one_first) };
        if let (last, Some(first)) = older {
            let verb = if last.produces { "wrote" } else { "saw" };
            let reason = match first.produces {
                true => format!("which {OTHER_PLACEHOLDER} replaced for good"),
                false => format!(
                    "which had been replaced for good when {OTHER_PLACEHOLDER} saw {}",
                    self.content(first.content)
                ),
            };
            let why = format!("{verb} {}, {reason}", self.content(last.content));
            certificate.add_edge(last.call, first.call, why);
        }
        certificate
    }
}
