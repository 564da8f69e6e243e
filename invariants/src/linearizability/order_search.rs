//! The exact search for an order of one key's operations, for every kind of object.
//!
//! Registers and lists have a search of their own, which knows what their states mean. All other objects are
//! [explored](super::explore()) by their models.

use super::budget::RemainingBudget;
use super::explore::{ExploreOutcome, ModelOperation, explore_within};
use super::indexed_history::IndexedHistory;
use super::model::{Model, MutexModel, QueueModel};
use super::objects::{self, HistoryCounterModel, HistoryQueueModel, HistorySetModel};
use super::operation::{Action, Call, Object, Response};
use super::role::{KeyCalls, outcome};
use super::search::{Search, SearchOutcome};

/// The searches, with their memory.
#[derive(Default)]
pub(crate) struct OrderSearch {
    indexed: IndexedHistory,
    search: Search,
    /// The order found by the last exploration, as indices of calls. `None`: the last search was one of a register or
    /// list.
    explored_order: Option<Vec<u32>>,
}

impl OrderSearch {
    /// Searches for an order of one key's history.
    pub(crate) fn run(&mut self, calls: KeyCalls<'_>, budget: &mut RemainingBudget) -> SearchOutcome {
        match calls.object() {
            Object::Register | Object::List => {
                self.explored_order = None;
                match self.indexed.load(calls) {
                    Ok(()) => self.search.run(&self.indexed, budget),
                    Err(_) => SearchOutcome::NoOrder,
                }
            }
            Object::Set => {
                let mut calls = model_operations(calls);
                let set = HistorySetModel::new(&mut calls);
                self.explore(&set, calls, budget)
            }
            Object::Counter => {
                let calls = model_operations(calls);
                match HistoryCounterModel::new(&calls) {
                    Ok(counter) => self.explore(&counter, calls, budget),
                    Err(objects::ObjectContradiction) => SearchOutcome::NoOrder,
                }
            }
            Object::Queue => {
                let mut calls = model_operations(calls);
                match HistoryQueueModel::new(&mut calls) {
                    Some(Ok(queue)) => self.explore(&queue, calls, budget),
                    Some(Err(objects::ObjectContradiction)) => SearchOutcome::NoOrder,
                    None => self.explore(&QueueModel, calls, budget),
                }
            }
            Object::Mutex => self.explore(&MutexModel, model_operations(calls), budget),
        }
    }

    /// The order that was found, as indices of calls.
    pub(crate) fn order(&self) -> Vec<u32> {
        self.explored_order.clone().unwrap_or_else(|| self.search.order(&self.indexed))
    }

    fn explore<M: Model<Action = Action, Response = Response>>(
        &mut self,
        model: &M,
        calls: Vec<objects::NumberedOperation>,
        budget: &mut RemainingBudget,
    ) -> SearchOutcome {
        let (numbers, operations): (Vec<u32>, Vec<ModelOperation<Action, Response>>) =
            calls.into_iter().unzip();
        match explore_within(model, &operations, budget) {
            Ok(ExploreOutcome::Order(order)) => {
                self.explored_order = Some(order.into_iter().map(|index| numbers[index]).collect());
                SearchOutcome::Order
            }
            Ok(_) => SearchOutcome::NoOrder,
            Err(limit) => SearchOutcome::OutOf(limit),
        }
    }
}

/// A key's calls, cut at the end of its history, with their indices.
fn model_operations(calls: KeyCalls<'_>) -> Vec<objects::NumberedOperation> {
    let operation = |(number, call): (u32, &Call)| {
        let (returned, response) = outcome(call, calls.until);
        let returned = returned.zip(response.cloned());
        (number, ModelOperation { called: call.called, action: call.operation.action, returned })
    };
    calls.iter().map(operation).collect()
}
