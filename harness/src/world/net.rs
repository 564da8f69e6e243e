//! Links: how long a message takes, whether it arrives, and whether what was sent later overtakes it.
//!
//! A message's fate is drawn when it is sent. So what is in flight outlives cuts, reconnects and restarts. Each kind of
//! decision has draws of its own on each link, and the number of the message there says which: what happens to one message
//! does not depend on what happened to those before it.

use crate::plan::{Chance, Network};
use crate::rng::Draws;
use invariants::Time;

/// All directed links. Servers have the addresses from 0, clients those after them. Clients have no links to each other,
/// so that there are as many links as clients times servers, not clients times clients.
pub struct Net {
    servers: usize,
    /// Those between servers, then those of each client: to each server, and from each.
    links: Vec<Link>,
    usual: Odds,
    weather: Vec<(u64, Weather)>,
    odds: Odds,
    /// Whether links draw a number more now and then, for nothing.
    one_draw_more: bool,
}

/// One direction between two addresses.
struct Link {
    /// Whether a copy is lost, doubled, overtaken.
    fates: Draws,
    /// How long it takes.
    delays: Draws,
    /// How much longer, where it takes much longer.
    tails: Draws,
    /// How much longer, where others may overtake it.
    overtakings: Draws,
    /// How many messages were sent here.
    sent: u64,
    /// When the latest message that keeps its place arrives: nothing that keeps its own arrives before.
    last: Time,
    /// How many faults cut it at present.
    cuts: u32,
}

/// What makes all links worse for a while.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// How often a message is lost.
    pub loss: Chance,
    /// How often it arrives twice.
    pub duplication: Chance,
    /// How often it may be overtaken.
    pub reordering: Chance,
    /// How much longer a message that is overtaken may take.
    pub delay: u64,
}

/// What links do at present. Chances are out of 2^20, so that one draw of 64 bits decides three of them.
#[derive(Clone, Copy)]
struct Odds {
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
const RARELY: u64 = 16;
const BITS: u32 = 20;
const MASK: u64 = (1 << BITS) - 1;

impl Net {
    /// Links among `servers` servers and `clients` clients, each with a stream of its own that does not depend on how
    /// many others there are.
    #[must_use]
    pub fn new(seed: u64, network: &Network, servers: usize, clients: usize) -> Net {
        let name = |address: usize| {
            if address < servers { address as u64 + 1 } else { (1 << 32) + (address - servers) as u64 + 1 }
        };
        let link = |(from, to): (usize, usize)| {
            let draws = |label| Draws::new(seed, label, [name(from), name(to)]);
            Link {
                fates: draws("link fate"),
                delays: draws("link delay"),
                tails: draws("link tail"),
                overtakings: draws("link overtaking"),
                sent: 0,
                last: 0,
                cuts: 0,
            }
        };
        let between = (0..servers).flat_map(|from| (0..servers).map(move |to| (from, to)));
        let of_clients = (servers..servers + clients).flat_map(|client| {
            let asks = (0..servers).map(move |server| (client, server));
            asks.chain((0..servers).map(move |server| (server, client)))
        });
        let usual = Odds {
            loss: out_of(network.loss),
            duplication: out_of(network.duplication),
            reordering: out_of(network.reordering),
            tail: out_of(network.tail),
            delay: network.delay.0,
            spread: network.delay_spread.0,
            tail_spread: network.tail_spread.0,
            overtaken_by: 0,
        };
        Net {
            servers,
            links: between.chain(of_clients).map(link).collect(),
            usual,
            weather: Vec::new(),
            odds: usual,
            one_draw_more: false,
        }
    }

    /// From now on each link draws a number more at one of some messages, for nothing, as if the harness had changed: what
    /// comes after is another fate. Stored cases must outlive it.
    pub(crate) fn draw_one_more(&mut self) {
        self.one_draw_more = true;
    }

