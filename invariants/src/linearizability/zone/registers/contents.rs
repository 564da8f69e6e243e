//! The contents of a register, from its operations.

use crate::fact::Time;
use crate::linearizability::interner::Interner;
use crate::linearizability::operation::{Call, Content};
use crate::linearizability::role::{Role, role};

/// No content.
pub(super) const NONE: u32 = u32::MAX;

/// A content of the register: its producer, its observers, and what it was exchanged for.
#[derive(Clone, Copy, Debug)]
pub(super) struct VersionTimes {
    /// Its producer's invocation and return; [`Time::MAX`] if the outcome is unknown.
    pub(super) called: Time,
    pub(super) returned: Time,
    /// The first return and the last invocation of the operations that observed it.
    pub(super) first_seen: Time,
    pub(super) last_seen: Time,
    /// The content that its producer expected; [`NONE`]: the producer was a plain write.
    pub(super) from: u32,
    /// The content that a compare-and-set exchanged it for.
    pub(super) next: u32,
    pub(super) is_produced: bool,
    /// Whether the register certainly held it at some time.
    pub(super) is_certain: bool,
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
pub(crate) struct RegisterEvent {
    pub(crate) called: Time,
    /// [`Time::MAX`]: not returned.
    pub(crate) returned: Time,
    pub(crate) role: Role,
}

impl RegisterEvent {
    #[inline]
    pub(crate) fn of(call: &Call, until: Time) -> RegisterEvent {
        let (returned, role) = role(call, until);
        RegisterEvent { called: call.called, returned, role }
    }
}

/// The contents of one register. Calls may be added in any order.
#[derive(Default, Debug)]
pub(crate) struct RegisterContents {
    pub(super) interner: Interner,
    pub(super) versions: Vec<VersionTimes>,
    /// Whether a failed compare-and-set did not return the content.
    pub(super) has_unknown_mismatch: bool,
}

/// Why the contents have no order, in numbers of contents. Evidence is gathered later, and only if needed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RegisterAnomaly {
    /// Two writes of one content, or of the initial one: nothing is known.
    NotUnique,
    /// A content that was observed or exchanged, but never written.
    NeverWritten(u32),
    /// A compare-and-set failed although it found what it expected.
    SelfContradictory,
    /// Two compare-and-sets that both took effect expected this content.
    TakenTwice(u32, u32, u32),
    /// Compare-and-sets depend on each other's products.
    Cycle,
    /// In the chain of this root an operation was invoked after one further down the chain had returned.
    OutOfOrder(u32),
    ConflictingZones(u32, u32),
}

impl RegisterContents {
    pub(crate) fn new() -> RegisterContents {
        let mut contents = RegisterContents::default();
        contents.clear();
        contents
    }

    /// Resets to the initial content alone.
    pub(super) fn clear(&mut self) {
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
    pub(crate) fn add(&mut self, event: RegisterEvent) -> Result<(), RegisterAnomaly> {
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
            Role::SelfContradictory(_) => return Err(RegisterAnomaly::SelfContradictory),
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

    /// A linked content and its successors in the chain, at most once around a cycle.
    pub(super) fn chain(&self, root: u32) -> impl Iterator<Item = u32> {
        let next = move |number: &u32| {
            let next = self.versions[*number as usize].next;
            (next != NONE && next != root).then_some(next)
        };
        std::iter::successors(Some(root), next)
    }
}
