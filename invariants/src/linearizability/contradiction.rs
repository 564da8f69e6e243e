//! Why operations have no order, as data. It becomes text where the explanation is shown.

use super::names::{DisplayNamed, Names};
use super::operation::{Call, Content, Object};
use serde::Serialize;
use std::fmt;

/// Why a few operations have no order. Operations are indices among those of the
/// [`Explanation`](super::Explanation).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Contradiction {
    /// The search tried every order of all of them.
    NoOrder,
    /// One did this to a content that was never written.
    NeverWritten {
        /// The operation.
        call: usize,
        /// What it did.
        verb: Verb,
        /// The content.
        content: Content,
    },
    /// A compare-and-set failed although it found what it expected.
    FoundWhatItExpected {
        /// The operation.
        call: usize,
    },
    /// Two compare-and-sets took effect on one content, which the register held once.
    ExchangedTwice {
        /// The operations.
        calls: [usize; 2],
        /// The content.
        content: Content,
    },
    /// Compare-and-sets depend on each other's products.
    Cycle {
        /// One of them.
        call: usize,
    },
    /// The first returned before the second was called, but must follow it.
    OutOfOrder {
        /// The operations.
        calls: [usize; 2],
        /// Why the first must follow the second.
        evidence: OrderEvidence,
    },
    /// Each of two zones must precede the other.
    ConflictingZones([ZonePrecedence; 2]),
    /// A read shows an element before one that had replaced all elements before it.
    ReplacedMidway {
        /// The read.
        call: usize,
        /// The first element of the list.
        first: u64,
        /// The element that replaced it.
        element: u64,
    },
    /// An element that was added once is in two positions: of one read, or of two reads of different lists.
    SeenTwice {
        /// The reads.
        calls: [usize; 2],
        /// The element.
        element: u64,
    },
    /// Two reads have different elements in one position.
    Diverged {
        /// The reads.
        calls: [usize; 2],
        /// The position, from 0.
        position: usize,
        /// What each shows there.
        elements: [u64; 2],
    },
}

/// Why the first of two operations must follow the second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderEvidence {
    /// It saw what the second wrote.
    Saw(Content),
    /// It wrote or saw a content that was derived from what the second wrote.
    Derived {
        /// What it did to the content.
        verb: Verb,
        /// The content.
        content: Content,
        /// What the second wrote.
        from: Content,
    },
    /// What the second saw had been replaced before the content of the first.
    Replaced {
        /// What the second saw.
        seen: Content,
        /// The content of the first.
        before: Content,
    },
    /// The list has the element of the second before that of the first.
    ListOrder([u64; 2]),
    /// The second did not see what the first added.
    Missed(u64),
    /// It saw an element, and the second did not.
    OnlyFirstSaw(u64),
}

/// One zone must precede another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct ZonePrecedence {
    /// The zone that is older.
    pub older: ZoneLabel,
    /// The zone that is newer.
    pub newer: ZoneLabel,
    /// An operation of the older one returned before one of the newer one was called. `None`: the older one is that
    /// of the initial state.
    pub calls: Option<[usize; 2]>,
}

/// A zone of contents, by what tells it from another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneLabel {
    /// A content of a register.
    Content(Content),
    /// The lists that begin with this element; `None`: the initial list.
    List(Option<u64>),
    /// The list that this operation left and no read shows.
    Unseen(usize),
}

/// One operation must precede another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OrderingEdge {
    /// The index of the first among the operations of the explanation.
    pub before: usize,
    /// The index of the second.
    pub after: usize,
    /// Why.
    pub reason: OrderingReason,
}

/// Why one operation must precede another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderingReason {
    /// It returned before the second was called.
    RealTime,
    /// The two did these to one content.
    Shared {
        /// What the first did.
        first: Verb,
        /// The content.
        content: Content,
        /// What the second did.
        second: Verb,
    },
    /// Its content had been replaced for good when the second saw another.
    ReplacedWhenSeen {
        /// What the first did to its content.
        first: Verb,
        /// That content.
        content: Content,
        /// What the second saw.
        seen: Content,
    },
    /// It added the first element, and the list shows that before the other, which the second added.
    ShownBefore([u64; 2]),
    /// It replaced all elements, but not this one, which the second added.
    NotReplaced(u64),
    /// It added the first element, and a read shows that without the other, of the second, before it.
    ShownWithout([u64; 2]),
    /// Its list had been replaced for good before the second.
    ListReplaced {
        /// What the first did to the list.
        first: Verb,
        /// The first element of the list; `None`: the initial list.
        list: Option<u64>,
    },
    /// No read shows the list that it left, and that had been replaced for good before the second.
    UnseenListReplaced,
    /// It did not see what the second added.
    MissedAddition,
}

