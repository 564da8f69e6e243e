//! What each key held, when, and which answers that explains.

use crate::fact::{Index, RequestId};
use crate::linearizability::operation::{Action, Content, Response};
use std::hint::select_unpredictable;

/// So many old contents of a key are no burden: those of a thousand keys fit into a cache.
const MIN_FORGET_LEN: usize = 15;

/// A content of a register.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegisterVersion {
    /// The index that wrote it.
    index: Index,
    content: Content,
    /// Who asked for it.
    writer: RequestId,
}

/// What a key held: from the first thing that matters on.
#[derive(Clone, Debug)]
pub(super) enum KeyHistory {
    /// The contents of a register. When they are more than `most`, it is time to forget some; so it is with eras.
    Register { versions: Vec<RegisterVersion>, forget_above: usize },
    /// A list only grows until it is replaced, so one copy holds all its versions: element *i* was added at `indexes[i]`.
    /// An era is the index of a replacement, and where it begins.
    List { elements: Vec<u64>, indexes: Vec<Index>, replacements: Vec<(Index, usize)>, forget_above: usize },
}

/// What came of an application.
pub(super) enum ApplyOutcome {
    /// It has its place, after this content of the register; and whether that was what it needed to be done.
    After(Content, bool),
    /// It would have changed something, and did not.
    Rejected,
}

/// Whether a mutation that found `before` in its register may be answered so: with "done" where that `matched`.
#[inline]
pub(super) fn allows_response(before: Content, matched: bool, response: &Response) -> bool {
    match response {
        Response::Done => matched,
        // A system need not tell what the register held.
        Response::Mismatch(found) => !matched && found.is_none_or(|content| content == before),
        _ => false,
    }
}

/// What a mutation of a register that holds `before` needs to find there, and what it writes then. One cannot foresee which
/// of them comes next, and a wrong guess costs the processor more than both: so both are at hand, and one is chosen.
#[inline]
fn needs_and_writes(action: Action, before: Content) -> (Content, Content) {
    let is_conditional = matches!(action, Action::CompareAndSet { .. });
    let is_deletion = matches!(action, Action::Delete(_));
    let (first, second) = match action {
        Action::Put(number) | Action::Delete(number) => (Content::Present(number), number),
        Action::CompareAndSet { expect, value } => (expect, value),
        _ => unreachable!("{action:?} of a register, refused at the call"),
    };
    let needs = select_unpredictable(is_conditional, first, before);
    (needs, select_unpredictable(is_deletion, Content::Absent(second), Content::Present(second)))
}

