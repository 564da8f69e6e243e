//! What an operation says about its key, once time and answer are known.

use super::operation::{Action, Call, Content, Response};
use crate::fact::Time;

/// What an operation on a register says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// The register held this.
    Sees(Content),
    /// The register held anything but this: a failed compare-and-set that did not tell what it found.
    SeesOther(Content),
    /// The register holds this from now on.
    Writes(Content),
    /// The register held the one and holds the other from now on.
    Exchanges { expect: Content, value: Content },
    /// A compare-and-set that failed because it found what it expected.
    SelfContradictory(Content),
    /// Nothing: a read that was never answered.
    Nothing,
}

/// What an operation on a list says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ListRole<'a> {
    /// One element more.
    Appends(u64),
    /// Nothing but this element.
    Replaces(u64),
    /// The list held these.
    Reads(&'a [u64]),
    /// Nothing: a read that was never answered.
    Nothing,
}

/// When the operation returned, and its answer, if that was by `until`. Cut there, a history knows no more.
#[inline]
pub(crate) fn outcome(call: &Call, until: Time) -> (Option<Time>, Option<&Response>) {
    match &call.returned {
        Some((returned, response)) if *returned <= until => (Some(*returned), Some(response)),
        _ => (None, None),
    }
}

/// When an operation on a register returned (the end of time if it did not), and what it says.
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

/// The same for lists.
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
