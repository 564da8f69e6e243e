//! The operations of a key, and what each requires of the key and does to it, given its response.

use super::operation::{Action, Call, Content, Object, Response};
use crate::fact::Time;

/// What an operation on a register requires and does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// The register held this content.
    Sees(Content),
    /// The register held any other content: a failed compare-and-set without the content that it found.
    SeesOther(Content),
    /// The register holds this content afterwards.
    Writes(Content),
    /// The register held `expect` and holds `value` afterwards.
    Exchanges { expect: Content, value: Content },
    /// A compare-and-set that failed although it found what it expected.
    SelfContradictory(Content),
    /// Nothing: a read without a response.
    Nothing,
}

/// What an operation on a list requires and does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ListRole<'a> {
    /// Appends one element.
    Appends(u64),
    /// Replaces all elements by this one.
    Replaces(u64),
    /// The list held these elements.
    Reads(&'a [u64]),
    /// Nothing: a read without a response.
    Nothing,
}

/// One key's history up to and including `until`: its calls, as indices into `history`, by invocation time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyCalls<'a> {
    pub(crate) history: &'a [Call],
    pub(crate) numbers: &'a [u32],
    pub(crate) until: Time,
}

impl<'a> KeyCalls<'a> {
    pub(crate) const fn whole(history: &'a [Call], numbers: &'a [u32]) -> KeyCalls<'a> {
        KeyCalls { history, numbers, until: Time::MAX }
    }

    /// The calls, with their indices.
    #[inline]
    pub(crate) fn iter(self) -> impl Iterator<Item = (u32, &'a Call)> + Clone {
        let calls = self.numbers.iter().map(move |&number| (number, &self.history[number as usize]));
        calls.take_while(move |(_, call)| call.called <= self.until)
    }

    /// The object that the key is.
    pub(crate) fn object(self) -> Object {
        let first = self.numbers.first().map(|&call| self.history[call as usize].operation.action);
        first.map_or(Object::Register, Object::of)
    }
}

/// The return and the response of an operation, if it returned by `until`.
#[inline]
pub(crate) fn outcome(call: &Call, until: Time) -> (Option<Time>, Option<&Response>) {
    match &call.returned {
        Some((returned, response)) if *returned <= until => (Some(*returned), Some(response)),
        _ => (None, None),
    }
}

/// The return of an operation on a register ([`Time::MAX`]: pending), and its role.
#[inline]
pub(crate) fn role(call: &Call, until: Time) -> (Time, Role) {
    let (returned, response) = outcome(call, until);
    let role = match (call.operation.action, response) {
        (Action::Get, Some(Response::Holds(content))) => Role::Sees(*content),
        (Action::Put(value), _) => Role::Writes(Content::Present(value)),
        (Action::Delete(deletion), _) => Role::Writes(Content::Absent(deletion)),
        (Action::CompareAndSet { expect, .. }, Some(Response::Mismatch(None))) => Role::SeesOther(expect),
        (Action::CompareAndSet { expect, .. }, Some(Response::Mismatch(Some(content)))) => {
            if *content == expect { Role::SelfContradictory(expect) } else { Role::Sees(*content) }
        }
        (Action::CompareAndSet { expect, value }, _) => {
            Role::Exchanges { expect, value: Content::Present(value) }
        }
        _ => Role::Nothing,
    };
    (returned.unwrap_or(Time::MAX), role)
}

/// The return of an operation on a list ([`Time::MAX`]: pending), and its role.
#[inline]
pub(crate) fn list_role(call: &Call, until: Time) -> (Time, ListRole<'_>) {
    let (returned, response) = outcome(call, until);
    let role = match (call.operation.action, response) {
        (Action::Append(element), _) => ListRole::Appends(element),
        (Action::Replace(element), _) => ListRole::Replaces(element),
        (_, Some(Response::List(elements))) => ListRole::Reads(elements),
        _ => ListRole::Nothing,
    };
    (returned.unwrap_or(Time::MAX), role)
}
