//! Why operations have no order, as data. It becomes text where the explanation is shown.

use super::names::{DisplayNamed, Names};
use super::operation::{Call, Content};
use crate::evidence::phrases;
use crate::fact::Time;
use std::fmt;

/// How the arguments of a sentence are written.
#[derive(Clone, Copy)]
pub(crate) struct Notation<'a> {
    pub(crate) operations: &'a [Call],
    pub(crate) names: &'a Names,
    /// What the second of two operations is called.
    pub(crate) other: char,
}

/// An argument of a sentence, or a sentence.
pub(crate) trait Argument {
    fn fmt_in(&self, notation: Notation<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Visits the operations in it.
    fn for_each_call(&mut self, _visit: &mut dyn FnMut(&mut usize)) {}

    fn shown(&self, notation: Notation<'_>) -> impl fmt::Display {
        fmt::from_fn(move |f| self.fmt_in(notation, f))
    }
}

/// An operation, by its index: in an [`Explanation`](super::Explanation) among its operations.
impl Argument for usize {
    fn fmt_in(
        &self,
        Notation { operations, names, .. }: Notation<'_>,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let Call { id, operation, .. } = &operations[*self];
        write!(f, "{id} ({})", operation.named(names))
    }

    fn for_each_call(&mut self, visit: &mut dyn FnMut(&mut usize)) {
        visit(self);
    }
}

impl Argument for Content {
    fn fmt_in(&self, notation: Notation<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_named(notation.names, f)
    }
}

/// Arguments that are written alike in every notation.
macro_rules! plain_arguments {
    ($($type:ty),+) => {
        $(impl Argument for $type {
            fn fmt_in(&self, _: Notation<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        })+
    };
}

plain_arguments!(Verb, u64);

/// Declares sentences, one row each: name, fields, text.
macro_rules! sentences {
    ($notation:ident: $($(#[doc = $about:literal])+ $sentence:ident {
        $($variant:ident { $($field:ident: $type:ty),* }
            $text:literal $(, $argument:ident = $value:expr)*;)+
    })+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $sentence {
            $(
                #[doc = concat!("\"", $text, "\"")]
                $variant {
                    $(#[doc = concat!("`", stringify!($field), "` in the sentence.")] $field: $type,)*
                },
            )+
        }

        impl Argument for $sentence {
            fn fmt_in(&self, $notation: Notation<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $($sentence::$variant { $($field),* } => {
                        $(let $field = $field.shown($notation);)*
                        write!(f, $text $(, $argument = $value)*)
                    })+
                }
            }

            fn for_each_call(&mut self, visit: &mut dyn FnMut(&mut usize)) {
                match self {
                    $($sentence::$variant { $($field),* } => { $($field.for_each_call(&mut *visit);)* })+
                }
            }
        }
    )+};
}

sentences! { notation:
    /// Why a few operations have no order.
    Contradiction {
        NoOrder {} "every order of these {count} operations was tried, and none explains all answers",
            count = notation.operations.len();
        NeverWritten { call: usize, did: Verb, content: Content }
            "{call} {did} {content}, which was never written";
        NeverAdded { read: usize, element: Content } "{read} saw {element}, which was never added";
        FoundWhatItExpected { call: usize } "{call} failed because it found what it expected";
        ExchangedTwice { one: usize, other: usize, content: Content }
            "{one} and {other} both took effect, but each replaced {content}, which the register held once";
        Cycle { call: usize } "{call} and the writes that it depends on depend on each other";
        OutOfOrder { first: usize, second: usize, evidence: OrderEvidence }
            "{first} returned before {second} was called, but {evidence}";
        ConflictingContents { one: ZoneOrder, other: ZoneOrder }
            "{one}; {other}; the register held each of them once, without interruption";
        ConflictingLists { one: ZoneOrder, other: ZoneOrder } "{one}; {other}";
        ReplacedMidway { read: usize, first: Content, element: Content }
            "{read} saw {first} before {element}, which had replaced all elements before it";
        SeenTwice { read: usize, element: Content } "{read} saw {element} twice, which was added once";
        SeenInTwoLists { one: usize, other: usize, element: Content }
            "{one} and {other} both saw {element}, but in lists of which one had replaced the other; it was added once";
        Diverged { one: usize, other: usize, position: u64, here: Content, there: Content }
            "{one} and {other} disagree: position {position} holds {here} in the first and {there} in the second";
    }
    /// Why the first of two operations must follow the second.
    OrderEvidence {
        Saw { content: Content, did: Verb } "it saw {content}, which the second {did}";
        Derived { content: Content, did: Verb, from: Content }
            "{content}, which it {did}, was derived from {from}, which the second wrote";
        Replaced { content: Content, next: Content }
            "{content}, which the second saw, had been replaced before {next}";
        ListOrder { before: Content, after: Content } "the list has {before} before {after}";
        Missed { element: Content } "the second did not see {element}";
        OnlyFirstSaw { element: Content } "it saw {element}, and the second did not";
    }
    /// Why one zone must precede another.
    ZoneOrder {
        RealTime { first: usize, second: usize, older: ZoneLabel, newer: ZoneLabel }
            "{first} returned before {second} was called, so {older} is older than {newer}";
        InitialContent { older: ZoneLabel, newer: ZoneLabel }
            "{older} is the initial content, so it is older than {newer}";
        InitialList { older: ZoneLabel, newer: ZoneLabel } "{older} is older than {newer}";
    }
    /// A zone, by what tells it from another one.
    ZoneLabel {
        Content { content: Content } "{content}";
        InitialList {} "the initial list";
        ListFrom { first: Content } "the list that begins with {first}";
        UnseenList { call: usize } "the list that {call} left and no read shows";
    }
    /// Why an operation must precede another, as the end of a sentence that begins with the first.
    OrderingReason {
        RealTime { returned: Time, called: Time } "returned at {returned}, before the call at {called}";
        SameContent { did: Verb, content: Content, then: Verb }
            "{did} {content}, which {other} {then}", other = notation.other;
        ReplacedWhenSeen { did: Verb, content: Content, seen: Content }
            "{did} {content}, which had been replaced for good when {other} saw {seen}", other = notation.other;
        ShownBefore { first: Content, second: Content }
            "added {first}, and the list shows it before {second}, which {other} added", other = notation.other;
        NotReplaced { element: Content }
            "replaced all elements, but not {element}, which {other} added", other = notation.other;
        ShownWithout { first: Content, second: Content }
            "added {first}, and the read that shows it there shows no {second} of {other} before it",
            other = notation.other;
        AddedToReplaced { list: ZoneLabel }
            "added to {list}, which had been replaced for good before {other}", other = notation.other;
        SawReplaced { list: ZoneLabel }
            "saw {list}, which had been replaced for good before {other}", other = notation.other;
        UnseenListReplaced {}
            "left a list that no read shows, and that had been replaced for good before {other}",
            other = notation.other;
        MissedAddition {} "did not see what {other} added", other = notation.other;
    }
}

phrases! {
    /// What an operation did to a content.
    Verb {
        Wrote = "wrote",
        Saw = "saw",
        Exchanged = "exchanged",
        Replaced = "replaced",
        ReplacedForGood = "replaced for good",
        Added = "added",
        DidNotSee = "did not see",
    }
}

/// One operation must precede another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderingEdge {
    /// The index of the first among the operations of the explanation.
    pub before: usize,
    /// The index of the second.
    pub after: usize,
    /// Why.
    pub reason: OrderingReason,
}
