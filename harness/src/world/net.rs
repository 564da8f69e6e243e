//! Links: how long a message takes, whether it arrives, and whether what was sent later overtakes it.
//!
//! A message's fate is drawn when it is sent. So what is in flight outlives cuts, reconnects and restarts. Each kind of
//! decision has draws of its own on each link, and the number of the message there says which: what happens to one message
//! does not depend on what happened to those before it.

use crate::plan::{NetworkConfig, Probability};
use crate::rng::CounterRng;
use invariants::Time;

/// All directed links. Servers have the addresses from 0, clients those after them. Clients have no links to each other,
/// so that there are as many links as clients times servers, not clients times clients.
pub struct Net {
    servers: usize,
    /// Those between servers, then those of each client: to each server, and from each.
    links: Vec<Link>,
    base_conditions: LinkConditions,
    degradations: Vec<(u64, NetworkDegradation)>,
    conditions: LinkConditions,
    /// Whether links draw a number more now and then, for nothing.
    extra_draws: bool,
}

/// One direction between two addresses.
struct Link {
    /// Whether a copy is lost, doubled, overtaken.
    fates: CounterRng,
    /// How long it takes.
    delays: CounterRng,
    /// How much longer, where it takes much longer.
    tails: CounterRng,
    /// How much longer, where others may overtake it.
    overtakings: CounterRng,
    /// How many messages were sent here.
    sent: u64,
    /// When the latest message that keeps its place arrives: nothing that keeps its own arrives before.
    last: Time,
    /// How many faults cut it at present.
    block_count: u32,
}

/// What makes all links worse for a while.
#[derive(Clone, Copy, Debug)]
pub struct NetworkDegradation {
    /// How often a message is lost.
    pub loss: Probability,
    /// How often it arrives twice.
    pub duplication: Probability,
    /// How often it may be overtaken.
    pub reordering: Probability,
    /// How much longer a message that is overtaken may take.
    pub delay: u64,
}

/// What links do at present. Chances are out of 2^20, so that one draw of 64 bits decides three of them.
#[derive(Clone, Copy)]
struct LinkConditions {
    loss: u64,
    duplication: u64,
    reordering: u64,
    tail: u64,
    delay: u64,
    spread: u64,
    tail_spread: u64,
    overtaken_by: u64,
}

/// When the copies of one message arrive; none if it is lost, two if it is doubled.
pub type Arrivals = [Option<Time>; 2];

/// At how many messages a link draws one number more, where it does.
const EXTRA_DRAW_INTERVAL: u64 = 16;
const DRAW_BITS: u32 = 20;
const DRAW_MASK: u64 = (1 << DRAW_BITS) - 1;

impl Net {
    /// Links among `servers` servers and `clients` clients, each with a stream of its own that does not depend on how
    /// many others there are.
    #[must_use]
    pub fn new(seed: u64, network: &NetworkConfig, servers: usize, clients: usize) -> Net {
        let name = |address: usize| {
            if address < servers { address as u64 + 1 } else { (1 << 32) + (address - servers) as u64 + 1 }
        };
        let link = |(from, to): (usize, usize)| {
            let draws = |label| CounterRng::new(seed, label, [name(from), name(to)]);
            Link {
                fates: draws("link fate"),
                delays: draws("link delay"),
                tails: draws("link tail"),
                overtakings: draws("link overtaking"),
                sent: 0,
                last: 0,
                block_count: 0,
            }
        };
        let between = (0..servers).flat_map(|from| (0..servers).map(move |to| (from, to)));
        let of_clients = (servers..servers + clients).flat_map(|client| {
            let asks = (0..servers).map(move |server| (client, server));
            asks.chain((0..servers).map(move |server| (server, client)))
        });
        let usual = LinkConditions {
            loss: probability_threshold(network.loss),
            duplication: probability_threshold(network.duplication),
            reordering: probability_threshold(network.reordering),
            tail: probability_threshold(network.tail),
            delay: network.delay.0,
            spread: network.delay_spread.0,
            tail_spread: network.tail_spread.0,
            overtaken_by: 0,
        };
        Net {
            servers,
            links: between.chain(of_clients).map(link).collect(),
            base_conditions: usual,
            degradations: Vec::new(),
            conditions: usual,
            extra_draws: false,
        }
    }

    /// From now on each link draws a number more at one of some messages, for nothing, as if the harness had changed: what
    /// comes after is another fate. Stored cases must outlive it.
    pub(crate) fn enable_extra_draws(&mut self) {
        self.extra_draws = true;
    }

    /// Where the link from one address to another lies. One of the two is a server's.
    #[inline]
    fn link_index(&self, from: usize, to: usize) -> usize {
        let servers = self.servers;
        // The links of the client with this address.
        let client = |address: usize| servers * servers + (address - servers) * 2 * servers;
        match (from < servers, to < servers) {
            (true, true) => from * servers + to,
            (false, true) => client(from) + to,
            (true, false) => client(to) + servers + from,
            (false, false) => panic!("no link leads from one client to another"),
        }
    }

