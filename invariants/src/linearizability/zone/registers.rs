//! Registers: chains of compare-and-sets.

use super::certificate::{Certificate, NamedCall, OTHER_PLACEHOLDER};
use super::layout::{Zone, ZoneLayout};
use super::{ZoneVerdict, calls};
use crate::fact::Time;
use crate::linearizability::interner::Interner;
use crate::linearizability::operation::{Call, Content};
use crate::linearizability::role::{Role, role};

/// No content: the end of the numbers.
const NONE: u32 = u32::MAX;

/// A content of the register: who wrote it, who saw it, and what it was exchanged for.
#[derive(Clone, Copy, Debug)]
struct VersionTimes {
    /// Its producer's call and return; the end of time where the outcome is unknown.
    called: Time,
    returned: Time,
    /// The first return and the last call of all who saw it.
    first_seen: Time,
    last_seen: Time,
    /// What its producer expected; [`NONE`] where that was blind.
    from: u32,
    /// What a compare-and-set made of it.
    next: u32,
    is_produced: bool,
    /// It certainly was in force at some time.
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

/// What an operation says of a register, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegisterEvent {
    pub(super) called: Time,
    /// The end of time: nobody knows.
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

/// All that a register held. Loaded one call after the other, in any order.
#[derive(Default, Debug)]
pub(super) struct RegisterContents {
    interner: Interner,
    versions: Vec<VersionTimes>,
    /// Whether a compare-and-set failed without telling what it found.
    has_unknown_mismatch: bool,
}

#[derive(Default, Debug)]
pub(super) struct RegisterZoneChecker {
    contents: RegisterContents,
    chains: RegisterChains,
}

/// What it takes to string contents together and to lay them out.
#[derive(Default, Debug)]
struct RegisterChains {
    /// Certain contents that a compare-and-set made and that are not yet linked.
    unlinked: Vec<u32>,
    layout: ZoneLayout,
}

/// What was found, in numbers of contents. The words come later, and only if need be.
pub(super) enum RegisterAnomaly {
    /// Two writes of one content, or of the initial one.
    NotUnique,
    /// Nobody wrote what was seen or exchanged.
    NeverWritten(u32),
    SelfContradictory(u32),
    /// Two compare-and-sets that both had effect took this away.
    TakenTwice(u32, u32, u32),
    /// Compare-and-sets that need each other's products.
    Cycle(u32),
    /// Within the chain of this root an operation was called after one further down had returned.
    OutOfOrder(u32),
    ConflictingZones(u32, u32),
}

impl RegisterAnomaly {
    /// With the call that shows it, where that was not known.
    fn with_call(self, call: u32) -> RegisterAnomaly {
        if matches!(self, RegisterAnomaly::SelfContradictory(_)) {
            RegisterAnomaly::SelfContradictory(call)
        } else {
            self
        }
    }
}

impl RegisterZoneChecker {
    pub(super) fn judge(&mut self, history: &[Call], mine: &[u32], until: Time) -> ZoneVerdict {
        match self.find_anomaly(history, mine, until) {
            Err(flaw) => self.contents.explain(history, mine, until, &flaw),
            Ok(()) if self.contents.has_unknown_mismatch => ZoneVerdict::NotUnique,
            Ok(()) => ZoneVerdict::Order,
        }
    }

    /// Whether one more register, of which all was noted here, surely has an order.
    pub(super) fn has_order(&mut self, mut noted: impl Iterator<Item = RegisterEvent>) -> bool {
        self.contents.clear();
        noted.all(|noted| self.contents.add(noted).is_ok()) && self.chains.has_order(&mut self.contents)
    }

    /// The same of what a register held.
    pub(super) fn has_order_of(&mut self, contents: &mut RegisterContents) -> bool {
        self.chains.has_order(contents)
    }

