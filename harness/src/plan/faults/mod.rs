//! The kinds of faults, one file per kind: its data and their roles, its names, its sentence, how it begins and ends.
//!
//! *In*: targets, times and probabilities of [`plan`](crate::plan). *Out*: [`FaultKind`] and its data, for plans;
//! `FaultHost`, which the engine implements. Validation, shrinking and mutation work on the roles of fields (`Slot`), so
//! a new kind needs its file, its lines in this one, and whatever draws it (`generate.rs`).

#[macro_use]
mod declare;
mod damage;
mod host;
mod release;
mod shape;
mod slot;
mod fields;
mod crash;
mod mid_step_crash;
mod held_messages;
mod power_loss;
mod pause;
mod one_way_partition;
mod partition;
mod degraded_network;
mod slow_disk;
mod stalled_disk;
mod clock_rate;
mod clock_jump;
mod wall_jump;
mod bit_rot;
mod transfer;
mod change;
mod leave;
mod disk_error;
mod wipe;
mod topology;
mod full_disk;

pub use bit_rot::BitRot;
pub use change::Change;
pub use clock_jump::ClockJump;
pub use clock_rate::ClockRate;
pub use crash::Crash;
pub use damage::Damage;
pub use degraded_network::DegradedNetwork;
pub use disk_error::DiskError;
use fields::{FaultName, JumpBy, read_field};
pub use full_disk::FullDisk;
pub(crate) use held_messages::HeldLinks;
pub use held_messages::HeldMessages;
pub(crate) use host::{Begun, Down, FaultHost, HoldRule, NetworkDegradation, SyncErrors};
use host::{Blocked, End};
pub use leave::Leave;
pub(super) use mid_step_crash::MAX_EFFECTS;
pub use mid_step_crash::MidStepCrash;
pub use one_way_partition::OneWayPartition;
pub use partition::Partition;
pub use pause::Pause;
pub use power_loss::PowerLoss;
pub use release::Release;
pub use shape::Shape;
pub(crate) use slot::Slot;
pub(super) use slow_disk::MAX_FACTOR;
pub use slow_disk::SlowDisk;
pub use stalled_disk::StalledDisk;
pub use topology::Topology;
pub use transfer::Transfer;
pub use wall_jump::WallJump;
pub use wipe::Wipe;

use super::{Probability, SimDuration, Target, Trigger};
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use std::fmt;

fault_kinds! {
    Crash,
    PowerLoss,
    Pause,
    OneWayPartition,
    Partition,
    DegradedNetwork,
    SlowDisk,
    StalledDisk,
    ClockRate,
    ClockJump,
    WallJump,
    BitRot,
    Transfer,
    Change,
    Leave,
    DiskError,
    Wipe,
    MidStepCrash,
    HeldMessages,
    Topology,
    FullDisk,
}

fault_fields! {
    node: Target,
    nodes: Vec<Target>,
    from: Target,
    to: Target,
    side: Vec<Target>,
    loss: Probability,
    duplication: Probability,
    reordering: Probability,
    delay: SimDuration,
    factor: u64,
    drift: i64,
    by: JumpBy,
    lasts: SimDuration,
    voters: Vec<Target>,
    learners: Vec<Target>,
    remove: Vec<Target>,
    by_joint: bool,
    effects: u64,
    power_loss: bool,
    drops: bool,
    once: bool,
    both_ways: bool,
    shuffled: bool,
    until: Release,
    single: bool,
    spread: SimDuration,
    shape: Shape,
    center: Target,
    how: Damage,
    room: u64,
    within_quorum: bool,
}

/// One fault.
#[derive(Clone, PartialEq, Debug)]
pub struct Fault {
    /// The time of the fault; with a trigger, the earliest time.
    pub at: SimDuration,
    /// If set, the fault waits for the first such event after `at`.
    pub on: Option<Trigger>,
    /// What fails.
    pub kind: FaultKind,
}

/// The data of a kind; `fault!` implements it.
pub(crate) trait FaultData: Sized {
    /// The name in a plan.
    const NAME: &'static str;
    /// Replaced names, which stored plans may still use.
    const FORMER_NAMES: &'static [&'static str];
    /// One line about it.
    const SUMMARY: &'static str;

    /// Takes its fields.
    fn read(fields: &mut FaultFields) -> Result<Self, String>;
    /// Its fields, each with its name and role.
    fn slots(&mut self) -> Vec<(&'static str, Slot<'_>)>;
}

/// Whether a field that was added later has its default: then it is not written, so that stored plans keep their text.
fn is_default<T: Default + PartialEq>(field: &T) -> bool {
    *field == T::default()
}

/// What a kind does.
pub(crate) trait FaultType: FaultData {
    /// What its end needs to know.
    type Active: End;

