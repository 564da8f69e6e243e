//! Links: whether a message arrives, after what delay, and whether a later one overtakes it.
//!
//! What happens to a message is drawn when it is sent, so messages in flight are independent of later
//! partitions and restarts. Each kind of decision has its own draws on each link, indexed by the number of
//! the message there: what happens to one message does not depend on those before it.

use crate::plan::faults::NetworkDegradation;
use crate::plan::{NetworkConfig, Probability};
use crate::support::rng::{self, CounterRng, label};
use invariants::Time;

/// All directed links. Servers have the addresses from 0, clients follow. There are no links between clients,
/// so the number of links is linear in the number of clients.
pub struct Net {
    servers: usize,
    /// Links between servers, then those of each client: to each server, and from each.
    links: Vec<Link>,
    base_conditions: LinkConditions,
    degradations: Vec<(u64, NetworkDegradation)>,
    conditions: LinkConditions,
}

/// One direction between two addresses.
struct Link {
    /// Whether a copy is lost, duplicated or reordered.
    fates: CounterRng,
    /// The delay.
    delays: CounterRng,
    /// The extra delay in the tail.
    tails: CounterRng,
    /// The extra delay of a reordered message.
    overtakings: CounterRng,
    /// How many messages were sent on this link.
    sent: u64,
    /// When the last message in order arrives: no later one in order arrives before.
    last: Time,
    /// How many faults block the link.
    block_count: u32,
}

/// The current behaviour of all links. Probabilities are out of 2^20, so that one draw of 64 bits decides
/// three of them.
#[derive(Clone, Copy)]
struct LinkConditions {
    loss: u64,
    duplication: u64,
    reordering: u64,
    tail: u64,
    delay: u64,
    spread: u64,
    tail_spread: u64,
    reorder_delay: u64,
}

/// When the copies of one message arrive; none if it is lost, two if it is duplicated.
pub(super) type Arrivals = [Option<Time>; 2];

const DRAW_BITS: u32 = 20;
const DRAW_MASK: u64 = (1 << DRAW_BITS) - 1;

impl Net {
    /// The links among `servers` servers and `clients` clients. The draws of a link do not depend on how many
    /// there are.
    #[must_use]
    pub fn new(seed: u64, network: &NetworkConfig, servers: usize, clients: usize) -> Net {
        let name = |address: usize| {
            if address < servers { address as u64 + 1 } else { (1 << 32) + (address - servers) as u64 + 1 }
        };
        let link = |(from, to): (usize, usize)| {
            let draws = |label| CounterRng::new(seed, label, [name(from), name(to)]);
            Link {
                fates: draws(label::LINK_FATE),
                delays: draws(label::LINK_DELAY),
                tails: draws(label::LINK_TAIL),
                overtakings: draws(label::LINK_REORDERING),
                sent: 0,
                last: 0,
                block_count: 0,
            }
        };
        let between = (0..servers).flat_map(|from| (0..servers).map(move |to| (from, to)));
        let of_clients = (servers..servers + clients).flat_map(|client| {
            let requests = (0..servers).map(move |server| (client, server));
            requests.chain((0..servers).map(move |server| (server, client)))
        });
        let base_conditions = LinkConditions {
            loss: probability_threshold(network.loss),
            duplication: probability_threshold(network.duplication),
            reordering: probability_threshold(network.reordering),
            tail: probability_threshold(network.tail),
            delay: network.delay.0,
            spread: network.delay_spread.0,
            tail_spread: network.tail_spread.0,
            reorder_delay: 0,
        };
        Net {
            servers,
            links: between.chain(of_clients).map(link).collect(),
            base_conditions,
            degradations: Vec::new(),
            conditions: base_conditions,
        }
    }

    /// The index of the link between two addresses, at least one of which is a server's. Panics for two
    /// clients.
    #[inline]
    fn link_index(&self, from: usize, to: usize) -> usize {
        let servers = self.servers;
        // The index of the first link of a client.
        let client = |address: usize| servers * servers + (address - servers) * 2 * servers;
        match (from < servers, to < servers) {
            (true, true) => from * servers + to,
            (false, true) => client(from) + to,
            (true, false) => client(to) + servers + from,
            (false, false) => {
                panic!("there is no link between clients {from} and {to}; one side must be a server")
            }
        }
    }

