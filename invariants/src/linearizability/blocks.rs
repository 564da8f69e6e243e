//! Two values that each must come before the other: the quick refutation of a register.
//!
//! Let a value have one producer. In any order the producer is followed at once by everybody who needs the value, for
//! the state must last from the one to the last of the others: a *block* that nothing else can break. (A
//! compare-and-set is the end of one block and the beginning of the next.) If some operation of block A returned before
//! some operation of block B was called, then A stands before B; for that it suffices to look at the first return `f`
//! of A and the last call `s` of B: `f < s`. If B must stand before A as well, there is no order.
//!
//! A block with `f < s` lies *forward*: the value was in force from f to s for certain. Two forward blocks that overlap
//! contradict each other, and so do a forward block and one that lies entirely within. No other pairs can.
//!
//! This refutes what no search would refute in time, a stale read among fifty clients; it never confirms.

use super::indexed_history::{IndexedHistory, NONE, Step};

/// The value's block: its first return and its last call. Times, and -1 for before all times.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Block {
    first_return: i128,
    last_call: i128,
}

/// Whether two blocks contradict each other. Of lists it knows nothing: they need no search to speak of.
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
            // The forward blocks are apart from each other, so only the last one that begins before can contain it.
            let begun = forward.partition_point(|block| block.first_return < within.last_call);
            begun > 0 && within.first_return < forward[begun - 1].last_call
        })
}

/// The blocks of all values that have one producer and certainly were in force at some time.
fn value_blocks(history: &IndexedHistory) -> Vec<Block> {
    let counts = &history.counts;
    let nothing = Block { first_return: i128::MAX, last_call: -1 };
    let mut blocks = vec![nothing; counts.producers.len()];
    // The initial content needs no producer. It was in force before everything.
    blocks[0].first_return = -1;
    let mut is_certain: Vec<bool> = counts.needs.iter().map(|&needs| needs > 0).collect();
    for op in &history.ops {
        let (needed, product) = match op.step {
            Step::Sees(state) => (Some(state), None),
            Step::SeesOther(_) | Step::Appends(_) => (None, None),
            Step::Writes(value) => (None, Some(value)),
            // What may be left out proves nothing about what it would have needed.
            Step::Exchanges { expect, value } => ((op.return_rank != NONE).then_some(expect), Some(value)),
        };
        for value in [needed, product].into_iter().flatten() {
            let block = &mut blocks[value as usize];
            block.first_return = block.first_return.min(op.returned.into());
            block.last_call = block.last_call.max(op.called.into());
        }
        if let Some(product) = product {
            is_certain[product as usize] |= op.return_rank != NONE;
        }
    }
    let of_one_producer = |value: usize| counts.producers[value] == u32::from(value != 0);
    (0..blocks.len())
        .filter(|&value| is_certain[value] && of_one_producer(value))
        .map(|value| blocks[value])
        .collect()
}
