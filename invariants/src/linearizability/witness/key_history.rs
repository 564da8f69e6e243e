//! What each key held at which index, and which responses that explains.

use super::Replay;
use crate::fact::{Index, RequestId};
use crate::linearizability::operation::{Action, Content, Response};
use std::hint::select_unpredictable;

/// A history of at most so many contents is not pruned: those of a thousand keys fit into a cache.
const MIN_FORGET_LEN: usize = 15;

/// A content of a register.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegisterVersion {
    /// The index of the log entry that wrote it.
    index: Index,
    content: Content,
    /// The request that wrote it.
    writer: RequestId,
}

/// What a key held, from the oldest content that still matters.
#[derive(Clone, Debug)]
pub(super) enum KeyHistory {
    /// The contents of a register. More than `forget_above` of them are pruned; likewise replacements.
    Register { versions: Vec<RegisterVersion>, forget_above: usize },
    /// A list only grows until it is replaced, so one copy has all its versions: element *i* was added at
    /// `indexes[i]`. A replacement is its index, and where its elements begin.
    List { elements: Vec<u64>, indexes: Vec<Index>, replacements: Vec<(Index, usize)>, forget_above: usize },
}

/// The outcome of an application.
pub(super) enum ApplyOutcome {
    /// It is linearized, after this content of the register; and whether that was the content that it required.
    After(Content, bool),
    /// It would have changed something, and did not.
    Rejected,
}

/// Whether a mutation that found `before` in its register may have this response; `matched`: it found what it
/// required.
#[inline]
pub(super) fn allows_response(before: Content, matched: bool, response: &Response) -> bool {
    match response {
        Response::Done => matched,
        // A system need not return the register's content.
        Response::Mismatch(found) => !matched && found.is_none_or(|content| content == before),
        _ => false,
    }
}

/// The content that a mutation of a register with content `before` requires, and the content that it writes. The
/// action is unpredictable, and a mispredicted branch costs more than computing both results, so one is selected
/// without a branch.
#[inline]
fn needs_and_writes(action: Action, before: Content) -> (Content, Content) {
    let is_conditional = matches!(action, Action::CompareAndSet { .. });
    let is_deletion = matches!(action, Action::Delete(_));
    let (first, second) = match action {
        Action::Put(number) | Action::Delete(number) => (Content::Present(number), number),
        Action::CompareAndSet { expect, value } => (expect, value),
        _ => unreachable!("record_call admits no {action:?} on a register"),
    };
    let needs = select_unpredictable(is_conditional, first, before);
    (needs, select_unpredictable(is_deletion, Content::Absent(second), Content::Present(second)))
}

impl KeyHistory {
    pub(super) fn new(is_list: bool) -> KeyHistory {
        // The initial content has no writer.
        let writer = RequestId { session: 0, sequence: 0 };
        match is_list {
            false => KeyHistory::Register {
                versions: vec![RegisterVersion { index: 0, content: Content::INITIAL, writer }],
                forget_above: MIN_FORGET_LEN,
            },
            true => KeyHistory::List {
                elements: Vec::new(),
                indexes: Vec::new(),
                replacements: vec![(0, 0)],
                forget_above: MIN_FORGET_LEN,
            },
        }
    }

    #[inline]
    pub(super) const fn is_list(&self) -> bool {
        matches!(self, KeyHistory::List { .. })
    }

    pub(super) fn live_entries(&self) -> usize {
        match self {
            KeyHistory::Register { versions, .. } => versions.len(),
            KeyHistory::List { replacements, .. } => replacements.len(),
        }
    }

    /// Whether [pruning](KeyHistory::forget_before) pays.
    #[inline]
    pub(super) fn should_forget(&self) -> bool {
        match self {
            KeyHistory::Register { versions, forget_above } => versions.len() > *forget_above,
            KeyHistory::List { replacements, forget_above, .. } => replacements.len() > *forget_above,
        }
    }

    /// Prunes what only responses from below this index need.
    #[cold]
    pub(super) fn forget_before(&mut self, index: Index) {
        match self {
            KeyHistory::Register { versions, forget_above } => {
                let first = count_up_to(versions, index, |version| version.index).saturating_sub(1);
                versions.drain(..first);
                *forget_above = MIN_FORGET_LEN.max(2 * versions.len());
            }
            KeyHistory::List { elements, indexes, replacements, forget_above } => {
                let first = count_up_to(replacements, index, |replacement| replacement.0).saturating_sub(1);
                let (_, start) = replacements[first];
                replacements.drain(..first);
                elements.drain(..start);
                indexes.drain(..start);
                for replacement in replacements.iter_mut() {
                    replacement.1 -= start;
                }
                *forget_above = MIN_FORGET_LEN.max(2 * replacements.len());
            }
        }
    }