    /// Sends a message. Returns when its copies arrive.
    pub fn send(&mut self, now: Time, from: usize, to: usize) -> Arrivals {
        let index = self.link_index(from, to);
        let conditions = &self.conditions;
        let link = &mut self.links[index];
        // Blocked messages count as well: a partition must not shift the draws of later messages.
        let copies = [2 * link.sent, 2 * link.sent + 1];
        link.sent += 1;
        let fate = link.fates.at(copies[0]);
        if link.block_count > 0 || fate & DRAW_MASK < conditions.loss {
            return [None, None];
        }
        let first = link.arrival_time(conditions, now, fate >> (2 * DRAW_BITS) & DRAW_MASK, copies[0]);
        let first = link.keep_order(first);
        if fate >> DRAW_BITS & DRAW_MASK >= conditions.duplication {
            return [Some(first), None];
        }
        let draw_of_copy = link.fates.at(copies[1]) & DRAW_MASK;
        let second = link.arrival_time(conditions, now, draw_of_copy, copies[1]);
        [Some(first), Some(link.keep_order(second))]
    }

    /// One more fault blocks the link from one address to another.
    pub fn block(&mut self, from: usize, to: usize) {
        let index = self.link_index(from, to);
        self.links[index].block_count += 1;
    }

    /// One fault less blocks the link. Panics if none does.
    pub fn unblock(&mut self, from: usize, to: usize) {
        let index = self.link_index(from, to);
        let block_count = &mut self.links[index].block_count;
        *block_count = block_count.checked_sub(1).expect("only a blocked link can be unblocked");
    }

    /// Ends tail delays: in the healed phase no message takes as long as an election timeout, which no leader
    /// could survive. Losses remain, as in any network.
    pub fn heal(&mut self) {
        self.base_conditions.tail = 0;
        self.recompute_conditions();
    }

    /// Begins a degradation with this number.
    pub(crate) fn degrade(&mut self, number: u64, degradation: NetworkDegradation) {
        self.degradations.push((number, degradation));
        self.recompute_conditions();
    }

    /// Ends the degradation with this number.
    pub fn end_degradation(&mut self, number: u64) {
        self.degradations.retain(|(other, _)| *other != number);
        self.recompute_conditions();
    }

    /// Combines all degradations: probabilities add up, the longest delay counts.
    fn recompute_conditions(&mut self) {
        self.conditions = self.base_conditions;
        for (_, degradation) in &self.degradations {
            self.conditions.loss += probability_threshold(degradation.loss);
            self.conditions.duplication += probability_threshold(degradation.duplication);
            self.conditions.reordering += probability_threshold(degradation.reordering);
            self.conditions.reorder_delay = self.conditions.reorder_delay.max(degradation.delay.0);
        }
    }
}

impl Link {
    /// When one copy would arrive, and whether it may be overtaken (`draw_of_copy` decides).
    #[inline]
    fn arrival_time(
        &self,
        conditions: &LinkConditions,
        now: Time,
        draw_of_copy: u64,
        copy: u64,
    ) -> (Time, bool) {
        let draw = self.delays.at(copy);
        let mut at = now + conditions.delay + scale_by_draw(conditions.spread, draw);
        if draw & DRAW_MASK < conditions.tail {
            at += scale_by_draw(conditions.tail_spread, self.tails.at(copy));
        }
        let overtaken = draw_of_copy < conditions.reordering;
        if overtaken && conditions.reorder_delay > 0 {
            at += scale_by_draw(conditions.reorder_delay, self.overtakings.at(copy));
        }
        (at, overtaken)
    }

    /// Messages arrive in the order in which they were sent, except those that may be overtaken.
    #[inline]
    fn keep_order(&mut self, (at, overtaken): (Time, bool)) -> Time {
        if overtaken {
            return at;
        }
        self.last = self.last.max(at);
        self.last
    }
}

/// A uniform fraction of `whole`, from the upper bits of a draw (the lower ones decide about tails).
pub(crate) fn scale_by_draw(whole: u64, draw: u64) -> u64 {
    rng::scale(draw >> DRAW_BITS, u64::BITS - DRAW_BITS, whole.into())
}

/// Whether an event of this probability happens, from the lower bits of a draw.
pub(crate) fn draw_hits(probability: Probability, draw: u64) -> bool {
    draw & DRAW_MASK < probability_threshold(probability)
}

/// A probability out of 2^20; at least 1 unless it is zero.
fn probability_threshold(probability: Probability) -> u64 {
    (u64::from(probability.0) << DRAW_BITS).div_ceil(1_000_000)
}
