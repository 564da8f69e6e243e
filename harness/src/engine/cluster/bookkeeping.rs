//! What servers keep while nothing happens: sampled several times in the quiet time at the end of a run.
//!
//! A write of a snapshot may be in flight at one moment, and a heartbeat's answer may wait for it. So each count is the least
//! of all samples: what is kept in all of them is kept for good. A size is compared with itself: its least in the first quarter of
//! the samples with its least in the last.

use super::Cluster;
use crate::server::{Bookkeeping, Server};
use invariants::{Node, Time, WorldFact};

/// How often the quiet time is sampled.
const SAMPLES: u64 = 8;
/// How many of them are a quarter.
const QUARTER: u64 = SAMPLES / 4;

/// The samples of all servers.
#[derive(Default)]
pub(super) struct BookkeepingSamples {
    /// When to sample next, and at what interval.
    next: Time,
    interval: u64,
    /// The servers that are sampled.
    kept: Vec<(Node, Samples)>,
    /// How many samples were taken.
    count: u64,
}

/// The samples of one server.
#[derive(Default)]
struct Samples {
    /// The least that it has kept.
    least: Option<Bookkeeping>,
    /// The least size in the first quarter, and in the last.
    sizes: [Option<u64>; 2],
}

impl Samples {
    /// Adds the sample of this number, from 1.
    fn add(&mut self, number: u64, now: Bookkeeping) {
        let [before, after] = &mut self.sizes;
        let quarter = match number {
            ..=QUARTER => Some(before),
            number if number > SAMPLES - QUARTER => Some(after),
            _ => None,
        };
        if let Some(least) = quarter {
            *least = Some(least.map_or(now.size, |size| size.min(now.size)));
        }
        self.least = Some(match self.least.take() {
            Some(before) => before.least(now),
            None => now,
        });
    }
}

impl<S: Server> Cluster<S> {
    /// The quiet time begins, and lasts so long. These servers have no fault.
    pub(super) fn begin_samples(&mut self, quiet: Vec<Node>, lasts: u64) {
        let interval = lasts / (SAMPLES + 1);
        let next = self.world.now().saturating_add(interval);
        let kept = quiet.into_iter().map(|node| (node, Samples::default())).collect();
        self.samples = BookkeepingSamples { next, interval, kept, count: 0 };
    }

    /// Takes a sample, if one is due.
    pub(super) fn sample_bookkeeping(&mut self) {
        if self.samples.next > self.world.now() || self.samples.kept.is_empty() {
            return;
        }
        self.samples.next = self.world.now().saturating_add(self.samples.interval);
        self.samples.count += 1;
        let number = self.samples.count;
        for (node, samples) in &mut self.samples.kept {
            let Some(Ok(server)) = &self.servers[*node as usize - 1] else { continue };
            let Some(now) = server.bookkeeping() else { continue };
            samples.add(number, now);
        }
    }

    /// States what each server has kept for the whole quiet time.
    pub(super) fn record_kept(&mut self) {
        let BookkeepingSamples { kept, count, .. } = std::mem::take(&mut self.samples);
        if count < SAMPLES / 2 {
            return;
        }
        for (node, Samples { least, sizes }) in kept {
            let Some(Bookkeeping { requests, promises, parts, followers, size: _ }) = least else { continue };
            self.world.record_fact(node, WorldFact::Kept { requests, promises, parts, followers });
            // A server that keeps nothing besides, or does not say, needs no fact.
            if let [Some(before), Some(after)] = sizes
                && before.max(after) > 0
            {
                self.world.record_fact(node, WorldFact::SizeKept { before, after });
            }
        }
    }
}

impl Bookkeeping {
    /// The least of each count, and the newest of what is compared otherwise.
    fn least(self, newer: Bookkeeping) -> Bookkeeping {
        Bookkeeping {
            requests: self.requests.min(newer.requests),
            promises: self.promises.min(newer.promises),
            parts: self.parts.min(newer.parts),
            followers: newer.followers,
            size: newer.size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_at_some_moments_only_is_not_kept() {
        let at =
            |requests, promises, followers| Bookkeeping { requests, promises, parts: 2, followers, size: 0 };
        let kept = at(0, 3, vec![1]).least(at(4, 1, vec![2]));
        assert_eq!(kept, at(0, 1, vec![2]));
    }
    #[test]
    fn a_size_is_the_least_of_its_quarter() {
        let mut samples = Samples::default();
        for (number, size) in (1..).zip([5, 3, 0, 0, 0, 9, 8, 7]) {
            samples.add(number, Bookkeeping { size, ..Bookkeeping::default() });
        }
        assert_eq!(samples.sizes, [Some(3), Some(7)]);
    }
}