    /// Where the link from one address to another lies. One of the two is a server's.
    #[inline]
    fn place(&self, from: usize, to: usize) -> usize {
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
        let place = self.place(from, to);
        let odds = &self.odds;
        let link = &mut self.links[place];
        // Counted even where nothing passes: a cut shall not shift the fate of what is sent after it.
        let copies = [2 * link.sent, 2 * link.sent + 1];
        link.sent += 1 + u64::from(self.one_draw_more && link.sent.is_multiple_of(RARELY));
        let fate = link.fates.of(copies[0]);
        if link.cuts > 0 || fate & MASK < odds.loss {
            return [None, None];
        }
        let first = link.arrival(odds, now, fate >> (2 * BITS) & MASK, copies[0]);
        let first = link.in_order(first);
        if fate >> BITS & MASK >= odds.duplication {
            return [Some(first), None];
        }
        let lot = link.fates.of(copies[1]) & MASK;
        let second = link.arrival(odds, now, lot, copies[1]);
        [Some(first), Some(link.in_order(second))]
    }

    /// One more fault cuts the link from one address to another.
    pub fn cut(&mut self, from: usize, to: usize) {
        let place = self.place(from, to);
        self.links[place].cuts += 1;
    }

    /// One fault less cuts it.
    pub fn mend(&mut self, from: usize, to: usize) {
        let place = self.place(from, to);
        let cuts = &mut self.links[place].cuts;
        *cuts = cuts.checked_sub(1).expect("only what was cut is mended");
    }

    /// All is well: from now on no message takes much longer than usual. One that takes as long as an election timeout
    /// is nothing that a leader could survive, and so a fault. Losses remain, as they do in any network.
    pub fn heal(&mut self) {
        self.usual.tail = 0;
        self.sum_up();
    }

    /// Weather sets in, under a name by which it ends.
    pub fn set_in(&mut self, name: u64, weather: Weather) {
        self.weather.push((name, weather));
        self.sum_up();
    }

    /// This weather is over.
    pub fn clear(&mut self, name: u64) {
        self.weather.retain(|(other, _)| *other != name);
        self.sum_up();
    }

    /// All weather that there is, one over the other: chances add up, the longest delay counts.
    fn sum_up(&mut self) {
        self.odds = self.usual;
        for (_, weather) in &self.weather {
            self.odds.loss += out_of(weather.loss);
            self.odds.duplication += out_of(weather.duplication);
            self.odds.reordering += out_of(weather.reordering);
            self.odds.overtaken_by = self.odds.overtaken_by.max(weather.delay);
        }
    }
}

impl Link {
    /// When one copy would arrive, and whether it may be overtaken (`lot` decides).
    #[inline]
    fn arrival(&self, odds: &Odds, now: Time, lot: u64, copy: u64) -> (Time, bool) {
        let draw = self.delays.of(copy);
        let mut at = now + odds.delay + share(odds.spread, draw);
        if draw & MASK < odds.tail {
            at += share(odds.tail_spread, self.tails.of(copy));
        }
        let overtaken = lot < odds.reordering;
        if overtaken && odds.overtaken_by > 0 {
            at += share(odds.overtaken_by, self.overtakings.of(copy));
        }
        (at, overtaken)
    }

    /// Nothing arrives before what was sent before it, unless it was chosen to be overtaken.
    #[inline]
    fn in_order(&mut self, (at, overtaken): (Time, bool)) -> Time {
        if overtaken {
            return at;
        }
        self.last = self.last.max(at);
        self.last
    }
}

/// A uniform part of `whole`, by the upper bits of a draw (the lower ones decide about tails).
pub fn share(whole: u64, draw: u64) -> u64 {
    ((u128::from(whole) * u128::from(draw >> BITS)) >> (64 - BITS)) as u64
}

/// Whether something of this chance happens, by the lower bits of a draw.
pub fn happens(chance: Chance, draw: u64) -> bool {
    draw & MASK < out_of(chance)
}

/// A chance out of 2^20; at least one where it is not zero.
fn out_of(chance: Chance) -> u64 {
    (u64::from(chance.0) << BITS).div_ceil(1_000_000)
}