/// What an operation did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// A write or a compare-and-set.
    Wrote,
    /// A read, or a failed compare-and-set.
    Saw,
    /// A compare-and-set expected it.
    Exchanged,
    /// A compare-and-set wrote the next content.
    Replaced,
    /// It will not be seen again.
    ReplacedForGood,
    /// An addition to a list.
    Added,
    /// A read without it.
    DidNotSee,
}

impl Contradiction {
    /// The operations that it names.
    pub(crate) fn calls_mut(&mut self) -> Vec<&mut usize> {
        match self {
            Contradiction::NoOrder => Vec::new(),
            Contradiction::NeverWritten { call, .. }
            | Contradiction::FoundWhatItExpected { call }
            | Contradiction::Cycle { call }
            | Contradiction::ReplacedMidway { call, .. } => vec![call],
            Contradiction::ExchangedTwice { calls, .. }
            | Contradiction::OutOfOrder { calls, .. }
            | Contradiction::SeenTwice { calls, .. }
            | Contradiction::Diverged { calls, .. } => calls.iter_mut().collect(),
            Contradiction::ConflictingZones(zones) => {
                let calls = zones.iter_mut().flat_map(|ZonePrecedence { older, newer, calls }| {
                    let labels = [older, newer].into_iter().filter_map(|label| match label {
                        ZoneLabel::Unseen(call) => Some(call),
                        ZoneLabel::Content(_) | ZoneLabel::List(_) => None,
                    });
                    labels.chain(calls.iter_mut().flatten())
                });
                calls.collect()
            }
        }
    }

    /// The contradiction in one sentence.
    pub(crate) fn describe(&self, operations: &[Call], names: &Names) -> impl fmt::Display {
        fmt::from_fn(move |f| self.fmt_among(operations, names, f))
    }

    fn fmt_among(&self, operations: &[Call], names: &Names, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = |index: usize| {
            let Call { id, operation, .. } = &operations[index];
            fmt::from_fn(move |f| write!(f, "{id} ({})", operation.named(names)))
        };
        let is_list = operations.iter().any(|call| Object::of(call.operation.action) == Object::List);
        match self {
            Contradiction::NoOrder => write!(
                f,
                "every order of these {} operations was tried, and none explains all answers",
                operations.len()
            ),
            Contradiction::NeverWritten { call: of, verb, content } => {
                let written = if is_list { "added" } else { "written" };
                write!(f, "{} {verb} {}, which was never {written}", call(*of), content.named(names))
            }
            Contradiction::FoundWhatItExpected { call: of } => {
                write!(f, "{} failed because it found what it expected", call(*of))
            }
            Contradiction::ExchangedTwice { calls: [one, other], content } => write!(
                f,
                "{} and {} both took effect, but each replaced {}, which the register held once",
                call(*one),
                call(*other),
                content.named(names)
            ),
            Contradiction::Cycle { call: of } => {
                write!(f, "{} and the writes that it depends on depend on each other", call(*of))
            }
            Contradiction::OutOfOrder { calls: [first, second], evidence } => {
                write!(f, "{} returned before {} was called, but ", call(*first), call(*second))?;
                evidence.fmt_of(is_list, names, f)
            }
            Contradiction::ConflictingZones(zones) => {
                for (position, ZonePrecedence { older, newer, calls }) in zones.iter().enumerate() {
                    let label = |label: &ZoneLabel| {
                        let label = *label;
                        fmt::from_fn(move |f| match label {
                            ZoneLabel::Content(content) => content.fmt_named(names, f),
                            ZoneLabel::List(first) => fmt_list(first, names, f),
                            ZoneLabel::Unseen(of) => {
                                write!(f, "the list that {} left and no read shows", call(of))
                            }
                        })
                    };
                    let so = match (calls, older) {
                        (Some([first, second]), _) => {
                            write!(f, "{} returned before {} was called, so ", call(*first), call(*second))?;
                            ""
                        }
                        (None, ZoneLabel::Content(_)) => " is the initial content, so it",
                        (None, _) => "",
                    };
                    write!(f, "{}{so} is older than {}", label(older), label(newer))?;
                    f.write_str(if position == 0 { "; " } else { "" })?;
                }
                let is_register = matches!(zones[0].older, ZoneLabel::Content(_));
                let suffix = "; the register held each of them once, without interruption";
                f.write_str(if is_register { suffix } else { "" })
            }
            Contradiction::ReplacedMidway { call: of, first, element } => write!(
                f,
                "{} saw {} before {}, which had replaced all elements before it",
                call(*of),
                names.value(*first),
                names.value(*element)
            ),
            Contradiction::SeenTwice { calls: [one, other], element } => {
                let (reads, element) = ((call(*one), call(*other)), names.value(*element));
                match one == other {
                    true => write!(f, "{} saw {element} twice, which was added once", reads.0),
                    false => write!(
                        f,
                        "{} and {} both saw {element}, but in lists of which one had replaced the other; it was added \
                         once",
                        reads.0, reads.1
                    ),
                }
            }
            Contradiction::Diverged { calls: [one, other], position, elements } => write!(
                f,
                "{} and {} disagree: position {} holds {} in the first and {} in the second",
                call(*one),
                call(*other),
                position + 1,
                names.value(elements[0]),
                names.value(elements[1])
            ),
        }
    }
}