impl KeyHistory {
    pub(super) fn new(is_list: bool) -> KeyHistory {
        // Nobody wrote what is there in the beginning.
        let by = RequestId { session: 0, sequence: 0 };
        match is_list {
            false => KeyHistory::Register {
                versions: vec![RegisterVersion { index: 0, content: Content::INITIAL, writer: by }],
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
            KeyHistory::List { replacements: eras, .. } => eras.len(),
        }
    }

    /// Whether it is worth while to [forget](Held::forget_before) some of it.
    #[inline]
    pub(super) fn should_forget(&self) -> bool {
        match self {
            KeyHistory::Register { versions, forget_above: most } => versions.len() > *most,
            KeyHistory::List { replacements: eras, forget_above: most, .. } => eras.len() > *most,
        }
    }

    /// No answer is given any more from an index below this one.
    #[cold]
    pub(super) fn forget_before(&mut self, index: Index) {
        match self {
            KeyHistory::Register { versions, forget_above: most } => {
                let first = count_up_to(versions, index, |version| version.index).saturating_sub(1);
                versions.drain(..first);
                *most = MIN_FORGET_LEN.max(2 * versions.len());
            }
            KeyHistory::List { elements, indexes, replacements: eras, forget_above: most } => {
                let first = count_up_to(eras, index, |era| era.0).saturating_sub(1);
                let (_, start) = eras[first];
                eras.drain(..first);
                elements.drain(..start);
                indexes.drain(..start);
                for era in eras.iter_mut() {
                    era.1 -= start;
                }
                *most = MIN_FORGET_LEN.max(2 * eras.len());
            }
        }
    }

    /// The log entry at `index` asks for this action; `effect` is false where the node says that it changed nothing.
    #[inline]
    pub(super) fn apply(
        &mut self,
        index: Index,
        by: RequestId,
        action: Action,
        effect: bool,
    ) -> ApplyOutcome {
        match (self, action) {
            (KeyHistory::Register { versions, .. }, action) => {
                let before = versions.last().expect("it begins with the initial content").content;
                let (needs, content) = needs_and_writes(action, before);
                let matched = needs == before;
                if matched && content != before {
                    if !effect {
                        return ApplyOutcome::Rejected;
                    }
                    versions.push(RegisterVersion { index, content, writer: by });
                }
                return ApplyOutcome::After(before, matched);
            }
            (KeyHistory::List { .. }, Action::Append(_) | Action::Replace(_)) if !effect => {
                return ApplyOutcome::Rejected;
            }
            (
                KeyHistory::List { elements, indexes, replacements: eras, .. },
                Action::Append(element) | Action::Replace(element),
            ) => {
                if matches!(action, Action::Replace(_)) {
                    eras.push((index, elements.len()));
                }
                elements.push(element);
                indexes.push(index);
            }
            (KeyHistory::List { .. }, action) => unreachable!("{action:?} of a list, refused at the call"),
        }
        ApplyOutcome::After(Content::INITIAL, true)
    }

    /// Whether a read after `index` was applied is to be answered so.
    #[inline]
    pub(super) fn explains_read(&self, index: Index, response: &Response) -> bool {
        match (self, response) {
            (KeyHistory::Register { versions, .. }, Response::Holds(content)) => {
                versions[count_up_to(versions, index, |version| version.index) - 1].content == *content
            }
            (KeyHistory::List { elements, indexes, replacements: eras, .. }, Response::List(read)) => {
                let (_, from) = eras[count_up_to(eras, index, |era| era.0) - 1];
                elements[from..count_up_to(indexes, index, |index| *index)] == **read
            }
            _ => false,
        }
    }

    /// What it held after `index`, in words; and who had written that to a register.
    #[cold]
    pub(super) fn describe(&self, index: Index) -> (String, Option<RequestId>) {
        match self {
            KeyHistory::Register { versions, .. } => {
                match versions[count_up_to(versions, index, |version| version.index) - 1] {
                    RegisterVersion { index: 0, content, .. } => {
                        (format!("\"{content}\", as in the beginning"), None)
                    }
                    RegisterVersion { index, content, writer: by } => {
                        (format!("\"{content}\", since {by} at index {index}"), Some(by))
                    }
                }
            }
            KeyHistory::List { elements, indexes, replacements: eras, .. } => {
                let (_, from) = eras[count_up_to(eras, index, |era| era.0) - 1];
                (format!("{:?}", &elements[from..count_up_to(indexes, index, |index| *index)]), None)
            }
        }
    }
}

/// How many of the first `entries` have an index of at most `index`. Most reads are of the newest state.
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

    /// The model is the simpler way to say the same.
    #[test]
    fn a_register_does_what_the_model_says() {
        let contents = [0, 1, 2].map(|number| [Content::Absent(number), Content::Present(number)]).concat();
        let mut actions =
            contents.iter().map(|&expect| Action::CompareAndSet { expect, value: 1 }).collect::<Vec<_>>();
        actions.extend([0, 1, 2].map(|number| [Action::Put(number), Action::Delete(number)]).concat());
        let mut responses = vec![Response::Done, Response::Mismatch(None), Response::List(Vec::new())];
        responses.extend(contents.iter().map(|&content| Response::Mismatch(Some(content))));
        responses.extend(contents.iter().map(|&content| Response::Holds(content)));
        let by = RequestId { session: 1, sequence: 1 };
        for (&before, &action, effect) in contents.iter().flat_map(|before| {
            actions.iter().flat_map(move |action| [(before, action, true), (before, action, false)])
        }) {
            let mut held = KeyHistory::Register {
                versions: vec![RegisterVersion { index: 1, content: before, writer: by }],
                forget_above: MIN_FORGET_LEN,
            };
            let after = RegisterModel.step(&before, &action, None).expect("an action of a register");
            let applied = held.apply(2, by, action, effect);
            let holds = |content| held.explains_read(2, &Response::Holds(content));
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
