//! The exact search of one key, whatever object it is.
//!
//! Registers and lists have a search of their own, which knows what their states mean. All other objects are
//! [explored](explore()) by their models.

use super::budget::RemainingBudget;
use super::explore::{ExploreOutcome, ModelOperation, explore_within};
use super::indexed_history::IndexedHistory;
use super::model::{Model, MutexModel, QueueModel};
use super::objects::{self, HistoryCounterModel, HistoryQueueModel, HistorySetModel};
use super::operation::{Action, Call, Object, Response};
use super::role::outcome;
use super::search::{Search, SearchOutcome};
use crate::fact::Time;

/// The searches with their memory.
#[derive(Default)]
pub(crate) struct OrderSearch {
    numbered: IndexedHistory,
    search: Search,
    /// What the last exploration found, in numbers of calls. `None`: the last search was one of a register or list.
    explored_order: Option<Vec<u32>>,
}

/// What these calls are asked of: all of the same, for they have one key.
pub(crate) fn object_of(history: &[Call], mine: &[u32]) -> Object {
    mine.first().map_or(Object::Register, |&call| Object::of(history[call as usize].operation.action))
}

impl OrderSearch {
    /// Looks for an order of what happened to one key up to and including `until`: `mine` are its calls in `history`, by
    /// time.
    pub(crate) fn run(
        &mut self,
        history: &[Call],
        mine: &[u32],
        until: Time,
        effort: &mut RemainingBudget,
    ) -> SearchOutcome {
        match object_of(history, mine) {
            Object::Register | Object::List => {
                self.explored_order = None;
                match self.numbered.load(history, mine, until) {
                    Ok(()) => self.search.run(&self.numbered, effort),
                    Err(_) => SearchOutcome::NoOrder,
                }
            }
            Object::Set => {
                let mut calls = model_operations(history, mine, until);
                let set = HistorySetModel::new(&mut calls);
                self.explore(&set, calls, effort)
            }
            Object::Counter => {
                let calls = model_operations(history, mine, until);
                match HistoryCounterModel::new(&calls) {
                    Ok(counter) => self.explore(&counter, calls, effort),
                    Err(objects::ObjectContradiction) => SearchOutcome::NoOrder,
                }
            }
            Object::Queue => {
                let mut calls = model_operations(history, mine, until);
                match HistoryQueueModel::new(&mut calls) {
                    Some(Ok(queue)) => self.explore(&queue, calls, effort),
                    Some(Err(objects::ObjectContradiction)) => SearchOutcome::NoOrder,
                    None => self.explore(&QueueModel, calls, effort),
                }
            }
            Object::Mutex => self.explore(&MutexModel, model_operations(history, mine, until), effort),
        }
    }

    /// The order that was found, in numbers of calls.
    pub(crate) fn order(&self) -> Vec<u32> {
        self.explored_order.clone().unwrap_or_else(|| self.search.order(&self.numbered))
    }

    fn explore<M: Model<Action = Action, Response = Response>>(
        &mut self,
        model: &M,
        calls: Vec<objects::NumberedOperation>,
        effort: &mut RemainingBudget,
    ) -> SearchOutcome {
        let (numbers, asked): (Vec<u32>, Vec<ModelOperation<Action, Response>>) = calls.into_iter().unzip();
        match explore_within(model, &asked, effort) {
            Ok(ExploreOutcome::Order(order)) => {
                self.explored_order = Some(order.into_iter().map(|place| numbers[place]).collect());
                SearchOutcome::Order
            }
            Ok(_) => SearchOutcome::NoOrder,
            Err(limit) => SearchOutcome::OutOf(limit),
        }
    }
}

/// A key's calls, cut at `until`, with their numbers.
fn model_operations(history: &[Call], mine: &[u32], until: Time) -> Vec<objects::NumberedOperation> {
    let calls = mine.iter().map(|&number| (number, &history[number as usize]));
    calls
        .take_while(|(_, call)| call.called <= until)
        .map(|(number, call)| {
            let (returned, response) = outcome(call, until);
            let returned = returned.zip(response.cloned());
            (number, ModelOperation { called: call.called, action: call.operation.action, returned })
        })
        .collect()
}