    /// Writes its targets and strength, each after a space.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// The first field that is invalid although its role allows the value, and the reason.
    fn invalid_field(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// Begins the fault; `None` if no node matches its target.
    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Self::Active>>;
}

impl FaultKind {
    /// The current name of a kind; a name that is not a former one is returned unchanged.
    #[must_use]
    pub fn current_name(name: &str) -> &str {
        let is_former = |(_, former): &&(_, &[&str])| former.contains(&name);
        FaultKind::FORMER_NAMES.iter().find(is_former).map_or(name, |(current, _)| current)
    }

    /// The name of this kind in a plan.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        FaultKind::ALL[self.index()].0
    }

    /// The targets, each with the name of its field.
    #[must_use]
    pub fn targets(&self) -> Vec<(&'static str, Target)> {
        let mut targets = Vec::new();
        for (name, slot) in self.clone().slots() {
            match slot {
                Slot::Target(target) => targets.push((name, *target)),
                Slot::Targets(list) => targets.extend(list.iter().map(|target| (name, *target))),
                _ => {}
            }
        }
        targets
    }

    /// The targets, mutably.
    pub(crate) fn targets_mut(&mut self) -> Vec<&mut Target> {
        let mut targets = Vec::new();
        for (_, slot) in self.slots() {
            match slot {
                Slot::Target(target) => targets.push(target),
                Slot::Targets(list) => targets.extend(list),
                _ => {}
            }
        }
        targets
    }

    /// Replaces or removes targets. Returns false if the fault cannot do without a removed one: a single target, or the
    /// last of its lists (a power loss without a list of servers would hit all of them).
    pub(crate) fn map_targets(&mut self, mut map: impl FnMut(Target) -> Option<Target>) -> bool {
        let (mut before, mut after) = (0, 0);
        for (_, slot) in self.slots() {
            match slot {
                Slot::Target(target) => match map(*target) {
                    Some(mapped) => *target = mapped,
                    None => return false,
                },
                Slot::Targets(list) => {
                    before += list.len();
                    *list = list.iter().filter_map(|target| map(*target)).collect();
                    after += list.len();
                }
                _ => {}
            }
        }
        before == 0 || after > 0
    }

    /// The duration; `None` for a kind that happens once.
    #[must_use]
    pub fn lasts(&self) -> Option<SimDuration> {
        self.clone().lasts_mut().copied()
    }

    /// The duration, mutably.
    pub(crate) fn lasts_mut(&mut self) -> Option<&mut SimDuration> {
        self.slots().into_iter().find_map(|(_, slot)| match slot {
            Slot::Lasts(lasts) => Some(lasts),
            _ => None,
        })
    }

    /// The fields that say how strong it is.
    pub(crate) fn strengths(&mut self) -> Vec<(&'static str, Slot<'_>)> {
        self.slots().into_iter().filter(|(_, slot)| slot.is_strength()).collect()
    }
}

impl fmt::Display for Fault {
    /// One line: `at 1.2s on elected: crash trigger-node for 300ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}", self.at)?;
        if let Some(trigger) = self.on {
            write!(f, " on {}", trigger.name())?;
        }
        write!(f, ": {}", self.kind)?;
        match self.kind.lasts() {
            Some(lasts) => write!(f, " for {lasts}"),
            None => Ok(()),
        }
    }
}

/// A fault as a plan's file shows it: one flat table.
#[derive(serde::Serialize)]
struct Table<'a, D> {
    at: SimDuration,
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<Trigger>,
    kind: &'static str,
    #[serde(flatten)]
    data: &'a D,
}

impl<'a, D> Table<'a, D> {
    fn new(fault: &Fault, data: &'a D) -> Table<'a, D> {
        Table { at: fault.at, on: fault.on, kind: fault.kind.name(), data }
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fault, D::Error> {
        let mut fields = FaultFields::deserialize(deserializer)?;
        let kind = FaultKind::read(fields.kind.0, &mut fields).map_err(D::Error::custom)?;
        match fields.unexpected_field() {
            Some(field) => {
                Err(D::Error::custom(format!("a fault of kind `{}` has no `{field}`", kind.name())))
            }
            None => Ok(Fault { at: fields.at, on: fields.on, kind }),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads the documentation")]
mod tests {
    use super::FaultKind;
    use crate::plan::target;

    /// The first cells of the rows of a table in the chapter on faults, from this heading on.
    fn cells(heading: &str) -> Vec<&'static str> {
        let (_, rows) = include_str!("../../../docs/faults.md").split_once(heading).unwrap();
        let rows = rows.lines().skip_while(|line| !line.starts_with("|---"));
        let rows = rows.skip(1).take_while(|line| line.starts_with('|'));
        rows.map(|line| line.split('|').nth(1).unwrap().trim().trim_matches('`')).collect()
    }

    #[test]
    fn the_chapter_has_a_row_for_each_kind_and_each_target() {
        assert_eq!(cells("# The faults"), FaultKind::ALL.map(|(name, _)| name));
        let words = target::WORDS.map(|(word, _)| word);
        assert_eq!(cells("## Targets"), [["a number"].as_slice(), &words].concat());
    }
}
