//! A fault that stays in the healed phase.

use super::Target;
use serde::{Deserialize, Serialize};

/// A fault of one server that does not end with the fault phase. Liveness is not required of this server, but of the
/// others: they must elect a leader among themselves. This needs check-quorum, without which an unreachable leader
/// never steps down.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermanentFault {
    /// The server.
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
}

/// Whether the clock keeps true time. It is then not written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(drift: &i64) -> bool {
    *drift == 0
}
