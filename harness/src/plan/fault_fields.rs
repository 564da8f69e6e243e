//! Reads a fault from its flat table. This is done by hand because a flattened serde enum loses the line and column of
//! a field and accepts fields that the kind does not have.

use super::{Fault, FaultKind, Probability, SimDuration, Target, Trigger};
use crate::support::suggest;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// The fields of all fault kinds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultFields {
    at: SimDuration,
    on: Option<Trigger>,
    kind: FaultName,
    node: Option<Target>,
    nodes: Option<Vec<Target>>,
    from: Option<Target>,
    to: Option<Target>,
    side: Option<Vec<Target>>,
    loss: Option<Probability>,
    duplication: Option<Probability>,
    reordering: Option<Probability>,
    delay: Option<SimDuration>,
    factor: Option<u64>,
    drift: Option<i64>,
    by: Option<JumpBy>,
    lasts: Option<SimDuration>,
    voters: Option<Vec<Target>>,
    learners: Option<Vec<Target>>,
    remove: Option<Vec<Target>>,
    by_joint: Option<bool>,
}

/// The current name of a kind that exists.
struct FaultName(&'static str);

impl<'de> Deserialize<'de> for FaultName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FaultName, D::Error> {
        let typed = String::deserialize(deserializer)?;
        let known = || FaultKind::ALL.into_iter().map(|(name, _)| name);
        match known().find(|name| *name == FaultKind::current_name(&typed)) {
            Some(name) => Ok(FaultName(name)),
            None => Err(D::Error::custom(suggest::unknown_name("fault", &typed, known()))),
        }
    }
}

/// How far a clock jumps: a duration for a monotonic clock, signed milliseconds for a wall clock.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a clock jumps `by` a duration such as \"150ms\", a wall clock `by` whole milliseconds"
)]
enum JumpBy {
    Duration(SimDuration),
    Milliseconds(i64),
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fault, D::Error> {
        FaultFields::deserialize(deserializer)?.into_fault().map_err(D::Error::custom)
    }
}

impl FaultFields {
    /// The fault, if exactly the fields of its kind are set.
    fn into_fault(self) -> Result<Fault, String> {
        let mut fields = self;
        let name = fields.kind.0;
        // Takes a field that the kind must have. A field that is left over at the end does not belong to the kind.
        macro_rules! need {
            ($field:ident) => {
                fields
                    .$field
                    .take()
                    .ok_or_else(|| format!("a fault of kind `{name}` needs `{}`", stringify!($field)))?
            };
        }
        let kind = match name {
            "crash" => FaultKind::Crash { node: need!(node), lasts: need!(lasts) },
            "power-loss" => {
                FaultKind::PowerLoss { nodes: fields.nodes.take().unwrap_or_default(), lasts: need!(lasts) }
            }
            "pause" => FaultKind::Pause { node: need!(node), lasts: need!(lasts) },
            "one-way-partition" => {
                FaultKind::OneWayPartition { from: need!(from), to: need!(to), lasts: need!(lasts) }
            }
            "partition" => FaultKind::Partition { side: need!(side), lasts: need!(lasts) },
            "degraded-network" => FaultKind::DegradedNetwork {
                loss: need!(loss),
                duplication: need!(duplication),
                reordering: need!(reordering),
                delay: need!(delay),
                lasts: need!(lasts),
            },
            "slow-disk" => {
                FaultKind::SlowDisk { node: need!(node), factor: need!(factor), lasts: need!(lasts) }
            }
            "stalled-disk" => FaultKind::StalledDisk { node: need!(node), lasts: need!(lasts) },
            "clock-rate" => {
                FaultKind::ClockRate { node: need!(node), drift: need!(drift), lasts: need!(lasts) }
            }
            "clock-jump" => match need!(by) {
                JumpBy::Duration(by) => FaultKind::ClockJump { node: need!(node), by },
                JumpBy::Milliseconds(_) => {
                    return Err("a clock jumps `by` a duration in quotes, such as \"150ms\"".into());
                }
            },
            "wall-jump" => match need!(by) {
                JumpBy::Milliseconds(by) => FaultKind::WallJump { node: need!(node), by },
                JumpBy::Duration(_) => {
                    return Err(
                        "a wall clock jumps `by` a whole number of milliseconds, such as -1500".into()
                    );
                }
            },
            "bit-rot" => FaultKind::BitRot { node: need!(node) },
            "disk-error" => FaultKind::DiskError { node: need!(node), lasts: need!(lasts) },
            "wipe" => FaultKind::Wipe { node: need!(node), lasts: need!(lasts) },
            "transfer" => FaultKind::Transfer { to: need!(to) },
            "change" => FaultKind::Change {
                voters: fields.voters.take().unwrap_or_default(),
                learners: fields.learners.take().unwrap_or_default(),
                remove: fields.remove.take().unwrap_or_default(),
                by_joint: fields.by_joint.take().unwrap_or_default(),
            },
            "leave" => FaultKind::Leave,
            _ => unreachable!("fault kind {name} has no arm in `into_fault`"),
        };
        match fields.unexpected_field() {
            Some(field) => Err(format!("a fault of kind `{name}` has no `{field}`")),
            None => Ok(Fault { at: fields.at, on: fields.on, kind }),
        }
    }

    /// A field that is set and was not taken.
    fn unexpected_field(&self) -> Option<&'static str> {
        let all = [
            ("node", self.node.is_some()),
            ("nodes", self.nodes.is_some()),
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
            ("side", self.side.is_some()),
            ("loss", self.loss.is_some()),
            ("duplication", self.duplication.is_some()),
            ("reordering", self.reordering.is_some()),
            ("delay", self.delay.is_some()),
            ("factor", self.factor.is_some()),
            ("drift", self.drift.is_some()),
            ("by", self.by.is_some()),
            ("lasts", self.lasts.is_some()),
            ("voters", self.voters.is_some()),
            ("learners", self.learners.is_some()),
            ("remove", self.remove.is_some()),
            ("by_joint", self.by_joint.is_some()),
        ];
        all.into_iter().find(|&(_, is_set)| is_set).map(|(name, _)| name)
    }
}
