//! The exact check in near-linear time, where every content of a key is written once.
//!
//! If a content has one producer, everybody who saw it stands right behind that producer, for the state must last from
//! the first to the last of them. A compare-and-set is the last of those who need the old content and the producer of
//! the new one, and an append is the last of those who saw the shorter list: so such operations string contents
//! together to *chains*, each of which stands together in any order, and within which the order is known. What is left
//! to decide is the order of whole chains, and that is a matter of two numbers each: see [`layout`].
//!
//! *Why it is exact, whatever the outcomes.* An operation of unknown outcome whose product somebody saw did happen, and
//! then it is kept and returns at the end of time. One whose product nobody saw may be left out of any order: what
//! follows it is blind to the state, or had to see its product. Only who saw "something else than this" could profit
//! from it: a failed compare-and-set that did not tell what it found. Keys with one of those are left to the search, as
//! are keys on which a content was written twice. But a contradiction found without looking at such an operation
//! remains one, for leaving out an operation that changes nothing makes no history worse.

mod layout;
mod certificate;
mod registers;
mod lists;

pub(crate) use certificate::Certificate;

use super::model::is_of_list;
use super::operation::Call;
use crate::fact::Time;
use lists::Lists;
use registers::Registers;

/// What the zones of one key say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Zoned {
    /// There is an order.
    Order,
    /// There is none, and this is why.
    Clash(Box<Certificate>),
    /// The key is none of those that this check understands.
    NotUnique,
}

/// The check's memory, kept between keys so that it is asked for once.
#[derive(Default, Debug)]
pub(crate) struct Zones {
    registers: Registers,
    lists: Lists,
}

impl Zones {
    /// Judges what happened to one key up to and including `until`: `mine` are its calls in `history`, by time.
    pub(crate) fn judge(&mut self, history: &[Call], mine: &[u32], until: Time) -> Zoned {
        let is_list = mine.first().is_some_and(|&call| is_of_list(history[call as usize].operation.action));
        if is_list {
            self.lists.judge(history, mine, until)
        } else {
            self.registers.judge(history, mine, until)
        }
    }
}

/// So many calls are brought near at once: they fit into any cache.
const AT_ONCE: usize = 256;

/// Brings calls near: those of one key among many lie far apart, and looking at all of them first, with nothing else to
/// decide, lets the machine wait for many of them at the same time.
#[inline]
fn bring_near(history: &[Call], calls: &[u32]) {
    let looked = calls.iter().fold(0, |looked, &call| {
        let call = &history[call as usize];
        looked ^ call.id.session ^ u64::from(call.returned.is_some())
    });
    std::hint::black_box(looked);
}

/// The calls of a key up to and including `until`, with their numbers.
fn calls<'a>(
    history: &'a [Call],
    mine: &'a [u32],
    until: Time,
) -> impl Iterator<Item = (u32, &'a Call)> + Clone {
    mine.iter()
        .map(|&number| (number, &history[number as usize]))
        .take_while(move |(_, call)| call.called <= until)
}
