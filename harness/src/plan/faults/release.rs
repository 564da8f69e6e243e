//! What releases held messages.

use serde::{Deserialize, Serialize};

/// What releases held messages before the duration is over.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// Nothing.
    #[default]
    Time,
    /// A leader is elected.
    Election,
    /// Two leaders are elected, one after the other.
    TwoElections,
    /// A server restarts.
    Restart,
}

impl Release {
    /// All of them.
    pub(in crate::plan) const ALL: [Release; 4] =
        [Release::Time, Release::Election, Release::TwoElections, Release::Restart];
}
