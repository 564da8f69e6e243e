//! Rare things: what few seeds reached, and which.

use serde::{Deserialize, Serialize};

/// A thing is rare if fewer seeds reached it.
pub const RARE_BELOW: u64 = 5;
/// The kind of a situation that was reached.
pub(super) const MILESTONE: &str = "milestone";
/// The kind of a line that was exercised, by the name of the bug without it.
pub(super) const LINE: &str = "line";

/// A named thing that few seeds reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RareThing {
    /// What it is: `milestone` or `line`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The seeds that reached it, fewer than [`RARE_BELOW`].
    pub seeds: Vec<u64>,
}

/// A seed reached a thing, which `total` seeds reached with it.
pub(super) fn note(things: &mut Vec<RareThing>, kind: &str, name: &str, total: u64, seed: u64) {
    let position = things.iter().position(|thing| thing.name == name && thing.kind == kind);
    match (total, position) {
        (RARE_BELOW.., Some(position)) => drop(things.remove(position)),
        (RARE_BELOW.., None) => {}
        (_, Some(position)) => things[position].seeds.push(seed),
        (_, None) => things.push(RareThing { kind: kind.into(), name: name.into(), seeds: vec![seed] }),
    }
}

/// Adds the rare things of other seeds. `total` tells how many seeds reached a thing.
pub(super) fn add(things: &mut Vec<RareThing>, more: Vec<RareThing>, total: impl Fn(&str, &str) -> u64) {
    for thing in more {
        match things.iter_mut().find(|other| other.name == thing.name && other.kind == thing.kind) {
            Some(other) => other.seeds.extend(thing.seeds),
            None => things.push(thing),
        }
    }
    things.retain(|thing| total(&thing.kind, &thing.name) < RARE_BELOW);
    things.iter_mut().for_each(|thing| thing.seeds.sort_unstable());
}
