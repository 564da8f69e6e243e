//! Sequential specifications: one step of each object, without time.

use super::operation::{Action, Content, Response};
use std::collections::VecDeque;

/// The sequential specification of an object, as a step function that checks a response.
/// [`explore`](super::explore()) has an example and accepts any model.
pub trait Model {
    /// The object's state.
    type State: Clone + Ord;
    /// What can be requested of it.
    type Action;
    /// What it responds.
    type Response;

    /// The initial state.
    fn initial(&self) -> Self::State;

    /// The state after `action`. `None`: the object cannot give `response` here, or the action is not one of this
    /// model. Without a response the outcome is unknown, and every action of this model is possible in every state.
    fn step(
        &self,
        state: &Self::State,
        action: &Self::Action,
        response: Option<&Self::Response>,
    ) -> Option<Self::State>;

    /// Whether an action never changes the state. The default is sound; reporting reads saves the search many
    /// branches.
    fn is_read(&self, _action: &Self::Action) -> bool {
        false
    }

    /// Whether a read in this state gives this response. Called often.
    fn read_matches(&self, state: &Self::State, action: &Self::Action, response: &Self::Response) -> bool {
        self.step(state, action, Some(response)).is_some()
    }

    /// Whether no later state gives this response. `false` is sound.
    fn is_unreachable(
        &self,
        _state: &Self::State,
        _action: &Self::Action,
        _response: &Self::Response,
    ) -> bool {
        false
    }

    /// Whether two mutations have the same effect in every state in which they give these responses: then their order
    /// does not matter. `false` is sound.
    fn are_interchangeable(
        &self,
        _one: (&Self::Action, Option<&Self::Response>),
        _other: (&Self::Action, Option<&Self::Response>),
    ) -> bool {
        false
    }

    /// When the search may linearize a mutation without loss.
    fn placement(&self, _action: &Self::Action) -> Placement {
        Placement::Any
    }

    /// The position that later responses suggest for this action in the object's own order (a queue): a hint for
    /// which branch to try first.
    fn rank(&self, _action: &Self::Action) -> Option<u64> {
        None
    }

    /// Bytes of a state besides its own size.
    fn heap_bytes(&self, _state: &Self::State) -> usize {
        0
    }
}

/// When a mutation may be linearized: if some order explains all responses, then so does one in which it is
/// linearized at that time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// As soon as it is legal; without a response, as soon as it changes the state.
    Eager,
    /// Only when its return is the next one.
    AtReturn,
    /// No restriction is known.
    Any,
}

/// A register: get, put, delete, compare-and-set.
#[derive(Clone, Copy, Default, Debug)]
pub struct RegisterModel;

impl Model for RegisterModel {
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
                // A system need not return the register's content.
                None | Some(Response::Mismatch(None)) => Some(*state),
                Some(Response::Mismatch(Some(content))) if content == state => Some(*state),
                Some(_) => None,
            },
            _ => None,
        }
    }

    fn is_read(&self, action: &Action) -> bool {
        action.is_read()
    }
}

/// A list: append, replace, read the whole of it.
#[derive(Clone, Copy, Default, Debug)]
pub struct ListModel;

impl Model for ListModel {
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

/// A set: add, remove, read the whole of it. Adding a present element or removing an absent one changes nothing.
#[derive(Clone, Copy, Default, Debug)]
pub struct SetModel;

impl Model for SetModel {
    /// In ascending order.
    type State = Vec<u64>;
    type Action = Action;
    type Response = Response;

    fn initial(&self) -> Vec<u64> {
        Vec::new()
    }

    fn step(&self, state: &Vec<u64>, action: &Action, response: Option<&Response>) -> Option<Vec<u64>> {
        let mut after = state.clone();
        match (*action, response) {
            (Action::SetAdd(element), None | Some(Response::Done)) => {
                if let Err(index) = after.binary_search(&element) {
                    after.insert(index, element);
                }
            }
            (Action::SetRemove(element), None | Some(Response::Done)) => {
                if let Ok(index) = after.binary_search(&element) {
                    after.remove(index);
                }
            }
            (Action::SetRead, None) => {}
            (Action::SetRead, Some(Response::Set(elements))) if **elements == **state => {}
            _ => return None,
        }
        Some(after)
    }

