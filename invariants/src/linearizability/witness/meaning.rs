//! What each key held, when, and which answers that explains.

use crate::fact::{Index, RequestId};
use crate::linearizability::operation::{Action, Content, Response};
use std::hint::select_unpredictable;

/// So many old contents of a key are no burden: those of a thousand keys fit into a cache.
const MANY: usize = 15;

/// A content of a register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    /// The index that wrote it.
    index: Index,
    content: Content,
    /// Who asked for it.
    by: RequestId,
}

/// What a key held: from the first thing that matters on.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// The contents of a register. When they are more than `most`, it is time to forget some; so it is with eras.
    Register { versions: Vec<Version>, most: usize },
    /// A list only grows until it is replaced, so one copy holds all its versions: element *i* was added at `indexes[i]`.
    /// An era is the index of a replacement, and where it begins.
    List { elements: Vec<u64>, indexes: Vec<Index>, eras: Vec<(Index, usize)>, most: usize },
}

/// What came of an application.
pub(super) enum Applied {
    /// It has its place, after this content of the register; and whether that was what it needed to be done.
    After(Content, bool),
    /// It would have changed something, and did not.
    Refused,
}

/// Whether a mutation that found `before` in its register may be answered so: with "done" where that `matched`.
#[inline]
pub(super) fn allows(before: Content, matched: bool, response: &Response) -> bool {
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

impl Held {
    pub(super) fn new(is_list: bool) -> Held {
        // Nobody wrote what is there in the beginning.
        let by = RequestId { session: 0, sequence: 0 };
        match is_list {
            false => Held::Register {
                versions: vec![Version { index: 0, content: Content::INITIAL, by }],
                most: MANY,
            },
            true => Held::List { elements: Vec::new(), indexes: Vec::new(), eras: vec![(0, 0)], most: MANY },
        }
    }

    #[inline]
    pub(super) const fn is_list(&self) -> bool {
        matches!(self, Held::List { .. })
    }

    pub(super) fn live(&self) -> usize {
        match self {
            Held::Register { versions, .. } => versions.len(),
            Held::List { eras, .. } => eras.len(),
        }
    }

    /// Whether it is worth while to [forget](Held::forget_before) some of it.
    #[inline]
    pub(super) fn is_long(&self) -> bool {
        match self {
            Held::Register { versions, most } => versions.len() > *most,
            Held::List { eras, most, .. } => eras.len() > *most,
        }
    }

    /// No answer is given any more from an index below this one.
    #[cold]
    pub(super) fn forget_before(&mut self, index: Index) {
        match self {
            Held::Register { versions, most } => {
                let first = up_to(versions, index, |version| version.index).saturating_sub(1);
                versions.drain(..first);
                *most = MANY.max(2 * versions.len());
            }
            Held::List { elements, indexes, eras, most } => {
                let first = up_to(eras, index, |era| era.0).saturating_sub(1);
                let (_, start) = eras[first];
                eras.drain(..first);
                elements.drain(..start);
                indexes.drain(..start);
                for era in eras.iter_mut() {
                    era.1 -= start;
                }
                *most = MANY.max(2 * eras.len());
            }
        }
    }

    /// The log entry at `index` asks for this action; `effect` is false where the node says that it changed nothing.
    #[inline]
    pub(super) fn apply(&mut self, index: Index, by: RequestId, action: Action, effect: bool) -> Applied {
        match (self, action) {
            (Held::Register { versions, .. }, action) => {
                let before = versions.last().expect("it begins with the initial content").content;
                let (needs, content) = needs_and_writes(action, before);
                let matched = needs == before;
                if matched && content != before {
                    if !effect {
                        return Applied::Refused;
                    }
                    versions.push(Version { index, content, by });
                }
                return Applied::After(before, matched);
            }
            (Held::List { .. }, Action::Append(_) | Action::Replace(_)) if !effect => {
                return Applied::Refused;
            }
            (
                Held::List { elements, indexes, eras, .. },
                Action::Append(element) | Action::Replace(element),
            ) => {
                if matches!(action, Action::Replace(_)) {
                    eras.push((index, elements.len()));
                }
                elements.push(element);
                indexes.push(index);
            }
            (Held::List { .. }, action) => unreachable!("{action:?} of a list, refused at the call"),
        }
        Applied::After(Content::INITIAL, true)
    }

    /// Whether a read after `index` was applied is to be answered so.
    #[inline]
    pub(super) fn explains(&self, index: Index, response: &Response) -> bool {
        match (self, response) {
            (Held::Register { versions, .. }, Response::Holds(content)) => {
                versions[up_to(versions, index, |version| version.index) - 1].content == *content
            }
            (Held::List { elements, indexes, eras, .. }, Response::List(read)) => {
                let (_, from) = eras[up_to(eras, index, |era| era.0) - 1];
                elements[from..up_to(indexes, index, |index| *index)] == **read
            }
            _ => false,
        }
    }

    /// What it held after `index`, in words; and who had written that to a register.
    #[cold]
    pub(super) fn told(&self, index: Index) -> (String, Option<RequestId>) {
        match self {
            Held::Register { versions, .. } => {
                match versions[up_to(versions, index, |version| version.index) - 1] {
                    Version { index: 0, content, .. } => {
                        (format!("\"{content}\", as in the beginning"), None)
                    }
                    Version { index, content, by } => {
                        (format!("\"{content}\", since {by} at index {index}"), Some(by))
                    }
                }
            }
            Held::List { elements, indexes, eras, .. } => {
                let (_, from) = eras[up_to(eras, index, |era| era.0) - 1];
                (format!("{:?}", &elements[from..up_to(indexes, index, |index| *index)]), None)
            }
        }
    }
}

/// How many of the first `entries` have an index of at most `index`. Most reads are of the newest state.
#[inline]
fn up_to<T>(entries: &[T], index: Index, at: impl Fn(&T) -> Index) -> usize {
    match entries.last() {
        Some(newest) if at(newest) > index => entries.partition_point(|entry| at(entry) <= index),
        _ => entries.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linearizability::model::{Model, Register, answers};

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
            let mut held =
                Held::Register { versions: vec![Version { index: 1, content: before, by }], most: MANY };
            let after = Register.step(&before, &action, None).expect("an action of a register");
            let applied = held.apply(2, by, action, effect);
            let holds = |content| held.explains(2, &Response::Holds(content));
            let Applied::After(found, matched) = applied else {
                assert!(!effect && after != before && holds(before), "{action:?} of {before:?}");
                continue;
            };
            assert!(
                found == before && holds(after) && (effect || after == before),
                "{action:?} of {before:?}"
            );
            for response in &responses {
                let allowed = answers(action, response) && allows(before, matched, response);
                let model = Register.step(&before, &action, Some(response)).is_some();
                assert_eq!(allowed, model, "{action:?} of {before:?}: {response:?}");
                assert!(
                    answers(action, response) || !allows(before, matched, response),
                    "{action:?}: {response:?}"
                );
            }
        }
    }
}
