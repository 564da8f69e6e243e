//! The exact search of one key, whatever object it is.
//!
//! Registers and lists have a search of their own, which knows what their states mean. All other objects are
//! [explored](explore()) by their models.

use super::budget::Effort;
use super::explore::{Asked, Explored, explore_within};
use super::model::{Counter, Model, Mutex, Queue, Set};
use super::numbered::Numbered;
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
            Object::Set => self.explore(&Set, history, mine, until, effort),
            Object::Counter => self.explore(&Counter, history, mine, until, effort),
            Object::Queue => self.explore(&Queue, history, mine, until, effort),
            Object::Mutex => self.explore(&Mutex, history, mine, until, effort),
        }
    }

    /// The order that was found, in numbers of calls.
    pub(crate) fn order(&self) -> Vec<u32> {
        self.explored.clone().unwrap_or_else(|| self.search.order(&self.numbered))
    }

    fn explore<M: Model<Action = Action, Response = Response>>(
        &mut self,
        model: &M,
        history: &[Call],
        mine: &[u32],
        until: Time,
        effort: &mut Effort,
    ) -> Found {
        let calls = mine.iter().map(|&call| &history[call as usize]);
        let asked: Vec<Asked<Action, Response>> = calls
            .take_while(|call| call.called <= until)
            .map(|call| {
                let (returned, response) = outcome(call, until);
                let returned = returned.zip(response.cloned());
                Asked { called: call.called, action: call.operation.action, returned }
            })
            .collect();
        match explore_within(model, &asked, effort) {
            Ok(Explored::Order(order)) => {
                self.explored = Some(order.into_iter().map(|place| mine[place]).collect());
                Found::Order
            }
            Ok(_) => Found::NoOrder,
            Err(limit) => Found::OutOf(limit),
        }
    }
}
