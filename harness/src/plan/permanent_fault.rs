//! A fault that stays in the healed phase.

use super::Target;
use super::faults::Shape;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A fault that does not end with the fault phase. Where it is one of a server, liveness is not required of this server,
/// but of the others: they must elect a leader among themselves. This needs check-quorum, without which an unreachable
/// leader never steps down. Where only some links work for good, liveness is required of those servers that each reach a
/// majority; there, check-quorum keeps a server that does not hear the leader from deposing it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermanentFault {
    /// The server, or the center of the topology.
    pub node: Target,
    /// What fails.
    #[serde(alias = "ailment")]
    pub kind: PermanentFaultKind,
    /// Parts per million by which its clock runs faster than true time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub drift: i64,
}

/// The kinds of permanent faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PermanentFaultKind {
    /// The server receives no messages.
    #[serde(alias = "deaf")]
    InboundPartition,
    /// No other server receives its messages.
    #[serde(alias = "mute")]
    OutboundPartition,
    /// No sync of its disk completes.
    StalledDisk,
    /// All syncs of its disk fail. The server stops, and is not restarted.
    BrokenDisk,
    /// Only some links work: [`Shape::Bridge`].
    Bridge,
    /// Only some links work: [`Shape::Ring`].
    Ring,
    /// Only some links work: [`Shape::Chain`].
    Chain,
    /// Only some links work: [`Shape::LoneLink`].
    LoneLink,
}

impl fmt::Display for PermanentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, which does not heal", self.kind, self.node)
    }
}

impl fmt::Display for PermanentFaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PermanentFaultKind {
    /// The name, as in a plan.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PermanentFaultKind::InboundPartition => "inbound-partition",
            PermanentFaultKind::OutboundPartition => "outbound-partition",
            PermanentFaultKind::StalledDisk => "stalled-disk",
            PermanentFaultKind::BrokenDisk => "broken-disk",
            PermanentFaultKind::Bridge => "bridge",
            PermanentFaultKind::Ring => "ring",
            PermanentFaultKind::Chain => "chain",
            PermanentFaultKind::LoneLink => "lone-link",
        }
    }

    /// Which links work, if it is a topology.
    #[must_use]
    pub const fn shape(self) -> Option<Shape> {
        match self {
            PermanentFaultKind::Bridge => Some(Shape::Bridge),
            PermanentFaultKind::Ring => Some(Shape::Ring),
            PermanentFaultKind::Chain => Some(Shape::Chain),
            PermanentFaultKind::LoneLink => Some(Shape::LoneLink),
            PermanentFaultKind::InboundPartition
            | PermanentFaultKind::OutboundPartition
            | PermanentFaultKind::StalledDisk
            | PermanentFaultKind::BrokenDisk => None,
        }
    }
}

/// Whether the clock keeps true time. It is then not written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(drift: &i64) -> bool {
    *drift == 0
}
