//! A fault as a file writes it: flat. Read by hand, because a flattened enum would forget in which line and column a
//! field stands, and would let fields pass that no kind has.

use super::{Fault, FaultKind, Probability, SimDuration, Target, Trigger};
use crate::names;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// All fields that a fault of any kind may have.
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

/// The name of a kind that exists.
struct FaultName(&'static str);

impl<'de> Deserialize<'de> for FaultName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FaultName, D::Error> {
        let typed = String::deserialize(deserializer)?;
        let kinds = || FaultKind::ALL.into_iter().map(|(name, _)| name);
        match kinds().find(|&name| name == typed) {
            Some(name) => Ok(FaultName(name)),
            None => Err(D::Error::custom(names::unknown_name("fault", &typed, kinds()))),
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
    /// The fault, if the fields are just those that its kind has.
    fn into_fault(self) -> Result<Fault, String> {
        let mut wire = self;
        let name = wire.kind.0;
        // Takes a field that the kind must have. What is left over in the end, the kind does not have.
        macro_rules! need {
            ($field:ident) => {
                wire.$field
                    .take()
                    .ok_or_else(|| format!("a fault of kind `{name}` needs `{}`", stringify!($field)))?
            };
        }
        let kind = match name {
            "crash" => FaultKind::Crash { node: need!(node), lasts: need!(lasts) },
            "power-loss" => {
                FaultKind::PowerLoss { nodes: wire.nodes.take().unwrap_or_default(), lasts: need!(lasts) }
            }
            "pause" => FaultKind::Pause { node: need!(node), lasts: need!(lasts) },
            "cut" => FaultKind::Cut { from: need!(from), to: need!(to), lasts: need!(lasts) },
            "split" => FaultKind::Split { side: need!(side), lasts: need!(lasts) },
            "weather" => FaultKind::Weather {
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
            "rot" => FaultKind::Rot { node: need!(node) },
            "disk-error" => FaultKind::DiskError { node: need!(node), lasts: need!(lasts) },
            "wipe" => FaultKind::Wipe { node: need!(node), lasts: need!(lasts) },
            "transfer" => FaultKind::Transfer { to: need!(to) },
            "change" => FaultKind::Change {
                voters: wire.voters.take().unwrap_or_default(),
                learners: wire.learners.take().unwrap_or_default(),
                remove: wire.remove.take().unwrap_or_default(),
                by_joint: wire.by_joint.take().unwrap_or_default(),
            },
            "leave" => FaultKind::Leave,
            _ => unreachable!("a kind was read that no list has: {name}"),
        };
        match wire.unexpected_field() {
            Some(field) => Err(format!("a fault of kind `{name}` has no `{field}`")),
            None => Ok(Fault { at: wire.at, on: wire.on, kind }),
        }
    }

    /// A field that is there and was not taken.
    fn unexpected_field(&self) -> Option<&'static str> {
        let fields = [
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
        fields.into_iter().find(|&(_, there)| there).map(|(name, _)| name)
    }
}
