//! The exact search of one key, whatever object it is.
//!
//! Registers and lists have a search of their own, which knows what their states mean. All other objects are
//! [explored](explore()) by their models.

use super::budget::Effort;
use super::explore::{Asked, Explored, explore_within};
use super::model::{Model, Mutex, Queue};
use super::numbered::Numbered;
use super::objects::{self, CounterOf, QueueOf, SetOf};
use super::operation::{Action, Call, Object, Response};
use super::role::outcome;
use super::search::{Found, Search};
use crate::fact::Time;

/// The searches with their memory.
#[derive(Default)]
pub(crate) struct Exact {
    numbered: Numbered,
    search: Search,
    /// What the last exploration found, in numbers of calls. `None`: the last search was one of a register or list.
    explored: Option<Vec<u32>>,
}

/// What these calls are asked of: all of the same, for they have one key.
pub(crate) fn object(history: &[Call], mine: &[u32]) -> Object {
    mine.first().map_or(Object::Register, |&call| Object::of(history[call as usize].operation.action))
}

impl Exact {
    /// Looks for an order of what happened to one key up to and including `until`: `mine` are its calls in `history`, by
    /// time.
    pub(crate) fn run(&mut self, history: &[Call], mine: &[u32], until: Time, effort: &mut Effort) -> Found {
        match object(history, mine) {
            Object::Register | Object::List => {
                self.explored = None;
                match self.numbered.load(history, mine, until) {
                    Ok(()) => self.search.run(&self.numbered, effort),
                    Err(_) => Found::NoOrder,
                }
            }
            Object::Set => {
                let mut calls = asked(history, mine, until);
                let set = SetOf::new(&mut calls);
                self.explore(&set, calls, effort)
            }
            Object::Counter => {
                let calls = asked(history, mine, until);
                match CounterOf::new(&calls) {
                    Ok(counter) => self.explore(&counter, calls, effort),
                    Err(objects::Contradiction) => Found::NoOrder,
                }
            }
            Object::Queue => {
                let mut calls = asked(history, mine, until);
                match QueueOf::new(&mut calls) {
                    Some(Ok(queue)) => self.explore(&queue, calls, effort),
                    Some(Err(objects::Contradiction)) => Found::NoOrder,
                    None => self.explore(&Queue, calls, effort),
                }
            }
            Object::Mutex => self.explore(&Mutex, asked(history, mine, until), effort),
        }
    }

    /// The order that was found, in numbers of calls.
    pub(crate) fn order(&self) -> Vec<u32> {
        self.explored.clone().unwrap_or_else(|| self.search.order(&self.numbered))
    }

    fn explore<M: Model<Action = Action, Response = Response>>(
        &mut self,
        model: &M,
        calls: Vec<objects::Numbered>,
        effort: &mut Effort,
    ) -> Found {
        let (numbers, asked): (Vec<u32>, Vec<Asked<Action, Response>>) = calls.into_iter().unzip();
        match explore_within(model, &asked, effort) {
            Ok(Explored::Order(order)) => {
                self.explored = Some(order.into_iter().map(|place| numbers[place]).collect());
                Found::Order
            }
            Ok(_) => Found::NoOrder,
            Err(limit) => Found::OutOf(limit),
        }
    }
}

/// A key's calls, cut at `until`, with their numbers.
fn asked(history: &[Call], mine: &[u32], until: Time) -> Vec<objects::Numbered> {
    let calls = mine.iter().map(|&number| (number, &history[number as usize]));
    calls
        .take_while(|(_, call)| call.called <= until)
        .map(|(number, call)| {
            let (returned, response) = outcome(call, until);
            let returned = returned.zip(response.cloned());
            (number, Asked { called: call.called, action: call.operation.action, returned })
        })
        .collect()
}