    fn is_read(&self, action: &Action) -> bool {
        action.is_read()
    }

    fn read_matches(&self, state: &Vec<u64>, _: &Action, response: &Response) -> bool {
        matches!(response, Response::Set(elements) if **elements == **state)
    }

    fn are_interchangeable(
        &self,
        one: (&Action, Option<&Response>),
        other: (&Action, Option<&Response>),
    ) -> bool {
        one.0 == other.0
    }

    fn heap_bytes(&self, state: &Vec<u64>) -> usize {
        size_of_val(&state[..])
    }
}

/// A counter: add (also negative numbers), read. It starts at 0 and wraps around on overflow.
#[derive(Clone, Copy, Default, Debug)]
pub struct CounterModel;

impl Model for CounterModel {
    type State = i64;
    type Action = Action;
    type Response = Response;

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, state: &i64, action: &Action, response: Option<&Response>) -> Option<i64> {
        match (*action, response) {
            (Action::CounterAdd(number), None | Some(Response::Done)) => Some(state.wrapping_add(number)),
            (Action::CounterRead, None) => Some(*state),
            (Action::CounterRead, Some(Response::Count(count))) if count == state => Some(*state),
            _ => None,
        }
    }

    fn is_read(&self, action: &Action) -> bool {
        action.is_read()
    }

    fn are_interchangeable(
        &self,
        one: (&Action, Option<&Response>),
        other: (&Action, Option<&Response>),
    ) -> bool {
        one.0 == other.0
    }
}

/// A queue: enqueue, dequeue, first in first out. A dequeue from an empty queue changes nothing.
#[derive(Clone, Copy, Default, Debug)]
pub struct QueueModel;

impl Model for QueueModel {
    type State = VecDeque<u64>;
    type Action = Action;
    type Response = Response;

    fn initial(&self) -> VecDeque<u64> {
        VecDeque::new()
    }

    fn step(
        &self,
        state: &VecDeque<u64>,
        action: &Action,
        response: Option<&Response>,
    ) -> Option<VecDeque<u64>> {
        let mut after = state.clone();
        match (*action, response) {
            (Action::Enqueue(value), None | Some(Response::Done)) => after.push_back(value),
            (Action::Dequeue, None) => drop(after.pop_front()),
            (Action::Dequeue, Some(Response::Dequeued(value))) if state.front() == value.as_ref() => {
                after.pop_front();
            }
            _ => return None,
        }
        Some(after)
    }

    fn are_interchangeable(
        &self,
        one: (&Action, Option<&Response>),
        other: (&Action, Option<&Response>),
    ) -> bool {
        one.0 == other.0 && (*one.0 != Action::Dequeue || one.1 == other.1)
    }

    fn heap_bytes(&self, state: &VecDeque<u64>) -> usize {
        state.len() * size_of::<u64>()
    }
}

/// A mutex: acquire, release. It is free at first. An acquire of a held mutex and a release of a free one are
/// illegal; any client may release it.
#[derive(Clone, Copy, Default, Debug)]
pub struct MutexModel;

impl Model for MutexModel {
    type State = bool;
    type Action = Action;
    type Response = Response;

    fn initial(&self) -> bool {
        false
    }

    /// An acquire of unknown outcome that finds the mutex held has no effect; likewise a release.
    fn step(&self, &is_held: &bool, action: &Action, response: Option<&Response>) -> Option<bool> {
        match (*action, response) {
            (Action::Acquire, None) => Some(true),
            (Action::Release, None) => Some(false),
            (Action::Acquire, Some(Response::Done)) => (!is_held).then_some(true),
            (Action::Release, Some(Response::Done)) => is_held.then_some(false),
            _ => None,
        }
    }

    fn are_interchangeable(
        &self,
        one: (&Action, Option<&Response>),
        other: (&Action, Option<&Response>),
    ) -> bool {
        one.0 == other.0
    }
}

