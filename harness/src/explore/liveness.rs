//! Liveness within a scope.
use super::Model;
use super::search::Search;
use super::trace::Found;

pub(super) fn find_stuck<M: Model>(_search: &mut Search<'_, M>) -> Option<Found> {
    None
}
