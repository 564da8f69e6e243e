//! What is wrong with a response, as data.

use super::zones::ZoneConflict;
use crate::evidence::evidence;
use crate::linearizability::operation::Content;

evidence! {
    /// Why no order explains a response, or a failure.
    StreamContradiction {
        FoundWhatItExpected = "found-what-it-expected" {} "it failed because it found what it expected";
        Missing = "missing" { content: Content }
            "{content} was never written, or had been replaced before the call";
        Observed = "observed" { content: Content } "an operation observed {content}";
        Shown = "shown" { element: u64 } "a read shows {element}";
        CalledAfterReplaced = "called-after-replaced" { content: Content }
            "it was called after {content} had been replaced";
        ReplacedTwice = "replaced-twice" { content: Content, from: Content }
            "{content} replaced {from}, as did another content";
        NoLongerEmpty = "no-longer-empty" {} "the list was no longer empty";
        FurtherBack = "further-back" { element: u64 } "an earlier read shows {element} further back";
        ListReplaced = "list-replaced" { element: u64 } "a list before {element} was replaced";
        OtherOrder = "other-order" {} "an earlier read shows another order";
        TwoPositions = "two-positions" { element: u64 } "{element} is in two positions";
        ReplacedMidway = "replaced-midway" { element: u64 } "{element} had replaced the elements before it";
        AddedBefore = "added-before" { element: u64 } "{element} was added before the elements before it";
        LacksAddition = "lacks-addition" {} "an element is missing that had been added before";
        ConflictingZones = "conflicting-zones" {} "it is older than another one, and newer as well";
    }
}

impl From<ZoneConflict> for StreamContradiction {
    fn from(ZoneConflict: ZoneConflict) -> StreamContradiction {
        StreamContradiction::ConflictingZones {}
    }
}