impl OrderEvidence {
    fn fmt_of(self, is_list: bool, names: &Names, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OrderEvidence::Saw(content) => {
                let verb = if is_list { Verb::Added } else { Verb::Wrote };
                write!(f, "it saw {}, which the second {verb}", content.named(names))
            }
            OrderEvidence::Derived { verb, content, from } => write!(
                f,
                "{}, which it {verb}, was derived from {}, which the second wrote",
                content.named(names),
                from.named(names)
            ),
            OrderEvidence::Replaced { seen, before } => write!(
                f,
                "{}, which the second saw, had been replaced before {}",
                seen.named(names),
                before.named(names)
            ),
            OrderEvidence::ListOrder([first, second]) => {
                write!(f, "the list has {} before {}", names.value(first), names.value(second))
            }
            OrderEvidence::Missed(element) => write!(f, "the second did not see {}", names.value(element)),
            OrderEvidence::OnlyFirstSaw(element) => {
                write!(f, "it saw {}, and the second did not", names.value(element))
            }
        }
    }
}

/// The lists that begin with this element.
fn fmt_list(first: Option<u64>, names: &Names, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match first {
        None => f.write_str("the initial list"),
        Some(first) => write!(f, "the list that begins with {}", names.value(first)),
    }
}

impl OrderingEdge {
    /// The reason, as the end of a sentence that starts with the first operation; `other` is what the second is
    /// called.
    pub(crate) fn describe(&self, operations: &[Call], other: char, names: &Names) -> impl fmt::Display {
        let called = operations[self.after].called;
        let returned = operations[self.before].returned.as_ref().map_or(called, |(returned, _)| *returned);
        fmt::from_fn(move |f| match self.reason {
            OrderingReason::RealTime => {
                write!(f, "returned at {returned}, before the call at {called}")
            }
            OrderingReason::Shared { first, content, second } => {
                write!(f, "{first} {}, which {other} {second}", content.named(names))
            }
            OrderingReason::ReplacedWhenSeen { first, content, seen } => write!(
                f,
                "{first} {}, which had been replaced for good when {other} saw {}",
                content.named(names),
                seen.named(names)
            ),
            OrderingReason::ShownBefore([first, second]) => write!(
                f,
                "added {}, and the list shows it before {}, which {other} added",
                names.value(first),
                names.value(second)
            ),
            OrderingReason::NotReplaced(element) => {
                write!(f, "replaced all elements, but not {}, which {other} added", names.value(element))
            }
            OrderingReason::ShownWithout([first, second]) => write!(
                f,
                "added {}, and the read that shows it there shows no {} of {other} before it",
                names.value(first),
                names.value(second)
            ),
            OrderingReason::ListReplaced { first, list } => {
                let list = fmt::from_fn(|f| fmt_list(list, names, f));
                let to = if first == Verb::Added { " to" } else { "" };
                write!(f, "{first}{to} {list}, which had been replaced for good before {other}")
            }
            OrderingReason::UnseenListReplaced => write!(
                f,
                "left a list that no read shows, and that had been replaced for good before {other}"
            ),
            OrderingReason::MissedAddition => write!(f, "did not see what {other} added"),
        })
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Wrote => "wrote",
            Verb::Saw => "saw",
            Verb::Exchanged => "exchanged",
            Verb::Replaced => "replaced",
            Verb::ReplacedForGood => "replaced for good",
            Verb::Added => "added",
            Verb::DidNotSee => "did not see",
        })
    }
}
