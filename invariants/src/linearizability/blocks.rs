//! Refutation of a register by two values that must each precede the other (zones of Gibbons and Korach).
//!
//! If a value has one producer, then in any order all operations that need the value follow the producer without
//! interruption, because the state must last from the first to the last of them: the value's *block*. (A
//! compare-and-set ends one block and begins the next.) If some operation of block A returned before some operation
//! of block B was invoked, then A precedes B. It suffices to compare the first return `f` of A with the last
//! invocation `s` of B: `f < s`. If B must precede A as well, there is no order.
//!
//! A block with `f < s` is a *forward zone*: the register held the value from f to s. Two forward zones that overlap
//! contradict each other, and so do a forward zone and a backward zone that lies inside it. No other pairs do.
//!
//! The check refutes what no search would refute in time, such as a stale read among fifty clients. It never
//! confirms.

use super::indexed_history::{IndexedHistory, NONE, Step};

/// A value's first return and last invocation; -1: before all times.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Block {
    first_return: i128,
    last_call: i128,
}

/// Whether two blocks contradict each other. False for lists, which need little search.
pub(crate) fn has_conflicting_blocks(history: &IndexedHistory) -> bool {
    if history.is_list {
        return false;
    }
    let blocks = value_blocks(history);
    let (mut forward, backward): (Vec<Block>, Vec<Block>) =
        blocks.into_iter().partition(|block| block.first_return < block.last_call);
    forward.sort_unstable();
    forward.array_windows().any(|[before, after]| after.first_return < before.last_call)
        || backward.iter().any(|within| {
            // Forward zones do not overlap here, so only the last one that begins earlier can contain it.
            let earlier = forward.partition_point(|block| block.first_return < within.last_call);
            earlier > 0 && within.first_return < forward[earlier - 1].last_call
        })
}

/// The blocks of all values that have one producer and that the register certainly held.
fn value_blocks(history: &IndexedHistory) -> Vec<Block> {
    let counts = &history.counts;
    let empty = Block { first_return: i128::MAX, last_call: -1 };
    let mut blocks = vec![empty; counts.producers.len()];
    // The initial content needs no producer.
    blocks[0].first_return = -1;
    let mut was_held: Vec<bool> = counts.needs.iter().map(|&needs| needs > 0).collect();
    for op in &history.ops {
        let (needed, product) = match op.step {
            Step::Sees(state) => (Some(state), None),
            Step::SeesOther(_) | Step::Appends(_) => (None, None),
            Step::Writes(value) => (None, Some(value)),
            // An operation that may be omitted does not prove that its expected content was there.
            Step::Exchanges { expect, value } => ((op.return_rank != NONE).then_some(expect), Some(value)),
        };
        for value in [needed, product].into_iter().flatten() {
            let block = &mut blocks[value as usize];
            block.first_return = block.first_return.min(op.returned.into());
            block.last_call = block.last_call.max(op.called.into());
        }
        if let Some(product) = product {
            was_held[product as usize] |= op.return_rank != NONE;
        }
    }
    let has_one_producer = |value: usize| counts.producers[value] == u32::from(value != 0);
    (0..blocks.len())
        .filter(|&value| was_held[value] && has_one_producer(value))
        .map(|value| blocks[value])
        .collect()
}
