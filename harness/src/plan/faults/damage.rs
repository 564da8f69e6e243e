//! How synced bytes of a disk go bad.

use serde::{Deserialize, Serialize};

/// How synced bytes go bad without a word from the disk. Each strikes only where something durable shows the loss.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// One bit flips.
    #[default]
    Bit,
    /// A write never reached the disk: zeros are in its place.
    LostWrite,
    /// A write went to the wrong place: other bytes of the same file are there.
    MisdirectedWrite,
    /// A sector cannot be read: noise is in its place.
    Sector,
}

impl Damage {
    /// All of them.
    pub(in crate::plan) const ALL: [Damage; 4] =
        [Damage::Bit, Damage::LostWrite, Damage::MisdirectedWrite, Damage::Sector];

    /// The words for it.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Damage::Bit => "",
            Damage::LostWrite => " by a lost write",
            Damage::MisdirectedWrite => " by a misdirected write",
            Damage::Sector => " of a sector",
        }
    }
}
