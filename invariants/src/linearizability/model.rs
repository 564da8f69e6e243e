//! What a key may answer: one step of a register and of a list, without any notion of time.

use super::operation::{Action, Content, Response};

/// An object as a state and a question: could this step have answered that? An example is with
/// [`explore`](super::explore()), which takes any model.
pub trait Model {
    /// What the object holds.
    type State: Clone + Ord;
    /// What is asked of it.
    type Action;
    /// What it answers.
    type Response;

    /// What it holds first.
    fn initial(&self) -> Self::State;

    /// What it holds after `action` was done to `state`. `None`: `response` cannot be the answer to that here, or the
    /// action is not one of this model. Without a response the outcome is unknown, and every action of this model is
    /// possible everywhere.
    fn step(
        &self,
        state: &Self::State,
        action: &Self::Action,
        response: Option<&Self::Response>,
    ) -> Option<Self::State>;

    /// Whether an action never changes anything. To say so is not needed, but saves the search many branches.
    fn is_read(&self, _action: &Self::Action) -> bool {
        false
    }
}

/// A register: get, put, delete, compare-and-set.
#[derive(Clone, Copy, Default, Debug)]
pub struct Register;

impl Model for Register {
    type State = Content;
    type Action = Action;
    type Response = Response;

    fn initial(&self) -> Content {
        Content::INITIAL
    }

    fn step(&self, state: &Content, action: &Action, response: Option<&Response>) -> Option<Content> {
        let done = matches!(response, None | Some(Response::Done));
        match *action {
            Action::Get => match response {
                None => Some(*state),
                Some(Response::Holds(content)) if content == state => Some(*state),
                Some(_) => None,
            },
            Action::Put(value) => done.then_some(Content::Present(value)),
            Action::Delete(deletion) => done.then_some(Content::Absent(deletion)),
            Action::CompareAndSet { expect, value } if expect == *state => {
                done.then_some(Content::Present(value))
            }
            Action::CompareAndSet { .. } => match response {
                // A system need not tell what the register held.
                None | Some(Response::Mismatch(None)) => Some(*state),
                Some(Response::Mismatch(Some(content))) if content == state => Some(*state),
                Some(_) => None,
            },
            Action::Append(_) | Action::Replace(_) | Action::List => None,
        }
    }

    fn is_read(&self, action: &Action) -> bool {
        action.is_read()
    }
}

/// A list: append, replace, read the whole of it.
#[derive(Clone, Copy, Default, Debug)]
pub struct List;

impl Model for List {
    type State = Vec<u64>;
    type Action = Action;
    type Response = Response;

    fn initial(&self) -> Vec<u64> {
        Vec::new()
    }

    fn step(&self, state: &Vec<u64>, action: &Action, response: Option<&Response>) -> Option<Vec<u64>> {
        match (*action, response) {
            (Action::Append(element), None | Some(Response::Done)) => {
                let mut longer = state.clone();
                longer.push(element);
                Some(longer)
            }
            (Action::Replace(element), None | Some(Response::Done)) => Some(vec![element]),
            (Action::List, None) => Some(state.clone()),
            (Action::List, Some(Response::List(elements))) if elements == state => Some(state.clone()),
            _ => None,
        }
    }

    fn is_read(&self, action: &Action) -> bool {
        action.is_read()
    }
}

/// Whether `response` has the form of an answer to `action` at all, whatever the key holds.
#[must_use]
pub const fn answers(action: Action, response: &Response) -> bool {
    match action {
        Action::Get => matches!(response, Response::Holds(_)),
        Action::Put(_) | Action::Delete(_) | Action::Append(_) | Action::Replace(_) => {
            matches!(response, Response::Done)
        }
        Action::CompareAndSet { .. } => matches!(response, Response::Done | Response::Mismatch(_)),
        Action::List => matches!(response, Response::List(_)),
    }
}

/// Whether `action` belongs to lists; every other one belongs to registers.
#[must_use]
pub const fn is_of_list(action: Action) -> bool {
    matches!(action, Action::Append(_) | Action::Replace(_) | Action::List)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compare_and_set_compares() {
        let cas = Action::CompareAndSet { expect: Content::INITIAL, value: 7 };
        let (empty, seven) = (Content::INITIAL, Content::Present(7));
        assert_eq!(Register.step(&empty, &cas, Some(&Response::Done)), Some(seven));
        assert_eq!(Register.step(&empty, &cas, Some(&Response::Mismatch(None))), None);
        assert_eq!(Register.step(&seven, &cas, Some(&Response::Done)), None);
        assert_eq!(Register.step(&seven, &cas, Some(&Response::Mismatch(None))), Some(seven));
        assert_eq!(Register.step(&seven, &cas, Some(&Response::Mismatch(Some(seven)))), Some(seven));
        assert_eq!(Register.step(&seven, &cas, Some(&Response::Mismatch(Some(empty)))), None);
    }

    #[test]
    fn an_unknown_compare_and_set_does_what_it_would_have_done() {
        let cas = Action::CompareAndSet { expect: Content::Present(7), value: 8 };
        assert_eq!(Register.step(&Content::INITIAL, &cas, None), Some(Content::INITIAL));
        assert_eq!(Register.step(&Content::Present(7), &cas, None), Some(Content::Present(8)));
    }

    #[test]
    fn one_absence_is_not_another() {
        let after = Register.step(&Content::Present(1), &Action::Delete(4), Some(&Response::Done));
        assert_eq!(after, Some(Content::Absent(4)));
        let initial = Response::Holds(Content::INITIAL);
        assert_eq!(Register.step(&Content::Absent(4), &Action::Get, Some(&initial)), None);
    }
}