    /// When a message that is sent now arrives.
    pub fn send(&mut self, now: Time, from: usize, to: usize) -> Arrivals {
        let place = self.link_index(from, to);
        let odds = &self.conditions;
        let link = &mut self.links[place];
        // Counted even where nothing passes: a cut shall not shift the fate of what is sent after it.
        let copies = [2 * link.sent, 2 * link.sent + 1];
        link.sent += 1 + u64::from(self.extra_draws && link.sent.is_multiple_of(EXTRA_DRAW_INTERVAL));
        let fate = link.fates.at(copies[0]);
        if link.block_count > 0 || fate & DRAW_MASK < odds.loss {
            return [None, None];
        }
        let first = link.arrival_time(odds, now, fate >> (2 * DRAW_BITS) & DRAW_MASK, copies[0]);
        let first = link.keep_order(first);
        if fate >> DRAW_BITS & DRAW_MASK >= odds.duplication {
            return [Some(first), None];
        }
        let lot = link.fates.at(copies[1]) & DRAW_MASK;
        let second = link.arrival_time(odds, now, lot, copies[1]);
        [Some(first), Some(link.keep_order(second))]
    }

    /// One more fault cuts the link from one address to another.
    pub fn block(&mut self, from: usize, to: usize) {
        let place = self.link_index(from, to);
        self.links[place].block_count += 1;
    }

    /// One fault less cuts it.
    pub fn unblock(&mut self, from: usize, to: usize) {
        let place = self.link_index(from, to);
        let cuts = &mut self.links[place].block_count;
        *cuts = cuts.checked_sub(1).expect("only what was cut is mended");
    }

    /// All is well: from now on no message takes much longer than usual. One that takes as long as an election timeout
    /// is nothing that a leader could survive, and so a fault. Losses remain, as they do in any network.
    pub fn heal(&mut self) {
        self.base_conditions.tail = 0;
        self.recompute_conditions();
    }

    /// Weather sets in, under a name by which it ends.
    pub fn degrade(&mut self, name: u64, weather: NetworkDegradation) {
        self.degradations.push((name, weather));
        self.recompute_conditions();
    }

    /// This weather is over.
    pub fn end_degradation(&mut self, name: u64) {
        self.degradations.retain(|(other, _)| *other != name);
        self.recompute_conditions();
    }

    /// All weather that there is, one over the other: chances add up, the longest delay counts.
    fn recompute_conditions(&mut self) {
        self.conditions = self.base_conditions;
        for (_, weather) in &self.degradations {
            self.conditions.loss += probability_threshold(weather.loss);
            self.conditions.duplication += probability_threshold(weather.duplication);
            self.conditions.reordering += probability_threshold(weather.reordering);
            self.conditions.overtaken_by = self.conditions.overtaken_by.max(weather.delay);
        }
    }
}

impl Link {
    /// When one copy would arrive, and whether it may be overtaken (`lot` decides).
    #[inline]
    fn arrival_time(&self, odds: &LinkConditions, now: Time, lot: u64, copy: u64) -> (Time, bool) {
        let draw = self.delays.at(copy);
        let mut at = now + odds.delay + scale_by_draw(odds.spread, draw);
        if draw & DRAW_MASK < odds.tail {
            at += scale_by_draw(odds.tail_spread, self.tails.at(copy));
        }
        let overtaken = lot < odds.reordering;
        if overtaken && odds.overtaken_by > 0 {
            at += scale_by_draw(odds.overtaken_by, self.overtakings.at(copy));
        }
        (at, overtaken)
    }

    /// Nothing arrives before what was sent before it, unless it was chosen to be overtaken.
    #[inline]
    fn keep_order(&mut self, (at, overtaken): (Time, bool)) -> Time {
        if overtaken {
            return at;
        }
        self.last = self.last.max(at);
        self.last
    }
}

/// A uniform part of `whole`, by the upper bits of a draw (the lower ones decide about tails).
pub fn scale_by_draw(whole: u64, draw: u64) -> u64 {
    ((u128::from(whole) * u128::from(draw >> DRAW_BITS)) >> (64 - DRAW_BITS)) as u64
}

/// Whether something of this chance happens, by the lower bits of a draw.
pub fn draw_hits(chance: Probability, draw: u64) -> bool {
    draw & DRAW_MASK < probability_threshold(chance)
}

/// A chance out of 2^20; at least one where it is not zero.
fn probability_threshold(chance: Probability) -> u64 {
    (u64::from(chance.0) << DRAW_BITS).div_ceil(1_000_000)
}
