//! What servers keep while nothing happens: sampled several times in the quiet time at the end of a run.
//!
//! A write of a snapshot may be in flight at one moment, and a heartbeat's answer may wait for it. So each count is the least
//! of all samples: what is kept in all of them is kept for good.

use super::Cluster;
use crate::server::{Bookkeeping, Server};
use invariants::{Node, Time, WorldFact};

/// How often the quiet time is sampled.
const SAMPLES: u64 = 8;

/// The samples of all servers.
#[derive(Default)]
pub(super) struct BookkeepingSamples {
    /// When to sample next, and at what interval.
    next: Time,
    interval: u64,
    /// The servers that are sampled, each with the least that it has kept.
    kept: Vec<(Node, Option<Bookkeeping>)>,
    /// How many samples were taken.
    count: u64,
}

impl<S: Server> Cluster<S> {
    /// The quiet time begins, and lasts so long. These servers have no fault.
    pub(super) fn begin_samples(&mut self, quiet: Vec<Node>, lasts: u64) {
        let interval = lasts / (SAMPLES + 1);
        let next = self.world.now().saturating_add(interval);
        let kept = quiet.into_iter().map(|node| (node, None)).collect();
        self.samples = BookkeepingSamples { next, interval, kept, count: 0 };
    }

    /// Takes a sample, if one is due.
    pub(super) fn sample_bookkeeping(&mut self) {
        if self.samples.next > self.world.now() || self.samples.kept.is_empty() {
            return;
        }
        self.samples.next = self.world.now().saturating_add(self.samples.interval);
        self.samples.count += 1;
        for (node, least) in &mut self.samples.kept {
            let Some(Ok(server)) = &self.servers[*node as usize - 1] else { continue };
            let Some(now) = server.bookkeeping() else { continue };
            *least = Some(match least.take() {
                Some(before) => before.least(now),
                None => now,
            });
        }
    }

    /// States what each server has kept for the whole quiet time.
    pub(super) fn record_kept(&mut self) {
        let BookkeepingSamples { kept, count, .. } = std::mem::take(&mut self.samples);
        if count < SAMPLES / 2 {
            return;
        }
        for (node, kept) in kept {
            let Some(Bookkeeping { requests, promises, parts, followers }) = kept else { continue };
            self.world.record_fact(node, WorldFact::Kept { requests, promises, parts, followers });
        }
    }
}

impl Bookkeeping {
    /// The least of each count, and the newest followers.
    fn least(self, newer: Bookkeeping) -> Bookkeeping {
        Bookkeeping {
            requests: self.requests.min(newer.requests),
            promises: self.promises.min(newer.promises),
            parts: self.parts.min(newer.parts),
            followers: newer.followers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_at_some_moments_only_is_not_kept() {
        let at = |requests, promises, followers| Bookkeeping { requests, promises, parts: 2, followers };
        let kept = at(0, 3, vec![1]).least(at(4, 1, vec![2]));
        assert_eq!(kept, at(0, 1, vec![2]));
    }
}
