//! What each key held, when, and which answers that explains.

use crate::fact::{Index, RequestId};
use crate::linearizability::model::{Model, Register};
use crate::linearizability::operation::{Action, Content, Response};

/// So many old contents of a key are no burden: those of a thousand keys fit into a cache.
const MANY: usize = 8;

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
    /// It has its place, after this content of the register.
    After(Content),
    /// It would have changed something, and did not.
    Refused,
}

/// Whether a mutation that found `before` in its register may be answered so.
#[inline]
pub(super) fn allows(before: Content, action: Action, response: &Response) -> bool {
    match action {
        Action::Append(_) | Action::Replace(_) => *response == Response::Done,
        action => Register.step(&before, &action, Some(response)).is_some(),
    }
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
                let after = Register.step(&before, &action, None).expect("anything may happen to a register");
                if after != before {
                    if !effect {
                        return Applied::Refused;
                    }
                    versions.push(Version { index, content: after, by });
                }
                return Applied::After(before);
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
        Applied::After(Content::INITIAL)
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

/// How many of the first `entries` have an index of at most `index`. Most reads are of the newest state, so the search
/// begins at the end.
#[inline]
fn up_to<T>(entries: &[T], index: Index, at: impl Fn(&T) -> Index) -> usize {
    for (place, entry) in entries.iter().enumerate().rev().take(4) {
        if at(entry) <= index {
            return place + 1;
        }
    }
    entries.partition_point(|entry| at(entry) <= index)
}
