//! Messages that the network holds.

use super::{Event, World};
use crate::outcome::MessageFate;
use crate::plan::SimDuration;
use crate::plan::faults::HoldRule;
use crate::support::rng::{self, label};
use invariants::{Node, Time};
use std::fmt::Display;

/// Released messages arrive one after another, so many nanoseconds apart.
const GAP: Time = 1_000;

/// Links whose messages are held.
pub(super) struct Hold<M> {
    number: u64,
    links: Vec<(Node, Node)>,
    rule: HoldRule,
    /// In the order in which they were sent.
    messages: Vec<HeldMessage<M>>,
}

/// A message that is held.
struct HeldMessage<M> {
    from: Node,
    to: Node,
    message: M,
    /// The event in which it was sent.
    cause: u64,
}

impl<M: Clone + Display> World<M> {
    /// Holds messages of these links from now on. Returns the number of the hold.
    pub(crate) fn hold_messages(&mut self, links: Vec<(Node, Node)>, rule: HoldRule) -> u64 {
        let number = self.holds_begun;
        self.holds_begun += 1;
        self.holds.push(Hold { number, links, rule, messages: Vec::new() });
        number
    }

    /// Keeps the copies of a message if its link is held, and returns whether it is.
    #[cold]
    pub(super) fn hold(&mut self, from: Node, to: Node, copies: usize, message: &M) -> bool {
        let takes = |hold: &Hold<M>| {
            hold.links.contains(&(from, to)) && (!hold.rule.single || hold.messages.is_empty())
        };
        let Some(hold) = self.holds.iter_mut().find(|hold| takes(hold)) else {
            return false;
        };
        let cause = self.step;
        hold.messages.extend((0..copies).map(|_| HeldMessage { from, to, message: message.clone(), cause }));
        self.trace_message(from, to, message, MessageFate::Held);
        true
    }

    /// Ends a hold: its messages arrive.
    pub(crate) fn release_messages(&mut self, number: u64) {
        let Some(position) = self.holds.iter().position(|hold| hold.number == number) else { return };
        let mut hold = self.holds.remove(position);
        if hold.rule.shuffled {
            let mut draws = rng::stream(self.plan.seed, label::LINK_HOLD, [number, 0]);
            rng::shuffle(&mut hold.messages, &mut draws);
        }
        let count = hold.messages.len() as u64;
        let gap = (hold.rule.spread.0 / count.max(1)).max(GAP);
        let mut at = self.now + self.plan.network.delay.0;
        for HeldMessage { from, to, message, cause } in hold.messages {
            self.queue.push_caused_by(cause, at, Event::Message { from, to, message });
            at += gap;
        }
    }

    /// What is released from now on arrives at once: the healed phase has no messages from long before.
    pub(crate) fn end_hold_spreads(&mut self) {
        self.holds.iter_mut().for_each(|hold| hold.rule.spread = SimDuration(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Options;
    use crate::plan::{Plan, Supports, generate};
    use invariants::Contract;

    fn world() -> World<String> {
        let plan = Plan { nodes: 3, faults: Vec::new(), ..generate(1) };
        World::new(&plan, &Options::default(), Supports::NOTHING, Contract::PAPER)
    }

    /// The messages in the queue, in the order in which they arrive.
    fn arrivals(world: &mut World<String>) -> Vec<String> {
        let mut messages = Vec::new();
        while let Some((_, event)) = world.queue.pop() {
            if let Event::Message { from, to, message } = event {
                messages.push(format!("{from}{to} {message}"));
            }
        }
        messages
    }

    #[test]
    fn messages_of_a_held_link_arrive_once_it_is_released() {
        let mut world = world();
        let number = world.hold_messages(vec![(1, 2)], HoldRule::default());
        for message in ["a", "b", "c"] {
            assert!(world.hold(1, 2, 1, &message.to_owned()));
            assert!(!world.hold(2, 1, 1, &message.to_owned()), "the other direction is not held");
        }
        assert_eq!(arrivals(&mut world), [""; 0]);
        world.release_messages(number);
        assert_eq!(arrivals(&mut world), ["12 a", "12 b", "12 c"]);
        assert!(!world.hold(1, 2, 1, &"d".to_owned()), "the hold has ended");
        world.release_messages(number);
        assert_eq!(arrivals(&mut world), [""; 0], "a hold ends once");
    }

    #[test]
    fn shuffled_messages_all_arrive_in_another_order() {
        let mut world = world();
        let number =
            world.hold_messages(vec![(1, 2), (2, 1)], HoldRule { shuffled: true, ..HoldRule::default() });
        (0..20).for_each(|message| assert!(world.hold(1, 2, 1, &format!("{message:02}"))));
        assert!(world.hold(2, 1, 2, &"twice".to_owned()));
        world.release_messages(number);
        let arrived = arrivals(&mut world);
        let mut sorted = arrived.clone();
        sorted.sort_unstable();
        assert_ne!(arrived, sorted);
        assert_eq!(sorted.len(), 22);
        assert_eq!(sorted[20..], ["21 twice", "21 twice"]);
    }

    #[test]
    fn a_single_message_is_overtaken_by_all_later_ones() {
        let mut world = world();
        let number = world.hold_messages(vec![(1, 2)], HoldRule { single: true, ..HoldRule::default() });
        assert!(world.hold(1, 2, 1, &"first".to_owned()));
        assert!(!world.hold(1, 2, 1, &"second".to_owned()), "only one is held");
        assert_eq!(arrivals(&mut world), [""; 0]);
        world.release_messages(number);
        assert_eq!(arrivals(&mut world), ["12 first"]);
    }

    #[test]
    fn released_messages_arrive_within_the_spread() {
        let spread = SimDuration::millis(400);
        for (heals, latest) in [(false, spread.0), (true, 10 * GAP)] {
            let mut world = world();
            let number = world.hold_messages(vec![(1, 2)], HoldRule { spread, ..HoldRule::default() });
            (0..4).for_each(|message| assert!(world.hold(1, 2, 1, &format!("{message}"))));
            if heals {
                world.end_hold_spreads();
            }
            world.release_messages(number);
            let first = world.queue.next_time().unwrap();
            let times: Vec<Time> =
                std::iter::from_fn(|| world.queue.pop()).map(|(at, _)| at - first).collect();
            assert_eq!(times, [0, 1, 2, 3].map(|place| place * if heals { GAP } else { latest / 4 }));
        }
    }
}