    fn find_anomaly(&mut self, history: &[Call], mine: &[u32], until: Time) -> Result<(), RegisterAnomaly> {
        self.contents.clear();
        for (number, call) in calls(history, mine, until) {
            self.contents.add(RegisterEvent::of(call, until)).map_err(|flaw| flaw.with_call(number))?;
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

    /// Nothing but the initial content.
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

    /// Notes what an operation produced or saw.
    #[inline]
    pub(super) fn add(&mut self, noted: RegisterEvent) -> Result<(), RegisterAnomaly> {
        let RegisterEvent { called, returned, role } = noted;
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
    /// Whether what a register held surely has an order.
    fn has_order(&mut self, contents: &mut RegisterContents) -> bool {
        !contents.has_unknown_mismatch && self.judge(contents).is_ok()
    }

    /// Whether the contents of a register can be put in an order.
    fn judge(&mut self, contents: &mut RegisterContents) -> Result<(), RegisterAnomaly> {
        let linked = self.link(&mut contents.versions)?;
        self.build_zones(contents, linked)
    }

    /// Strings contents together where a compare-and-set certainly took effect, and with it all that it needs. Returns
    /// the number of such contents.
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

    /// Walks each chain from its root and lays out its zone.
    fn build_zones(&mut self, contents: &RegisterContents, linked: usize) -> Result<(), RegisterAnomaly> {
        self.layout.clear();
        let mut walked = 0;
        for (root, version) in (0..).zip(&contents.versions) {
            if !version.is_certain || version.from != NONE {
                continue;
            }
            // All that is needed by what comes later in the chain must not have been called after that returned.
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
            // Nobody needs an initial content that nobody saw.
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
        unreached.map(|(number, _)| number).expect("fewer were walked than linked")
    }

    /// A content and what became of it, at most once around.
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

/// An operation and the content that it produced or saw; its place in a chain.
#[derive(Clone, Copy, Debug)]
struct RegisterChainOp {
    call: u32,
    content: u32,
    place: usize,
    returned: Time,
    produces: bool,
}

/// The words. None of this is on a path that a good history takes.
impl RegisterContents {
    #[cold]
    fn explain(&self, history: &[Call], mine: &[u32], until: Time, flaw: &RegisterAnomaly) -> ZoneVerdict {
        let story = RegisterExplainer { contents: self, history, mine, until };
        ZoneVerdict::Conflict(Box::new(match *flaw {
            RegisterAnomaly::NotUnique => return ZoneVerdict::NotUnique,
            RegisterAnomaly::NeverWritten(content) => match story.explain_never_written(content) {
                Some(certificate) => certificate,
                None => return ZoneVerdict::NotUnique,
            },
            RegisterAnomaly::SelfContradictory(call) => Certificate::new(
                format!("{} failed because it found what it expected", NamedCall(&history[call as usize])),
                [call],
            ),
            RegisterAnomaly::TakenTwice(content, one, other) => {
                story.explain_taken_twice(content, one, other)
            }
            RegisterAnomaly::Cycle(content) => story.explain_cycle(content),
            RegisterAnomaly::OutOfOrder(root) => story.explain_out_of_order(root),
            RegisterAnomaly::ConflictingZones(one, other) => story.explain_conflicting_zones(one, other),
        }))
    }
}

struct RegisterExplainer<'a> {
    contents: &'a RegisterContents,
    history: &'a [Call],
    mine: &'a [u32],
    until: Time,
}

impl RegisterExplainer<'_> {
    fn call(&self, number: u32) -> NamedCall<'_> {
        NamedCall(&self.history[number as usize])
    }

    /// Everybody who produced or saw one of these contents, in the order of the chain.
    fn members(&self, chain: &[u32]) -> Vec<RegisterChainOp> {
        let names = &self.contents.interner;
        let mut members = Vec::new();
        for (call, asked) in calls(self.history, self.mine, self.until) {
            let (returned, role) = role(asked, self.until);
            let (content, produces) = match role {
                Role::Sees(content) => (content, false),
                Role::Writes(content) | Role::Exchanges { value: content, .. } => (content, true),
                _ => continue,
            };
            let content = names.get(content);
            if let Some(place) = chain.iter().position(|&other| other == content) {
                members.push(RegisterChainOp { call, content, place, returned, produces });
            }
        }
        members.sort_by_key(|member| (member.place, !member.produces));
        members
    }

    fn producer(&self, content: u32) -> Option<u32> {
        self.members(&[content]).first().filter(|member| member.produces).map(|member| member.call)
    }

    fn content(&self, number: u32) -> Content {
        self.contents.interner.content(number)
    }

    fn explain_never_written(&self, content: u32) -> Option<Certificate> {
        // Who needs it: those who saw it, and compare-and-sets that certainly had effect.
        let needs =
            calls(self.history, self.mine, self.until).find(|(_, call)| match role(call, self.until) {
                (_, Role::Sees(seen)) => seen == self.content(content),
                (returned, Role::Exchanges { expect, value }) => {
                    let product = self.contents.interner.get(value);
                    expect == self.content(content)
                        && (returned != Time::MAX || self.contents.versions[product as usize].is_certain)
                }
                _ => false,
            });
        let (call, asked) = needs?;
        let what = if matches!(role(asked, self.until).1, Role::Sees(_)) { "saw" } else { "exchanged" };
        let sentence = format!("{} {what} {}, which nobody wrote", NamedCall(asked), self.content(content));
        let mut certificate = Certificate::new(sentence, [call]);
        self.add_proof(&mut certificate, call);
        Some(certificate)
    }

    /// Adds what shows that an operation of unknown outcome happened: who saw its product, if need be through
    /// compare-and-sets.
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
            let seen = self.members(&[product]).into_iter().find(|member| !member.produces);
            if let Some(seen) = seen {
                certificate.add([seen.call]);
                certificate.add_edge(
                    call,
                    seen.call,
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
        let producers =
            [self.producer(one), self.producer(other)].map(|call| call.expect("linked, so produced"));
        let sentence = format!(
            "{} and {} both had effect, but each takes {} away, which was there once",
            self.call(producers[0]),
            self.call(producers[1]),
            self.content(content)
        );
        let mut certificate = Certificate::new(sentence, self.producer(content));
        for (call, other) in [(producers[0], producers[1]), (producers[1], producers[0])] {
            let why =
                format!("exchanged {}, which {OTHER_PLACEHOLDER} took away for good", self.content(content));
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
        let mut circle: Vec<u32> = self.contents.chain(content).take(self.contents.versions.len()).collect();
        // The walk may begin outside of the circle only if it never enters one, for each content has one source.
        circle.dedup();
        let producers: Vec<u32> = circle.iter().filter_map(|&content| self.producer(content)).collect();
        let sentence = format!("{} and what it needs need each other's products", self.call(producers[0]));
        let mut certificate = Certificate::new(sentence, []);
        for (place, &call) in producers.iter().enumerate() {
            let next = producers[(place + 1) % producers.len()];
            let why = format!("wrote {}, which {OTHER_PLACEHOLDER} exchanged", self.content(circle[place]));
            match call == next {
                true => certificate.add_self_edge(call, why),
                false => certificate.add_edge(call, next, why),
            }
            self.add_proof(&mut certificate, call);
        }
        certificate
    }

    /// Adds operations with the producers of their contents and the compare-and-sets between them, which show that they
    /// stand together.
    fn add_connection(
        &self,
        certificate: &mut Certificate,
        members: &[RegisterChainOp],
        chosen: &[RegisterChainOp],
        from: usize,
    ) {
        let from = chosen.iter().map(|member| member.place).min().unwrap_or(0).min(from);
        let to = chosen.iter().map(|member| member.place).max().unwrap_or(0);
        certificate.add(chosen.iter().map(|member| member.call));
        let producers = |place| members.iter().find(move |member| member.place == place && member.produces);
        for place in from..=to {
            let readers = || chosen.iter().filter(|member| member.place == place && !member.produces);
            let next = producers(place + 1).filter(|next| next.place <= to);
            // What is there in the beginning nobody wrote, but somebody may have seen it before it was taken away.
            if let Some(producer) = producers(place) {
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
                        format!("saw {}, which {OTHER_PLACEHOLDER} took away", self.content(reader.content)),
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
                    match (before.place == member.place, before.produces) {
                        (true, _) =>
                            format!("it saw {}, which the second wrote", self.content(member.content)),
                        (false, true) => format!(
                            "{}, which it {}, was made out of {}, which the second wrote",
                            self.content(member.content),
                            if member.produces { "wrote" } else { "saw" },
                            self.content(before.content)
                        ),
                        (false, false) => format!(
                            "{}, which the second saw, was gone by the time of {}",
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
        unreachable!("the walk along the chain found one")
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
        // What was there in the beginning needs nobody to be the first, but then all that was made of it until then.
        let needed = |root: u32, first: Option<RegisterChainOp>, last: RegisterChainOp| {
            let called = self.history[last.call as usize].called;
            first.filter(|first| root != 0 || first.returned < called)
        };
        let (one_first, other_first) =
            (needed(one, one_first, other_last), needed(other, other_first, one_last));
        let older = |first: Option<RegisterChainOp>, last: RegisterChainOp, which: Content, than: Content| {
            match first {
                None => format!("{which} was there in the beginning, so it is older than {than}"),
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
            "{}; {}; each of them was there once, and without a break",
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
        // Whether an acknowledged operation and one that was seen suffice: an unknown one needs somebody who saw it.
        for call in certificate.calls.clone() {
            self.add_proof(&mut certificate, call);
        }
        // The one is older than the other, so all of the one stands before all of the other: also its last operation before
        // the other's first, which had returned when it was called.
        let older = if other_first.is_some() { (one_last, other_first) } else { (other_last, one_first) };
        if let (last, Some(first)) = older {
            let had = if last.produces { "wrote" } else { "saw" };
            let gone = match first.produces {
                true => format!("which {OTHER_PLACEHOLDER} replaced for good"),
                false => format!(
                    "which was gone for good when {OTHER_PLACEHOLDER} saw {}",
                    self.content(first.content)
                ),
            };
            let why = format!("{had} {}, {gone}", self.content(last.content));
            certificate.add_edge(last.call, first.call, why);
        }
        certificate
    }
}
