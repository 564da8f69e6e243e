//! What the sum of several parts of a sweep has to remember of them, so that it can be added to others.

use super::seeds::Seeds;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a merged ledger says of its parts.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MergedParts {
    /// Number of parts.
    pub parts: u64,
    /// The seeds that were asked for, by window.
    pub asked: Vec<AskedSeeds>,
    /// The seeds of each part that had a time limit: after the last one that ran, none of them is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limited: Vec<Range<u64>>,
    /// Whether one of them ended before its time limit.
    #[serde(default)]
    pub ended_early: bool,
    /// The shards, if all parts are shards of one sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<Shards>,
}

/// The seeds of all machines together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AskedSeeds {
    /// The name of their window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// The seeds.
    pub seeds: Range<u64>,
}

/// Some of the shards of a sweep.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shards {
    /// Which: from 0.
    pub indexes: Seeds,
    /// Of how many.
    pub count: u64,
}

impl MergedParts {
    /// Adds further parts. The first ones are added to nothing.
    pub(super) fn add(&mut self, more: MergedParts, is_first: bool) {
        self.parts += more.parts;
        self.limited.extend(more.limited);
        self.ended_early |= more.ended_early;
        for asked in more.asked {
            match self.asked.iter_mut().find(|other| other.window == asked.window) {
                Some(other) => other.seeds = hull(&other.seeds, &asked.seeds),
                None => self.asked.push(asked),
            }
        }
        self.shards = match (self.shards.take(), more.shards) {
            (_, more) if is_first => more,
            (Some(mut sum), Some(more)) if sum.count == more.count && self.asked.len() == 1 => {
                sum.indexes.insert_all(&more.indexes);
                Some(sum)
            }
            _ => None,
        };
    }
}

/// The smallest range with both.
pub(super) fn hull(one: &Range<u64>, other: &Range<u64>) -> Range<u64> {
    one.start.min(other.start)..one.end.max(other.end)
}
