//! Brute force: tries all orders of a tiny history.

use invariants::linearizability::{Call, Content, ListModel, Model, Object, Operation, RegisterModel};
use std::collections::BTreeMap;

/// Whether some order explains the history. Tries all orders, on all keys together.
pub(crate) fn brute_force(history: &[Call]) -> bool {
    fn go(
        history: &[Call],
        placed: &mut Vec<bool>,
        registers: &BTreeMap<u64, Content>,
        lists: &BTreeMap<u64, Vec<u64>>,
    ) -> bool {
        if history.iter().zip(&*placed).all(|(call, &placed)| placed || call.returned.is_none()) {
            return true;
        }
        for next in 0..history.len() {
            let call = &history[next];
            let too_early = history.iter().zip(&*placed).any(|(other, &placed)| {
                !placed && other.returned.as_ref().is_some_and(|&(returned, _)| returned < call.called)
            });
            if placed[next] || too_early {
                continue;
            }
            let Operation { key, action } = call.operation;
            let response = call.returned.as_ref().map(|(_, response)| response);
            let (mut registers, mut lists) = (registers.clone(), lists.clone());
            let legal = if Object::of(action) == Object::List {
                let list = lists.entry(key).or_insert_with(|| ListModel.initial());
                ListModel.step(list, &action, response).map(|after| *list = after).is_some()
            } else {
                let register = registers.entry(key).or_insert_with(|| RegisterModel.initial());
                RegisterModel.step(register, &action, response).map(|after| *register = after).is_some()
            };
            placed[next] = true;
            if legal && go(history, placed, &registers, &lists) {
                return true;
            }
            placed[next] = false;
        }
        false
    }
    go(history, &mut vec![false; history.len()], &BTreeMap::new(), &BTreeMap::new())
}