    /// Applies the action of the log entry at `index`; `effect` is false if the node says that it changed nothing.
    #[inline]
    pub(super) fn apply(
        &mut self,
        index: Index,
        writer: RequestId,
        action: Action,
        effect: bool,
    ) -> ApplyOutcome {
        match (self, action) {
            (KeyHistory::Register { versions, .. }, action) => {
                let before = versions.last().expect("a register has at least one version").content;
                let (needs, content) = needs_and_writes(action, before);
                let matched = needs == before;
                if matched && content != before {
                    if !effect {
                        return ApplyOutcome::Rejected;
                    }
                    versions.push(RegisterVersion { index, content, writer });
                }
                return ApplyOutcome::After(before, matched);
            }
            (KeyHistory::List { .. }, Action::Append(_) | Action::Replace(_)) if !effect => {
                return ApplyOutcome::Rejected;
            }
            (
                KeyHistory::List { elements, indexes, replacements, .. },
                Action::Append(element) | Action::Replace(element),
            ) => {
                if matches!(action, Action::Replace(_)) {
                    replacements.push((index, elements.len()));
                }
                elements.push(element);
                indexes.push(index);
            }
            (KeyHistory::List { .. }, action) => unreachable!("record_call admits no {action:?} on a list"),
        }
        ApplyOutcome::After(Content::INITIAL, true)
    }

    /// Whether a read after `index` was applied may have this response.
    #[inline]
    pub(super) fn explains_read(&self, index: Index, response: &Response) -> bool {
        match (self, response) {
            (KeyHistory::Register { versions, .. }, Response::Holds(content)) => {
                versions[count_up_to(versions, index, |version| version.index) - 1].content == *content
            }
            (KeyHistory::List { elements, indexes, replacements, .. }, Response::List(read)) => {
                let (_, from) =
                    replacements[count_up_to(replacements, index, |replacement| replacement.0) - 1];
                elements[from..count_up_to(indexes, index, |index| *index)] == **read
            }
            _ => false,
        }
    }

    /// The state after `index`.
    #[cold]
    pub(super) fn replay(&self, index: Index) -> Replay {
        match self {
            KeyHistory::Register { versions, .. } => {
                let at = count_up_to(versions, index, |version| version.index) - 1;
                match versions[at] {
                    RegisterVersion { index: 0, content, .. } => Replay::Initial { index, content },
                    RegisterVersion { index: at, content, writer } => {
                        Replay::Written { index, content, writer, at }
                    }
                }
            }
            KeyHistory::List { elements, indexes, replacements, .. } => {
                let (_, from) =
                    replacements[count_up_to(replacements, index, |replacement| replacement.0) - 1];
                let elements = elements[from..count_up_to(indexes, index, |index| *index)].to_vec();
                Replay::List { index, elements }
            }
        }
    }
}

/// The number of leading entries with an index of at most `index`. Most reads are of the newest state.
#[inline]
fn count_up_to<T>(entries: &[T], index: Index, at: impl Fn(&T) -> Index) -> usize {
    match entries.last() {
        Some(newest) if at(newest) > index => entries.partition_point(|entry| at(entry) <= index),
        _ => entries.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linearizability::model::{Model, RegisterModel, is_response_to};

    /// The model is the simpler specification.
    #[test]
    fn a_register_behaves_as_its_model() {
        let contents = [0, 1, 2].map(|number| [Content::Absent(number), Content::Present(number)]).concat();
        let mut actions =
            contents.iter().map(|&expect| Action::CompareAndSet { expect, value: 1 }).collect::<Vec<_>>();
        actions.extend([0, 1, 2].map(|number| [Action::Put(number), Action::Delete(number)]).concat());
        let mut responses = vec![Response::Done, Response::Mismatch(None), Response::List(Vec::new())];
        responses.extend(contents.iter().map(|&content| Response::Mismatch(Some(content))));
        responses.extend(contents.iter().map(|&content| Response::Holds(content)));
        let writer = RequestId { session: 1, sequence: 1 };
        for (&before, &action, effect) in contents.iter().flat_map(|before| {
            actions.iter().flat_map(move |action| [(before, action, true), (before, action, false)])
        }) {
            let mut history = KeyHistory::Register {
                versions: vec![RegisterVersion { index: 1, content: before, writer }],
                forget_above: MIN_FORGET_LEN,
            };
            let after = RegisterModel.step(&before, &action, None).expect("an action of a register");
            let applied = history.apply(2, writer, action, effect);
            let holds = |content| history.explains_read(2, &Response::Holds(content));
            let ApplyOutcome::After(found, matched) = applied else {
                assert!(!effect && after != before && holds(before), "{action:?} of {before:?}");
                continue;
            };
            assert!(
                found == before && holds(after) && (effect || after == before),
                "{action:?} of {before:?}"
            );
            for response in &responses {
                let allowed = is_response_to(action, response) && allows_response(before, matched, response);
                let model = RegisterModel.step(&before, &action, Some(response)).is_some();
                assert_eq!(allowed, model, "{action:?} of {before:?}: {response:?}");
                assert!(
                    is_response_to(action, response) || !allows_response(before, matched, response),
                    "{action:?}: {response:?}"
                );
            }
        }
    }
}
