//! The operations of a chain and the extent of its zone, for explanations.

use super::certificate::Certificate;
use crate::fact::Time;
use crate::linearizability::contradiction::{Contradiction, OrderingReason, ZoneLabel, ZoneOrder};
use crate::linearizability::operation::Content;

/// An operation of a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChainOp {
    pub(super) call: usize,
    pub(super) called: Time,
    pub(super) returned: Time,
    /// What it wrote or saw; of a list, the last element.
    pub(super) content: Content,
    /// The position of that in the chain.
    pub(super) position: usize,
    pub(super) produces: bool,
}

impl ChainOp {
    /// It returned before the other was called.
    pub(super) const fn precedes(self, other: ChainOp) -> OrderingReason {
        OrderingReason::RealTime { returned: self.returned, called: other.called }
    }
}

/// Two operations, given in the order of their chain, of which the second returned before the first was called.
pub(super) fn find_out_of_order(members: &[ChainOp]) -> Option<[ChainOp; 2]> {
    let mut latest = *members.first()?;
    for &member in members {
        if member.returned < latest.called {
            return Some([latest, member]);
        }
        if latest.called < member.called {
            latest = member;
        }
    }
    None
}

/// The extent of a zone in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) label: ZoneLabel,
    /// The operation that returned first. `None`: it is not needed, because the zone begins with the initial state.
    pub(super) first: Option<ChainOp>,
    /// The operation that was called last.
    pub(super) last: ChainOp,
}

impl Extent {
    pub(super) fn of(label: ZoneLabel, members: &[ChainOp]) -> Option<Extent> {
        let first = members.iter().copied().min_by_key(|member| member.returned);
        let last = members.iter().copied().max_by_key(|member| member.called)?;
        Some(Extent { label, first, last })
    }

    /// The operations that show the extent.
    pub(super) fn ends(self) -> impl Iterator<Item = ChainOp> {
        let first = self.first.filter(|first| first.call != self.last.call);
        first.into_iter().chain([self.last])
    }

    /// That this zone must precede the other.
    fn order(self, newer: Extent) -> ZoneOrder {
        let (older_label, newer_label) = (self.label, newer.label);
        match (self.first, older_label) {
            (Some(first), _) => ZoneOrder::RealTime {
                first: first.call,
                second: newer.last.call,
                older: older_label,
                newer: newer_label,
            },
            (None, ZoneLabel::Content { .. }) => {
                ZoneOrder::InitialContent { older: older_label, newer: newer_label }
            }
            (None, _) => ZoneOrder::InitialList { older: older_label, newer: newer_label },
        }
    }
}

/// A certificate that two zones must precede each other, still without edges.
pub(super) fn conflict(extents: [Extent; 2]) -> Certificate {
    let [one_extent, other_extent] = extents;
    let (one, other) = (one_extent.order(other_extent), other_extent.order(one_extent));
    Certificate::new(match one_extent.label {
        ZoneLabel::Content { .. } => Contradiction::ConflictingContents { one, other },
        _ => Contradiction::ConflictingLists { one, other },
    })
}

/// Adds that the first operation of each zone returned before the last of the other was called. Returns the last
/// operation of one zone and the first of the other: all operations of the one precede those of the other, so these
/// two as well.
pub(super) fn add_real_time(
    certificate: &mut Certificate,
    extents: [Extent; 2],
) -> Option<(Extent, Extent, ChainOp)> {
    let [one, other] = extents;
    for (older, newer) in [(one, other), (other, one)] {
        if let Some(first) = older.first {
            certificate.add_edge(first.call, newer.last.call, first.precedes(newer.last));
        }
    }
    let (older, newer) = if other.first.is_some() { (one, other) } else { (other, one) };
    Some((older, newer, newer.first?))
}
