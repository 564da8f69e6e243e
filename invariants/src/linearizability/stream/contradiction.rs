//! What is wrong with a response, as data.

use super::zones::ZoneConflict;
use crate::linearizability::operation::Content;
use serde::Serialize;
use std::fmt;

/// Why no order explains a response, or a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamContradiction {
    /// A compare-and-set failed although it found what it expected.
    FoundWhatItExpected,
    /// A content that was not written, or was forgotten.
    Missing(Content),
    /// The operation failed, and an operation observed what it would have written.
    Observed(Content),
    /// The operation failed, and a read shows its element.
    Shown(u64),
    /// It was called after the content had been replaced.
    CalledAfterReplaced(Content),
    /// The first content replaced the second, as did another.
    ReplacedTwice(Content, Content),
    /// An empty list, after additions.
    NoLongerEmpty,
    /// An earlier read shows the first element further back.
    FurtherBack(u64),
    /// The list before that of this element was replaced.
    ListReplaced(u64),
    /// An earlier read shows another order.
    OtherOrder,
    /// The element is in two positions.
    TwoPositions(u64),
    /// The element had replaced the elements before it.
    ReplacedMidway(u64),
    /// The element was added before the elements before it.
    AddedBefore(u64),
    /// An element is missing that had been added before.
    LacksAddition,
    /// Its zone and another one must each precede the other.
    ConflictingZones,
}

impl From<ZoneConflict> for StreamContradiction {
    fn from(ZoneConflict: ZoneConflict) -> StreamContradiction {
        StreamContradiction::ConflictingZones
    }
}

impl fmt::Display for StreamContradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamContradiction::FoundWhatItExpected => {
                f.write_str("it failed because it found what it expected")
            }
            StreamContradiction::Missing(content) => {
                write!(f, "{content} was never written, or had been replaced before the call")
            }
            StreamContradiction::Observed(content) => write!(f, "an operation observed {content}"),
            StreamContradiction::Shown(element) => write!(f, "a read shows {element}"),
            StreamContradiction::CalledAfterReplaced(content) => {
                write!(f, "it was called after {content} had been replaced")
            }
            StreamContradiction::ReplacedTwice(content, from) => {
                write!(f, "{content} replaced {from}, as did another content")
            }
            StreamContradiction::NoLongerEmpty => f.write_str("the list was no longer empty"),
            StreamContradiction::FurtherBack(element) => {
                write!(f, "an earlier read shows {element} further back")
            }
            StreamContradiction::ListReplaced(element) => {
                write!(f, "a list before {element} was replaced")
            }
            StreamContradiction::OtherOrder => f.write_str("an earlier read shows another order"),
            StreamContradiction::TwoPositions(element) => write!(f, "{element} is in two positions"),
            StreamContradiction::ReplacedMidway(element) => {
                write!(f, "{element} had replaced the elements before it")
            }
            StreamContradiction::AddedBefore(element) => {
                write!(f, "{element} was added before the elements before it")
            }
            StreamContradiction::LacksAddition => {
                f.write_str("an element is missing that had been added before")
            }
            StreamContradiction::ConflictingZones => {
                f.write_str("it is older than another one, and newer as well")
            }
        }
    }
}
