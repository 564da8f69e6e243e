//! Searches in sorted lists.

/// The length of the prefix of a sorted list for which `is_early` holds; usually the whole list.
pub(crate) fn count_prefix<T>(ordered: &[T], is_early: impl Fn(&T) -> bool) -> usize {
    match ordered.last() {
        Some(last) if !is_early(last) => ordered.partition_point(is_early),
        _ => ordered.len(),
    }
}