/// Whether `response` has the form of a response to `action`, whatever the state.
#[must_use]
pub fn is_response_to(action: Action, response: &Response) -> bool {
    match action {
        Action::Get => matches!(response, Response::Holds(_)),
        Action::CompareAndSet { .. } => matches!(response, Response::Done | Response::Mismatch(_)),
        Action::List => matches!(response, Response::List(_)),
        Action::SetRead => {
            matches!(response, Response::Set(elements) if elements.is_sorted_by(|one, next| one < next))
        }
        Action::CounterRead => matches!(response, Response::Count(_)),
        Action::Dequeue => matches!(response, Response::Dequeued(_)),
        Action::Put(_)
        | Action::Delete(_)
        | Action::Append(_)
        | Action::Replace(_)
        | Action::SetAdd(_)
        | Action::SetRemove(_)
        | Action::CounterAdd(_)
        | Action::Enqueue(_)
        | Action::Acquire
        | Action::Release => matches!(response, Response::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compare_and_set_takes_effect_only_on_the_expected_content() {
        let cas = Action::CompareAndSet { expect: Content::INITIAL, value: 7 };
        let (empty, seven) = (Content::INITIAL, Content::Present(7));
        assert_eq!(RegisterModel.step(&empty, &cas, Some(&Response::Done)), Some(seven));
        assert_eq!(RegisterModel.step(&empty, &cas, Some(&Response::Mismatch(None))), None);
        assert_eq!(RegisterModel.step(&seven, &cas, Some(&Response::Done)), None);
        assert_eq!(RegisterModel.step(&seven, &cas, Some(&Response::Mismatch(None))), Some(seven));
        assert_eq!(RegisterModel.step(&seven, &cas, Some(&Response::Mismatch(Some(seven)))), Some(seven));
        assert_eq!(RegisterModel.step(&seven, &cas, Some(&Response::Mismatch(Some(empty)))), None);
    }

    #[test]
    fn an_unknown_compare_and_set_takes_effect_if_it_matches() {
        let cas = Action::CompareAndSet { expect: Content::Present(7), value: 8 };
        assert_eq!(RegisterModel.step(&Content::INITIAL, &cas, None), Some(Content::INITIAL));
        assert_eq!(RegisterModel.step(&Content::Present(7), &cas, None), Some(Content::Present(8)));
    }

    #[test]
    fn a_mutex_has_at_most_one_holder() {
        let done = Some(&Response::Done);
        assert_eq!(MutexModel.step(&false, &Action::Acquire, done), Some(true));
        assert_eq!(MutexModel.step(&true, &Action::Acquire, done), None);
        assert_eq!(MutexModel.step(&true, &Action::Release, done), Some(false));
        assert_eq!(MutexModel.step(&false, &Action::Release, done), None);
    }

    #[test]
    fn a_queue_is_first_in_first_out() {
        let two = VecDeque::from([1, 2]);
        let took = |value| Response::Dequeued(value);
        assert_eq!(QueueModel.step(&two, &Action::Dequeue, Some(&took(Some(1)))), Some(VecDeque::from([2])));
        assert_eq!(QueueModel.step(&two, &Action::Dequeue, Some(&took(Some(2)))), None);
        assert_eq!(QueueModel.step(&two, &Action::Dequeue, Some(&took(None))), None);
        let empty = VecDeque::new();
        assert_eq!(QueueModel.step(&empty, &Action::Dequeue, Some(&took(None))), Some(VecDeque::new()));
        assert_eq!(QueueModel.step(&empty, &Action::Dequeue, None), Some(VecDeque::new()));
    }

    #[test]
    fn a_set_response_is_ascending_and_distinct() {
        assert!(is_response_to(Action::SetRead, &Response::Set([1, 2].into())));
        assert!(!is_response_to(Action::SetRead, &Response::Set([2, 1].into())));
        assert!(!is_response_to(Action::SetRead, &Response::Set([1, 1].into())));
    }

    #[test]
    fn absences_after_different_deletions_differ() {
        let after = RegisterModel.step(&Content::Present(1), &Action::Delete(4), Some(&Response::Done));
        assert_eq!(after, Some(Content::Absent(4)));
        let initial = Response::Holds(Content::INITIAL);
        assert_eq!(RegisterModel.step(&Content::Absent(4), &Action::Get, Some(&initial)), None);
    }
}
